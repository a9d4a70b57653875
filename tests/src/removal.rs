//! Taking the policy away again, as its status says how.

use anyhow::{Context as _, Result, ensure};
use reqwest::Method;

use crate::{
    command::{follow, kubectl},
    policy,
    wait::{QUICK, SLOW, eventually},
    wiki::{Auth, call},
    world::{WIKI, WIKI_NAMESPACE, World},
};

/// Deletes the demo's policy, restarts the pods by the command that status then names, and waits until the policy is gone.
/// Gives that message of status.
///
/// # Errors
/// When status names no command, or something stays.
pub async fn delete_policy() -> Result<String> {
    kubectl(&["delete", "restapiauthpolicy", policy::NAME, "-n", WIKI_NAMESPACE, "--wait=false"]).await?;
    let told = eventually("status names the restart that ends the deletion", QUICK, || async {
        let policy = policy::read().await?;
        let (_, reason, message) = policy::condition(&policy, "Injected").context("no condition")?;
        ensure!(reason == "RestartRequired" && message.contains("being deleted"), "{reason}: {message}");
        Ok(message.to_owned())
    })
    .await?;
    follow(&told).await?;
    kubectl(&["rollout", "status", &format!("statefulset/{WIKI}"), "-n", WIKI_NAMESPACE, "--timeout=360s"])
        .await?;
    eventually("the policy is gone", SLOW, || async {
        ensure!(!policy::exists().await?);
        Ok(())
    })
    .await?;
    Ok(told)
}

/// Brings Confluence back to where it was before the first policy: none of it, and no application link.
///
/// # Errors
/// When something stays.
pub async fn start_over(world: &World) -> Result<()> {
    if policy::exists().await? {
        delete_policy().await?;
    }
    let administrator = Auth::Bearer(world.admin_token.clone());
    let links =
        call(world, Method::GET, "/rest/applinks/latest/listApplicationlinks", &administrator).await?;
    for link in links.json()["list"].as_array().into_iter().flatten() {
        let id = link["application"]["id"].as_str().context("a link without an id")?;
        let path = format!("/rest/applinks/3.0/applicationlink/{id}");
        let answer = call(world, Method::DELETE, &path, &administrator).await?;
        ensure!(answer.status == 200, "DELETE {path} answered {}", answer.status);
    }
    Ok(())
}
