//! Which Secrets the operator reads for `keycloak.provisioning`, by the rights that the chart gives it.

use k8s_openapi::api::core::v1::Secret;
use kube::{Api, api::PostParams};
use serde_json::{Value, json};

use super::support::Cluster;

/// `keycloakProvisioning.secretNames` in `ci/everything.yaml`.
const NAMED: [&str; 2] = ["keycloak-admin", "partners-admin"];

fn spec(secret: &str) -> Value {
    let provisioning = json!({"adminSecretRef": {"name": secret}});
    let keycloak = json!({"host": "http://127.0.0.1:9", "realm": "staff", "provisioning": provisioning});
    json!({"keycloak": keycloak, "tokens": {"audiences": ["confluence"]}})
}

#[tokio::test]
async fn only_secrets_that_the_chart_names_are_read_and_only_for_policies_that_are_accepted() {
    let mut cluster = Cluster::new("provisioning").await;
    let secrets: Api<Secret> = cluster.api();
    // Whole, but for an address at which somebody could be asked.
    let items = json!({"keycloak-url": "ftp://h", "admin-client-id": "op", "admin-client-secret": "s3cret"});
    for name in [NAMED[0], "theirs"] {
        let secret =
            serde_json::from_value(json!({"metadata": {"name": name}, "stringData": items})).unwrap();
        secrets.create(&PostParams::default(), &secret).await.unwrap();
    }
    cluster.create("wiki", spec(NAMED[0])).await.unwrap();
    for (secret, says) in [
        (NAMED[0], "keycloak-url of the Secret 'keycloak-admin' must start with https://"),
        (NAMED[1], "no Secret 'partners-admin' with the keys"),
        ("theirs", "the operator may not read the Secret 'theirs'"),
    ] {
        cluster.edit("wiki", spec(secret)).await;
        let status = cluster.reconcile("wiki").await.unwrap().status.unwrap();
        let told = status.advisories.iter().find(|told| told.starts_with("ProvisioningFailed: "));
        assert!(told.is_some_and(|told| told.contains(says)), "{secret}: {:?}", status.advisories);
        assert!(!serde_json::to_string(&status).unwrap().contains("s3cret"));
    }

    cluster.edit("wiki", spec(NAMED[0])).await;
    cluster.takes_policies_in(&json!({"restward": "on"}));
    cluster.asked();
    cluster.reconcile("wiki").await;
    let asked = cluster.asked();
    assert!(!asked.is_empty() && asked.iter().all(|asked| !asked.contains(NAMED[0])), "{asked:?}");
    cluster.clean_up().await;
}
