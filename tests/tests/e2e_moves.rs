//! The identity provider changes under people who never stop calling: the secret of the client that asks it, its certificate
//! authority, its host. Runs after the guide, which leaves the wiki's policy Ready, and leaves it so.
#![cfg(feature = "cluster-tests")]
#![allow(clippy::indexing_slicing, reason = "indexing a JSON value by a name gives Null, it does not panic")]

use std::path::Path;

use anyhow::{Context as _, Result, anyhow, ensure};
use reqwest::{Certificate, Client, redirect};
use restward_tests::{
    caller::{Caller, Seen},
    command::{apply, kubectl, run},
    keycloak::token_of,
    policy::{self, until},
    realm,
    wait::{QUICK, SLOW, eventually},
    wiki::{Auth, ECHO, get},
    world::{ISSUER_HOST, KEYCLOAK, WIKI, WIKI_NAMESPACE, World},
};
use serde_json::{Value, json};

/// Its tokens name the client that asks about them.
const CLIENT: &str = "wiki-rich";
/// New tokens come all the time: what a sidecar was told about one it does not ask again.
const ROUNDS_PER_TOKEN: u32 = 4;
const GATE: &str = "wiki-gate";
const NEXT_SECRET: &str = "wiki-gate-next-secret";
const NEXT_HOST: &str = "login.example.test";
const AUTHORITY: &str = "keycloak-ca";
const NEXT_AUTHORITY: &str = "keycloak-ca-next";

/// One test, as all of it changes the same policy and realm.
#[tokio::test(flavor = "multi_thread")]
async fn nobodys_call_fails_while_the_identity_provider_changes() {
    let world = World::find().await.unwrap();
    until(WIKI_NAMESPACE, policy::NAME, "Ready", "True", "Ready", SLOW).await.unwrap();
    ask_about_each_token(&world).await.unwrap();
    let seen = replace_the_secret(&world).await.unwrap();
    println!("while the client's secret was replaced a caller saw {seen}");
    let seen = replace_the_authority(world).await.unwrap();
    println!("while the certificate authority was replaced a caller saw {seen}");
    let world = World::find().await.unwrap();
    let seen = move_the_host(&world).await.unwrap();
    println!("while the host was moved a caller saw {seen}");
    the_other_host_is_refused(&world).await.unwrap();
    as_before(&world).await.unwrap();
}

async fn set(spec: Value) -> Result<()> {
    policy::patch(&json!({ "spec": spec }).to_string()).await
}

/// Waits until every sidecar has what the policy now says.
async fn until_live() -> Result<()> {
    until(WIKI_NAMESPACE, policy::NAME, "ConfigCurrent", "True", "Current", QUICK).await?;
    until(WIKI_NAMESPACE, policy::NAME, "Ready", "True", "Ready", QUICK).await.map(drop)
}

async fn restart() -> Result<()> {
    // A pod that is made before the operator knows is injected by the policy from before.
    until(WIKI_NAMESPACE, policy::NAME, "Programmed", "True", "Programmed", QUICK).await?;
    let workload = format!("statefulset/{WIKI}");
    kubectl(&["rollout", "restart", &workload, "-n", WIKI_NAMESPACE]).await?;
    kubectl(&["rollout", "status", &workload, "-n", WIKI_NAMESPACE, "--timeout=300s"]).await?;
    until(WIKI_NAMESPACE, policy::NAME, "Ready", "True", "Ready", SLOW).await.map(drop)
}

fn caller(world: &World) -> Caller {
    Caller::start(world, CLIENT, ROUNDS_PER_TOKEN)
}

async fn mount_secret(secret: &str) -> Result<()> {
    let object = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": GATE, "namespace": WIKI_NAMESPACE},
        "stringData": {"client-id": GATE, "client-secret": secret}});
    apply(&object.to_string()).await.map(drop)
}

async fn ask_about_each_token(world: &World) -> Result<()> {
    let secret = format!("{GATE}-secret");
    realm::set_secret(world, GATE, &secret).await?;
    mount_secret(&secret).await?;
    set(json!({"keycloak": {"clientAssertion": null, "clientSecretRef": {"name": GATE}},
        "tokens": {"validation": "Introspection"}}))
    .await?;
    // The Secret is mounted in new pods.
    restart().await
}

/// The pods' secret first, then Keycloak's, as docs/tokens.md says.
async fn replace_the_secret(world: &World) -> Result<Seen> {
    let mut caller = caller(world);
    caller.goes_on(20).await?;
    mount_secret(NEXT_SECRET).await?;
    is_advised_of("ClientSecretNotTaken", true).await?;
    caller.goes_on(50).await?;
    realm::set_secret(world, GATE, NEXT_SECRET).await?;
    is_advised_of("ClientSecretNotTaken", false).await?;
    caller.stop_clean().await
}

/// The kubelet brings a changed Secret into a pod within a minute and a half, the operator asks a sidecar that is well each
/// minute: both together are more than quick.
async fn is_advised_of(advice: &str, wanted: bool) -> Result<()> {
    policy::until_advised(advice, "", wanted).await
}

/// Both authorities, then Keycloak's certificate of the next one, then that authority alone.
async fn replace_the_authority(world: World) -> Result<Seen> {
    let folder = std::env::temp_dir().join(format!("restward-next-ca-{}", std::process::id()));
    let made = make_authority(&folder).await;
    let replaced = async { under_the_next_authority(world, &folder, &made?).await }.await;
    std::fs::remove_dir_all(&folder)?;
    replaced
}

async fn make_authority(folder: &Path) -> Result<String> {
    run("standins/keycloak/make-ca", &[&folder.to_string_lossy()], None).await?;
    Ok(std::fs::read_to_string(folder.join("ca.crt"))?)
}

async fn under_the_next_authority(mut world: World, folder: &Path, next: &str) -> Result<Seen> {
    // The caller itself trusts either.
    world.https = trusting(&world, &[&world.ca_pem, next])?;
    let mut caller = caller(&world);
    caller.goes_on(20).await?;
    publish(NEXT_AUTHORITY, next).await?;
    set(json!({"keycloak": {"caCertificateRefs": [{"name": AUTHORITY}, {"name": NEXT_AUTHORITY}]}})).await?;
    until_live().await?;
    serve_certificate_of(folder).await?;
    let only_next = trusting(&world, &[next])?;
    eventually("Keycloak shows its new certificate", QUICK, || async {
        only_next.get(&world.keycloak_url).send().await?;
        Ok(())
    })
    .await?;
    caller.goes_on(50).await?;
    set(json!({"keycloak": {"caCertificateRefs": [{"name": NEXT_AUTHORITY}]}})).await?;
    until_live().await?;
    caller.goes_on(50).await?;
    publish(AUTHORITY, next).await?;
    set(json!({"keycloak": {"caCertificateRefs": [{"name": AUTHORITY}]}})).await?;
    until_live().await?;
    caller.stop_clean().await
}

fn trusting(world: &World, authorities: &[&str]) -> Result<Client> {
    let roots: Result<Vec<_>, _> =
        authorities.iter().map(|pem| Certificate::from_pem(pem.as_bytes())).collect();
    let client = Client::builder().no_proxy().redirect(redirect::Policy::none()).tls_certs_only(roots?);
    // Each connection is a new one, so that each sees the certificate of its time.
    let client = client.pool_max_idle_per_host(0);
    Ok(client.resolve(&format!("{KEYCLOAK}.{KEYCLOAK}.svc"), world.keycloak_address).build()?)
}

async fn publish(name: &str, authority: &str) -> Result<()> {
    let object = json!({"apiVersion": "v1", "kind": "ConfigMap",
        "metadata": {"name": name, "namespace": WIKI_NAMESPACE}, "data": {"ca.crt": authority}});
    apply(&object.to_string()).await.map(drop)
}

async fn serve_certificate_of(folder: &Path) -> Result<()> {
    let read = |name: &str| {
        std::fs::read_to_string(folder.join(name))
            .with_context(|| format!("no {name} in {}", folder.display()))
    };
    let object = json!({"apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/tls",
        "metadata": {"name": "keycloak-tls", "namespace": KEYCLOAK},
        "stringData": {"tls.crt": read("server.crt")?, "tls.key": read("server.key")?}});
    apply(&object.to_string()).await?;
    // A change of a pod makes the kubelet look at its volumes at once.
    let touched = format!("restward-test/touched={}", std::process::id());
    kubectl(&["annotate", "pods", "-n", KEYCLOAK, "--all", "--overwrite", &touched]).await.map(drop)
}

/// Another name in front of the same realm. To Keycloak itself no token counts any more that it issued under another name, so
/// that who asks it about each loses those of before, whatever the sidecars do.
async fn move_the_host(world: &World) -> Result<Seen> {
    set(json!({"tokens": {"validation": "Local"}})).await?;
    until_live().await?;
    let mut caller = caller(world);
    caller.goes_on(20).await?;
    let issuers = [ISSUER_HOST, NEXT_HOST].map(|host| format!("https://{host}/auth/realms/atlassian"));
    set(json!({"keycloak": {"acceptedIssuers": issuers}})).await?;
    until_live().await?;
    realm::set_frontend_url(world, &format!("https://{NEXT_HOST}/auth")).await?;
    caller.goes_on(50).await?;
    // By another of its Service's names as well.
    set(json!({"keycloak": {"host": format!("https://{NEXT_HOST}/auth"),
        "backchannelURL": "https://keycloak.keycloak.svc.cluster.local:8443"}}))
    .await?;
    until_live().await?;
    caller.goes_on(50).await?;
    set(json!({"keycloak": {"acceptedIssuers": null}})).await?;
    until_live().await?;
    caller.stop_clean().await
}

/// No list names it any more.
async fn the_other_host_is_refused(world: &World) -> Result<()> {
    realm::set_frontend_url(world, "").await?;
    let token = Auth::Bearer(token_of(world, CLIENT, "alice").await?);
    let answer = get(world, ECHO, &token).await?;
    ensure!((answer.status, answer.reason().as_deref()) == (401, Some("issuer_mismatch")), "{answer:?}");
    Ok(())
}

async fn as_before(world: &World) -> Result<()> {
    realm::set_secret(world, GATE, &format!("{GATE}-secret")).await?;
    let demo: Value =
        run("kubectl", &["create", "--dry-run=client", "-o", "json", "-f", "demo/policy.yaml"], None)
            .await
            .and_then(|text| serde_json::from_str(&text).map_err(|error| anyhow!("{error}")))?;
    let keycloak = demo["spec"]["keycloak"].clone();
    let patch = json!([{"op": "replace", "path": "/spec/keycloak", "value": keycloak}, {"op": "remove", "path": "/spec/tokens"}]);
    let policy = format!("restapiauthpolicy/{}", policy::NAME);
    kubectl(&["patch", &policy, "-n", WIKI_NAMESPACE, "--type=json", "-p", &patch.to_string()]).await?;
    // The assertion of the demo's policy is mounted in new pods.
    restart().await?;
    kubectl(&["delete", "secret", GATE, "-n", WIKI_NAMESPACE]).await?;
    kubectl(&["delete", "configmap", NEXT_AUTHORITY, "-n", WIKI_NAMESPACE]).await.map(drop)
}
