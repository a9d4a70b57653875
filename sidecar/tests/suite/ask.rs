//! `POST /ask`: what the operator asks for people, sealed both ways.

use restward_crds::seal::Seal;
use serde_json::{Value, json};

use crate::support::{STATUS_KEY, World, eventually, exchange, http::Reply, logs};

fn seal() -> Seal {
    seal_of(STATUS_KEY)
}

fn seal_of(status_key: &str) -> Seal {
    let byte = |at: usize| u8::from_str_radix(&status_key[at..at + 2], 16).unwrap();
    Seal::new(&(0..64).step_by(2).map(byte).collect::<Vec<u8>>()).unwrap()
}

async fn post(world: &World, body: &[u8]) -> Reply {
    let head = format!(
        "POST /ask HTTP/1.1\r\nHost: 10.0.0.1\r\nConnection: close\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    exchange(world.running.admin, &[head.as_bytes(), body].concat()).await
}

async fn ask(world: &World, question: Value) -> Value {
    let sealed = seal().seal_question(question.to_string().as_bytes()).unwrap();
    let reply = post(world, &sealed).await;
    assert_eq!((reply.status, reply.header("cache-control")), (200, Some("no-store")), "{reply:?}");
    serde_json::from_slice(&seal().open_answer(&reply.body, &sealed).unwrap()).unwrap()
}

#[tokio::test]
async fn the_operator_is_told_about_a_token_and_nobody_on_the_way_is() {
    let world = World::with(|config| config["rules"] = json!([{"action": "ReadOnly"}])).await;
    let token = world.idp.token_with(json!({}));
    let explained = ask(&world, json!({"token": {"token": format!("Bearer {token}")}})).await;
    assert_eq!((&explained["accepted"], &explained["user"]), (&json!(true), &json!("alice")), "{explained}");
    let call = json!({"method": "PUT", "path": "/rest/api/content/1"});
    let explained = ask(&world, json!({"token": {"token": token, "call": call}})).await;
    let rules = explained["steps"].as_array().unwrap().iter().find(|step| step["check"] == "rules").unwrap();
    assert_eq!((&explained["accepted"], &rules["reason"]), (&json!(false), &json!("read_only")));

    let sealed = seal().seal_question(json!({"token": {"token": token}}).to_string().as_bytes()).unwrap();
    let reply = post(&world, &sealed).await;
    assert!(!reply.text().contains("alice") && !reply.text().contains("accepted"), "{reply:?}");
    assert_eq!(world.audit.text(), "");
    assert!(!logs::text().contains(token.rsplit('.').next().unwrap()));
}

#[tokio::test]
async fn nobody_else_is_answered() {
    let world = World::new().await;
    let question = json!({"token": {"token": world.idp.token_with(json!({}))}}).to_string();
    let of_another = Seal::new(&[7; 32]).unwrap().seal_question(question.as_bytes()).unwrap();
    let mut changed = seal().seal_question(question.as_bytes()).unwrap();
    *changed.last_mut().unwrap() ^= 1;
    for body in [question.as_bytes(), b"", &of_another, &changed] {
        let reply = post(&world, body).await;
        assert_eq!((reply.status, reply.text().as_str()), (403, "only for the operator\n"));
    }
    assert_eq!(post(&world, &vec![0; 64 * 1024 + 1]).await.status, 413);
    assert_eq!(world.admin("/ask").await.status, 404);
    // Of an operator to come.
    let unknown = seal().seal_question(b"\"weather\"").unwrap();
    assert_eq!(post(&world, &unknown).await.status, 404);
}

/// Which the operator replaces on request, without a restart.
#[tokio::test]
async fn another_status_key_counts_as_soon_as_it_is_mounted_and_the_one_from_before_no_more() {
    let world = World::new().await;
    let key = "f0".repeat(32);
    let by = async |seal: Seal| post(&world, &seal.seal_question(b"\"tally\"").unwrap()).await.status;
    assert_eq!((by(seal()).await, by(seal_of(&key)).await), (200, 403));
    world.mount_status_key(&key);
    eventually("the new key counts", || async { by(seal_of(&key)).await == 200 }).await;
    assert_eq!(by(seal()).await, 403);
    assert_eq!(world.get_as("/rest/api/content", &world.idp.token("alice")).await.status, 200);
}

#[tokio::test]
async fn what_was_refused_is_tallied_by_reason_and_what_audit_let_through_apart() {
    let mut world = World::new().await;
    for _ in 0..3 {
        assert_eq!(world.get("/rest/api/content", &[]).await.status, 401);
    }
    let expired = world.idp.token_with(json!({"exp": 1000}));
    assert_eq!(world.get_as("/rest/api/content", &expired).await.status, 401);
    world.reconfigure(|config| config["mode"] = json!("Audit")).await;
    assert_eq!(world.get_as("/rest/api/content", &expired).await.status, 200);
    let tally = ask(&world, json!("tally")).await;
    let count = |kind: &str, reason: &str| -> u64 {
        let hours = tally["hours"].as_array().unwrap();
        hours.iter().map(|hour| hour[kind][reason].as_u64().unwrap_or_default()).sum()
    };
    assert_eq!(count("refused", "credential_missing"), 3, "{tally}");
    assert_eq!((count("refused", "token_expired"), count("wouldRefuse", "token_expired")), (1, 1), "{tally}");
    assert!(tally["since"].as_i64().unwrap() <= tally["now"].as_i64().unwrap());
    let keys = tally["keys"].as_array().unwrap();
    assert!(keys.len() == 1 && keys[0]["issuer"].as_str().unwrap().contains("/realms/wiki"), "{tally}");
}
