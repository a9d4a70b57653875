//! Password logins in the bodies of XML-RPC, JSON-RPC and SOAP, beside a credential that is good by itself.

use std::time::Duration;

use restward_sidecar::server::Bounds;
use serde_json::{Value, json};
use tokio::{io::AsyncWriteExt as _, net::TcpStream};

use crate::support::{
    Reply, World,
    http::{parse, raw},
    wiki::{BASIC_ALICE, PAT},
};

const XML: (&str, &str) = ("Content-Type", "text/xml");
const JSON: (&str, &str) = ("Content-Type", "application/json");
const XML_RPC: &str = "/rpc/xmlrpc";
const JSON_RPC: &str = "/rpc/json-rpc/confluenceservice-v2";
const SOAP: &str = "/plugins/servlet/soap-axis1/confluenceservice-v2";
const LOGIN: &str = "<methodCall><methodName>confluence2.login</methodName><params><param><value>bob</value></param>\
    <param><value>secret-of-bob</value></param></params></methodCall>";
const SOAP_LOGIN: &str = "<e:Envelope xmlns:e=\"http://schemas.xmlsoap.org/soap/envelope/\"><e:Body><login><in0>bob</in0>\
    <in1>secret-of-bob</in1></login></e:Body></e:Envelope>";
const JSON_LOGIN: &str =
    r#"[{"method":"getSpaces","id":1},{"method":"l\u006fgin","params":["bob","secret-of-bob"],"id":2}]"#;
const PAGE: &str = "<methodCall><methodName>confluence2.getPage</methodName></methodCall>";
const LINK: &str = "OAuth oauth_consumer_key=\"jira\", oauth_token=\"\", oauth_signature_method=\"RSA-SHA1\", \
                    oauth_signature=\"x%3D\", oauth_timestamp=\"1\", oauth_nonce=\"n\"";

async fn world(basic: &str) -> World {
    World::with(|config| config["basicAuth"] = json!(basic)).await
}

fn bearer(world: &World) -> String {
    format!("Bearer {}", world.idp.token("alice"))
}

/// A POST with this Authorization.
async fn call(world: &World, authorization: &str, target: &str, label: (&str, &str), body: &str) -> Reply {
    world.send("POST", target, &[("Authorization", authorization), label], body).await
}

async fn reported(world: &World) -> Vec<Value> {
    world.admin("/basic-report").await.json()["entries"].as_array().unwrap().clone()
}

#[tokio::test]
async fn no_good_credential_carries_a_login_through() {
    let world = world("Deny").await;
    let (token, pat) = (bearer(&world), format!("Bearer {PAT}"));
    for authorization in [token.as_str(), &pat, LINK] {
        for (target, label, body) in [
            (XML_RPC, XML, LOGIN),
            ("//rpc/xmlrpc;x=y", XML, LOGIN),
            ("/s/h/_/rpc/xmlrpc", XML, LOGIN),
            (SOAP, XML, SOAP_LOGIN),
            ("/rpc/soap-axis/confluenceservice-v2", XML, SOAP_LOGIN),
            (JSON_RPC, JSON, JSON_LOGIN),
            ("/rpc/json-rpc/confluenceservice-v2/login", JSON, r#"["bob","secret-of-bob"]"#),
            ("/rpc/json-rpc/confluenceservice-v2/%6cogin", JSON, r#"["bob","secret-of-bob"]"#),
            ("/rpc/soap-axis/confluenceservice-v2?method=login&in0=bob&in1=secret-of-bob", XML, ""),
        ] {
            let reply = call(&world, authorization, target, label, body).await;
            assert_eq!(
                (reply.status, reply.reason().as_str()),
                (401, "basic_denied"),
                "{target} {authorization:.12}"
            );
        }
    }
    assert!(world.wiki.arrived().is_empty(), "{:?}", world.wiki.arrived());
    let line = world.last_audit();
    assert_eq!((&line["decision"], &line["reason"]), (&json!("refused"), &json!("basic_denied")));
    let entries = reported(&world).await;
    assert_eq!((&entries[0]["user"], &entries[0]["outcome"]), (&Value::Null, &json!("refused")));
    let said = format!("{}{entries:?}", world.audit.text());
    assert!(!said.contains("bob"), "{said}");

    // What is no login goes on as it came.
    for (authorization, user) in [(token.as_str(), "alice"), (&pat, "bob")] {
        for (target, label, body) in [
            (XML_RPC, XML, PAGE),
            (JSON_RPC, JSON, r#"{"method":"getPage","params":["login"]}"#),
            (SOAP, XML, "<e:Envelope xmlns:e='x'><e:Body><getPage/></e:Body></e:Envelope>"),
            ("/rest/api/content", XML, LOGIN),
        ] {
            let reply = call(&world, authorization, target, label, body).await;
            assert_eq!((reply.status, reply.text()), (200, json!({"user": user}).to_string()), "{target}");
            assert_eq!(world.wiki.last().body, body.as_bytes());
        }
        let wsdl = format!("{SOAP}?wsdl");
        assert_eq!(world.get(&wsdl, &[("Authorization", authorization)]).await.status, 200);
    }
}

#[tokio::test]
async fn what_may_hide_a_login_is_refused() {
    let world = world("Deny").await;
    let token = bearer(&world);
    let form = ("Content-Type", "application/x-www-form-urlencoded");
    let multipart = ("Content-Type", "multipart/related; boundary=b");
    let large =
        PAGE.replace("</methodCall>", &format!("<a>{}</a></methodCall>", "x".repeat(2 * 1024 * 1024)));
    for (target, label, body, status, reason) in [
        (XML_RPC, XML, "<!DOCTYPE x><methodCall/>", 400, "rpc_unreadable"),
        (XML_RPC, XML, "<methodCall>", 400, "rpc_unreadable"),
        (XML_RPC, XML, r#"{"method":"getPage"}"#, 400, "rpc_unreadable"),
        (XML_RPC, form, LOGIN, 400, "rpc_unreadable"),
        (SOAP, multipart, "<a/>", 400, "rpc_unreadable"),
        ("/rpc/soap-axis/x?method=getPage", XML, PAGE, 400, "rpc_unreadable"),
        (JSON_RPC, JSON, r#"{"method":"a","method":"b"}"#, 400, "rpc_unreadable"),
        (XML_RPC, ("Content-Type", "text/xml; charset=utf-16"), PAGE, 415, "form_charset"),
        (XML_RPC, ("Content-Encoding", "gzip"), PAGE, 415, "form_charset"),
        (XML_RPC, XML, &large, 413, "form_too_large"),
    ] {
        let reply = call(&world, &token, target, label, body).await;
        assert_eq!(
            (reply.status, reply.reason().as_str()),
            (status, reason),
            "{target} {label:?} {body:.80}"
        );
    }
    // A PUT or GET has a body as well.
    for method in ["PUT", "GET", "DELETE"] {
        let reply = world.send(method, XML_RPC, &[("Authorization", &token), XML], LOGIN).await;
        assert_eq!(reply.reason(), "basic_denied", "{method}");
    }
    // A bad token is nobody's whose body is read.
    assert_eq!(call(&world, "Bearer a.b.c", XML_RPC, XML, LOGIN).await.reason(), "token_malformed");
    assert!(world.wiki.arrived().is_empty(), "{:?}", world.wiki.arrived());
}

#[tokio::test]
async fn exceptions_are_about_the_path_and_not_about_somebody_elses_header() {
    let world = World::with(|config| {
        config["basicAuth"] = json!("Deny");
        config["basicAuthExceptions"] =
            json!([{"users": ["alice"]}, {"paths": [{"type": "Exact", "value": JSON_RPC}]}]);
        config["anonymousPaths"] = json!({"paths": [{"type": "PathPrefix", "value": "/rpc/xmlrpc/open"}]});
    })
    .await;
    let token = bearer(&world);
    assert_eq!(call(&world, &token, JSON_RPC, JSON, JSON_LOGIN).await.status, 200);
    assert_eq!(world.wiki.last().body, JSON_LOGIN.as_bytes());
    assert_eq!(call(&world, BASIC_ALICE, XML_RPC, XML, PAGE).await.text(), r#"{"user":"alice"}"#);
    let open = "/rpc/xmlrpc/open";
    assert_eq!(world.send("POST", open, &[XML], PAGE).await.status, 200);
    let arrived = world.wiki.arrived().len();
    for (target, headers) in [(XML_RPC, vec![("Authorization", BASIC_ALICE), XML]), (open, vec![XML])] {
        let reply = world.send("POST", target, &headers, LOGIN).await;
        assert_eq!((reply.status, reply.reason().as_str()), (401, "basic_denied"), "{target}");
    }
    assert_eq!(world.wiki.arrived().len(), arrived);
}

#[tokio::test]
async fn audit_records_them_and_changes_nothing() {
    let large =
        LOGIN.replace("</methodCall>", &format!("<a>{}</a></methodCall>", "x".repeat(2 * 1024 * 1024)));
    for (basic, mode) in [("Audit", "Enforce"), ("Deny", "Audit"), ("Audit", "Audit")] {
        let world = World::with(|config| {
            config["basicAuth"] = json!(basic);
            config["mode"] = json!(mode);
        })
        .await;
        let pat = format!("Bearer {PAT}");
        for (body, reason) in
            [(LOGIN, "basic_denied"), ("<!DOCTYPE x>", "rpc_unreadable"), (&large, "form_too_large")]
        {
            let reply = call(&world, &pat, XML_RPC, XML, body).await;
            assert_eq!((reply.status, reply.text().as_str()), (200, r#"{"user":"bob"}"#), "{basic} {mode}");
            assert!(world.wiki.last().body == body.as_bytes(), "{basic} {mode} {reason}");
            let line = world.last_audit();
            assert_eq!((&line["decision"], &line["reason"]), (&json!("would_refuse"), &json!(reason)));
        }
        assert_eq!(reported(&world).await.len(), 1, "{basic} {mode}");
        call(&world, &pat, XML_RPC, XML, PAGE).await;
        assert_eq!(world.last_audit()["decision"], "passed");
    }
    // A token counts while only passwords are audited.
    let world = world("Audit").await;
    assert_eq!(call(&world, &bearer(&world), XML_RPC, XML, LOGIN).await.text(), r#"{"user":"alice"}"#);
    assert_eq!(world.last_audit()["reason"], "basic_denied");
}

#[tokio::test]
async fn where_passwords_are_allowed_no_body_is_read() {
    let world = world("Allow").await;
    let token = bearer(&world);
    for body in [LOGIN, "<!DOCTYPE x>"] {
        assert_eq!(call(&world, &token, XML_RPC, XML, body).await.text(), r#"{"user":"alice"}"#);
        assert_eq!(world.last_audit()["reason"], Value::Null);
    }
    assert!(reported(&world).await.is_empty());
    // It is forwarded before it has ended.
    let mut stream = TcpStream::connect(world.running.data).await.unwrap();
    let head = format!(
        "POST /rpc/unread HTTP/1.1\r\nHost: wiki\r\nAuthorization: {token}\r\nContent-Length: 10\r\n\r\nabc"
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    crate::support::eventually("it arrives", || async {
        world.wiki.last().target.starts_with("/rpc/unread")
    })
    .await;
}

#[tokio::test]
async fn an_announced_end_is_theirs_too() {
    let from_now = |seconds: i64| {
        jiff::Timestamp::from_second(jiff::Timestamp::now().as_second() + seconds).unwrap().to_string()
    };
    let announced =
        |trials: Value| json!({"since": from_now(-3600), "sunset": from_now(3600), "brownOuts": trials});
    let mut world = World::with(|config| {
        config["basicAuthDeprecation"] = announced(json!([]));
    })
    .await;
    let token = bearer(&world);
    let told = call(&world, &token, XML_RPC, XML, LOGIN).await;
    assert_eq!(told.status, 200);
    assert!(told.header("sunset").is_some());
    assert!(reported(&world).await.is_empty());
    assert_eq!(call(&world, &token, XML_RPC, XML, PAGE).await.header("sunset"), None);
    assert_eq!(call(&world, &token, XML_RPC, XML, "<!DOCTYPE x>").await.header("sunset"), None);

    let trial = json!([{"start": from_now(-60), "end": from_now(600)}]);
    world.reconfigure(|config| config["basicAuthDeprecation"] = announced(trial)).await;
    let refused = call(&world, &token, XML_RPC, XML, LOGIN).await;
    assert_eq!((refused.status, refused.reason().as_str()), (401, "basic_brown_out"));
    assert!(refused.header("retry-after").is_some() && refused.header("sunset").is_some());
    assert_eq!(call(&world, &token, XML_RPC, XML, PAGE).await.status, 200);
}

/// Whatever the mode: what did not arrive is never completed for Confluence.
#[tokio::test]
async fn a_body_that_stops_or_breaks_is_never_completed() {
    let bounds = Bounds { idle_time: Duration::from_millis(300), ..Bounds::default() };
    let form = "Content-Type: application/x-www-form-urlencoded";
    for mode in ["Enforce", "Audit"] {
        let world = World::bounded(bounds, |config| {
            config["mode"] = json!(mode);
            config["basicAuth"] = json!("Deny");
        })
        .await;
        let authorization = format!("Authorization: Bearer {PAT}");
        for (target, header) in [(XML_RPC, "Content-Type: text/xml"), ("/rest/api/content", form)] {
            for (body, status) in [("3\r\nabc\r\n", 408), ("3\r\nabc\r\nnothing", 400)] {
                let head = format!(
                    "POST {target} HTTP/1.1\r\nHost: wiki\r\n{authorization}\r\n{header}\r\n\
                     Transfer-Encoding: chunked\r\n\r\n{body}"
                );
                let reply = parse(&raw(world.running.data, head.as_bytes()).await);
                assert_eq!(reply.status, status, "{mode} {target} {body}: {}", reply.text());
            }
        }
        assert!(world.wiki.arrived().is_empty(), "{mode}: {:?}", world.wiki.arrived());
    }
}
