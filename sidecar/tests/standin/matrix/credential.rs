//! The credentials of the matrix, and the requests that carry them.

use base64::{
    Engine as _,
    prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD},
};
use http::{Method, header};
use restward_crds::sidecar::identity::IdentitySettings;
use restward_sidecar::{
    identity::{Identity, Origin},
    time::UnixTime,
};
use serde_json::{Value, json};

use super::place::Place;
use crate::{
    support::{idp::Idp, keys},
    wiki::{CONSUMER, CONTEXT, Wiki},
};

/// Where clients reach the wiki, by the policy.
pub(super) const URL: &str = "https://wiki.example.com";
/// Consumer of an application link that is not the sidecar's.
pub(super) const PARTNER: &str = "partner";
const FORM: &str = "application/x-www-form-urlencoded";
const LOGIN: &str = "os_username=alice&os_password=alice-password";
const RPC_LOGIN: &str = "<methodCall><methodName>confluence2.login</methodName><params><param><value>alice</value>\
    </param><param><value>alice-password</value></param></params></methodCall>";

/// One way to say who one is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Credential {
    Nothing,
    Preflight,
    ChallengeWanted,
    Token,
    TokenForged,
    TokenExpired,
    TokenOpaque,
    TokenForgedWithSession,
    Dpop,
    DpopWithoutProof,
    Pat,
    PatMadeUp,
    OAuth2,
    OAuth2MadeUp,
    Basic,
    BasicOddly,
    BasicWrong,
    BasicOfOAuth2,
    BasicWithSession,
    Query,
    QueryEscaped,
    QueryWrong,
    Form,
    RpcLogin,
    TokenWithRpcLogin,
    PatWithRpcLogin,
    TokenWithSession,
    TokenWithQuery,
    TokenForgedWithQuery,
    PatWithQuery,
    OAuth1,
    OAuth1InQuery,
    OAuth1MadeUp,
    OAuth1Incomplete,
    OAuth1Reserved,
    OAuth1ReservedInQuery,
    OAuth1ReservedInForm,
    Session,
    SessionMadeUp,
    Jwt,
    JwtInQuery,
    Negotiate,
}

impl Credential {
    pub(super) const ALL: [Self; 42] = [
        Self::Nothing,
        Self::Preflight,
        Self::ChallengeWanted,
        Self::Token,
        Self::TokenForged,
        Self::TokenExpired,
        Self::TokenOpaque,
        Self::TokenForgedWithSession,
        Self::Dpop,
        Self::DpopWithoutProof,
        Self::Pat,
        Self::PatMadeUp,
        Self::OAuth2,
        Self::OAuth2MadeUp,
        Self::Basic,
        Self::BasicOddly,
        Self::BasicWrong,
        Self::BasicOfOAuth2,
        Self::BasicWithSession,
        Self::Query,
        Self::QueryEscaped,
        Self::QueryWrong,
        Self::Form,
        Self::RpcLogin,
        Self::TokenWithRpcLogin,
        Self::PatWithRpcLogin,
        Self::TokenWithSession,
        Self::TokenWithQuery,
        Self::TokenForgedWithQuery,
        Self::PatWithQuery,
        Self::OAuth1,
        Self::OAuth1InQuery,
        Self::OAuth1MadeUp,
        Self::OAuth1Incomplete,
        Self::OAuth1Reserved,
        Self::OAuth1ReservedInQuery,
        Self::OAuth1ReservedInForm,
        Self::Session,
        Self::SessionMadeUp,
        Self::Jwt,
        Self::JwtInQuery,
        Self::Negotiate,
    ];

    /// A login in a body is one only where the legacy APIs are.
    pub(super) fn fits(self, place: Place) -> bool {
        let is_in_body = matches!(self, Self::RpcLogin | Self::TokenWithRpcLogin | Self::PatWithRpcLogin);
        !is_in_body || place.is_rpc()
    }
}

/// A request as a client sends it.
pub(super) struct Sent {
    pub(super) method: Method,
    pub(super) path: &'static str,
    pub(super) query: Option<String>,
    pub(super) headers: Vec<(&'static str, String)>,
    pub(super) body: String,
}

impl Sent {
    /// All values of a header.
    pub(super) fn all(&self, name: &str) -> Vec<String> {
        self.headers.iter().filter(|(is, _)| *is == name).map(|(_, value)| value.clone()).collect()
    }
}

/// What is needed to make credentials.
pub(super) struct Purse {
    token: String,
    forged: String,
    expired: String,
    bound: String,
    oauth2: String,
    session: String,
    partner: Identity,
    origin: Origin,
}

impl Purse {
    pub(super) async fn fill(wiki: &Wiki, idp: &Idp) -> Self {
        let oauth2 = wiki.request(Method::GET, "/rest/standin/1.0/oauth2-token", None);
        let oauth2 = wiki.send(with_basic(oauth2)).await.body;
        let oauth2: Value = serde_json::from_slice(&oauth2).unwrap();
        let consumer = IdentitySettings::OAuth1 { consumer_key: PARTNER.to_owned() };
        let bound = json!({"typ": "DPoP", "cnf": {"jkt": keys::thumbprint(keys::other())}});
        Self {
            token: idp.token("alice"),
            forged: keys::sign(keys::other(), "k1", &idp.claims("alice")),
            expired: idp.token_with(json!({"exp": keys::now() - 3600, "iat": keys::now() - 7200})),
            bound: idp.token_with(bound),
            oauth2: oauth2["access_token"].as_str().unwrap().to_owned(),
            session: session(wiki).await,
            partner: Identity::new(&consumer, &wiki.key_pem, None).unwrap(),
            origin: wiki.sidecar(&wiki.key_pem, &json!({})).trusted().await,
        }
    }

    /// A request to `place` that carries `credential`.
    pub(super) async fn take(&self, wiki: &Wiki, credential: Credential, place: Place) -> Sent {
        let mut sent = Sent {
            method: Method::GET,
            path: place.path(),
            query: None,
            headers: vec![("x-atlassian-token", "no-check".to_owned())],
            body: String::new(),
        };
        let authorization = |value: String| ("authorization", value);
        let cookie = |value: &str| ("cookie", format!("JSESSIONID={value}"));
        match credential {
            Credential::Nothing => {}
            Credential::Preflight => {
                sent.method = Method::OPTIONS;
                sent.headers.push(("origin", "https://app.example.test".to_owned()));
                sent.headers.push(("access-control-request-method", "PUT".to_owned()));
            }
            Credential::ChallengeWanted => sent.query = Some("os_authType=basic".to_owned()),
            Credential::OAuth1 => self.sign(wiki, &mut sent),
            Credential::Query => sent.query = Some(LOGIN.to_owned()),
            Credential::QueryEscaped => {
                sent.query = Some(LOGIN.replace("os_", "o%73%5F"));
            }
            Credential::QueryWrong => sent.query = Some("os_username=alice&os_password=wrong".to_owned()),
            Credential::JwtInQuery => sent.query = Some("jwt=x.y.z".to_owned()),
            Credential::OAuth1ReservedInQuery => {
                sent.query = Some(format!("oauth%5Fconsumer_key={CONSUMER}"));
            }
            Credential::Form => {
                sent.method = Method::POST;
                sent.headers.push(("content-type", FORM.to_owned()));
                LOGIN.clone_into(&mut sent.body);
            }
            Credential::RpcLogin => log_in_by_body(&mut sent),
            Credential::TokenWithRpcLogin => {
                log_in_by_body(&mut sent);
                sent.headers.push(authorization(self.authorization(Credential::Token)));
            }
            Credential::PatWithRpcLogin => {
                log_in_by_body(&mut sent);
                sent.headers.push(authorization(self.authorization(Credential::Pat)));
            }
            Credential::TokenWithSession => {
                let token = authorization(self.authorization(Credential::Token));
                sent.headers.extend([token, cookie(&self.session)]);
            }
            Credential::TokenWithQuery => {
                sent.query = Some(LOGIN.to_owned());
                sent.headers.push(authorization(self.authorization(Credential::Token)));
            }
            Credential::TokenForgedWithQuery => {
                sent.query = Some(LOGIN.to_owned());
                sent.headers.push(authorization(self.authorization(Credential::TokenForged)));
            }
            Credential::PatWithQuery => {
                sent.query = Some(LOGIN.to_owned());
                sent.headers.push(authorization(self.authorization(Credential::Pat)));
            }
            Credential::OAuth1InQuery => self.sign_in_query(wiki, &mut sent),
            Credential::OAuth1ReservedInForm => {
                sent.method = Method::POST;
                sent.headers.push(("content-type", FORM.to_owned()));
                sent.body = format!("a=b&oauth%5fconsumer_key={CONSUMER}");
            }
            Credential::Session => sent.headers.push(cookie(&self.session)),
            Credential::SessionMadeUp => sent.headers.push(cookie("0123456789ABCDEF0123456789ABCDEF")),
            Credential::TokenForgedWithSession => {
                sent.headers
                    .extend([authorization(format!("Bearer {}", self.forged)), cookie(&self.session)]);
            }
            Credential::BasicWithSession => {
                // A login gives its session another name, so each has its own.
                let own = session(wiki).await;
                sent.headers.extend([authorization(basic("alice", "alice-password")), cookie(&own)]);
            }
            Credential::Dpop => {
                let url = format!("{URL}{CONTEXT}{}", sent.path);
                let proof = keys::proof(keys::other(), "GET", &url, Some(&self.bound));
                sent.headers.extend([authorization(format!("DPoP {}", self.bound)), ("dpop", proof)]);
            }
            plain => sent.headers.push(authorization(self.authorization(plain))),
        }
        sent
    }

    fn authorization(&self, credential: Credential) -> String {
        match credential {
            Credential::Token => format!("Bearer {}", self.token),
            Credential::TokenForged => format!("Bearer {}", self.forged),
            Credential::TokenExpired => format!("Bearer {}", self.expired),
            Credential::TokenOpaque => "Bearer opaque".to_owned(),
            Credential::DpopWithoutProof => format!("DPoP {}", self.bound),
            Credential::Pat => "Bearer MDAwMDAwMDAwMDAxOnJlc3R3YXJkLXN0YW5kaW4tcGF0".to_owned(),
            Credential::PatMadeUp => "Bearer MDAwMDAwMDAwMDAxOnJlc3R3YXJkLXN0YW5kaW4tcGFX".to_owned(),
            Credential::OAuth2 => format!("Bearer {}", self.oauth2),
            Credential::OAuth2MadeUp => {
                let part = |text: &str| BASE64_URL_SAFE_NO_PAD.encode(text);
                format!("Bearer {}.{}.c2ln", part(r#"{"alg":"HS256"}"#), part(r#"{"id":"made-up"}"#))
            }
            Credential::Basic => basic("alice", "alice-password"),
            Credential::BasicOddly => basic("alice", "alice-password").replace("Basic", "bASIC"),
            Credential::BasicWrong => basic("alice", "wrong"),
            Credential::BasicOfOAuth2 => basic("anybody", &self.oauth2),
            Credential::OAuth1MadeUp => oauth1("nobody", &["token", "signature", "timestamp", "nonce"]),
            Credential::OAuth1Incomplete => oauth1(PARTNER, &["signature", "timestamp", "nonce"]),
            Credential::OAuth1Reserved => oauth1(CONSUMER, &["token", "signature", "timestamp", "nonce"]),
            Credential::Jwt => "JWT x.y.z".to_owned(),
            Credential::Negotiate => "Negotiate YII=".to_owned(),
            other => panic!("{other:?} is no Authorization header"),
        }
    }

    /// The same with all of it in the query: net.oauth signs parameters wherever they are.
    fn sign_in_query(&self, wiki: &Wiki, sent: &mut Sent) {
        self.sign(wiki, sent);
        let (_, header) = sent.headers.pop().unwrap();
        let pairs = header.trim_start_matches("OAuth ").split(',').map(|pair| pair.trim().replace('"', ""));
        let pairs: Vec<String> = pairs.filter(|pair| !pair.starts_with("realm=")).collect();
        sent.query = sent.query.take().map(|query| format!("{query}&{}", pairs.join("&")));
    }

    /// Signs as a partner of the wiki does, which acts as bob.
    fn sign(&self, wiki: &Wiki, sent: &mut Sent) {
        let mut request = wiki.request(Method::GET, sent.path, None);
        self.partner.assert(&self.origin, &"bob".parse().unwrap(), UnixTime::now(), &mut request).unwrap();
        sent.query = request.query;
        let signature = request.headers[header::AUTHORIZATION].to_str().unwrap().to_owned();
        sent.headers.push(("authorization", signature));
    }
}

fn log_in_by_body(sent: &mut Sent) {
    sent.method = Method::POST;
    sent.headers.push(("content-type", "text/xml".to_owned()));
    RPC_LOGIN.clone_into(&mut sent.body);
}

fn basic(user: &str, password: &str) -> String {
    format!("Basic {}", BASE64_STANDARD.encode(format!("{user}:{password}")))
}

fn oauth1(consumer: &str, others: &[&str]) -> String {
    let others: String = others
        .iter()
        .map(|name| format!(", oauth_{name}=\"{}\"", if *name == "token" { "" } else { "1" }))
        .collect();
    format!("OAuth oauth_consumer_key=\"{consumer}\", oauth_signature_method=\"RSA-SHA1\"{others}")
}

fn with_basic(mut request: restward_sidecar::identity::Outgoing) -> restward_sidecar::identity::Outgoing {
    request.headers.insert(header::AUTHORIZATION, basic("alice", "alice-password").parse().unwrap());
    request
}

/// A session of alice.
async fn session(wiki: &Wiki) -> String {
    let answer = wiki.send(with_basic(wiki.request(Method::GET, "/rest/api/user/current", None))).await;
    let cookie = answer.headers[header::SET_COOKIE].to_str().unwrap();
    cookie.split(['=', ';']).nth(1).unwrap().to_owned()
}
