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

/// Largest answer that is read: all client scopes of a realm.
const MAX_BODY: usize = 4 * 1024 * 1024;

const FORM: &str = "application/x-www-form-urlencoded";

/// What the Secret of `keycloak.provisioning` holds. No `Debug`: it is a secret.
#[derive(Clone, PartialEq)]
pub struct AdminClient {
    base: KeycloakBase,
    id: String,
    secret: String,
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
        Ok(Self { base, id: id.to_owned(), secret: secret.to_owned() })
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
    pub async fn log_in(
        client: &AdminClient,
        ca_pem: Option<&str>,
        guard: Guard,
        realm: &str,
    ) -> Result<Self, Trouble> {
        let http = discovery::client(ca_pem, guard)?;
        let form = form_urlencoded::Serializer::new(String::new())
            .append_pair("grant_type", "client_credentials")
            .append_pair("client_id", &client.id)
            .append_pair("client_secret", &client.secret)
            .finish();
        for public in client.base.realm_urls(realm) {
            let url = below(&public, ["protocol", "openid-connect", "token"]);
            let request = http.post(url.clone()).header(header::CONTENT_TYPE, FORM).body(form.clone());
            let (status, body) = send(&url, guard, request).await?;
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

    /// All client scopes.
    ///
    /// # Errors
    /// They cannot be read.
    pub async fn scopes(&self) -> Result<Vec<Scope>, Trouble> {
        self.get(below(&self.realm, ["client-scopes"]), "list client scopes").await
    }

    /// The client of this id, or none.
    ///
    /// # Errors
    /// It cannot be read.
    pub async fn client(&self, id: &str) -> Result<Vec<Client>, Trouble> {
        let mut url = below(&self.realm, ["clients"]);
        url.query_pairs_mut().append_pair("clientId", id);
        self.get(url, "look for clients").await
    }

    /// Carries a call out.
    ///
    /// # Errors
    /// It was not carried out.
    pub async fn carry_out(&self, call: &Call) -> Result<(), Trouble> {
        let url = below(&self.realm, call.path.iter().map(String::as_str));
        self.ask(call.method.clone(), url, call.body.as_ref(), &call.what).await.map(drop)
    }

    async fn get<T: DeserializeOwned>(&self, url: Url, what: &str) -> Result<T, Trouble> {
        let body = self.ask(Method::GET, url, None, what).await?;
        serde_json::from_slice(&body).map_err(|_| Trouble::Odd(what.into(), StatusCode::OK.as_u16()))
    }

    async fn ask(
        &self,
        method: Method,
        url: Url,
        body: Option<&Value>,
        what: &str,
    ) -> Result<Vec<u8>, Trouble> {
        let request = self.http.request(method.clone(), url.clone());
        let mut request = request.header(header::AUTHORIZATION, self.bearer.clone());
        if let Some(body) = body {
            request = request.header(header::CONTENT_TYPE, "application/json").body(body.to_string());
        }
        let (status, body) = send(&url, self.guard, request).await?;
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
) -> Result<(StatusCode, Vec<u8>), Failure> {
    discovery::admit(url, guard)?;
    let failed = |error: reqwest::Error| discovery::cannot_connect(url, &error);
    let mut response = request.send().await.map_err(failed)?;
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(failed)? {
        body.extend_from_slice(&chunk);
        if body.len() > MAX_BODY {
            return Err(discovery::too_large(url));
        }
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
