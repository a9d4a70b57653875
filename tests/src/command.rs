//! Running `kubectl` and other programs.

use std::process::Stdio;

use anyhow::{Context as _, Result, bail};
use serde_json::Value;
use tokio::{io::AsyncWriteExt as _, process::Command};

/// Standard output of a program that must succeed.
///
/// # Errors
/// When it cannot be run or fails; with what it wrote to standard error.
pub async fn run(program: &str, args: &[&str], input: Option<&[u8]>) -> Result<String> {
    let output = finished(program, args, input).await?;
    if !output.status.success() {
        bail!("{program} {}: {}", args.join(" "), String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// What `kubectl apply` says on standard error while it accepts the object: its warnings.
///
/// # Errors
/// When the API server refuses it; with its message.
pub async fn apply_warnings(yaml: &str) -> Result<String> {
    let output = finished("kubectl", &["apply", "-f", "-"], Some(yaml.as_bytes())).await?;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    if !output.status.success() {
        bail!("kubectl apply: {}", said.trim());
    }
    Ok(said)
}

/// Standard error of a program that must fail.
///
/// # Errors
/// When it cannot be run or succeeds.
pub async fn run_refused(program: &str, args: &[&str], input: Option<&[u8]>) -> Result<String> {
    let output = finished(program, args, input).await?;
    if output.status.success() {
        bail!("{program} {} was expected to fail and succeeded", args.join(" "));
    }
    Ok(String::from_utf8_lossy(&output.stderr).into_owned())
}

async fn finished(program: &str, args: &[&str], input: Option<&[u8]>) -> Result<std::process::Output> {
    let mut child = Command::new(program)
        .args(args)
        .stdin(if input.is_some() { Stdio::piped() } else { Stdio::null() })
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .with_context(|| format!("cannot run {program}"))?;
    if let (Some(bytes), Some(mut stdin)) = (input, child.stdin.take()) {
        stdin.write_all(bytes).await?;
    }
    Ok(child.wait_with_output().await?)
}

/// `kubectl` with these arguments.
///
/// # Errors
/// When it fails; with its message.
pub async fn kubectl(args: &[&str]) -> Result<String> {
    run("kubectl", args, None).await
}

/// `kubectl … -o json`, parsed.
///
/// # Errors
/// When it fails or answers no JSON.
pub async fn kubectl_json(args: &[&str]) -> Result<Value> {
    let output = kubectl(&[args, &["-o", "json"]].concat()).await?;
    serde_json::from_str(&output).context("kubectl answered no JSON")
}

/// `kubectl apply` of one object or a YAML text.
///
/// # Errors
/// When the API server refuses it; with its message.
pub async fn apply(yaml: &str) -> Result<String> {
    run("kubectl", &["apply", "-f", "-"], Some(yaml.as_bytes())).await
}

/// Runs the first `kubectl` command that a message of status names, word for word, up to a semicolon.
///
/// # Errors
/// When the message names none, or it fails.
pub async fn follow(message: &str) -> Result<String> {
    let command = message
        .find("kubectl ")
        .and_then(|at| message.get(at..))
        .with_context(|| format!("no kubectl command in: {message}"))?;
    let words = command.split(';').next().unwrap_or_default().split_whitespace().skip(1);
    // Quoted words of such commands have no spaces.
    let words: Vec<&str> = words.map(|word| word.trim_matches('\'')).collect();
    kubectl(&words).await.with_context(|| format!("following: {message}"))
}
