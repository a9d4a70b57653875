//! What differs between two pods, without what differs between any two pods. Pure.

use std::collections::BTreeSet;

use serde::Serialize;
use serde_json::{Map, Value};

/// One place that differs.
#[derive(Debug, PartialEq, Serialize)]
pub(super) struct Change {
    /// Where, such as `spec.containers[confluence].env[ATL_TOMCAT_PORT].value`.
    pub(super) path: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) before: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) after: Option<Value>,
}

/// Labels that controllers put on each pod.
const OF_ONE_POD: [&str; 4] = [
    "controller-revision-hash",
    "pod-template-hash",
    "statefulset.kubernetes.io/pod-name",
    "apps.kubernetes.io/pod-index",
];
/// The volume with the ServiceAccount's token, whose name ends at random.
const TOKEN_VOLUME: &str = "kube-api-access-";
/// Members by which entries of lists are known, in this order.
const KEYS: [&str; 3] = ["name", "mountPath", "ip"];

pub(super) fn between(before: Value, after: Value) -> Vec<Change> {
    let mut changes = Vec::new();
    compare("", Some(&comparable(before)), Some(&comparable(after)), &mut changes);
    changes
}

/// Without what is of one pod only.
fn comparable(mut pod: Value) -> Value {
    let keep = |members: Option<&mut Value>, wanted: &dyn Fn(&str) -> bool| {
        if let Some(Value::Object(members)) = members {
            members.retain(|name, _| wanted(name));
        }
    };
    keep(Some(&mut pod), &|name| matches!(name, "metadata" | "spec"));
    keep(pod.get_mut("metadata"), &|name| matches!(name, "labels" | "annotations"));
    keep(pod.pointer_mut("/metadata/labels"), &|name| !OF_ONE_POD.contains(&name));
    // The operator touches it so that the kubelet looks at once; it is nothing that a restart brings.
    keep(pod.pointer_mut("/metadata/annotations"), &|name| {
        name != restward_crds::names::ANNOTATION_CONFIG_HASH
    });
    keep(pod.get_mut("spec"), &|name| !matches!(name, "nodeName" | "hostname" | "subdomain"));
    same_token_volume(&mut pod);
    pod
}

fn same_token_volume(value: &mut Value) {
    match value {
        Value::Object(members) => {
            if let Some(Value::String(name)) = members.get_mut("name")
                && name.starts_with(TOKEN_VOLUME)
            {
                name.truncate(TOKEN_VOLUME.len());
            }
            members.values_mut().for_each(same_token_volume);
        }
        Value::Array(entries) => entries.iter_mut().for_each(same_token_volume),
        _ => {}
    }
}

fn compare(path: &str, before: Option<&Value>, after: Option<&Value>, changes: &mut Vec<Change>) {
    if before == after {
        return;
    }
    match (before, after) {
        (Some(Value::Object(old)), Some(Value::Object(new))) => members(old, new, |name, old, new| {
            let path = if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
            compare(&path, old, new, changes);
        }),
        (Some(Value::Array(old)), Some(Value::Array(new)))
            if let Some((old, new)) = keyed(old).zip(keyed(new)) =>
        {
            members(&old, &new, |name, old, new| compare(&format!("{path}[{name}]"), old, new, changes));
        }
        _ => changes.push(Change { path: path.to_owned(), before: before.cloned(), after: after.cloned() }),
    }
}

fn members(
    old: &Map<String, Value>,
    new: &Map<String, Value>,
    mut each: impl FnMut(&str, Option<&Value>, Option<&Value>),
) {
    let names: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
    for name in names {
        each(name, old.get(name), new.get(name));
    }
}

/// A list by what its entries are known by, if each is known and no two are the same.
fn keyed(entries: &[Value]) -> Option<Map<String, Value>> {
    let key = KEYS
        .iter()
        .rev()
        .find(|key| entries.iter().all(|entry| entry.get(key).is_some_and(Value::is_string)))?;
    let map: Map<String, Value> = entries
        .iter()
        .filter_map(|entry| Some((entry.get(key)?.as_str()?.to_owned(), entry.clone())))
        .collect();
    (map.len() == entries.len()).then_some(map)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn shown(before: Value, after: Value) -> Vec<String> {
        let one = |change: Change| {
            let text = |value: Option<Value>| value.map_or_else(|| "-".to_owned(), |value| value.to_string());
            format!("{} {} {}", change.path, text(change.before), text(change.after))
        };
        between(before, after).into_iter().map(one).collect()
    }

    fn pod(name: &str, token: &str, spec: &[(&str, Value)]) -> Value {
        let mut pod = json!({
            "metadata": {"name": name, "uid": name, "labels": {"app": "wiki", "statefulset.kubernetes.io/pod-name": name},
                         "annotations": {"restward.io/config-hash": name}},
            "spec": {"nodeName": name, "hostname": name, "volumes": [{"name": format!("kube-api-access-{token}")}]},
            "status": {"phase": name},
        });
        for (member, value) in spec {
            pod["spec"][member] = value.clone();
        }
        pod
    }

    #[test]
    fn what_any_two_pods_differ_in_is_no_change() {
        assert!(between(pod("wiki-0", "abcde", &[]), pod("wiki-1", "fghij", &[])).is_empty());
    }

    #[test]
    fn entries_of_lists_are_compared_by_their_names() {
        let containers = |port: &str| {
            json!([{"name": "confluence", "env": [{"name": "A", "value": "1"}, {"name": "ATL_TOMCAT_PORT", "value": port}],
                    "volumeMounts": [{"name": "home", "mountPath": "/a"}, {"name": "home", "mountPath": "/b"}]}])
        };
        let mut after = containers("18090");
        after[0]["env"].as_array_mut().unwrap().reverse();
        after[0]["volumeMounts"][1]["mountPath"] = json!("/c");
        assert_eq!(
            shown(
                pod("a", "x", &[("containers", containers("8090"))]),
                pod("b", "y", &[("containers", after)])
            ),
            [
                r#"spec.containers[confluence].env[ATL_TOMCAT_PORT].value "8090" "18090""#,
                r#"spec.containers[confluence].volumeMounts[/b] {"mountPath":"/b","name":"home"} -"#,
                r#"spec.containers[confluence].volumeMounts[/c] - {"mountPath":"/c","name":"home"}"#,
            ]
        );
    }

    #[test]
    fn what_comes_and_goes_and_lists_of_words_are_whole() {
        assert_eq!(
            shown(
                pod("a", "x", &[("args", json!(["1"])), ("old", json!(true))]),
                pod(
                    "b",
                    "y",
                    &[("args", json!(["2", "3"])), ("initContainers", json!([{"name": "restward-proxy"}]))]
                ),
            ),
            [
                r#"spec.args ["1"] ["2","3"]"#,
                r#"spec.initContainers - [{"name":"restward-proxy"}]"#,
                "spec.old true -",
            ]
        );
    }
}
