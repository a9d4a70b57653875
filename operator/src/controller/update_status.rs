//! The update_status step in the controller: writes status when it differs, and tells the differences as Events.

use k8s_openapi::jiff::Timestamp;
use kube::{
    Api, Client, Resource, ResourceExt,
    api::{Patch, PatchParams},
};
use restward_crds::{
    api::v1alpha1::{RestApiAuthPolicy, RestApiAuthPolicyStatus},
    names,
};
use serde::Serialize;
use serde_json::json;

use crate::{
    conditions::{self, Finding},
    events::Events,
};

/// Reason of the Event that tells what sidecars put right about the application link.
const REPAIRED: &str = "ApplicationLinkRepaired";
/// Reason of the Event that tells what the operator did in the realm.
const PROVISIONED: &str = "RealmProvisioned";

/// Writes `status` with the conditions that follow from `findings`.
///
/// # Errors
/// The API server refused.
pub async fn update_status(
    client: &Client,
    events: &Events,
    policy: &RestApiAuthPolicy,
    findings: &[Finding],
    mut status: RestApiAuthPolicyStatus,
) -> Result<(), kube::Error> {
    // What tells of uses of break-glass writes that member itself.
    let known = RestApiAuthPolicyStatus { break_glass: None, ..policy.status.clone().unwrap_or_default() };
    let generation = policy.metadata.generation.unwrap_or_default();
    status.conditions = conditions::merge(&known.conditions, findings, generation, Timestamp::now());
    if status == known {
        return Ok(());
    }
    let (namespace, name) = (policy.namespace().unwrap_or_default(), policy.name_any());
    apply_status(client, &namespace, &name, names::FIELD_MANAGER, &status).await?;
    for condition in conditions::changed(&known.conditions, &status.conditions) {
        events.condition(policy, condition).await;
    }
    let repaired = |status: &RestApiAuthPolicyStatus| status.application_link.as_ref()?.repaired.clone();
    if let Some(what) = repaired(&status).filter(|what| Some(what) != repaired(&known).as_ref()) {
        events.about_change(policy, REPAIRED, &what).await;
    }
    let provisioned = |status: &RestApiAuthPolicyStatus| status.provisioning.as_ref()?.last_change.clone();
    if let Some(what) = provisioned(&status).filter(|what| Some(what) != provisioned(&known).as_ref()) {
        events.about_change(policy, PROVISIONED, &what).await;
    }
    Ok(())
}

/// Writes these members of status by server-side apply.
///
/// # Errors
/// The API server refused.
pub(crate) async fn apply_status(
    client: &Client,
    namespace: &str,
    name: &str,
    manager: &str,
    status: &impl Serialize,
) -> Result<(), kube::Error> {
    let api: Api<RestApiAuthPolicy> = Api::namespaced(client.clone(), namespace);
    let patch = json!({
        "apiVersion": RestApiAuthPolicy::api_version(&()),
        "kind": RestApiAuthPolicy::kind(&()),
        "metadata": {"name": name},
        "status": status,
    });
    let params = PatchParams::apply(manager).force();
    api.patch_status(name, &params, &Patch::Apply(patch)).await.map(drop)
}
