//! `uninstall`: in the order in which nothing is refused or left behind: policies, then the pods that have their sidecars, then the
//! operator.
//!
//! - [`plan`]: what has to be done, and what is worth knowing before
//! - [`steps`]: doing it (I/O)

mod plan;
mod steps;

use std::time::Duration;

use k8s_openapi::api::apps::v1::Deployment;
use kube::{Api, ResourceExt as _, api::ListParams};
use restward_crds::api::v1alpha1::RestApiAuthPolicy;

use crate::{
    args::Output,
    cluster::{self, OPERATOR, Session},
    failure::{Failure, Verdict},
    input,
    output::{self, progress},
};
use plan::Plan;

/// Take Restward out of the cluster in the right order: policies, the sidecars of their pods, the operator. Asks first.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Deletes every policy of the cluster, also those that their deletionPolicy would retain, restarts the workloads whose \
                        pods have the sidecar, waits until none has it, and runs helm uninstall. Confluence takes passwords again as it did \
                        before. The definitions of the kinds stay, as do the application links in Confluence, which kubectl restward \
                        applink remove takes away beforehand. Broken off, it can be run again."
)]
pub(crate) struct Arguments {
    /// Do not ask
    #[arg(long)]
    yes: bool,
    /// Only say what would be done
    #[arg(long, conflicts_with = "yes")]
    dry_run: bool,
    /// Leave the workloads alone: restart them yourself, while the command waits
    #[arg(long)]
    no_restart: bool,
    /// How many minutes to wait for the pods
    #[arg(long, value_name = "MINUTES", default_value_t = 30)]
    timeout: u64,
    #[command(flatten)]
    output: Output,
}

pub(crate) async fn run(arguments: &Arguments, session: &Session) -> Result<Verdict, Failure> {
    let client = &session.client;
    let everything = ListParams::default();
    let policies = Api::<RestApiAuthPolicy>::all(client.clone()).list(&everything).await;
    let policies = match policies {
        Ok(list) => list.items,
        // The definition is gone, so no policy can exist.
        Err(kube::Error::Api(status)) if status.is_not_found() => Vec::new(),
        Err(error) => return Err(Failure::of_api("list the policies of all namespaces", &error)),
    };
    let operators = Api::<Deployment>::all(client.clone()).list(&everything.labels(OPERATOR)).await;
    let operators =
        operators.map_err(|error| Failure::of_api("list Deployments of all namespaces", &error))?.items;
    let mut found = Vec::new();
    for policy in policies {
        let pods = cluster::injected(client, &policy).await?.len();
        found.push((policy, pods));
    }
    let plan = Plan::of(&found, &operators, !arguments.no_restart);
    output::show(arguments.output.format, &plan)?;
    if arguments.dry_run || plan.is_nothing() {
        return Ok(Verdict::Right);
    }
    if let Some(failure) = plan.cannot_be_done() {
        return Err(failure);
    }
    if !arguments.yes && !input::agrees("Do all this?") {
        progress("nothing was changed");
        return Ok(Verdict::Wrong);
    }
    let patience = Duration::from_secs(arguments.timeout.saturating_mul(60));
    for (policy, _) in &found {
        steps::delete(client, policy).await?;
        progress(&format!(
            "policy {}/{} is being deleted",
            policy.namespace().unwrap_or_default(),
            policy.name_any()
        ));
    }
    for (policy, _) in &found {
        steps::detached(client, policy, patience).await?;
    }
    for workload in &plan.restarts {
        steps::restart(client, workload).await?;
        progress(&format!("{workload} restarts"));
    }
    for (policy, _) in &found {
        steps::gone(client, policy, patience).await?;
    }
    for release in &plan.releases {
        steps::helm_uninstall(release, &session.connection).await?;
    }
    progress(
        "Restward is gone; its definitions stay: kubectl delete crd restapiauthpolicies.restward.io, or helm uninstall restward-crds",
    );
    Ok(Verdict::Right)
}
