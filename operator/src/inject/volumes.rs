//! The volumes that injection adds to the pod, and the pull secrets.

use restward_crds::names;
use serde_json::{Value, json};

use super::{
    draft::Draft,
    listen::{self, Listen},
    origin::{self, Origin},
    refusal::Refusal,
    view,
};
use crate::policy_source::Candidate;

/// Readable for every user, as the sidecar's user does not own the files. Only the sidecar mounts them.
const READABLE: u32 = 0o444;
/// The longest lifetime that Keycloak accepts of such a token; the kubelet renews it in time.
const ASSERTION_SECONDS: u32 = 3600;
const PULL_SECRETS: &str = "/spec/imagePullSecrets";

/// The volumes for pods of this policy.
pub(super) fn of(policy: &Candidate, origin: Origin<'_>, listen: Listen) -> Vec<Value> {
    let config_map = policy.config_map();
    let mut sources = vec![
        json!({"configMap": {"name": config_map, "items": [item(names::FILE_CONFIG, names::FILE_CONFIG)]}}),
        json!({"configMap": {
            "name": config_map,
            "items": [item(names::FILE_CA, names::FILE_CA)],
            "optional": true
        }}),
        json!({"secret": {"name": names::KEYS_SECRET, "items": [
            item(&policy.consumer_key_item(), names::FILE_CONSUMER_KEY),
            item(&policy.status_key_item(), names::FILE_STATUS_KEY)
        ]}}),
    ];
    // Only while the key is being replaced; what is optional is a source as a whole.
    sources.push(json!({"secret": {
        "name": names::KEYS_SECRET,
        "items": [item(&policy.next_consumer_key_item(), names::FILE_NEXT_CONSUMER_KEY)],
        "optional": true
    }}));
    // Optional: without the user's Secret tokens cannot be introspected, but the wiki has to start.
    sources.extend(policy.client_secret.as_ref().map(|name| {
        let items = [names::FILE_CLIENT_ID, names::FILE_CLIENT_SECRET].map(|key| item(key, key));
        json!({"secret": {"name": name, "items": items, "optional": true}})
    }));
    // The same: without it the link is not kept, and status says why.
    sources.extend(policy.admin_token.as_ref().map(|token| {
        json!({"secret": {
            "name": token.name, "items": [item(&token.key, names::FILE_ADMIN_TOKEN)], "optional": true
        }})
    }));
    sources.extend(policy.client_assertion_audience.as_ref().map(|audience| {
        json!({"serviceAccountToken": {
            "audience": audience, "expirationSeconds": ASSERTION_SECONDS, "path": names::FILE_CLIENT_ASSERTION
        }})
    }));
    let mut volumes = vec![
        // One projected volume, so that configuration, keys and CA change together.
        json!({
            "name": names::CONFIG_VOLUME,
            "projected": {
                "defaultMode": READABLE,
                "sources": sources
            }
        }),
        json!({
            "name": names::VALVE_VOLUME,
            "configMap": {
                "name": config_map,
                "defaultMode": READABLE,
                "items": [item(names::FILE_VALVE, names::FILE_VALVE)]
            }
        }),
        // In memory: an empty directory on disk would keep a cluster autoscaler from moving the pod.
        json!({"name": names::NO_TOKEN_VOLUME, "emptyDir": {"medium": "Memory", "sizeLimit": "64Ki"}}),
        // The same. Holds the report on password logins, 1 MiB at most, and its successor while that is written.
        json!({"name": names::STATE_VOLUME, "emptyDir": {"medium": "Memory", "sizeLimit": "4Mi"}}),
    ];
    if let Origin::ConfigMap(connector) = origin {
        volumes.push(origin::volume(policy, connector));
    }
    if listen == Listen::Socket {
        volumes.push(listen::socket_volume());
    }
    volumes
}

fn item(key: &str, path: &str) -> Value {
    json!({"key": key, "path": path})
}

/// Adds them.
pub(super) fn place(draft: &mut Draft, volumes: Vec<Value>, pull_secrets: &[String]) -> Result<(), Refusal> {
    for volume in volumes {
        draft.set_named("/spec/volumes", volume)?;
    }
    for name in pull_secrets {
        let present = view::list(draft.pod(), PULL_SECRETS);
        if !present.iter().any(|secret| view::name(secret) == name) {
            draft.insert(PULL_SECRETS, present.len(), json!({"name": name}))?;
        }
    }
    Ok(())
}
