//! What happens when a policy is deleted that is not retained, or not any more: new pods come without the sidecar at once; running ones keep what they mount
//! until they are restarted; only then do configuration and keys go.

use k8s_openapi::api::core::v1::ConfigMap;
use kube::{
    Api, Client, ResourceExt,
    api::{Patch, PatchParams},
    runtime::events::EventType,
};
use restward_crds::{
    api::v1alpha1::{IdentitySpec, RestApiAuthPolicy, RolloutStrategy},
    condition::{ConditionType, InjectedReason, ProgrammedReason, ReadyReason},
    names,
};
use serde_json::json;

use super::{
    Context, apply,
    dereference::{self, ObservedPod, Template, Workload},
    retain, rollout,
    update_status::update_status,
};
use crate::{
    conditions::{Finding, Truth},
    policy_source::{FILE_CANDIDATE, config_map_name},
    store,
};

/// Reason of the Event that tells what stays in the realm.
const LEFT: &str = "LeftInRealm";

/// Whether anything is left to wait for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Detached {
    /// Everything is gone, and so is the finalizer.
    Completely,
    /// Injected pods still run, and somebody has to restart them.
    PodsLeft,
    /// The same, and they are made anew.
    RollingOut,
}

/// Puts the finalizer on a policy that lacks it.
///
/// # Errors
/// The API server refused.
pub async fn hold(client: &Client, policy: &RestApiAuthPolicy) -> Result<(), kube::Error> {
    if policy.finalizers().iter().any(|finalizer| finalizer == names::FINALIZER_DETACH) {
        return Ok(());
    }
    let kept = policy.finalizers().iter().cloned().chain([names::FINALIZER_DETACH.to_owned()]);
    set_finalizers(client, policy, kept.collect()).await
}

/// Takes the policy out of the cluster, as far as its pods allow.
///
/// # Errors
/// The API server refused.
pub async fn detach(context: &Context, policy: &RestApiAuthPolicy) -> Result<Detached, kube::Error> {
    let client = &context.client;
    if !policy.finalizers().iter().any(|finalizer| finalizer == names::FINALIZER_DETACH) {
        return Ok(Detached::Completely);
    }
    let (namespace, uid) = (policy.namespace().unwrap_or_default(), policy.uid().unwrap_or_default());
    context.metrics.retained(&namespace, &policy.name_any(), false);
    apply::remove_enforcement(client, &uid).await?;
    // An ending namespace takes pods, ConfigMap and Secret with it and must not wait for us.
    if !dereference::namespace_ends(client, &namespace).await? {
        let pods = dereference::injected_pods(client, &namespace, &uid).await?;
        if !pods.is_empty() {
            retire(client, policy, &uid).await?;
            return take_away(context, policy, &namespace, &pods).await;
        }
        remove_config_map(client, policy, &uid).await?;
        apply::remove_keys(client, &namespace, &uid).await?;
    }
    if let Some(note) = left_in_realm(policy) {
        context.events.about_policy(policy, EventType::Normal, LEFT, &note).await;
    }
    let kept = policy.finalizers().iter().filter(|finalizer| *finalizer != names::FINALIZER_DETACH).cloned();
    set_finalizers(client, policy, kept.collect()).await?;
    Ok(Detached::Completely)
}

/// Nobody looks after it from here on.
fn left_in_realm(policy: &RestApiAuthPolicy) -> Option<String> {
    let made = policy.status.as_ref()?.provisioning.as_ref().filter(|made| !made.is_empty())?;
    let scope = made.client_scope.iter().map(|name| format!("client scope '{name}'"));
    let clients = made.clients.iter().map(|id| format!("client '{id}'"));
    let listed: Vec<String> = scope.chain(clients).collect();
    Some(format!(
        "the policy is gone, and what was made for it in the realm {} stays, with its secrets: a policy of the same name \
         with keycloak.provisioning.state: Absent removes it ({})",
        policy.spec.keycloak.realm,
        listed.join(", ")
    ))
}

async fn remove_config_map(
    client: &Client,
    policy: &RestApiAuthPolicy,
    uid: &str,
) -> Result<(), kube::Error> {
    let (api, map) = own_config_map(client, policy, uid).await?;
    if map.is_some() { apply::delete(&api, &config_map_name(&policy.name_any())).await } else { Ok(()) }
}

/// Takes the policy out of those that pods are injected for. While its last pods run it would win the new ones from a younger
/// policy that selects them too, and so never come to an end.
async fn retire(client: &Client, policy: &RestApiAuthPolicy, uid: &str) -> Result<(), kube::Error> {
    let (api, map) = own_config_map(client, policy, uid).await?;
    if map.as_ref().and_then(store::candidate).is_none() {
        return Ok(());
    }
    let patch = Patch::Merge(json!({"data": {FILE_CANDIDATE: null}}));
    api.patch(&config_map_name(&policy.name_any()), &PatchParams::default(), &patch).await.map(drop)
}

/// The policy's ConfigMap, when it is there.
async fn own_config_map(
    client: &Client,
    policy: &RestApiAuthPolicy,
    uid: &str,
) -> Result<(Api<ConfigMap>, Option<ConfigMap>), kube::Error> {
    let api: Api<ConfigMap> = Api::namespaced(client.clone(), &policy.namespace().unwrap_or_default());
    let map = api.get_opt(&config_map_name(&policy.name_any())).await?;
    let ours = map.filter(|map| store::policy_uid(map) == Some(uid));
    Ok((api, ours))
}

/// Whether pods lose the sidecar without anybody's word. Not where a header names the user: whoever reaches Confluence without the
/// sidecar would be whom they say, until its authenticator is taken away.
fn is_automatic(policy: &RestApiAuthPolicy) -> bool {
    policy.spec.rollout.strategy == RolloutStrategy::Automatic
        && !matches!(policy.spec.upstream.identity, IdentitySpec::Header(_))
}

async fn take_away(
    context: &Context,
    policy: &RestApiAuthPolicy,
    namespace: &str,
    pods: &[ObservedPod],
) -> Result<Detached, kube::Error> {
    let (rollout, outcome) = if is_automatic(policy) {
        let is_meant = |template: &Template| pods.iter().any(|pod| pod.workload == template.workload);
        let templates = dereference::templates(&context.client, namespace, is_meant).await?;
        (rollout::detach(context, policy, pods, &templates).await, Detached::RollingOut)
    } else {
        (rollout::Report::default(), Detached::PodsLeft)
    };
    report(context, policy, pods, &rollout).await?;
    Ok(outcome)
}

async fn report(
    context: &Context,
    policy: &RestApiAuthPolicy,
    pods: &[ObservedPod],
    rollout: &rollout::Report,
) -> Result<(), kube::Error> {
    let namespace = policy.namespace().unwrap_or_default();
    let mut commands: Vec<String> =
        pods.iter().filter_map(|pod| pod.workload.restart_command(&namespace)).collect();
    commands.sort();
    commands.dedup();
    let message = format!(
        "the policy is being deleted; {} pods keep enforcing it until they are restarted: {}",
        pods.len(),
        commands.join("; ")
    );
    let message = match &rollout.message {
        Some(said) => format!("{message}; rollout: {said}"),
        None => message,
    };
    let reason = rollout.reason.unwrap_or(InjectedReason::RestartRequired);
    let found = |kind, reason, message: &str| Finding {
        kind,
        truth: Truth::False,
        reason,
        message: message.to_owned(),
    };
    let findings = [
        found(
            ConditionType::Programmed,
            ProgrammedReason::NotAccepted.as_str(),
            "the policy is being deleted: its webhook is gone, configuration and keys stay for running pods",
        ),
        found(ConditionType::Injected, reason.as_str(), &message),
        found(ConditionType::Ready, ReadyReason::NotReady.as_str(), &message),
    ];
    let mut status = policy.status.clone().unwrap_or_default();
    status.pods = Some(format!("{}/0", pods.len()));
    status.advisories.retain(|told| !retain::is_advisory(told));
    for known in &mut status.workloads {
        let workload = Workload { kind: known.kind.clone(), name: known.name.clone() };
        known.rollout = rollout.memory.get(&workload).cloned();
    }
    update_status(&context.client, &context.events, policy, &findings, status).await
}

/// With the resource version, so that nobody else's finalizer is lost.
async fn set_finalizers(
    client: &Client,
    policy: &RestApiAuthPolicy,
    finalizers: Vec<String>,
) -> Result<(), kube::Error> {
    let api: Api<RestApiAuthPolicy> =
        Api::namespaced(client.clone(), &policy.namespace().unwrap_or_default());
    let metadata = json!({"finalizers": finalizers, "resourceVersion": policy.resource_version()});
    let patch = Patch::Merge(json!({ "metadata": metadata }));
    match api.patch(&policy.name_any(), &PatchParams::default(), &patch).await {
        // The object moved on or is gone: the watch brings what it is now.
        Err(kube::Error::Api(status)) if status.is_conflict() || status.is_not_found() => Ok(()),
        other => other.map(drop),
    }
}

#[cfg(test)]
mod tests {
    use restward_crds::api::v1alpha1::ProvisioningStatus;

    use super::*;
    use crate::testing;

    #[test]
    fn what_stays_in_the_realm_is_told() {
        let mut policy = testing::policy(json!({}));
        assert_eq!(left_in_realm(&policy), None);
        let status = policy.status.get_or_insert_default();
        status.provisioning = Some(ProvisioningStatus::default());
        assert_eq!(left_in_realm(&policy), None, "all was removed before");
        let made = json!({"clientScope": "wiki", "clients": ["a", "b"]});
        policy.status.as_mut().unwrap().provisioning = serde_json::from_value(made).unwrap();
        let said = left_in_realm(&policy).unwrap();
        assert!(said.contains("state: Absent"), "{said}");
        assert!(said.ends_with("(client scope 'wiki', client 'a', client 'b')"), "{said}");
    }

    #[test]
    fn pods_lose_the_sidecar_by_themselves_unless_a_header_is_a_login_without_it() {
        let automatic = json!({"strategy": "Automatic"});
        let header = json!({"identity": {"header": {"name": "X-Forwarded-User"}}});
        for (spec, expected) in [
            (json!({}), false),
            (json!({"rollout": automatic}), true),
            (json!({"rollout": automatic, "upstream": header}), false),
        ] {
            assert_eq!(is_automatic(&testing::policy(spec.clone())), expected, "{spec}");
        }
    }
}
