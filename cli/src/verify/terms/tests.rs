#![allow(clippy::needless_pass_by_value, reason = "policies are written where they are used")]

use serde_json::json;

use super::*;
use crate::verify::cases::{CONTENT, FEED, WEBDAV};

fn policy(spec: Value) -> RestApiAuthPolicy {
    let mut policy = json!({
        "apiVersion": "restward.io/v1alpha1", "kind": "RestApiAuthPolicy", "metadata": {"name": "wiki", "namespace": "n"},
        "spec": {"selector": {"matchLabels": {"app": "wiki"}}, "keycloak": {"host": "h", "realm": "r"}},
    });
    let members = policy["spec"].as_object_mut().unwrap();
    members.extend(spec.as_object().unwrap().clone());
    serde_json::from_value(policy).unwrap()
}

fn password(spec: Value, path: &str, user: Option<&str>) -> Option<Expected> {
    let at = "2026-06-01T00:00:00Z".parse().unwrap();
    Terms::of(&policy(spec)).password(Login { path, user, at }, Expected::Passed)
}

#[test]
fn passwords_are_on_the_terms_of_the_policy() {
    let refused = |reason| Some(Expected::Refused(reason));
    let denied = || refused(Reason::BasicDenied);
    let passed = || Some(Expected::Passed);
    let with = |exception: Value| json!({"basicAuth": {"mode": "Deny", "exceptions": [exception]}});
    let ending = |since: &str, sunset: &str| {
        json!({"basicAuth": {"deprecation": {"since": since, "sunset": sunset,
        "brownOuts": [{"start": "2026-05-31T00:00:00Z", "end": "2026-06-02T00:00:00Z"}]}}})
    };
    for (spec, path, user, expected) in [
        (json!({}), CONTENT, Some("bob"), passed()),
        (json!({"basicAuth": {"mode": "Audit"}}), CONTENT, Some("bob"), passed()),
        (json!({"basicAuth": {"mode": "Deny"}}), CONTENT, Some("bob"), denied()),
        (json!({"basicAuth": {"mode": "Deny"}, "mode": "Audit"}), CONTENT, Some("bob"), passed()),
        (with(json!({"users": ["Bob"]})), CONTENT, Some("bob"), passed()),
        (with(json!({"users": ["bob"]})), CONTENT, Some("eve"), denied()),
        (with(json!({"users": ["bob"]})), CONTENT, None, denied()),
        (with(json!({"presets": ["WebDAV"]})), WEBDAV, Some("bob"), passed()),
        (with(json!({"presets": ["WebDAV"]})), FEED, Some("bob"), denied()),
        (with(json!({"presets": ["Feeds"]})), FEED, Some("bob"), passed()),
        (with(json!({"paths": [{"type": "PathPrefix", "value": "/rest"}]})), CONTENT, Some("bob"), passed()),
        (with(json!({"paths": [{"type": "PathPrefix", "value": "/rest"}]})), FEED, Some("bob"), denied()),
        (with(json!({"cidrs": ["10.0.0.0/8"]})), CONTENT, Some("bob"), None),
        (with(json!({"cidrs": ["10.0.0.0/8"], "users": ["bob"]})), CONTENT, Some("eve"), denied()),
        (
            ending("2026-01-01T00:00:00Z", "2026-12-01T00:00:00Z"),
            CONTENT,
            Some("bob"),
            refused(Reason::BasicBrownOut),
        ),
        (ending("2026-01-01T00:00:00Z", "2026-06-01T00:00:00Z"), CONTENT, Some("bob"), denied()),
    ] {
        assert_eq!(password(spec.clone(), path, user), expected, "{spec} {path} {user:?}");
    }
}

#[test]
fn who_has_no_credential_is_refused_unless_the_policy_says_otherwise() {
    let anonymous = |spec: Value| Terms::of(&policy(spec)).anonymous(CONTENT);
    let missing = || Expected::Refused(Reason::CredentialMissing);
    assert_eq!(anonymous(json!({})), missing());
    assert_eq!(anonymous(json!({"credentials": {"anonymous": "Allow"}})), Expected::Passed);
    assert_eq!(anonymous(json!({"mode": "Audit"})), Expected::Passed);
    assert_eq!(anonymous(json!({"mode": "Off"})), Expected::Passed);
    let open = |value: &str| json!({"anonymousPaths": {"paths": [{"type": "PathPrefix", "value": value}]}});
    assert_eq!(anonymous(open("/rest/api")), Expected::Passed);
    assert_eq!(anonymous(open("/rest/other")), missing());
    let preset = |presets: Value| {
        Terms::of(&policy(json!({"anonymousPaths": {"presets": presets}})))
            .preset(AnonymousPreset::Gadgets, "/rest/gadgets")
    };
    assert_eq!(preset(json!(["Gadgets"])), Expected::Passed);
    assert_eq!(preset(json!(["MobileApp"])), missing());
}

#[test]
fn a_header_that_names_a_user_makes_nobody_of_a_visitor() {
    let claimed = |spec: Value| Terms::of(&policy(spec)).claimed(CONTENT);
    assert_eq!(claimed(json!({})), Expected::Refused(Reason::CredentialMissing));
    assert_eq!(claimed(json!({"credentials": {"anonymous": "Allow"}})), Expected::Visitor);
    assert_eq!(claimed(json!({"mode": "Off"})), Expected::Visitor);
}

#[test]
fn who_waits_for_the_question_is_asked_where_passwords_are_taken() {
    let challenge = |spec: Value| {
        let at = "2026-06-01T00:00:00Z".parse().unwrap();
        Terms::of(&policy(spec)).challenge(Login { path: CONTENT, user: None, at })
    };
    assert_eq!(challenge(json!({})), Some(Expected::Challenge));
    let denied = json!({"basicAuth": {"mode": "Deny"}});
    assert_eq!(challenge(denied), Some(Expected::Refused(Reason::CredentialMissing)));
    assert_eq!(challenge(json!({"mode": "Audit"})), Some(Expected::Passed));
    let somewhere = json!({"basicAuth": {"mode": "Deny", "exceptions": [{"cidrs": ["10.0.0.0/8"]}]}});
    assert_eq!(challenge(somewhere), None);
}

#[test]
fn a_made_up_session_is_told_from_a_visitors_where_visitors_are_not_wanted() {
    let session = |spec: Value| Terms::of(&policy(spec)).made_up_session();
    assert_eq!(session(json!({})), Expected::RejectedByConfluence);
    assert_eq!(session(json!({"credentials": {"anonymous": "Allow"}})), Expected::Passed);
    assert_eq!(
        session(json!({"credentials": {"session": "Deny"}})),
        Expected::Refused(Reason::SessionDenied)
    );
    assert_eq!(session(json!({"credentials": {"session": "Deny"}, "mode": "Audit"})), Expected::Passed);
}

#[test]
fn whom_a_token_stands_for_follows_from_token_and_policy_or_is_not_told() {
    let user = |name: &str| Holder::User(name.into());
    let service = json!({"preferred_username": "service-account-reports", "azp": "reports"});
    let mapped = json!({"serviceAccounts": [{"client": "reports", "username": "svc"}]});
    for (spec, claims, holder) in [
        (json!({}), json!({"preferred_username": "alice"}), user("alice")),
        (
            json!({"usernameAttribute": "a.b"}),
            json!({"a.b": "bob", "preferred_username": "alice"}),
            user("bob"),
        ),
        (json!({"usernameAttribute": "/a/b"}), json!({"a": {"b": "bob"}}), user("bob")),
        (json!({}), json!({"sub": "alice"}), Holder::Untold),
        (
            json!({"usernameMapping": {"lowerCase": true}}),
            json!({"preferred_username": "alice"}),
            Holder::Untold,
        ),
        (mapped.clone(), service.clone(), user("svc")),
        (json!({}), service, Holder::Refused(Reason::ServiceAccountUnmapped)),
        (
            json!({"deniedUsers": ["Alice"]}),
            json!({"preferred_username": "alice"}),
            Holder::Refused(Reason::UserDenied),
        ),
        (json!({"deniedUsers": ["admin"]}), json!({"preferred_username": "alice"}), user("alice")),
    ] {
        assert_eq!(Terms::of(&policy(spec.clone())).holder(&claims), holder, "{spec} {claims}");
    }
}
