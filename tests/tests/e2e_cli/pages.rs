//! The commands of the pages that only look: each runs as it stands there, and has something to show.

use anyhow::{Context as _, Result, ensure};
use restward_tests::{
    pages::{self, Page},
    wiki::{Auth, CONTENT, get},
    world::World,
};
use tokio::process::Command;

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
    for page in pages::all().iter().filter(|page| page.path.starts_with("docs")) {
        for command in commands(page) {
            look(&command).await.with_context(|| format!("{}: {command}", page.path.display()))?;
            looked += 1;
        }
    }
    ensure!(looked >= AT_LEAST, "the pages have {looked} commands that only look");
    Ok(())
}

/// Those of the shell blocks, with the lines that belong to one command together.
fn commands(page: &Page) -> Vec<String> {
    let blocks = page.blocks().into_iter().filter(|block| block.language == "sh");
    let whole =
        blocks.map(|block| block.text.replace("|\n", "| ").replace("\\\n", " ").replace("&&\n", "&& "));
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
