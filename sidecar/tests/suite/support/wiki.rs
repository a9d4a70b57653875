//! Confluence as far as the sidecar can see it: sessions, passwords, personal access tokens, OAuth 1.0a signatures that
//! are really checked, and anonymous for everything else. Records every request as it arrived.

mod oauth;
mod serve;

use std::{
    collections::HashSet,
    net::Ipv4Addr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use tokio::net::TcpListener;

use super::keys;

pub(crate) const PAT: &str = "MTIzNDU2Nzg5MDEyOpCkS1lTq0f3Z1h9Qm5wX2tZcFdu";

/// A request as it arrived.
#[derive(Debug, Clone, Default)]
pub(crate) struct Arrived {
    pub(crate) method: String,
    pub(crate) target: String,
    pub(crate) version: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
    /// The user that it ran as.
    pub(crate) user: Option<String>,
    /// Which of the connections to Confluence it came over.
    pub(crate) connection: usize,
}

impl Arrived {
    /// All values of this header.
    pub(crate) fn all(&self, name: &str) -> Vec<&str> {
        self.headers
            .iter()
            .filter(|(n, _)| n.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
            .collect()
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.all(name).first().copied()
    }

    pub(crate) fn path(&self) -> &str {
        self.target.split('?').next().unwrap()
    }

    fn query(&self) -> &str {
        self.target.split_once('?').map_or("", |(_, query)| query)
    }
}

/// Bytes instead of an answer.
#[derive(Debug, Clone, Default)]
pub(crate) struct Lie {
    pub(crate) bytes: Vec<u8>,
    /// Written again and again behind them.
    pub(crate) endlessly: Vec<u8>,
    /// Hangs up behind them.
    pub(crate) hangs_up: bool,
}

/// What can be changed about it.
#[derive(Debug, Clone, Default)]
#[allow(clippy::struct_excessive_bools, reason = "independent switches of a script")]
pub(crate) struct Behaviour {
    /// There is no application link.
    pub(crate) has_no_link: bool,
    /// The application link holds the key that follows.
    pub(crate) has_next_key: bool,
    /// `X-AUSERNAME` of every answer to a call of the API.
    pub(crate) claims_to_be: Option<String>,
    /// It refuses asserted calls other than those for the current user.
    pub(crate) refuses_assertions: bool,
    /// It answers no call of the API until told otherwise.
    pub(crate) is_silent: bool,
    /// Tomcat's valve is not in force: everybody is let in, not only loopback.
    pub(crate) has_no_valve: bool,
    /// It is at another context path: Tomcat has nothing where it is asked.
    pub(crate) is_elsewhere: bool,
    /// Its authenticator believes this header, before it looks at anything else.
    pub(crate) believes: Option<&'static str>,
    /// Visitors may not use it: with this status.
    pub(crate) refuses_visitors: Option<u16>,
    /// It lets no page of another origin call it any more.
    pub(crate) grants_no_origin: bool,
    /// What it says to `/display/lie`.
    pub(crate) lie: Lie,
}

#[derive(Clone)]
pub(crate) struct Wiki {
    port: u16,
    state: Arc<State>,
}

#[derive(Default)]
struct State {
    arrived: Mutex<Vec<Arrived>>,
    behaviour: Mutex<Behaviour>,
    nonces: Mutex<HashSet<String>>,
    /// The connections that have ended.
    ended: Mutex<HashSet<usize>>,
    /// How many bytes of lies were taken.
    lied: AtomicUsize,
}

/// Status, further headers, body.
struct Answer(u16, Vec<(&'static str, String)>, Vec<u8>);

impl Wiki {
    pub(crate) async fn start() -> Self {
        Self::start_on(Ipv4Addr::LOCALHOST).await
    }

    /// On a free port of this address.
    pub(crate) async fn start_on(address: Ipv4Addr) -> Self {
        let listener = TcpListener::bind((address, 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let state = Arc::new(State::default());
        tokio::spawn(serve::run(listener, Arc::clone(&state)));
        Self { port, state }
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    pub(crate) fn behave(&self, change: impl FnOnce(&mut Behaviour)) {
        change(&mut self.state.behaviour.lock().unwrap());
    }

    /// Everything that arrived.
    pub(crate) fn all_arrived(&self) -> Vec<Arrived> {
        self.state.arrived.lock().unwrap().clone()
    }

    /// What arrived from clients: without the sidecar's own calls.
    pub(crate) fn arrived(&self) -> Vec<Arrived> {
        let is_own = |arrived: &Arrived| {
            arrived.path() == "/status" || arrived.path().ends_with("/rest/api/user/current")
        };
        self.state.arrived.lock().unwrap().iter().filter(|arrived| !is_own(arrived)).cloned().collect()
    }

    /// The last request that arrived from a client.
    pub(crate) fn last(&self) -> Arrived {
        self.arrived().pop().expect("nothing arrived")
    }

    /// Whether this connection to it has ended.
    pub(crate) fn has_ended(&self, connection: usize) -> bool {
        self.state.ended.lock().unwrap().contains(&connection)
    }

    /// How many bytes of its lies were taken.
    pub(crate) fn lied(&self) -> usize {
        self.state.lied.load(Ordering::Relaxed)
    }

    /// How often the sidecar has asked who this is.
    pub(crate) fn checks_of(&self, user: &str) -> usize {
        let asked = format!("xoauth_requestor_id={user}");
        let arrived = self.state.arrived.lock().unwrap();
        arrived
            .iter()
            .filter(|it| it.path().ends_with("/user/current") && it.query().contains(&asked))
            .count()
    }

    /// Everything that arrived and named this user by this header, the sidecar's own calls among it.
    pub(crate) fn arrived_as(&self, header: &str, user: &str) -> Vec<Arrived> {
        let mut arrived = self.all_arrived();
        arrived.retain(|it| it.header(header) == Some(user));
        arrived
    }
}

const USERS: [&str; 4] = ["alice", "bob", "svc-reports", "jürgen"];

impl State {
    fn answer(&self, arrived: &mut Arrived) -> Answer {
        let behaviour = self.behaviour.lock().unwrap().clone();
        if behaviour.is_elsewhere {
            return Answer(404, vec![], vec![]);
        }
        if arrived.path() == "/status" {
            return Answer(200, vec![], br#"{"state":"RUNNING"}"#.to_vec());
        }
        if arrived.method == "OPTIONS" && arrived.header("access-control-request-method").is_some() {
            return preflight(arrived, &behaviour);
        }
        let user = match self.authenticate(arrived, &behaviour) {
            Ok(user) => user,
            Err(answer) => return answer,
        };
        arrived.user.clone_from(&user);
        if let (None, Some(status)) = (&user, behaviour.refuses_visitors) {
            return Answer(status, vec![], format!(r#"{{"statusCode":{status}}}"#).into_bytes());
        }
        if arrived.path().ends_with("/rest/api/user/current") {
            let body = user.as_ref().map_or_else(
                || r#"{"type":"anonymous"}"#.to_owned(),
                |user| format!(r#"{{"type":"known","username":"{user}"}}"#),
            );
            return Answer(200, vec![], body.into_bytes());
        }
        let mut headers = vec![
            ("Set-Cookie", "JSESSIONID=new; HttpOnly".to_owned()),
            ("Cache-Control", "public, max-age=60".to_owned()),
        ];
        if let Some(name) = behaviour.claims_to_be.as_ref().or(user.as_ref()) {
            headers.push(("X-AUSERNAME", name.clone()));
        }
        let body = match arrived.path() {
            "/rest/big" => vec![b'x'; 32 * 1024 * 1024],
            _ => format!(r#"{{"user":"{}"}}"#, user.unwrap_or_else(|| "anonymous".into())).into_bytes(),
        };
        Answer(200, headers, body)
    }

    fn authenticate(&self, arrived: &Arrived, behaviour: &Behaviour) -> Result<Option<String>, Answer> {
        // As a subclass of Seraph's authenticator does it: an unknown user is anonymous.
        if let Some(named) = behaviour.believes.and_then(|name| arrived.header(name)) {
            return Ok(Some(named.to_owned()).filter(|user| USERS.contains(&user.to_lowercase().as_str())));
        }
        let query = oauth::decode_pairs(arrived.query().as_bytes());
        let auth_type = query.iter().find(|(name, _)| name == "os_authType").map(|(_, value)| value.as_str());
        let user = match arrived.header("authorization").unwrap_or_default() {
            oauth if oauth.starts_with("OAuth ") => return self.oauth(arrived, behaviour),
            basic if basic.to_ascii_lowercase().starts_with("basic ") => {
                if basic[6..] != BASIC_ALICE[6..] {
                    return Err(unauthorized("Basic realm=\"protected-area\""));
                }
                Some("alice".to_owned())
            }
            bearer if bearer == format!("Bearer {PAT}") => Some("bob".to_owned()),
            _ if arrived.header("cookie").is_some_and(|cookie| cookie.contains("JSESSIONID=good")) => {
                Some("bob".to_owned())
            }
            _ => None,
        };
        match (auth_type, &user) {
            (Some("cookie"), None) => Err(unauthorized("OAuth realm=\"http://wiki\"")),
            (Some("basic"), None) => Err(unauthorized("Basic realm=\"protected-area\"")),
            _ => Ok(user),
        }
    }

    fn oauth(&self, arrived: &Arrived, behaviour: &Behaviour) -> Result<Option<String>, Answer> {
        let problem =
            |word: &str| unauthorized(&format!("OAuth realm=\"http://wiki\", oauth_problem=\"{word}\""));
        if behaviour.has_no_link {
            return Err(problem("consumer_key_unknown"));
        }
        let is_own_check = arrived.path().ends_with("/user/current");
        if behaviour.refuses_assertions && !is_own_check {
            return Err(problem("signature_invalid"));
        }
        let key = if behaviour.has_next_key { keys::next_consumer() } else { keys::consumer() };
        let verified = oauth::verify(arrived, key).ok_or_else(|| problem("signature_invalid"))?;
        if !self.nonces.lock().unwrap().insert(verified.nonce) {
            return Err(problem("nonce_used"));
        }
        // An unknown user goes on as anonymous.
        Ok(Some(verified.user).filter(|user| USERS.contains(&user.to_lowercase().as_str())))
    }
}

/// `alice:secret-of-alice`.
pub(crate) const BASIC_ALICE: &str = "Basic YWxpY2U6c2VjcmV0LW9mLWFsaWNl";

/// The page that may call it.
pub(crate) const PAGE: &str = "https://app.example.com";

fn preflight(arrived: &Arrived, behaviour: &Behaviour) -> Answer {
    if behaviour.grants_no_origin || arrived.header("origin") != Some(PAGE) {
        return Answer(200, vec![], vec![]);
    }
    let headers = [("Access-Control-Allow-Origin", PAGE), ("Access-Control-Allow-Credentials", "true")];
    Answer(200, headers.map(|(name, value)| (name, value.to_owned())).to_vec(), vec![])
}

fn unauthorized(challenge: &str) -> Answer {
    Answer(401, vec![("WWW-Authenticate", challenge.to_owned())], b"login".to_vec())
}

#[test]
fn the_password_is_what_it_says() {
    assert_eq!(BASE64_STANDARD.encode("alice:secret-of-alice"), BASIC_ALICE[6..]);
}
