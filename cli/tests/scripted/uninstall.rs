//! `uninstall`: policies first, then the pods with their sidecars, then the operator.

use std::fs;

use serde_json::json;

use crate::{
    Ended, Home,
    api::{ApiServer, Objects},
    wiki::{POD, POLICY, objects},
};

const WORKLOAD: &str = "/apis/apps/v1/namespaces/n/statefulsets/wiki";
const OPERATOR: &str = "/apis/apps/v1/namespaces/ops/deployments/restward";
const WEBHOOK: &str = "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations/restward-n-wiki";

/// What becomes of the pod.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Pod {
    /// It is made anew, without the sidecar, when its workload is restarted.
    Follows,
    Stays,
}

struct Given {
    api: ApiServer,
    home: Home,
}

impl Given {
    /// With a helm that ends like this.
    async fn with(test: &str, pod: Pod, helm: u8) -> Self {
        Self::of(test, pod, helm, objects()).await
    }

    async fn of(test: &str, pod: Pod, helm: u8, mut all: Objects) -> Self {
        let labels = json!({"app.kubernetes.io/name": "restward", "app.kubernetes.io/component": "operator"});
        let release =
            json!({"meta.helm.sh/release-name": "restward", "meta.helm.sh/release-namespace": "ops"});
        let operator = json!({"apiVersion": "apps/v1", "kind": "Deployment",
            "metadata": {"name": "restward", "namespace": "ops", "labels": labels, "annotations": release}, "status": {"availableReplicas": 1}});
        all.entry(OPERATOR.into()).or_insert(operator);
        all.insert(WORKLOAD.into(), json!({"apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": {"name": "wiki", "namespace": "n"}}));
        let uid = all[POLICY]["metadata"]["uid"].clone();
        all.insert(
            WEBHOOK.into(),
            json!({"apiVersion": "admissionregistration.k8s.io/v1", "kind": "MutatingWebhookConfiguration",
            "metadata": {"name": "restward-n-wiki", "labels": {"restward.io/policy": uid}}}),
        );
        let mut others = Others { pod, looked: 0, is_anew: false };
        let api = ApiServer::start(all, [].into(), move |objects| others.act(objects)).await;
        let home = Home::new(test, &api.url);
        let script =
            format!("#!/bin/sh\necho \"$@\" >>'{}'\nexit {helm}\n", home.0.join("helm.log").display());
        let path = home.file("helm", &script);
        fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
        Self { api, home }
    }

    async fn run(&self, arguments: &[&str]) -> Ended {
        self.home.run(&[&["uninstall"], arguments].concat()).await
    }

    /// What helm was called with.
    fn helm(&self) -> String {
        fs::read_to_string(self.home.0.join("helm.log")).unwrap_or_default()
    }
}

/// The StatefulSet's controller, and the operator, which takes away its webhook some time after a deletion, and lets a policy go when no
/// pod has its sidecar.
struct Others {
    pod: Pod,
    /// How often the operator has looked since the deletion.
    looked: u32,
    /// The pod was made anew, with the sidecar or without.
    is_anew: bool,
}

impl Others {
    fn act(&mut self, objects: &mut Objects) {
        let annotations = &objects[WORKLOAD]["spec"]["template"]["metadata"]["annotations"];
        let is_restarted = !annotations["kubectl.kubernetes.io/restartedAt"].is_null();
        let Some(policy) = objects.get(POLICY) else { return };
        let is_let_go = !policy["metadata"]["deletionTimestamp"].is_null()
            && policy["spec"]["deletionPolicy"] != "Retain";
        if is_restarted && self.pod == Pod::Follows && !self.is_anew {
            self.is_anew = true;
            if !objects.contains_key(WEBHOOK) {
                objects.remove(POD);
            }
        }
        self.looked += u32::from(is_let_go);
        // Later where it matters.
        if self.looked > if self.pod == Pod::Follows { 4 } else { 0 } {
            objects.remove(WEBHOOK);
        }
        if is_let_go && !objects.contains_key(POD) {
            objects.remove(POLICY);
        }
    }
}

#[tokio::test]
async fn it_goes_in_the_order_in_which_nothing_is_left_behind() {
    let given = Given::with("whole", Pod::Follows, 0).await;
    given.run(&["--yes"]).await.is(
        0,
        &[
            "n/wiki (1 pods with its sidecar)",
            "StatefulSet n/wiki",
            "application link restward-n-wiki stays",
            "policy wiki waits for the operator",
            "new pods come without the sidecar of policy wiki",
            "policy wiki is gone",
            "Restward is gone",
        ],
    );
    assert_eq!(given.api.changes(), [format!("DELETE {POLICY}"), format!("PATCH {WORKLOAD}")]);
    assert!(!given.api.has(POLICY) && !given.api.has(POD));
    let helm = given.helm();
    assert!(helm.starts_with("uninstall restward --namespace ops --wait --kubeconfig "), "{helm}");
    assert_eq!(helm.lines().count(), 1);
}

#[tokio::test]
async fn a_policy_that_would_be_retained_is_released() {
    let mut all = objects();
    all.get_mut(POLICY).unwrap()["spec"]["deletionPolicy"] = json!("Retain");
    let given = Given::of("retained", Pod::Follows, 0, all).await;
    given.run(&["--yes"]).await.is(0, &["its deletionPolicy Retain becomes Detach", "policy wiki is gone"]);
    let changes = [format!("PATCH {POLICY}"), format!("DELETE {POLICY}"), format!("PATCH {WORKLOAD}")];
    assert_eq!(given.api.changes(), changes);
}

#[tokio::test]
async fn without_a_yes_nothing_is_done() {
    let given = Given::with("asked", Pod::Follows, 0).await;
    given.run(&[]).await.is(1, &["Do all this?", "nothing was changed"]);
    given.run(&["--dry-run"]).await.is(0, &["delete policies", "helm uninstall restward -n ops"]);
    let restarts = "\"restarts\": [\n    {\n      \"namespace\": \"n\",\n      \"kind\": \"StatefulSet\"";
    given.run(&["--dry-run", "-o", "json"]).await.is(0, &[restarts, "\"name\": \"restward\""]);
    assert!(given.api.changes().is_empty() && given.helm().is_empty());
    given.run(&["--dry-run", "--yes"]).await.is(2, &[]);
}

#[tokio::test]
async fn the_operator_stays_while_a_pod_has_the_sidecar_and_it_can_be_run_again() {
    let given = Given::with("waits", Pod::Stays, 0).await;
    given
        .run(&["--yes", "--timeout", "0"])
        .await
        .is(3, &["these pods have its sidecar: wiki-0", "run the command again"]);
    assert!(given.api.has(POLICY) && given.helm().is_empty(), "the operator would be missed");
    given.run(&["--yes", "--timeout", "0"]).await.is(3, &["wiki-0"]);
    assert!(given.helm().is_empty());
}

#[tokio::test]
async fn workloads_are_left_alone_when_that_is_wanted() {
    let given = Given::with("alone", Pod::Stays, 0).await;
    given
        .run(&["--yes", "--no-restart", "--timeout", "0"])
        .await
        .is(3, &["restart StatefulSet n/wiki yourself", "wiki-0"]);
    assert_eq!(given.api.changes(), [format!("DELETE {POLICY}")]);
}

#[tokio::test]
async fn without_an_operator_nothing_is_begun() {
    let mut all = objects();
    let away = json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "restward", "namespace": "ops"}});
    all.insert(OPERATOR.into(), away);
    let given = Given::of("operatorless", Pod::Follows, 0, all).await;
    given.run(&["--yes"]).await.is(3, &["no operator of Restward is available", "kubectl restward check"]);
    assert!(given.api.changes().is_empty() && given.helm().is_empty());
}

#[tokio::test]
async fn a_release_that_stays_is_told_with_what_is_left_to_do() {
    let given = Given::with("helm", Pod::Follows, 1).await;
    given
        .run(&["--yes"])
        .await
        .is(3, &["helm ended with", "the policies are gone", "helm uninstall restward --namespace ops"]);
    assert!(!given.api.has(POLICY));
}
