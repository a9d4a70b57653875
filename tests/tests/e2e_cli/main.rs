//! `kubectl restward`, as kubectl runs it, against the demo's cluster. Runs after the guide, which leaves the wiki's policy Ready,
//! and leaves it so. The program is in `PATH` (tests/cli).
#![cfg(feature = "cluster-tests")]
#![allow(clippy::indexing_slicing, reason = "indexing a JSON value by a name gives Null, it does not panic")]

mod device;
mod link;
mod pages;
mod verify;

use std::{path::PathBuf, process::Stdio};

use anyhow::{Context as _, Result, ensure};
use restward_tests::{
    command::{apply, kubectl},
    policy::{self, until},
    wait::{QUICK, SLOW, eventually},
    wiki::{Auth, CONTENT, get},
    world::{ISSUER_HOST, KEYCLOAK, WIKI, WIKI_NAMESPACE, WIKI_POD, World},
};
use serde_json::Value;
use tokio::{io::AsyncWriteExt as _, process::Command};

/// How a command ended, and what it wrote.
struct Ended {
    code: Option<i32>,
    out: String,
    err: String,
}

impl Ended {
    fn with(self, code: i32) -> Result<Self> {
        ensure!(
            self.code == Some(code),
            "ended with {:?}, not {code}\n{}\n{}",
            self.code,
            self.out,
            self.err
        );
        Ok(self)
    }

    fn json(&self) -> Result<Value> {
        serde_json::from_str(&self.out).with_context(|| format!("no JSON: {}\n{}", self.out, self.err))
    }

    fn says(self, text: &str) -> Result<Self> {
        ensure!(self.out.contains(text), "{text:?} is not in\n{}\n{}", self.out, self.err);
        Ok(self)
    }
}

/// `kubectl restward` in the wiki's namespace, with this on standard input.
async fn restward(arguments: &[&str], input: &str) -> Result<Ended> {
    let mut child = Command::new("kubectl")
        .args([&["restward", "-n", WIKI_NAMESPACE], arguments].concat())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()?;
    let mut stdin = child.stdin.take().context("no standard input")?;
    // A command that reads nothing may have ended.
    _ = stdin.write_all(input.as_bytes()).await;
    drop(stdin);
    let output = child.wait_with_output().await?;
    Ok(Ended {
        code: output.status.code(),
        out: String::from_utf8_lossy(&output.stdout).into_owned(),
        err: String::from_utf8_lossy(&output.stderr).into_owned(),
    })
}

/// One test, as all of it is about the same policy.
#[tokio::test(flavor = "multi_thread")]
async fn the_program_sees_what_is_there() {
    let world = World::find().await.unwrap();
    until(WIKI_NAMESPACE, policy::NAME, "Ready", "True", "Ready", SLOW).await.unwrap();
    check().await.unwrap();
    pages::all(&world).await.unwrap();
    explain().await.unwrap();
    tokens(&world).await.unwrap();
    device::code(&world).await.unwrap();
    next_pod().await.unwrap();
    link::all(&world).await.unwrap();
    verify::all(&world).await.unwrap();
    passwords(&world).await.unwrap();
    support().await.unwrap();
    until(WIKI_NAMESPACE, policy::NAME, "Ready", "True", "Ready", SLOW).await.unwrap();
}

async fn check() -> Result<()> {
    let well = restward(&["check", "-o", "json"], "").await?.with(0)?.json()?;
    let findings: Vec<&Value> = well["sections"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|it| it["findings"].as_array())
        .flatten()
        .collect();
    for what in [
        "RestApiAuthPolicy is defined",
        "the API server trusts the certificate of",
        "one replica of restward/restward leads",
        "its definition has every field",
        "the API server itself refuses: require-sidecar",
        "the API server itself refuses: operator-guardrails",
        "its webhook configuration is there",
        "its binding to the backstop is there",
        "Ready: Ready",
    ] {
        let found = findings.iter().find(|it| it["what"].as_str().is_some_and(|it| it.starts_with(what)));
        let found = found.with_context(|| format!("nothing about {what:?} in {well:#}"))?;
        ensure!(found["level"] == "right", "{found:#}");
    }
    // What is not right is told with its fix.
    let other = "{apiVersion: restward.io/v1alpha1, kind: RestApiAuthPolicy, metadata: {name: nobody, namespace: default}, spec: \
                 {selector: {matchLabels: {app: nobody}}, keycloak: {host: 'http://127.0.0.1:9', realm: nowhere}}}";
    apply(other).await?;
    until("default", "nobody", "Injected", "False", "NoPods", QUICK).await?;
    restward(&["check", "-n", "default"], "")
        .await?
        .with(1)?
        .says("× Injected: NoPods")?
        .says("correct spec.selector")?;
    kubectl(&["delete", "restapiauthpolicy", "nobody", "-n", "default"]).await.map(drop)
}

async fn explain() -> Result<()> {
    restward(&["explain", WIKI_POD], "")
        .await?
        .with(0)?
        .says("policy wiki selects its labels")?
        .says("container restward-proxy")?
        .says("Tomcat moved to")?
        .says("volume restward-config")?
        .says("Trusted")?;
    let pod = kubectl(&["get", "pods", "-n", KEYCLOAK, "-o", "jsonpath={.items[0].metadata.name}"]).await?;
    restward(&["explain", "-n", KEYCLOAK, pod.trim()], "").await?.with(0)?.says("has no policy").map(drop)
}

async fn tokens(world: &World) -> Result<()> {
    let resolve = format!("{ISSUER_HOST}:443:{}", world.keycloak_address);
    let ask = |client: &'static str, secret: &'static str| {
        let resolve = resolve.clone();
        async move {
            let arguments = [
                "token",
                "get",
                "--client-id",
                client,
                "--client-secret-file",
                "-",
                "--resolve",
                resolve.as_str(),
            ];
            restward(&arguments, secret).await
        }
    };
    let refused = ask("reports", "not-the-secret").await?.with(3)?;
    ensure!(refused.err.contains("_client") && !refused.err.contains("not-the-secret"), "{}", refused.err);
    let token = ask("reports", "reports-secret").await?.with(0)?.out.trim().to_owned();
    restward(&["token", "decode"], &token)
        .await?
        .with(0)?
        .says("NOT VERIFIED")?
        .says("azp")?
        .says("reports")?;
    let why = ["token", "why", "--path", "/confluence/rest/api/content"];
    let accepted =
        restward(&why, &token).await?.with(0)?.says("√ signature")?.says("Confluence user svc-reports")?;
    ensure!(!accepted.out.contains(&token), "the token is repeated");
    let forged = format!("{}AAAA", token.get(..token.len() - 4).unwrap_or_default());
    restward(&why, &forged).await?.with(1)?.says("× signature: signature_invalid (401)")?;
    let nobodys = ask("unmapped", "unmapped-secret").await?.with(0)?.out;
    restward(&why, &nobodys).await?.with(1)?.says("√ signature")?.says("× user: ").map(drop)
}

async fn next_pod() -> Result<()> {
    restward(&["preflight", WIKI], "").await?.with(0)?.says("√ it gets the sidecar")?;
    restward(&["preflight", WIKI, "--probe"], "")
        .await?
        .with(0)?
        .says("√ the identity provider answers from node")?;
    let left = kubectl(&["get", "pods", "-n", WIKI_NAMESPACE, "-o", "name"]).await?;
    ensure!(!left.contains("restward-probe"), "a pod is left:\n{left}");
    let same = restward(&["diff", WIKI], "").await?;
    ensure!(same.code == Some(0), "a restart would change something:\n{}{}", same.out, same.err);
    restward(&["preflight", "nobody"], "").await?.with(3).map(drop)
}

async fn passwords(world: &World) -> Result<()> {
    let mode = basic_mode().await?;
    set_basic_mode("Audit").await?;
    eventually("the report names alice", QUICK, || async {
        get(world, CONTENT, &Auth::Basic("alice", "alice-password")).await?;
        restward(&["basic-report", "-o", "csv"], "").await?.with(0)?.says("\"alice\",accepted,").map(drop)
    })
    .await?;
    restward(&["basic-report"], "").await?.with(0)?.says("USER AGENT")?;
    set_basic_mode(&mode).await
}

async fn basic_mode() -> Result<String> {
    Ok(policy::read().await?["spec"]["basicAuth"]["mode"].as_str().unwrap_or("Allow").to_owned())
}

async fn set_basic_mode(mode: &str) -> Result<()> {
    policy::patch(&format!(r#"{{"spec":{{"basicAuth":{{"mode":"{mode}"}}}}}}"#)).await
}

/// A file with a secret, which goes with the test.
struct Secret(PathBuf);

impl Secret {
    fn new(name: &str, text: &str) -> Result<Self> {
        let path = std::env::temp_dir().join(format!("restward-e2e-{name}-{}", std::process::id()));
        std::fs::write(&path, text)?;
        Ok(Self(path))
    }

    fn path(&self) -> &str {
        self.0.to_str().unwrap_or_default()
    }
}

impl Drop for Secret {
    fn drop(&mut self) {
        _ = std::fs::remove_file(&self.0);
    }
}

async fn support() -> Result<()> {
    let directory = std::env::temp_dir().join(format!("restward-support-{}", std::process::id()));
    let shown = directory.to_string_lossy().into_owned();
    let bundle = restward(&["support-bundle", "--logs", "--directory", &shown, "-o", "json"], "").await?;
    let missing = bundle.with(0)?.json()?["missing"].clone();
    ensure!(missing.as_array().is_some_and(Vec::is_empty), "not had: {missing}");
    let keys =
        kubectl(&["get", "secret", "restward-keys", "-n", WIKI_NAMESPACE, "-o", "jsonpath={.data}"]).await?;
    let keys: Value = serde_json::from_str(&keys)?;
    for file in std::fs::read_dir(&directory)? {
        let text = std::fs::read_to_string(file?.path())?;
        ensure!(!text.contains("PRIVATE KEY"), "a key is in the bundle");
        for key in keys.as_object().into_iter().flat_map(|keys| keys.values()).filter_map(Value::as_str) {
            ensure!(!text.contains(key), "a key is in the bundle");
        }
    }
    let status = format!("{WIKI_NAMESPACE}.{}.{WIKI_POD}.status.yaml", policy::NAME);
    ensure!(std::fs::read_to_string(directory.join(status))?.contains("Trusted"));
    Ok(std::fs::remove_dir_all(&directory)?)
}
