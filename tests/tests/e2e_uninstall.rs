//! Taking Restward away: refused while a policy exists, complete afterwards. Runs last, as nothing of it is left.
#![cfg(feature = "cluster-tests")]
#![allow(clippy::indexing_slicing, reason = "indexing a JSON value by a name gives Null, it does not panic")]

use anyhow::{Context as _, Result, ensure};
use restward_tests::{
    command::{follow, kubectl, kubectl_json, run_refused},
    policy::{self, until},
    removal,
    wait::{QUICK, SLOW, eventually},
    wiki::{Auth, CONTENT, get, token_names_its_user},
    world::{OPERATOR, WIKI_NAMESPACE, WIKI_POD, World},
};
use serde_json::Value;

const UNINSTALL: &[&str] = &["uninstall", "restward", "-n", OPERATOR, "--wait", "--timeout", "2m"];

#[tokio::test]
async fn uninstalling_waits_for_the_policies_and_leaves_nothing() {
    let world = World::find().await.unwrap();
    assert!(policy::exists().await.unwrap(), "this suite runs after the guide");

    let refusal = run_refused("helm", UNINSTALL, None).await.unwrap();
    assert!(refusal.contains(&format!("{WIKI_NAMESPACE}/{}", policy::NAME)), "{refusal}");
    kubectl(&["rollout", "status", "deployment/restward", "-n", OPERATOR, "--timeout=10s"]).await.unwrap();
    assert_eq!(get(&world, CONTENT, &Auth::None).await.unwrap().status, 401, "the refusal changed something");

    a_retained_policy_stays_in_force_until_it_is_released(&world).await.unwrap();
    removal::delete_policy().await.unwrap();
    // Its Service leads there a moment after the pod is ready.
    eventually("the restarted wiki takes passwords as before", QUICK, || async {
        let answer = get(&world, CONTENT, &Auth::Basic("alice", "alice-password")).await?;
        ensure!(answer.status == 200, "{answer:?}");
        Ok(())
    })
    .await
    .unwrap();
    let of_the_policy = format!("configmap,secret -n {WIKI_NAMESPACE} -l restward.io/managed=true -o name");
    assert_eq!(left(&of_the_policy).await.unwrap(), "", "the policy left something");

    all_at_once_by_the_command_line(&world).await.unwrap();
    assert_eq!(left(&of_the_policy).await.unwrap(), "", "the policy left something");
    eventually("the operator's pods are gone", QUICK, || async {
        let pods = left(&format!("pods -n {OPERATOR} -o name")).await?;
        ensure!(pods.is_empty(), "{pods}");
        Ok(())
    })
    .await
    .unwrap();
    let cluster_wide = "mutatingwebhookconfigurations,validatingwebhookconfigurations,validatingadmissionpolicies,validatingadmissionpolicybindings,clusterroles,clusterrolebindings -o name";
    let ours: Vec<String> = left(cluster_wide)
        .await
        .unwrap()
        .lines()
        .filter(|name| name.contains("restward"))
        .map(Into::into)
        .collect();
    assert!(ours.is_empty(), "the operator left {ours:?}");
    let in_its_namespace =
        left(&format!("all,secrets,serviceaccounts,roles,rolebindings,leases -n {OPERATOR} -o name"))
            .await
            .unwrap();
    let ours: Vec<&str> = in_its_namespace
        .lines()
        .filter(|name| {
            !name.contains("serviceaccount/default") && !name.contains("sh.helm.release.v1.restward-crds")
        })
        .collect();
    assert!(ours.is_empty(), "the operator left {ours:?}");
}

async fn a_retained_policy_stays_in_force_until_it_is_released(world: &World) -> Result<()> {
    policy::patch(r#"{"spec":{"deletionPolicy":"Retain"}}"#).await?;
    kubectl(&["delete", "restapiauthpolicy", policy::NAME, "-n", WIKI_NAMESPACE, "--wait=false"]).await?;
    let advisory = eventually("status says that the policy is retained", QUICK, || async {
        let policy = policy::read().await?;
        let told = policy["status"]["advisories"].as_array().into_iter().flatten().filter_map(Value::as_str);
        told.filter(|told| told.starts_with("Retained: "))
            .map(ToOwned::to_owned)
            .next()
            .with_context(|| format!("{}", policy["status"]["advisories"]))
    })
    .await?;
    kubectl(&["delete", "pod", WIKI_POD, "-n", WIKI_NAMESPACE]).await?;
    token_names_its_user(world, SLOW).await?;
    ensure!(get(world, CONTENT, &Auth::None).await?.status == 401, "a new pod serves whoever comes");
    until(WIKI_NAMESPACE, policy::NAME, "Enforced", "True", "Verified", QUICK).await?;
    let refusal = run_refused("helm", UNINSTALL, None).await?;
    ensure!(refusal.contains(&format!("{WIKI_NAMESPACE}/{}", policy::NAME)), "{refusal}");
    follow(&advisory).await.map(drop)
}

/// A policy with its pod, and the operator: `kubectl restward uninstall` takes them in the order in which nothing is refused.
async fn all_at_once_by_the_command_line(world: &World) -> Result<()> {
    policy::create().await?;
    let told = until(WIKI_NAMESPACE, policy::NAME, "Injected", "False", "RestartRequired", QUICK).await?;
    follow(&told).await?;
    until(WIKI_NAMESPACE, policy::NAME, "Enforced", "True", "Verified", SLOW).await?;
    // Its Service leads there a moment after the pod is ready.
    eventually("the policy is in force", QUICK, || async {
        let answer = get(world, CONTENT, &Auth::None).await?;
        ensure!(answer.status == 401, "{answer:?}");
        Ok(())
    })
    .await?;

    let plan = kubectl(&["restward", "uninstall", "--dry-run"]).await?;
    ensure!(plan.contains(&format!("{WIKI_NAMESPACE}/{}", policy::NAME)), "{plan}");
    ensure!(policy::exists().await?, "a dry run deleted the policy");
    kubectl(&["restward", "uninstall", "--yes"]).await?;
    ensure!(!policy::exists().await?, "the policy is still there");
    let pod = kubectl_json(&["get", "pod", WIKI_POD, "-n", WIKI_NAMESPACE]).await?;
    ensure!(pod["metadata"]["labels"]["restward.io/injected"].is_null(), "{}", pod["metadata"]);
    Ok(())
}

/// What `kubectl get` lists.
async fn left(arguments: &str) -> Result<String> {
    let words: Vec<&str> = ["get"].into_iter().chain(arguments.split_whitespace()).collect();
    Ok(kubectl(&words).await?.trim().to_owned())
}
