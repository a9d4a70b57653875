//! A pod as a dry run: what comes in place of one that runs, before anything is done about that one. The API server asks the
//! webhook, the backstop, quotas and Pod Security, and keeps nothing.

use k8s_openapi::api::core::v1::Pod;
use kube::{Api, api::PostParams};
use serde_json::{Value, json};

use super::dereference::{ObservedPod, Template, observe_pod};
use crate::conditions::truncate;

/// As much of an answer as status repeats.
const MAX_ANSWER: usize = 400;
/// What the pods of dry runs would be called.
const NAME: &str = "restward-dry-run-";

/// The pod as it would be; else the API server's answer.
pub(super) async fn create(pods: &Api<Pod>, pod: &Value) -> Result<ObservedPod, String> {
    let pod: Pod = serde_json::from_value(pod.clone()).map_err(|error| error.to_string())?;
    let dry_run = PostParams { dry_run: true, ..PostParams::default() };
    pods.create(&dry_run, &pod).await.map(observe_pod).map_err(|error| answer(&error))
}

/// A pod as the controller would make it from its template, in place of the pod of this name.
pub(super) fn replacement(template: &Template, pod: &str) -> Value {
    let mut made = template.raw.clone();
    if let Some(metadata) = made.get_mut("metadata").and_then(Value::as_object_mut) {
        metadata.remove("name");
        metadata.insert("generateName".into(), json!(NAME));
    }
    if template.claims.is_empty() {
        return made;
    }
    let volumes = made.pointer("/spec/volumes").and_then(Value::as_array).cloned().unwrap_or_default();
    let is_claimed = |volume: &Value| template.claims.iter().any(|claim| volume["name"] == claim.as_str());
    let claimed = template.claims.iter().map(
        |claim| json!({"name": claim, "persistentVolumeClaim": {"claimName": format!("{claim}-{pod}")}}),
    );
    let volumes: Vec<Value> =
        volumes.into_iter().filter(|volume| !is_claimed(volume)).chain(claimed).collect();
    if let Some(spec) = made.get_mut("spec").and_then(Value::as_object_mut) {
        spec.insert("volumes".into(), json!(volumes));
    }
    made
}

/// What the API server said, for status.
pub(super) fn answer(error: &kube::Error) -> String {
    let text = match error {
        kube::Error::Api(status) => status.message.clone(),
        other => other.to_string(),
    };
    shortened(&text)
}

/// As much of it as status repeats.
pub(super) fn shortened(text: &str) -> String {
    truncate(text, MAX_ANSWER)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing;

    #[test]
    fn the_replacement_is_the_template_with_the_volumes_that_claims_give() {
        let mut template = testing::template("wiki", json!({"tier": "prod"}), "confluence");
        template.raw["spec"]["volumes"] = json!([
            {"name": "shared", "emptyDir": {}}, {"name": "local-home", "emptyDir": {}},
        ]);
        template.claims = vec!["local-home".into()];
        let made = replacement(&template, "wiki-1");
        assert_eq!(made["metadata"]["generateName"], NAME);
        assert_eq!(made["metadata"]["name"], Value::Null, "the name is taken by the pod that runs");
        assert_eq!(made["metadata"]["labels"], template.raw["metadata"]["labels"]);
        assert_eq!(
            made["spec"]["volumes"],
            json!([
                {"name": "shared", "emptyDir": {}},
                {"name": "local-home", "persistentVolumeClaim": {"claimName": "local-home-wiki-1"}},
            ])
        );
        assert_eq!(made["spec"]["containers"], template.raw["spec"]["containers"]);
    }
}
