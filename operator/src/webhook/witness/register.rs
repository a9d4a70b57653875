//! Tells the API server where the witness is: the chart's webhook configuration says about what it is asked, and the operator
//! fills in the certificate authority and the secret path, which the chart cannot know.

use std::time::Duration;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use k8s_openapi::api::admissionregistration::v1::{ValidatingWebhook, ValidatingWebhookConfiguration};
use kube::{
    Api, Client,
    api::{Patch, PatchParams},
};
use restward_crds::names;
use serde_json::{Value, json};
use tokio::sync::watch;

/// How often it is looked whether somebody has changed it.
const AGAIN: Duration = Duration::from_mins(1);

/// Keeps the webhook configuration `name` so. Never ends.
pub async fn keep(
    client: Client,
    name: String,
    mut ca_bundle: watch::Receiver<Option<String>>,
    secret_path: watch::Receiver<Option<String>>,
) {
    let api: Api<ValidatingWebhookConfiguration> = Api::all(client);
    loop {
        // The path is there before the authority is.
        let known = (secret_path.borrow().clone(), ca_bundle.borrow_and_update().clone());
        if let (Some(secret_path), Some(ca_bundle)) = known
            && let Err(error) = register(&api, &name, &ca_bundle, &secret_path).await
        {
            tracing::warn!(%error, "uses of break-glass are not seen: the webhook configuration could not be filled in");
        }
        if let Ok(Err(_)) = tokio::time::timeout(AGAIN, ca_bundle.changed()).await {
            // The sender is gone, and the process with it; no busy loop until then.
            std::future::pending::<()>().await;
        }
    }
}

async fn register(
    api: &Api<ValidatingWebhookConfiguration>,
    name: &str,
    ca_bundle: &str,
    secret_path: &str,
) -> Result<(), kube::Error> {
    // Without the chart's there is nothing to fill in.
    let Some(configuration) = api.get_opt(name).await? else { return Ok(()) };
    let webhooks = configuration.webhooks.unwrap_or_default();
    if webhooks.iter().all(|webhook| is_filled_in(webhook, ca_bundle, secret_path)) {
        return Ok(());
    }
    let params = PatchParams::apply(names::FIELD_MANAGER).force();
    let patch = patch(name, &webhooks, ca_bundle, secret_path);
    api.patch(name, &params, &Patch::Apply(patch)).await.map(drop)
}

fn is_filled_in(webhook: &ValidatingWebhook, ca_bundle: &str, secret_path: &str) -> bool {
    let config = &webhook.client_config;
    let called = config.service.as_ref().and_then(|service| service.path.as_ref());
    called == Some(&path_of(webhook, secret_path))
        && config.ca_bundle.as_ref().is_some_and(|known| known.0 == ca_bundle.as_bytes())
}

/// A webhook is named after its rule.
fn path_of(webhook: &ValidatingWebhook, secret_path: &str) -> String {
    super::path(secret_path, webhook.name.split('.').next().unwrap_or_default())
}

/// These fields and no other become the operator's.
fn patch(name: &str, webhooks: &[ValidatingWebhook], ca_bundle: &str, secret_path: &str) -> Value {
    let webhooks: Vec<Value> = webhooks
        .iter()
        .map(|webhook| {
            json!({"name": webhook.name, "clientConfig": {
                "caBundle": STANDARD.encode(ca_bundle),
                "service": {"path": path_of(webhook, secret_path)},
            }})
        })
        .collect();
    json!({
        "apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingWebhookConfiguration",
        "metadata": {"name": name}, "webhooks": webhooks,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_where_to_call_is_filled_in_and_only_when_it_is_not() {
        let webhook: ValidatingWebhook = serde_json::from_value(json!({
            "name": "keys.break-glass.restward.io", "admissionReviewVersions": ["v1"], "sideEffects": "NoneOnDryRun",
            "clientConfig": {"service": {"name": "restward", "namespace": "restward-system"}},
        }))
        .unwrap();
        let patch = patch("n", std::slice::from_ref(&webhook), "PEM", "0123");
        let config = json!({"caBundle": "UEVN", "service": {"path": "/witness/0123/keys"}});
        assert_eq!(
            patch["webhooks"],
            json!([{"name": "keys.break-glass.restward.io", "clientConfig": config}])
        );

        assert!(!is_filled_in(&webhook, "PEM", "0123"));
        let mut filled = json!(webhook);
        filled["clientConfig"]["caBundle"] = config["caBundle"].clone();
        filled["clientConfig"]["service"]["path"] = config["service"]["path"].clone();
        let filled = serde_json::from_value(filled).unwrap();
        assert!(is_filled_in(&filled, "PEM", "0123"));
        assert!(!is_filled_in(&filled, "PEM2", "0123") && !is_filled_in(&filled, "PEM", "4567"));
    }
}
