//! How a workload takes changes to its pods, and how far its own controller is with them. Pure.

use k8s_openapi::api::apps::v1::{Deployment, StatefulSet};

/// How a workload takes a change of its pod template.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Update {
    /// Its controller replaces the pods by itself.
    #[default]
    Rolling,
    /// The same, but only those whose number is not below this one.
    Partition(i32),
    /// A pod is made anew when somebody deletes it.
    OnDelete,
    /// A Deployment that somebody has paused.
    Paused,
}

/// The same questions as `kubectl rollout status` asks.
pub(super) fn of_stateful_set(set: &StatefulSet) -> (Update, Option<String>) {
    let strategy = set.spec.as_ref().and_then(|spec| spec.update_strategy.as_ref());
    let partition = strategy.and_then(|strategy| strategy.rolling_update.as_ref()?.partition);
    let update = match (strategy.and_then(|strategy| strategy.type_.as_deref()), partition) {
        (Some("OnDelete"), _) => Update::OnDelete,
        (_, Some(partition)) if partition > 0 => Update::Partition(partition),
        _ => Update::Rolling,
    };
    let replicas = set.spec.as_ref().and_then(|spec| spec.replicas).unwrap_or(1);
    let to_update = match update {
        Update::OnDelete => 0,
        Update::Partition(partition) => replicas.saturating_sub(partition),
        Update::Rolling | Update::Paused => replicas,
    };
    let status = set.status.clone().unwrap_or_default();
    let progress = Progress {
        is_seen: status.observed_generation >= set.metadata.generation,
        updated: status.updated_replicas.unwrap_or_default(),
        to_update,
        old: 0,
        ready: status.ready_replicas.unwrap_or_default(),
        replicas,
    };
    (update, progress.unsettled())
}

/// The same of a Deployment.
pub(super) fn of_deployment(deployment: &Deployment) -> (Update, Option<String>) {
    let spec = deployment.spec.as_ref();
    let is_paused = spec.and_then(|spec| spec.paused) == Some(true);
    let replicas = spec.and_then(|spec| spec.replicas).unwrap_or(1);
    let status = deployment.status.clone().unwrap_or_default();
    let updated = status.updated_replicas.unwrap_or_default();
    let progress = Progress {
        is_seen: status.observed_generation >= deployment.metadata.generation,
        updated,
        to_update: replicas,
        old: status.replicas.unwrap_or_default().saturating_sub(updated),
        ready: status.ready_replicas.unwrap_or_default(),
        replicas,
    };
    (if is_paused { Update::Paused } else { Update::Rolling }, progress.unsettled())
}

struct Progress {
    is_seen: bool,
    updated: i32,
    to_update: i32,
    old: i32,
    ready: i32,
    replicas: i32,
}

impl Progress {
    fn unsettled(&self) -> Option<String> {
        if !self.is_seen {
            Some("its controller has not looked at its last change yet".into())
        } else if self.updated < self.to_update {
            Some(format!("{} of {} pods are of its newest revision", self.updated, self.to_update))
        } else if self.old > 0 {
            Some(format!("{} pods of an older revision have not ended yet", self.old))
        } else if self.ready < self.replicas {
            Some(format!("{} of {} pods are ready", self.ready, self.replicas))
        } else {
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn set(strategy: &Value, status: &Value) -> (Update, Option<String>) {
        let set = json!({
            "metadata": {"name": "wiki", "generation": 4},
            "spec": {"replicas": 3, "serviceName": "wiki", "selector": {}, "template": {}, "updateStrategy": strategy},
            "status": status,
        });
        of_stateful_set(&serde_json::from_value(set).unwrap())
    }

    fn deployment(paused: bool, status: &Value) -> (Update, Option<String>) {
        let deployment = json!({
            "metadata": {"name": "wiki", "generation": 4},
            "spec": {"replicas": 3, "selector": {}, "template": {}, "paused": paused}, "status": status,
        });
        of_deployment(&serde_json::from_value(deployment).unwrap())
    }

    #[test]
    fn a_stateful_set_has_settled_when_its_controller_says_so_of_this_generation() {
        let status = |observed: i64, updated: i32, ready: i32| json!({"replicas": 3, "observedGeneration": observed, "updatedReplicas": updated, "readyReplicas": ready});
        let rolling = json!({"type": "RollingUpdate"});
        let partition = json!({"type": "RollingUpdate", "rollingUpdate": {"partition": 2}});
        let on_delete = json!({"type": "OnDelete"});
        for (strategy, status, update, unsettled) in [
            (&rolling, status(4, 3, 3), Update::Rolling, None),
            (&rolling, status(3, 3, 3), Update::Rolling, Some("its controller has not looked")),
            (&rolling, status(4, 2, 3), Update::Rolling, Some("2 of 3 pods are of its newest")),
            (&rolling, status(4, 3, 2), Update::Rolling, Some("2 of 3 pods are ready")),
            (&rolling, json!({"replicas": 0}), Update::Rolling, Some("its controller has not looked")),
            (&partition, status(4, 1, 3), Update::Partition(2), None),
            (&partition, status(4, 0, 3), Update::Partition(2), Some("0 of 1 pods are of its newest")),
            (&on_delete, status(4, 0, 3), Update::OnDelete, None),
            (&on_delete, status(4, 0, 2), Update::OnDelete, Some("2 of 3 pods are ready")),
        ] {
            let (is, said) = set(strategy, &status);
            assert_eq!(is, update, "{strategy} {status}");
            assert!(
                said.as_deref().unwrap_or_default().starts_with(unsettled.unwrap_or_default()),
                "{said:?}"
            );
            assert_eq!(said.is_some(), unsettled.is_some(), "{strategy} {status}");
        }
    }

    #[test]
    fn a_deployment_has_settled_when_the_old_pods_have_ended() {
        let status = |observed: i64, all: i32, updated: i32, ready: i32| json!({"observedGeneration": observed, "replicas": all, "updatedReplicas": updated, "readyReplicas": ready});
        assert_eq!(deployment(false, &status(4, 3, 3, 3)), (Update::Rolling, None));
        assert_eq!(deployment(true, &status(4, 3, 3, 3)), (Update::Paused, None));
        for behind in [status(3, 3, 3, 3), status(4, 4, 3, 4), status(4, 3, 2, 3), status(4, 3, 3, 2)] {
            assert!(deployment(false, &behind).1.is_some(), "{behind}");
        }
    }
}
