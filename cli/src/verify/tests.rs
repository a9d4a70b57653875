//! The whole trial against a scripted wiki: well behaved, and with each case answered wrongly in turn.

mod list;
mod script;

use std::{
    fs,
    path::PathBuf,
    sync::atomic::{AtomicUsize, Ordering},
};

use clap::Parser as _;
use serde_json::{Value, json};

use super::{
    means,
    terms::Terms,
    trial,
    tried::{Outcome, Trial},
    wiki::Wiki,
};
use crate::{
    args::{Cli, Command, Connection},
    failure::{Failure, Verdict},
    output::Shown as _,
};
use script::{Basic, Sabotage, Script};

static NEXT: AtomicUsize = AtomicUsize::new(0);

/// A directory with everything that the command can be given.
struct Given(PathBuf);

impl Given {
    fn with(spec: &Value) -> Self {
        let name = format!("restward-verify-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let directory = std::env::temp_dir().join(name);
        fs::create_dir(&directory).unwrap();
        let mut policy = json!({
            "apiVersion": "restward.io/v1alpha1", "kind": "RestApiAuthPolicy", "metadata": {"name": "wiki", "namespace": "n"},
            "spec": {"selector": {"matchLabels": {"app": "wiki"}}, "keycloak": {"host": "h", "realm": "r"},
                     "tokens": {"audiences": ["confluence"]},
                     "upstream": {"identity": {"oauth1": {"consumerKey": script::CONSUMER}}}},
        });
        policy["spec"].as_object_mut().unwrap().extend(spec.as_object().unwrap().clone());
        let given = Self(directory);
        for (file, text) in [
            ("policy", policy.to_string()),
            ("token", script::token("alice", 4_102_444_800)),
            ("expired", script::token("alice", 1)),
            ("other", script::token("other-audience", 4_102_444_800)),
            ("password", script::PASSWORD.to_owned()),
            ("pat", script::PAT.to_owned()),
            ("admin", script::ADMIN_PAT.to_owned()),
        ] {
            fs::write(given.0.join(file), text).unwrap();
        }
        given
    }

    fn file(&self, name: &str) -> String {
        self.0.join(name).to_string_lossy().into_owned()
    }

    /// With every credential.
    fn all(&self) -> Vec<String> {
        let file = |name| self.file(name);
        [
            "--token-file",
            &file("token"),
            "--expired-token-file",
            &file("expired"),
            "--other-audience-token-file",
            &file("other"),
            "--basic-user",
            "bob",
            "--password-file",
            &file("password"),
            "--pat-file",
            &file("pat"),
            "--admin-pat-file",
            &file("admin"),
            "--download",
            "/download/attachments/1/a",
            "--origin",
            "https://app.example.com",
            "--write",
            "--space",
            "TEST",
            "--upload",
            "1",
        ]
        .map(str::to_owned)
        .into()
    }

    async fn tried(&self, url: &str, more: &[String]) -> Result<Trial, Failure> {
        _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let policy = self.file("policy");
        let line = ["kubectl-restward", "verify", "--url", url, "--policy-file", &policy].map(str::to_owned);
        let line = line.into_iter().chain(more.iter().cloned());
        let Command::Verify(arguments) = Cli::try_parse_from(line).unwrap().command else {
            panic!("another command")
        };
        let (policy, mut means) = means::gather(&arguments, &Connection::default()).await?;
        let wiki = Wiki::at(&arguments.url, arguments.reach.client(None)?);
        trial(&arguments, &wiki, &policy, &mut means).await
    }
}

impl Drop for Given {
    fn drop(&mut self) {
        _ = fs::remove_dir_all(&self.0);
    }
}

fn of(trial: &Trial, outcome: Outcome) -> Vec<&'static str> {
    trial.cases.iter().filter(|it| it.outcome == outcome).map(|it| it.name).collect()
}

#[tokio::test]
async fn behind_a_wiki_that_is_right_everything_passes_and_nothing_is_left() {
    let (given, script) = (Given::with(&json!({})), Script::start(Basic::Allowed, Sabotage::None).await);
    let trial = given.tried(&script.url, &given.all()).await.unwrap();
    assert_eq!(of(&trial, Outcome::Passed).len(), trial.cases.len(), "{}", trial.text());
    assert_eq!(trial.verdict(true), Verdict::Right);
    let page = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/operate/verify.md")).unwrap();
    for case in &trial.cases {
        assert!(
            page.contains(&format!("`{}`", case.name)),
            "docs/operate/verify.md does not have {}",
            case.name
        );
    }
    assert_eq!(script.pages(), 0, "the page that was made is removed");
    let shown = trial.text() + &serde_json::to_string(&trial).unwrap();
    for secret in [
        script::PASSWORD,
        script::PAT,
        script::ADMIN_PAT,
        script::SESSION,
        &script::token("alice", 4_102_444_800),
    ] {
        assert!(!shown.contains(secret), "{secret} is in {shown}");
    }
}

#[tokio::test]
async fn what_is_not_given_is_skipped_and_counted_and_nothing_is_written() {
    let (given, script) = (Given::with(&json!({})), Script::start(Basic::Allowed, Sabotage::None).await);
    let everything = given.tried(&script.url, &given.all()).await.unwrap();
    let trial = given.tried(&script.url, &[]).await.unwrap();
    let (skipped, passed) = (of(&trial, Outcome::Skipped), of(&trial, Outcome::Passed));
    assert_eq!(skipped.len() + passed.len(), everything.cases.len(), "{}", trial.text());
    for name in [
        "login",
        "token",
        "token-user",
        "expired-token",
        "password",
        "session-api",
        "personal-access-token",
        "own-link",
        "links-unchanged",
        "write-page",
        "remove-page",
    ] {
        assert!(skipped.contains(&name), "{name} of {skipped:?}");
    }
    assert!(
        trial.cases.iter().filter(|it| it.outcome == Outcome::Skipped).all(|it| it
            .fix
            .as_deref()
            .unwrap_or_default()
            .len()
            > 10)
    );
    assert_eq!((trial.verdict(false), trial.verdict(true)), (Verdict::Right, Verdict::Unknown));
    // A page, a file, and the removal.
    assert_eq!(script.written(), 3, "only the first trial wrote");
}

/// Cases that follow from another.
fn follow(name: &str) -> &'static [&'static str] {
    match name {
        "login" => &["session-page", "session-api", "session-download"],
        "write-page" => &["write-attachment", "read-attachment", "remove-page"],
        "write-attachment" => &["read-attachment"],
        _ => &[],
    }
}

#[tokio::test]
async fn each_case_fails_alone_when_its_answer_is_wrong() {
    let (given, script) = (Given::with(&json!({})), Script::start(Basic::Allowed, Sabotage::None).await);
    let trial = given.tried(&script.url, &given.all()).await.unwrap();
    let names: Vec<&'static str> = trial.cases.iter().map(|it| it.name).collect();
    for name in names {
        let script = Script::start(Basic::Allowed, Sabotage::NotConfigured(name)).await;
        let trial = given.tried(&script.url, &given.all()).await.unwrap();
        assert_eq!(of(&trial, Outcome::Failed), [name], "{}", trial.text());
        assert_eq!(of(&trial, Outcome::Skipped), follow(name), "{}", trial.text());
        assert_eq!(trial.verdict(false), Verdict::Wrong);
    }
}

#[tokio::test]
async fn without_the_sidecar_everything_that_it_does_is_missed() {
    let (given, script) = (Given::with(&json!({})), Script::start(Basic::Allowed, Sabotage::Bare).await);
    let trial = given.tried(&script.url, &given.all()).await.unwrap();
    let failed = of(&trial, Outcome::Failed);
    for name in [
        "no-credential",
        "discovery",
        "other-scheme",
        "two-credentials",
        "made-up-session",
        "garbage-token",
        "unsigned-token",
        "foreign-token",
        "made-up-personal-token",
        "made-up-oauth2-token",
        "made-up-parameters",
        "incomplete-oauth1",
        "own-link-from-outside",
        "token-known",
        "token-user",
        "token-naming-another",
        "forwarded-user",
        "large-head",
        "large-form",
        "changed-token",
        "expired-token",
        "other-audience-token",
        "token-download",
        "write-page",
    ] {
        assert!(failed.contains(&name), "{name} of {failed:?}\n{}", trial.text());
    }
    // What Confluence does by itself it does here, too.
    for name in [
        "status",
        "login-page",
        "login",
        "session-page",
        "session-api",
        "password",
        "personal-access-token",
        "own-link",
    ] {
        assert!(of(&trial, Outcome::Passed).contains(&name), "{name}\n{}", trial.text());
    }
    assert!(trial.text().contains("see that --url leads to pods with the sidecar"), "{}", trial.text());
}

#[tokio::test]
async fn what_is_expected_follows_from_the_policy() {
    let (allow, deny) = (Given::with(&json!({})), Given::with(&json!({"basicAuth": {"mode": "Deny"}})));
    let (allowing, denying) = (
        Script::start(Basic::Allowed, Sabotage::None).await,
        Script::start(Basic::Denied, Sabotage::None).await,
    );
    let failed = |trial: &Trial| of(trial, Outcome::Failed);
    let trial = deny.tried(&denying.url, &deny.all()).await.unwrap();
    assert_eq!(of(&trial, Outcome::Passed).len(), trial.cases.len(), "{}", trial.text());
    let by_password = [
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
    assert_eq!(failed(&deny.tried(&allowing.url, &deny.all()).await.unwrap()), by_password);
    assert_eq!(failed(&allow.tried(&denying.url, &allow.all()).await.unwrap()), by_password);
}

#[tokio::test]
async fn nobody_at_the_address_is_said_at_once() {
    let given = Given::with(&json!({}));
    let failure = given.tried("http://127.0.0.1:1/confluence", &[]).await.err().unwrap().to_string();
    assert!(
        failure.contains("could not ask http://127.0.0.1:1/confluence") && failure.contains("--resolve"),
        "{failure}"
    );
}

#[test]
fn secrets_are_no_arguments() {
    for argument in ["--token", "--password", "--pat", "--admin-pat", "--session"] {
        let parsed =
            Cli::try_parse_from(["kubectl-restward", "verify", "--url", "http://w", argument, "secret"]);
        assert_eq!(parsed.unwrap_err().exit_code(), 2, "{argument}");
    }
    // A password's user alone, or a space without --write.
    for arguments in [&["--basic-user", "bob"][..], &["--space", "X"], &["--write"], &["--device"]] {
        let line = [&["kubectl-restward", "verify", "--url", "http://w"], arguments].concat();
        assert_eq!(Cli::try_parse_from(line).unwrap_err().exit_code(), 2, "{arguments:?}");
    }
}

#[test]
fn in_mode_off_no_token_is_tried() {
    let policy = serde_json::from_value(json!({
        "apiVersion": "restward.io/v1alpha1", "kind": "RestApiAuthPolicy", "metadata": {"name": "wiki"},
        "spec": {"mode": "Off", "selector": {"matchLabels": {"app": "wiki"}}, "keycloak": {"host": "h", "realm": "r"}},
    }))
    .unwrap();
    let means = super::Means { token: Some(script::token("alice", 1)), ..super::Means::default() };
    let cases = super::cases::cases(&Terms::of(&policy), &means, k8s_openapi::jiff::Timestamp::UNIX_EPOCH);
    let plan = |name: &str| &cases.iter().find(|it| it.name == name).unwrap().plan;
    assert!(matches!(plan("token"), super::Plan::Skip(why) if why.contains("mode is Off")));
    assert!(matches!(plan("no-credential"), super::Plan::Ask(_, super::expected::Expected::Passed)));
}
