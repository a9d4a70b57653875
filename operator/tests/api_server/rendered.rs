//! What the image makes its `server.xml` of, and how it is started: the backstop asks the same of an injected pod as injection.

use serde_json::{Value, json};

use super::{
    requests::{MISSING, allowed, changed, refused, try_pod, whole},
    support::Cluster,
};

#[tokio::test]
async fn variables_and_command_lead_to_no_other_tomcat() {
    let cluster = Cluster::new("rendered").await;
    let whole = whole(&cluster).await;
    let variable = |variable: Value| {
        let mut pod = whole.clone();
        pod["spec"]["containers"][0]["env"].as_array_mut().unwrap().push(variable);
        pod
    };
    let plain = |name: &str, value: &str| variable(json!({"name": name, "value": value}));
    let reference = |name: &str, kind: &str| {
        variable(json!({"name": name, "valueFrom": {kind: {"name": "x", "key": "x"}}}))
    };
    let slips = [
        ("a tunnel connector", plain("ATL_TOMCAT_ADDITIONAL_CONNECTOR_PORT", "8093")),
        ("markup", plain("ATL_TOMCAT_REDIRECTPORT", "1\"/><Connector port=\"8093")),
        ("a property that Tomcat replaces", plain("ATL_TOMCAT_SECURE", "${x}")),
        ("a variable of variables", plain("ATL_TOMCAT_SECURE", "$(X)")),
        ("a variable in another case", plain("atl_tomcat_port", "8090")),
        ("a variable out of a ConfigMap", reference("ATL_PROXY_NAME", "configMapKeyRef")),
        (
            "variables out of a ConfigMap",
            changed(&whole, |pod| {
                pod["spec"]["containers"][0]["envFrom"] = json!([{"configMapRef": {"name": "x"}}]);
            }),
        ),
        ("another Tomcat", plain("CATALINA_BASE", "/tmp/tomcat")),
        ("the files of another", plain("CATALINA_OPTS", "-Dcatalina.base=/tmp/tomcat")),
        (
            "a command of its own",
            changed(&whole, |pod| pod["spec"]["containers"][0]["command"] = json!(["sh"])),
        ),
    ];
    for (what, pod) in slips {
        refused(what, MISSING, async || try_pod(&cluster.somebody, &cluster.namespace, &pod).await).await;
    }
    for (what, pod) in [
        ("a regular expression of proxies", plain("ATL_TOMCAT_TRUSTEDPROXIES", "10\\.\\d{1,3}\\..*")),
        ("a password out of a Secret", reference("ATL_JDBC_PASSWORD", "secretKeyRef")),
    ] {
        allowed(what, async || try_pod(&cluster.somebody, &cluster.namespace, &pod).await).await;
    }
    cluster.clean_up().await;
}
