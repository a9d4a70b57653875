//! `preflight --probe`: a pod on each node, and none that stays.

use std::{process::Stdio, time::Duration};

use serde_json::{Value, json};

use crate::{
    Ended, Home,
    api::{ApiServer, Objects},
    wiki::{POLICY, objects},
};

const PROBES: &str = "/api/v1/namespaces/n/pods/restward-probe-";

/// The wiki with two nodes, and what the kubelet of each says of a probe.
fn cluster() -> Objects {
    let mut all = objects();
    all.get_mut(POLICY).unwrap()["status"]["inForce"] =
        json!({"selector": {}, "sidecarImage": "sidecar:1", "policies": ["u-1"]});
    for node in ["good", "bad"] {
        let object = json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": node}});
        all.insert(format!("/api/v1/nodes/{node}"), object);
    }
    // As it is injected: this API server calls no webhook.
    let pod = json!({
        "metadata": {"labels": {"app": "wiki", "restward.io/injected": "u-1"}},
        "spec": {"containers": [{"name": "confluence"}],
                 "initContainers": [{"name": "restward-proxy", "image": "sidecar:1",
                                     "env": [{"name": "RESTWARD_POD", "value": "{\"listenPort\": 8090}"}]}]},
    });
    let set = json!({"apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": {"name": "wiki", "namespace": "n"},
        "spec": {"serviceName": "wiki", "replicas": 2, "selector": {"matchLabels": {"app": "wiki"}}, "template": pod}});
    all.insert("/apis/apps/v1/namespaces/n/statefulsets/wiki".into(), set);
    all
}

fn kubelets(objects: &mut Objects) {
    for (_, pod) in objects.iter_mut().filter(|(path, _)| path.starts_with(PROBES)) {
        let is_good = pod["spec"]["affinity"].to_string().contains("\"good\"");
        let state = if is_good {
            json!({"terminated": {"exitCode": 1, "message": "TlsUntrusted: the certificate is not trusted"}})
        } else {
            json!({"waiting": {"reason": "ErrImagePull", "message": "401 Unauthorized"}})
        };
        pod["status"] = status(&state);
    }
}

fn status(state: &Value) -> Value {
    json!({"containerStatuses": [{"name": "restward-probe", "state": state, "ready": false, "restartCount": 0, "image": "", "imageID": ""}]})
}

/// How many pods were made, when each of them was deleted.
fn made_and_deleted(api: &ApiServer) -> usize {
    let changes = api.changes();
    let made = changes.iter().filter(|it| *it == "POST /api/v1/namespaces/n/pods").count();
    let deleted = changes.iter().filter(|it| it.starts_with(&format!("DELETE {PROBES}"))).count();
    assert_eq!((made, changes.len()), (deleted, made + deleted), "{changes:?}");
    made
}

#[tokio::test]
async fn each_node_says_whether_image_and_identity_provider_are_there() {
    let api = ApiServer::start(cluster(), [].into(), kubelets).await;
    let home = Home::new("probe", &api.url);
    home.run(&["preflight", "wiki"]).await.is(0, &["√ it gets the sidecar: sidecar:1"]);
    assert_eq!(made_and_deleted(&api), 0, "not without being asked to");
    home.run(&["preflight", "wiki", "--probe"]).await.is(
        1,
        &[
            "√ sidecar:1 comes to node good",
            "× the identity provider answers from node good\n    why: TlsUntrusted: the certificate is not trusted",
            "caCertificateRefs",
            "× sidecar:1 comes to node bad\n    why: ErrImagePull: 401 Unauthorized",
        ],
    );
    assert_eq!(made_and_deleted(&api), 2);
}

#[tokio::test]
async fn who_interrupts_it_leaves_no_pod_behind() {
    let api = ApiServer::start(cluster(), [].into(), |_| {}).await;
    let home = Home::new("interrupted", &api.url);
    let mut command = home.command(&["preflight", "wiki", "--probe"]);
    let running = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    while api.changes().len() < 2 {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let pid = running.id().unwrap().to_string();
    assert!(tokio::process::Command::new("kill").args(["-INT", &pid]).status().await.unwrap().success());
    Ended::of(&running.wait_with_output().await.unwrap()).is(3, &["it was interrupted", "the next pod of"]);
    assert_eq!(made_and_deleted(&api), 2);
}
