//! The commands of docs/operate/three-in-the-morning.md that only look: each runs as it stands there, and has something to show.

use std::{fs, path::Path};

use anyhow::{Context as _, Result, ensure};
use restward_tests::{
    wiki::{Auth, CONTENT, get},
    world::World,
};
use tokio::process::Command;

const PAGE: &str = "docs/operate/three-in-the-morning.md";
/// How a command begins that changes nothing.
const LOOKS: &[&str] = &[
    "helm history",
    "kubectl describe",
    "kubectl get",
    "kubectl logs",
    "kubectl restward applink verify",
    "kubectl restward check",
    "kubectl restward explain",
];
/// What a wiki that is well has nothing to show for.
const NOTHING_TO_SHOW: &[&str] = &[
    "lastState.terminated",
    "reason=FailedCreate",
    "IN(400",
    "reason=BreakGlassUsed",
    "restward.io/policy-namespace",
];
/// As many as are on the page at least: fewer means that it is not read any more.
const AT_LEAST: usize = 20;

pub(super) async fn all(world: &World) -> Result<()> {
    // So that there is a refusal to be found.
    ensure!(get(world, CONTENT, &Auth::Bearer("garbage".into())).await?.status == 401);
    let page = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(PAGE))?;
    let commands = commands(&page);
    ensure!(commands.len() >= AT_LEAST, "{PAGE} has {} commands that only look", commands.len());
    for command in commands {
        look(&command).await.with_context(|| format!("{PAGE}: {command}"))?;
    }
    Ok(())
}

/// Those of the shell blocks, with the lines that belong to one command together.
fn commands(page: &str) -> Vec<String> {
    let blocks = page.split("```sh\n").skip(1).filter_map(|rest| rest.split_once("```"));
    let whole =
        blocks.map(|(block, _)| block.replace("|\n", "| ").replace("\\\n", " ").replace("&&\n", "&& "));
    let lines = whole.flat_map(|block| block.lines().map(|line| line.trim().to_owned()).collect::<Vec<_>>());
    let only_looks = |line: &String| {
        LOOKS.iter().any(|begin| line.starts_with(begin)) && !line.contains('>') && !line.contains("&&")
    };
    lines.filter(only_looks).collect()
}

async fn look(command: &str) -> Result<()> {
    let ended =
        Command::new("bash").args(["-o", "pipefail", "-c", command]).kill_on_drop(true).output().await?;
    let said = String::from_utf8_lossy(&ended.stderr);
    ensure!(ended.status.success(), "ended with {}: {said}", ended.status);
    let may_be_empty = NOTHING_TO_SHOW.iter().any(|part| command.contains(part));
    ensure!(may_be_empty || !ended.stdout.is_empty(), "shows nothing: {said}");
    Ok(())
}
