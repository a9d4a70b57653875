use proptest::prelude::*;

use super::*;

fn parse(target: &str) -> Result<Target, Reason> {
    Target::parse(&Method::GET, &target.parse::<Uri>().map_err(|_| Reason::AmbiguousTarget)?)
}

#[test]
fn reads_paths_as_tomcat_does() {
    for (raw, want) in [
        ("/rest/api", "/rest/api"),
        ("/rest;x=y/api;v=1", "/rest/api"),
        ("/%72est/api", "/rest/api"),
        ("//rest///api", "/rest/api"),
        ("/./rest/./api/.", "/rest/api/"),
        ("/x/../rest/api", "/rest/api"),
        ("/x/y/../../rest/", "/rest/"),
        ("/rest/api/..", "/rest/"),
        ("/display/DS/A+B", "/display/DS/A+B"),
        ("/display/DS/J%C3%BCrgen", "/display/DS/Jürgen"),
        ("/a%252e", "/a%2e"),
        ("/", "/"),
    ] {
        assert_eq!(parse(raw).unwrap().path(), want, "{raw}");
    }
}

#[test]
fn refuses_what_tomcat_refuses_or_others_read_differently() {
    for raw in [
        "/rest%2fapi",
        "/rest%2Fapi",
        "/rest%5capi",
        "/rest\\api",
        "/a%00b",
        "/a%0d%0ab",
        "/a%7f",
        "/a%",
        "/a%2",
        "/a%zz",
        "/..",
        "/../rest",
        "/a/../../rest",
        "/a/%2e%2e/rest",
        "/a/.%2e/rest",
        "/a/..;/rest",
        "/a/..;x=y/rest",
        "/%2e/rest",
        "/a/%FF",
        "/a/%C0%AF",
        "/a;%2",
        "/j\u{fc}rgen",
    ] {
        assert_eq!(parse(raw).err(), Some(Reason::AmbiguousTarget), "{raw}");
    }
}

#[test]
fn only_origin_form_is_served() {
    for raw in ["http://other/rest/api", "*", "host:80"] {
        assert_eq!(parse(raw).err(), Some(Reason::AmbiguousTarget), "{raw}");
    }
    for method in ["CONNECT", "TRACE", "TRACK"] {
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        assert_eq!(Target::parse(&method, &Uri::from_static("/")).err(), Some(Reason::MethodNotAllowed));
    }
}

#[test]
fn the_static_rewrite_counts_as_what_it_leads_to() {
    for raw in [
        "/s/abc/_/rest/api",
        "/s/a/b/c/_/rest/api",
        "/s/a/_/s/b/_/rest/api",
        "/s/a/_/%2572est/api",
        "/s/a/_/;x=y/rest/api",
        "/s/a/_//rest/api",
        "/s/a/_/x/../rest/api",
        "/s/../a/_/rest/api",
        "/s/a/_/_/rest/api/../../_/rest/api",
        "/confluence/s/a/_/rest/api",
        "/s/a/_/rest%253bx/api",
        "/s/a/_/x%252f..%252frest/api",
        "/s/a/_/x/%252e%252e/rest/api",
        "/s/a/_/x/.%252E/rest/api",
        "/s/a/_/x%255c..%255crest/api",
        "/s/a/_/_/rest/api",
        "/s/a//_/_/_/rest/api",
        "/s/a/_/rest/api%3fx",
        "/s/a/_/rest/api%23x",
        "/s/a/_/;%2frest/api",
        "/s/a/_/;x=%2frest%2fapi",
        "/s/a/_/;x%2f_%2frest/api",
        "/s/a;%2f_%2frest/api",
        "/;%2f../s/a/_/;%2frest/api",
    ] {
        assert!(
            parse(raw).unwrap().readings().iter().any(|path| path == "/rest/api"),
            "{raw}: {:?}",
            parse(raw)
        );
    }
    assert_eq!(parse("/display/DS/_/rest").unwrap().readings(), ["/display/DS/_/rest"]);
}

#[test]
fn a_decoded_semicolon_may_be_read_as_a_parameter() {
    let target = parse("/rest%3Bx/api").unwrap();
    assert_eq!(target.path(), "/rest;x/api");
    assert!(target.readings().contains(&"/rest/api".to_owned()));
}

#[test]
fn nesting_without_end_is_refused() {
    let raw = format!("/s{}", "/x/_/s".repeat(40));
    assert_eq!(parse(&raw).err(), Some(Reason::AmbiguousTarget));
}

#[test]
fn only_canonical_targets_are_plain() {
    for (raw, plain) in [
        ("/status", true),
        ("/status?x", true),
        ("/status;x", false),
        ("//status", false),
        ("/%73tatus", false),
        ("/x/../status", false),
    ] {
        assert_eq!(parse(raw).unwrap().is_plain(), plain, "{raw}");
    }
}

proptest! {
    /// Spellings that Tomcat maps to one path are one path here, or refused.
    #[test]
    fn spellings_of_one_path_agree(
        segments in prop::collection::vec("[a-z]{1,6}", 1..5),
        spelling in prop::collection::vec(0_u8..6, 5),
    ) {
        let plain = format!("/{}", segments.join("/"));
        let mut odd = String::new();
        for (segment, how) in segments.iter().zip(&spelling) {
            let first = segment.as_bytes()[0];
            match how {
                0 => odd.push_str(&format!("/{segment}")),
                1 => odd.push_str(&format!("/{segment};a=b")),
                2 => odd.push_str(&format!("//{segment}")),
                3 => odd.push_str(&format!("/./{segment}")),
                4 => odd.push_str(&format!("/zz/../{segment}")),
                _ => odd.push_str(&format!("/%{first:02x}{}", &segment[1..])),
            }
        }
        let parsed = parse(&odd).unwrap();
        prop_assert_eq!(parsed.path(), plain);
    }

    #[test]
    fn never_panics(raw in "/[ -~]{0,60}") {
        let _ = parse(&raw);
    }
}
