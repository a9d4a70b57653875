//! `verify`: everything passes behind the demo's sidecar, on the terms of the policy as it is; against other terms, and without a
//! sidecar, it says what fails.

use std::{path::Path, time::Duration};

use anyhow::{Context as _, Result, ensure};
use restward_tests::{
    command::{kubectl, run},
    keycloak::{by_password, outlive},
    policy,
    wait::{QUICK, eventually},
    world::{ISSUER_HOST, WIKI_NAMESPACE, World},
};
use serde_json::Value;

use crate::{Ended, Secret, basic_mode, restward, set_basic_mode};

/// A stand-in of this test's own, as a process of this machine without a sidecar.
const PLAIN_PORT: &str = "18095";
const BY_PASSWORD: [&str; 9] = [
    "made-up-password",
    "made-up-parameters",
    "xml-rpc-login",
    "soap-login",
    "json-rpc-login",
    "webdav",
    "feed",
    "basic-challenge",
    "password",
];

/// All that the command can be given, as files.
struct Means {
    arguments: Vec<String>,
    _files: Vec<Secret>,
}

impl Means {
    async fn gather(world: &World) -> Result<Self> {
        let short = by_password(world, "atlassian", "wiki-short", "alice").await?;
        let expired = short["access_token"].as_str().context("no access token")?;
        outlive(expired, Duration::from_secs(30)).await?;
        let files = [
            ("--client-secret-file", "client", "reports-secret"),
            ("--password-file", "password", "bob-password"),
            ("--pat-file", "pat", &world.admin_token),
            ("--admin-pat-file", "admin", &world.admin_token),
            ("--expired-token-file", "expired", expired),
        ];
        let resolve = format!("{ISSUER_HOST}:443:{}", world.keycloak_address);
        let mut arguments: Vec<String> = [
            "--client-id",
            "reports",
            "--resolve",
            &resolve,
            "--basic-user",
            "bob",
            "--download",
            "/download/attachments/zeros/1024",
            "--origin",
            "https://app.example.test",
        ]
        .map(str::to_owned)
        .into();
        let mut kept = Vec::new();
        for (argument, name, text) in files {
            let file = Secret::new(name, text)?;
            arguments.extend([argument.to_owned(), file.path().to_owned()]);
            kept.push(file);
        }
        Ok(Self { arguments, _files: kept })
    }

    async fn verify(&self, url: &str, more: &[&str]) -> Result<Ended> {
        let given: Vec<&str> = self.arguments.iter().map(String::as_str).collect();
        let ended =
            restward(&[&["verify", "-o", "json", "--url", url], &given[..], more].concat(), "").await?;
        for secret in ["reports-secret", "bob-password", "eyJ"] {
            ensure!(!ended.out.contains(secret) && !ended.err.contains(secret), "a secret is told");
        }
        Ok(ended)
    }
}

/// Names of the cases that ended like this.
fn cases(trial: &Value, outcome: &str) -> Vec<String> {
    let all = trial["cases"].as_array().into_iter().flatten();
    all.filter(|it| it["outcome"] == outcome).filter_map(|it| it["name"].as_str().map(Into::into)).collect()
}

pub(crate) async fn all(world: &World) -> Result<()> {
    let means = Means::gather(world).await?;
    let mode = basic_mode().await?;
    set_basic_mode("Allow").await?;
    settled(&means, world).await?;
    let whole = means.verify(&world.wiki_url, &["--write", "--space", "DS"]).await?.with(0)?.json()?;
    // The demo's policy names no audience.
    ensure!(cases(&whole, "skipped") == ["other-audience-token"], "{whole:#}");
    ensure!(whole["unanswered"] == 0 && whole["failed"] == 0, "{whole:#}");

    set_basic_mode("Deny").await?;
    let denied = settled(&means, world).await?;
    ensure!(
        BY_PASSWORD.iter().all(|name| cases(&denied, "passed").iter().any(|it| it == name)),
        "{denied:#}"
    );

    // The policy that is expected is not the one that is in force.
    let written =
        kubectl(&["get", "restapiauthpolicy", policy::NAME, "-n", WIKI_NAMESPACE, "-o", "yaml"]).await?;
    let file = Secret::new("policy", &written)?;
    set_basic_mode("Allow").await?;
    settled(&means, world).await?;
    let ca = Secret::new("ca", &world.ca_pem)?;
    let offline = ["--policy-file", file.path(), "--ca-file", ca.path()];
    let given: Vec<&str> = means.arguments.iter().map(String::as_str).collect();
    let line = [&["verify", "-o", "json", "--url", &world.wiki_url], &given[..], &offline].concat();
    let other = restward(&line, "").await?.with(1)?.json()?;
    ensure!(cases(&other, "failed") == BY_PASSWORD, "{other:#}");
    set_basic_mode(&mode).await?;
    settled(&means, world).await?;
    without_a_sidecar(&means).await
}

/// Everything passes, once the sidecar has what the policy says now.
async fn settled(means: &Means, world: &World) -> Result<Value> {
    eventually("everything passes", QUICK, || async {
        means.verify(&world.wiki_url, &[]).await?.with(0)?.json()
    })
    .await
}

async fn without_a_sidecar(means: &Means) -> Result<()> {
    let home = std::env::temp_dir().join(format!("restward-plain-{}", std::process::id()));
    let home = home.to_str().context("an odd directory for temporary files")?;
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("standins/confluence/run");
    let script = script.to_str().context("an odd directory")?;
    run(script, &["--port", PLAIN_PORT, "--home", home, "--background"], None).await?;
    let plain = means.verify(&format!("http://127.0.0.1:{PLAIN_PORT}/confluence"), &[]).await;
    run(script, &["--home", home, "--stop"], None).await?;
    std::fs::remove_dir_all(home)?;
    let plain = plain?.with(1)?.json()?;
    let failed = cases(&plain, "failed");
    for name in [
        "no-credential",
        "discovery",
        "garbage-token",
        "foreign-token",
        "token",
        "token-user",
        "own-link-from-outside",
        "own-link",
    ] {
        ensure!(failed.iter().any(|it| it == name), "{name} did not fail: {plain:#}");
    }
    ensure!(plain.to_string().contains("see that --url leads to pods with the sidecar"), "{plain:#}");
    // What Confluence does by itself.
    let passed = cases(&plain, "passed");
    ensure!(
        ["status", "login", "session-api", "personal-access-token"]
            .iter()
            .all(|name| passed.iter().any(|it| it == name)),
        "{plain:#}"
    );
    Ok(())
}
