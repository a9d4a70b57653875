//! Who is answered what.

use std::{
    io::Write,
    sync::{Arc, Mutex},
};

use axum::http::{Method, StatusCode};
use tracing::level_filters::LevelFilter;

use super::world::{ENDED, GUEST, NOBODY, PASTED, PREVIOUS_STATUS_KEY, VIEWER, World};

const WIKI: &str = "/policies/atlassian/wiki";

#[tokio::test]
async fn without_a_session_there_is_the_form_to_log_in_and_nothing_else() {
    let world = World::new().await;
    for path in ["/", WIKI, "/policies/no/where"] {
        for cookie in ["", "restward_page=made-up"] {
            let reply = world.get(path, cookie).await;
            assert_eq!((reply.status, reply.header("location")), (StatusCode::SEE_OTHER, "/login"), "{path}");
        }
        let tried = world.post(WIKI, "", &[("token", PASTED)]).await;
        assert_eq!((tried.status, tried.header("location")), (StatusCode::SEE_OTHER, "/login"));
    }
    let form = world.get("/login", "").await;
    assert_eq!(form.status, StatusCode::OK);
    assert!(
        form.text.contains("kubectl create token NAME -n NAMESPACE --audience restward"),
        "{}",
        form.text
    );
    assert!(world.sent.lock().unwrap().is_empty(), "the API server was asked for a stranger");
}

#[tokio::test]
async fn a_wrong_token_is_401_with_a_sentence_and_no_session() {
    let world = World::new().await;
    for token in ["wrong.token.here", "", "a b", &"a".repeat(3000)] {
        let reply = world.login(token).await;
        assert_eq!(reply.status, StatusCode::UNAUTHORIZED, "{token}");
        assert!(reply.text.contains("This is no valid token for this page"), "{}", reply.text);
        assert!(reply.header("set-cookie").contains("Max-Age=0") && !reply.text.contains("wrong.token"));
    }
    let unasked = world.login("break.the.server").await;
    assert_eq!(unasked.status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(unasked.header("set-cookie").is_empty());
}

#[tokio::test]
async fn a_visitor_sees_the_policies_that_they_may_get_and_no_other() {
    let world = World::new().await;
    let set = world.login(VIEWER).await;
    let attributes = set.header("set-cookie");
    assert!(attributes.contains("; HttpOnly") && attributes.contains("; SameSite=Strict"), "{attributes}");
    let viewer = set.cookie();
    let list = world.get("/", &viewer).await;
    assert!(list.text.contains("atlassian/wiki") && !list.text.contains("other/one"), "{}", list.text);
    let page = world.get(WIKI, &viewer).await;
    assert_eq!(page.status, StatusCode::OK);
    for text in [
        "1 of 2 pods runs what an earlier policy injected",
        "run the command of the message when Confluence may restart",
        "wiki-confluence",
        "token_expired",
        "fetched 25 min ago by <bdi>wiki-confluence-0</bdi>",
        "kubectl rollout restart",
        "has counted since it started, 2026-06-06T06:09:10Z",
    ] {
        assert!(page.text.contains(text), "{text} is not in {}", page.text);
    }

    let guest = world.session(GUEST).await;
    let list = world.get("/", &guest).await;
    assert!(list.text.contains("other/one") && !list.text.contains("atlassian/wiki"), "{}", list.text);
    let one = world.get("/policies/other/one", &guest).await;
    assert!(one.status == StatusCode::OK && one.text.contains("No sidecar says what it refused"), "{one:?}");
    let tried = world.post("/policies/other/one", &guest, &[("token", PASTED)]).await;
    assert!(tried.text.contains("No sidecar runs that could be asked"), "{}", tried.text);
}

#[tokio::test]
async fn who_may_not_is_403_with_a_sentence_whether_there_is_such_a_policy_or_not() {
    let world = World::new().await;
    let nobody = world.session(NOBODY).await;
    let list = world.get("/", &nobody).await;
    assert_eq!(list.status, StatusCode::FORBIDDEN);
    assert!(
        list.text.contains("any policy") && list.text.contains("kubectl create rolebinding"),
        "{}",
        list.text
    );
    let pages = [world.get(WIKI, &nobody).await, world.get("/policies/atlassian/no-such", &nobody).await];
    let [there, not_there] = pages.map(|page| (page.status, page.text.replace("no-such", "wiki")));
    assert_eq!(there, not_there);
    assert_eq!(there.0, StatusCode::FORBIDDEN);
    assert_eq!(world.post(WIKI, &nobody, &[("token", PASTED)]).await.status, StatusCode::FORBIDDEN);
    assert!(world.asked.lock().unwrap().is_empty(), "a sidecar was asked");
    let viewer = world.session(VIEWER).await;
    assert_eq!(world.get("/policies/atlassian/no-such", &viewer).await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn names_cannot_lead_elsewhere_at_the_api_server() {
    let world = World::new().await;
    let viewer = world.session(VIEWER).await;
    let before = world.sent.lock().unwrap().len();
    for path in [
        "/policies/atlassian/..%2F..%2Fsecrets%2Frestward-keys",
        "/policies/atlassian%2Fsecrets/x",
        "/policies/atlassian/wiki%3Fx=1",
        "/policies/atlassian/%2e%2e%2fx",
        "/policies/atlassian/Wiki",
        "/policies/atlassian/-",
    ] {
        assert_eq!(world.get(path, &viewer).await.status, StatusCode::NOT_FOUND, "{path}");
    }
    let sent = world.sent.lock().unwrap();
    assert!(sent[before..].iter().all(|(line, _)| line.ends_with("/tokenreviews?")), "{:?}", &sent[before..]);
}

#[tokio::test]
async fn a_token_is_tried_by_a_sidecar_and_its_checks_are_shown() {
    let world = World::new().await;
    let viewer = world.session(VIEWER).await;
    let good = world.post(WIKI, &viewer, &[("token", &format!(" {PASTED}\r\n"))]).await;
    assert_eq!(good.status, StatusCode::OK);
    assert!(good.text.contains("A call with it is forwarded") && good.text.contains("<bdi>alice</bdi>"));
    assert!(good.text.contains("<title>Forwarded: atlassian/wiki"), "{}", good.text);
    let ended = world.post(WIKI, &viewer, &[("token", ENDED)]).await;
    assert!(ended.text.contains("A call with it is not forwarded"), "{}", ended.text);
    assert!(ended.text.contains("token_expired") && ended.text.contains("status 401"));
    let call = [
        ("token", PASTED),
        ("method", "PUT"),
        ("path", "/confluence/rest/api/content/1"),
        ("address", "192.0.2.1"),
    ];
    let write = world.post(WIKI, &viewer, &call).await;
    assert!(write.text.contains("read_only") && write.text.contains("PUT /confluence/rest/api/content/1"));
}

#[tokio::test]
async fn a_sidecar_of_another_policy_is_not_believed() {
    let world = World::with(&"77".repeat(32)).await;
    let viewer = world.session(VIEWER).await;
    let tried = world.post(WIKI, &viewer, &[("token", PASTED)]).await;
    assert!(
        tried.text.contains("no sidecar of this policy") && !tried.text.contains("alice"),
        "{}",
        tried.text
    );
}

/// While the status key is being replaced, until the kubelet has brought it.
#[tokio::test]
async fn a_sidecar_that_has_the_key_from_before_is_asked_all_the_same() {
    let world = World::with(PREVIOUS_STATUS_KEY).await;
    let viewer = world.session(VIEWER).await;
    let tried = world.post(WIKI, &viewer, &[("token", PASTED)]).await;
    assert!(tried.text.contains("alice"), "{}", tried.text);
    let shown = world.get(WIKI, &viewer).await;
    assert!(shown.text.contains("token_expired"), "{}", shown.text);
    assert!(!shown.text.contains("no sidecar of this policy"), "{}", shown.text);
}

#[tokio::test]
async fn nothing_is_sent_by_pages_of_others_or_under_a_name_of_theirs() {
    let world = World::new().await;
    let viewer = world.session(VIEWER).await;
    let own = format!("http://{}", world.address);
    let form = || format!("token={PASTED}");
    let from = |lines: Vec<(&'static str, String)>, method: Method, path: &'static str| {
        let (world, viewer) = (&world, viewer.clone());
        async move {
            let lines: Vec<(&str, &str)> =
                lines.iter().map(|(name, value)| (*name, value.as_str())).collect();
            let lines = [&[("cookie", viewer.as_str())], lines.as_slice()].concat();
            world.send(method, path, &lines, form()).await.status
        }
    };
    let post = Method::POST;
    for path in [WIKI, "/login", "/logout"] {
        for origin in ["http://localhost:3000", "null", "https://evil.example"] {
            assert_eq!(
                from(vec![("origin", origin.into())], post.clone(), path).await,
                StatusCode::FORBIDDEN
            );
        }
        assert_eq!(from(vec![], post.clone(), path).await, StatusCode::FORBIDDEN, "{path}");
        let rebound = vec![("host", "evil.example".into()), ("origin", "http://evil.example".into())];
        assert_eq!(from(rebound.clone(), post.clone(), path).await, StatusCode::MISDIRECTED_REQUEST);
        assert_eq!(from(rebound, Method::GET, path).await, StatusCode::MISDIRECTED_REQUEST);
    }
    for (method, path) in
        [(Method::PUT, WIKI), (Method::DELETE, "/"), (Method::POST, "/"), (Method::PATCH, "/login")]
    {
        assert_eq!(from(vec![("origin", own.clone())], method, path).await, StatusCode::METHOD_NOT_ALLOWED);
    }
    assert_eq!(from(vec![], Method::GET, "/logout").await, StatusCode::METHOD_NOT_ALLOWED);
    assert!(world.asked.lock().unwrap().is_empty(), "a sidecar was asked");
    let reply = world.send(Method::POST, "/login", &[("origin", &own)], "a".repeat(65 * 1024)).await;
    assert_eq!(reply.status, StatusCode::PAYLOAD_TOO_LARGE);
}

#[tokio::test]
async fn every_answer_keeps_browsers_from_doing_more_with_it() {
    let world = World::new().await;
    let viewer = world.session(VIEWER).await;
    for path in ["/", WIKI, "/login", "/style.css", "/no/such/page"] {
        let reply = world.get(path, &viewer).await;
        assert_eq!(reply.header("cache-control"), "no-store", "{path}");
        let policy = reply.header("content-security-policy");
        assert!(
            policy.starts_with("default-src 'none';") && policy.contains("frame-ancestors 'none'"),
            "{policy}"
        );
        assert!(!policy.contains("script") && !policy.contains("unsafe"), "{policy}");
        assert_eq!(reply.header("x-content-type-options"), "nosniff");
        assert!(!reply.text.contains("<script") && !reply.text.contains("style="), "{path}");
        assert!(!reply.text.contains("http://") && !reply.text.contains("src="), "{path}: {}", reply.text);
    }
}

#[tokio::test]
async fn a_session_ends_with_its_token_and_by_logging_out() {
    let world = World::new().await;
    let viewer = world.session(VIEWER).await;
    let out = world.post("/logout", &viewer, &[]).await;
    assert_eq!((out.status, out.header("location")), (StatusCode::SEE_OTHER, "/login"));
    assert!(
        out.header("set-cookie").starts_with("restward_page=; ")
            && out.header("set-cookie").contains("Max-Age=0")
    );
}

/// What is logged in this thread, at every level.
#[derive(Clone, Default)]
struct Captured(Arc<Mutex<Vec<u8>>>);

impl Write for Captured {
    fn write(&mut self, data: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(data)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn tokens_are_in_no_answer_no_log_and_go_to_the_sidecar_sealed() {
    let logs = Captured::default();
    let writer = logs.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(LevelFilter::TRACE)
        .with_writer(move || writer.clone())
        .finish();
    let _guard = tracing::subscriber::set_default(subscriber);
    let world = World::new().await;
    let login = world.login(VIEWER).await;
    let viewer = login.cookie();
    let form = [("token", PASTED), ("path", "/x"), ("method", "GET")];
    let replies = [
        login,
        world.get("/", &viewer).await,
        world.post(WIKI, &viewer, &form).await,
        world.post(WIKI, &viewer, &[("token", ENDED)]).await,
        world.post("/login", &viewer, &[("token", PASTED)]).await,
    ];
    tracing::info!("the end of the log");
    let logged = String::from_utf8_lossy(&logs.0.lock().unwrap()).into_owned();
    assert!(logged.contains("the end of the log"), "nothing was captured");
    let (asked, sent) = (world.asked.lock().unwrap(), world.sent.lock().unwrap());
    assert!(!asked.is_empty());
    // Parts of the tokens, too.
    for secret in ["cGFzdGVkLXNlY3JldA", "ZW5kZWQtc2VjcmV0", "viewers.token"] {
        for reply in &replies {
            assert!(!format!("{reply:?}").contains(secret), "{secret} is in {reply:?}");
        }
        assert!(!logged.contains(secret), "{secret} is logged");
        assert!(!asked.iter().any(|body| body.windows(secret.len()).any(|part| part == secret.as_bytes())));
        let reviews = sent.iter().filter(|(line, _)| line.contains("/tokenreviews"));
        assert_eq!(reviews.filter(|(_, body)| body.contains("ZW5kZWQtc2VjcmV0")).count(), 0);
        assert!(!sent.iter().any(|(line, body)| !line.contains("/tokenreviews") && body.contains(secret)));
    }
}
