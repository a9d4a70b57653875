//! Evicts a pod, once a dry run has shown that what comes in its place has the sidecar.

use std::time::Duration;

use k8s_openapi::{
    api::{core::v1::Pod, policy::v1::Eviction},
    apimachinery::pkg::apis::meta::v1::{DeleteOptions, Preconditions, Status},
};
use kube::{
    Api, Client,
    api::{ObjectMeta, PostParams},
};
use serde_json::Value;

use super::Obstacle;
use crate::controller::{dereference::Template, dry_run, pod::PodId};

/// For both questions to the API server, which itself waits 5 s for the webhook.
const PATIENCE: Duration = Duration::from_secs(15);

/// Evicts the pod of the policy with this UID. The client must not try again by itself when it is refused: a disruption budget
/// answers 429.
pub(super) async fn evict(
    client: &Client,
    namespace: &str,
    policy_uid: &str,
    pod: &PodId,
    template: &Template,
) -> Result<(), Obstacle> {
    let pods = Api::namespaced(client.clone(), namespace);
    let attempt = async {
        comes_back_injected(&pods, policy_uid, &dry_run::replacement(template, &pod.pod)).await?;
        ask(&pods, pod).await
    };
    let silent = |_| Err(Obstacle::Failed(format!("no answer in {} s", PATIENCE.as_secs())));
    tokio::time::timeout(PATIENCE, attempt).await.unwrap_or_else(silent)
}

/// Proves that the API server asks the webhook and that it injects, and that nothing else refuses the new pod.
async fn comes_back_injected(pods: &Api<Pod>, policy_uid: &str, pod: &Value) -> Result<(), Obstacle> {
    match dry_run::create(pods, pod).await {
        Ok(made) if made.is_injected_by(policy_uid) => Ok(()),
        Ok(_) => Err(Obstacle::NotInjected("it came back without the policy's sidecar".into())),
        Err(answer) => Err(Obstacle::NotInjected(answer)),
    }
}

async fn ask(pods: &Api<Pod>, pod: &PodId) -> Result<(), Obstacle> {
    // Of this very pod: another of its name may be there by now.
    let preconditions = Preconditions { uid: Some(pod.uid.clone()), resource_version: None };
    let eviction = Eviction {
        metadata: ObjectMeta { name: Some(pod.pod.clone()), ..ObjectMeta::default() },
        delete_options: Some(DeleteOptions {
            preconditions: Some(preconditions),
            ..DeleteOptions::default()
        }),
    };
    let for_real = PostParams::default();
    match pods.create_subresource::<_, Status>("eviction", &pod.pod, &for_real, &eviction).await {
        Ok(_) => Ok(()),
        Err(kube::Error::Api(status)) if status.code == 429 => {
            Err(Obstacle::DisruptionBudget(dry_run::shortened(&status.message)))
        }
        Err(error) => Err(Obstacle::Failed(dry_run::answer(&error))),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use axum::{
        Json, Router,
        extract::{Path, RawQuery},
        http::StatusCode,
        routing::post,
    };
    use restward_crds::names;
    use serde_json::json;

    use super::*;
    use crate::testing;

    const UID: &str = "11112222-3333-4444-5555-666677778888";

    fn injected_by(uid: &str) -> impl Fn(Value) -> (StatusCode, Value) + Clone + Send + Sync + 'static {
        let uid = uid.to_owned();
        move |mut pod| {
            pod["metadata"]["name"] = json!("x");
            pod["metadata"]["labels"][names::LABEL_INJECTED] = json!(uid);
            pod["metadata"]["annotations"] = json!({names::ANNOTATION_INJECTED_HASH: "h"});
            pod["spec"]["initContainers"] = json!([{"name": names::SIDECAR_CONTAINER}]);
            (StatusCode::CREATED, pod)
        }
    }

    fn refusal(code: u16, message: &str) -> (StatusCode, Value) {
        let status = json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code, "message": message});
        (StatusCode::from_u16(code).unwrap(), status)
    }

    /// Evicts with an API server that makes pods so and answers evictions so. Gives what evictions were asked for, too.
    async fn attempt(
        make: impl Fn(Value) -> (StatusCode, Value) + Clone + Send + Sync + 'static,
        evict: (StatusCode, Value),
    ) -> (Result<(), Obstacle>, Vec<Value>) {
        let asked: Arc<Mutex<Vec<Value>>> = Arc::default();
        let seen = Arc::clone(&asked);
        let pods = move |RawQuery(query): RawQuery, Json(pod): Json<Value>| {
            assert!(query.unwrap_or_default().contains("dryRun=All"), "a pod was created");
            let (code, answer) = make(pod);
            std::future::ready((code, Json(answer)))
        };
        let evictions = move |Path(pod): Path<String>, Json(eviction): Json<Value>| {
            assert_eq!(pod, "wiki-0");
            seen.lock().unwrap().push(eviction);
            std::future::ready((evict.0, Json(evict.1.clone())))
        };
        let server = Router::new()
            .route("/api/v1/namespaces/atlassian/pods", post(pods))
            .route("/api/v1/namespaces/atlassian/pods/{pod}/eviction", post(evictions));
        let client = Client::new(server, "atlassian");
        let template = testing::template("wiki", json!({}), "confluence");
        let pod = PodId { pod: "wiki-0".into(), uid: "u-0".into() };
        let result = super::evict(&client, "atlassian", UID, &pod, &template).await;
        let asked = asked.lock().unwrap().clone();
        (result, asked)
    }

    fn evicted() -> (StatusCode, Value) {
        (StatusCode::CREATED, json!({"kind": "Status", "apiVersion": "v1", "status": "Success", "code": 201}))
    }

    #[tokio::test]
    async fn this_very_pod_is_evicted_once_its_replacement_came_back_injected() {
        let (result, asked) = attempt(injected_by(UID), evicted()).await;
        assert_eq!(result, Ok(()));
        assert_eq!(
            asked,
            [json!({
                "apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": "wiki-0"},
                "deleteOptions": {"preconditions": {"uid": "u-0"}},
            })]
        );
    }

    #[tokio::test]
    async fn nothing_is_evicted_unless_the_replacement_has_this_policys_sidecar() {
        let plain = |mut pod: Value| {
            pod["metadata"]["name"] = json!("x");
            (StatusCode::CREATED, pod)
        };
        let refused = |_| refusal(403, "RestApiAuthPolicy \"wiki\" selects this pod: hostNetwork");
        let broken = |_| (StatusCode::INTERNAL_SERVER_ERROR, json!("?"));
        let without = Obstacle::NotInjected("it came back without the policy's sidecar".into());
        assert_eq!(attempt(plain, evicted()).await, (Err(without.clone()), Vec::new()));
        assert_eq!(attempt(injected_by("other"), evicted()).await, (Err(without), Vec::new()));
        for (result, asked) in [attempt(refused, evicted()).await, attempt(broken, evicted()).await] {
            assert!(matches!(result, Err(Obstacle::NotInjected(_))), "{result:?}");
            assert_eq!(asked, Vec::<Value>::new());
        }
    }

    #[tokio::test]
    async fn a_budgets_refusal_is_told_apart() {
        let budget = refusal(429, "Cannot evict pod as it would violate the pod's disruption budget.");
        let (result, _) = attempt(injected_by(UID), budget).await;
        let Err(Obstacle::DisruptionBudget(said)) = result else { panic!("{result:?}") };
        assert!(said.starts_with("Cannot evict pod"), "{said}");
        for code in [403, 409, 500] {
            let (result, _) = attempt(injected_by(UID), refusal(code, "no")).await;
            assert_eq!(result, Err(Obstacle::Failed("no".into())), "{code}");
        }
    }
}
