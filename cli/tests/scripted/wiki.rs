//! Confluence's application links, with the sidecar that tries what is in them and the operator that replaces its key.

use std::sync::{Arc, Mutex};

use http::Request;
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use serde_json::{Value, json};

use crate::api::{self, Objects, Reply, reply};

pub(crate) const POLICY: &str = "/apis/restward.io/v1alpha1/namespaces/n/restapiauthpolicies/wiki";
pub(crate) const POD: &str = "/api/v1/namespaces/n/pods/wiki-0";
pub(crate) const CONSUMER: &str = "restward-n-wiki";
pub(crate) const ADMIN: &str = "administrators-token";
/// Somebody who is no administrator.
pub(crate) const ALICE: &str = "alices-token";
const NOWHERE: &str = "https://u-1.restward.invalid";

/// A link as the three calls make it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Link {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) url: String,
    pub(crate) key: Option<String>,
    pub(crate) may_impersonate: bool,
}

#[derive(Default)]
pub(crate) struct State {
    pub(crate) links: Vec<Link>,
    /// Even tokens are asked for a secure administrator session.
    pub(crate) asks_for_websudo: bool,
    /// Calls that changed something.
    pub(crate) changes: Vec<String>,
    /// How often such a call made calls by token fail that went well before.
    pub(crate) gaps: u32,
    /// The keys that the sidecar holds; the first signs unless Confluence takes another.
    held: Vec<&'static str>,
    /// How often the operator has looked since the next key was asked for.
    looked: u32,
}

#[derive(Clone)]
pub(crate) struct Wiki(pub(crate) Arc<Mutex<State>>);

impl Wiki {
    pub(crate) fn new(links: Vec<Link>) -> Self {
        Self(Arc::new(Mutex::new(State { links, held: vec!["old"], ..State::default() })))
    }

    pub(crate) fn links(&self) -> Vec<Link> {
        self.0.lock().unwrap().links.clone()
    }

    pub(crate) fn changes(&self) -> Vec<String> {
        self.0.lock().unwrap().changes.clone()
    }

    /// Confluence, behind the sidecar.
    pub(crate) async fn confluence(&self, request: Request<Incoming>) -> Reply {
        let (head, body) = request.into_parts();
        let body: Value =
            serde_json::from_slice(&body.collect().await.unwrap().to_bytes()).unwrap_or_default();
        let state = &mut *self.0.lock().unwrap();
        let authorization = head.headers["authorization"].to_str().unwrap();
        match authorization.strip_prefix("Bearer ") {
            Some(ADMIN) if state.asks_for_websudo => {
                return reply(401, &json!({"message": "This resource requires WebSudo."}));
            }
            Some(ADMIN) => {}
            Some(ALICE) => return reply(403, &json!({"message": "Client must be a system administrator"})),
            _ => return reply(401, &json!({"reason": "credential_not_accepted", "message": "unknown"})),
        }
        let path = head.uri.path().strip_prefix("/confluence").unwrap_or_default().to_owned();
        if head.method != http::Method::GET {
            state.changes.push(format!("{} {path}", head.method));
        }
        let was_trusted = state.seen().1.is_some();
        let answer = state.answer(head.method.as_str(), &path, &body);
        state.gaps += u32::from(was_trusted && state.seen().1.is_none());
        answer
    }

    /// The sidecar's admin port: what it has seen of the link.
    pub(crate) fn sidecar(&self) -> Reply {
        let state = self.0.lock().unwrap();
        let (reason, taken) = state.seen();
        reply(
            200,
            &json!({
                "sidecarVersion": "1", "configHash": "h", "policy": {"namespace": "n", "name": "wiki", "uid": "u-1", "generation": 1},
                "identityProvider": {"reason": "Reachable", "message": ""},
                "upstream": {"reason": reason, "message": "as seen"},
                "consumerKeys": {"held": state.held, "taken": taken},
            }),
        )
    }

    /// The operator: makes the next key when it is asked for, sees that the sidecar gets it, and makes it the key once it is taken.
    pub(crate) fn operate(&self, objects: &mut Objects) {
        let state = &mut *self.0.lock().unwrap();
        let Some(policy) = objects.get_mut(POLICY) else { return };
        if policy["metadata"]["annotations"]["restward.io/rotate-consumer-key"].is_null() {
            return;
        }
        state.looked += 1;
        match state.looked {
            1 => {}
            2 => policy["status"]["applicationLink"]["next"] = next(false),
            3 => {
                state.held.push("new");
                policy["status"]["applicationLink"]["next"] = next(true);
            }
            _ if state.seen() == ("Trusted", Some("new")) => {
                state.held = vec!["new"];
                let link = json!({"consumerKey": CONSUMER, "publicKey": "new", "fingerprint": "new"});
                policy["status"]["applicationLink"] = link;
            }
            _ => {}
        }
    }
}

fn next(all_have_it: bool) -> Value {
    json!({"publicKey": "new", "fingerprint": "new", "allHaveIt": all_have_it, "message": "wait for wiki-0"})
}

impl State {
    fn seen(&self) -> (&'static str, Option<&'static str>) {
        let Some(link) = self.links.iter().find(|it| it.name == CONSUMER && it.key.is_some()) else {
            return ("LinkMissing", None);
        };
        let taken = self.held.iter().copied().find(|it| link.key.as_deref() == Some(*it));
        match (taken, link.may_impersonate) {
            (None, _) => ("SignatureInvalid", None),
            (Some(_), false) => ("ImpersonationOff", None),
            (Some(key), true) => ("Trusted", Some(key)),
        }
    }

    fn answer(&mut self, method: &str, path: &str, body: &Value) -> Reply {
        let text = |name: &str| body[name].as_str().unwrap_or_default().to_owned();
        let segments: Vec<&str> = path.split('/').skip(1).collect();
        match (method, segments.as_slice()) {
            ("GET", ["rest", "applinks", "latest", "listApplicationlinks"]) => {
                let entry =
                    |it: &Link| json!({"application": {"id": it.id, "name": it.name, "rpcUrl": it.url}});
                reply(200, &json!({"list": self.links.iter().map(entry).collect::<Vec<_>>()}))
            }
            ("PUT", ["rest", "applinks", "3.0", "applicationlink"]) if body["typeId"] == "generic" => {
                let id = format!("0-{}", self.links.len() + 1);
                self.links.push(Link {
                    id: id.clone(),
                    name: text("name"),
                    url: text("rpcUrl"),
                    ..Link::default()
                });
                reply(
                    201,
                    &json!({"resources-created": [{"href": format!("http://w/rest/applinks/3.0/applicationlink/{id}")}]}),
                )
            }
            (
                "PUT",
                ["rest", "applinks-oauth", "1.0", "applicationlink", id, "authentication", "consumer"],
            ) if body["outgoing"] == false => {
                let Some(link) = self.links.iter_mut().find(|it| it.id == *id) else {
                    return reply(404, &Value::Null);
                };
                link.key = Some(text("publicKey"));
                reply(201, &Value::Null)
            }
            ("PUT", ["rest", "applinks", "3.0", "status", id, "oauth"]) => {
                let Some(link) = self.links.iter_mut().find(|it| it.id == *id) else {
                    return reply(404, &Value::Null);
                };
                link.may_impersonate = body["incoming"]["twoLoImpersonationEnabled"] == true;
                reply(204, &Value::Null)
            }
            ("DELETE", ["rest", "applinks", "3.0", "applicationlink", id]) => {
                let before = self.links.len();
                self.links.retain(|it| it.id != *id);
                reply(if self.links.len() < before { 200 } else { 404 }, &Value::Null)
            }
            _ => reply(404, &Value::Null),
        }
    }
}

/// A link to another product.
pub(crate) fn jira() -> Link {
    let (key, may_impersonate) = (Some("jira".into()), true);
    Link {
        id: "0-1".into(),
        name: "Jira".into(),
        url: "https://jira.example.com".into(),
        key,
        may_impersonate,
    }
}

/// The policy's own, as it is to be.
pub(crate) fn own() -> Link {
    let (key, may_impersonate) = (Some("old".into()), true);
    Link { id: "0-2".into(), name: CONSUMER.into(), url: NOWHERE.into(), key, may_impersonate }
}

/// The policy and its pod.
pub(crate) fn objects() -> Objects {
    let policy = json!({
        "apiVersion": "restward.io/v1alpha1", "kind": "RestApiAuthPolicy", "metadata": {"name": "wiki", "namespace": "n", "uid": "u-1"},
        "spec": {"selector": {"matchLabels": {"app": "wiki"}}, "keycloak": {"host": "h", "realm": "r"}},
        "status": {
            "applicationLink": {"consumerKey": CONSUMER, "publicKey": "old", "fingerprint": "old"},
            "workloads": [{"kind": "StatefulSet", "name": "wiki", "pods": 1, "injected": 1}],
        },
    });
    let pod = json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": "wiki-0", "namespace": "n", "uid": "p-1", "labels": {"restward.io/injected": "u-1"}},
        "spec": {"containers": [], "initContainers": [{"name": "restward-proxy",
            "env": [{"name": "RESTWARD_POD", "value": "{\"listenPort\": 8090, \"contextPath\": \"/confluence\"}"}]}]},
        "status": {
            "conditions": [{"type": "Ready", "status": "True"}],
            "initContainerStatuses": [{"name": "restward-proxy", "state": {"running": {}}, "ready": true, "restartCount": 0, "image": "", "imageID": ""}],
        },
    });
    [(POLICY.to_owned(), policy), (POD.to_owned(), pod)].into()
}

/// The cluster with both ports of the pod.
pub(crate) async fn cluster(wiki: &Wiki) -> api::ApiServer {
    let (confluence, sidecar, operator) = (wiki.clone(), wiki.clone(), wiki.clone());
    let confluence = api::serve(move |request| {
        let wiki = confluence.clone();
        async move { wiki.confluence(request).await }
    })
    .await;
    let sidecar = api::serve(move |_| {
        let wiki = sidecar.clone();
        async move { wiki.sidecar() }
    })
    .await;
    let ports = [(8090, confluence), (19090, sidecar)].into();
    api::ApiServer::start(objects(), ports, move |objects| operator.operate(objects)).await
}
