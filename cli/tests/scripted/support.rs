//! `support-bundle`: what is in it, and that no secret is.

use std::{collections::BTreeMap, fs};

use http_body_util::Full;
use hyper::body::Bytes;
use serde_json::{Value, json};

use crate::{
    Home,
    api::{ApiServer, Reply, serve},
    wiki::objects,
};

const SECRET: &str = "s3cret";

fn template() -> Value {
    let variables = json!([
        {"name": "OTEL_EXPORTER_OTLP_HEADERS", "value": format!("api-key={SECRET}")},
        {"name": "OTEL_EXPORTER_OTLP_ENDPOINT", "value": format!("http://otel:{SECRET}@otel:4318")},
        {"name": "ATL_TOMCAT_PORT", "value": "8090"},
    ]);
    json!({"selector": {"matchLabels": {"app": "wiki"}}, "template": {
        "metadata": {"labels": {"app": "wiki"}}, "spec": {"containers": [{"name": "confluence", "env": variables}]}}})
}

#[tokio::test]
async fn it_has_what_helps_and_no_secret() {
    let mut all = objects();
    let labels = json!({"app.kubernetes.io/name": "restward", "app.kubernetes.io/component": "operator"});
    let mut add = |path: &str, kind: &str, version: &str, rest: Value| {
        let mut object = rest;
        object["apiVersion"] = json!(version);
        object["kind"] = json!(kind);
        object["metadata"]["name"] = json!(path.rsplit('/').next());
        all.insert(path.into(), object);
    };
    add(
        "/api/v1/namespaces/ops/pods/restward-1",
        "Pod",
        "v1",
        json!({"metadata": {"namespace": "ops", "labels": labels}}),
    );
    add("/apis/apps/v1/namespaces/n/deployments/wiki", "Deployment", "apps/v1", json!({"spec": template()}));
    add(
        "/api/v1/namespaces/n/configmaps/restward-wiki",
        "ConfigMap",
        "v1",
        json!({"data": {"config.json": "{\"issuers\":[]}", "server-1.xml": format!("<Resource password=\"{SECRET}\"/>")}}),
    );
    add(
        "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations/ops-restward-break-glass",
        "ValidatingWebhookConfiguration",
        "admissionregistration.k8s.io/v1",
        json!({"metadata": {"labels": labels}, "webhooks": [{"name": "keys.break-glass.restward.io", "sideEffects": "None",
            "admissionReviewVersions": ["v1"],
            "clientConfig": {"service": {"name": "restward", "namespace": "ops", "path": format!("/witness/{SECRET}/keys")}}}]}),
    );
    let metrics =
        serve(|_| async { Reply::new(Full::new(Bytes::from("restward_operator_reconcile_total 7\n"))) })
            .await;
    let api = ApiServer::start(all, BTreeMap::from([(8080, metrics)]), |_| {}).await;
    let home = Home::new("support", &api.url);
    let directory = home.0.join("bundle");
    home.run(&["support-bundle", "--directory", &directory.to_string_lossy()]).await.is(0, &["files are in"]);
    let read = |file: &str| fs::read_to_string(directory.join(file)).unwrap();
    for (file, has) in [
        ("n.wiki.deployments.yaml", "ATL_TOMCAT_PORT"),
        ("n.wiki.deployments.yaml", "@otel:4318"),
        ("n.wiki.configmap.yaml", "issuers"),
        ("operator.restward-1.metrics.txt", "restward_operator_reconcile_total 7"),
        ("break-glass-webhooks.yaml", "keys.break-glass.restward.io"),
    ] {
        assert!(read(file).contains(has), "{has} is not in {file}:\n{}", read(file));
    }
    for file in fs::read_dir(&directory).unwrap() {
        let path = file.unwrap().path();
        assert!(!fs::read_to_string(&path).unwrap().contains(SECRET), "{}", path.display());
    }
}
