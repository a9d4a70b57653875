//! Taking Restward away: refused while a policy exists, complete afterwards. Runs last, as nothing of it is left.
#![cfg(feature = "cluster-tests")]

use anyhow::{Result, ensure};
use restward_tests::{
    command::{kubectl, run, run_refused},
    policy, removal,
    wait::{QUICK, eventually},
    wiki::{Auth, CONTENT, get},
    world::{OPERATOR, WIKI_NAMESPACE, World},
};

const UNINSTALL: &[&str] = &["uninstall", "restward", "-n", OPERATOR, "--wait", "--timeout", "2m"];

#[tokio::test]
async fn uninstalling_waits_for_the_policies_and_leaves_nothing() {
    let world = World::find().await.unwrap();
    assert!(policy::exists().await.unwrap(), "this suite runs after the guide");

    let refusal = run_refused("helm", UNINSTALL, None).await.unwrap();
    assert!(refusal.contains(&format!("{WIKI_NAMESPACE}/{}", policy::NAME)), "{refusal}");
    kubectl(&["rollout", "status", "deployment/restward", "-n", OPERATOR, "--timeout=10s"]).await.unwrap();
    assert_eq!(get(&world, CONTENT, &Auth::None).await.unwrap().status, 401, "the refusal changed something");

    removal::delete_policy().await.unwrap();
    let answer = get(&world, CONTENT, &Auth::Basic("alice", "alice-password")).await.unwrap();
    assert_eq!(answer.status, 200, "the restarted wiki takes passwords as before");
    let of_the_policy = format!("configmap,secret -n {WIKI_NAMESPACE} -l restward.io/managed=true -o name");
    assert_eq!(left(&of_the_policy).await.unwrap(), "", "the policy left something");

    run("helm", UNINSTALL, None).await.unwrap();
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

/// What `kubectl get` lists.
async fn left(arguments: &str) -> Result<String> {
    let words: Vec<&str> = ["get"].into_iter().chain(arguments.split_whitespace()).collect();
    Ok(kubectl(&words).await?.trim().to_owned())
}
