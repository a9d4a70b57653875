//! A Keycloak of this program's own, with the realms of `tests/standins/keycloak`.

use std::net::SocketAddr;

use opentelemetry_sdk::trace::InMemorySpanExporter;
use serde_json::{Value, json};

use crate::running::Running;
use crate::support::{
    Reply, World, exchange,
    keys::{self, Key},
    request,
};

const FORM: (&str, &str) = ("Content-Type", "application/x-www-form-urlencoded");

/// The running Keycloak.
pub(crate) struct Keycloak(Running);

impl Keycloak {
    /// Starts one on a free port.
    pub(crate) fn start() -> Self {
        Self(Running::start())
    }

    /// What stands in front of `/realms/`.
    pub(crate) fn base(&self) -> String {
        self.0.base()
    }

    pub(crate) fn port(&self) -> u16 {
        self.0.port
    }

    /// The `iss` of a realm.
    pub(crate) fn issuer(&self, realm: &str) -> String {
        format!("{}/realms/{realm}", self.base())
    }

    /// The sidecar with this realm as issuer and `change` made to its configuration, ready and trusted.
    pub(crate) async fn world(&self, change: impl FnOnce(&mut Value)) -> World {
        World::with(|config| {
            config["issuers"] = self.issuers();
            change(config);
        })
        .await
    }

    /// The same, with which tokens perhaps cannot be checked.
    pub(crate) async fn ailing_world(&self, change: impl FnOnce(&mut Value)) -> World {
        let changed = |config: &mut Value| {
            config["issuers"] = self.issuers();
            change(config);
        };
        World::start(changed, |_| {}, |_, _| {}).await
    }

    /// A sidecar for this realm whose requests are traced.
    pub(crate) async fn traced(&self) -> (World, InMemorySpanExporter) {
        World::traced(|config| config["issuers"] = self.issuers()).await
    }

    fn issuers(&self) -> Value {
        json!([{"host": self.base(), "realm": "atlassian"}])
    }

    /// An access token of `client`, for itself.
    pub(crate) async fn token_of(&self, client: &str) -> String {
        let reply = self.grant("atlassian", client, "grant_type=client_credentials").await;
        reply.json()["access_token"].as_str().unwrap_or_else(|| panic!("{}", reply.text())).to_owned()
    }

    /// The token response for a user's name and password.
    pub(crate) async fn login(&self, client: &str, user: &str, scope: &str) -> Value {
        self.login_in("atlassian", client, user, scope).await
    }

    /// The same in another realm.
    pub(crate) async fn login_in(&self, realm: &str, client: &str, user: &str, scope: &str) -> Value {
        let mut form = format!("grant_type=password&username={user}&password={user}-password");
        if !scope.is_empty() {
            form.push_str(&format!("&scope={scope}"));
        }
        self.grant(realm, client, &form).await.json()
    }

    /// The access token for a user's name and password.
    pub(crate) async fn token(&self, client: &str, user: &str) -> String {
        access_token(&self.login(client, user, "").await)
    }

    /// An access token that is bound to this key.
    pub(crate) async fn bound_token(&self, client: &str, user: &str, key: &Key) -> String {
        let target = "/realms/atlassian/protocol/openid-connect/token";
        let proof = keys::proof(key, "POST", &format!("{}{target}", self.base()), None);
        let body = format!(
            "grant_type=password&username={user}&password={user}-password&client_id={client}&client_secret={client}-secret"
        );
        access_token(&self.send("POST", target, &[FORM, ("DPoP", &proof)], &body).await.json())
    }

    /// An access token that is bound to the certificate which a proxy says the client has.
    pub(crate) async fn token_by_mtls(&self, client: &str, user: &str, client_cert: &str) -> String {
        let body = format!(
            "grant_type=password&username={user}&password={user}-password&client_id={client}&client_secret={client}-secret"
        );
        let headers = [FORM, ("Client-Cert", client_cert)];
        let target = "/realms/atlassian/protocol/openid-connect/token";
        access_token(&self.send("POST", target, &headers, &body).await.json())
    }

    async fn grant(&self, realm: &str, client: &str, form: &str) -> Reply {
        let body = format!("{form}&client_id={client}&client_secret={client}-secret");
        self.send("POST", &format!("/realms/{realm}/protocol/openid-connect/token"), &[FORM], &body).await
    }

    /// The realm's key set.
    pub(crate) async fn jwks(&self) -> Value {
        self.send("GET", "/realms/atlassian/protocol/openid-connect/certs", &[], "").await.json()
    }

    /// Revokes one access token (RFC 7009).
    pub(crate) async fn revoke(&self, client: &str, token: &str) {
        let body = format!("client_id={client}&client_secret={client}-secret&token={token}");
        let target = "/realms/atlassian/protocol/openid-connect/revoke";
        assert_eq!(self.send("POST", target, &[FORM], &body).await.status, 200);
    }

    /// A call of the administration API below the realm.
    pub(crate) async fn admin(&self, method: &str, path: &str, body: Value) -> Reply {
        let form = "grant_type=password&client_id=admin-cli&username=admin&password=admin-password";
        let login = self.send("POST", "/realms/master/protocol/openid-connect/token", &[FORM], form).await;
        let bearer = format!("Bearer {}", access_token(&login.json()));
        let headers = [("Authorization", bearer.as_str()), ("Content-Type", "application/json")];
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let reply = self.send(method, &format!("/admin/realms/atlassian{path}"), &headers, &body).await;
        assert!(reply.status < 300, "{method} {path}: {} {}", reply.status, reply.text());
        reply
    }

    /// Switches a user on or off.
    pub(crate) async fn enable(&self, user: &str, enabled: bool) {
        let found =
            self.admin("GET", &format!("/users?exact=true&username={user}"), Value::Null).await.json();
        let id = found[0]["id"].as_str().unwrap().to_owned();
        self.admin("PUT", &format!("/users/{id}"), json!({ "enabled": enabled })).await;
    }

    /// Gives a client another secret.
    pub(crate) async fn set_secret(&self, client: &str, secret: &str) {
        let found = self.admin("GET", &format!("/clients?clientId={client}"), Value::Null).await.json();
        let mut client = found[0].clone();
        client["secret"] = secret.into();
        let id = client["id"].as_str().unwrap().to_owned();
        self.admin("PUT", &format!("/clients/{id}"), client).await;
    }

    async fn send(&self, method: &str, target: &str, headers: &[(&str, &str)], body: &str) -> Reply {
        let host = format!("127.0.0.1:{}", self.port());
        let mut all = vec![("Host", host.as_str())];
        all.extend(headers);
        exchange(SocketAddr::from(([127, 0, 0, 1], self.port())), &request(method, target, &all, body)).await
    }
}

pub(crate) fn access_token(response: &Value) -> String {
    response["access_token"].as_str().unwrap_or_else(|| panic!("no token: {response}")).to_owned()
}

/// Status, and the reason or the user.
pub(crate) async fn outcome(world: &World, token: &str) -> (u16, String) {
    let reply = world.get_as("/rest/api/content", token).await;
    let user = reply.json()["user"].as_str().map(str::to_owned);
    (reply.status, user.unwrap_or_else(|| reply.reason()))
}

pub(crate) fn is(status: u16, word: &str) -> (u16, String) {
    (status, word.to_owned())
}
