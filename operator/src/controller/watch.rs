//! What makes the controller look at a policy again.

mod seen;

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use futures::{Stream, StreamExt};
use k8s_openapi::api::{
    admissionregistration::v1::{MutatingWebhookConfiguration, ValidatingAdmissionPolicyBinding},
    apps::v1::{Deployment, StatefulSet},
    core::v1::{ConfigMap, Pod, Secret},
};
use kube::{
    Api, ResourceExt,
    runtime::{
        Controller, WatchStreamExt as _,
        controller::Config,
        reflector::{self, ObjectRef, Store},
        utils::Backoff,
        watcher,
    },
};
use restward_crds::{api::v1alpha1::RestApiAuthPolicy, names};

use seen::{Parts, Seen, hash};

use super::{Context, after_error, reconcile};
use crate::{
    pages,
    policy_source::FILE_CANDIDATE,
    selector::{self, Labels},
    server_xml, store,
};

/// One change often brings several events.
const DEBOUNCE: Duration = Duration::from_millis(300);

/// Between two failures of watches.
const BETWEEN_FAILURES: Duration = Duration::from_secs(1);

/// Runs the controller until `shutdown`. `nudge` makes it look at every policy again.
pub async fn run(
    context: Arc<Context>,
    nudge: impl Stream<Item = ()> + Send + 'static,
    shutdown: impl Future<Output = ()> + Send + Sync + 'static,
) {
    let client = context.client.clone();
    // Some at a time, as ConfigMaps may have a megabyte each.
    let any = || watcher::Config::default().page_size(pages::PAGE);
    let (policies, writer) = reflector::store();
    let found = watcher(Api::<RestApiAuthPolicy>::all(client.clone()), any()).modify(forget_the_rest);
    let controller = Controller::for_stream(found.reflect(writer).applied_objects(), policies.clone());
    let managed = || any().labels(store::MANAGED);
    let keys = any().fields(&format!("metadata.name={}", names::KEYS_SECRET));
    controller
        .with_config(Config::default().debounce(DEBOUNCE).concurrency(16))
        .trigger_backoff(EachTheSame)
        .watches(Api::<Pod>::all(client.clone()), any(), by_pod(policies.clone()))
        .watches(Api::<StatefulSet>::all(client.clone()), any(), by_namespace(policies.clone()))
        .watches(Api::<Deployment>::all(client.clone()), any(), by_namespace(policies.clone()))
        .watches(Api::<ConfigMap>::all(client.clone()), any(), by_config_map(policies.clone()))
        .watches(Api::<Secret>::all(client.clone()), keys, by_keys(policies.clone()))
        .watches(
            Api::<MutatingWebhookConfiguration>::all(client.clone()),
            managed(),
            by_label(policies.clone()),
        )
        .watches(
            Api::<ValidatingAdmissionPolicyBinding>::all(client.clone()),
            managed(),
            by_label(policies.clone()),
        )
        .watches(Api::<RestApiAuthPolicy>::all(client), any(), by_neighbour(policies))
        .reconcile_all_on(nudge)
        .graceful_shutdown_on(shutdown)
        .run(reconcile, after_error, context)
        .for_each(|result| async {
            if let Err(error) = result {
                tracing::debug!(%error, "reconciliation");
            }
        })
        .await;
}

/// A pause between two failures of watches. All of them share it: a pause that grows with each failure would hold up all of
/// them for minutes after the API server was away for seconds, as each has failed.
struct EachTheSame;

impl Iterator for EachTheSame {
    type Item = Duration;

    fn next(&mut self) -> Option<Duration> {
        Some(BETWEEN_FAILURES)
    }
}

impl Backoff for EachTheSame {
    fn reset(&mut self) {}
}

/// What changes are judged by is metadata and spec. The policy is read anew before it is reconciled.
fn forget_the_rest(policy: &mut RestApiAuthPolicy) {
    policy.metadata.managed_fields = None;
    policy.status = None;
}

type Policies = Store<RestApiAuthPolicy>;
type Found = Vec<ObjectRef<RestApiAuthPolicy>>;

fn find(policies: &Policies, is_meant: impl Fn(&RestApiAuthPolicy) -> bool) -> Found {
    let state = policies.state();
    state.iter().filter(|policy| is_meant(policy)).map(|policy| ObjectRef::from_obj(&**policy)).collect()
}

fn selects(policy: &RestApiAuthPolicy, namespace: Option<&str>, labels: &Labels) -> bool {
    policy.namespace().as_deref() == namespace && selector::matches(&policy.spec.selector, labels)
}

fn by_pod(policies: Policies) -> impl Fn(Pod) -> Found + Send + Sync + 'static {
    move |pod| {
        let namespace = pod.namespace();
        let injected_by = pod.labels().get(names::LABEL_INJECTED);
        find(&policies, |policy| {
            selects(policy, namespace.as_deref(), pod.labels())
                || injected_by.is_some_and(|uid| policy.metadata.uid.as_ref() == Some(uid))
        })
    }
}

fn by_namespace<K: ResourceExt>(policies: Policies) -> impl Fn(K) -> Found + Send + Sync + 'static {
    move |object| {
        let namespace = object.namespace();
        find(&policies, |policy| policy.namespace() == namespace)
    }
}

/// Policies of the namespace share the Secret, each with items of its own. When no item changed, it may be that all are gone.
fn by_keys(policies: Policies) -> impl Fn(Secret) -> Found + Send + Sync + 'static {
    let seen = Seen::default();
    move |secret| {
        let namespace = secret.namespace();
        let mut items: BTreeMap<&str, Vec<_>> = BTreeMap::new();
        for (item, value) in secret.data.iter().flatten() {
            let uid = item.split_once('.').map_or(item.as_str(), |(uid, _)| uid);
            items.entry(uid).or_default().push((item, &value.0));
        }
        let parts: Parts = items.iter().map(|(uid, items)| ((*uid).to_owned(), hash(items))).collect();
        let changed = seen.changed(namespace.as_deref().unwrap_or_default(), &secret.name_any(), parts);
        find(&policies, |policy| {
            let has_changed = || policy.metadata.uid.as_ref().is_some_and(|uid| changed.contains(uid));
            policy.namespace() == namespace && (changed.is_empty() || has_changed())
        })
    }
}

/// One that the operator made concerns its own policy; when what injection has to know changed, or it may be gone, all
/// policies of the namespace, as the older wins. One with a `server.xml` may be what their pods mount; others concern those
/// that name it.
fn by_config_map(policies: Policies) -> impl Fn(ConfigMap) -> Found + Send + Sync + 'static {
    let seen = Seen::default();
    move |map| {
        let (namespace, name) = (map.namespace(), map.name_any());
        let has_server_xml = map.data.as_ref().is_some_and(|data| data.contains_key(server_xml::FILE));
        let is_managed = map.labels().contains_key(names::LABEL_MANAGED);
        let concerns_all = has_server_xml
            || is_managed && {
                let candidate = hash(map.data.as_ref().and_then(|data| data.get(FILE_CANDIDATE)));
                let whole = hash((&map.data, map.labels()));
                let parts = Parts::from([("candidate".to_owned(), candidate), ("whole".to_owned(), whole)]);
                let changed = seen.changed(namespace.as_deref().unwrap_or_default(), &name, parts);
                changed.is_empty() || changed.contains("candidate")
            };
        let of = map.labels().get(names::LABEL_POLICY).filter(|_| is_managed);
        find(&policies, |policy| {
            let is_its_own = of.is_some() && policy.metadata.uid.as_ref() == of;
            let references = &policy.spec.keycloak.ca_certificate_refs;
            policy.namespace() == namespace
                && (concerns_all || is_its_own || references.iter().any(|reference| reference.name == name))
        })
    }
}

/// So that a webhook configuration or a binding that somebody changes or deletes is restored at once.
fn by_label<K: ResourceExt>(policies: Policies) -> impl Fn(K) -> Found + Send + Sync + 'static {
    move |object| {
        let uid = object.labels().get(names::LABEL_POLICY);
        find(&policies, |policy| uid.is_some() && policy.metadata.uid.as_ref() == uid)
    }
}

/// A policy that comes or goes changes what its neighbours may keep. Its status does not: only a policy without one,
/// or one that ends, is news to them.
fn by_neighbour(policies: Policies) -> impl Fn(RestApiAuthPolicy) -> Found + Send + Sync + 'static {
    move |changed| {
        if changed.status.is_some() && changed.metadata.deletion_timestamp.is_none() {
            return Vec::new();
        }
        let (namespace, uid) = (changed.namespace(), changed.uid());
        find(&policies, |policy| policy.namespace() == namespace && policy.uid() != uid)
    }
}

#[cfg(test)]
mod tests;
