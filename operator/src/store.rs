//! The programmed policies as a store: every replica watches the ConfigMaps that the controller writes.

use futures::{FutureExt, Stream, StreamExt, future::BoxFuture};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::{
    Api, Client, ResourceExt,
    api::ListParams,
    runtime::{
        WatchStreamExt,
        reflector::{self, Store},
        watcher,
    },
};

use restward_crds::names;

use crate::{
    pages,
    policy_source::{Candidate, FILE_CANDIDATE, PolicySource},
    server_xml,
};

/// Selects the objects that the operator made.
pub const MANAGED: &str = "restward.io/managed=true";

/// [`PolicySource`] over a reflector.
pub struct ProgrammedPolicies {
    client: Client,
    maps: Store<ConfigMap>,
}

impl ProgrammedPolicies {
    /// The store, and the stream that fills it: it has to be polled as long as the store is used.
    pub fn watch(client: Client) -> (Self, impl Stream<Item = ()> + Send) {
        let (maps, writer) = reflector::store();
        let managed = watcher::Config::default().labels(MANAGED).page_size(pages::PAGE);
        let watched = watcher(Api::<ConfigMap>::all(client.clone()), managed);
        let filled = watched.default_backoff().modify(forget_the_rest).reflect(writer).map(|event| {
            if let Err(error) = event {
                tracing::warn!(%error, "the watch of programmed policies failed; it starts again");
            }
        });
        (Self { client, maps }, filled)
    }

    /// Ends once the store has been filled for the first time.
    ///
    /// # Errors
    /// The stream that fills it has ended.
    pub async fn ready(&self) -> anyhow::Result<()> {
        Ok(self.maps.wait_until_ready().await?)
    }
}

impl PolicySource for ProgrammedPolicies {
    fn policies_of(&self, namespace: &str) -> Vec<Candidate> {
        let maps = self.maps.state();
        maps.iter()
            .filter(|map| map.namespace().as_deref() == Some(namespace))
            .filter_map(|map| candidate(map))
            .collect()
    }

    fn fetch_policies_of(&self, namespace: &str) -> BoxFuture<'_, Result<Vec<Candidate>, kube::Error>> {
        let api: Api<ConfigMap> = Api::namespaced(self.client.clone(), namespace);
        async move {
            let maps = api.list(&ListParams::default().labels(MANAGED)).await?;
            Ok(maps.items.iter().filter_map(candidate).collect())
        }
        .boxed()
    }

    fn fetch_server_xml<'a>(
        &'a self,
        namespace: &'a str,
        config_map: &'a str,
    ) -> BoxFuture<'a, Result<Option<String>, kube::Error>> {
        let api: Api<ConfigMap> = Api::namespaced(self.client.clone(), namespace);
        async move {
            let map = api.get_opt(config_map).await?;
            Ok(map.and_then(|map| map.data?.remove(server_xml::FILE)))
        }
        .boxed()
    }
}

/// Injection needs the candidate only; configurations with their key sets and derived files would be most of what a replica
/// holds.
fn forget_the_rest(map: &mut ConfigMap) {
    map.metadata.managed_fields = None;
    if let Some(data) = &mut map.data {
        data.retain(|file, _| file == FILE_CANDIDATE);
    }
}

/// The policy that a ConfigMap was made for; `None` when it holds none, or claims to be of another namespace.
pub fn candidate(map: &ConfigMap) -> Option<Candidate> {
    let json = map.data.as_ref()?.get(FILE_CANDIDATE)?;
    let candidate: Candidate = serde_json::from_str(json).ok()?;
    (map.namespace().as_deref() == Some(&candidate.namespace) && map.name_any() == candidate.config_map())
        .then_some(candidate)
}

/// The policy that a ConfigMap was made for, whether pods are injected for it or not any more.
pub fn policy_uid(map: &impl ResourceExt) -> Option<&str> {
    map.labels().get(names::LABEL_POLICY).map(String::as_str)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_config_map_speaks_for_its_own_policy_only() {
        let map = |namespace: &str, name: &str| -> ConfigMap {
            let candidate = json!({"namespace": "atlassian", "name": "wiki", "uid": "u-1",
                "created": "2026-01-02T03:04:05Z", "selector": {"matchLabels": {"app": "wiki"}}});
            serde_json::from_value(json!({
                "metadata": {"namespace": namespace, "name": name},
                "data": {FILE_CANDIDATE: candidate.to_string()},
            }))
            .unwrap()
        };
        assert_eq!(candidate(&map("atlassian", "restward-wiki")).unwrap().uid, "u-1");
        assert!(candidate(&map("elsewhere", "restward-wiki")).is_none());
        assert!(candidate(&map("atlassian", "restward-other")).is_none());
    }

    #[test]
    fn what_injection_needs_is_kept_and_no_more() {
        let mut map: ConfigMap = serde_json::from_value(json!({
            "metadata": {"name": "restward-wiki", "namespace": "atlassian", "managedFields": [{"manager": "m"}]},
            "data": {FILE_CANDIDATE: "{}", "config.json": "{}"},
        }))
        .unwrap();
        forget_the_rest(&mut map);
        let kept = json!({"apiVersion": "v1", "kind": "ConfigMap", "data": {FILE_CANDIDATE: "{}"},
            "metadata": {"name": "restward-wiki", "namespace": "atlassian"}});
        assert_eq!(serde_json::to_value(map).unwrap(), kept);
    }
}
