//! The backstop: selected pods need the sidecar although nobody calls the webhook.

use k8s_openapi::api::core::v1::{Event, Pod};
use kube::{
    Api,
    api::{ListParams, PostParams},
};
use restward_crds::names;
use serde_json::{Value, json};

use super::{
    requests::{
        MISSING, allowed, confluence, injected, merge, programmed, refused, remove_webhooks, try_change,
        try_pod, whole, without_webhook,
    },
    support::{Cluster, PATIENCE, condition},
};

/// The mount of the valve.
fn valve(pod: &mut Value) -> &mut Value {
    let mounts = pod["spec"]["containers"][0]["volumeMounts"].as_array_mut().unwrap();
    mounts.iter_mut().find(|mount| mount["name"] == names::VALVE_VOLUME).unwrap()
}

#[tokio::test]
async fn a_selected_pod_needs_the_sidecar_in_front_of_a_moved_tomcat() {
    let cluster = Cluster::new("backstop").await;
    without_webhook(&cluster, json!({"container": "wiki-main"})).await;
    let policy = programmed(&cluster, "wiki").await;
    let mut named = confluence("wiki-0", json!({"app": "wiki"}));
    named["spec"]["containers"][0]["name"] = json!("wiki-main");
    let whole = injected(named.clone(), &policy, &cluster);
    let changed = |change: fn(&mut Value)| {
        let mut pod = whole.clone();
        change(&mut pod);
        pod
    };
    let mounting = |path: &str| {
        let mut pod = whole.clone();
        let mounts = pod["spec"]["containers"][0]["volumeMounts"].as_array_mut().unwrap();
        mounts.push(json!({"name": names::NO_TOKEN_VOLUME, "mountPath": path}));
        pod
    };
    let without = |member: &str| {
        let mut pod = confluence("wiki-0", json!({"app": "wiki"}));
        pod["spec"]["containers"][0][member] = json!([]);
        pod
    };
    let only_named = || {
        let mut pod = named.clone();
        pod["spec"]["containers"][0] = json!({"name": "wiki-main", "image": "localhost/none"});
        pod
    };
    let slips = [
        ("as it was sent", named.clone()),
        ("known by its container's name only", only_named()),
        ("known by its port only", without("env")),
        ("known by its variable only", without("ports")),
        // Without the keys, for which it would be refused too: the API server names only one of the policies.
        (
            "without the label",
            changed(|pod| {
                pod["metadata"]["labels"] = json!({"app": "wiki"});
                pod["spec"]["volumes"][0] = json!({"name": names::CONFIG_VOLUME, "emptyDir": {}});
            }),
        ),
        ("without the hash", changed(|pod| pod["metadata"]["annotations"] = json!({}))),
        (
            "a sidecar that ends",
            changed(|pod| {
                let sidecar = &mut pod["spec"]["initContainers"][0];
                for member in ["restartPolicy", "startupProbe", "readinessProbe", "livenessProbe"] {
                    sidecar[member] = Value::Null;
                }
            }),
        ),
        ("Tomcat not moved", changed(|pod| pod["spec"]["containers"][0]["env"][0]["value"] = json!("8090"))),
        (
            "Tomcat moved to another address",
            changed(|pod| {
                pod["spec"]["containers"][0]["env"][0]["value"] = json!("18090\" address=\"0.0.0.0");
            }),
        ),
        ("no valve", changed(|pod| pod["spec"]["containers"][0]["volumeMounts"] = json!([]))),
        ("the valve elsewhere", changed(|pod| valve(pod)["mountPath"] = json!("/tmp/context.xml.default"))),
        ("the directory of server.xml", mounting("/opt/atlassian/confluence/conf")),
        ("a directory above by a path with dots", mounting("/opt//atlassian/./confluence/")),
        ("server.xml by two slashes", mounting("/opt/atlassian/confluence/conf//server.xml")),
        ("server.xml by a dot", mounting("/opt/atlassian/confluence/conf/./server.xml")),
        ("server.xml by a path that climbs", mounting("/srv/../opt/atlassian/confluence/conf/server.xml")),
        ("a context of its own", mounting("/opt/atlassian/confluence/conf/Standalone/localhost/ROOT.xml")),
        ("a template of its own", mounting("/opt/atlassian/etc/server.xml.j2")),
        (
            "another container stands for it",
            changed(|pod| {
                let dummy = json!({"name": "dummy", "image": "localhost/none", "env": pod["spec"]["containers"][0]["env"],
                    "volumeMounts": pod["spec"]["containers"][0]["volumeMounts"]});
                pod["spec"]["containers"][0]["volumeMounts"] = json!([]);
                pod["spec"]["containers"].as_array_mut().unwrap().push(dummy);
            }),
        ),
        ("on the node's network", changed(|pod| pod["spec"]["hostNetwork"] = json!(true))),
    ];
    for (what, pod) in slips {
        refused(what, MISSING, async || try_pod(&cluster.somebody, &cluster.namespace, &pod).await).await;
    }

    let other = json!({"metadata": {"name": "wiki-test", "labels": {"app": "wiki"}},
        "spec": {"schedulerName": "nobody", "containers": [{"name": "curl", "image": "localhost/none"}]}});
    for (what, client, pod) in [
        ("injected", &cluster.somebody, whole.clone()),
        (
            "injected without an address",
            &cluster.somebody,
            changed(|pod| pod["spec"]["containers"][0]["env"][0]["value"] = json!("18090")),
        ),
        ("with a mount beside", &cluster.somebody, mounting("/opt/atlassian/confluence/logs//old")),
        ("no Confluence, such as a pod of helm test", &cluster.somebody, other),
        ("not selected", &cluster.somebody, confluence("wiki-0", json!({"app": "other"}))),
        ("by somebody who breaks the glass", &cluster.client, named),
    ] {
        allowed(what, async || try_pod(client, &cluster.namespace, &pod).await).await;
    }
    cluster.clean_up().await;
}

#[tokio::test]
async fn a_tomcat_on_our_unix_socket_is_moved_and_on_another_it_is_not() {
    let cluster = Cluster::new("socket").await;
    without_webhook(&cluster, json!({"interception": "UnixSocket"})).await;
    let policy = programmed(&cluster, "wiki").await;
    let mut pod = confluence("wiki-0", json!({"app": "wiki"}));
    pod["spec"]["securityContext"] = json!({"fsGroup": 2002});
    let whole = injected(pod, &policy, &cluster);
    allowed("injected", async || try_pod(&cluster.somebody, &cluster.namespace, &whole).await).await;
    let mut elsewhere = whole;
    let variable = &mut elsewhere["spec"]["containers"][0]["env"][0]["value"];
    *variable = json!(variable.as_str().unwrap().replace(names::SOCKET, "/tmp/tomcat.sock"));
    refused("on another socket", MISSING, async || {
        try_pod(&cluster.somebody, &cluster.namespace, &elsewhere).await
    })
    .await;
    cluster.clean_up().await;
}

#[tokio::test]
async fn where_the_policy_names_no_container_none_stands_for_another() {
    let cluster = Cluster::new("rival").await;
    let whole = whole(&cluster).await;
    let beside = |member: &str, value: Value| {
        let mut pod = whole.clone();
        let other = json!({"name": "other", "image": "localhost/none", member: value});
        pod["spec"]["containers"].as_array_mut().unwrap().push(other);
        pod
    };
    let rival = beside("env", json!([{"name": "ATL_TOMCAT_PORT", "value": "8091"}]));
    refused("a second with the variable", MISSING, async || {
        try_pod(&cluster.somebody, &cluster.namespace, &rival).await
    })
    .await;
    let exporter = beside("ports", json!([{"name": "http", "containerPort": 9100}]));
    allowed("an exporter", async || try_pod(&cluster.somebody, &cluster.namespace, &exporter).await).await;
    cluster.clean_up().await;
}

#[tokio::test]
async fn a_pod_by_somebody_who_breaks_the_glass_is_told() {
    let cluster = Cluster::new("glass").await;
    without_webhook(&cluster, json!({})).await;
    let pods: Api<Pod> = cluster.api();
    // Right after the policy a pod could still have slipped through, so one is made again and again until it cannot.
    let told = tokio::time::timeout(PATIENCE, async {
        for number in 0.. {
            let pod = serde_json::from_value(confluence(&format!("wiki-{number}"), json!({"app": "wiki"})))
                .unwrap();
            // Refused while the webhook is still known, which has no backend.
            let _ = pods.create(&PostParams::default(), &pod).await;
            let policy = cluster.reconcile("wiki").await.unwrap();
            if condition(&policy, "Injected") == "False/BreakGlass" {
                return;
            }
            remove_webhooks(&cluster).await;
            tokio::time::sleep(std::time::Duration::from_secs(1)).await;
        }
    });
    told.await.expect("the pod is told of");
    let events: Api<Event> = cluster.api();
    let events = events.list(&ListParams::default()).await.unwrap();
    let told: Vec<_> = events.iter().filter(|event| event.reason.as_deref() == Some("BreakGlass")).collect();
    assert!(
        told.iter().any(|event| event.message.as_deref().is_some_and(|note| note.contains("pod wiki-"))),
        "{told:?}"
    );
    let metrics = cluster.metrics();
    let counted = format!(
        "restward_operator_break_glass_pods_total{{namespace=\"{}\",policy=\"wiki\"}} ",
        cluster.namespace
    );
    assert!(metrics.contains(&counted), "{metrics}");
    cluster.clean_up().await;
}

#[tokio::test]
async fn a_running_pod_is_not_brought_under_the_policy_by_its_labels() {
    let cluster = Cluster::new("relabel").await;
    let pods: Api<Pod> = cluster.api();
    // One runs before the policy comes, one is never selected.
    for (name, app) in [("old-0", "wiki"), ("other-0", "other")] {
        let mut pod = confluence(name, json!({"app": app, "tier": "prod"}));
        pod["metadata"]["finalizers"] = json!(["example.com/busy"]);
        allowed("the pod is made", async || {
            pods.create(&PostParams::default(), &serde_json::from_value(pod.clone()).unwrap()).await
        })
        .await;
    }
    let expressions = json!({"matchLabels": {"app": "wiki"}, "matchExpressions": [
        {"key": "tier", "operator": "In", "values": ["prod", "test"]},
        {"key": "tier", "operator": "NotIn", "values": ["test"]},
        {"key": "app", "operator": "Exists"},
        {"key": "off", "operator": "DoesNotExist"},
    ]});
    without_webhook(&cluster, json!({ "selector": expressions })).await;
    let change = async |name, subresource, patch: Value| {
        try_change(&cluster.somebody, &cluster.namespace, (name, subresource), &merge(patch)).await
    };

    let selected = json!({"metadata": {"labels": {"app": "wiki"}}});
    refused("a late label", MISSING, async || change("other-0", None, selected.clone()).await).await;
    refused("a late label by the subresource", MISSING, async || {
        change("other-0", Some("status"), selected.clone()).await
    })
    .await;
    for (what, patch) in [
        ("another label of a pod that was selected", json!({"metadata": {"labels": {"seen": "yes"}}})),
        ("its finalizer", json!({"metadata": {"finalizers": null}})),
        ("its way out", json!({"metadata": {"labels": {"app": "old"}}})),
    ] {
        allowed(what, async || change("old-0", None, patch.clone()).await).await;
    }

    // Whatever the requirement that kept the pod out: when it falls, the pod is new to the policy.
    for labels in [json!({"tier": null}), json!({"tier": "test"}), json!({"off": ""})] {
        let out = merge(json!({"metadata": {"labels": labels}}));
        pods.patch("old-0", &kube::api::PatchParams::default(), &out).await.unwrap();
        let back = json!({"metadata": {"labels": {"tier": "prod", "off": null}}});
        refused("back in", MISSING, async || change("old-0", None, back.clone()).await).await;
        let back = merge(back);
        pods.patch("old-0", &kube::api::PatchParams::default(), &back).await.unwrap();
    }
    for name in ["old-0", "other-0"] {
        let patch = merge(json!({"metadata": {"finalizers": null}}));
        pods.patch(name, &kube::api::PatchParams::default(), &patch).await.unwrap();
    }
    cluster.clean_up().await;
}

#[tokio::test]
async fn what_injection_put_into_a_running_pod_stays() {
    let cluster = Cluster::new("swap").await;
    without_webhook(&cluster, json!({})).await;
    let policy = programmed(&cluster, "wiki").await;
    let pod = injected(confluence("wiki-0", json!({"app": "wiki"})), &policy, &cluster);
    let pods: Api<Pod> = cluster.api();
    allowed("the pod is made", async || {
        pods.create(&PostParams::default(), &serde_json::from_value(pod.clone()).unwrap()).await
    })
    .await;
    let label = |value: Value| merge(json!({"metadata": {"labels": {names::LABEL_INJECTED: value}}}));
    let annotation = |name: &str| merge(json!({"metadata": {"annotations": {name: "x"}}}));
    let swap = super::requests::swapped("localhost/evil");
    let attempts = [
        ("another image", None, &swap),
        ("the label goes", None, &label(Value::Null)),
        ("the label changes", None, &label(json!("x"))),
        ("the label goes by the subresource", Some("status"), &label(Value::Null)),
        ("the hash changes", None, &annotation(names::ANNOTATION_INJECTED_HASH)),
        ("the policy changes", None, &annotation(names::ANNOTATION_POLICY)),
    ];
    for (what, subresource, patch) in attempts {
        refused(what, "are the operator's alone", async || {
            try_change(&cluster.somebody, &cluster.namespace, ("wiki-0", subresource), patch).await
        })
        .await;
        allowed(what, async || {
            try_change(&cluster.client, &cluster.namespace, ("wiki-0", subresource), patch).await
        })
        .await;
    }
    let harmless = merge(json!({"metadata": {"labels": {"seen": "yes"}, "annotations": {"a": "b"}}}));
    allowed("other labels and annotations", async || {
        try_change(&cluster.somebody, &cluster.namespace, ("wiki-0", None), &harmless).await
    })
    .await;
    cluster.clean_up().await;
}

#[tokio::test]
async fn a_pod_that_says_it_is_injected_runs_the_operators_sidecar() {
    let cluster = Cluster::new("image").await;
    without_webhook(&cluster, json!({})).await;
    let policy = programmed(&cluster, "wiki").await;
    // Not selected: whoever may make pods anywhere in the namespace could run it to read the keys.
    let mut free = injected(confluence("wiki-0", json!({"app": "wiki"})), &policy, &cluster);
    free["metadata"]["labels"]["app"] = json!("other");
    let changed = |change: fn(&mut Value)| {
        let mut pod = free.clone();
        change(&mut pod);
        pod
    };
    for (what, pod) in [
        ("another image", changed(|pod| pod["spec"]["initContainers"][0]["image"] = json!("localhost/evil"))),
        ("another command", changed(|pod| pod["spec"]["initContainers"][0]["command"] = json!(["sh"]))),
        ("other arguments", changed(|pod| pod["spec"]["initContainers"][0]["args"] = json!(["--help"]))),
        ("no sidecar", changed(|pod| pod["spec"]["initContainers"] = json!([]))),
    ] {
        refused(what, "does not run the image localhost/none:1", async || {
            try_pod(&cluster.somebody, &cluster.namespace, &pod).await
        })
        .await;
    }
    allowed("as injected", async || try_pod(&cluster.somebody, &cluster.namespace, &free).await).await;
    cluster.clean_up().await;

    let empty = Cluster::new("nopolicy").await;
    refused("in a namespace without policies", "no params found", async || {
        try_pod(&empty.somebody, &empty.namespace, &free).await
    })
    .await;
    empty.clean_up().await;
}
