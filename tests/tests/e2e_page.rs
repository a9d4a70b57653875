//! The operator's page, as its visitors reach it: by `kubectl port-forward`, with a ServiceAccount's token. Runs after the guide,
//! which leaves the wiki's policy Ready; the demo's values switch the page on. Takes away what it makes.
#![cfg(feature = "cluster-tests")]

use std::{process::Stdio, time::Duration};

use anyhow::{Context as _, Result, bail, ensure};
use reqwest::{Client, StatusCode, header, redirect};
use restward_tests::{
    command::{apply, kubectl, run_refused},
    keycloak::{outlive, token_of, user_token},
    policy::{self, until},
    wait::SLOW,
    world::{OPERATOR, WIKI_NAMESPACE, World},
};
use tokio::{
    io::{AsyncBufReadExt as _, BufReader},
    process::{Child, Command},
};

const ACCOUNTS: &str = "
apiVersion: v1
kind: ServiceAccount
metadata: {name: page-viewer, namespace: atlassian}
---
apiVersion: v1
kind: ServiceAccount
metadata: {name: page-nobody, namespace: atlassian}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: page-viewer, namespace: atlassian}
rules: [{apiGroups: [restward.io], resources: [restapiauthpolicies], verbs: [get], resourceNames: [wiki]}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: page-viewer, namespace: atlassian}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: page-viewer}
subjects: [{kind: ServiceAccount, name: page-viewer, namespace: atlassian}]
";

/// The page, as long as the port is forwarded.
struct Page {
    _forward: Child,
    url: String,
    client: Client,
}

impl Page {
    async fn open() -> Result<Self> {
        let deployment = format!("deployment/{OPERATOR}");
        let mut forward = Command::new("kubectl")
            .args(["port-forward", "-n", OPERATOR, &deployment, ":8081"])
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        let mut lines = BufReader::new(forward.stdout.take().context("no output")?).lines();
        // Forwarding from 127.0.0.1:40123 -> 8081
        let first = lines.next_line().await?.context("the port is not forwarded")?;
        let address = first.split_whitespace().find(|word| word.contains("127.0.0.1:"));
        let port = address.and_then(|address| address.rsplit(':').next()).with_context(|| first.clone())?;
        // What kubectl writes for each connection has to go somewhere.
        tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
        let client = Client::builder().no_proxy().redirect(redirect::Policy::none()).build()?;
        Ok(Self { _forward: forward, url: format!("http://localhost:{port}"), client })
    }

    async fn post(
        &self,
        path: &str,
        cookie: &str,
        form: &[(&str, &str)],
    ) -> Result<(StatusCode, String, String)> {
        let request = self.client.post(format!("{}{path}", self.url)).form(form);
        let sent = request.header(header::ORIGIN, &self.url).header(header::COOKIE, cookie).send().await?;
        let cookie = sent.headers().get(header::SET_COOKIE).and_then(|value| value.to_str().ok());
        let cookie = cookie.and_then(|cookie| cookie.split(';').next()).unwrap_or_default().to_owned();
        Ok((sent.status(), cookie, sent.text().await?))
    }

    async fn get(&self, path: &str, cookie: &str) -> Result<(StatusCode, String)> {
        let answer =
            self.client.get(format!("{}{path}", self.url)).header(header::COOKIE, cookie).send().await?;
        Ok((answer.status(), answer.text().await?))
    }

    /// The cookie of a visitor.
    async fn login(&self, token: &str) -> Result<String> {
        let (status, cookie, text) = self.post("/login", "", &[("token", token)]).await?;
        ensure!(status == StatusCode::SEE_OTHER, "{status}: {text}");
        Ok(cookie)
    }
}

/// A token of a ServiceAccount, for this audience or, without one, for the API server.
async fn token(account: &str, audience: Option<&str>) -> Result<String> {
    let mut arguments = vec!["create", "token", account, "-n", WIKI_NAMESPACE, "--duration", "10m"];
    arguments.extend(audience.map(|audience| ["--audience", audience]).into_iter().flatten());
    Ok(kubectl(&arguments).await?.trim().to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_visitor_tries_tokens_through_a_port_forward() {
    let world = World::find().await.unwrap();
    until(WIKI_NAMESPACE, policy::NAME, "Ready", "True", "Ready", SLOW).await.unwrap();
    apply(ACCOUNTS).await.unwrap();
    let done = visit(&world).await;
    let gone = run_all_away().await;
    done.unwrap();
    gone.unwrap();
}

async fn run_all_away() -> Result<()> {
    for object in [
        "serviceaccount/page-viewer",
        "serviceaccount/page-nobody",
        "role/page-viewer",
        "rolebinding/page-viewer",
    ] {
        kubectl(&["delete", object, "-n", WIKI_NAMESPACE, "--ignore-not-found"]).await?;
    }
    Ok(())
}

async fn visit(world: &World) -> Result<()> {
    // Early, so that it is old when it is tried.
    let short = token_of(world, "wiki-short", "alice").await?;
    let page = Page::open().await?;
    let (status, text) = page.get("/login", "").await?;
    ensure!(status == StatusCode::OK && text.contains("kubectl create token"), "{status}: {text}");
    only_its_own_tokens(&page).await?;
    nobody_sees_nothing(&page).await?;
    only_from_the_pod().await?;

    let viewer = page.login(&token("page-viewer", Some("restward")).await?).await?;
    let (status, list) = page.get("/", &viewer).await?;
    ensure!(status == StatusCode::OK && list.contains("atlassian/wiki"), "{status}: {list}");
    let wiki = format!("/policies/{WIKI_NAMESPACE}/{}", policy::NAME);
    let (_, shown) = page.get(&wiki, &viewer).await?;
    for text in ["UpstreamTrusted", "wiki-confluence", "has counted since it started", "/realms/atlassian"] {
        ensure!(shown.contains(text), "no {text:?} in {shown}");
    }

    let good = user_token(world, "alice").await?;
    let call = [("token", good.as_str()), ("method", "GET"), ("path", "/confluence/rest/api/content")];
    let (_, _, text) = page.post(&wiki, &viewer, &call).await?;
    ensure!(text.contains("A call with it is forwarded") && text.contains("<bdi>alice</bdi>"), "{text}");
    ensure!(!text.contains(&good), "the token is repeated");
    outlive(&short, Duration::from_secs(30)).await?;
    let (_, _, text) = page.post(&wiki, &viewer, &[("token", &short)]).await?;
    ensure!(text.contains("A call with it is not forwarded") && text.contains("token_expired"), "{text}");
    let (_, _, text) = page.post(&wiki, &viewer, &[("token", "no token at all")]).await?;
    ensure!(text.contains("token_malformed"), "{text}");
    no_log_has([&good, &short]).await
}

/// A token for the API server would be good for more than the page, and is not taken.
async fn only_its_own_tokens(page: &Page) -> Result<()> {
    let for_api_server = token("page-viewer", None).await?;
    for wrong in [for_api_server.as_str(), "no.token.atall"] {
        let (status, _, text) = page.post("/login", "", &[("token", wrong)]).await?;
        ensure!(status == StatusCode::UNAUTHORIZED && text.contains("no valid token"), "{status}: {text}");
    }
    Ok(())
}

async fn nobody_sees_nothing(page: &Page) -> Result<()> {
    let nobody = page.login(&token("page-nobody", Some("restward")).await?).await?;
    for path in ["/", "/policies/atlassian/wiki"] {
        let (status, text) = page.get(path, &nobody).await?;
        ensure!(status == StatusCode::FORBIDDEN && text.contains("may not"), "{path}: {status}: {text}");
    }
    Ok(())
}

/// Nothing listens at the pod's own address.
async fn only_from_the_pod() -> Result<()> {
    let label = "app.kubernetes.io/component=operator";
    let list = ["get", "pods", "-n", OPERATOR, "-l", label, "-o", "jsonpath={.items[*].status.podIP}"];
    for ip in kubectl(&list).await?.split_whitespace() {
        if tokio::net::TcpStream::connect((ip, 8081)).await.is_ok() {
            bail!("the page is reached at {ip}:8081");
        }
    }
    let through = format!("/api/v1/namespaces/{OPERATOR}/services/{OPERATOR}:8081/proxy/login");
    run_refused("kubectl", &["get", "--raw", &through], None).await.map(drop)
}

async fn no_log_has(tokens: [&str; 2]) -> Result<()> {
    let operator =
        kubectl(&["logs", "-n", OPERATOR, "-l", "app.kubernetes.io/component=operator", "--tail=-1"]).await?;
    let wiki =
        ["logs", "-n", WIKI_NAMESPACE, "-l", "restward.io/injected", "-c", "restward-proxy", "--tail=-1"];
    let sidecars = kubectl(&wiki).await?;
    ensure!(!operator.is_empty() && !sidecars.is_empty(), "no logs");
    for signature in tokens.iter().filter_map(|token| token.rsplit('.').next()) {
        ensure!(!operator.contains(signature) && !sidecars.contains(signature), "a token is logged");
    }
    Ok(())
}
