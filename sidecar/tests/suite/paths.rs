//! However a path is spelled, a call of the API needs a credential.

use crate::support::World;

#[tokio::test]
async fn no_spelling_of_a_protected_path_passes_without_a_credential() {
    let world = World::new().await;
    for target in [
        "/rest/api/content",
        "/rest",
        "/rest/",
        "//rest/api",
        "/rest//api",
        "/./rest/api",
        "/x/../rest/api",
        "/rest;x=y/api",
        "/rest/api;jsessionid=1",
        "/%72est/api",
        "/r%65st/api",
        "/rest%3bx/api",
        "/s/h/_/rest/api",
        "/s/a/b/_/rest/api",
        "/s/a/_/s/b/_/rest/api",
        "/s/h/_/%72est/api",
        "/s/h/_/%2572est/api",
        "/s/h/_/;x/rest/api",
        "/s/h/_/x%252f..%252frest/api",
        "/s/h/_/x/%252e%252e/rest/api",
        "/s/h/_/rest%3fx",
        "/s/../a/_/rest/api",
        "/status/../rest/api",
        "/status;/../rest/api",
        "/login.action/../rest/api",
        "/rest/api/x.action",
        "/rest/api?x=/status",
        "/rest/api/status",
        "/rest/tsv/1.0/authenticate/../../../api",
    ] {
        let reply = world.get(target, &[]).await;
        assert!(matches!(reply.status, 400 | 401), "{target}: {}", reply.status);
    }
    for target in [
        "/rest%2fapi",
        "/%2e%2e/rest/api",
        "/x/%2e%2e/rest/api",
        "/x/..;/rest/api",
        "/..;/rest",
        "/../rest/api",
        "/rest\\api",
        "/rest%5capi",
        "/rest%00",
        "/rest/%zz",
        "/a%0d%0ab",
        "http://wiki.example.com/rest/api",
        "*",
    ] {
        let reply = world.get(target, &[]).await;
        assert_eq!((reply.status, reply.reason().as_str()), (400, "ambiguous_target"), "{target}");
    }
    assert!(world.wiki.arrived().is_empty(), "{:?}", world.wiki.arrived());
}

#[tokio::test]
async fn nothing_but_the_request_line_names_the_path() {
    let world = World::new().await;
    for name in
        ["X-Original-URL", "X-Rewrite-URL", "X-Forwarded-Uri", "X-Forwarded-Prefix", "X-HTTP-Method-Override"]
    {
        assert_eq!(world.get("/rest/api/content", &[(name, "/status")]).await.status, 401, "{name}");
    }
}

#[tokio::test]
async fn the_context_path_is_part_of_it() {
    let world = World::start(|_| {}, |pod| pod.context_path = "/confluence".into(), |_, _| {}).await;
    for target in [
        "/confluence/rest/api/content",
        "/rest/api/content",
        "//confluence/rest/api",
        "/confluence/s/h/_/rest/api",
    ] {
        assert_eq!(world.get(target, &[]).await.status, 401, "{target}");
    }
    assert_eq!(world.get("/confluence/display/DS/Home", &[]).await.status, 200);
}

#[tokio::test]
async fn pages_files_and_login_pass_as_they_are() {
    let world = World::new().await;
    for target in [
        "/",
        "/display/DS/Caf%C3%A9+A",
        "/status",
        "/login.action?os_destination=%2Findex.action",
        "/s/h/_/download/batch/a/a.js",
        "/x/AbC",
        "/pages/viewpage.action?pageId=1",
    ] {
        assert_eq!(world.get(target, &[]).await.status, 200, "{target}");
    }
    assert!(world.wiki.arrived().iter().any(|arrived| arrived.target == "/display/DS/Caf%C3%A9+A"));
}
