//! What holds for any pod.

use proptest::prelude::*;
use restward_operator::inject::{self, Decision};
use serde_json::{Map, Value, json};

use crate::support::{assert_stable, injected, pod, policy, sidecar};

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        ".{0,8}".prop_map(Value::from),
        prop::sample::select(vec!["http", "8090", "restward-proxy", "Always", "ATL_TOMCAT_PORT"])
            .prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 32, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map(any_key(), inner, 0..4)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

/// Keys that pods have, and others.
fn any_key() -> impl Strategy<Value = String> {
    prop_oneof![
        prop::sample::select(vec![
            "spec",
            "metadata",
            "containers",
            "initContainers",
            "name",
            "env",
            "ports",
            "volumes",
            "httpGet",
            "port",
            "containerPort",
            "value",
            "labels",
            "annotations",
            "securityContext",
            "readinessProbe",
            "volumeMounts",
        ])
        .prop_map(str::to_owned),
        "[a-z/~]{1,6}",
    ]
}

/// Members that no version of Kubernetes has.
fn unknown_members() -> impl Strategy<Value = Map<String, Value>> {
    prop::collection::btree_map("x-[a-z/~.]{1,6}", any_json(), 1..4)
        .prop_map(|members| members.into_iter().collect())
}

const OBJECTS: [&str; 8] = [
    "",
    "/metadata",
    "/spec",
    "/spec/containers/0",
    "/spec/containers/0/env/0",
    "/spec/containers/0/ports/0",
    "/spec/containers/0/readinessProbe",
    "/spec/volumes/0",
];

proptest! {
    #[test]
    fn unknown_fields_are_kept(members in unknown_members(), place in prop::sample::select(OBJECTS.to_vec())) {
        let mut pod = pod("all-probes.yaml");
        pod["spec"]["volumes"] = json!([{"name": "local-home", "emptyDir": {}}]);
        pod.pointer_mut(place).unwrap().as_object_mut().unwrap().extend(members.clone());
        let injected = injected(&pod);
        for (key, value) in &members {
            prop_assert_eq!(injected.pointer(place).unwrap().get(key), Some(value));
        }
        assert_stable(&injected);
    }

    #[test]
    fn garbage_neither_panics_nor_makes_a_patch_that_does_not_apply(garbage in any_json()) {
        apply(garbage);
    }

    #[test]
    fn a_pod_with_garbage_in_one_place_is_decided(
        garbage in any_json(),
        place in prop::sample::select(vec![
            "/metadata", "/metadata/labels", "/metadata/annotations", "/spec", "/spec/containers",
            "/spec/containers/0", "/spec/containers/0/env", "/spec/containers/0/env/0", "/spec/containers/0/ports",
            "/spec/containers/0/volumeMounts", "/spec/containers/0/readinessProbe",
            "/spec/containers/0/readinessProbe/httpGet", "/spec/containers/0/lifecycle", "/spec/volumes",
            "/spec/securityContext",
        ])
    ) {
        let mut pod = pod("default.yaml");
        *pod.pointer_mut(place).unwrap() = garbage;
        apply(pod);
    }
}

fn apply(mut pod: Value) {
    if let Decision::Inject(operations) = inject::decide(&pod, &policy(), &sidecar()) {
        json_patch::patch(&mut pod, &operations).expect("the patch applies");
        assert_stable(&pod);
    }
}
