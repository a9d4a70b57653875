//! Why a workload is not rolled out now.

use restward_crds::{condition::InjectedReason, names};

use crate::controller::dereference::Workload;

/// Pods that a message names before it only counts.
const NAMED: usize = 5;

/// Why a workload is not rolled out now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Obstacle {
    /// It is being rolled out: what is missing.
    InProgress(String),
    /// Another one is.
    Turn,
    /// Something is missing before it could begin.
    NotWhole(String),
    /// Its update strategy leaves it to somebody to delete these pods.
    OnDelete(Vec<String>),
    /// Its update strategy leaves these pods, whose numbers are below the partition.
    Partition(i32, Vec<String>),
    /// It is paused.
    Paused,
    /// Somebody made this pod without the sidecar while the policy was in force, and must not be fought.
    OnPurpose(String),
    /// It was rolled out, and these pods have something else all the same.
    Drift(Vec<String>),
    /// Somebody else undid the change of its template.
    Reverted,
    /// Only the operator changed.
    OperatorChanged,
    /// As a dry run its next pod did not come as it is to be: the API server's answer.
    DryRun(String),
    /// Its template could not be changed: the API server's answer.
    Failed(String),
}

impl Obstacle {
    /// For Events.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::InProgress(_) => "InProgress",
            Self::Turn => "Turn",
            Self::NotWhole(_) => "NotWhole",
            Self::OnDelete(_) => "OnDelete",
            Self::Partition(..) => "Partition",
            Self::Paused => "Paused",
            Self::OnPurpose(_) => "OnPurpose",
            Self::Drift(_) => "InjectionDrift",
            Self::Reverted => "Reverted",
            Self::OperatorChanged => "OperatorChanged",
            Self::DryRun(_) => "DryRun",
            Self::Failed(_) => "Failed",
        }
    }

    /// What condition `Injected` says for it; nothing of its own where the administrator is to choose the time.
    pub const fn reason(&self) -> Option<InjectedReason> {
        match self {
            Self::InProgress(_) | Self::Turn => Some(InjectedReason::RolloutInProgress),
            Self::OperatorChanged => None,
            Self::NotWhole(_)
            | Self::OnDelete(_)
            | Self::Partition(..)
            | Self::Paused
            | Self::OnPurpose(_)
            | Self::Drift(_)
            | Self::Reverted
            | Self::DryRun(_)
            | Self::Failed(_) => Some(InjectedReason::RolloutBlocked),
        }
    }

    /// For people: what it is, and what to do.
    pub fn describe(&self, workload: &Workload, namespace: &str) -> String {
        let Workload { kind, name } = workload;
        let delete = |pods: &[String]| {
            let named: Vec<&str> = pods.iter().take(NAMED).map(String::as_str).collect();
            format!("kubectl delete pod -n {namespace} {}", named.join(" "))
        };
        let said = match self {
            Self::InProgress(what) => format!(
                "is being rolled out: {what}. A pod that never becomes ready holds it up until somebody deletes the pod"
            ),
            Self::Turn => "waits for its turn: one workload of a policy at a time".to_owned(),
            Self::NotWhole(what) => format!("is rolled out once all is whole: {what}"),
            Self::OnDelete(pods) => {
                format!("has update strategy OnDelete, so its pods are yours to delete: {}", delete(pods))
            }
            Self::Partition(partition, pods) => format!(
                "keeps pods below partition {partition} of its update strategy; lower it, or: {}",
                delete(pods)
            ),
            Self::Paused => {
                format!("is paused: kubectl rollout resume {}/{name} -n {namespace}", kind.to_lowercase())
            }
            Self::OnPurpose(pod) => format!(
                "has pod {pod}, which was made without the sidecar while the policy was in force and may be there on \
                 purpose; delete it to go on"
            ),
            Self::Drift(pods) => format!(
                "was rolled out, but some pods are not as a new one would be, and it is not rolled out twice for the \
                 same; if this stays: {}",
                delete(pods)
            ),
            Self::Reverted => reverted(workload, namespace),
            Self::OperatorChanged => {
                "is left to you: the operator changed what it injects, and an upgrade of it restarts \
                 nothing"
                    .to_owned()
            }
            Self::DryRun(answer) => {
                format!("is not rolled out, as a new pod did not come as it should from a dry run: {answer}")
            }
            Self::Failed(answer) => format!("could not be changed: {answer}"),
        };
        format!("{kind} {name} {said}")
    }
}

fn reverted(workload: &Workload, namespace: &str) -> String {
    let pointer = format!(
        "/spec/template/metadata/annotations/{}",
        names::ANNOTATION_INJECTION_HASH.replace('~', "~0").replace('/', "~1")
    );
    format!(
        "was rolled out, and something undid the change of its pod template, which is not made a second time. Argo CD leaves it \
         with: ignoreDifferences: [{{group: apps, kind: {}, name: {}, jsonPointers: [{pointer}]}}] and syncOptions: \
         [RespectIgnoreDifferences=true]. Then restart it yourself: {}",
        workload.kind,
        workload.name,
        workload.restart_command(namespace).unwrap_or_default()
    )
}
