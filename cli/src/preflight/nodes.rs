//! On which nodes a pod could come to run, and what these have of an image already. Pure.

use k8s_openapi::api::core::v1::{Node, NodeSelectorRequirement, NodeSelectorTerm, Pod, PodSpec, Taint};
use kube::ResourceExt as _;

/// Those on which the pod could come to run, as far as its node selector, required node affinity and tolerations say.
pub(super) fn eligible<'a>(nodes: &'a [Node], pod: &Pod) -> Vec<&'a Node> {
    let spec = pod.spec.as_ref();
    nodes.iter().filter(|node| spec.is_none_or(|spec| could_run(node, spec))).collect()
}

fn could_run(node: &Node, spec: &PodSpec) -> bool {
    let labels = node.labels();
    let is_linux = labels.get("kubernetes.io/os").is_none_or(|os| os == "linux");
    let is_selected =
        spec.node_selector.iter().flatten().all(|(name, value)| labels.get(name) == Some(value));
    let own = node.spec.as_ref();
    let is_open = own.and_then(|own| own.unschedulable) != Some(true);
    let taints = own.and_then(|own| own.taints.as_deref()).unwrap_or_default();
    let keeps_away = |taint: &Taint| taint.effect != "PreferNoSchedule" && !is_tolerated(taint, spec);
    is_linux && is_selected && is_open && is_attractive(node, spec) && !taints.iter().any(keeps_away)
}

fn is_attractive(node: &Node, spec: &PodSpec) -> bool {
    let affinity = spec.affinity.as_ref().and_then(|affinity| affinity.node_affinity.as_ref());
    let required = affinity.and_then(|it| it.required_during_scheduling_ignored_during_execution.as_ref());
    let fits = |term: &NodeSelectorTerm| term.match_expressions.iter().flatten().all(|it| holds(it, node));
    required.is_none_or(|required| required.node_selector_terms.iter().any(fits))
}

fn holds(wanted: &NodeSelectorRequirement, node: &Node) -> bool {
    let value = node.labels().get(&wanted.key);
    let is_listed = value.is_some_and(|value| wanted.values.iter().flatten().any(|it| it == value));
    match wanted.operator.as_str() {
        "In" => is_listed,
        "NotIn" => !is_listed,
        "Exists" => value.is_some(),
        "DoesNotExist" => value.is_none(),
        // Numbers are compared seldom; a node too many is looked at.
        _ => true,
    }
}

fn is_tolerated(taint: &Taint, spec: &PodSpec) -> bool {
    spec.tolerations.iter().flatten().any(|toleration| {
        let is_of_key = toleration.key.as_ref().is_none_or(|key| *key == taint.key);
        let is_of_effect = toleration.effect.as_ref().is_none_or(|effect| *effect == taint.effect);
        let is_of_value = toleration.operator.as_deref() == Some("Exists")
            || toleration.value.as_deref().unwrap_or_default() == taint.value.as_deref().unwrap_or_default();
        is_of_key && is_of_effect && is_of_value
    })
}

/// Whether a node says that it has the image. A kubelet tells of fifty images only.
pub(super) fn has_image(node: &Node, image: &str) -> bool {
    let wanted = full_name(image);
    let images = node.status.iter().flat_map(|status| status.images.iter().flatten());
    images.flat_map(|image| image.names.iter().flatten()).any(|name| full_name(name) == wanted)
}

/// As the kubelet writes it: with the registry, and with either tag or digest.
fn full_name(image: &str) -> String {
    let (name, digest) = image.split_once('@').map_or((image, None), |(name, digest)| (name, Some(digest)));
    let (first, rest) = name.split_once('/').unwrap_or(("", name));
    let name = match first {
        "" => format!("docker.io/library/{rest}"),
        registry if registry.contains(['.', ':']) || registry == "localhost" => name.to_owned(),
        _ => format!("docker.io/{name}"),
    };
    let at = name.rfind('/').unwrap_or_default();
    let is_tagged = name.get(at..).is_some_and(|last| last.contains(':'));
    match digest {
        Some(digest) if is_tagged => format!("{}@{digest}", name.rsplit_once(':').unwrap_or_default().0),
        Some(digest) => format!("{name}@{digest}"),
        None if is_tagged => name,
        None => format!("{name}:latest"),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn node(rest: &Value) -> Node {
        let mut node =
            json!({"metadata": {"name": "n", "labels": {"pool": "wiki", "kubernetes.io/os": "linux"}}});
        node.as_object_mut().unwrap().extend(rest.as_object().unwrap().clone());
        serde_json::from_value(node).unwrap()
    }

    fn is_eligible(pod: &Value, rest: &Value) -> bool {
        let mut spec = json!({"containers": []});
        spec.as_object_mut().unwrap().extend(pod.as_object().unwrap().clone());
        let pod: Pod = serde_json::from_value(json!({"spec": spec})).unwrap();
        !eligible(&[node(rest)], &pod).is_empty()
    }

    #[test]
    fn nodes_that_the_scheduler_would_not_take_are_left_out() {
        let affinity = |operator: &str, values: &[&str]| {
            let wanted = json!({"key": "pool", "operator": operator, "values": values});
            json!({"affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {
                "nodeSelectorTerms": [{"matchExpressions": [wanted]}]}}}})
        };
        let taint =
            |effect: &str| json!({"spec": {"taints": [{"key": "only", "value": "db", "effect": effect}]}});
        let tolerates = |toleration: Value| json!({"tolerations": [toleration]});
        let none = json!({});
        let windows = json!({"metadata": {"labels": {"kubernetes.io/os": "windows"}}});
        for (pod, node, want) in [
            (none.clone(), none.clone(), true),
            (none.clone(), windows, false),
            (json!({"nodeSelector": {"pool": "wiki"}}), none.clone(), true),
            (json!({"nodeSelector": {"pool": "db"}}), none.clone(), false),
            (affinity("In", &["wiki"]), none.clone(), true),
            (affinity("In", &["db"]), none.clone(), false),
            (affinity("NotIn", &["wiki"]), none.clone(), false),
            (affinity("Exists", &[]), none.clone(), true),
            (affinity("DoesNotExist", &[]), none.clone(), false),
            (none.clone(), json!({"spec": {"unschedulable": true}}), false),
            (none.clone(), taint("NoSchedule"), false),
            (none, taint("PreferNoSchedule"), true),
            (tolerates(json!({"operator": "Exists"})), taint("NoExecute"), true),
            (tolerates(json!({"key": "only", "value": "db"})), taint("NoSchedule"), true),
            (tolerates(json!({"key": "only", "value": "wiki"})), taint("NoSchedule"), false),
            (
                tolerates(json!({"key": "only", "value": "db", "effect": "NoExecute"})),
                taint("NoSchedule"),
                false,
            ),
        ] {
            assert_eq!(is_eligible(&pod, &node), want, "{pod} {node}");
        }
    }

    #[test]
    fn an_image_is_known_by_each_of_its_names() {
        let node = node(&json!({"status": {"images": [
            {"names": ["docker.io/acme/sidecar:1", "docker.io/acme/sidecar@sha256:ab"]}, {"names": ["registry:5000/sidecar:2"]},
            {"names": ["docker.io/library/sidecar:latest"]}, {"sizeBytes": 1}]}}));
        for image in [
            "acme/sidecar:1",
            "docker.io/acme/sidecar:1",
            "acme/sidecar@sha256:ab",
            "acme/sidecar:7@sha256:ab",
            "registry:5000/sidecar:2",
            "sidecar",
        ] {
            assert!(has_image(&node, image), "{image}");
        }
        for image in ["acme/sidecar:2", "sidecar:1", "registry:5000/sidecar", "acme/sidecar@sha256:cd"] {
            assert!(!has_image(&node, image), "{image}");
        }
    }
}
