//! The Secret with the certificate authority. Every write says which state it replaces, so that of several replicas one
//! wins and none overwrites another.

use std::{collections::BTreeMap, time::SystemTime};

use anyhow::Context as _;
use k8s_openapi::{ByteString, api::core::v1::Secret, apimachinery::pkg::apis::meta::v1::ObjectMeta};
use kube::{Api, api::PostParams};
use restward_crds::names;

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

    /// Creates it. That another replica was faster is no error: the watch brings what that one made.
    pub(super) async fn create(&self, authority: &Authority) -> anyhow::Result<()> {
        let secret = self.secret(authority, None)?;
        lost_race_is_fine(self.api.create(&params(), &secret).await)
    }

    /// Replaces it, if it is still as `seen`.
    pub(super) async fn replace(&self, seen: Option<&Secret>, authority: &Authority) -> anyhow::Result<()> {
        let version = seen.and_then(|seen| seen.metadata.resource_version.clone());
        let secret = self.secret(authority, version)?;
        lost_race_is_fine(self.api.replace(&self.name, &params(), &secret).await)
    }

    fn secret(&self, authority: &Authority, resource_version: Option<String>) -> anyhow::Result<Secret> {
        let not_after = authority.not_after.duration_since(SystemTime::UNIX_EPOCH)?.as_secs().to_string();
        let data = [(CERTIFICATE, &authority.certificate), (KEY, &authority.key), (NOT_AFTER, &not_after)];
        Ok(Secret {
            metadata: ObjectMeta {
                name: Some(self.name.clone()),
                labels: Some(BTreeMap::from([(names::LABEL_MANAGED.to_owned(), "true".to_owned())])),
                resource_version,
                ..ObjectMeta::default()
            },
            data: Some(
                data.into_iter().map(|(k, v)| (k.to_owned(), ByteString(v.as_bytes().to_vec()))).collect(),
            ),
            ..Secret::default()
        })
    }
}

fn params() -> PostParams {
    PostParams { field_manager: Some(names::FIELD_MANAGER.to_owned()), ..PostParams::default() }
}

fn lost_race_is_fine(result: kube::Result<Secret>) -> anyhow::Result<()> {
    match result {
        Ok(_) => Ok(()),
        Err(kube::Error::Api(status)) if status.is_conflict() || status.is_already_exists() => Ok(()),
        Err(error) => Err(error).context("the CA Secret cannot be written"),
    }
}
