//! Why a pod does not get the image now.

use std::fmt;

/// Why a pod does not get the image now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Obstacle {
    /// The policy leaves it to new pods.
    OnDelete,
    /// It would be injected with more than another image, which needs a new pod.
    MoreThanTheImage,
    /// What it would be injected with now is not known, as it would be refused.
    Unknown,
    /// Another pod did not come up with the image.
    Stopped,
    /// Another pod is getting it.
    Turn,
    /// It is not ready itself.
    NotReady,
    /// Another pod of its workload is not.
    OthersNotReady(String),
    /// Its workload is being rolled out or scaled: what is missing.
    Rollout(String),
    /// It could not be changed: the API server's answer.
    Failed(String),
}

impl Obstacle {
    /// Whether it goes by itself.
    pub const fn is_passing(&self) -> bool {
        matches!(
            self,
            Self::Turn | Self::NotReady | Self::OthersNotReady(_) | Self::Rollout(_) | Self::Failed(_)
        )
    }
}

impl fmt::Display for Obstacle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OnDelete => {
                f.write_str("it gets it when it is made anew, as sidecar.updateStrategy of the policy is OnDelete")
            }
            Self::MoreThanTheImage => f.write_str(
                "not in place, as more than the image differs from what would be injected now; it gets it with a restart",
            ),
            Self::Unknown => f.write_str(
                "not in place, as a pod like it would be refused now, so that it is not known what else it would need",
            ),
            Self::Stopped => f.write_str("it waits until the others come up"),
            Self::Turn => f.write_str("it waits for its turn: one pod of a policy at a time"),
            Self::NotReady => f.write_str("it is not ready"),
            Self::OthersNotReady(pod) => {
                write!(f, "pod {pod} of its workload is not ready, or is getting another image")
            }
            Self::Rollout(what) => write!(f, "its workload is not whole: {what}"),
            Self::Failed(answer) => write!(f, "it could not be changed, and is tried again: {answer}"),
        }
    }
}
