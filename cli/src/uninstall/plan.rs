//! What an uninstall has to do, and what is worth knowing before. Pure.

use std::{collections::BTreeSet, fmt};

use k8s_openapi::api::apps::v1::Deployment;
use kube::ResourceExt as _;
use restward_crds::api::v1alpha1::{DeletionPolicy, IdentitySpec, RestApiAuthPolicy, RolloutStrategy};
use serde::Serialize;

use crate::{failure::Failure, output::Shown};

const NO_OPERATOR: &str = "no operator of Restward is available, and only it takes the sidecars away";
const GET_OPERATOR: &str = "bring it up (kubectl restward check says what is wrong; where there is none, install it again), then uninstall; more is in docs/operate/three-in-the-morning.md";

/// A workload that is restarted.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub(super) struct Restart {
    pub(super) namespace: String,
    pub(super) kind: String,
    pub(super) name: String,
}

impl fmt::Display for Restart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}/{}", self.kind, self.namespace, self.name)
    }
}

/// A release of Helm's.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub(super) struct Release {
    pub(super) namespace: String,
    pub(super) name: String,
}

#[derive(Debug, Default, PartialEq, Eq, Serialize)]
pub(super) struct Plan {
    policies: Vec<String>,
    pub(super) restarts: BTreeSet<Restart>,
    pub(super) releases: BTreeSet<Release>,
    /// What the command cannot do, or people should know first.
    notes: Vec<String>,
    /// Nobody would take the sidecars away and let the policies go.
    #[serde(skip)]
    lacks_operator: bool,
}

impl Plan {
    /// From the policies with the number of pods that have their sidecar, and the operators.
    pub(super) fn of(
        policies: &[(RestApiAuthPolicy, usize)],
        operators: &[Deployment],
        restarts: bool,
    ) -> Self {
        let mut plan = Self::default();
        for (policy, pods) in policies {
            plan.add(policy, *pods, restarts);
        }
        plan.lacks_operator = !policies.is_empty() && !operators.iter().any(is_available);
        if plan.lacks_operator {
            plan.notes.push(format!("{NO_OPERATOR}: {GET_OPERATOR}"));
        }
        for operator in operators {
            let annotations = operator.annotations();
            let name = annotations.get("meta.helm.sh/release-name");
            match name.zip(annotations.get("meta.helm.sh/release-namespace")) {
                Some((name, namespace)) => {
                    plan.releases.insert(Release { namespace: namespace.clone(), name: name.clone() });
                }
                None => plan.notes.push(format!(
                    "Deployment {}/{} is no release of Helm's: take it away by what installed it (Argo CD, Flux), once the policies are gone",
                    operator.namespace().unwrap_or_default(),
                    operator.name_any()
                )),
            }
        }
        plan
    }

    fn add(&mut self, policy: &RestApiAuthPolicy, pods: usize, restarts: bool) {
        let namespace = policy.namespace().unwrap_or_default();
        let shown = format!("{namespace}/{}", policy.name_any());
        let released = match policy.spec.deletion_policy {
            DeletionPolicy::Retain => "; its deletionPolicy Retain becomes Detach",
            DeletionPolicy::Detach => "",
        };
        self.policies.push(format!("{shown} ({pods} pods with its sidecar{released})"));
        let link = policy.status.as_ref().and_then(|status| status.application_link.as_ref());
        if let Some(link) = link {
            self.notes.push(format!(
                "the application link {} stays in Confluence: kubectl restward applink remove -n {namespace} --policy {} takes it away, \
                 before this",
                link.consumer_key,
                policy.name_any()
            ));
        }
        let made = policy.status.as_ref().and_then(|status| status.provisioning.as_ref());
        if made.is_some_and(|made| !made.is_empty()) {
            self.notes.push(format!(
                "{shown}: client scope and clients of spec.keycloak.provisioning stay in Keycloak: state: Absent takes them away, before \
                 this"
            ));
        }
        if matches!(policy.spec.upstream.identity, IdentitySpec::Header(_)) {
            self.notes.push(format!(
                "{shown}: without the sidecar whoever reaches Confluence is whom the header names. Take the authenticator that believes \
                 it away first"
            ));
        }
        if pods == 0 {
            return;
        }
        let workloads = policy.status.iter().flat_map(|status| &status.workloads);
        for workload in workloads.filter(|workload| workload.injected > 0) {
            let is_known = matches!(workload.kind.as_str(), "StatefulSet" | "Deployment");
            if is_known && restarts && policy.spec.rollout.strategy != RolloutStrategy::Automatic {
                self.restarts.insert(Restart {
                    namespace: namespace.clone(),
                    kind: workload.kind.clone(),
                    name: workload.name.clone(),
                });
            } else if policy.spec.rollout.strategy != RolloutStrategy::Automatic {
                self.notes.push(format!(
                    "restart {} {namespace}/{} yourself: the policy waits for its pods",
                    workload.kind, workload.name
                ));
            }
        }
    }

    pub(super) fn is_nothing(&self) -> bool {
        self.policies.is_empty() && self.releases.is_empty()
    }

    pub(super) fn cannot_be_done(&self) -> Option<Failure> {
        self.lacks_operator.then(|| Failure::new("let the policies go", NO_OPERATOR, GET_OPERATOR))
    }
}

fn is_available(operator: &Deployment) -> bool {
    operator.status.as_ref().and_then(|status| status.available_replicas).is_some_and(|count| count > 0)
}

impl Shown for Plan {
    fn text(&self) -> String {
        if self.is_nothing() && self.notes.is_empty() {
            return "there is no policy, and no operator of Restward".into();
        }
        let mut lines = Vec::new();
        let mut step = |what: String, of: Vec<String>| {
            if !of.is_empty() {
                lines.push(what);
                lines.extend(of.into_iter().map(|it| format!("  {it}")));
            }
        };
        step("delete policies".into(), self.policies.clone());
        step(
            "restart, so that pods come without the sidecar".into(),
            self.restarts.iter().map(ToString::to_string).collect(),
        );
        let releases = self
            .releases
            .iter()
            .map(|release| format!("helm uninstall {} -n {}", release.name, release.namespace));
        step("then".into(), releases.collect());
        step("to know before".into(), self.notes.clone());
        lines.join("\n")
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn policy(spec: Value, injected: i32) -> RestApiAuthPolicy {
        let mut policy = json!({
            "apiVersion": "restward.io/v1alpha1", "kind": "RestApiAuthPolicy",
            "metadata": {"name": "wiki", "namespace": "atlassian"},
            "spec": {"selector": {"matchLabels": {"app": "wiki"}}, "keycloak": {"host": "h", "realm": "r"}},
            "status": {
                "workloads": [
                    {"kind": "StatefulSet", "name": "wiki", "pods": injected, "injected": injected},
                    {"kind": "Pod", "name": "alone", "pods": injected, "injected": injected},
                    {"kind": "Deployment", "name": "bare", "pods": 1, "injected": 0},
                ],
                "applicationLink": {"consumerKey": "restward-wiki", "publicKey": "p", "fingerprint": "f"},
            },
        });
        if let (Some(under), Value::Object(over)) = (policy["spec"].as_object_mut(), spec) {
            under.extend(over);
        }
        serde_json::from_value(policy).unwrap()
    }

    fn operator(annotations: &Value) -> Deployment {
        serde_json::from_value(
            json!({"metadata": {"name": "restward", "namespace": "r", "annotations": annotations}, "status": {"availableReplicas": 1}}),
        )
        .unwrap()
    }

    fn restarts(plan: &Plan) -> Vec<String> {
        plan.restarts.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn workloads_with_the_sidecar_restart_and_what_cannot_is_told() {
        let plan = Plan::of(&[(policy(json!({}), 2), 3)], &[], true);
        assert_eq!(restarts(&plan), ["StatefulSet atlassian/wiki"]);
        assert!(plan.text().contains("restart Pod atlassian/alone yourself"), "{}", plan.text());
        assert!(plan.text().contains("applink remove -n atlassian --policy wiki"));
        assert!(!plan.text().contains("stay in Keycloak"));
    }

    #[test]
    fn that_a_policy_is_not_retained_is_told() {
        let told = |how: &str| Plan::of(&[(policy(json!({"deletionPolicy": how}), 1), 1)], &[], true).text();
        assert!(
            told("Retain").contains("atlassian/wiki (1 pods with its sidecar; its deletionPolicy Retain")
        );
        assert!(!told("Detach").contains("Retain"));
    }

    #[test]
    fn what_the_operator_made_in_the_realm_is_told() {
        let told = |status: Value| {
            let mut policy = policy(json!({}), 0);
            policy.status.as_mut().unwrap().provisioning = serde_json::from_value(status).unwrap();
            Plan::of(&[(policy, 0)], &[], true).text().contains("stay in Keycloak: state: Absent")
        };
        assert!(told(json!({"clientScope": "confluence"})) && told(json!({"clients": ["reports"]})));
        assert!(!told(json!({"lastChange": "removed"})));
    }

    #[test]
    fn who_rolls_out_by_itself_or_by_hand_is_left_alone() {
        let automatic = policy(json!({"rollout": {"strategy": "Automatic"}}), 2);
        assert!(restarts(&Plan::of(&[(automatic, 2)], &[], true)).is_empty());
        let by_hand = Plan::of(&[(policy(json!({}), 2), 2)], &[], false);
        assert!(
            restarts(&by_hand).is_empty()
                && by_hand.text().contains("restart StatefulSet atlassian/wiki yourself")
        );
        assert!(
            restarts(&Plan::of(&[(policy(json!({}), 0), 0)], &[], true)).is_empty(),
            "nothing has the sidecar"
        );
    }

    #[test]
    fn a_header_that_is_a_login_is_told_before() {
        let header = policy(json!({"upstream": {"identity": {"header": {"name": "X-Forwarded-User"}}}}), 1);
        assert!(Plan::of(&[(header, 1)], &[], true).text().contains("Take the authenticator"));
    }

    #[test]
    fn without_an_operator_policies_are_not_waited_for() {
        let cannot = |operators: &[Deployment]| {
            let plan = Plan::of(&[(policy(json!({}), 1), 1)], operators, true);
            assert_eq!(plan.text().contains(NO_OPERATOR), plan.cannot_be_done().is_some());
            plan.cannot_be_done().is_some()
        };
        let away = Deployment { status: None, ..operator(&json!({})) };
        assert!(cannot(&[]) && cannot(std::slice::from_ref(&away)));
        assert!(!cannot(&[away, operator(&json!({}))]));
        assert!(Plan::of(&[], &[], true).cannot_be_done().is_none(), "no policy waits for it");
    }

    #[test]
    fn helm_takes_away_what_it_made_and_nothing_else() {
        let of_helm = operator(
            &json!({"meta.helm.sh/release-name": "restward", "meta.helm.sh/release-namespace": "r"}),
        );
        let plan = Plan::of(&[], &[of_helm, operator(&json!({}))], true);
        assert_eq!(plan.releases.len(), 1);
        assert!(
            plan.text().contains("helm uninstall restward -n r")
                && plan.text().contains("no release of Helm's")
        );
        assert!(Plan::of(&[], &[], true).is_nothing());
    }
}
