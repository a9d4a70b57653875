//! `AdmissionReview` of `admission.k8s.io/v1`, as far as it is used. The object stays raw JSON.

use std::collections::BTreeMap;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use json_patch::PatchOperation;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// What the API server sends.
#[derive(Debug, Deserialize)]
pub(super) struct Review {
    /// The question.
    pub request: Request,
}

/// The question.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Request {
    /// Comes back in the answer.
    pub uid: String,
    /// What the object is.
    #[serde(default)]
    pub kind: Kind,
    /// Which kind of resource.
    pub resource: Resource,
    /// Which part of it, such as `status`.
    #[serde(default)]
    pub sub_resource: String,
    /// Namespace of the object.
    #[serde(default)]
    pub namespace: String,
    /// Name of the object, when it is known before the object is.
    #[serde(default)]
    pub name: String,
    /// Who asks.
    #[serde(default)]
    pub user_info: UserInfo,
    /// CREATE, UPDATE, DELETE or CONNECT.
    pub operation: String,
    /// Whether nothing will be stored.
    #[serde(default)]
    pub dry_run: bool,
    /// The object.
    #[serde(default)]
    pub object: Value,
    /// The object as it was, of an update.
    #[serde(default)]
    pub old_object: Value,
}

/// What a question is about.
#[derive(Debug, PartialEq)]
pub(super) enum Subject<'a> {
    /// A pod that is created.
    Pod,
    /// The pods that a new or changed workload will have.
    Template(&'a Value),
    /// A workload whose pods stay as they are.
    Unchanged,
}

impl Request {
    /// What it is about; `None` for what the webhook is not registered for.
    pub(super) fn subject(&self) -> Option<Subject<'_>> {
        let Resource { group, version, plural } = &self.resource;
        let resource = (group.as_str(), version.as_str(), plural.as_str());
        match (resource, self.operation.as_str()) {
            _ if !self.sub_resource.is_empty() => None,
            (("", "v1", "pods"), "CREATE") => Some(Subject::Pod),
            (("apps", "v1", "statefulsets" | "deployments"), "CREATE" | "UPDATE") => {
                let template = "/spec/template";
                Some(match self.object.pointer(template) {
                    Some(new) if self.old_object.pointer(template) != Some(new) => Subject::Template(new),
                    _ => Subject::Unchanged,
                })
            }
            _ => None,
        }
    }
}

/// Group, version and kind.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Kind {
    pub group: String,
    pub version: String,
    #[serde(rename = "kind")]
    pub name: String,
}

/// Who asks.
#[derive(Debug, Default, Deserialize)]
pub(super) struct UserInfo {
    #[serde(default)]
    pub username: String,
}

/// The labels of an object.
pub(super) fn labels(object: &Value) -> BTreeMap<String, String> {
    let labels = object.pointer("/metadata/labels").and_then(Value::as_object);
    labels
        .into_iter()
        .flatten()
        .filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned())))
        .collect()
}

/// Group, version and plural name.
#[derive(Debug, Deserialize)]
pub(super) struct Resource {
    group: String,
    version: String,
    #[serde(rename = "resource")]
    plural: String,
}

/// What is decided.
#[derive(Debug, PartialEq)]
pub(super) enum Verdict {
    /// As it is.
    Allow,
    /// With these changes.
    Patch(Vec<PatchOperation>),
    /// Not at all; the message says what to change.
    Deny(String),
    /// Not now: try again.
    Unavailable(String),
}

/// The answer to the question `uid`.
#[derive(Debug, Serialize)]
pub(super) struct Answer(Value);

impl Answer {
    pub(super) fn new(uid: &str, verdict: &Verdict) -> Self {
        let mut response = json!({"uid": uid, "allowed": true});
        let mut set = |key: &str, value: Value| {
            if let Some(members) = response.as_object_mut() {
                members.insert(key.to_owned(), value);
            }
        };
        match verdict {
            Verdict::Allow => {}
            Verdict::Patch(operations) if operations.is_empty() => {}
            Verdict::Patch(operations) => {
                set("patchType", json!("JSONPatch"));
                set("patch", json!(STANDARD.encode(json!(operations).to_string())));
            }
            Verdict::Deny(message) => {
                set("allowed", json!(false));
                set("status", json!({"code": 403, "reason": "Forbidden", "message": message}));
            }
            Verdict::Unavailable(message) => {
                set("allowed", json!(false));
                set("status", json!({"code": 503, "reason": "ServiceUnavailable", "message": message}));
            }
        }
        Self(json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "response": response}))
    }
}
