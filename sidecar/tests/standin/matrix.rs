//! Every credential on every kind of path under every policy: what the client gets, and what of it reached Tomcat.
//! The expectations are the tables of the reference pages, written down in [`design`] without a look at the decision
//! that they check.

mod credential;
mod design;
mod outcome;
mod place;
mod policy;

use std::{
    collections::HashMap,
    io::{self, Write},
    sync::{Arc, Mutex},
    time::Duration,
};

use http::{HeaderName, HeaderValue, Method};
use restward_sidecar::{app::Running, audit::Audit, identity::Outgoing, loopback::Answer, loopback::Client};
use serde_json::{Value, json};

use crate::{
    support::idp::Idp,
    wiki::{self, CONSUMER, CONTEXT, Wiki},
};
use credential::{Credential, Purse, Sent};
use outcome::{Authorization, Challenge, Expected, USER};
use place::Place;
use policy::Policy;

/// The request's id: in Tomcat's log, in the audit line, in the answer.
const ID: &str = "x-request-id";

#[tokio::test]
async fn every_credential_on_every_path_under_every_policy() {
    // A public wiki is the harder one: nothing is refused there because nobody is logged in.
    let wiki = Wiki::start(&[("STANDIN_ANONYMOUS", "true")]);
    let idp = Idp::start().await;
    for consumer in [CONSUMER, credential::PARTNER] {
        let id = wiki.make_link_of(consumer).await;
        wiki.allow_impersonation(&id).await;
    }
    let purse = Purse::fill(&wiki, &idp).await;
    let (mut cells, mut wrong) = (0, Vec::new());
    for policy in Policy::all() {
        let table = Table::fill(&wiki, &idp, &purse, &policy).await;
        cells += table.0.len();
        wrong.extend(table.0.iter().filter_map(|cell| cell.difference(&policy)));
    }
    assert!(wrong.is_empty(), "{} of {cells} cells:\n{}", wrong.len(), wrong.join("\n"));
    assert!(cells > 20_000, "{cells}");
}

/// What a wiki and a sidecar made of every request of one policy.
struct Table(Vec<Cell>);

struct Cell {
    place: Place,
    credential: Credential,
    sent: Sent,
    answer: Answer,
    /// The entry of the wiki's log.
    reached: Option<Value>,
    /// The sidecar's audit line.
    audit: Value,
}

impl Table {
    async fn fill(wiki: &Wiki, idp: &Idp, purse: &Purse, policy: &Policy) -> Self {
        let mut config = wiki::config();
        config["issuers"][0]["host"] = json!(idp.base());
        config["externalURLs"] = json!([credential::URL]);
        config["audit"] = json!({"lines": "All"});
        policy.write(&mut config);
        let lines = Lines::default();
        let sidecar = wiki.start_sidecar_with(&config, Audit::to(lines.clone())).await;
        until_trusted(wiki, &sidecar).await;

        let before = log(wiki, i64::MAX).await["count"].as_i64().unwrap();
        let client = Client::new(sidecar.data.port());
        let mut filled = Vec::new();
        for place in Place::ALL {
            for credential in Credential::ALL.into_iter().filter(|credential| credential.fits(place)) {
                let mut sent = purse.take(wiki, credential, place).await;
                sent.headers.push((ID, format!("cell-{}", filled.len())));
                let answer = client.send(outgoing(wiki, &sent), Duration::from_secs(20)).await.unwrap();
                filled.push((place, credential, sent, answer));
            }
        }
        let mut reached = by_id(log(wiki, before).await["requests"].as_array().unwrap(), |entry| {
            header(entry, ID).first().cloned()
        });
        let mut audited = by_id(&lines.all(), |line| line["request_id"].as_str().map(str::to_owned));
        Self(
            filled
                .into_iter()
                .enumerate()
                .map(|(index, (place, credential, sent, answer))| {
                    let id = format!("cell-{index}");
                    let (reached, audit) = (reached.remove(&id), audited.remove(&id).unwrap_or_default());
                    Cell { place, credential, sent, answer, reached, audit }
                })
                .collect(),
        )
    }
}

impl Cell {
    /// What is not as the design has it.
    fn difference(&self, policy: &Policy) -> Option<String> {
        let (want, got) = (design::expected(policy, self.place, self.credential), self.seen());
        (want != got).then(|| {
            format!("{} {:?} {:?}\n  want {want:?}\n  got  {got:?}", policy.name, self.place, self.credential)
        })
    }

    fn seen(&self) -> Expected {
        let status = self.answer.status.as_u16();
        let reason = self.audit["reason"].as_str().map(str::to_owned);
        let tells_end = self.answer.headers.contains_key("sunset");
        let Some(entry) = &self.reached else {
            return Expected::Refused { status, reason: reason.unwrap_or_default(), tells_end };
        };
        let authorization = header(entry, "authorization");
        let as_sent: Vec<_> = self.sent.all("authorization");
        let has_cookies_as_sent = header(entry, "cookie") == self.sent.all("cookie");
        let query = entry["query"].as_str().map(str::to_owned);
        let named = &entry["parameters"]["xoauth_requestor_id"];
        let authorization = match authorization.as_slice() {
            [one] if one.contains(&format!("oauth_consumer_key=\"{CONSUMER}\"")) => {
                let is_clean = entry["parameters"].as_object().unwrap().len() == 1
                    && header(entry, "cookie").is_empty()
                    && *named == json!([USER]);
                if is_clean { Authorization::Signed } else { Authorization::Otherwise }
            }
            got if got == as_sent && has_cookies_as_sent => Authorization::AsSent,
            [] if has_cookies_as_sent => Authorization::Removed,
            _ => Authorization::Otherwise,
        };
        let auth_type = match (&query, &self.sent.query) {
            _ if authorization == Authorization::Signed => None,
            (got, sent) if got == sent => None,
            (Some(got), sent) => Some(without_prefix(got, sent.as_deref())),
            (None, Some(_)) => Some("the query is gone".to_owned()),
            (None, None) => None,
        };
        let challenges = self.answer.headers.get_all("www-authenticate").iter();
        let challenges: Vec<_> = challenges.filter_map(|value| value.to_str().ok()).collect();
        let challenge = match challenges.as_slice() {
            [] => Challenge::None,
            [ours] if ours.starts_with("Bearer realm=") => Challenge::Ours,
            _ => Challenge::Confluences,
        };
        Expected::Reached {
            status,
            user: entry["user"].as_str().map(str::to_owned),
            authorization,
            auth_type,
            challenge,
            reason,
            tells_end,
        }
    }
}

/// What was added to a query.
fn without_prefix(got: &str, sent: Option<&str>) -> String {
    let sent = sent.map(|sent| format!("{sent}&")).unwrap_or_default();
    let added = got.strip_prefix(&sent).unwrap_or(got);
    added.strip_prefix("os_authType=").unwrap_or(got).to_owned()
}

fn header(entry: &Value, name: &str) -> Vec<String> {
    let pairs = entry["headers"].as_array().unwrap().iter();
    pairs.filter(|pair| pair[0] == name).map(|pair| pair[1].as_str().unwrap().to_owned()).collect()
}

fn by_id(entries: &[Value], id: impl Fn(&Value) -> Option<String>) -> HashMap<String, Value> {
    entries.iter().filter_map(|entry| Some((id(entry)?, entry.clone()))).collect()
}

fn outgoing(wiki: &Wiki, sent: &Sent) -> Outgoing {
    let mut request = wiki.request(sent.method.clone(), "", sent.query.as_deref());
    request.path = format!("{CONTEXT}{}", sent.path);
    for (name, value) in &sent.headers {
        request.headers.append(HeaderName::from_static(name), HeaderValue::try_from(value).unwrap());
    }
    request.form = (!sent.body.is_empty()).then(|| sent.body.clone().into_bytes());
    request
}

/// The wiki's log after an entry.
async fn log(wiki: &Wiki, after: i64) -> Value {
    let after = format!("after={}", after.min(999_999_999));
    let request = wiki.request(Method::GET, "/rest/standin/1.0/requests", Some(&after));
    let url = format!("http://127.0.0.1:{}{}?{after}", wiki.port, request.path);
    // Longer than an answer to the sidecar may be.
    reqwest::get(url).await.unwrap().text().await.unwrap().parse().unwrap()
}

async fn until_trusted(wiki: &Wiki, sidecar: &Running) {
    let trusted = async {
        loop {
            let request = wiki.request(Method::GET, "", None);
            let text = wiki.through(sidecar.admin, request, "/metrics").await.body;
            let text = String::from_utf8_lossy(&text);
            let has = |wanted: &str| text.lines().any(|line| line == wanted);
            if has("restward_sidecar_keys_usable 1") && has("restward_sidecar_upstream_trusted 1") {
                break;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), trusted).await.unwrap();
}

/// The audit lines.
#[derive(Clone, Default)]
pub(crate) struct Lines(Arc<Mutex<Vec<u8>>>);

impl Write for Lines {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(data)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Lines {
    pub(crate) fn all(&self) -> Vec<Value> {
        let text = String::from_utf8(self.0.lock().unwrap().clone()).unwrap();
        text.lines().map(|line| line.parse().unwrap()).collect()
    }
}
