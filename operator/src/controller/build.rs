//! The build step in the controller: from a validated policy to the objects that it needs. Pure.

use std::collections::BTreeMap;

use k8s_openapi::{
    ByteString,
    api::{
        admissionregistration::v1::{
            MutatingWebhook, MutatingWebhookConfiguration, RuleWithOperations, ServiceReference,
            WebhookClientConfig,
        },
        core::v1::ConfigMap,
    },
    apimachinery::pkg::apis::meta::v1::LabelSelector,
};
use kube::api::ObjectMeta;
use restward_crds::{
    names,
    sidecar::{
        config::{Config, LastKnown},
        deprecation::Phase,
        terms::Switch,
    },
};

use super::{
    dereference::{Observed, ObservedPod, Programmed, StoredKeys},
    validate::Validated,
};
use crate::{
    inject,
    keys::{PolicyKeys, sha256_hex},
    policy_source::{Candidate, FILE_CANDIDATE},
    server_xml::{self, Outcome},
    webhook,
};

/// The valve that lets nobody but the pod's own loopback through. `usePeerAddress` is what keeps `X-Forwarded-For` from
/// deciding: RemoteIpValve runs before and would replace the address.
const VALVE: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<Context>
  <Valve className="org.apache.catalina.valves.RemoteAddrValve" usePeerAddress="true" allow="127\.0\.0\.1|::1|0:0:0:0:0:0:0:1"/>
</Context>
"#;

/// Largest key set that is handed on for cold starts; a larger one is fetched by the sidecars only.
const MAX_LAST_KNOWN: usize = 256 * 1024;

/// What to do about the policy's keys.
#[derive(Debug)]
pub enum KeyPlan {
    /// The stored keys serve.
    Keep(PolicyKeys),
    /// They do, and new ones are asked for by this request.
    Rotate(PolicyKeys, String),
    /// There are none, and nobody uses any.
    Generate,
    /// There are none, or broken ones, although pods use them. A new key would need a new application link, so it is
    /// for people to decide; says what to do.
    Missing(String),
}

/// Where the API server finds the webhook.
#[derive(Debug, Clone)]
pub struct WebhookTarget {
    /// Namespace of the Service.
    pub namespace: String,
    /// Name of the Service.
    pub service: String,
    /// Certificate authorities, PEM.
    pub ca_bundle: String,
}

/// Decides about the keys. `request` asks for new ones, unless it was answered before. It waits while there is a status key from
/// before: of two of those only one would count. A next key of the consumer does not hold it up, which nobody may ever put into
/// the link.
pub fn keys(stored: &StoredKeys, policy_uid: &str, pods: &[ObservedPod], request: Option<&str>) -> KeyPlan {
    let StoredKeys { consumer_key, next_consumer_key, status_key, previous_status_key, answered_request } =
        stored;
    let problem = match (consumer_key, status_key) {
        (Some(consumer), Some(status)) => {
            let keys = PolicyKeys::from_stored(consumer, status).and_then(|keys| {
                let (next, previous) = (next_consumer_key.as_deref(), previous_status_key.as_deref());
                keys.in_rotation(next, previous, answered_request.clone())
            });
            match (keys, request) {
                (Ok(keys), Some(request))
                    if keys.previous_status_key_hex().is_none() && keys.answered() != Some(request) =>
                {
                    return KeyPlan::Rotate(keys, request.to_owned());
                }
                (Ok(keys), _) => return KeyPlan::Keep(keys),
                (Err(error), _) => error.to_string(),
            }
        }
        _ => "its items are not there".to_owned(),
    };
    match pods.iter().find(|pod| pod.is_injected_by(policy_uid)) {
        None => KeyPlan::Generate,
        Some(pod) => KeyPlan::Missing(format!(
            "Secret {}: {problem}, but pod {} uses them. Restore the Secret from a backup, as a member of \
             one of the chart's breakGlass.groups. To start with new keys instead, delete the policy, restart its pods, \
             and create it and its application link again",
            names::KEYS_SECRET,
            pod.name
        )),
    }
}

impl Observed {
    /// Derived files, by their keys, that running pods mount.
    pub(super) fn mounted_server_xmls(&self) -> BTreeMap<&str, &str> {
        let files = self.programmed.iter().flat_map(|before| &before.server_xmls);
        let is_mounted =
            |key: &str| self.pods.iter().any(|pod| inject::server_xml_file(&pod.raw) == Some(key));
        files.filter(|(key, _)| is_mounted(key)).map(|(key, xml)| (key.as_str(), xml.as_str())).collect()
    }
}

/// The sidecar's configuration as it is written. `fresh` is what the identity provider just said; without it what it
/// said last stays, so that pods can start while it is down.
pub fn config(validated: &Validated, fresh: Option<LastKnown>, observed: &Observed) -> Config {
    let mut config = validated.config.clone();
    let said_last = |before| said_last(before, &config, validated.ca_pem.as_ref());
    let known = fresh.or_else(|| observed.programmed.as_ref().and_then(said_last));
    if let Some(issuer) = config.issuers.first_mut() {
        issuer.last_known = known.filter(|known| known.jwks.to_string().len() <= MAX_LAST_KNOWN);
    }
    // Each sidecar looks at its own clock. That one that is late, or set back, holds the door open is ruled out by a second.
    if validated
        .settings
        .basic_auth_deprecation
        .as_ref()
        .is_some_and(|it| it.phase(observed.at) == Phase::Over)
    {
        config.basic_auth = Switch::Deny;
    }
    config
}

/// Of a provider that is asked as before and trusted by the same authorities: running sidecars go on with what they know of one
/// that was found otherwise, for a while.
fn said_last(before: &Programmed, config: &Config, ca_pem: Option<&String>) -> Option<LastKnown> {
    let is_same_authority = before.ca_pem.as_ref() == ca_pem;
    let before: Config = serde_json::from_str(&before.config_json).ok()?;
    let (before, now) = (before.issuers.into_iter().next()?, config.issuers.first()?);
    let is_same = is_same_authority
        && before.host == now.host
        && before.realm == now.realm
        && before.backchannel_url == now.backchannel_url;
    is_same.then_some(before.last_known).flatten()
}

/// The policy's ConfigMap, and the hash by which sidecars name its configuration.
pub fn config_map(validated: &Validated, config: &Config, observed: &Observed) -> (ConfigMap, String) {
    let candidate = &validated.candidate;
    // Neither type can fail to serialize: no maps with odd keys, no foreign writers.
    let json = serde_json::to_string_pretty(config).unwrap_or_default();
    let hash = sha256_hex(json.as_bytes());
    let mut data = BTreeMap::from([
        (names::FILE_CONFIG.to_owned(), json),
        (names::FILE_VALVE.to_owned(), VALVE.to_owned()),
        (FILE_CANDIDATE.to_owned(), serde_json::to_string(candidate).unwrap_or_default()),
    ]);
    data.extend(server_xmls(validated, observed));
    data.extend(validated.ca_pem.clone().map(|pem| (names::FILE_CA.to_owned(), pem)));
    let metadata = ObjectMeta {
        name: Some(candidate.config_map()),
        namespace: Some(candidate.namespace.clone()),
        ..labelled(candidate)
    };
    (ConfigMap { metadata, data: Some(data), ..ConfigMap::default() }, hash)
}

/// Derived files: those of now, and those from before that running pods mount, who need them when their node restarts. While
/// there is room, also those that were offered before: a replica of the webhook that has not heard of the change gives them to
/// a new pod.
fn server_xmls(validated: &Validated, observed: &Observed) -> BTreeMap<String, String> {
    let mounted =
        observed.mounted_server_xmls().into_iter().map(|(key, xml)| (key.to_owned(), xml.to_owned()));
    let now =
        validated.server_xmls.iter().map(|derived| (derived.connector.file.clone(), derived.xml.clone()));
    let mut files: BTreeMap<String, String> = mounted.chain(now).collect();
    let Some(before) = &observed.programmed else { return files };
    for known in &before.candidate.server_xml {
        let Outcome::Derived(connector) = &known.outcome else { continue };
        let Some(xml) = before.server_xmls.get(&connector.file) else { continue };
        let taken: usize = files.values().map(String::len).sum();
        if taken + xml.len() <= server_xml::MAX_TOTAL {
            files.entry(connector.file.clone()).or_insert_with(|| xml.clone());
        }
    }
    files
}

/// Name of the policy's webhook configuration, and of its binding to the backstop.
pub fn webhook_name(candidate: &Candidate) -> String {
    let short_uid: String = candidate.uid.chars().filter(char::is_ascii_alphanumeric).take(8).collect();
    format!("restward-{}-{}-{short_uid}", candidate.namespace, candidate.name)
}

/// The policy's webhook configuration: an object of its own, as etcd refuses one with many entries, and so narrow that
/// only the pods which the policy selects depend on it.
pub fn webhook(candidate: &Candidate, target: &WebhookTarget) -> MutatingWebhookConfiguration {
    let client_config = WebhookClientConfig {
        ca_bundle: Some(ByteString(target.ca_bundle.clone().into_bytes())),
        service: Some(ServiceReference {
            namespace: target.namespace.clone(),
            name: target.service.clone(),
            path: Some(webhook::path(&candidate.namespace, &candidate.uid)),
            port: Some(443),
        }),
        url: None,
    };
    let rule = |group: &str, resources: &[&str], operations: &[&str]| {
        let words = |words: &[&str]| Some(words.iter().map(|word| (*word).to_owned()).collect());
        RuleWithOperations {
            api_groups: words(&[group]),
            api_versions: words(&["v1"]),
            operations: words(operations),
            resources: words(resources),
            scope: Some("Namespaced".into()),
        }
    };
    let inject = MutatingWebhook {
        name: "inject.restward.io".into(),
        client_config,
        rules: Some(vec![rule("", &["pods"], &["CREATE"])]),
        namespace_selector: Some(in_namespace(&candidate.namespace)),
        object_selector: Some(candidate.selector.clone()),
        admission_review_versions: vec!["v1".into()],
        failure_policy: Some("Fail".into()),
        match_policy: Some("Equivalent".into()),
        reinvocation_policy: Some("IfNeeded".into()),
        side_effects: "None".into(),
        timeout_seconds: Some(5),
        match_conditions: None,
    };
    // Changes nothing, and says of a workload what would come of its pods, while the old ones serve. The labels that the
    // policy selects are those of the pods: the workload's own need not be the same.
    let check = MutatingWebhook {
        name: "check.restward.io".into(),
        rules: Some(vec![rule("apps", &["statefulsets", "deployments"], &["CREATE", "UPDATE"])]),
        object_selector: None,
        failure_policy: Some("Ignore".into()),
        reinvocation_policy: Some("Never".into()),
        timeout_seconds: Some(2),
        ..inject.clone()
    };
    MutatingWebhookConfiguration {
        metadata: ObjectMeta { name: Some(webhook_name(candidate)), ..labelled(candidate) },
        webhooks: Some(vec![inject, check]),
    }
}

/// Selects one namespace by the label that the API server itself puts on each.
pub(super) fn in_namespace(namespace: &str) -> LabelSelector {
    let labels = BTreeMap::from([("kubernetes.io/metadata.name".to_owned(), namespace.to_owned())]);
    LabelSelector { match_labels: Some(labels), match_expressions: None }
}

/// Labels and annotations of everything that is made for a policy. The UID is the label, as a name may be too long for one.
pub(super) fn labelled(candidate: &Candidate) -> ObjectMeta {
    let labels = [
        (names::LABEL_MANAGED, "true"),
        (names::LABEL_POLICY, &candidate.uid),
        (names::LABEL_POLICY_NAMESPACE, &candidate.namespace),
    ];
    ObjectMeta {
        labels: Some(labels.into_iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect()),
        annotations: Some(BTreeMap::from([(names::ANNOTATION_POLICY.to_owned(), candidate.name.clone())])),
        ..ObjectMeta::default()
    }
}

#[cfg(test)]
mod tests;
