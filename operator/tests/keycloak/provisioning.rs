//! What the operator makes, keeps and removes in a realm.

use reqwest::{Method, StatusCode};
use restward_operator::{
    discovery::Guard,
    provision::{self, Trouble, admin::AdminClient},
};
use serde_json::{Value, json};

use crate::realm::{Keycloak, OPERATOR, OWNER, REALM, claims, desired, nothing};

/// What a caller's token is for.
const BOTH: [&str; 2] = ["confluence", "wiki-gate"];

/// The audiences of a token, which are in no order.
fn audiences(token: &str) -> Vec<String> {
    let mut audiences: Vec<String> = serde_json::from_value(claims(token)["aud"].clone()).unwrap();
    audiences.sort();
    audiences
}

/// Asked again, it does nothing.
async fn nothing_is_left(keycloak: &Keycloak) {
    let again = keycloak.keep(&desired()).await;
    assert!(again.done.is_empty() && again.trouble.is_none(), "{again:?}");
}

pub(crate) async fn a_fresh_realm_becomes_usable(keycloak: &Keycloak) {
    let kept = keycloak.keep(&desired()).await;
    assert_eq!(kept.trouble, None);
    assert_eq!(kept.done.len(), 6, "{kept:?}");
    nothing_is_left(keycloak).await;

    // A script.
    let token = keycloak.token_of("reports").await;
    let told = claims(&token);
    assert_eq!(audiences(&token), BOTH);
    assert_eq!(
        (&told["client_id"], &told["preferred_username"]),
        (&json!("reports"), &json!("service-account-reports"))
    );
    assert!(told["realm_access"].is_null(), "roles are no business of Confluence's: {told}");
    // The sidecar may ask about it, as its client is in the audience.
    let gate = keycloak.client("wiki-gate").await;
    let form =
        format!("token={token}&client_id=wiki-gate&client_secret={}", gate["secret"].as_str().unwrap());
    let introspection = format!("/realms/{REALM}/protocol/openid-connect/token/introspect");
    let (_, answer) = keycloak.post(&introspection, &form).await;
    assert_eq!(answer["active"], true, "{answer}");
    // People's command line: a code for the browser, and no password.
    let device = format!("/realms/{REALM}/protocol/openid-connect/auth/device");
    let (status, answer) = keycloak.post(&device, "client_id=wiki-cli").await;
    assert!(status.is_success() && answer["user_code"].is_string(), "{answer}");
    let (status, _) =
        keycloak.token(REALM, "grant_type=password&client_id=wiki-cli&username=u&password=p").await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
}

pub(crate) async fn drift_is_put_right(keycloak: &Keycloak) {
    let secret = keycloak.client("reports").await["secret"].clone();
    let scope = keycloak.scope("confluence").await;
    let scope_id = scope["id"].as_str().unwrap();
    let client_id = keycloak.client("reports").await["id"].as_str().unwrap().to_owned();
    let models = format!("/fresh/client-scopes/{scope_id}/protocol-mappers/models");
    let mapper = scope["protocolMappers"]
        .as_array()
        .unwrap()
        .iter()
        .find(|of| of["name"] == "restward-audience:confluence");
    let mut mapper = mapper.unwrap().clone();
    let mapper_id = mapper["id"].as_str().unwrap().to_owned();

    keycloak
        .change_client("reports", json!({"standardFlowEnabled": true, "directAccessGrantsEnabled": true}))
        .await;
    let of_client = |kind: &str| format!("/fresh/clients/{client_id}/{kind}-client-scopes/{scope_id}");
    keycloak.admin(Method::DELETE, &of_client("default"), Value::Null).await;
    keycloak.admin(Method::PUT, &of_client("optional"), json!({})).await;
    mapper["config"]["access.token.claim"] = json!("false");
    keycloak.admin(Method::PUT, &format!("{models}/{mapper_id}"), mapper).await;
    let kept = keycloak.keep(&desired()).await;
    assert!(kept.trouble.is_none() && kept.done.len() == 4, "{kept:?}");
    nothing_is_left(keycloak).await;
    assert_eq!(audiences(&keycloak.token_of("reports").await), BOTH);
    assert_eq!(keycloak.client("reports").await["secret"], secret, "callers keep theirs");

    keycloak.admin(Method::DELETE, &format!("{models}/{mapper_id}"), Value::Null).await;
    keycloak
        .admin(
            Method::PUT,
            &format!("/fresh/client-scopes/{scope_id}"),
            json!({"name": "renamed", "protocol": "openid-connect"}),
        )
        .await;
    let kept = keycloak.keep(&desired()).await;
    assert!(kept.trouble.is_none() && kept.done.len() == 2, "{kept:?}");
    assert_eq!(keycloak.scope("confluence").await["id"], scope_id, "clients that others gave it to keep it");
    nothing_is_left(keycloak).await;

    // Keycloak takes the secret from a client that becomes public, and makes another when it is none any more.
    keycloak.change_client("reports", json!({"publicClient": true})).await;
    assert!(keycloak.client("reports").await["secret"].is_null());
    let kept = keycloak.keep(&desired()).await;
    assert!(kept.trouble.is_none() && kept.done.len() == 1, "{kept:?}");
    assert_eq!(audiences(&keycloak.token_of("reports").await), BOTH);
    nothing_is_left(keycloak).await;
}

/// What was made for something else, and what there is twice.
pub(crate) async fn what_is_superfluous_goes(keycloak: &Keycloak) {
    let scope_id = keycloak.scope("confluence").await["id"].as_str().unwrap().to_owned();
    let gate = keycloak.client("wiki-gate").await["id"].as_str().unwrap().to_owned();
    let given = format!("/fresh/clients/{gate}/default-client-scopes/{scope_id}");
    keycloak.admin(Method::PUT, &given, json!({})).await;
    let twice = json!({"name": "twice", "protocol": "openid-connect", "attributes": {"restward.io/managed-by": OWNER}});
    keycloak.admin(Method::POST, "/fresh/client-scopes", twice).await;
    let kept = keycloak.keep(&desired()).await;
    let expected =
        ["take from the client 'wiki-gate' the client scope 'confluence'", "remove the client scope 'twice'"];
    assert_eq!((kept.done.as_slice(), &kept.trouble), (&expected.map(ToOwned::to_owned)[..], &None));
    assert_eq!(keycloak.scope("confluence").await["id"], scope_id);
    nothing_is_left(keycloak).await;
}

pub(crate) async fn what_is_not_ours_is_left_alone(keycloak: &Keycloak) {
    // What administrators decide about our clients, and what they add to our scope.
    let scope_id = keycloak.scope("confluence").await["id"].as_str().unwrap().to_owned();
    let groups = json!({
        "name": "groups", "protocol": "openid-connect", "protocolMapper": "oidc-group-membership-mapper",
        "config": {"claim.name": "groups", "access.token.claim": "true"},
    });
    keycloak
        .admin(Method::POST, &format!("/fresh/client-scopes/{scope_id}/protocol-mappers/models"), groups)
        .await;
    let decided = json!({
        "enabled": false, "fullScopeAllowed": true, "description": "locked", "attributes": {"access.token.lifespan": "60"},
    });
    keycloak.change_client("reports", decided).await;
    nothing_is_left(keycloak).await;
    let client = keycloak.client("reports").await;
    assert_eq!((&client["enabled"], &client["description"]), (&json!(false), &json!("locked")));
    // It stays so when something else is put right.
    keycloak.change_client("reports", json!({"directAccessGrantsEnabled": true})).await;
    assert_eq!(keycloak.keep(&desired()).await.done.len(), 1);
    let client = keycloak.client("reports").await;
    assert_eq!((&client["enabled"], &client["fullScopeAllowed"]), (&json!(false), &json!(true)));
    assert_eq!(client["attributes"]["access.token.lifespan"], "60");
    keycloak.change_client("reports", json!({"enabled": true})).await;

    // What has no mark, and what has another policy's.
    keycloak.admin(Method::POST, "/fresh/clients", json!({"clientId": "ledger", "publicClient": true})).await;
    let before = keycloak.client("ledger").await;
    let mut greedy = desired();
    greedy.clients[0].client = "ledger".into();
    let kept = keycloak.keep(&greedy).await;
    let said = kept.trouble.unwrap().to_string();
    assert!(
        said.contains("client 'ledger' that was not made for this policy") && said.contains(OWNER),
        "{said}"
    );
    let removing = provision::plan::Desired { gone: vec!["ledger".into()], ..desired() };
    assert_eq!(keycloak.keep(&removing).await.done, Vec::<String>::new());
    assert_eq!(keycloak.client("ledger").await, before);
    let other = provision::plan::Desired { owner: "cluster/atlassian/other".into(), ..desired() };
    assert!(matches!(keycloak.keep(&other).await.trouble, Some(Trouble::Taken(_))));
    let removing = provision::plan::Desired { owner: "cluster/atlassian/other".into(), ..nothing() };
    assert_eq!(keycloak.keep(&removing).await.done, Vec::<String>::new());
    nothing_is_left(keycloak).await;
}

pub(crate) async fn everything_goes_on_request(keycloak: &Keycloak) {
    let one_less = provision::plan::Desired {
        gone: vec!["reports".into()],
        clients: desired().clients.split_off(1),
        ..desired()
    };
    assert_eq!(keycloak.keep(&one_less).await.done, ["remove the client 'reports'"]);
    // More clients than are listed at once, and one that a policy of this name made before it was deleted.
    for number in 0..60 {
        let other = json!({"clientId": format!("other-{number}"), "attributes": {"restward.io/managed-by": format!("{OWNER}2")}});
        keycloak.admin(Method::POST, "/fresh/clients", other).await;
    }
    let left = json!({"clientId": "zz-left", "attributes": {"restward.io/managed-by": OWNER}});
    keycloak.admin(Method::POST, "/fresh/clients", left).await;
    assert_eq!(keycloak.keep(&one_less).await.done, Vec::<String>::new(), "nobody looked for it");
    let kept = keycloak.keep(&provision::plan::Desired { by_mark: true, ..nothing() }).await;
    assert!(kept.trouble.is_none() && kept.done.len() == 4, "{kept:?}");
    assert!(keycloak.client("zz-left").await.is_null() && !keycloak.client("other-7").await.is_null());
    for id in ["reports", "wiki-cli", "wiki-gate"] {
        assert!(keycloak.client(id).await.is_null(), "{id}");
    }
    assert!(keycloak.scope("confluence").await.is_null() && !keycloak.client("ledger").await.is_null());
    let again = keycloak.keep(&nothing()).await;
    assert!(again.done.is_empty() && again.trouble.is_none(), "{again:?}");
}

pub(crate) async fn each_trouble_is_a_sentence_without_the_secret(keycloak: &Keycloak) {
    let said = async |key: &str, item: &str, realm: &str| {
        let mut data = keycloak.secret(OPERATOR);
        data.insert(key.into(), item.into());
        let desired = provision::plan::Desired { realm: realm.into(), ..desired() };
        let trouble = match AdminClient::from_secret("kc", &data) {
            Ok(admin) => {
                let kept = provision::keep(&admin, Guard::AllowLoopback, || Ok(()), &desired).await;
                kept.trouble.unwrap()
            }
            Err(trouble) => trouble,
        };
        let said = format!("{trouble} {trouble:?}");
        assert!(!said.contains(&format!("{OPERATOR}-secret")) && !said.contains("s3cret"), "{said}");
        said
    };
    for ((key, item), realm, part) in [
        (
            ("admin-client-secret", "s3cret"),
            REALM,
            "does not accept the operator's client (unauthorized_client)",
        ),
        (("admin-client-id", "nobody"), REALM, "does not accept the operator's client (invalid_client)"),
        (("admin-client-id", " "), REALM, "no Secret 'kc' with the keys"),
        (("keycloak-url", "ftp://h"), REALM, "keycloak-url of the Secret 'kc' must start with https://"),
        (
            ("keycloak-url", "http://127.0.0.1:1"),
            REALM,
            "http://127.0.0.1:1/realms/fresh/protocol/openid-connect/token cannot be reached",
        ),
        (("unused", ""), "nowhere", "no realm of that name at keycloak-url"),
    ] {
        let said = said(key, item, realm).await;
        assert!(said.contains(part), "{part} is not in: {said}");
    }
    let public =
        format!("grant_type=client_credentials&client_id={OPERATOR}&client_secret={OPERATOR}-secret");
    keycloak.change_client(OPERATOR, json!({"serviceAccountsEnabled": false})).await;
    assert_eq!(keycloak.token(REALM, &public).await.0, StatusCode::UNAUTHORIZED);
    let kept = keycloak.keep(&desired()).await;
    assert!(matches!(kept.trouble, Some(Trouble::NotAccepted(_))), "{kept:?}");
    // In a cluster neither the machine itself nor its cloud's metadata is asked.
    let admin = AdminClient::from_secret("kc", &keycloak.secret(OPERATOR)).unwrap();
    let kept = provision::keep(&admin, Guard::Strict, || Ok(()), &desired()).await;
    assert!(kept.trouble.unwrap().to_string().contains("loopback"));
}
