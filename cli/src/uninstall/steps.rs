//! The steps of an uninstall.

use std::time::{Duration, Instant};

use k8s_openapi::{
    api::{
        admissionregistration::v1::MutatingWebhookConfiguration,
        apps::v1::{Deployment, StatefulSet},
    },
    jiff::Timestamp,
};
use kube::{
    Api, Client, ResourceExt as _,
    api::{DeleteParams, ListParams, Patch, PatchParams},
};
use restward_crds::{
    api::v1alpha1::{DeletionPolicy, RestApiAuthPolicy},
    names,
};
use serde_json::json;

use super::plan::{Release, Restart};
use crate::{args::Connection, cluster, failure::Failure, output::progress};

const PAUSE: Duration = Duration::from_secs(3);
const MOMENT: Duration = Duration::from_millis(500);
/// As `kubectl rollout restart` does it.
const RESTARTED: &str = "kubectl.kubernetes.io/restartedAt";

/// Deletes the policy, and releases it first where it would be retained.
pub(super) async fn delete(client: &Client, policy: &RestApiAuthPolicy) -> Result<(), Failure> {
    if policy.spec.deletion_policy == DeletionPolicy::Retain {
        let patch = Patch::Merge(json!({"spec": {"deletionPolicy": DeletionPolicy::Detach}}));
        match api(client, policy).patch(&policy.name_any(), &PatchParams::default(), &patch).await {
            Err(kube::Error::Api(status)) if status.is_not_found() => return Ok(()),
            outcome => outcome
                .map_err(|error| Failure::of_api(format!("release policy {}", policy.name_any()), &error))?,
        };
    }
    match api(client, policy).delete(&policy.name_any(), &DeleteParams::default()).await {
        Err(kube::Error::Api(status)) if status.is_not_found() => Ok(()),
        outcome => outcome
            .map(drop)
            .map_err(|error| Failure::of_api(format!("delete policy {}", policy.name_any()), &error)),
    }
}

pub(super) async fn restart(client: &Client, restart: &Restart) -> Result<(), Failure> {
    let Restart { namespace, kind, name } = restart;
    let annotations = json!({RESTARTED: Timestamp::now().to_string()});
    let patch = Patch::Merge(json!({"spec": {"template": {"metadata": {"annotations": annotations}}}}));
    let params = PatchParams::default();
    let patched = if kind == "StatefulSet" {
        Api::<StatefulSet>::namespaced(client.clone(), namespace).patch(name, &params, &patch).await.map(drop)
    } else {
        Api::<Deployment>::namespaced(client.clone(), namespace).patch(name, &params, &patch).await.map(drop)
    };
    patched.map_err(|error| Failure::of_api(format!("restart {restart}"), &error))
}

/// Waits until new pods come without the sidecar: one that is made before gets it once more, and would be waited for in vain.
pub(super) async fn detached(
    client: &Client,
    policy: &RestApiAuthPolicy,
    patience: Duration,
) -> Result<(), Failure> {
    let webhooks = Api::<MutatingWebhookConfiguration>::all(client.clone());
    let own = format!("{}={}", names::LABEL_POLICY, policy.uid().unwrap_or_default());
    let (name, begun, mut is_said) = (policy.name_any(), Instant::now(), false);
    loop {
        let found = webhooks.list(&ListParams::default().labels(&own)).await;
        let found = found.map_err(|error| Failure::of_api("list MutatingWebhookConfigurations", &error))?;
        if found.items.is_empty() {
            progress(&format!("new pods come without the sidecar of policy {name}"));
            return Ok(());
        }
        if !is_said {
            progress(&format!("policy {name} waits for the operator, which is to take its webhook away"));
            is_said = true;
        }
        if begun.elapsed() > patience {
            return Err(Failure::new(
                format!("wait until policy {name} injects no more pods"),
                "the operator does not take away its webhook",
                "see that the operator runs (kubectl restward check), and run the command again",
            ));
        }
        tokio::time::sleep(MOMENT).await;
    }
}

/// Waits until the operator has let the policy go, which it does when no pod has its sidecar.
pub(super) async fn gone(
    client: &Client,
    policy: &RestApiAuthPolicy,
    patience: Duration,
) -> Result<(), Failure> {
    let (name, begun, mut said) = (policy.name_any(), Instant::now(), String::new());
    let left = loop {
        let found = api(client, policy).get_opt(&name).await;
        let found = found.map_err(|error| Failure::of_api(format!("read policy {name}"), &error))?;
        if found.is_none_or(|found| found.uid() != policy.uid()) {
            progress(&format!("policy {name} is gone"));
            return Ok(());
        }
        let pods = cluster::injected(client, policy).await?;
        let left = pods.iter().map(kube::ResourceExt::name_any).collect::<Vec<_>>().join(", ");
        if left != said && !left.is_empty() {
            progress(&format!("policy {name} waits for pods with its sidecar: {left}"));
            said.clone_from(&left);
        }
        if begun.elapsed() > patience {
            break left;
        }
        tokio::time::sleep(PAUSE).await;
    };
    let why = if left.is_empty() {
        "the operator does not let it go".to_owned()
    } else {
        format!("these pods have its sidecar: {left}")
    };
    Err(Failure::new(
        format!("wait until policy {name} is gone"),
        why,
        "restart the pods that are left, see that the operator runs, and run the command again",
    ))
}

fn api(client: &Client, policy: &RestApiAuthPolicy) -> Api<RestApiAuthPolicy> {
    Api::namespaced(client.clone(), &policy.namespace().unwrap_or_default())
}

pub(super) async fn helm_uninstall(release: &Release, connection: &Connection) -> Result<(), Failure> {
    let arguments = arguments(release, connection);
    let command = format!("helm {}", arguments.join(" "));
    progress(&command);
    let outcome = tokio::process::Command::new("helm").args(&arguments).status().await;
    let fix = format!("the policies are gone; what is left is: {command}");
    match outcome {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(Failure::new("uninstall the release", format!("helm ended with {status}"), fix)),
        Err(error) => Err(Failure::new("run helm", error, fix)),
    }
}

/// For the very cluster that the policies were deleted from.
fn arguments(release: &Release, connection: &Connection) -> Vec<String> {
    let Release { namespace, name } = release;
    let mut arguments = ["uninstall", name, "--namespace", namespace, "--wait"].map(str::to_owned).to_vec();
    if let Some(path) = &connection.kubeconfig {
        arguments.extend(["--kubeconfig".to_owned(), path.display().to_string()]);
    }
    if let Some(context) = &connection.context {
        arguments.extend(["--kube-context".to_owned(), context.clone()]);
    }
    arguments
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn helm_is_sent_to_the_same_cluster() {
        let release = Release { namespace: "r".into(), name: "restward".into() };
        let connection = Connection {
            kubeconfig: Some("/k".into()),
            context: Some("staging".into()),
            namespace: Some("atlassian".into()),
        };
        assert_eq!(
            arguments(&release, &connection).join(" "),
            "uninstall restward --namespace r --wait --kubeconfig /k --kube-context staging"
        );
    }
}
