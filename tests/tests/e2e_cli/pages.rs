//! The commands of the pages that only look: each runs as it stands there, and has something to show.

use std::{fs, path::Path};

use anyhow::{Context as _, Result, ensure};
use restward_tests::{
    wiki::{Auth, CONTENT, get},
    world::World,
};
use tokio::process::Command;

/// Those that speak of the wiki and the policy that the guide leaves.
const PAGES: &[&str] = &[
    "operate/three-in-the-morning.md",
    "operate/upgrade.md",
    "setup/application-link.md",
    "setup/audit-to-enforce.md",
    "setup/basic-off.md",
    "start/install.md",
    "start/try-it.md",
    "start/will-this-break-my-wiki.md",
];
/// How a command begins that changes nothing.
const LOOKS: &[&str] = &[
    "helm history",
    "kubectl describe",
    "kubectl get",
    "kubectl logs",
    "kubectl restward applink show",
    "kubectl restward applink verify",
    "kubectl restward basic-report",
    "kubectl restward check",
    "kubectl restward diff",
    "kubectl restward explain",
    "kubectl restward preflight",
    "kubectl rollout status",
];
/// What a wiki that is well, and enforces, has nothing to show for.
const NOTHING_TO_SHOW: &[&str] = &[
    "lastState.terminated",
    "reason=FailedCreate",
    "reason=BreakGlassUsed",
    "IN(400",
    "restward.io/policy-namespace",
    "basic_brown_out",
    "would_refuse",
];
/// As many as there are at least: fewer means that pages are not read any more.
const AT_LEAST: usize = 40;

pub(super) async fn all(world: &World) -> Result<()> {
    // So that there is a refusal to be found.
    ensure!(get(world, CONTENT, &Auth::Bearer("garbage".into())).await?.status == 401);
    let mut looked = 0;
    for page in PAGES {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs").join(page);
        for command in commands(&fs::read_to_string(path)?) {
            look(&command).await.with_context(|| format!("{page}: {command}"))?;
            looked += 1;
        }
    }
    ensure!(looked >= AT_LEAST, "the pages have {looked} commands that only look");
    Ok(())
}

/// Those of the shell blocks, with the lines that belong to one command together.
fn commands(page: &str) -> Vec<String> {
    let blocks = page.split("```sh\n").skip(1).filter_map(|rest| rest.split_once("```"));
    let whole =
        blocks.map(|(block, _)| block.replace("|\n", "| ").replace("\\\n", " ").replace("&&\n", "&& "));
    let lines = whole.flat_map(|block| block.lines().map(|line| line.trim().to_owned()).collect::<Vec<_>>());
    // What writes a file, is a step of a longer command, or never ends is left out.
    let is_more = |line: &str| [">", "&&", " -f "].iter().any(|sign| line.contains(sign));
    lines.filter(|line| LOOKS.iter().any(|begin| line.starts_with(begin)) && !is_more(line)).collect()
}

async fn look(command: &str) -> Result<()> {
    let ended =
        Command::new("bash").args(["-o", "pipefail", "-c", command]).kill_on_drop(true).output().await?;
    let said = String::from_utf8_lossy(&ended.stderr);
    let may_be_empty = NOTHING_TO_SHOW.iter().any(|part| command.contains(part));
    // grep's way to say that there is nothing.
    let found_nothing = may_be_empty && ended.status.code() == Some(1) && said.is_empty();
    ensure!(ended.status.success() || found_nothing, "ended with {}: {said}", ended.status);
    ensure!(may_be_empty || !ended.stdout.is_empty(), "shows nothing: {said}");
    Ok(())
}
