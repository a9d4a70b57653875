//! The realm `fresh`, in which nobody has set anything up but the operator's client, as an administrator sees it.

use std::collections::BTreeMap;

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD as B64};
use reqwest::{Client, Method, StatusCode};
use restward_crds::api::v1alpha1::{ClientPurpose, ProvisionedClient};
use restward_operator::{
    discovery::Guard,
    provision::{
        self, Kept,
        admin::AdminClient,
        plan::{Desired, DesiredScope},
    },
};
use serde_json::{Value, json};

use crate::running::Running;

pub(crate) const REALM: &str = "fresh";
pub(crate) const OWNER: &str = "cluster/atlassian/wiki";
/// The operator's client and, with this in front, its secret.
pub(crate) const OPERATOR: &str = "restward-operator";

pub(crate) struct Keycloak {
    running: Running,
    http: Client,
}

/// What most scenarios want.
pub(crate) fn desired() -> Desired {
    let wanted = |client: &str, purpose| ProvisionedClient { client: client.into(), purpose };
    Desired {
        realm: REALM.into(),
        owner: OWNER.into(),
        scope: Some(DesiredScope { name: "confluence".into(), audiences: vec!["confluence".into()] }),
        clients: vec![
            wanted("reports", ClientPurpose::ServiceAccount),
            wanted("wiki-cli", ClientPurpose::Device),
            wanted("wiki-gate", ClientPurpose::Introspection),
        ],
        gone: Vec::new(),
        by_mark: false,
    }
}

/// None of it.
pub(crate) fn nothing() -> Desired {
    let gone = desired().clients.into_iter().map(|client| client.client).collect();
    Desired { scope: None, clients: Vec::new(), gone, ..desired() }
}

impl Keycloak {
    pub(crate) async fn start() -> Self {
        let this = Self { running: Running::start(), http: Client::new() };
        this.admin(Method::POST, "", json!({"realm": REALM, "enabled": true, "sslRequired": "none"})).await;
        this.make_operator(OPERATOR, &["manage-clients"]).await;
        this
    }

    pub(crate) fn base(&self) -> String {
        self.running.base()
    }

    pub(crate) fn port(&self) -> u16 {
        self.running.port
    }

    /// A client whose service account has these roles of `realm-management`.
    pub(crate) async fn make_operator(&self, id: &str, roles: &[&str]) {
        let client = json!({
            "clientId": id, "secret": format!("{id}-secret"), "publicClient": false, "serviceAccountsEnabled": true,
            "standardFlowEnabled": false,
        });
        self.admin(Method::POST, "/fresh/clients", client).await;
        let account =
            format!("/fresh/clients/{}/service-account-user", self.client(id).await["id"].as_str().unwrap());
        let user = self.admin(Method::GET, &account, Value::Null).await["id"].as_str().unwrap().to_owned();
        let manager = self.client("realm-management").await["id"].as_str().unwrap().to_owned();
        let mut given = Vec::new();
        for role in roles {
            given.push(
                self.admin(Method::GET, &format!("/fresh/clients/{manager}/roles/{role}"), Value::Null).await,
            );
        }
        let mappings = format!("/fresh/users/{user}/role-mappings/clients/{manager}");
        self.admin(Method::POST, &mappings, json!(given)).await;
    }

    /// What the Secret holds.
    pub(crate) fn secret(&self, id: &str) -> BTreeMap<String, Vec<u8>> {
        let items = [
            ("keycloak-url", self.base()),
            ("admin-client-id", id.into()),
            ("admin-client-secret", format!("{id}-secret\n")),
        ];
        items.into_iter().map(|(key, item)| (key.to_owned(), item.into_bytes())).collect()
    }

    /// Has the operator's function do it, as this client.
    pub(crate) async fn keep_as(&self, id: &str, desired: &Desired) -> Kept {
        let admin = AdminClient::from_secret("kc", &self.secret(id)).unwrap();
        provision::keep(&admin, Guard::AllowLoopback, || Ok(()), desired).await
    }

    pub(crate) async fn keep(&self, desired: &Desired) -> Kept {
        self.keep_as(OPERATOR, desired).await
    }

    /// A call of the administration API below `/admin/realms`.
    pub(crate) async fn admin(&self, method: Method, path: &str, body: Value) -> Value {
        let form = "grant_type=password&client_id=admin-cli&username=admin&password=admin-password";
        let (_, login) = self.token("master", form).await;
        let url = format!("{}/admin/realms{path}", self.base());
        let mut request =
            self.http.request(method.clone(), url).bearer_auth(login["access_token"].as_str().unwrap());
        if !body.is_null() {
            request = request.header("Content-Type", "application/json").body(body.to_string());
        }
        let answer = request.send().await.unwrap();
        let (status, text) = (answer.status(), answer.text().await.unwrap());
        assert!(status.is_success(), "{method} {path}: {status} {text}");
        serde_json::from_str(&text).unwrap_or_default()
    }

    /// The client of this id; null when there is none.
    pub(crate) async fn client(&self, id: &str) -> Value {
        self.admin(Method::GET, &format!("/fresh/clients?clientId={id}"), Value::Null).await[0].clone()
    }

    /// Changes a client.
    pub(crate) async fn change_client(&self, id: &str, change: Value) {
        let path = format!("/fresh/clients/{}", self.client(id).await["id"].as_str().unwrap());
        self.admin(Method::PUT, &path, change).await;
    }

    /// The client scope of this name; null when there is none.
    pub(crate) async fn scope(&self, name: &str) -> Value {
        let scopes = self.admin(Method::GET, "/fresh/client-scopes", Value::Null).await;
        let found = scopes.as_array().unwrap().iter().find(|scope| scope["name"] == name).cloned();
        found.unwrap_or_default()
    }

    /// Asks a realm's token endpoint.
    pub(crate) async fn token(&self, realm: &str, form: &str) -> (StatusCode, Value) {
        self.post(&format!("/realms/{realm}/protocol/openid-connect/token"), form).await
    }

    pub(crate) async fn post(&self, path: &str, form: &str) -> (StatusCode, Value) {
        let request = self.http.post(format!("{}{path}", self.base()));
        let request =
            request.header("Content-Type", "application/x-www-form-urlencoded").body(form.to_owned());
        let answer = request.send().await.unwrap();
        (answer.status(), serde_json::from_str(&answer.text().await.unwrap()).unwrap_or_default())
    }

    /// The token that a client gets for itself.
    pub(crate) async fn token_of(&self, id: &str) -> String {
        let secret = self.client(id).await["secret"].as_str().unwrap().to_owned();
        let form = format!("grant_type=client_credentials&client_id={id}&client_secret={secret}");
        let (status, answer) = self.token(REALM, &form).await;
        assert!(status.is_success(), "{answer}");
        answer["access_token"].as_str().unwrap().to_owned()
    }
}

/// The claims of a token.
pub(crate) fn claims(token: &str) -> Value {
    serde_json::from_slice(&B64.decode(token.split('.').nth(1).unwrap()).unwrap()).unwrap()
}
