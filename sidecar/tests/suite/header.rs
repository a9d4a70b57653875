//! Users named by a header that Confluence believes.

use serde_json::{Value, json};

use crate::{
    support::{CONSUMER, OWN_ADDRESS, World, eventually, exchange, request, wiki::BASIC_ALICE},
    verify::{everywhere, look, second_way},
};

const NAME: &str = "X-Wiki-User";
/// Spellings that one server or another takes for the header.
const SPELLINGS: [&str; 5] = ["X-Wiki-User", "x-wiki-user", "X_Wiki_User", "X.WIKI.USER", "x-wiki_user"];

/// A Confluence that believes the header, with nothing around it that leads past the sidecar.
async fn world(change: impl FnOnce(&mut Value)) -> World {
    let with_header = |config: &mut Value| {
        config["upstream"]["identity"] = json!({"header": {"name": NAME}});
        change(config);
    };
    let world = World::start(with_header, |_| {}, |_, wiki| wiki.behave(|it| it.believes = Some(NAME))).await;
    world.has_metric("restward_sidecar_keys_usable 1").await;
    reaches(&world, "Unproven").await;
    eventually("a look", || async { world.status().await["verification"]["reason"] == "Verified" }).await;
    world
}

/// Waits until the sidecar says this of Confluence; gives the sentence.
async fn reaches(world: &World, reason: &str) -> String {
    eventually(reason, || async { world.status().await["upstream"]["reason"] == reason }).await;
    world.status().await["upstream"]["message"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_token_is_its_user_by_the_one_header_and_by_nothing_else() {
    let world = world(|_| {}).await;
    let token = format!("Bearer {}", world.idp.token("alice"));
    let mut headers = vec![
        ("Authorization", token.as_str()),
        ("Cookie", "JSESSIONID=good"),
        ("X-Forwarded-User", "admin"),
        ("X-Forwarded-Proto", "https"),
        ("Connection", "close, X-Wiki-User, x-seen"),
        ("X-Seen", "1"),
    ];
    headers.extend(SPELLINGS.map(|name| (name, "bob")));
    let target =
        "/rest/api/content;jsessionid=1?os_username=bob&%6fs_password=x&xoauth_requestor_id=bob&cql=a";
    let reply = world.get(target, &headers).await;
    assert_eq!((reply.status, reply.text().as_str()), (200, r#"{"user":"alice"}"#));
    assert_eq!(reply.header("set-cookie"), None);
    let arrived = world.wiki.last();
    assert_eq!(arrived.target, "/rest/api/content?cql=a");
    assert_eq!(arrived.all(NAME), ["alice"]);
    let names: Vec<String> = arrived.headers.iter().map(|(name, _)| name.to_ascii_lowercase()).collect();
    for gone in ["authorization", "cookie", "x-forwarded-user", "x-forwarded-proto", "x-seen", "x_wiki_user"]
    {
        assert!(!names.contains(&gone.to_owned()), "{gone} in {names:?}");
    }
    let form = [("Authorization", token.as_str()), ("Content-Type", "application/x-www-form-urlencoded")];
    world.send("POST", "/rest/api/content", &form, "os_username=bob&t=1").await;
    assert_eq!(world.wiki.last().body, b"t=1");
    assert_eq!(
        world.get_as("/display/DS/Home", &world.idp.token("alice")).await.text(),
        r#"{"user":"alice"}"#
    );
    assert_eq!(world.wiki.arrived_as(NAME, "bob").len(), 0);
    assert!(!world.audit.text().contains("oauth"));
}

/// On every path, with whatever credential, in every mode, a client's own copy is nobody's.
#[tokio::test]
async fn a_clients_own_header_names_nobody_on_any_path_in_any_mode() {
    let mut world = world(|config| config["credentials"]["anonymous"] = json!("Allow")).await;
    for mode in ["Enforce", "Audit", "Off"] {
        world.reconfigure(|config| config["mode"] = json!(mode)).await;
        for target in [
            "/rest/api/content",
            "/display/DS/Home",
            "/status",
            "/s/h/_/download/batch/a/a.js",
            "/rpc/xmlrpc",
        ] {
            for (credential, user) in [
                (None, "anonymous"),
                (Some(("Authorization", BASIC_ALICE)), "alice"),
                (Some(("Cookie", "JSESSIONID=good")), "bob"),
            ] {
                for name in SPELLINGS {
                    let headers: Vec<_> =
                        [(name, "jürgen"), (name, "svc-reports")].into_iter().chain(credential).collect();
                    let shown = world.get(target, &headers).await.text();
                    assert!(!shown.contains("jürgen") && !shown.contains("svc-reports"), "{target}: {shown}");
                    // Elsewhere nobody needs a credential, and passwords go.
                    if target.starts_with("/r") || target.starts_with("/display") {
                        assert_eq!(shown, format!(r#"{{"user":"{user}"}}"#), "{mode} {target} {name}");
                    }
                }
            }
        }
        let preflight = [("Access-Control-Request-Method", "GET"), (NAME, "alice")];
        world.send("OPTIONS", "/rest/api/content", &preflight, "").await;
    }
    let chunked = format!(
        "POST /display/DS/Home HTTP/1.1\r\nHost: wiki\r\nConnection: close\r\nTrailer: {NAME}\r\n\
         Transfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n{NAME}: alice\r\n\r\n"
    );
    assert_eq!(exchange(world.running.data, chunked.as_bytes()).await.text(), r#"{"user":"anonymous"}"#);
    let upgrade = [("Connection", "Upgrade"), ("Upgrade", "websocket"), (NAME, "alice")];
    let handshake = request("GET", "/synchrony-proxy/v1", &upgrade, "");
    assert_eq!(exchange(world.running.data, &handshake).await.status, 101);
    for arrived in world.wiki.arrived() {
        for name in SPELLINGS {
            assert_eq!(arrived.header(name), None, "{} {}", arrived.method, arrived.target);
        }
        assert!(!String::from_utf8_lossy(&arrived.body).contains(NAME));
    }
}

#[tokio::test]
async fn users_whom_a_header_cannot_name_or_confluence_does_not_know_are_refused() {
    let world = world(|_| {}).await;
    for (user, reason) in [
        ("jürgen", "username_unusable"),
        ("李雷", "username_unusable"),
        ("a b", "username_unusable"),
        ("mallory", "user_unknown"),
    ] {
        let reply = world.get_as("/rest/api/content", &world.idp.token(user)).await;
        assert_eq!((reply.status, reply.reason().as_str()), (403, reason), "{user}");
        let is_told = reply.text().contains("visible ASCII characters");
        assert_eq!(is_told, reason == "username_unusable", "{}", reply.text());
    }
    assert!(world.wiki.arrived().is_empty());
}

#[tokio::test]
async fn that_the_header_is_believed_shows_with_the_first_known_user() {
    let world = world(|_| {}).await;
    assert!(reaches(&world, "Unproven").await.contains("shows with the first call by token"));
    world.has_metric("restward_sidecar_upstream_trusted 0").await;
    world.get_as("/rest/api/content", &world.idp.token("mallory")).await;
    let said = reaches(&world, "HeaderNotBelieved").await;
    assert!(said.contains("X-Wiki-User as anonymous") && !said.contains("mallory"), "{said}");
    assert_eq!(world.get_as("/rest/api/content", &world.idp.token("alice")).await.status, 200);
    reaches(&world, "Trusted").await;
    world.has_metric("restward_sidecar_upstream_trusted 1").await;
    world.get_as("/rest/api/content", &world.idp.token("alice")).await;
    // The check, the calibration's question to the witness, and two calls.
    eventually("the witness is asked", || async { world.wiki.arrived_as(NAME, "alice").len() >= 4 }).await;

    // The authenticator is taken away, as by an upgrade of Confluence: the next unknown user has the witness asked.
    world.wiki.behave(|wiki| wiki.believes = None);
    assert_eq!(world.get_as("/rest/api/content", &world.idp.token("bob")).await.reason(), "user_unknown");
    reaches(&world, "HeaderNotBelieved").await;
}

#[tokio::test]
async fn nobody_is_named_while_there_is_a_way_around() {
    let mut world = world(|_| {}).await;
    let token = world.idp.token("alice");
    assert_eq!(world.get_as("/rest/api/content", &token).await.status, 200);
    let way = second_way(OWN_ADDRESS).await;
    world.network.shows(&[everywhere(way.port())]);
    let way_around: [fn(&mut Value); 3] = [
        |config| config["onBypass"] = json!("Report"),
        |config| config["onBypass"] = json!("Block"),
        |config| config["mode"] = json!("Audit"),
    ];
    for change in way_around {
        look(&mut world, change, "BypassDetected").await;
        let before = world.wiki.arrived().len();
        let reply = world.get_as("/rest/api/content", &token).await;
        assert_eq!((reply.status, reply.reason().as_str()), (503, "enforcement_unverified"));
        assert!(reply.header("retry-after").is_some());
        assert_eq!(world.get_as("/display/DS/Home", &token).await.reason(), "enforcement_unverified");
        assert_eq!(world.wiki.arrived().len(), before, "nothing is forwarded");
        let explained = exchange(world.running.admin, &request("POST", "/explain", &[], &token)).await.json();
        assert_eq!(explained["accepted"], json!(false), "{explained}");
        let steps = explained["steps"].to_string();
        assert!(
            steps.contains(r#""check":"enforcement","message":"#) && steps.contains("enforcement_unverified"),
            "{steps}"
        );
        // Who is named by Confluence's own login is served.
        let session = world.get("/rest/api/content", &[("Cookie", "JSESSIONID=good")]).await;
        assert_eq!(session.text(), r#"{"user":"bob"}"#);
    }
    world.network.hide();
    look(&mut world, |config| config["mode"] = json!("Enforce"), "BypassDetected").await;
    assert_eq!(world.get_as("/rest/api/content", &token).await.status, 503, "what was found stays");
    world.network.shows_again();
    look(&mut world, |_| {}, "Verified").await;
    assert_eq!(world.get_as("/rest/api/content", &token).await.status, 200);
    world.network.hide();
    look(&mut world, |_| {}, "Unverifiable").await;
    assert_eq!(world.get_as("/rest/api/content", &token).await.reason(), "enforcement_unverified");
}

/// Without an application link there is no key of one that would have to be reserved, and explanations speak of none.
#[tokio::test]
async fn nothing_of_an_application_link_is_left() {
    let world = world(|_| {}).await;
    let token = world.idp.token("alice");
    let explained = exchange(world.running.admin, &request("POST", "/explain", &[], &token)).await.json();
    assert_eq!(explained["accepted"], json!(true), "{explained}");
    let checks: Vec<&str> =
        explained["steps"].as_array().unwrap().iter().map(|step| step["check"].as_str().unwrap()).collect();
    assert!(checks.ends_with(&["enforcement", "header", "confluence"]), "{checks:?}");
    let partner = format!("OAuth oauth_consumer_key=\"{CONSUMER}\"");
    let reply = world.get("/rest/api/content", &[("Authorization", &partner)]).await;
    assert_eq!(reply.reason(), "oauth1_incomplete", "a partner's like any other");
    for arrived in world.wiki.all_arrived() {
        assert_eq!(arrived.header("authorization"), None);
        assert!(!arrived.target.contains("xoauth_requestor_id"), "{}", arrived.target);
    }
}
