//! The announced end of password logins.

use serde_json::{Value, json};

use crate::support::{
    Reply, World,
    wiki::{BASIC_ALICE, PAGE},
};

const API: &str = "/rest/api/content";
const HOUR: i64 = 3600;
const BASIC: [(&str, &str); 1] = [("Authorization", BASIC_ALICE)];

fn from_now(seconds: i64) -> String {
    let now = jiff::Timestamp::now().as_second();
    jiff::Timestamp::from_second(now + seconds).unwrap().to_string()
}

/// Deprecated for an hour, over at `sunset`.
fn ends(sunset: i64, brown_outs: &Value) -> Value {
    json!({
        "since": from_now(-HOUR), "sunset": from_now(sunset), "brownOuts": brown_outs,
        "documentation": "https://wiki.example.com/tokens",
    })
}

/// In the middle of a trial.
fn trial() -> Value {
    ends(HOUR, &json!([{"start": from_now(-60), "end": from_now(600)}]))
}

async fn world(basic: &str, deprecation: Value) -> World {
    World::with(|config| {
        config["basicAuth"] = json!(basic);
        config["basicAuthDeprecation"] = deprecation;
        config["basicAuthExceptions"] = json!([{"paths": [{"type": "PathPrefix", "value": "/rest/dav"}]}]);
    })
    .await
}

/// `Deprecation`, `Sunset` and `Link`.
fn told(reply: &Reply) -> [Option<&str>; 3] {
    ["deprecation", "sunset", "link"].map(|name| reply.header(name))
}

const NOTHING: [Option<&str>; 3] = [None; 3];

#[tokio::test]
async fn whoever_logs_in_by_password_is_told_and_nobody_else() {
    for basic in ["Allow", "Audit"] {
        let world = world(basic, ends(HOUR, &json!([]))).await;
        let reply = world.get(API, &BASIC).await;
        assert_eq!((reply.status, reply.text().as_str()), (200, r#"{"user":"alice"}"#));
        let [deprecation, sunset, link] = told(&reply).map(Option::unwrap);
        let since: i64 = deprecation.strip_prefix('@').unwrap().parse().unwrap();
        let sunset = jiff::fmt::rfc2822::parse(sunset).unwrap().timestamp().as_second();
        assert_eq!(sunset - since, 2 * HOUR);
        let page = "https://wiki.example.com/tokens";
        assert_eq!(link, format!("<{page}>; rel=\"deprecation\", <{page}>; rel=\"sunset\""));
        // Refused by Confluence, in parameters, and on a page.
        for (target, headers) in [
            (API, &[("Authorization", "Basic Ym9iOndyb25n")][..]),
            ("/rest/api/content?os_username=alice&os_password=x", &[]),
            ("/display/DS/Home", &BASIC),
            ("/rpc/xmlrpc", &[]),
        ] {
            assert_ne!(told(&world.get(target, headers).await), NOTHING, "{target} {headers:?}");
        }
        for (target, headers) in [
            ("/rest/dav/x", &BASIC[..]),
            ("/login.action", &BASIC),
            (API, &[]),
            (API, &[("Cookie", "JSESSIONID=good")]),
            ("/display/DS/Home", &[]),
        ] {
            assert_eq!(told(&world.get(target, headers).await), NOTHING, "{target} {headers:?}");
        }
        assert_eq!(told(&world.get_as(API, &world.idp.token("alice")).await), NOTHING);
        world.has_metric("restward_sidecar_basic_end_announcements_total 5").await;
    }
}

#[tokio::test]
async fn a_trial_refuses_them_and_says_for_how_long() {
    for basic in ["Allow", "Audit"] {
        let mut world = world(basic, trial()).await;
        let refused = world.get(API, &BASIC).await;
        assert_eq!((refused.status, refused.reason().as_str()), (401, "basic_brown_out"));
        let wait: i64 = refused.header("retry-after").unwrap().parse().unwrap();
        assert!((1..=600).contains(&wait), "{wait}");
        assert!(refused.header("www-authenticate").unwrap().starts_with("Bearer "));
        let message = refused.json()["message"].as_str().unwrap().to_owned();
        assert!(
            message.contains("They are refused until ") && message.contains(" for good from "),
            "{message}"
        );
        assert!(message.ends_with("See https://wiki.example.com/tokens for more."), "{message}");
        assert_ne!(told(&refused), NOTHING);
        assert_eq!(world.get("/rpc/xmlrpc", &[]).await.reason(), "basic_brown_out");
        assert!(world.wiki.arrived().is_empty());
        assert_eq!(world.get("/rest/dav/x", &BASIC).await.status, 200, "an exception");
        assert_eq!(world.get_as(API, &world.idp.token("alice")).await.status, 200);
        let entries = world.admin("/basic-report").await.json();
        assert!(entries.to_string().contains("\"refused\""), "{entries}");
        let metrics = world.metrics().await;
        assert!(metrics.contains(r#"decision="refused",reason="basic_brown_out"#), "{metrics}");

        world.reconfigure(|config| config["basicAuthDeprecation"] = ends(HOUR, &json!([]))).await;
        assert_eq!(world.get(API, &BASIC).await.status, 200, "after it");
    }
}

#[tokio::test]
async fn after_the_end_they_are_refused_as_if_the_switch_said_so() {
    for basic in ["Allow", "Audit", "Deny"] {
        let world = world(basic, ends(-1, &json!([]))).await;
        let refused = world.get(API, &BASIC).await;
        assert_eq!((refused.status, refused.reason().as_str()), (401, "basic_denied"));
        assert_eq!(refused.header("retry-after"), None);
        assert!(refused.json()["message"].as_str().unwrap().contains("They ended at "));
        assert_ne!(told(&refused), NOTHING);
        let challenge = world.get("/rest/api/content?os_authType=basic", &[]).await;
        assert_eq!(challenge.reason(), "credential_missing");
        assert!(world.wiki.arrived().is_empty());
        let excepted = world.get("/rest/dav/x", &BASIC).await;
        assert_eq!((excepted.status, told(&excepted)), (200, NOTHING));
        assert_eq!(world.get("/login.action", &[]).await.status, 200);
    }
}

#[tokio::test]
async fn audit_records_what_a_trial_would_refuse_and_changes_no_answer() {
    let mut world = world("Allow", trial()).await;
    for (mode, decision, reason) in
        [("Audit", "would_refuse", json!("basic_brown_out")), ("Off", "passed", Value::Null)]
    {
        world.reconfigure(|config| config["mode"] = json!(mode)).await;
        let reply = world.get(API, &BASIC).await;
        assert_eq!((reply.status, told(&reply)), (200, NOTHING), "{mode}");
        let line = world.last_audit();
        assert_eq!((&line["decision"], &line["reason"]), (&json!(decision), &reason), "{mode}");
    }
}

#[tokio::test]
async fn a_page_that_may_read_the_answer_may_read_these_headers() {
    let world = world("Allow", trial()).await;
    let preflight = [("Origin", PAGE), ("Access-Control-Request-Method", "GET")];
    assert_eq!(world.send("OPTIONS", API, &preflight, "").await.status, 200);
    let exposed = |reply: &Reply| reply.header("access-control-expose-headers").map(str::to_owned);
    let refused = world.get(API, &[BASIC[0], ("Origin", PAGE)]).await;
    assert_eq!(exposed(&refused).as_deref(), Some("Deprecation, Sunset, Link, Retry-After"));
    let stranger = world.get(API, &[BASIC[0], ("Origin", "https://evil.example.com")]).await;
    assert_eq!((stranger.status, exposed(&stranger)), (401, None));
}
