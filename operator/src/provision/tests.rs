use std::{
    future::pending,
    sync::{Arc, Mutex},
};

use axum::{
    Router,
    http::{Method, StatusCode, Uri},
};
use restward_crds::{
    api::v1alpha1::{ClientPurpose, ProvisionedClient},
    names,
};
use serde_json::{Value, json};

use super::*;
use crate::{provision::plan::DesiredScope, testing};

const OWNER: &str = "c-1/atlassian/wiki";
const TOKEN: &str = "/realms/staff/protocol/openid-connect/token";
const SCOPES: &str = "/admin/realms/staff/client-scopes";
const CLIENTS: &str = "/admin/realms/staff/clients";

fn desired(by_mark: bool) -> Desired {
    Desired {
        realm: "staff".into(),
        owner: OWNER.into(),
        scope: Some(DesiredScope { name: "confluence".into(), audiences: vec!["confluence".into()] }),
        clients: vec![ProvisionedClient { client: "reports".into(), purpose: ClientPurpose::ServiceAccount }],
        gone: Vec::new(),
        by_mark,
    }
}

/// What it was asked, and with what besides GET.
type Asked = Arc<Mutex<Vec<String>>>;

/// A Keycloak that logs in everybody and answers so to the rest; with what it was asked.
async fn keycloak(
    answer: impl Fn(&Method, &Uri) -> (StatusCode, String) + Clone + Send + Sync + 'static,
) -> (AdminClient, Asked) {
    let asked = Asked::default();
    let noted = Arc::clone(&asked);
    let answer = async move |method: Method, uri: Uri| {
        if uri.path() == TOKEN {
            return (StatusCode::OK, json!({"access_token": "t"}).to_string());
        }
        noted.lock().unwrap().push(format!("{method} {uri}"));
        answer(&method, &uri)
    };
    (admin_of(&testing::keycloak::plain(Router::new().fallback(answer)).await), asked)
}

fn admin_of(base: &str) -> AdminClient {
    let items = [("keycloak-url", base), ("admin-client-id", "op"), ("admin-client-secret", "s")];
    let data = items.into_iter().map(|(key, item)| (key.to_owned(), item.into())).collect();
    AdminClient::from_secret("kc", &data).unwrap()
}

async fn log_in(client: &AdminClient) -> Admin {
    Admin::log_in(client, Guard::AllowLoopback, "staff").await.unwrap()
}

fn ok(body: &Value) -> (StatusCode, String) {
    (StatusCode::OK, body.to_string())
}

fn client(id: &str, mark: Option<&str>, scopes: &[&str]) -> Value {
    let attributes = json!({names::REALM_MARK: mark, "more": "x".repeat(1000)});
    json!({"id": format!("id-{id}"), "clientId": id, "secret": "of the client", "serviceAccountsEnabled": true,
        "attributes": attributes, "defaultClientScopes": scopes})
}

fn scope(name: &str, mark: Option<&str>) -> Value {
    json!({"id": format!("id-{name}"), "name": name, "attributes": {names::REALM_MARK: mark}})
}

/// The pod has 256 MiB for all namespaces.
#[tokio::test]
async fn what_was_not_asked_for_is_not_kept() {
    let many: Vec<String> = (0..1000).map(|number| format!("scope-{number}")).collect();
    let (admin, _) = keycloak(move |_, uri| match uri.path() {
        SCOPES => {
            let theirs = many.iter().map(|name| scope(name, Some("somebody")));
            ok(&theirs.chain([scope("confluence", None), scope("before", Some(OWNER))]).collect())
        }
        CLIENTS => {
            let scopes: Vec<&str> = many.iter().map(String::as_str).chain(["before"]).collect();
            ok(&json!([
                client("other", None, &[]),
                client("reports", None, &scopes),
                client("reports2", None, &[])
            ]))
        }
        path => panic!("{path}"),
    })
    .await;
    let found = find(&log_in(&admin).await, &desired(false)).await.unwrap();
    let names: Vec<&str> = found.scopes.iter().map(|scope| scope.name.as_str()).collect();
    assert_eq!(names, ["confluence", "before"]);
    assert_eq!(found.clients.len(), 1);
    assert_eq!(found.clients[0].client_id, "reports");
    assert_eq!(found.clients[0].default_client_scopes.iter().collect::<Vec<_>>(), ["before"]);
}

#[tokio::test]
async fn answers_that_are_larger_than_keycloaks_are_not_read() {
    let fill = |size: usize| format!("[{}]", " ".repeat(size));
    let (admin, _) = keycloak(move |_, uri| {
        (StatusCode::OK, fill(if uri.path() == CLIENTS { 128 * 1024 } else { 1024 * 1024 }))
    })
    .await;
    let admin = log_in(&admin).await;
    for failed in [admin.client("reports").await.map(drop), admin.scopes(|_| true).await.map(drop)] {
        assert!(failed.unwrap_err().to_string().ends_with("answers too much to be read"));
    }
    let long = json!([{"id": "x".repeat(2000), "clientId": "reports"}]);
    let (admin, _) = keycloak(move |_, _| ok(&long)).await;
    let failed = log_in(&admin).await.client("reports").await.unwrap_err();
    assert_eq!(failed, Trouble::Odd("look for clients".into(), 200), "an id is no place for a text");
}

/// The clients of a realm, a page at a time.
fn page(clients: &[Value], uri: &Uri) -> Value {
    let url: url::Url = format!("http://h{uri}").parse().unwrap();
    let number =
        |name: &str| -> usize { url.query_pairs().find(|(key, _)| key == name).unwrap().1.parse().unwrap() };
    clients.iter().skip(number("first")).take(number("max")).cloned().collect()
}

#[tokio::test]
async fn clients_that_nobody_remembers_are_found_by_their_mark() {
    let mut clients: Vec<Value> = (0..120).map(|number| client(&format!("c{number}"), None, &[])).collect();
    clients[3] = client("of-another", Some("c-1/atlassian/wiki2"), &[]);
    clients[70] = client("left", Some(OWNER), &["confluence"]);
    clients[119] = client("left-too", Some(OWNER), &[]);
    let (admin, asked) = keycloak(move |_, uri| ok(&page(&clients, uri))).await;
    let marked = log_in(&admin).await.marked(OWNER).await.unwrap();
    let ids: Vec<&str> = marked.iter().map(|client| client.client_id.as_str()).collect();
    assert_eq!(ids, ["left", "left-too"]);
    assert_eq!(asked.lock().unwrap().len(), 3);

    // One that does not end, of others' and of ours.
    for (mark, most) in [("c-1/atlassian/wiki2", 200), (OWNER, 2)] {
        let page = json!(vec![client("c", Some(mark), &[]); 50]);
        let (admin, asked) = keycloak(move |_, _| ok(&page)).await;
        assert!(log_in(&admin).await.marked(OWNER).await.unwrap().len() <= 100);
        assert_eq!(asked.lock().unwrap().len(), most);
    }
}

#[tokio::test]
async fn what_carries_the_mark_and_is_not_listed_goes_though_something_else_is_in_the_way() {
    let clients = [client("left", Some(OWNER), &[]), client("reports", None, &[])];
    let (admin, asked) = keycloak(move |method, uri| match (method, uri.path()) {
        (&Method::GET, SCOPES) => ok(&json!([scope("confluence", None)])),
        (&Method::GET, _) if uri.query().is_some_and(|query| query.starts_with("clientId")) => {
            ok(&json!([clients[1]]))
        }
        (&Method::GET, _) => ok(&json!(clients)),
        _ => (StatusCode::NO_CONTENT, String::new()),
    })
    .await;
    let kept = keep(&admin, Guard::AllowLoopback, || Ok(()), &desired(true)).await;
    assert!(matches!(kept.trouble, Some(Trouble::Taken(_))), "{kept:?}");
    assert_eq!(kept.done[0], "remove the client 'left'");
    let asked = asked.lock().unwrap();
    assert!(asked.contains(&format!("DELETE {CLIENTS}/id-left")), "{asked:?}");
    assert!(asked.iter().all(|asked| asked.starts_with("GET ") || asked.ends_with("/id-left")), "{asked:?}");
}

#[tokio::test]
async fn a_call_that_is_refused_is_tried_once_and_the_others_are_carried_out() {
    let (admin, asked) = keycloak(|method, uri| match (method, uri.path()) {
        (&Method::GET, _) => ok(&json!([])),
        (&Method::POST, CLIENTS) => (StatusCode::FORBIDDEN, String::new()),
        _ => (StatusCode::CREATED, String::new()),
    })
    .await;
    let kept = keep(&admin, Guard::AllowLoopback, || Ok(()), &desired(false)).await;
    assert_eq!(kept.trouble, Some(Trouble::NotAllowed("make the client 'reports'".into())));
    assert!(kept.done.contains(&"make the client scope 'confluence'".to_owned()), "{kept:?}");
    let tried = asked.lock().unwrap().iter().filter(|asked| **asked == format!("POST {CLIENTS}")).count();
    assert_eq!(tried, 1);
}

#[tokio::test]
async fn one_that_is_slow_is_told_from_one_that_is_silent() {
    let answer = async |uri: Uri| {
        if uri.path() != TOKEN {
            pending::<()>().await;
        }
        json!({"access_token": "t"}).to_string()
    };
    let admin = admin_of(&testing::keycloak::plain(Router::new().fallback(answer)).await);
    let moment = Duration::from_millis(300);
    let kept = keep_within(moment, &admin, Guard::AllowLoopback, || Ok(()), &desired(false)).await;
    let said = kept.trouble.unwrap().to_string();
    assert!(said.ends_with("not all was done within 30 seconds; it goes on in a minute"), "{said}");
}
