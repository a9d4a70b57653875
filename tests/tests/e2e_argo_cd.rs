//! Restward by Argo CD, word for word as docs/start/install.md has it: Applications, settings, a policy in Git, its deletion. Runs
//! where the operator is not installed.
#![cfg(feature = "cluster-tests")]
#![allow(clippy::indexing_slicing, reason = "indexing a JSON value by a name gives Null, it does not panic")]

use anyhow::{Context as _, Result, ensure};
use restward_tests::{
    argo_cd::running::{ArgoCd, NAMESPACE, application, make_root, refresh, synced, until},
    command::{follow, kubectl, kubectl_json, run},
    pages, policy, removal,
    wait::{QUICK, SLOW, eventually},
    wiki::{Auth, CONTENT, get, token_names_its_user},
    world::{OPERATOR, WIKI, WIKI_NAMESPACE, World},
};
use serde_json::{Value, json};

const VALUES: &str = include_str!("../demo/values.yaml");
/// Something beside the policy.
const OTHER: &str = r#"{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "beside-the-policy"}}"#;
const CA: &str = "restward-webhook-ca";

#[tokio::test]
async fn argo_cd_installs_follows_git_and_does_not_take_away_what_is_in_force() {
    let world = World::find().await.unwrap();
    from_nothing(&world).await.unwrap();
    let argo_cd = ArgoCd::start(&block("argocd-cm", "resource.customizations").unwrap()).await.unwrap();
    let applications = Applications::of_the_page(&argo_cd).unwrap();
    argo_cd.copy("charts").await.unwrap();
    argo_cd.commit("wiki/policy.yaml", Some(&policy_in_git().unwrap().to_string())).await.unwrap();
    // A folder with nothing in it is none, which is another matter.
    argo_cd.commit("wiki/other.yaml", Some(OTHER)).await.unwrap();
    argo_cd.commit("apps/apps.yaml", Some(&applications.text(&[]).unwrap())).await.unwrap();
    make_root(&argo_cd).await.unwrap();

    the_waves_come_in_order().await.unwrap();
    the_wiki_is_healthy_once_people_did_their_part(&world).await.unwrap();
    what_is_not_gits_stays_as_it_is().await.unwrap();
    a_change_in_git_comes_into_force(&argo_cd, &applications).await.unwrap();
    a_policy_that_vanishes_from_git_stays(&world, &argo_cd).await.unwrap();
    the_operator_goes_only_when_it_may(&world).await.unwrap();
}

/// No application link, and not even the definitions, which Helm may have put there.
async fn from_nothing(world: &World) -> Result<()> {
    removal::start_over(world).await?;
    run("helm", &["uninstall", "restward-crds", "-n", OPERATOR, "--ignore-not-found"], None).await?;
    kubectl(&["delete", "crd", "restapiauthpolicies.restward.io", "--ignore-not-found"]).await.map(drop)
}

/// The YAML block that holds `part`, of the section about Argo CD.
fn block(what: &str, part: &str) -> Result<String> {
    let page = pages::all().into_iter().find(|page| page.path.ends_with("docs/start/install.md"));
    let page = page.context("the page is gone")?;
    let blocks =
        page.blocks().into_iter().filter(|block| block.language == "yaml" && block.text.contains(part));
    let mut blocks: Vec<_> = blocks.collect();
    ensure!(blocks.len() == 1, "the page has {} blocks with {what}", blocks.len());
    Ok(blocks.remove(0).text)
}

fn parsed(yaml: &str) -> Result<Value> {
    Ok(serde_saphyr::from_str(yaml)?)
}

/// The demo's policy with what the page adds to it for Argo CD.
fn policy_in_git() -> Result<Value> {
    let added = parsed(&block("the policy", "SkipDryRunOnMissingResource")?)?;
    let mut policy = parsed(policy::YAML)?;
    policy["metadata"]["annotations"] = added["metadata"]["annotations"].clone();
    policy["spec"]["deletionPolicy"] = added["spec"]["deletionPolicy"].clone();
    Ok(policy)
}

/// The Applications of the page, with a repository and values of this place, and the one of the wiki, of which the page says that
/// there is one.
struct Applications {
    page: String,
    wiki: Value,
}

impl Applications {
    fn of_the_page(argo_cd: &ArgoCd) -> Result<Self> {
        let page = block("the Applications", "kind: Application")?
            .replace("https://git.example.com/restward.git", &argo_cd.repository());
        let wiki = json!({
            "apiVersion": "argoproj.io/v1alpha1",
            "kind": "Application",
            "metadata": {"name": "wiki", "namespace": NAMESPACE, "annotations": {"argocd.argoproj.io/sync-wave": "1"}},
            "spec": {
                "project": "default",
                "source": {"repoURL": argo_cd.repository(), "path": "wiki", "targetRevision": "main"},
                "destination": {"server": "https://kubernetes.default.svc", "namespace": WIKI_NAMESPACE},
                "syncPolicy": {"automated": {"selfHeal": true, "prune": true}},
            },
        });
        Ok(Self { page, wiki })
    }

    /// As a file, with these groups that may break glass beside the values of the demo.
    fn text(&self, groups: &[&str]) -> Result<String> {
        let mut values = parsed(VALUES)?;
        values["breakGlass"] = json!({"groups": groups});
        let place = "helm: {releaseName: restward}";
        ensure!(self.page.contains(place), "the page has no {place}");
        let page =
            self.page.replace(place, &format!("helm: {{releaseName: restward, valuesObject: {values}}}"));
        Ok(format!("{page}\n---\n{}", self.wiki))
    }
}

/// The one comes when the one before is healthy, and the last waits for people.
async fn the_waves_come_in_order() -> Result<()> {
    let definitions = until("restward-crds", "Synced", "Healthy", SLOW).await?;
    let operator = until("restward", "Synced", "Healthy", SLOW).await?;
    let wiki = until("wiki", "Synced", "Suspended", SLOW).await?;
    // RFC 3339 in UTC: text is in the order of time.
    let at = |application: &Value, what: &str| {
        application["status"]["operationState"][what].as_str().map(str::to_owned).context("no operation")
    };
    ensure!(at(&definitions, "finishedAt")? <= at(&operator, "startedAt")?, "the operator came first");
    let deployment = kubectl_json(&["get", "deployment", OPERATOR, "-n", OPERATOR]).await?;
    let mut conditions = deployment["status"]["conditions"].as_array().into_iter().flatten();
    let available = conditions.find(|condition| condition["type"] == "Available").context("not available")?;
    let available = available["lastTransitionTime"].as_str().unwrap_or_default();
    ensure!(available <= at(&wiki, "startedAt")?.as_str(), "the policy came before an operator was there");
    Ok(())
}

async fn the_wiki_is_healthy_once_people_did_their_part(world: &World) -> Result<()> {
    let (namespace, name) = (WIKI_NAMESPACE, policy::NAME);
    let told = policy::until(namespace, name, "Injected", "False", "RestartRequired", QUICK).await?;
    follow(&told).await?;
    kubectl(&["rollout", "status", &format!("statefulset/{WIKI}"), "-n", namespace, "--timeout=360s"])
        .await?;
    policy::until(namespace, name, "UpstreamTrusted", "False", "LinkMissing", SLOW).await?;
    until("wiki", "Synced", "Suspended", QUICK).await?;
    let file = std::env::temp_dir().join(format!("restward-admin-{}.token", std::process::id()));
    std::fs::write(&file, &world.admin_token)?;
    let applied =
        kubectl(&["restward", "applink", "apply", "-n", namespace, "--token-file", &file.to_string_lossy()])
            .await;
    std::fs::remove_file(&file)?;
    applied?;
    token_names_its_user(world, SLOW).await?;
    until("wiki", "Synced", "Healthy", QUICK).await?;
    until("root", "Synced", "Healthy", QUICK).await.map(drop)
}

/// What the operator keeps in objects of the chart is left to it; what somebody does to what Git has is undone.
async fn what_is_not_gits_stays_as_it_is() -> Result<()> {
    let before = synced_times("restward").await?;
    kubectl(&[
        "annotate",
        "secret",
        CA,
        "-n",
        OPERATOR,
        "--overwrite",
        "restward.io/rotate-webhook-ca=by-the-tests",
    ])
    .await?;
    let authority = eventually("another certificate authority is made", QUICK, || async {
        let data = authorities().await?;
        ensure!(data["next-ca.crt"].is_string(), "there is no next one");
        Ok(data["next-ca.crt"].clone())
    })
    .await?;
    policy::patch(r#"{"spec":{"basicAuth":{"mode":"Deny"}}}"#).await?;
    eventually("the change by hand is undone", QUICK, || async {
        let mode = policy::read().await?["spec"]["basicAuth"]["mode"].clone();
        ensure!(mode == "Allow", "{mode}");
        Ok(())
    })
    .await?;
    refresh().await?;
    until("restward", "Synced", "Healthy", QUICK).await?;
    let data = authorities().await?;
    let is_there = data["next-ca.crt"] == authority || data["ca.crt"] == authority;
    ensure!(is_there, "the certificate authority was undone");
    ensure!(synced_times("restward").await? == before, "it was synced again");
    Ok(())
}

/// What the operator keeps of its webhook's certificate authorities.
async fn authorities() -> Result<Value> {
    Ok(kubectl_json(&["get", "secret", CA, "-n", OPERATOR]).await?["data"].clone())
}

/// How often Argo CD has brought Git's state into the cluster.
async fn synced_times(name: &str) -> Result<usize> {
    Ok(application(name).await?["status"]["history"].as_array().map_or(0, Vec::len))
}

async fn a_change_in_git_comes_into_force(argo_cd: &ArgoCd, applications: &Applications) -> Result<()> {
    let before = synced_times("restward").await?;
    argo_cd.commit("apps/apps.yaml", Some(&applications.text(&["oncall"])?)).await?;
    let witness = format!("{OPERATOR}-restward-break-glass");
    eventually("the operator has filled in where the API server asks", SLOW, || async {
        let webhook = kubectl_json(&["get", "validatingwebhookconfiguration", &witness]).await?;
        ensure!(webhook["webhooks"][0]["clientConfig"]["caBundle"].is_string(), "{webhook}");
        Ok(())
    })
    .await?;
    refresh().await?;
    until("restward", "Synced", "Healthy", SLOW).await?;
    let webhook = kubectl_json(&["get", "validatingwebhookconfiguration", &witness]).await?;
    ensure!(webhook["webhooks"][0]["clientConfig"]["caBundle"].is_string(), "it was undone: {webhook}");
    ensure!(synced_times("restward").await? == before + 1, "Argo CD and the operator undo each other's");
    Ok(())
}

async fn a_policy_that_vanishes_from_git_stays(world: &World, argo_cd: &ArgoCd) -> Result<()> {
    let revision = argo_cd.commit("wiki/policy.yaml", None).await?;
    synced("wiki", &revision, QUICK).await?;
    until("wiki", "OutOfSync", "Healthy", QUICK).await?;
    ensure!(policy::read().await?["metadata"]["deletionTimestamp"].is_null(), "it is being deleted");
    ensure!(get(world, CONTENT, &Auth::None).await?.status == 401, "it is not in force");
    Ok(())
}

/// The check refuses; when it does not any more, somebody has to say yes.
async fn the_operator_goes_only_when_it_may(world: &World) -> Result<()> {
    let operator = application("restward").await?;
    let mut deployments = operator["status"]["resources"].as_array().into_iter().flatten();
    let deployment =
        deployments.find(|resource| resource["kind"] == "Deployment").context("no Deployment")?;
    ensure!(deployment["requiresDeletionConfirmation"] == true, "nobody is asked: {deployment}");
    // Nobody makes it again.
    kubectl(&["delete", "application", "root", "-n", NAMESPACE]).await?;
    let finalizer =
        r#"[{"op":"add","path":"/metadata/finalizers/-","value":"resources-finalizer.argocd.argoproj.io"}]"#;
    kubectl(&["patch", "application", "restward", "-n", NAMESPACE, "--type=json", "-p", finalizer]).await?;
    kubectl(&["delete", "application", "restward", "-n", NAMESPACE, "--wait=false"]).await?;
    // By chance, as the page says: it takes a Job of which it does not know yet for one that has succeeded.
    eventually("Argo CD has asked the check", QUICK, || async {
        let found = application("restward").await?;
        let conditions = found["status"]["conditions"].to_string();
        let is_refused = conditions.contains("DeletionError") && conditions.contains("uninstall-check");
        ensure!(is_refused || !waits_for_the_check(&found), "{conditions}");
        Ok(())
    })
    .await?;
    nothing_is_being_deleted().await?;
    ensure!(get(world, CONTENT, &Auth::None).await?.status == 401, "the policy is not in force");
    policy::patch(r#"{"spec":{"deletionPolicy":"Detach"}}"#).await?;
    removal::delete_policy().await?;
    eventually("the check lets it", SLOW, || async {
        let found = application("restward").await?;
        ensure!(!waits_for_the_check(&found), "{}", found["status"]["conditions"]);
        Ok(())
    })
    .await?;
    refresh().await?;
    eventually("Argo CD has looked again", QUICK, || async {
        let found = application("restward").await?;
        ensure!(found["metadata"]["annotations"]["argocd.argoproj.io/refresh"].is_null());
        Ok(())
    })
    .await?;
    nothing_is_being_deleted().await?;
    let now = run("date", &["-u", "+%FT%TZ"], None).await?;
    let approval = format!("argocd.argoproj.io/deletion-approved={}", now.trim());
    kubectl(&["annotate", "application", "restward", "-n", NAMESPACE, &approval]).await?;
    eventually("the operator is gone", SLOW, || async {
        let of_argo_cd =
            ["get", "application", "restward", "-n", NAMESPACE, "--ignore-not-found", "-o", "name"];
        let of_ours = ["get", "deployment,service,rolebinding,secret", "-n", OPERATOR, "-o", "name"];
        let left = kubectl(&of_argo_cd).await? + &kubectl(&of_ours).await?;
        ensure!(left.is_empty(), "{left}");
        Ok(())
    })
    .await?;
    ensure!(get(world, CONTENT, &Auth::Basic("alice", "alice-password")).await?.status == 200);
    // The definitions stay, and nobody but Argo CD would take them for its own.
    kubectl(&["delete", "crd", "restapiauthpolicies.restward.io"]).await?;
    kubectl(&["delete", "configmap", "beside-the-policy", "-n", WIKI_NAMESPACE]).await.map(drop)
}

fn waits_for_the_check(application: &Value) -> bool {
    let mut finalizers = application["metadata"]["finalizers"].as_array().into_iter().flatten();
    finalizers.any(|finalizer| finalizer == "pre-delete-finalizer.argocd.argoproj.io")
}

/// Nobody has approved it.
async fn nothing_is_being_deleted() -> Result<()> {
    let deployment = kubectl_json(&["get", "deployment", OPERATOR, "-n", OPERATOR]).await?;
    ensure!(deployment["metadata"]["deletionTimestamp"].is_null(), "the operator is being deleted");
    Ok(())
}
