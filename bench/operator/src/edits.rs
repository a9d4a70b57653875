//! From the edit of a policy to its configuration.

use std::time::{Duration, Instant};

use anyhow::Context as _;
use futures::TryStreamExt as _;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::{
    Api, Client,
    api::{ListParams, Patch, PatchParams, WatchEvent, WatchParams},
};
use restward_crds::api::v1alpha1::RestApiAuthPolicy;
use serde_json::json;

use crate::{
    objects::{self, Size},
    percentiles::Percentiles,
};

/// Between two edits.
const PAUSE: Duration = Duration::from_millis(500);
/// For one.
const PATIENCE: Duration = Duration::from_mins(1);

/// Edits so many policies, one after the other, each of another namespace than the last.
pub(crate) async fn measure(client: &Client, size: Size, edits: usize) -> anyhow::Result<()> {
    let mut times = Vec::new();
    for edit in 0..edits {
        let policy = edit * 11 % size.policies;
        times.push(tokio::time::timeout(PATIENCE, one(client, policy, edit)).await.context("not written")??);
        tokio::time::sleep(PAUSE).await;
    }
    println!("{edits} edits, from policy to configuration: {}", Percentiles::of(times));
    Ok(())
}

async fn one(client: &Client, policy: usize, edit: usize) -> anyhow::Result<Duration> {
    let namespace = objects::namespace(policy);
    let maps = Api::<ConfigMap>::namespaced(client.clone(), &namespace);
    let name = format!("restward-{}", objects::name(policy));
    let field = format!("metadata.name={name}");
    // Of the list: that of the object may be older than what an API server remembers.
    let listed = maps.list(&ListParams::default().fields(&field)).await?;
    let version = listed.metadata.resource_version.context("no version")?;
    let params = WatchParams::default().fields(&field);
    let mut events = std::pin::pin!(maps.watch(&params, &version).await?);
    let audience = json!({"spec": {"tokens": {"audiences": [format!("confluence-{edit}")]}}});
    let policies = Api::<RestApiAuthPolicy>::namespaced(client.clone(), &namespace);
    let begin = Instant::now();
    policies.patch(&objects::name(policy), &PatchParams::default(), &Patch::Merge(audience)).await?;
    while let Some(event) = events.try_next().await? {
        match event {
            WatchEvent::Modified(_) => return Ok(begin.elapsed()),
            WatchEvent::Error(error) => return Err(error.into()),
            _ => {}
        }
    }
    anyhow::bail!("the watch ended")
}
