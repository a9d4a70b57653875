//! The Secret with the certificate authority. Every write says which state it replaces, so that of several replicas one
//! wins and none overwrites another.

use std::{collections::BTreeMap, time::SystemTime};

use anyhow::Context as _;
use k8s_openapi::{ByteString, api::core::v1::Secret, apimachinery::pkg::apis::meta::v1::ObjectMeta};
use kube::{
    Api,
    api::{Patch, PatchParams, PostParams},
};
use restward_crds::names;
use serde_json::json;

use super::plan::{Authority, CERTIFICATE, KEY, NOT_AFTER};

/// The Secret.
pub(super) struct Store {
    api: Api<Secret>,
    name: String,
}

impl Store {
    /// The Secret `name` of the namespace.
    pub(super) fn new(client: kube::Client, namespace: &str, name: String) -> Self {
        Self { api: Api::namespaced(client, namespace), name }
    }

    /// The API that it is read with.
    pub(super) fn api(&self) -> Api<Secret> {
        self.api.clone()
    }

    /// Its name.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Writes the authority, if the Secret is still as `seen`: created when there was none, else only its data is
    /// changed, as labels and annotations are the chart's. That another replica was faster is no error: the watch brings
    /// what that one wrote.
    pub(super) async fn write(&self, seen: Option<&Secret>, authority: &Authority) -> anyhow::Result<()> {
        let data = data(authority)?;
        let Some(seen) = seen else {
            let metadata = ObjectMeta {
                name: Some(self.name.clone()),
                labels: Some(BTreeMap::from([(names::LABEL_MANAGED.to_owned(), "true".to_owned())])),
                ..ObjectMeta::default()
            };
            let secret = Secret { metadata, data: Some(data), ..Secret::default() };
            let manager = Some(names::FIELD_MANAGER.to_owned());
            let params = PostParams { field_manager: manager, ..PostParams::default() };
            return lost_race_is_fine(self.api.create(&params, &secret).await);
        };
        let patch = json!({"metadata": {"resourceVersion": seen.metadata.resource_version}, "data": data});
        let params =
            PatchParams { field_manager: Some(names::FIELD_MANAGER.to_owned()), ..PatchParams::default() };
        lost_race_is_fine(self.api.patch(&self.name, &params, &Patch::Merge(patch)).await)
    }
}

fn data(authority: &Authority) -> anyhow::Result<BTreeMap<String, ByteString>> {
    let not_after = authority.not_after.duration_since(SystemTime::UNIX_EPOCH)?.as_secs().to_string();
    let members = [(CERTIFICATE, &authority.certificate), (KEY, &authority.key), (NOT_AFTER, &not_after)];
    Ok(members.into_iter().map(|(k, v)| (k.to_owned(), ByteString(v.as_bytes().to_vec()))).collect())
}

fn lost_race_is_fine(result: kube::Result<Secret>) -> anyhow::Result<()> {
    match result {
        Ok(_) => Ok(()),
        Err(kube::Error::Api(status)) if status.is_conflict() || status.is_already_exists() => Ok(()),
        Err(error) => Err(error).context("the CA Secret cannot be written"),
    }
}
