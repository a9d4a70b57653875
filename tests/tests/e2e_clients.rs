//! Clients that people really use, through the Service: that they work, and what they show to somebody who is refused.
//! Runs after the guide, which leaves the application link, and leaves the policy as that does: Ready.
#![cfg(feature = "cluster-tests")]

use anyhow::{Result, ensure};
use restward_tests::{
    clients::{Clients, Shown, TOKEN_URL},
    keycloak::{by_client_credentials, token_of, user_token},
    policy::{self, until},
    table::Table,
    wait::{QUICK, SLOW, eventually},
    wiki::{Auth, CONTENT, ECHO, get},
    world::{WIKI_NAMESPACE, World},
};
use serde_json::json;

const NO_TOKEN: &str = "This resource needs a token: send 'Authorization: Bearer <access token>'.";
const NOT_A_TOKEN: &str = "The token is not a signed JWT in compact form.";
const UNKNOWN_USER: &str = "Confluence has no active user of this name.";
const UNMAPPED: &str = "Map the client to a Confluence user in the policy's serviceAccounts.";
const NO_BASIC: &str =
    "Basic authentication and password logins are switched off for this API. Use a Bearer token.";
const ALICE: &str = "alice:alice-password";

/// The client works, and shows this.
fn works(table: &mut Table, what: &str, shown: &Shown, text: &str) {
    add(table, what, true, shown, text);
}

/// The client fails, and shows this.
fn fails(table: &mut Table, what: &str, shown: &Shown, text: &str) {
    add(table, what, false, shown, text);
}

fn add(table: &mut Table, what: &str, succeeds: bool, shown: &Shown, text: &str) {
    let holds = shown.succeeded == succeeds && shown.text.contains(text);
    let expected = format!("{} and '{text}'", if succeeds { "success" } else { "failure" });
    // Of what holds the part that was looked for, of the rest everything.
    table.add(what, expected, if holds { text } else { &shown.text }, holds);
}

struct Tokens {
    alice: String,
    /// Nobody of this name is in Confluence.
    unknown: String,
}

/// One test, as both parts use the same policy.
#[tokio::test]
async fn real_clients_work_and_show_why_they_are_refused() {
    let world = World::find().await.unwrap();
    basic_is(&world, "Allow", 200).await.unwrap();
    until(WIKI_NAMESPACE, policy::NAME, "Ready", "True", "Ready", SLOW).await.unwrap();
    let clients = Clients::install(&world).await.unwrap();
    let tokens = Tokens {
        alice: user_token(&world, "alice").await.unwrap(),
        unknown: token_of(&world, "wiki-rest", "mallory-unknown").await.unwrap(),
    };
    let mut table = Table::default();
    curl(&world, &clients, &tokens, &mut table).await.unwrap();
    atlassian_python_api(&world, &clients, &tokens, &mut table).await.unwrap();
    requests_oauthlib(&world, &clients, &tokens, &mut table).await.unwrap();
    restward_auth(&world, &clients, &mut table).await.unwrap();
    discovery(&world, &clients, &mut table).await.unwrap();
    as_the_page_says(&world, &clients, &mut table).await.unwrap();
    mcp_server(&world, &clients, &tokens, &mut table).await.unwrap();

    basic_is(&world, "Deny", 401).await.unwrap();
    without_basic(&world, &clients, &mut table).await.unwrap();
    basic_is(&world, "Allow", 200).await.unwrap();
    until(WIKI_NAMESPACE, policy::NAME, "Ready", "True", "Ready", SLOW).await.unwrap();
    table.require_all().unwrap();
}

/// Sets the toggle and waits until a password gets this status.
async fn basic_is(world: &World, mode: &str, status: u16) -> Result<()> {
    policy::patch(&format!(r#"{{"spec":{{"basicAuth":{{"mode":"{mode}"}}}}}}"#)).await?;
    eventually("the toggle is in force", QUICK, || async {
        let answer = get(world, CONTENT, &Auth::Basic("alice", "alice-password")).await?;
        ensure!(answer.status == status, "{}", answer.status);
        Ok(())
    })
    .await
}

async fn curl(world: &World, clients: &Clients, tokens: &Tokens, table: &mut Table) -> Result<()> {
    table.section("curl");
    let echo = format!("{}{ECHO}", world.wiki_url);
    let as_alice = r#""user":"alice""#;
    let with = |token: &str| format!("Authorization: Bearer {token}");
    let shown = clients.curl(&["--header", &with(&tokens.alice), &echo]).await?;
    works(table, "a token", &shown, as_alice);
    let shown = clients.curl(&["--user", ALICE, &echo]).await?;
    works(table, "--user", &shown, as_alice);
    let upload = [
        "--header",
        &with(&tokens.alice),
        "--upload-file",
        concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml"),
        &echo,
    ];
    works(table, "--upload-file", &clients.curl(&upload).await?, r#""method":"PUT""#);
    fails(table, "401: no token", &clients.curl(&[&echo]).await?, NO_TOKEN);
    let shown = clients.curl(&["--header", &with("garbage"), &echo]).await?;
    fails(table, "401: no JWT", &shown, NOT_A_TOKEN);
    fails(table, "… and curl's own words", &shown, "error: 401");
    let shown = clients.curl(&["--header", &with(&tokens.unknown), &echo]).await?;
    fails(table, "403: a user whom Confluence does not know", &shown, UNKNOWN_USER);

    // It sends the password only when a challenge asks for one.
    let shown = clients.curl(&["--anyauth", "--user", ALICE, &echo]).await?;
    fails(table, "--anyauth: only a token is asked for", &shown, NO_TOKEN);
    let asking = format!("{echo}?os_authType=basic");
    let shown = clients.curl(&["--anyauth", "--user", ALICE, &asking]).await?;
    works(table, "--anyauth with os_authType=basic", &shown, as_alice);
    let shown = clients.curl(&["--anyauth", "--user", "alice:wrong", &asking]).await?;
    fails(table, "… and a wrong password", &shown, "error: 401");
    Ok(())
}

async fn atlassian_python_api(
    world: &World,
    clients: &Clients,
    tokens: &Tokens,
    table: &mut Table,
) -> Result<()> {
    table.section("atlassian-python-api");
    let run = async |variable: (&str, &str)| {
        clients.python("by_atlassian_python_api.py", &[&world.wiki_url], &[variable]).await
    };
    let shown = run(("TOKEN", &tokens.alice)).await?;
    works(table, "a token reads", &shown, "I am alice");
    works(table, "… and writes", &shown, "made By atlassian-python-api");
    works(table, "a password", &run(("LOGIN", ALICE)).await?, "I am alice");
    fails(table, "401: no JWT", &run(("TOKEN", "garbage")).await?, &format!("HTTPError: {NOT_A_TOKEN}"));
    let shown = run(("TOKEN", &tokens.unknown)).await?;
    fails(table, "403: a user whom Confluence does not know", &shown, UNKNOWN_USER);
    Ok(())
}

async fn requests_oauthlib(
    world: &World,
    clients: &Clients,
    tokens: &Tokens,
    table: &mut Table,
) -> Result<()> {
    table.section("requests-oauthlib");
    let run = async |client: &str, variables: &[(&str, &str)]| {
        clients.python("by_requests_oauthlib.py", &[&world.wiki_url, TOKEN_URL, client], variables).await
    };
    works(table, "client credentials", &run("reports", &[]).await?, "I am svc-reports");
    works(table, "a token", &run("wiki-rest", &[("TOKEN", &tokens.alice)]).await?, "I am alice");
    fails(table, "401: no JWT", &run("wiki-rest", &[("TOKEN", "garbage")]).await?, NOT_A_TOKEN);
    fails(table, "403: a client that is not mapped", &run("unmapped", &[]).await?, UNMAPPED);
    Ok(())
}

async fn restward_auth(world: &World, clients: &Clients, table: &mut Table) -> Result<()> {
    table.section("docs/callers/restward_auth.py");
    let run = async |client: &str| {
        clients.python("by_restward_auth.py", &[&world.wiki_url, TOKEN_URL, client], &[]).await
    };
    let shown = run("reports").await?;
    works(table, "client credentials read", &shown, "I am svc-reports");
    works(table, "… and write", &shown, "made By restward_auth");
    fails(table, "403: a client that is not mapped", &run("unmapped").await?, UNMAPPED);
    fails(
        table,
        "a client that the realm does not know",
        &run("nobody").await?,
        "answered 401: invalid_client",
    );
    Ok(())
}

async fn discovery(world: &World, clients: &Clients, table: &mut Table) -> Result<()> {
    table.section("discovery, from a 401 on (RFC 9728)");
    let run = async |client: &str| clients.python("by_discovery.py", &[&world.wiki_url, client], &[]).await;
    let url = &world.wiki_url;
    let named = format!("resource_metadata=\"{url}/.well-known/oauth-protected-resource\"");
    // The wiki believes to stand behind an ingress with TLS, which this cluster has not.
    let origin = url.strip_suffix("/confluence").unwrap_or(url);
    policy::patch(&json!({"spec": {"externalURLs": [origin]}}).to_string()).await?;
    eventually("the URL is in force", QUICK, || async {
        let answer = get(world, CONTENT, &Auth::None).await?;
        let challenge = answer.header("www-authenticate").unwrap_or_default();
        ensure!(challenge.contains(&named), "{challenge}");
        Ok(())
    })
    .await?;
    let shown = run("reports").await?;
    works(table, "the 401 names the metadata", &shown, &named);
    works(
        table,
        "the authorization server is found",
        &shown,
        "authorization server: https://sso.example.test/",
    );
    works(table, "the call", &shown, "I am svc-reports");
    fails(table, "403: a client that is not mapped", &run("unmapped").await?, UNMAPPED);
    policy::patch(r#"{"spec":{"externalURLs":null}}"#).await
}

/// The page for callers, word for word.
async fn as_the_page_says(world: &World, clients: &Clients, table: &mut Table) -> Result<()> {
    table.section("docs/callers/README.md");
    let shown = clients.page(world, "sh", &["client_credentials"], "").await?;
    works(table, "curl: a token by client credentials, and a call", &shown, "svc-reports");
    let shown = clients.page(world, "sh", &["client_credentials", "child/attachment"], "").await?;
    works(table, "curl: a page is made, and a file is put there", &shown, "plan.pdf");
    let more = "print('read', answer.status_code, answer.headers['X-AUSERNAME'])\n";
    let shown = clients.page(world, "python", &["RestwardAuth(", "Retry("], more).await?;
    works(table, "Python", &shown, "read 200 svc-reports");
    let nobodys = clients
        .page(world, "sh", &["client_credentials"], "\ncurl --fail-with-body -sS \"$WIKI/rest/api/content\"")
        .await?;
    fails(table, "curl: the refusal is shown", &nobodys, NO_TOKEN);
    a_person_for_long(world, clients, table).await
}

/// A refresh token of a person, by a device code: got, kept in a file, and used by curl and by Python.
async fn a_person_for_long(world: &World, clients: &Clients, table: &mut Table) -> Result<()> {
    let about_the_file =
        "echo\necho mode $(stat --format %a wiki-cli.refresh), size $(stat --format %s wiki-cli.refresh)\n";
    let shown = clients.page_for(world, "alice", &["scope=offline_access"], about_the_file).await?;
    works(table, "curl: a refresh token is kept in a file that nobody else reads", &shown, "mode 600");
    let shown = clients.page(world, "sh", &["grant_type=refresh_token"], about_the_file).await?;
    works(table, "curl: a token by it, and a call", &shown, r#""username":"alice""#);
    works(table, "… and the newer one is kept as the first was", &shown, "mode 600");
    let more = "print('I am', wiki.get(f\"{os.environ['WIKI']}/rest/api/user/current\", timeout=30).json()['username'])\n";
    let shown = clients.page(world, "python", &["RestwardAuth(", "refresh_token="], more).await?;
    works(table, "Python: a token by it, and a call", &shown, "I am alice");
    Ok(())
}

/// `mcp-atlassian` in the set-ups that the page names.
async fn mcp_server(world: &World, clients: &Clients, tokens: &Tokens, table: &mut Table) -> Result<()> {
    table.section("an MCP server");
    let for_one = async |token: &str| clients.mcp(world, &[("PERSONAL_TOKEN", token)]).await;
    let shown = for_one(&tokens.alice).await?;
    works(table, "one person's token in its settings", &shown, "made By an MCP server as alice");
    fails(table, "401: no JWT", &for_one("garbage").await?, NOT_A_TOKEN);
    let reports = by_client_credentials(world, "reports").await?;
    let callers = clients.mcp(world, &[("CALLERS", &format!("{},{reports}", tokens.alice))]).await?;
    works(table, "each caller's own token, passed on", &callers, "made By an MCP server as alice");
    works(table, "… and another caller is another user", &callers, "made By an MCP server as svc-reports");
    let callers = clients.mcp(world, &[("CALLERS", &tokens.unknown)]).await?;
    fails(table, "403: a caller whom Confluence does not know", &callers, "403 from /rest/api/user/current");
    let callers = clients.mcp(world, &[("CALLERS", "")]).await?;
    fails(table, "a caller without a token", &callers, "401 Unauthorized");
    Ok(())
}

async fn without_basic(world: &World, clients: &Clients, table: &mut Table) -> Result<()> {
    table.section("basicAuth.mode: Deny");
    let echo = format!("{}{ECHO}", world.wiki_url);
    fails(table, "curl --user", &clients.curl(&["--user", ALICE, &echo]).await?, NO_BASIC);
    let asking = format!("{echo}?os_authType=basic");
    let shown = clients.curl(&["--anyauth", "--user", ALICE, &asking]).await?;
    fails(table, "curl --anyauth with os_authType=basic", &shown, NO_TOKEN);
    let login = [("LOGIN", ALICE)];
    let shown = clients.python("by_atlassian_python_api.py", &[&world.wiki_url], &login).await?;
    fails(table, "atlassian-python-api", &shown, &format!("HTTPError: {NO_BASIC}"));
    Ok(())
}
