//! What the operator's own look at Keycloak says of one that is not where or who the policy says.

use std::net::TcpListener;

use restward_crds::{condition::ProviderReason, sidecar::parse};
use restward_operator::discovery::{self, Guard};
use serde_json::json;

use crate::realm::Keycloak;

pub(crate) async fn what_is_wrong_has_its_sentence(keycloak: &Keycloak) {
    let (base, port) = (keycloak.base(), keycloak.port());
    let ask = async |host: &str, realm: &str, inside: Option<&str>, accepted: &[String]| {
        let mut issuer = json!({"host": host, "realm": realm, "acceptedIssuers": accepted});
        if let Some(url) = inside {
            issuer["backchannelURL"] = json!(url);
        }
        let config = json!({
            "version": 1, "policy": {"namespace": "n", "name": "p", "uid": "u", "generation": 1}, "mode": "Enforce",
            "issuers": [issuer], "usernameAttribute": "preferred_username", "basicAuth": "Allow", "credentials": {},
            "upstream": {"identity": {"oauth1": {"consumerKey": "c"}}},
        });
        let issuer = parse::from_json(config.to_string().as_bytes()).unwrap().issuers.remove(0);
        discovery::ask(&issuer, None, Guard::AllowLoopback).await
    };
    assert!(ask(&base, "fresh", None, &[]).await.is_ok());

    let localhost = format!("http://localhost:{port}");
    let closed = "http://127.0.0.1:1";
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let swallows = format!("http://{}", silent.local_addr().unwrap());
    for (host, realm, inside, reason, parts) in [
        (
            format!("{base}/auth"),
            "fresh",
            None,
            ProviderReason::RealmNotFound,
            vec![format!("with host: '{base}'")],
        ),
        (
            format!("{base}/keycloak"),
            "fresh",
            None,
            ProviderReason::RealmNotFound,
            vec![format!("with host: '{base}'")],
        ),
        (
            base.clone(),
            "frech",
            None,
            ProviderReason::RealmNotFound,
            vec![
                "no realm 'frech'".into(),
                format!("{base}/auth/realms/frech"),
                "spec.keycloak.host and realm".into(),
            ],
        ),
        (
            localhost.clone(),
            "fresh",
            None,
            ProviderReason::IssuerMismatch,
            vec![
                format!("calls the issuer '{base}/realms/fresh'"),
                format!("set spec.keycloak.host: '{base}', and spec.keycloak.backchannelURL"),
            ],
        ),
        (base.clone(), "fresh", Some(closed), ProviderReason::Unreachable, vec!["cannot be reached".into()]),
        (
            base.clone(),
            "fresh",
            Some(swallows.as_str()),
            ProviderReason::Unreachable,
            vec!["did not answer".into()],
        ),
    ] {
        let failure = ask(&host, realm, inside, &[]).await.unwrap_err();
        assert_eq!(failure.reason, reason, "{}", failure.message);
        for part in parts {
            assert!(failure.message.contains(&part), "{part} is not in: {}", failure.message);
        }
    }
    // What the mismatch says to paste is right.
    assert!(ask(&base, "fresh", Some(&localhost), &[]).await.is_ok());
    // And so is the list, here with a back channel: over http, keys at another address than the one that was asked do not count.
    let listed = [format!("{base}/realms/fresh")];
    assert!(ask(&localhost, "fresh", Some(&localhost), &listed).await.is_ok());
    assert_eq!(
        ask(&localhost, "fresh", None, &listed).await.unwrap_err().reason,
        ProviderReason::UnexpectedAnswer
    );
}
