use http::Uri;
use restward_crds::sidecar::terms::{PathMatch, PathMatchType};

use super::*;

fn route(method: &str, target: &str, context_path: &str) -> Route {
    let method = Method::from_bytes(method.as_bytes()).unwrap();
    let target = Target::parse(&method, &target.parse::<Uri>().unwrap()).unwrap();
    Route::of(&method, &target, context_path, &AnonymousPaths::default())
}

#[test]
fn classes() {
    use PathClass::{Content, Open, Protected};
    for (target, want) in [
        ("/rest/api/content", Protected),
        ("/rest", Protected),
        ("/rest;x/api", Protected),
        ("//rest/api", Protected),
        ("/%72est/api", Protected),
        ("/rest%3Bx/api", Protected),
        ("/status/../rest/api", Protected),
        ("/s/h/_/rest/api", Protected),
        ("/s/a/_/s/b/_/rpc/xmlrpc", Protected),
        ("/rpc/xmlrpc", Protected),
        ("/plugins/servlet/soap-axis1", Protected),
        ("/plugins/servlet/soap-axis1/x?wsdl", Protected),
        ("/Rest/api", Content),
        ("/restless", Content),
        ("/display/DS/Home", Content),
        ("/plugins/servlet/oauth/authorize", Content),
        ("/s/h/_/download/attachments/1/a.pdf", Content),
        ("/s/h/_/download/batch/x/x.js", Open),
        ("/status", Open),
        ("/status?rest", Open),
        ("/status;x", Content),
        ("/%73tatus", Content),
        ("/x/../status", Content),
        ("/statusx", Content),
        ("/login.action", Open),
        ("/synchrony-proxy/v1/bayeux-sync1", Open),
    ] {
        assert_eq!(route("GET", target, "").class, want, "{target}");
    }
}

#[test]
fn the_context_path_is_cut_and_a_wrong_one_opens_nothing() {
    use PathClass::{Content, Open, Protected};
    for (target, want) in [
        ("/confluence/rest/api", Protected),
        ("/confluence/s/h/_/rest/api", Protected),
        ("/confluence//rest/api", Protected),
        ("/rest/api", Protected),
        ("/confluence/status", Open),
        ("/confluencex/rest", Content),
        ("/confluence", Content),
    ] {
        assert_eq!(route("GET", target, "/confluence").class, want, "{target}");
    }
}

#[test]
fn exemptions_hold_for_the_plain_path_and_the_method_only() {
    let login = "/rest/tsv/1.0/authenticate";
    assert!(route("POST", &format!("{login}?os_authType=none"), "").is_anonymous);
    assert!(route("POST", &format!("/wiki{login}"), "/wiki").is_anonymous);
    for (method, target) in [
        ("GET", login.to_owned()),
        ("POST", format!("{login}/")),
        ("POST", format!("{login};x")),
        ("POST", format!("/{login}")),
        ("POST", format!("/s/h/_{login}")),
        ("POST", "/rest/tsv/1.0/%61uthenticate".to_owned()),
        ("POST", "/rest/api/content".to_owned()),
        ("POST", format!("/rest/api{login}")),
    ] {
        assert!(!route(method, &target, "").is_anonymous, "{method} {target}");
    }
}

#[test]
fn configured_paths_and_missing_presets() {
    let anonymous = AnonymousPaths {
        presets: Vec::new(),
        paths: vec![PathMatch { kind: PathMatchType::PathPrefix, value: "/rest/mine".into() }],
    };
    let is_anonymous = |target: &'static str| {
        let target = Target::parse(&Method::GET, &Uri::from_static(target)).unwrap();
        Route::of(&Method::GET, &target, "", &anonymous).is_anonymous
    };
    assert!(is_anonymous("/rest/mine/x"));
    assert!(!is_anonymous("/rest/mine/../other"));
    assert!(!is_anonymous("/rest/capabilities"));
}

#[test]
fn a_jwt_is_a_credential_for_the_companion_app_only() {
    assert!(route("GET", "/rest/token-auth/api/x", "").takes_jwt);
    assert!(!route("GET", "/rest/token-auth/api/x", "").is_anonymous);
    assert!(!route("GET", "/rest/api/content", "").takes_jwt);
}
