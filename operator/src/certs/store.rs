//! The Secret with the certificate authorities. Every write says which state it replaces, so that of several replicas one
//! wins and none overwrites another.

use std::collections::BTreeMap;

use anyhow::Context as _;
use k8s_openapi::{
    api::{
        admissionregistration::v1::{MutatingWebhookConfiguration, WebhookClientConfig},
        core::v1::Secret,
    },
    apimachinery::pkg::apis::meta::v1::ObjectMeta,
};
use kube::{
    Api,
    api::{Patch, PatchParams, PostParams},
};
use restward_crds::names;
use serde_json::json;

use super::{Settings, plan::Authorities, stored};
use crate::pages;

/// The Secret.
pub(super) struct Store {
    api: Api<Secret>,
    name: String,
    webhooks: Api<MutatingWebhookConfiguration>,
    /// Namespace and name of the Service that the webhooks call.
    service: (String, String),
}

impl Store {
    /// The Secret of these settings.
    pub(super) fn new(client: kube::Client, settings: Settings) -> Self {
        let Settings { namespace, ca_secret: name, service, .. } = settings;
        let api = Api::namespaced(client.clone(), &namespace);
        Self { webhooks: Api::all(client), api, name, service: (namespace, service) }
    }

    /// The API that it is read with.
    pub(super) fn api(&self) -> Api<Secret> {
        self.api.clone()
    }

    /// Its name.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Writes the authorities, if the Secret is still as `seen`: created when there was none, else only its data is
    /// changed, as labels and annotations are the chart's. That another replica was faster is no error: the watch brings
    /// what that one wrote.
    pub(super) async fn write(&self, seen: Option<&Secret>, authorities: &Authorities) -> anyhow::Result<()> {
        let members = stored::members(authorities)?;
        let manager = Some(names::FIELD_MANAGER.to_owned());
        let Some(seen) = seen else {
            let metadata = ObjectMeta {
                name: Some(self.name.clone()),
                labels: Some(BTreeMap::from([(names::LABEL_MANAGED.to_owned(), "true".to_owned())])),
                ..ObjectMeta::default()
            };
            let data =
                members.into_iter().filter_map(|(name, text)| Some((name.to_owned(), text?))).collect();
            let secret = Secret { metadata, data: Some(data), ..Secret::default() };
            let params = PostParams { field_manager: manager, ..PostParams::default() };
            return lost_race_is_fine(self.api.create(&params, &secret).await);
        };
        let patch = json!({"metadata": {"resourceVersion": seen.metadata.resource_version}, "data": members});
        let params = PatchParams { field_manager: manager, ..PatchParams::default() };
        lost_race_is_fine(self.api.patch(&self.name, &params, &Patch::Merge(patch)).await)
    }

    /// Whether every webhook that calls the Service trusts this certificate.
    ///
    /// # Errors
    /// The API server did not answer.
    pub(super) async fn is_trusted(&self, certificate: &str) -> anyhow::Result<bool> {
        let (namespace, name) = &self.service;
        let is_ours = |config: &WebhookClientConfig| {
            config.service.as_ref().is_some_and(|it| it.namespace == *namespace && it.name == *name)
        };
        let trusts = |config: &WebhookClientConfig| {
            let bundle = config.ca_bundle.as_ref();
            bundle.is_some_and(|bundle| String::from_utf8_lossy(&bundle.0).contains(certificate.trim()))
        };
        let is_so = |object: &MutatingWebhookConfiguration| {
            let mut configs = object.webhooks.iter().flatten().map(|hook| &hook.client_config);
            configs.all(|config| !is_ours(config) || trusts(config))
        };
        let all = pages::all(&self.webhooks, crate::store::MANAGED, is_so).await;
        all.context("the webhooks cannot be listed")
    }
}

fn lost_race_is_fine(result: kube::Result<Secret>) -> anyhow::Result<()> {
    match result {
        Ok(_) => Ok(()),
        Err(kube::Error::Api(status)) if status.is_conflict() || status.is_already_exists() => Ok(()),
        Err(error) => Err(error).context("the CA Secret cannot be written"),
    }
}
