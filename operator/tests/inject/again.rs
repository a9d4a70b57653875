//! The API server calls again after other injectors changed the pod. What then stands under our names is not believed.

use restward_crds::names;
use restward_operator::inject::{self, Decision, RefusalReason};
use serde_json::json;

use crate::support::{self, assert_stable, injected, pod, settings};

#[test]
fn a_mesh_proxy_that_comes_later_goes_first() {
    let mut pod = injected(&pod("default.yaml"));
    let init = pod["spec"]["initContainers"].as_array_mut().unwrap();
    init.push(json!({"name": "linkerd-proxy", "image": "proxy", "restartPolicy": "Always"}));
    let pod = injected(&pod);
    assert_eq!(pod["spec"]["initContainers"][0]["name"], "linkerd-proxy");
    assert_eq!(pod["spec"]["initContainers"][1]["name"], names::SIDECAR_CONTAINER);
    assert_stable(&pod);
}

#[test]
fn another_init_container_that_comes_later_goes_behind() {
    let mut pod = injected(&pod("default.yaml"));
    pod["spec"]["initContainers"].as_array_mut().unwrap().insert(0, json!({"name": "vault-agent-init"}));
    let pod = injected(&pod);
    assert_eq!(pod["spec"]["initContainers"][0]["name"], names::SIDECAR_CONTAINER);
    assert_stable(&pod);
}

#[test]
fn a_made_up_sidecar_is_replaced_as_a_whole() {
    let mut fake = pod("default.yaml");
    fake["spec"]["initContainers"] = json!([{
        "name": names::SIDECAR_CONTAINER,
        "image": "registry.example.com/evil",
        "command": ["sleep", "infinity"],
        "env": [{"name": names::ENV_POD, "value": "{\"listenPort\": 1}"}]
    }]);
    fake["metadata"]["annotations"][names::ANNOTATION_INJECTED_HASH] = json!("made up");
    assert_eq!(injected(&fake), injected(&pod("default.yaml")));
}

#[test]
fn what_somebody_changed_in_the_sidecar_is_put_back() {
    let good = injected(&pod("default.yaml"));
    for (place, value) in [
        ("/spec/initContainers/0/image", json!("registry.example.com/evil")),
        ("/spec/initContainers/0/command", json!(["sleep", "infinity"])),
        ("/spec/initContainers/0/securityContext/privileged", json!(true)),
        ("/spec/initContainers/0/volumeMounts/1/mountPath", json!("/elsewhere")),
        ("/spec/volumes/2/projected/sources/0/configMap/name", json!("mine")),
        ("/spec/containers/0/env/2/value", json!("8090")),
        ("/metadata/annotations/restward.io~1injected-hash", json!("made up")),
        ("/metadata/labels/restward.io~1injected", json!("made up")),
    ] {
        let mut changed = good.clone();
        json_patch::patch(
            &mut changed,
            &serde_json::from_value::<json_patch::Patch>(
                json!([{"op": "add", "path": place, "value": value}]),
            )
            .unwrap(),
        )
        .unwrap_or_else(|error| panic!("{place}: {error}"));
        assert_ne!(changed, good, "{place}");
        assert_eq!(injected(&changed), good, "{place}");
    }
}

#[test]
fn probes_keep_what_they_did_over_several_passes() {
    let once = injected(&pod("all-probes.yaml"));
    let probes = settings(&once).probes;
    assert_eq!(probes.len(), 4);
    let mut changed = once.clone();
    changed["spec"]["containers"][0]["readinessProbe"]["timeoutSeconds"] = json!(9);
    changed["spec"]["containers"].as_array_mut().unwrap().insert(0, json!({"name": "late", "image": "late"}));
    let twice = injected(&changed);
    let later = settings(&twice).probes;
    assert_eq!(later.len(), 4);
    for (before, after) in probes.iter().zip(&later) {
        assert_eq!((&before.name, &before.action), (&after.name, &after.action));
    }
    assert_eq!(later[1].timeout_seconds, 9);
    assert_stable(&twice);
}

/// Istio's agent takes the probes over (15020) and asks what they named before: the admin port.
#[test]
fn a_probe_that_another_injector_took_over_is_still_known_to_the_admin_port() {
    let mut pod = injected(&pod("all-probes.yaml"));
    let before = settings(&pod).probes;
    let taken =
        json!({"httpGet": {"path": "/app-health/confluence/readyz", "port": 15020}, "timeoutSeconds": 7});
    pod["spec"]["containers"][0]["readinessProbe"] = taken.clone();
    let pod = injected(&pod);
    assert_eq!(pod["spec"]["containers"][0]["readinessProbe"], taken);
    assert_eq!(settings(&pod).probes, before);
    assert_stable(&pod);
}

#[test]
fn the_derived_server_xml_is_put_back_and_never_another() {
    let good = injected(&pod("chart-server-xml.yaml"));
    let last = good["spec"]["volumes"].as_array().unwrap().len() - 1;
    for (place, value) in [
        ("configMap/name".to_owned(), json!("mine")),
        ("configMap/items".to_owned(), json!([{"key": "server-00000000000000aa.xml", "path": "other.xml"}])),
        ("emptyDir".to_owned(), json!({})),
    ] {
        let mut changed = good.clone();
        let patch = json!([{"op": "add", "path": format!("/spec/volumes/{last}/{place}"), "value": value}]);
        json_patch::patch(&mut changed, &serde_json::from_value::<json_patch::Patch>(patch).unwrap())
            .unwrap();
        assert_ne!(changed, good, "{place}");
        assert_eq!(injected(&changed), good, "{place}");
    }
    // The source changed between two passes: the pod is tried again, with the file of a moment later.
    let mut policy = support::policy();
    policy.server_xml.clear();
    let decision = inject::decide(&good, &policy, &support::sidecar());
    assert!(
        matches!(&decision, Decision::Refuse(refusal) if refusal.reason == RefusalReason::ServerXmlPending),
        "{decision:?}"
    );
}

#[test]
fn a_pod_whose_server_xml_has_changed_since_is_told_of() {
    let pod = injected(&pod("chart-server-xml.yaml"));
    assert_eq!(inject::advisories(&pod, &support::policy()), Vec::<String>::new());
    let mut policy = support::policy();
    policy.server_xml.retain(|known| known.config_map != "wiki-confluence-server-config");
    let said = inject::advisories(&pod, &policy);
    assert!(said.len() == 1 && said[0].starts_with("ServerXmlChanged: "), "{said:?}");
}

#[test]
fn the_kubelet_reads_back_a_value_that_looks_like_a_variable() {
    let probes = settings(&injected(&pod("all-probes.yaml"))).probes;
    let readiness = probes.iter().find(|probe| probe.name == "confluence/readinessProbe").unwrap();
    assert!(format!("{:?}", readiness.action).contains("$(NOT_A_VARIABLE)"));
    let raw = injected(&pod("all-probes.yaml")).to_string();
    assert!(raw.contains("$$(NOT_A_VARIABLE)"), "the kubelet would replace it");
}

#[test]
fn variables_of_open_telemetry_reach_the_sidecar_as_they_are() {
    let mut sidecar = support::sidecar();
    sidecar.open_telemetry.0 =
        [(names::ENV_OTLP_ENDPOINT.to_owned(), "http://$(HOST):4318".to_owned())].into();
    let restward_operator::inject::Decision::Inject(operations) =
        restward_operator::inject::decide(&pod("default.yaml"), &support::policy(), &sidecar)
    else {
        panic!("not injected")
    };
    let patch = serde_json::to_string(&operations).unwrap();
    assert!(
        patch.contains(r#"{"name":"OTEL_EXPORTER_OTLP_ENDPOINT","value":"http://$$(HOST):4318"}"#),
        "{patch}"
    );
}

#[test]
fn only_the_sidecar_mounts_configuration_keys_and_what_it_remembers() {
    for name in ["default.yaml", "additional-containers.yaml", "istio.yaml"] {
        let pod = injected(&pod(name));
        let lists = ["initContainers", "containers"].map(|list| pod["spec"][list].as_array().cloned());
        for container in lists.into_iter().flatten().flatten() {
            let mounts = container["volumeMounts"].as_array().cloned().unwrap_or_default();
            for volume in [names::CONFIG_VOLUME, names::STATE_VOLUME] {
                let has_it = mounts.iter().any(|mount| mount["name"] == volume);
                assert_eq!(has_it, container["name"] == names::SIDECAR_CONTAINER, "{name}: {container}");
            }
        }
    }
}

#[test]
fn what_needs_a_new_pod_changes_the_hash_and_an_image_does_not() {
    let hash = |change: &dyn Fn(&mut restward_operator::args::Sidecar)| {
        let mut sidecar = support::sidecar();
        change(&mut sidecar);
        let mut pod = pod("default.yaml");
        let Decision::Inject(operations) = inject::decide(&pod, &support::policy(), &sidecar) else {
            panic!("not injected")
        };
        json_patch::patch(&mut pod, &operations).unwrap();
        pod["metadata"]["annotations"][names::ANNOTATION_INJECTED_HASH].clone()
    };
    let plain = hash(&|_| {});
    assert_eq!(plain, hash(&|sidecar| sidecar.image = "other:2".into()));
    assert_ne!(plain, hash(&|sidecar| sidecar.resources = json!({"limits": {"cpu": "1"}})));
}
