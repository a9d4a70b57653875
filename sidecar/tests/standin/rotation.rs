//! The key of the application link is replaced on a real Tomcat, under the feet of callers who never stop.

use std::{
    fs,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use http::{HeaderValue, Method, header};
use openssl::{pkey::PKey, rsa::Rsa};
use restward_crds::names;
use restward_sidecar::{app::Running, audit::Audit, loopback::Client};
use serde_json::{Value, json};

use crate::{
    support::{idp::Idp, keys},
    wiki::{self, CONTEXT, PATIENCE, Wiki},
};

const ECHO: &str = "/rest/standin/1.0/echo";

/// What the sidecar says of its keys.
async fn consumer_keys(wiki: &Wiki, sidecar: &Running) -> Value {
    let request = wiki.request(Method::GET, "", Some("nonce=00112233445566778899aabbccddeeff"));
    let status = wiki.through(sidecar.admin, request, "/status").await;
    serde_json::from_slice::<Value>(&status.body).unwrap_or_default()["consumerKeys"].clone()
}

async fn until_keys(wiki: &Wiki, sidecar: &Running, held: usize, taken: &keys::Key) {
    let is_so = async {
        loop {
            let is = consumer_keys(wiki, sidecar).await;
            let has = is["held"].as_array().map_or(0, Vec::len);
            if has == held && is["taken"] == json!(keys::fingerprint(taken)) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(2 * PATIENCE, is_so).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_call_fails_while_the_key_is_replaced() {
    let (wiki, idp) = (Wiki::start(&[]), Idp::start().await);
    let id = wiki.make_link().await;
    wiki.allow_impersonation(&id).await;
    let mut config = wiki::config();
    config["issuers"][0]["host"] = json!(idp.base());
    let directory = wiki.directory();
    let sidecar = wiki.start_sidecar_in(directory.clone(), &config, Audit::to(std::io::sink())).await;
    let old = PKey::private_key_from_pem(&wiki.key_pem).unwrap();
    let new = PKey::from_rsa(Rsa::generate(2048).unwrap()).unwrap();
    until_keys(&wiki, &sidecar, 1, &old).await;

    let (is_over, made) = (Arc::<AtomicBool>::default(), Arc::<AtomicUsize>::default());
    let bodies =
        [None, Some(("application/json", "{}")), Some(("application/x-www-form-urlencoded", "a=b+c"))];
    let callers = bodies.into_iter().map(|body| {
        let (is_over, made) = (Arc::clone(&is_over), Arc::clone(&made));
        let token = HeaderValue::try_from(format!("Bearer {}", idp.token("alice"))).unwrap();
        let mut request = wiki.request(Method::GET, ECHO, Some("q=%C3%BC"));
        request.headers.insert(header::AUTHORIZATION, token);
        if let Some((kind, content)) = body {
            request.method = Method::POST;
            request.headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
            request.form = Some(content.into());
        }
        let client = Client::new(sidecar.data.port());
        tokio::spawn(async move {
            while !is_over.load(Ordering::Relaxed) {
                let answer = client.send(request.clone(), PATIENCE).await.unwrap();
                let seen: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
                assert_eq!(
                    (answer.status.as_u16(), &seen["user"]),
                    (200, &json!("alice")),
                    "{body:?} {answer:?}"
                );
                made.fetch_add(1, Ordering::Relaxed);
            }
        })
    });
    let callers: Vec<_> = callers.collect();
    let more = async || {
        let so_far = made.load(Ordering::Relaxed);
        while made.load(Ordering::Relaxed) < so_far + 30
            && !callers.iter().any(tokio::task::JoinHandle::is_finished)
        {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    more().await;
    fs::write(directory.join(names::FILE_NEXT_CONSUMER_KEY), keys::pem(&new)).unwrap();
    until_keys(&wiki, &sidecar, 2, &old).await;
    more().await;
    wiki.put_key(&id, wiki::CONSUMER, &new).await;
    more().await;
    until_keys(&wiki, &sidecar, 2, &new).await;
    fs::write(directory.join(names::FILE_CONSUMER_KEY), keys::pem(&new)).unwrap();
    fs::remove_file(directory.join(names::FILE_NEXT_CONSUMER_KEY)).unwrap();
    until_keys(&wiki, &sidecar, 1, &new).await;
    more().await;
    is_over.store(true, Ordering::Relaxed);
    for caller in callers {
        caller.await.unwrap();
    }
    assert!(made.load(Ordering::Relaxed) >= 4 * 30, "{} in {CONTEXT}", made.load(Ordering::Relaxed));
}
