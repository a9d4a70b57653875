//! Why a pod is injected or not. Pure.

use k8s_openapi::api::core::v1::{Container, Pod};
use kube::ResourceExt as _;
use restward_crds::{api::v1alpha1::RestApiAuthPolicy, condition::ConditionType, names};
use serde::Serialize;

use crate::cluster;

/// Port and variable by which injection knows Confluence.
const HTTP: &str = "http";
const TOMCAT_PORT: &str = "ATL_TOMCAT_PORT";

/// What is the case.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Verdict {
    /// Whether it is as it should be.
    pub(super) is_right: bool,
    pub(super) is_injected: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) policy: Option<String>,
    pub(super) why: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) fix: Option<String>,
}

pub(super) fn of(pod: &Pod, policies: &[RestApiAuthPolicy]) -> Verdict {
    let wanted = chosen(pod, policies);
    match (pod.labels().get(names::LABEL_INJECTED), wanted) {
        (Some(uid), wanted) => injected(pod, uid, wanted, policies),
        (None, Some(policy)) => left_out(pod, policy),
        (None, None) => Verdict {
            is_right: true,
            is_injected: false,
            policy: None,
            why: match policies {
                [] => "it has no sidecar, as its namespace has no policy".into(),
                _ => format!(
                    "it has no sidecar, as no policy of its namespace selects its labels ({})",
                    selectors(policies)
                ),
            },
            fix: None,
        },
    }
}

/// Of several the oldest wins, as injection decides.
fn chosen<'a>(pod: &Pod, policies: &'a [RestApiAuthPolicy]) -> Option<&'a RestApiAuthPolicy> {
    let selected = policies.iter().filter(|policy| {
        policy.metadata.deletion_timestamp.is_none() && cluster::selects(policy, pod.labels())
    });
    selected.min_by_key(|policy| (policy.creation_timestamp(), policy.name_any()))
}

fn injected(
    pod: &Pod,
    uid: &str,
    wanted: Option<&RestApiAuthPolicy>,
    policies: &[RestApiAuthPolicy],
) -> Verdict {
    let owner = policies.iter().find(|policy| policy.uid().as_deref() == Some(uid));
    let name = owner
        .map(kube::ResourceExt::name_any)
        .or_else(|| pod.annotations().get(names::ANNOTATION_POLICY).cloned());
    let shown = name.clone().unwrap_or_else(|| uid.to_owned());
    let restart = Some("restart the pod when Confluence may restart".to_owned());
    let (is_right, why, fix) = match (owner, wanted) {
        (None, _) => (
            false,
            format!("policy {shown} injected it, and is gone; it enforces what it was told last"),
            restart,
        ),
        (Some(owner), _) if owner.metadata.deletion_timestamp.is_some() => (
            false,
            format!("policy {shown} injected it, and waits for it to be gone; it enforces until then"),
            restart,
        ),
        (Some(_), Some(other)) if other.uid().as_deref() != Some(uid) => (
            false,
            format!("policy {shown} injected it, but {} selects it now, which is older", other.name_any()),
            restart,
        ),
        (Some(_), None) => {
            (false, format!("policy {shown} injected it, but does not select its labels any more"), restart)
        }
        (Some(owner), Some(_)) if is_outdated(pod, owner) => {
            (true, format!("policy {shown} injected it; new pods get something else"), restart)
        }
        (Some(_), Some(_)) => {
            (true, format!("policy {shown} selects its labels, and injected it when it was made"), None)
        }
    };
    Verdict { is_right, is_injected: true, policy: name, why, fix }
}

fn is_outdated(pod: &Pod, policy: &RestApiAuthPolicy) -> bool {
    injected_condition(policy).is_some_and(|(reason, message)| {
        reason == "Outdated" && message.split([' ', ',', ':', ';']).any(|word| word == pod.name_any())
    })
}

fn left_out(pod: &Pod, policy: &RestApiAuthPolicy) -> Verdict {
    let name = policy.name_any();
    let (is_right, why, fix) = if !is_confluence(pod, policy) {
        let why = format!(
            "policy {name} selects it, but it is not Confluence: no container has a port named {HTTP} or the variable \
             {TOMCAT_PORT}, so it is left alone"
        );
        (true, why, None)
    } else if policy.status.as_ref().is_none_or(|status| status.in_force.is_none()) {
        let why = format!("policy {name} selects it, but was never accepted, so it injects nothing");
        (false, why, Some("kubectl restward check says what is wrong with the policy".to_owned()))
    } else {
        let said = injected_condition(policy)
            .map(|(_, message)| format!(". Status says: {message}"))
            .unwrap_or_default();
        let why = if pod.creation_timestamp() < policy.creation_timestamp() {
            format!(
                "policy {name} selects it, but it was made before the policy, and pods are injected when they are made{said}"
            )
        } else {
            format!(
                "policy {name} selects it, but it came without the sidecar, which takes breaking the glass{said}"
            )
        };
        (false, why, Some("restart the pod when Confluence may restart; kubectl restward preflight says before what comes".to_owned()))
    };
    Verdict { is_right, is_injected: false, policy: Some(name), why, fix }
}

/// As injection sees it.
fn is_confluence(pod: &Pod, policy: &RestApiAuthPolicy) -> bool {
    let has_port = |it: &Container| it.ports.iter().flatten().any(|port| port.name.as_deref() == Some(HTTP));
    let has_variable = |it: &Container| it.env.iter().flatten().any(|variable| variable.name == TOMCAT_PORT);
    let containers = pod.spec.iter().flat_map(|spec| &spec.containers);
    containers
        .into_iter()
        .any(|it| policy.spec.container.as_ref() == Some(&it.name) || has_port(it) || has_variable(it))
}

fn injected_condition(policy: &RestApiAuthPolicy) -> Option<(&str, &str)> {
    let conditions = &policy.status.as_ref()?.conditions;
    let condition = conditions.iter().find(|it| it.type_ == ConditionType::Injected.as_str())?;
    Some((&condition.reason, &condition.message))
}

fn selectors(policies: &[RestApiAuthPolicy]) -> String {
    let text = policies.iter().map(|policy| {
        let selector = kube::core::Selector::try_from(policy.spec.selector.clone());
        format!("{}: {}", policy.name_any(), selector.map(|it| it.to_string()).unwrap_or_default())
    });
    text.collect::<Vec<_>>().join("; ")
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn policy(name: &str, created: &str, over: Value) -> RestApiAuthPolicy {
        let mut policy = json!({
            "apiVersion": "restward.io/v1alpha1", "kind": "RestApiAuthPolicy",
            "metadata": {"name": name, "uid": format!("uid-{name}"), "creationTimestamp": created},
            "spec": {"selector": {"matchLabels": {"app": "wiki"}}, "keycloak": {"host": "h", "realm": "r"}},
            "status": {"inForce": {"selector": {}, "sidecarImage": "i", "policies": []}, "conditions": [{
                "type": "Injected", "status": "False", "reason": "RestartRequired", "message": "restart wiki-0",
                "lastTransitionTime": "2026-01-01T00:00:00Z"}]},
        });
        if let (Some(under), Value::Object(over)) = (policy.as_object_mut(), over) {
            under.extend(over);
        }
        serde_json::from_value(policy).unwrap()
    }

    fn pod(labels: &Value, port: &str) -> Pod {
        serde_json::from_value(json!({
            "metadata": {"name": "wiki-0", "labels": labels, "creationTimestamp": "2026-02-01T00:00:00Z"},
            "spec": {"containers": [{"name": "c", "ports": [{"name": port, "containerPort": 8090}]}]},
        }))
        .unwrap()
    }

    const BEFORE: &str = "2026-01-01T00:00:00Z";
    const AFTER: &str = "2026-03-01T00:00:00Z";

    #[test]
    fn each_pod_has_its_reason() {
        let plain = || pod(&json!({"app": "wiki"}), "http");
        let by = |uid: &str| pod(&json!({"app": "wiki", names::LABEL_INJECTED: uid}), "http");
        let old = || policy("old", BEFORE, json!({}));
        let never_accepted = policy("old", BEFORE, json!({"status": {}}));
        let outdated = policy(
            "old",
            BEFORE,
            json!({"status": {"conditions": [{
            "type": "Injected", "status": "True", "reason": "Outdated", "message": "wiki-0, wiki-1: restart",
            "lastTransitionTime": "2026-01-01T00:00:00Z"}]}}),
        );
        let table: Vec<(Pod, Vec<RestApiAuthPolicy>, bool, bool, &str)> = vec![
            (plain(), vec![], true, false, "has no policy"),
            (
                pod(&json!({"app": "other"}), "http"),
                vec![old()],
                true,
                false,
                "no policy of its namespace selects its labels (old: app=wiki)",
            ),
            (pod(&json!({"app": "wiki"}), "other"), vec![old()], true, false, "it is not Confluence"),
            (plain(), vec![never_accepted], false, false, "never accepted"),
            (plain(), vec![policy("new", AFTER, json!({}))], false, false, "made before the policy"),
            (plain(), vec![old()], false, false, "takes breaking the glass. Status says: restart wiki-0"),
            (by("uid-old"), vec![old()], true, true, "policy old selects its labels, and injected it"),
            (by("uid-old"), vec![outdated], true, true, "new pods get something else"),
            (by("uid-gone"), vec![old()], false, true, "policy uid-gone injected it, and is gone"),
            (
                by("uid-new"),
                vec![old(), policy("new", AFTER, json!({}))],
                false,
                true,
                "but old selects it now",
            ),
            (
                pod(&json!({"app": "x", names::LABEL_INJECTED: "uid-old"}), "http"),
                vec![old()],
                false,
                true,
                "does not select its labels any more",
            ),
        ];
        for (pod, policies, is_right, is_injected, why) in table {
            let verdict = of(&pod, &policies);
            assert!(verdict.why.contains(why), "{why}: {verdict:?}");
            assert_eq!((verdict.is_right, verdict.is_injected), (is_right, is_injected), "{why}");
        }
    }
}
