//! The way to the wiki, as clients take it.

use http::{HeaderName, HeaderValue, Method, header};
use hyper::body::Bytes;
use k8s_openapi::jiff::Timestamp;
use reqwest::Client;
use restward_crds::{link, names};
use serde_json::json;
use url::Url;

use super::{answer::Answer, ask::Ask, cases::CONTENT};
use crate::failure::{Failure, chain};

/// Of a longer body only the length counts.
const MAX_BODY: usize = 1024 * 1024;

pub(super) struct Wiki {
    client: Client,
    /// Without a slash at its end.
    base: String,
    /// What the ids of all requests begin with, by which audit lines are found.
    pub(super) run: String,
}

impl Wiki {
    pub(super) fn at(url: &Url, client: Client) -> Self {
        let run = format!("verify-{}-{}", std::process::id(), Timestamp::now().as_second());
        Self { client, base: url.as_str().trim_end_matches('/').to_owned(), run }
    }

    /// Asks; fails only where there is no answer.
    pub(super) async fn ask(&self, name: &str, ask: Ask) -> Result<Answer, Failure> {
        let failed = |why: &dyn std::fmt::Display| {
            Failure::new(
                format!("ask {}", self.base),
                why,
                "see that this machine reaches the wiki, and trusts its certificate (--url, --ca-file, --resolve)",
            )
        };
        let mut request =
            self.client.request(ask.method, format!("{}{}", self.base, ask.target)).body(ask.body);
        for (name, value) in ask.headers {
            let mut value = HeaderValue::try_from(value).map_err(|error| failed(&error))?;
            value.set_sensitive(true);
            request = request.header(name, value);
        }
        let request = request
            .header(header::USER_AGENT, concat!("kubectl-restward/", env!("CARGO_PKG_VERSION")))
            .header(names::HEADER_REQUEST_ID, format!("{}-{name}", self.run));
        // The URL may hold a made-up password, and is said above.
        let mut answer = request.send().await.map_err(|error| failed(&chain(&error.without_url())))?;
        let (mut body, mut length) = (Vec::new(), 0);
        while let Some(part) = answer.chunk().await.map_err(|error| failed(&chain(&error.without_url())))? {
            length += part.len() as u64;
            body.extend(part.iter().take(MAX_BODY - body.len()));
        }
        Ok(Answer {
            status: answer.status().as_u16(),
            headers: answer.headers().clone(),
            body: Bytes::from(body),
            length,
        })
    }

    /// The cookies of a login at the form, or by the call of newer login pages; `None`: neither takes it.
    pub(super) async fn log_in(&self, user: &str, password: &str) -> Result<Option<String>, Failure> {
        let form = url::form_urlencoded::Serializer::new(String::new())
            .extend_pairs([
                ("os_username", user),
                ("os_password", password),
                ("login", "Log in"),
                ("os_destination", "/"),
            ])
            .finish();
        let ask = Ask::new(Method::POST, "/dologin.action").saying("application/x-www-form-urlencoded", form);
        let answer = self.ask("login", ask).await?;
        // Who is refused gets the form again.
        if (300..400).contains(&answer.status)
            && !answer.header(header::LOCATION).unwrap_or_default().contains("login.action")
        {
            return Ok(cookies(&answer));
        }
        let body = json!({"username": user, "password": password, "rememberMe": false, "targetUrl": "/"})
            .to_string();
        let ask = Ask::new(Method::POST, "/rest/tsv/1.0/authenticate?os_authType=none")
            .saying("application/json", body);
        let answer = self.ask("login", ask).await?;
        Ok((answer.status == 200).then(|| cookies(&answer)).flatten())
    }

    /// The application links.
    pub(super) async fn links(&self, token: &str) -> Result<Option<Vec<link::Link>>, Failure> {
        let ask = Ask::get(link::list().path).bearer(token).with(header::ACCEPT, "application/json");
        let mut links = link::listed(&self.ask("links", ask).await?.body);
        if let Some(links) = &mut links {
            links.sort();
        }
        Ok(links)
    }

    /// A page in a space.
    pub(super) fn page(space: &str, title: &str) -> Ask {
        let body = json!({"type": "page", "title": title, "space": {"key": space},
            "body": {"storage": {"value": "<p>kubectl restward verify</p>", "representation": "storage"}}});
        Ask::new(Method::POST, CONTENT).saying("application/json", body.to_string())
    }

    /// A file for a page (multipart/form-data, RFC 7578).
    pub(super) fn attachment(page: &str, name: &str, content: &[u8]) -> Ask {
        const BOUNDARY: &str = "restward-verify-boundary";
        let mut body = format!(
            "--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"file\"; filename=\"{name}\"\r\nContent-Type: \
             application/octet-stream\r\n\r\n"
        )
        .into_bytes();
        body.extend_from_slice(content);
        body.extend_from_slice(format!("\r\n--{BOUNDARY}--\r\n").as_bytes());
        Ask::new(Method::POST, format!("{CONTENT}/{page}/child/attachment"))
            .with(HeaderName::from_static("x-atlassian-token"), "no-check")
            .saying(&format!("multipart/form-data; boundary={BOUNDARY}"), body)
    }
}

/// What a browser would send from now on.
fn cookies(answer: &Answer) -> Option<String> {
    let set = answer
        .headers
        .get_all(header::SET_COOKIE)
        .iter()
        .filter_map(|it| it.to_str().ok()?.split(';').next());
    let cookies = set.collect::<Vec<_>>().join("; ");
    (!cookies.is_empty()).then_some(cookies)
}
