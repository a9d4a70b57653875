#![allow(clippy::needless_pass_by_value, reason = "bodies are written where they are used")]

use http::{HeaderMap, HeaderName, HeaderValue};
use serde_json::json;

use super::*;

fn answer(status: u16, headers: &[(&'static str, &'static str)], body: impl ToString) -> Answer {
    let headers: HeaderMap = headers
        .iter()
        .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)))
        .collect();
    let body = body.to_string();
    Answer { status, headers, length: body.len() as u64, body: body.into() }
}

const BEARER: (&str, &str) = ("www-authenticate", "Bearer realm=\"r\"");
const BASIC: (&str, &str) = ("www-authenticate", "Basic realm=\"protected-area\"");

fn refusal(status: u16, reason: Reason) -> Answer {
    answer(status, &[BEARER], json!({"reason": reason.code()}))
}

fn current(user: &str) -> Answer {
    answer(200, &[], json!({"type": "known", "username": user}))
}

fn visitor() -> Answer {
    answer(200, &[], json!({"type": "anonymous", "displayName": "Anonymous"}))
}

fn list(names: &[&str]) -> Answer {
    let entry = |name: &&str| json!({"application": {"id": format!("0-{name}"), "name": name, "rpcUrl": "https://u.restward.invalid"}});
    answer(200, &[], json!({"list": names.iter().map(entry).collect::<Vec<_>>()}))
}

/// Each expectation with what fulfils it and what does not.
#[test]
#[allow(clippy::too_many_lines, reason = "a table")]
fn each_expectation_is_met_by_what_it_means_and_by_nothing_else() {
    use Expected::{
        BadRequest, Bytes, Challenge, Granted, HeadTooLong, Link, Links, Page, PageOf, Passed, Refused,
        RefusedToken, RejectedByConfluence, Says, Served, SoapAnswer, SomeUser, TooLarge, User, Visitor,
    };
    let denied = || refusal(401, Reason::BasicDenied);
    let page = |headers: &[(&'static str, &'static str)]| answer(302, headers, "");
    let other = |names: &[&str]| links(&list(names)).unwrap();
    let alice = || User("alice".into());
    let table: Vec<(Expected, Vec<Answer>, Vec<Answer>)> = vec![
        (
            Served,
            vec![answer(200, &[], "{}"), answer(204, &[], "")],
            vec![answer(401, &[], ""), answer(404, &[], ""), answer(302, &[], "")],
        ),
        (
            Says("RUNNING".into()),
            vec![answer(200, &[], "{\"state\":\"RUNNING\"}")],
            vec![answer(200, &[], "STARTING"), answer(500, &[], "RUNNING")],
        ),
        (Bytes(3), vec![answer(200, &[], "xxx")], vec![answer(200, &[], "xx"), answer(413, &[], "xxx")]),
        (
            alice(),
            vec![current("alice"), current("Alice")],
            vec![current("bob"), visitor(), answer(403, &[], "")],
        ),
        (SomeUser, vec![current("bob")], vec![visitor(), answer(401, &[], ""), answer(200, &[], "<html>")]),
        (
            Page,
            vec![answer(200, &[], ""), page(&[("location", "/login.action")])],
            vec![answer(404, &[], ""), answer(401, &[], "")],
        ),
        (
            PageOf(Some("bob".into())),
            vec![
                answer(200, &[("x-ausername", "Bob")], ""),
                answer(200, &[], ""),
                page(&[("location", "/dashboard.action")]),
            ],
            vec![
                page(&[("location", "/login.action?x")]),
                answer(200, &[("x-ausername", "eve")], ""),
                answer(401, &[], ""),
            ],
        ),
        (
            PageOf(None),
            vec![answer(200, &[("x-ausername", "bob")], "")],
            vec![page(&[("location", "/login.action?x")])],
        ),
        (
            Passed,
            vec![answer(200, &[], ""), answer(404, &[], ""), answer(401, &[BASIC], "")],
            vec![answer(502, &[], "")],
        ),
        (
            RejectedByConfluence,
            vec![answer(401, &[], ""), answer(403, &[], "")],
            vec![visitor(), answer(404, &[], "")],
        ),
        (
            Visitor,
            vec![visitor(), answer(403, &[], ""), answer(200, &[("x-ausername", "anonymous")], "")],
            vec![current("admin"), answer(200, &[("x-ausername", "admin")], ""), answer(502, &[], "")],
        ),
        (
            Challenge,
            vec![answer(401, &[BASIC], "")],
            vec![answer(401, &[BEARER], ""), answer(200, &[BASIC], ""), denied()],
        ),
        (
            SoapAnswer,
            vec![answer(500, &[], "<soapenv:Fault>"), answer(404, &[], "")],
            vec![answer(500, &[], "<html>"), denied()],
        ),
        (
            HeadTooLong,
            vec![answer(431, &[], ""), answer(400, &[], "")],
            vec![answer(200, &[], ""), answer(502, &[], ""), denied()],
        ),
        (
            TooLarge,
            vec![answer(413, &[], ""), refusal(413, Reason::FormTooLarge)],
            vec![answer(405, &[], ""), answer(502, &[], ""), denied()],
        ),
        (
            Granted("https://app".into()),
            vec![
                answer(200, &[("access-control-allow-origin", "https://app")], ""),
                answer(200, &[("access-control-allow-origin", "*")], ""),
            ],
            vec![answer(200, &[], ""), answer(200, &[("access-control-allow-origin", "https://b")], "")],
        ),
        (
            BadRequest,
            vec![answer(400, &[], ""), refusal(400, Reason::AmbiguousTarget)],
            vec![answer(200, &[], ""), answer(404, &[], "")],
        ),
        (
            Link("c".into()),
            vec![list(&["a", "c"])],
            vec![list(&["a"]), answer(200, &[], "<html>"), answer(403, &[], "")],
        ),
        (Links(other(&["a", "b"])), vec![list(&["b", "a"])], vec![list(&["a"]), list(&["a", "b", "c"])]),
        (
            Refused(Reason::BasicDenied),
            vec![denied()],
            vec![
                refusal(401, Reason::CredentialMissing),
                answer(401, &[], ""),
                visitor(),
                refusal(403, Reason::BasicDenied),
                answer(401, &[BASIC], json!({"reason": "basic_denied"})),
                answer(401, &[BEARER, BASIC], json!({"reason": "basic_denied"})),
                answer(401, &[BEARER], json!({"reason": "of somebody else"})),
            ],
        ),
        (
            Refused(Reason::UserDenied),
            vec![answer(403, &[], json!({"reason": "user_denied"}))],
            vec![denied(), current("admin")],
        ),
        (
            RefusedToken,
            vec![refusal(401, Reason::TokenMalformed), refusal(401, Reason::TokenInactive)],
            vec![denied(), refusal(503, Reason::KeysUnavailable), answer(401, &[], ""), visitor()],
        ),
    ];
    for (expected, right, wrong) in table {
        for answer in right {
            assert_eq!(expected.judge(&answer), Ok(()), "{expected:?} {answer:?}");
        }
        for answer in wrong {
            let Err(Wrong { why, fix }) = expected.judge(&answer) else {
                panic!("{expected:?} takes {answer:?}")
            };
            assert!(!why.is_empty() && fix.len() > 20, "{expected:?} {answer:?}: {why} {fix}");
        }
        // Nobody's work is done by a sidecar without a configuration.
        assert!(expected.judge(&refusal(503, Reason::NotConfigured)).is_err(), "{expected:?}");
    }
}

#[test]
fn a_wrong_answer_says_whose_it_is() {
    let why = |expected: Expected, answer: &Answer| {
        let Wrong { why, fix } = expected.judge(answer).unwrap_err();
        format!("{why} / {fix}")
    };
    let by_confluence = why(Expected::Refused(Reason::CredentialMissing), &visitor());
    assert!(
        by_confluence.contains("not refused by Restward") && by_confluence.contains("--url leads to pods"),
        "{by_confluence}"
    );
    let by_restward = why(Expected::Served, &refusal(503, Reason::LinkMissing));
    assert!(
        by_restward.contains("503 link_missing") && by_restward.contains("application link"),
        "{by_restward}"
    );
    let other = why(Expected::User("alice".into()), &current("bob"));
    assert!(other.contains("a call of bob") && other.contains("usernameAttribute"), "{other}");
}
