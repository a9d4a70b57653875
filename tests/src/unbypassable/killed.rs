//! The sidecar is killed as soon as it is up, again and again, while a client calls every port.

use anyhow::{Context as _, Result, ensure};

use super::{
    attempt::exec,
    hammer::Hammer,
    network, site,
    site::{NAMESPACE, NODE, POD},
};
use crate::{command::kubectl, table::Table};

/// Kills it 20 times, now before it listens and now after, or as often as the kubelet's delays allow within two minutes. The
/// sidecar is known by its program and by the UID of its pod, which stands in its cgroup's name.
const KILL: &str = r#"
pod=${1//-/[-_]} kills=0 last= end=$((SECONDS + 120))
while [ $kills -lt 20 ] && [ $SECONDS -lt $end ]; do
  for process in /proc/[0-9]*; do
    [[ $(readlink "$process/exe") == */restward-sidecar ]] && grep -q "$pod" "$process/cgroup" || continue
    pid=${process#/proc/}
    [ "$pid" != "$last" ] || continue
    sleep 0.$((RANDOM % 7))
    kill -9 "$pid" && kills=$((kills + 1)) && last=$pid
  done
  sleep 0.05
done
echo $kills
"#;
/// With delays of up to five minutes the kubelet starts it this often at least.
const LEAST: u32 = 3;

pub(super) async fn in_a_loop(table: &mut Table) -> Result<()> {
    table.section("The sidecar dies");
    let (starts, tomcat) = (restarts("initContainerStatuses").await?, restarts("containerStatuses").await?);
    let hammer = Hammer::start(&network::listening().await?).await?;
    let uid = kubectl(&["get", "pod", POD, "-n", NAMESPACE, "-o", "jsonpath={.metadata.uid}"]).await?;
    let kills: u32 = exec(NODE, &["bash", "-c", KILL, "kill", &uid]).await?.trim().parse()?;
    site::verified().await?;
    let tally = hammer.stop().await?;
    ensure!(restarts("containerStatuses").await? == tomcat, "Confluence was restarted as well");
    ensure!(restarts("initContainerStatuses").await? >= starts + LEAST, "the sidecar was not restarted");
    // Tomcat answers there, as it is told to listen everywhere.
    let tried =
        tally.count("8090: 401") > 0 && tally.count("8090: no answer") > 0 && tally.count("18090: 403") > 0;
    table.add(
        "the sidecar killed in a loop while a client calls every port of the pod",
        "never at Confluence",
        format!("killed {kills}×; {}", tally.shown()),
        kills >= LEAST && tried && tally.is_clean(),
    );
    Ok(())
}

async fn restarts(list: &str) -> Result<u32> {
    let path = format!("jsonpath={{.status.{list}[0].restartCount}}");
    let count = kubectl(&["get", "pod", POD, "-n", NAMESPACE, "-o", &path]).await?;
    count.parse().context(count)
}
