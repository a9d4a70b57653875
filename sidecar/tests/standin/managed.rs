//! The sidecar makes and keeps the application link on a real Tomcat, by the REST calls of the stand-in.

use std::{fs, path::Path, time::Duration};

use http::{HeaderValue, Method, header};
use openssl::{pkey::PKey, rsa::Rsa};
use restward_crds::names;
use restward_sidecar::{app::Running, audit::Audit, loopback::Answer};
use serde_json::{Value, json};

use crate::{
    support::{idp::Idp, keys},
    wiki::{self, CONSUMER, PATIENCE, Wiki},
};

const ECHO: &str = "/rest/standin/1.0/echo";
/// `alice:alice-password`.
const BASIC_ALICE: &str = "Basic YWxpY2U6YWxpY2UtcGFzc3dvcmQ=";

fn config(idp: &Idp, key: &keys::Key) -> Value {
    let mut config = wiki::config();
    config["issuers"][0]["host"] = json!(idp.base());
    config["managedLink"] = json!({"key": keys::fingerprint(key)});
    config
}

/// A sidecar that keeps the link, with the token of this file.
async fn keeping(wiki: &Wiki, directory: &Path, config: &Value, token: &str) -> Running {
    fs::write(directory.join(names::FILE_ADMIN_TOKEN), token).unwrap();
    wiki.start_sidecar_in(directory.to_owned(), config, Audit::to(std::io::sink())).await
}

async fn status(wiki: &Wiki, sidecar: &Running) -> Value {
    let request = wiki.request(Method::GET, "", Some("nonce=00112233445566778899aabbccddeeff"));
    let status = wiki.through(sidecar.admin, request, "/status").await;
    serde_json::from_slice(&status.body).unwrap_or_default()
}

async fn until(wiki: &Wiki, sidecar: &Running, what: &str, is_so: impl Fn(&Value) -> bool) -> Value {
    let asked = async {
        loop {
            let is = status(wiki, sidecar).await;
            if is_so(&is) {
                return is;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    let came = tokio::time::timeout(3 * PATIENCE, asked).await.ok();
    let Some(is) = came else { panic!("{what}: {:#}", status(wiki, sidecar).await) };
    is
}

fn takes(key: &keys::Key) -> impl Fn(&Value) -> bool + '_ {
    |is| is["consumerKeys"]["taken"] == json!(keys::fingerprint(key))
}

fn repaired(what: &str) -> impl Fn(&Value) -> bool + '_ {
    move |is| {
        let told = is["managedLink"]["repair"]["what"].as_str().unwrap_or_default();
        is["upstream"]["reason"] == "Trusted" && told.contains(what)
    }
}

async fn ask_as_alice(wiki: &Wiki, sidecar: &Running, idp: &Idp) -> Answer {
    let mut request = wiki.request(Method::GET, "", None);
    let token = HeaderValue::try_from(format!("Bearer {}", idp.token("alice"))).unwrap();
    request.headers.insert(header::AUTHORIZATION, token);
    wiki.through(sidecar.data, request, &format!("{}{ECHO}", wiki::CONTEXT)).await
}

#[tokio::test]
async fn a_link_is_made_from_nothing_put_right_and_given_the_next_key() {
    let (wiki, idp) = (Wiki::start(&[]), Idp::start().await);
    let old = PKey::private_key_from_pem(&wiki.key_pem).unwrap();
    let new = PKey::from_rsa(Rsa::generate(2048).unwrap()).unwrap();
    let directory = wiki.directory();
    let sidecar = keeping(&wiki, &directory, &config(&idp, &old), wiki::ADMIN_TOKEN).await;
    until(&wiki, &sidecar, "it is made", repaired("it was made")).await;
    assert_eq!(ask_as_alice(&wiki, &sidecar, &idp).await.status, 200);

    // Each is found by the calls that it breaks.
    let id = wiki.links().await.remove(0);
    let stranger = PKey::from_rsa(Rsa::generate(2048).unwrap()).unwrap();
    wiki.put_key(&id, CONSUMER, &stranger).await;
    ask_as_alice(&wiki, &sidecar, &idp).await;
    until(&wiki, &sidecar, "another key is replaced", repaired("it was replaced")).await;
    assert_eq!(ask_as_alice(&wiki, &sidecar, &idp).await.status, 200);

    wiki.forbid_impersonation(&id).await;
    ask_as_alice(&wiki, &sidecar, &idp).await;
    until(&wiki, &sidecar, "impersonation is let in", repaired("it does now")).await;

    wiki.delete_link(&id).await;
    ask_as_alice(&wiki, &sidecar, &idp).await;
    until(&wiki, &sidecar, "a deleted link is made again", repaired("it was made")).await;
    assert_eq!(wiki.links().await.len(), 1);

    // The next key is there, and not wanted in the link before the operator says so.
    fs::write(directory.join(names::FILE_NEXT_CONSUMER_KEY), keys::pem(&new)).unwrap();
    until(&wiki, &sidecar, "two keys", |is| {
        is["consumerKeys"]["held"].as_array().is_some_and(|it| it.len() == 2)
    })
    .await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert!(takes(&old)(&status(&wiki, &sidecar).await));
    fs::write(directory.join(names::FILE_CONFIG), config(&idp, &new).to_string()).unwrap();
    let asked = async {
        loop {
            let answer = ask_as_alice(&wiki, &sidecar, &idp).await;
            assert_eq!(answer.status, 200, "{answer:?}");
        }
    };
    tokio::select! {
        () = asked => {}
        _ = until(&wiki, &sidecar, "the next key is put into the link", takes(&new)) => {}
    }
    assert_eq!(wiki.links().await.len(), 1);
}

#[tokio::test]
async fn of_two_sidecars_of_one_wiki_one_link_comes() {
    let (wiki, idp) = (Wiki::start(&[]), Idp::start().await);
    let key = PKey::private_key_from_pem(&wiki.key_pem).unwrap();
    let (one, two) = (wiki.directory(), wiki.directory());
    let config = config(&idp, &key);
    let (one, two) = tokio::join!(
        keeping(&wiki, &one, &config, wiki::ADMIN_TOKEN),
        keeping(&wiki, &two, &config, wiki::ADMIN_TOKEN)
    );
    for sidecar in [&one, &two] {
        until(&wiki, sidecar, "trusted", |is| is["upstream"]["reason"] == "Trusted").await;
    }
    assert_eq!(wiki.links().await.len(), 1);
}

#[tokio::test]
async fn what_is_in_the_way_is_said() {
    let idp = Idp::start().await;
    for (variables, token, says) in [
        (
            &[][..],
            Some("MDAwMDAwMDAwMDAxOnJlc3R3YXJkLXN0YW5kaW4tcGFX"),
            "does not know the administrator's token",
        ),
        (&[], None, "no system administrator"),
        (&[("STANDIN_WEBSUDO_FOR_TOKENS", "true")], Some(wiki::ADMIN_TOKEN), "WebSudo"),
    ] {
        let wiki = Wiki::start(variables);
        let token = match token {
            Some(token) => token.to_owned(),
            None => token_of_alice(&wiki).await,
        };
        let key = PKey::private_key_from_pem(&wiki.key_pem).unwrap();
        let sidecar = keeping(&wiki, &wiki.directory(), &config(&idp, &key), &token).await;
        let said = until(&wiki, &sidecar, says, |is| {
            is["managedLink"]["trouble"].as_str().is_some_and(|trouble| trouble.contains(says))
        });
        let said = said.await;
        let upstream = until(&wiki, &sidecar, says, |is| is["upstream"]["reason"] == "LinkMissing").await;
        assert!(upstream["upstream"]["message"].as_str().unwrap().contains(says), "{said:#}");
        assert!(!said.to_string().contains(&token), "the token is told nobody");
    }
}

async fn token_of_alice(wiki: &Wiki) -> String {
    let mut request = wiki.request(Method::POST, "/rest/pat/latest/tokens", None);
    request.headers.insert(header::AUTHORIZATION, HeaderValue::from_static(BASIC_ALICE));
    request.headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    request.form = Some(br#"{"name":"x"}"#.to_vec());
    let answer = wiki.send(request).await;
    let made: Value = serde_json::from_slice(&answer.body).unwrap();
    made["rawToken"].as_str().unwrap().to_owned()
}
