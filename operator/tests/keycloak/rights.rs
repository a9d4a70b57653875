//! Which rights the operator's client needs.

use reqwest::Method;
use restward_operator::provision::{Trouble, plan::Desired};
use serde_json::{Value, json};

use crate::realm::{Keycloak, desired, nothing};

/// Of the roles that are about clients only `manage-clients` suffices; a fine-grained permission does without it, and can leave
/// clients out.
pub(crate) async fn the_least_that_suffices(keycloak: &Keycloak) {
    for (id, roles) in [
        ("may-nothing", &[][..]),
        ("may-query", &["query-clients"]),
        ("may-create", &["create-client", "query-clients"]),
        ("may-view", &["view-clients"]),
    ] {
        keycloak.make_operator(id, roles).await;
        let kept = keycloak.keep_as(id, &desired()).await;
        assert!(matches!(kept.trouble, Some(Trouble::NotAllowed(_))), "{id}: {kept:?}");
        assert!(kept.done.is_empty(), "{id}: {kept:?}");
        let said = kept.trouble.unwrap().to_string();
        assert!(said.contains("manage-clients of realm-management"), "{said}");
    }
    assert!(keycloak.client("reports").await.is_null() && keycloak.scope("confluence").await.is_null());
    fine_grained(keycloak).await;
}

async fn fine_grained(keycloak: &Keycloak) {
    let id = async |client: &str| keycloak.client(client).await["id"].as_str().unwrap().to_owned();
    keycloak.admin(Method::PUT, "/fresh", json!({"adminPermissionsEnabled": true})).await;
    keycloak.make_operator("may-finely", &["query-clients"]).await;
    keycloak.admin(Method::POST, "/fresh/clients", json!({"clientId": "payroll"})).await;
    let account = format!("/fresh/clients/{}/service-account-user", id("may-finely").await);
    let user = keycloak.admin(Method::GET, &account, Value::Null).await["id"].clone();
    let server = format!("/fresh/clients/{}/authz/resource-server", id("admin-permissions").await);
    let others = [id("payroll").await, id("realm-management").await];
    for (name, logic, resources) in [("it", "POSITIVE", json!([])), ("not it", "NEGATIVE", json!(others))] {
        let policy = json!({"name": name, "users": [user], "logic": logic});
        let policy =
            keycloak.admin(Method::POST, &format!("{server}/policy/user"), policy).await["id"].clone();
        let permission = json!({
            "name": format!("clients of {name}"), "resourceType": "Clients", "resources": resources, "policies": [policy],
            "scopes": ["manage", "view"],
        });
        keycloak.admin(Method::POST, &format!("{server}/permission/scope"), permission).await;
    }
    let kept = keycloak.keep_as("may-finely", &desired()).await;
    assert!(kept.trouble.is_none() && !kept.done.is_empty(), "{kept:?}");
    // A client that is left out is neither seen nor changed.
    let mut greedy = desired();
    greedy.clients[0].client = "payroll".into();
    let kept = keycloak.keep_as("may-finely", &greedy).await;
    assert!(matches!(kept.trouble, Some(Trouble::Hidden(_))), "{kept:?}");
    assert!(keycloak.client("payroll").await["attributes"]["restward.io/managed-by"].is_null());
    // What nobody remembers is found all the same.
    let by_mark = Desired { gone: Vec::new(), by_mark: true, ..nothing() };
    let kept = keycloak.keep_as("may-finely", &by_mark).await;
    assert!(kept.trouble.is_none() && kept.done.len() == 4, "{kept:?}");
    keycloak.admin(Method::PUT, "/fresh", json!({"adminPermissionsEnabled": false})).await;
}
