//! The policies, parts of policies and patches that pages show are good ones: known fields, of their types, in keeping with the
//! CRD's rules. A part counts as laid over the smallest policy.
#![cfg(feature = "kubernetes")]
#![allow(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a test that cannot go on should fail where it stands"
)]

#[path = "../../tests/src/pages.rs"]
#[allow(dead_code, unreachable_pub, reason = "its home is another crate")]
mod pages;

use std::sync::LazyLock;

use kube::CustomResourceExt as _;
use kube_cel::Validator;
use pages::Page;
use restward_crds::api::v1alpha1::RestApiAuthPolicy;
use serde_json::{Value, json};

static SCHEMA: LazyLock<Value> = LazyLock::new(|| {
    let crd = serde_json::to_value(RestApiAuthPolicy::crd()).unwrap();
    crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"].clone()
});

/// The first member that the schema does not know: the API server would drop it without a word.
fn unknown(schema: &Value, value: &Value, path: &str) -> Option<String> {
    match value {
        Value::Object(members) => members.iter().find_map(|(name, member)| {
            let path = format!("{path}.{name}");
            let known = schema["properties"].get(name).or_else(|| schema.get("additionalProperties"));
            match known {
                Some(known) => unknown(known, member, &path),
                None => Some(path),
            }
        }),
        Value::Array(list) => list.iter().find_map(|entry| unknown(&schema["items"], entry, path)),
        _ => None,
    }
}

/// What is wrong with a policy, if anything.
fn wrong(policy: &Value) -> Option<String> {
    if let Some(field) = unknown(&SCHEMA["properties"]["spec"], &policy["spec"], "spec") {
        return Some(format!("there is no field {field}"));
    }
    if let Err(error) = serde_json::from_value::<RestApiAuthPolicy>(policy.clone()) {
        return Some(error.to_string());
    }
    let broken = Validator::new().validate(&SCHEMA, policy, None).err()?;
    Some(broken.iter().map(|error| error.message.clone()).collect::<Vec<_>>().join("; "))
}

/// The smallest policy with this laid over its spec; `null` takes a field away.
fn with(part: &Value) -> Value {
    let mut spec = json!({
        "selector": {"matchLabels": {"app": "wiki"}}, "keycloak": {"host": "sso.example.com", "realm": "staff"},
    });
    merge(&mut spec, part);
    json!({
        "apiVersion": "restward.io/v1alpha1", "kind": "RestApiAuthPolicy",
        "metadata": {"name": "wiki", "namespace": "atlassian"}, "spec": spec,
    })
}

/// A merge patch (RFC 7396).
fn merge(into: &mut Value, patch: &Value) {
    let Value::Object(members) = patch else { return patch.clone_into(into) };
    if !into.is_object() {
        *into = json!({});
    }
    for (name, member) in members {
        if member.is_null() {
            into.as_object_mut().unwrap().remove(name);
        } else {
            merge(&mut into[name], member);
        }
    }
}

fn is_part_of_a_spec(document: &Value) -> bool {
    let fields = &SCHEMA["properties"]["spec"]["properties"];
    document.as_object().is_some_and(|members| {
        members.get("kind").is_none() && members.keys().all(|name| fields.get(name).is_some())
    })
}

fn documents(text: &str) -> Vec<Value> {
    let one = |document: &str| serde_saphyr::from_str(document).unwrap();
    text.split("\n---\n").map(one).collect()
}

#[test]
fn each_policy_on_a_page_is_a_good_one() {
    // Values of the chart have `sidecar` and nothing else in common with a spec; they are for charts/documented.
    let is_chart = |document: &Value| {
        document["sidecar"].is_object() && document["sidecar"].get("updateStrategy").is_none()
    };
    let mut counted = 0;
    for page in pages::all() {
        for block in page.blocks().into_iter().filter(|block| block.language == "yaml") {
            for document in documents(&block.text) {
                let policy = match &document {
                    policy if policy["kind"] == "RestApiAuthPolicy" => policy.clone(),
                    part if part.get("spec").is_some()
                        && part.get("kind").is_none()
                        && is_part_of_a_spec(&part["spec"]) =>
                    {
                        with(&part["spec"])
                    }
                    part if is_part_of_a_spec(part) && !is_chart(part) => with(part),
                    _ => continue,
                };
                counted += 1;
                assert_eq!(wrong(&policy), None, "{}", page.place(block.line));
            }
        }
    }
    assert!(counted > 15, "only {counted} were found");
}

#[test]
fn each_patch_on_a_page_fits_a_policy() {
    let mut counted = 0;
    for page in pages::all() {
        for (at, _) in page.text.match_indices("{\"spec\":") {
            let mut values = serde_json::Deserializer::from_str(&page.text[at..]).into_iter::<Value>();
            let Some(Ok(patch)) = values.next() else {
                panic!("{}: no JSON", page.place(page.text[..at].lines().count()));
            };
            if !is_part_of_a_spec(&patch["spec"]) {
                continue;
            }
            counted += 1;
            assert_eq!(wrong(&with(&patch["spec"])), None, "{}", page.place(page.text[..at].lines().count()));
        }
    }
    assert!(counted > 5, "only {counted} were found");
}

#[test]
fn what_is_wrong_is_seen() {
    assert_eq!(wrong(&with(&json!({"mode": "Audit"}))), None);
    assert_eq!(
        wrong(&with(&json!({"basicAuth": {"modus": "Deny"}}))).unwrap(),
        "there is no field spec.basicAuth.modus"
    );
    assert!(wrong(&with(&json!({"mode": "Audits"}))).unwrap().contains("Audits"));
    assert!(wrong(&with(&json!({"keycloak": null}))).is_some());
    let page = Page { path: "a.md".into(), text: "x\n  ```yaml\n  a: 1\n    b: 2\n  ```\n".into() };
    assert_eq!(page.blocks()[0].text, "a: 1\n  b: 2\n");
}
