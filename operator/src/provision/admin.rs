//! Keycloak's Admin REST API, as a client of the realm. The same rules as for discovery hold for where it is asked; neither the
//! secret nor a token nor an answer's text is in what is reported.

use std::collections::BTreeMap;

use http::{Method, StatusCode, header, header::HeaderValue};
use reqwest::Client as Http;
use restward_crds::{names, text::KeycloakBase};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::Value;
use url::{Url, form_urlencoded};

use super::{
    Trouble,
    plan::Call,
    realm::{Client, Scope},
};
use crate::discovery::{self, Failure, Guard};

/// Largest answer that is read. Who answers is for whoever writes the Secret to say, and the operator's memory is everybody's.
const MAX_ANSWER: usize = 128 * 1024;
/// The same for lists: in Keycloak 26.7 a fresh client or client scope is about 1 KiB of them.
const MAX_LIST: usize = 1024 * 1024;
/// Clients that are listed at once.
const PAGE: usize = 50;
/// How often, at most.
const MAX_PAGES: usize = 200;
/// Clients of one policy that are found at once by their mark, about.
const MAX_MARKED: usize = 100;

const UNTRUSTED: &str = "Put the authority that signed it into the key ca.crt of the Secret of spec.keycloak.provisioning; it is no \
                         other's, not even that of spec.keycloak.caCertificateRefs";

const FORM: &str = "application/x-www-form-urlencoded";

/// What the Secret of `keycloak.provisioning` holds. No `Debug`: it is a secret.
#[derive(Clone, PartialEq)]
pub struct AdminClient {
    base: KeycloakBase,
    id: String,
    secret: String,
    /// Whose certificates are trusted; none: those of the public authorities. Never what the policy says: its author could
    /// have the secret shown to somebody else.
    ca_pem: Option<String>,
}

impl AdminClient {
    /// From the Secret's items.
    ///
    /// # Errors
    /// It is not whole, or the address is none.
    pub fn from_secret(name: &str, data: &BTreeMap<String, Vec<u8>>) -> Result<Self, Trouble> {
        let item = |key: &str| {
            let text = data.get(key).and_then(|bytes| std::str::from_utf8(bytes).ok()).map(str::trim);
            text.filter(|text| !text.is_empty()).ok_or_else(|| Trouble::NoSecret(name.to_owned()))
        };
        let base = item(names::KEY_KEYCLOAK_URL)?
            .parse()
            .map_err(|error| Trouble::BadUrl(format!("'{name}' {error}")))?;
        let (id, secret) = (item(names::KEY_ADMIN_CLIENT_ID)?, item(names::KEY_ADMIN_CLIENT_SECRET)?);
        let authority = data.get(names::KEY_CA_CERTIFICATE);
        let ca_pem = authority.map(|pem| String::from_utf8_lossy(pem).into_owned());
        Ok(Self { base, id: id.to_owned(), secret: secret.to_owned(), ca_pem })
    }

    /// Where Keycloak is.
    pub fn address(&self) -> &str {
        self.base.as_str()
    }

    /// Whether the connection to it is not encrypted.
    pub fn is_plain_http(&self) -> bool {
        self.base.is_plain_http()
    }
}

/// The API of one realm, for as long as a token lives.
pub struct Admin {
    http: Http,
    guard: Guard,
    realm: Url,
    bearer: HeaderValue,
}

#[derive(Deserialize)]
struct Token {
    access_token: String,
}

/// RFC 6749 section 5.2. The words are from a closed set; anything else is not repeated.
#[derive(Deserialize)]
struct OAuthError {
    error: String,
}

impl Admin {
    /// Gets a token by client credentials, below the path that the Secret gives or, without one, below `/auth` too.
    ///
    /// # Errors
    /// There is none; says why.
    pub async fn log_in(client: &AdminClient, guard: Guard, realm: &str) -> Result<Self, Trouble> {
        let http = discovery::client(client.ca_pem.as_deref(), guard)
            .map_err(|failure| if client.ca_pem.is_some() { Trouble::NoAuthority } else { failure.into() })?;
        let form = form_urlencoded::Serializer::new(String::new())
            .append_pair("grant_type", "client_credentials")
            .append_pair("client_id", &client.id)
            .append_pair("client_secret", &client.secret)
            .finish();
        for public in client.base.realm_urls(realm) {
            let url = below(&public, ["protocol", "openid-connect", "token"]);
            let request = http.post(url.clone()).header(header::CONTENT_TYPE, FORM).body(form.clone());
            let (status, body) = send(&url, guard, request, MAX_ANSWER).await?;
            match status {
                StatusCode::OK => {
                    let odd = || Trouble::Odd("give a token".into(), status.as_u16());
                    let token: Token = serde_json::from_slice(&body).map_err(|_| odd())?;
                    let bearer = format!("Bearer {}", token.access_token);
                    let mut bearer = HeaderValue::from_str(&bearer).map_err(|_| odd())?;
                    bearer.set_sensitive(true);
                    return Ok(Self { http, guard, realm: administered(&public), bearer });
                }
                StatusCode::NOT_FOUND => {}
                StatusCode::BAD_REQUEST | StatusCode::UNAUTHORIZED => {
                    return Err(Trouble::NotAccepted(oauth_error(&body)));
                }
                status => return Err(Trouble::Odd("give a token".into(), status.as_u16())),
            }
        }
        Err(Trouble::NoRealm(client.address().to_owned()))
    }

    /// Those client scopes that `concern` somebody.
    ///
    /// # Errors
    /// They cannot be read.
    pub async fn scopes(&self, concern: impl Fn(&Scope) -> bool) -> Result<Vec<Scope>, Trouble> {
        let url = below(&self.realm, ["client-scopes"]);
        let mut scopes: Vec<Scope> = self.get(url, MAX_LIST, "list client scopes").await?;
        scopes.retain(concern);
        Ok(scopes)
    }

    /// The client of this id, or none.
    ///
    /// # Errors
    /// It cannot be read.
    pub async fn client(&self, id: &str) -> Result<Option<Client>, Trouble> {
        let url = self.clients(&[("clientId", id)]);
        let clients: Vec<Client> = self.get(url, MAX_ANSWER, "look for clients").await?;
        Ok(clients.into_iter().find(|client| client.client_id == id))
    }

    /// Clients with this mark, without their scopes, of the first ten thousand of the realm; when they are many, some of
    /// them. Keycloak 26.7 answers 400 to a search by an attribute that its administrators did not list for that (`q=`), so
    /// all are looked at.
    ///
    /// # Errors
    /// They cannot be read.
    pub async fn marked(&self, owner: &str) -> Result<Vec<Client>, Trouble> {
        let mut marked = Vec::new();
        for page in 0..MAX_PAGES {
            let url = self.clients(&[("first", &(page * PAGE).to_string()), ("max", &PAGE.to_string())]);
            let listed: Vec<Client> = self.get(url, MAX_LIST, "list clients").await?;
            let is_last = listed.len() < PAGE;
            marked.extend(
                listed
                    .into_iter()
                    .filter(|client| client.attributes.are_of(owner))
                    .map(|of| of.with_scope(None)),
            );
            if is_last || marked.len() >= MAX_MARKED {
                break;
            }
        }
        Ok(marked)
    }

    fn clients(&self, query: &[(&str, &str)]) -> Url {
        let mut url = below(&self.realm, ["clients"]);
        url.query_pairs_mut().extend_pairs(query);
        url
    }

    /// Carries a call out.
    ///
    /// # Errors
    /// It was not carried out.
    pub async fn carry_out(&self, call: &Call) -> Result<(), Trouble> {
        let url = below(&self.realm, call.path.iter().map(String::as_str));
        self.ask(call.method.clone(), url, call.body.as_ref(), MAX_ANSWER, &call.what).await.map(drop)
    }

    async fn get<T: DeserializeOwned>(&self, url: Url, most: usize, what: &str) -> Result<T, Trouble> {
        let body = self.ask(Method::GET, url, None, most, what).await?;
        serde_json::from_slice(&body).map_err(|_| Trouble::Odd(what.into(), StatusCode::OK.as_u16()))
    }

    async fn ask(
        &self,
        method: Method,
        url: Url,
        body: Option<&Value>,
        most: usize,
        what: &str,
    ) -> Result<Vec<u8>, Trouble> {
        let request = self.http.request(method.clone(), url.clone());
        let mut request = request.header(header::AUTHORIZATION, self.bearer.clone());
        if let Some(body) = body {
            request = request.header(header::CONTENT_TYPE, "application/json").body(body.to_string());
        }
        let (status, body) = send(&url, self.guard, request, most).await?;
        match status {
            status if status.is_success() => Ok(body),
            // Somebody else was quicker.
            StatusCode::NOT_FOUND if method == Method::DELETE => Ok(body),
            StatusCode::FORBIDDEN => Err(Trouble::NotAllowed(what.into())),
            StatusCode::CONFLICT => Err(Trouble::Hidden(what.into())),
            status => Err(Trouble::Odd(what.into(), status.as_u16())),
        }
    }
}

async fn send(
    url: &Url,
    guard: Guard,
    request: reqwest::RequestBuilder,
    most: usize,
) -> Result<(StatusCode, Vec<u8>), Failure> {
    discovery::admit(url, guard)?;
    let failed = |error: reqwest::Error| discovery::cannot_connect(url, &error, UNTRUSTED);
    let mut response = request.send().await.map_err(failed)?;
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(failed)? {
        if body.len() + chunk.len() > most {
            return Err(discovery::too_large(url));
        }
        body.extend_from_slice(&chunk);
    }
    Ok((response.status(), body))
}

fn below<'a>(url: &Url, path: impl IntoIterator<Item = &'a str>) -> Url {
    let mut url = url.clone();
    if let Ok(mut segments) = url.path_segments_mut() {
        segments.extend(path);
    }
    url
}

/// `…/realms/<realm>` → `…/admin/realms/<realm>`. The segments are encoded already, so they stay as they are.
fn administered(public: &Url) -> Url {
    let (prefix, realm) = public.path().rsplit_once("/realms/").unwrap_or_default();
    let mut url = public.clone();
    url.set_path(&format!("{prefix}/admin/realms/{realm}"));
    url
}

fn oauth_error(body: &[u8]) -> String {
    let said = serde_json::from_slice::<OAuthError>(body).map(|answer| answer.error).unwrap_or_default();
    let known =
        ["invalid_client", "unauthorized_client", "invalid_grant", "invalid_request", "access_denied"];
    known.into_iter().find(|word| *word == said).unwrap_or("no reason given").to_owned()
}
