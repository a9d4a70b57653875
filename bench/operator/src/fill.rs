//! Policies and pods come, as people and controllers make them.

use std::time::{Duration, Instant};

use futures::{StreamExt as _, TryStreamExt as _, stream};
use k8s_openapi::api::{
    apps::v1::StatefulSet,
    core::v1::{Namespace, Pod},
};
use kube::{
    Api, Client, Resource,
    api::{ListParams, Patch, PatchParams, PostParams},
};
use restward_crds::api::v1alpha1::RestApiAuthPolicy;
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Value, json};

use crate::objects::{self, Size};

/// Made at the same time.
const AT_ONCE: usize = 16;

/// Namespaces and policies.
pub(crate) async fn policies(client: &Client, size: Size) -> anyhow::Result<()> {
    let namespaces = Api::<Namespace>::all(client.clone());
    for namespace in (0..size.policies).step_by(10).map(objects::namespace) {
        create(&namespaces, json!({"metadata": {"name": namespace}})).await?;
    }
    let each = stream::iter(0..size.policies).map(Ok::<_, anyhow::Error>);
    each.try_for_each_concurrent(AT_ONCE, async |policy| {
        let api = Api::<RestApiAuthPolicy>::namespaced(client.clone(), &objects::namespace(policy));
        create(&api, objects::policy(policy)).await.map(drop)
    })
    .await
}

/// StatefulSets and their pods, which are ready at once.
pub(crate) async fn pods(client: &Client, size: Size) -> anyhow::Result<()> {
    let each = stream::iter(0..size.policies).map(Ok::<_, anyhow::Error>);
    each.try_for_each_concurrent(AT_ONCE, async |policy| {
        let namespace = objects::namespace(policy);
        let sets = Api::<StatefulSet>::namespaced(client.clone(), &namespace);
        let set = create(&sets, objects::stateful_set(policy, size.pods_each)).await?;
        let replicas = json!({"replicas": size.pods_each, "readyReplicas": size.pods_each,
            "updatedReplicas": size.pods_each, "observedGeneration": 1});
        set_status(&sets, &objects::name(policy), json!({ "status": replicas })).await?;
        let pods = Api::<Pod>::namespaced(client.clone(), &namespace);
        for pod in 0..size.pods_each {
            let owner = set.metadata.uid.as_deref().unwrap_or_default();
            create(&pods, objects::pod(policy, pod, owner)).await?;
            let name = format!("{}-{pod}", objects::name(policy));
            set_status(&pods, &name, objects::running(size.address(policy, pod))).await?;
        }
        Ok(())
    })
    .await
}

async fn create<K>(api: &Api<K>, object: Value) -> anyhow::Result<K>
where
    K: Resource<DynamicType = ()> + Clone + DeserializeOwned + Serialize + std::fmt::Debug,
{
    let object: K = serde_json::from_value(object)?;
    Ok(api.create(&PostParams::default(), &object).await?)
}

async fn set_status<K>(api: &Api<K>, name: &str, status: Value) -> anyhow::Result<()>
where
    K: Resource<DynamicType = ()> + Clone + DeserializeOwned + std::fmt::Debug,
{
    api.patch_status(name, &PatchParams::default(), &Patch::Merge(status)).await?;
    Ok(())
}

/// Until so many policies have this condition.
pub(crate) async fn until(
    client: &Client,
    kind: &str,
    policies: usize,
    patience: Duration,
) -> anyhow::Result<()> {
    let api = Api::<RestApiAuthPolicy>::all(client.clone());
    let begin = Instant::now();
    loop {
        // From the API server's cache, so that the question costs little of what is measured.
        let all = api.list(&ListParams::default().match_any()).await?.items;
        let conditions = |policy: &RestApiAuthPolicy| {
            policy.status.clone().map(|status| status.conditions).unwrap_or_default()
        };
        let has = |policy: &&RestApiAuthPolicy| {
            conditions(policy).iter().any(|condition| condition.type_ == kind && condition.status == "True")
        };
        let count = all.iter().filter(has).count();
        if count == policies {
            return Ok(());
        }
        if begin.elapsed() > patience {
            let other = all.iter().find(|policy| !has(policy)).map(conditions);
            anyhow::bail!("{count} of {policies} policies are {kind}; another is {other:#?}");
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}
