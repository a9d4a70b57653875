//! What an answer says about who answered, and what all answers together say about the pod. Pure.

use std::collections::{BTreeMap, BTreeSet};

use http::{HeaderMap, StatusCode, header};
use restward_crds::advisory::Advisory;
use serde_json::Value;

use super::plan::{Caller, Plan, Stranger, Target};

/// Headers that Confluence alone sets. None of them depends on who asks.
const OWN_HEADERS: [&str; 3] = ["x-ausername", "x-seraph-loginreason", "x-confluence-request-time"];
/// What `<context>/status` answers in `state`, whatever Confluence is doing.
const STATES: [&str; 6] = ["RUNNING", "FIRST_RUN", "STARTING", "ERROR", "MAINTENANCE", "STOPPING"];
/// What `<context>/rest/api/user/current` answers in `type`.
const USER_TYPES: [&str; 3] = ["anonymous", "known", "unknown"];

/// What came of asking at one address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// No connection.
    Shut,
    /// A connection, but no answer in time: nothing follows from it.
    Silent,
    /// Something that does not speak HTTP.
    NotHttp,
    /// HTTP, but not as Confluence.
    Http(StatusCode),
    /// Confluence.
    Confluence,
}

impl Verdict {
    /// What Tomcat's valve answers, to whatever it is asked.
    pub const VALVE: Self = Self::Http(StatusCode::FORBIDDEN);
}

/// A way to Confluence around the sidecar.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bypass {
    /// Port of the pod.
    pub port: u16,
    /// For people.
    pub message: String,
}

/// What a look found.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Findings {
    /// Ways around the sidecar, one a port.
    pub bypasses: Vec<Bypass>,
    /// What is better known, each as `Reason: sentence`.
    pub warnings: Vec<String>,
    /// Why the look was not complete.
    pub problem: Option<String>,
}

/// Judges an HTTP answer.
pub fn of_answer(status: StatusCode, headers: &HeaderMap, body: &[u8]) -> Verdict {
    let has_own_header = OWN_HEADERS.iter().any(|name| headers.contains_key(*name));
    // Confluence offers OAuth with every 401.
    let offers_oauth =
        headers.get_all(header::WWW_AUTHENTICATE).iter().any(|value| value.as_bytes().starts_with(b"OAuth "));
    let body: Value = serde_json::from_slice(body).unwrap_or_default();
    let says = |member: &str, words: &[&str]| {
        body.get(member).and_then(Value::as_str).is_some_and(|word| words.contains(&word))
    };
    if has_own_header || offers_oauth || says("state", &STATES) || says("type", &USER_TYPES) {
        Verdict::Confluence
    } else {
        Verdict::Http(status)
    }
}

/// Judges a look: `seen` has a verdict for every target of the plan.
pub fn of_look(plan: &Plan, seen: impl Fn(&Target) -> Verdict, before: &Findings) -> Findings {
    let tomcat = plan.tomcat.iter().map(|target| (target, tomcat_lets_in(seen(target), target)));
    let strangers = plan.strangers.iter().flat_map(|stranger| &stranger.targets);
    let strangers = strangers.map(|target| (target, stranger_is_confluence(seen(target), target)));
    let mut bypasses = BTreeMap::new();
    for (target, open) in tomcat.chain(strangers) {
        let port = target.to.port();
        let known = before.bypasses.iter().find(|bypass| bypass.port == port);
        let message = match (open, seen(target), known) {
            (Some(message), ..) => message,
            // A Confluence that is slow for a moment has not shut the way that it was seen on.
            (None, Verdict::Silent, Some(known)) => known.message.clone(),
            _ => continue,
        };
        bypasses.entry(port).or_insert(message);
    }
    let bypasses: Vec<Bypass> =
        bypasses.into_iter().map(|(port, message)| Bypass { port, message }).collect();
    let warnings = warnings(plan, &bypasses);
    Findings { bypasses, warnings, problem: None }
}

/// On Tomcat's own port every answer but the valve's comes from behind it. 404 may only mean that Confluence is somewhere
/// else than at the known context path; 400 is no excuse, as Tomcat can read what is asked.
fn tomcat_lets_in(seen: Verdict, target: &Target) -> Option<String> {
    let how = match seen {
        Verdict::Confluence => String::new(),
        Verdict::Http(_) if target.by == Caller::Inside => String::new(),
        Verdict::Http(status) if seen != Verdict::VALVE => format!(" (it answers {status} instead of 403)"),
        _ => return None,
    };
    if target.by == Caller::Inside {
        return Some(
            "Tomcat answers on a port, where whoever is in the pod comes around the sidecar (kubectl port-forward does), \
             although it was told to listen on a Unix socket only; this Tomcat or Java is too old for that, or server.xml was \
             replaced: set spec.interception: Port and restart the pod"
                .to_owned(),
        );
    }
    let who = if target.by == Caller::Mesh {
        "a mesh proxy (127.0.0.6)"
    } else {
        "callers at the pod's own address"
    };
    Some(format!(
        "Tomcat's own port lets in {who}{how}, so the valve of context.xml.default is not in force; see that nothing \
         replaces conf/Standalone/localhost/context.xml.default, nor the names of Tomcat's engine and host"
    ))
}

fn stranger_is_confluence(seen: Verdict, target: &Target) -> Option<String> {
    let whom = match target.by {
        Caller::Inside => " to whoever is in the pod",
        Caller::Mesh => " to neighbours on the pod's network, which reach its loopback",
        Caller::Outside => "",
    };
    (seen == Verdict::Confluence).then(|| {
        format!(
            "something answers as Confluence{whom}; close it, or let it call the pod's HTTP port instead of Tomcat's"
        )
    })
}

fn warnings(plan: &Plan, bypasses: &[Bypass]) -> Vec<String> {
    let mut warnings = Vec::new();
    let is_loopback = |target: &Target| target.by == Caller::Mesh;
    let ports = |on_loopback: bool| {
        // What only the pod itself reaches is nothing unusual.
        let is_open = |stranger: &&Stranger| {
            stranger.targets.is_empty() || stranger.targets.iter().any(|target| target.by != Caller::Inside)
        };
        let unknown = plan
            .strangers
            .iter()
            .filter(is_open)
            .filter(|stranger| stranger.targets.iter().any(is_loopback) == on_loopback);
        let ports: BTreeSet<u16> = unknown.map(|stranger| stranger.listener.address.port()).collect();
        let others: Vec<String> = ports
            .into_iter()
            .filter(|port| bypasses.iter().all(|bypass| bypass.port != *port))
            .map(|port| port.to_string())
            .collect();
        others.join(", ")
    };
    let (open, loopback) = (ports(false), ports(true));
    if !open.is_empty() {
        warnings.push(Advisory::UnknownListener.says(format_args!(
            "ports of the pod are open that Restward does not know; none answers as Confluence: {open}. \
             List those that belong there in spec.allowedListeners"
        )));
    }
    if !loopback.is_empty() {
        warnings.push(Advisory::RouteLocalnet.says(format_args!(
            "neighbours on the pod's network reach its loopback (net.ipv4.conf.*.route_localnet is 1, which \
             kube-proxy sets on the node unless told --iptables-localhost-nodeports=false); open there, none as Confluence: \
             {loopback}. List those that may be reached in spec.allowedListeners"
        )));
    }
    warnings
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::verify::network::Listener;

    /// Status, headers, body, and whether it is Confluence.
    type Row = (u16, &'static [(&'static str, &'static str)], &'static str, bool);

    #[test]
    fn confluence_is_known_by_what_only_it_answers() {
        let table: [Row; 17] = [
            (200, &[], r#"{"state":"RUNNING"}"#, true),
            (503, &[], r#"{"state":"STARTING"}"#, true),
            (200, &[], r#"{"state":"FIRST_RUN"}"#, true),
            (200, &[], r#"{"type":"anonymous","displayName":"Anonymous"}"#, true),
            (200, &[], r#"{"type":"known","username":"alice"}"#, true),
            (302, &[("x-ausername", "alice")], "", true),
            (403, &[("X-Seraph-LoginReason", "OUT")], "", true),
            (404, &[("x-confluence-request-time", "1700000000000")], "", true),
            (
                401,
                &[("www-authenticate", "Basic realm=\"x\""), ("www-authenticate", "OAuth realm=\"http\"")],
                "",
                true,
            ),
            // Tomcat's valve, Tomcat without such a context, Tomcat on a port for TLS.
            (
                403,
                &[("content-type", "text/html;charset=utf-8")],
                "<!doctype html><title>HTTP Status 403</title>",
                false,
            ),
            (404, &[], "<!doctype html><title>HTTP Status 404</title>", false),
            (400, &[], "Bad Request\r\nThis combination of host and port requires TLS.", false),
            // An exporter, Synchrony, others.
            (200, &[("content-type", "text/plain")], "# HELP jvm_threads_current", false),
            (200, &[], r#"{"state":"fine","type":"x"}"#, false),
            (200, &[], r#"["RUNNING"]"#, false),
            (401, &[("www-authenticate", "Bearer realm=\"OAuth \"")], "", false),
            (200, &[], "RUNNING", false),
        ];
        for (status, headers, body, is_confluence) in table {
            let status = StatusCode::from_u16(status).unwrap();
            let map: HeaderMap = headers
                .iter()
                .map(|(name, value)| {
                    (http::HeaderName::try_from(*name).unwrap(), http::HeaderValue::try_from(*value).unwrap())
                })
                .collect();
            let want = if is_confluence { Verdict::Confluence } else { Verdict::Http(status) };
            assert_eq!(of_answer(status, &map, body.as_bytes()), want, "{status} {headers:?} {body}");
        }
    }

    fn target(to: &str, by: Caller) -> Target {
        Target { to: to.parse().unwrap(), by }
    }

    /// Tomcat on two ways, and a stranger on port 9000.
    fn plan() -> Plan {
        let listener = Listener { address: "0.0.0.0:9000".parse().unwrap(), inode: 1 };
        Plan {
            tomcat: vec![target("10.0.0.5:18090", Caller::Outside), target("127.0.0.1:18090", Caller::Mesh)],
            strangers: vec![Stranger { listener, targets: vec![target("10.0.0.5:9000", Caller::Outside)] }],
        }
    }

    /// Verdicts by the plan's order → ports around, and the first words of warnings.
    fn look(verdicts: [Verdict; 3], before: &Findings) -> (Vec<u16>, Vec<String>) {
        let seen = |target: &Target| match (target.to.port(), target.by) {
            (18090, Caller::Outside) => verdicts[0],
            (18090, Caller::Mesh) => verdicts[1],
            _ => verdicts[2],
        };
        let findings = of_look(&plan(), seen, before);
        let word = |text: &String| text.split(':').next().unwrap_or_default().to_owned();
        (
            findings.bypasses.iter().map(|bypass| bypass.port).collect(),
            findings.warnings.iter().map(word).collect(),
        )
    }

    #[test]
    fn what_answers_as_confluence_is_a_way_around_and_so_is_a_tomcat_without_403() {
        use Verdict::{Confluence, Http, NotHttp, Shut, Silent};
        let (no, odd) = (Verdict::VALVE, Http(StatusCode::NOT_FOUND));
        let table: [([Verdict; 3], &[u16], &[&str]); 14] = [
            ([Shut, Shut, Shut], &[], &["UnknownListener"]),
            ([no, no, Http(StatusCode::OK)], &[], &["UnknownListener"]),
            ([Silent, Silent, Silent], &[], &["UnknownListener"]),
            ([no, no, NotHttp], &[], &["UnknownListener"]),
            ([Confluence, no, Shut], &[18090], &["UnknownListener"]),
            ([Shut, Confluence, Shut], &[18090], &["UnknownListener"]),
            ([no, no, Confluence], &[9000], &[]),
            ([Confluence, Confluence, Confluence], &[9000, 18090], &[]),
            // On Tomcat's own port whoever is answered by anybody but the valve was let in.
            ([odd, no, Shut], &[18090], &["UnknownListener"]),
            ([no, odd, Shut], &[18090], &["UnknownListener"]),
            ([Http(StatusCode::OK), no, Shut], &[18090], &["UnknownListener"]),
            ([Http(StatusCode::BAD_REQUEST), no, Shut], &[18090], &["UnknownListener"]),
            ([no, Http(StatusCode::SERVICE_UNAVAILABLE), Shut], &[18090], &["UnknownListener"]),
            ([NotHttp, NotHttp, Shut], &[], &["UnknownListener"]),
        ];
        for (verdicts, ports, warnings) in table {
            let (got, warned) = look(verdicts, &Findings::default());
            assert_eq!(
                (got.as_slice(), warned.as_slice()),
                (ports, warnings.iter().map(|w| (*w).to_owned()).collect::<Vec<_>>().as_slice()),
                "{verdicts:?}"
            );
        }
    }

    #[test]
    fn from_inside_the_pod_every_answer_of_tomcats_port_is_a_way_around_a_socket() {
        let listener = Listener { address: "127.0.0.1:8000".parse().unwrap(), inode: 1 };
        let plan = Plan {
            tomcat: vec![target("127.0.0.1:18090", Caller::Inside)],
            strangers: vec![Stranger { listener, targets: vec![target("127.0.0.1:8000", Caller::Inside)] }],
        };
        let look = |verdict| {
            let found = of_look(&plan, |_| verdict, &Findings::default());
            assert_eq!(found.warnings, Vec::<String>::new(), "loopback is for whoever is in the pod");
            found.bypasses.iter().map(|bypass| bypass.port).collect::<Vec<_>>()
        };
        assert_eq!(look(Verdict::Shut), [0; 0]);
        assert_eq!(look(Verdict::NotHttp), [0; 0]);
        assert_eq!(look(Verdict::VALVE), [18090]);
        assert_eq!(look(Verdict::Http(StatusCode::NOT_FOUND)), [18090]);
        assert_eq!(look(Verdict::Confluence), [8000, 18090]);
    }

    #[test]
    fn a_way_that_is_known_is_shut_by_an_answer_and_not_by_silence() {
        use Verdict::{Confluence, Shut, Silent};
        let before = of_look(&plan(), |_| Confluence, &Findings::default());
        let no = Verdict::VALVE;
        assert_eq!(look([Silent, no, Shut], &before).0, [18090]);
        assert_eq!(look([no, no, Silent], &before).0, [9000]);
        assert_eq!(look([no, no, Shut], &before).0, [0; 0]);
    }
}
