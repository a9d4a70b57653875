//! Confluence's REST API, with an administrator's token: through a pod's sidecar by the API server, or over the network.

use std::path::PathBuf;

use http::{HeaderValue, Request, header};
use hyper::body::Bytes;
use reqwest::Client;
use restward_crds::{
    api::v1alpha1::RestApiAuthPolicy,
    link::{self, Call, Consumer, Link, NameIsTaken, Refusal},
};

use crate::{
    cluster::{self, Session},
    failure::{Failure, chain},
    forward::PodPort,
    input,
    reach::Reach,
};

/// Variable with the administrator's token.
const TOKEN: &str = "RESTWARD_ADMIN_TOKEN";

/// Where Confluence is, and with which token.
#[derive(Debug, Clone, clap::Args)]
pub(super) struct Place {
    /// The file with a personal access token of a system administrator of Confluence; - is standard input
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
    /// Confluence's base URL with its context path. Default: a pod of the policy, through the API server
    #[arg(long, value_name = "URL")]
    url: Option<String>,
    #[command(flatten)]
    reach: Reach,
}

/// The way to Confluence.
enum Way {
    Pod(Box<PodPort>),
    Network(Client),
}

/// Confluence, as an administrator.
pub(super) struct Confluence {
    way: Way,
    /// What stands in front of each path.
    base: String,
    authorization: HeaderValue,
}

impl Confluence {
    pub(super) async fn reach(
        session: &Session,
        policy: &RestApiAuthPolicy,
        place: &Place,
    ) -> Result<Self, Failure> {
        let token = input::read_or("the administrator's token", place.token_file.as_deref(), TOKEN)?;
        let authorization = authorization(token)?;
        if let Some(url) = &place.url {
            let base = url.trim_end_matches('/').to_owned();
            return Ok(Self { way: Way::Network(place.reach.client(None)?), base, authorization });
        }
        let pod = session.sidecar(policy).await?;
        let settings = cluster::settings(&pod).ok_or_else(|| {
            Failure::new(
                "find Confluence's port",
                "the sidecar's settings cannot be read",
                "say where it is by --url",
            )
        })?;
        let name = pod.metadata.name.unwrap_or_default();
        Ok(Self {
            way: Way::Pod(Box::new(PodPort::new(session.api(), name, settings.listen_port))),
            base: policy.spec.upstream.context_path.clone().unwrap_or(settings.context_path),
            authorization,
        })
    }

    /// The consumer's link, if there is one.
    pub(super) async fn find(&self, consumer: &Consumer) -> Result<Option<Link>, Failure> {
        let what = "list application links";
        let body = self.call(what, link::list()).await?;
        let links = link::listed(&body).ok_or_else(|| {
            Failure::new(
                what,
                "the answer is no list of links",
                "see that --url is Confluence's base URL with its context path",
            )
        })?;
        link::own(links, consumer).map_err(|NameIsTaken| {
            Failure::new(
                "find the application link",
                format!("a link named {} leads elsewhere", consumer.key),
                "rename that link, or set another spec.upstream.identity.oauth1.consumerKey",
            )
        })
    }

    /// Has Confluence do something; gives its answer.
    pub(super) async fn call(&self, what: &str, call: Call) -> Result<Bytes, Failure> {
        let (status, names, body) = match &self.way {
            Way::Pod(port) => {
                let answer = port.send(self.request(what, call)?).await?;
                let (head, body) = answer.into_parts();
                (head.status.as_u16(), head.headers, body)
            }
            Way::Network(client) => {
                let failed = |error: reqwest::Error| {
                    Failure::new(
                        what,
                        chain(&error),
                        "see that this machine reaches Confluence (--url, --ca-file, --resolve)",
                    )
                };
                let request = reqwest::Request::try_from(self.request(what, call)?).map_err(failed)?;
                let answer = client.execute(request).await.map_err(failed)?;
                let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
                (status, headers, answer.bytes().await.map_err(failed)?)
            }
        };
        let names = names.keys().map(header::HeaderName::as_str);
        link::done(status, names, &body)
            .map(|()| body.clone())
            .map_err(|refusal| refused(what, refusal, &body))
    }

    fn request(&self, what: &str, call: Call) -> Result<Request<Bytes>, Failure> {
        let mut request = Request::builder()
            .method(call.method)
            .uri(format!("{}{}", self.base, call.path))
            .header(header::ACCEPT, "application/json")
            .header(header::USER_AGENT, concat!("kubectl-restward/", env!("CARGO_PKG_VERSION")))
            .header(header::AUTHORIZATION, self.authorization.clone());
        if matches!(self.way, Way::Pod(_)) {
            request = request.header(header::HOST, "localhost");
        }
        if call.body.is_some() {
            request = request.header(header::CONTENT_TYPE, "application/json");
        }
        let body = call.body.map(|body| body.to_string()).unwrap_or_default();
        request.body(Bytes::from(body)).map_err(|error| Failure::new(what, error, "see that --url is a URL"))
    }
}

fn authorization(token: Option<String>) -> Result<HeaderValue, Failure> {
    let what = "use the administrator's token";
    let token = token.ok_or_else(|| {
        Failure::new(what, "none was given", format!("give it by --token-file FILE or the variable {TOKEN}"))
    })?;
    let mut value = HeaderValue::try_from(format!("Bearer {token}"))
        .map_err(|_| Failure::new(what, "it cannot be sent", "give a personal access token, alone"))?;
    value.set_sensitive(true);
    Ok(value)
}

/// The reason of the sidecar, where it was the sidecar that refused.
fn refused(what: &str, refusal: Refusal, body: &[u8]) -> Failure {
    let said: serde_json::Value = serde_json::from_slice(body).unwrap_or_default();
    let reason = said.get("reason").and_then(serde_json::Value::as_str);
    if let Some(reason) =
        reason.filter(|it| restward_crds::reason::Reason::ALL.iter().any(|known| known.code() == *it))
    {
        let message = said.get("message").and_then(serde_json::Value::as_str).unwrap_or_default();
        let fix = match reason {
            "personal_access_token_denied" => {
                "allow them for the time being (spec.credentials.personalAccessToken), or make the calls of applink show by another way"
            }
            "credential_not_accepted" => {
                "give a personal access token that is valid: Confluence does not know this one"
            }
            _ => "see spec.rules of the policy, and docs/reference/reasons.md",
        };
        return Failure::new(what, format!("the sidecar refused it: {reason}: {message}"), fix);
    }
    let (why, fix) = match refusal {
        Refusal::NotAccepted => (
            "Confluence does not know the token".to_owned(),
            "give a personal access token that is neither expired nor revoked",
        ),
        Refusal::NotAnAdministrator => (
            "the token's owner is no system administrator".to_owned(),
            "give a token of a system administrator",
        ),
        Refusal::WebSudo => (
            "Confluence asks for a secure administrator session (WebSudo) although a token was sent"
                .to_owned(),
            "make the link by the clicks of applink show, or switch secure administrator sessions off meanwhile",
        ),
        Refusal::Odd(status) => (
            format!("Confluence answers {status}"),
            "see that --url is Confluence's base URL with its context path, and its log",
        ),
    };
    Failure::new(what, why, fix)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_token_is_shown_by_no_debug_output() {
        let value = authorization(Some("secret".into())).unwrap();
        assert_eq!(value, "Bearer secret");
        assert!(!format!("{value:?}").contains("secret"));
        assert!(authorization(None).unwrap_err().to_string().contains(TOKEN));
    }

    #[test]
    fn a_refusal_names_who_refused_and_what_to_do() {
        let shown = |refusal, body: &str| refused("list links", refusal, body.as_bytes()).to_string();
        let by_sidecar =
            shown(Refusal::NotAccepted, r#"{"reason":"personal_access_token_denied","message":"m"}"#);
        assert!(
            by_sidecar.contains("the sidecar refused")
                && by_sidecar.contains("credentials.personalAccessToken")
        );
        assert!(
            shown(Refusal::NotAccepted, r#"{"reason":"Unauthorized"}"#).contains("does not know the token")
        );
        assert!(shown(Refusal::WebSudo, "").contains("WebSudo"));
        assert!(shown(Refusal::NotAnAdministrator, "").contains("no system administrator"));
        assert!(shown(Refusal::Odd(500), "<html>").contains("answers 500"));
    }
}
