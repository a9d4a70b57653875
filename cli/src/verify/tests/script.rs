//! A wiki that does what the script says: as Confluence behind a sidecar does, or not.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use http::{HeaderMap, Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt as _, Full};
use hyper::{
    body::{Bytes, Incoming},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use restward_crds::reason::Reason;
use serde_json::json;
use tokio::net::TcpListener;

use crate::verify::forged;

pub(super) const CONSUMER: &str = "restward-n-wiki";
pub(super) const PASSWORD: &str = "bob's password";
pub(super) const PAT: &str = "cGF0LW9mLWNhcm9sLXBhdC1vZi1jYXJvbC1wYXQtb2Y1";
pub(super) const ADMIN_PAT: &str = "cGF0LW9mLWFkbWluLXBhdC1vZi1hZG1pbi1wYXQtb2Y1";
pub(super) const SESSION: &str = "0F0E0D0C0B0A";
const PREFIX: &str = "/confluence";

/// What is done with passwords.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Basic {
    Allowed,
    Denied,
}

/// What is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sabotage {
    None,
    /// The call of this case is refused by a sidecar without a configuration.
    NotConfigured(&'static str),
    /// There is no sidecar; the wiki is public.
    Bare,
}

#[derive(Default)]
struct Counts {
    pages: AtomicUsize,
    written: AtomicUsize,
    /// Of the latest attachment.
    size: AtomicUsize,
}

pub(super) struct Script {
    pub(super) url: String,
    counts: Arc<Counts>,
}

/// A good token of this user, which ends then.
pub(super) fn token(user: &str, exp: i64) -> String {
    let part = |value: serde_json::Value| BASE64_URL_SAFE_NO_PAD.encode(value.to_string());
    let claims = json!({"iss": "https://sso/realms/r", "preferred_username": user, "exp": exp});
    format!(
        "{}.{}.{}",
        part(json!({"alg": "RS256"})),
        part(claims),
        BASE64_URL_SAFE_NO_PAD.encode("signature")
    )
}

impl Script {
    pub(super) async fn start(basic: Basic, sabotage: Sabotage) -> Self {
        let listener = TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0))).await.unwrap();
        let url = format!("http://{}{PREFIX}", listener.local_addr().unwrap());
        let counts = Arc::new(Counts::default());
        let shared = Arc::clone(&counts);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let counts = Arc::clone(&shared);
                let service =
                    service_fn(move |request| answer(request, basic, sabotage, Arc::clone(&counts)));
                tokio::spawn(
                    http1::Builder::new().serve_connection(TokioIo::new(stream), service).with_upgrades(),
                );
            }
        });
        Self { url, counts }
    }

    /// That are there.
    pub(super) fn pages(&self) -> usize {
        self.counts.pages.load(Ordering::Relaxed)
    }

    /// Calls that change something.
    pub(super) fn written(&self) -> usize {
        self.counts.written.load(Ordering::Relaxed)
    }
}

type Reply = Response<Full<Bytes>>;

async fn answer(
    request: Request<Incoming>,
    basic: Basic,
    sabotage: Sabotage,
    counts: Arc<Counts>,
) -> Result<Reply, hyper::Error> {
    let (head, body) = request.into_parts();
    let body = body.collect().await?.to_bytes();
    let id = head.headers["x-request-id"].to_str().unwrap().to_owned();
    // `verify-<process>-<time>-<name>`
    let name = id.splitn(4, '-').nth(3).unwrap_or_default();
    let call = Call {
        method: head.method,
        path: head.uri.to_string().replacen(PREFIX, "", 1),
        headers: head.headers,
        body,
        basic,
    };
    Ok(match sabotage {
        Sabotage::NotConfigured(case) if case == name => refused(Reason::NotConfigured),
        Sabotage::Bare => call.at_confluence(false, &counts),
        // As hyper does it, before anything else.
        _ if call.headers.get("x-restward-verify").is_some_and(|it| it.len() > 32 * 1024) => with(431, ""),
        _ => call.refusal().map_or_else(|| call.at_confluence(true, &counts), refused),
    })
}

fn refused(reason: Reason) -> Reply {
    let mut reply = with(reason.status(), json!({"reason": reason.code()}).to_string());
    reply.headers_mut().insert(header::WWW_AUTHENTICATE, "Bearer realm=\"r\"".parse().unwrap());
    reply
}

fn with(status: u16, body: impl Into<Bytes>) -> Reply {
    let mut reply = Response::new(Full::new(body.into()));
    *reply.status_mut() = StatusCode::from_u16(status).unwrap();
    reply
}

struct Call {
    method: Method,
    path: String,
    headers: HeaderMap,
    body: Bytes,
    basic: Basic,
}

impl Call {
    fn header(&self, name: &str) -> &str {
        self.headers.get(name).map(|it| it.to_str().unwrap()).unwrap_or_default()
    }

    fn bearer(&self) -> &str {
        self.header("authorization").strip_prefix("Bearer ").unwrap_or_default()
    }

    fn is_api(&self) -> bool {
        self.path.starts_with("/rest/")
    }

    /// What the sidecar says to it, with anonymous calls denied.
    fn refusal(&self) -> Option<Reason> {
        let authorization = self.header("authorization");
        let scheme = authorization.split(' ').next().unwrap_or_default();
        let is_password =
            scheme == "Basic" || self.path.contains("os_username") || self.path.starts_with("/rpc/");
        let asks = self.path.contains("os_authType=basic") && self.basic == Basic::Allowed;
        let is_open = ["tsv", "authconfig", "manifest", "private", "gadgets", "nativemobile"]
            .iter()
            .any(|it| self.path.contains(it));
        if self.headers.get_all("authorization").iter().count() > 1 {
            return Some(Reason::MultipleAuthorization);
        }
        match scheme {
            "" if asks => None,
            _ if self.path.contains("%2F") => Some(Reason::AmbiguousTarget),
            "OAuth" if authorization.contains(CONSUMER) => Some(Reason::ReservedConsumer),
            "OAuth" if !authorization.contains("oauth_nonce") => Some(Reason::OAuth1Incomplete),
            _ if is_password => (self.basic == Basic::Denied).then_some(Reason::BasicDenied),
            "Bearer" if self.is_api() => {
                let is_large =
                    self.body.len() > 2 * 1024 * 1024 && self.header("content-type").ends_with("urlencoded");
                self.refused_token().or_else(|| is_large.then_some(Reason::FormTooLarge))
            }
            "Negotiate" if self.is_api() => Some(Reason::SchemeUnsupported),
            "" if self.is_api()
                && !is_open
                && self.header("cookie").is_empty()
                && self.method != Method::OPTIONS =>
            {
                Some(Reason::CredentialMissing)
            }
            _ => None,
        }
    }

    fn refused_token(&self) -> Option<Reason> {
        let token = self.bearer();
        let claims = forged::claims_of(token).unwrap_or_default();
        if token == PAT || token == ADMIN_PAT || token == self::token("alice", 4_102_444_800) {
            None
        } else if token.len() == 44 || claims["id"] == forged::NOBODY {
            Some(Reason::CredentialNotAccepted)
        } else if token.starts_with(&BASE64_URL_SAFE_NO_PAD.encode(r#"{"alg":"none"#)) {
            Some(Reason::AlgorithmNotAllowed)
        } else if claims["iss"].as_str().is_some_and(|it| it.starts_with(forged::NOWHERE)) {
            Some(Reason::IssuerMismatch)
        } else if claims["exp"] == 1 {
            Some(Reason::TokenExpired)
        } else if claims["preferred_username"] == "other-audience" {
            Some(Reason::AudienceMismatch)
        } else if claims.is_object() {
            Some(Reason::SignatureInvalid)
        } else {
            Some(Reason::TokenMalformed)
        }
    }

    /// Who it is to Confluence; with a sidecar in front tokens have become their user. `Err`: Confluence refuses it.
    fn user(&self, is_behind: bool) -> Result<Option<&'static str>, ()> {
        let authorization = self.header("authorization");
        if authorization == forged::basic("bob", PASSWORD) || self.header("cookie").contains(SESSION) {
            return Ok(Some("bob"));
        }
        match self.bearer() {
            PAT => Ok(Some("carol")),
            ADMIN_PAT => Ok(Some("admin")),
            _ if authorization.starts_with("Basic")
                || (authorization.starts_with("OAuth") && authorization.contains("nonce")) =>
            {
                Err(())
            }
            token if is_behind && *token == self::token("alice", 4_102_444_800) => Ok(Some("Alice")),
            _ if is_behind && (self.path.contains("os_username") || !self.header("cookie").is_empty()) => {
                Err(())
            }
            _ => Ok(None),
        }
    }

    /// What Confluence says to it; with a sidecar in front tokens have become their user, and nobody is a visitor.
    fn at_confluence(&self, is_behind: bool, counts: &Counts) -> Reply {
        let path = self.path.split('?').next().unwrap_or_default();
        if let Some(open) = self.open_to_all(path, is_behind) {
            return open;
        }
        let Ok(user) = self.user(is_behind) else { return with(401, "") };
        if user.is_none() && self.path.contains("os_authType=basic") {
            let mut asked = with(401, "");
            asked
                .headers_mut()
                .insert(header::WWW_AUTHENTICATE, "Basic realm=\"protected-area\"".parse().unwrap());
            return asked;
        }
        let to_login = || redirect("/confluence/login.action?os_destination=x", None);
        match (self.method.as_str(), path, user) {
            ("GET", "/rest/api/user/current", Some(user)) => {
                with(200, json!({"type": "known", "username": user}).to_string())
            }
            ("GET", "/rest/api/user/current", None) => with(200, json!({"type": "anonymous"}).to_string()),
            ("GET", "/index.action", Some(user)) => {
                let mut page = with(200, "<html>");
                page.headers_mut().insert("x-ausername", user.parse().unwrap());
                page
            }
            ("GET", "/index.action" | "/download/attachments/1/a", None) => to_login(),
            ("GET", "/download/attachments/1/a", Some(_)) => with(200, "data"),
            ("GET", "/download/attachments/1001/file", Some(_)) => {
                with(200, vec![b'x'; counts.size.load(Ordering::Relaxed)])
            }
            ("GET", "/rest/applinks/latest/listApplicationlinks", Some("admin")) => with(200, links()),
            ("GET", "/rest/api/content" | "/rest/api/content/", _) => with(200, "{}"),
            ("POST" | "DELETE", _, Some(_)) if path.starts_with("/rest/api/content") => {
                self.write(path, counts)
            }
            ("POST" | "DELETE", _, None) if path.starts_with("/rest/api/content") => with(403, ""),
            ("POST", "/rpc/xmlrpc", _) => with(200, "<fault>"),
            ("POST", "/rpc/soap-axis/confluenceservice-v2", _) => with(500, "<soapenv:Fault>"),
            ("POST", "/rpc/json-rpc/confluenceservice-v2", _) => with(200, "{\"error\":{}}"),
            ("GET", "/synchrony-proxy/v1/bayeux-sync1", _) if self.header("upgrade") == "websocket" => {
                let mut opened = with(101, "");
                opened.headers_mut().insert(header::UPGRADE, "websocket".parse().unwrap());
                opened.headers_mut().insert(header::CONNECTION, "Upgrade".parse().unwrap());
                opened
            }
            _ => with(404, ""),
        }
    }

    fn open_to_all(&self, path: &str, is_behind: bool) -> Option<Reply> {
        let form = || String::from_utf8_lossy(&self.body).into_owned();
        Some(match path {
            // Tomcat's.
            _ if path.contains("%2F") => with(400, ""),
            "/status" => with(200, json!({"state": "RUNNING"}).to_string()),
            "/dologin.action" if form().contains("os_username=bob&os_password=bob%27s+password") => {
                redirect("/confluence/", Some(&format!("JSESSIONID={SESSION}; Path=/confluence; HttpOnly")))
            }
            "/login.action" | "/dologin.action" => with(200, "<form>"),
            "/.well-known/oauth-protected-resource" if is_behind => {
                with(200, json!({"authorization_servers": ["https://sso/realms/r"]}).to_string())
            }
            _ if self.method == Method::OPTIONS => {
                let mut granted = with(200, "");
                granted
                    .headers_mut()
                    .insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, self.headers["origin"].clone());
                granted
            }
            _ => return None,
        })
    }

    fn write(&self, path: &str, counts: &Counts) -> Reply {
        counts.written.fetch_add(1, Ordering::Relaxed);
        match (self.method.as_str(), path) {
            ("POST", "/rest/api/content") => {
                counts.pages.fetch_add(1, Ordering::Relaxed);
                with(200, json!({"id": "1001"}).to_string())
            }
            ("POST", "/rest/api/content/1001/child/attachment")
                if self.header("x-atlassian-token") == "no-check" =>
            {
                let begin = self.body.windows(4).position(|it| it == b"\r\n\r\n").unwrap() + 4;
                let end = self.body.windows(4).rposition(|it| it == b"\r\n--").unwrap();
                counts.size.store(end - begin, Ordering::Relaxed);
                with(
                    200,
                    json!({"results": [{"_links": {"download": "/download/attachments/1001/file"}}]})
                        .to_string(),
                )
            }
            ("DELETE", "/rest/api/content/1001") => {
                counts.pages.fetch_sub(1, Ordering::Relaxed);
                with(204, "")
            }
            _ => with(404, ""),
        }
    }
}

fn redirect(to: &str, cookie: Option<&str>) -> Reply {
    let mut reply = with(302, "");
    reply.headers_mut().insert(header::LOCATION, to.parse().unwrap());
    if let Some(cookie) = cookie {
        reply.headers_mut().insert(header::SET_COOKIE, cookie.parse().unwrap());
    }
    reply
}

fn links() -> String {
    let entry =
        |id: &str, name: &str, url: &str| json!({"application": {"id": id, "name": name, "rpcUrl": url}});
    let links = [
        entry("0-1", "Jira", "https://jira.example.com"),
        entry("0-2", CONSUMER, "https://u.restward.invalid"),
    ];
    json!({"list": links}).to_string()
}
