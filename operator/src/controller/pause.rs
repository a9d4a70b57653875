//! When a policy is looked at again.

use std::time::Duration;

use k8s_openapi::jiff::{SignedDuration, Timestamp};
use restward_crds::{
    api::v1alpha1::RestApiAuthPolicy,
    condition::{ConditionType, ReadyReason},
};

use crate::{
    acks::Ack,
    conditions::{self, Finding, Truth},
};

/// How often sidecars are asked while something is not as it should be.
pub(super) const SOON: Duration = Duration::from_secs(10);
/// The same when all is well.
pub(super) const LATER: Duration = Duration::from_mins(1);
/// The same right after a change, which reaches the sidecars within seconds.
const CONVERGING: Duration = Duration::from_secs(2);
/// How long after a change.
const MOMENT: SignedDuration = SignedDuration::from_secs(60);

/// When to look again; soon while something `waits` for what sidecars say (a consumer's next key, or another image) or Keycloak.
pub(super) fn pause(
    policy: &RestApiAuthPolicy,
    findings: &[Finding],
    acks: &[Ack],
    config_hash: Option<&str>,
    waits: bool,
) -> Duration {
    let all_run_it = acks.iter().all(|ack| ack.runs(config_hash));
    let rejected = acks.iter().any(|ack| ack.rejected().is_some());
    if all_run_it && is_ready(findings) && !waits {
        LATER
    } else if !all_run_it && !rejected && just_changed(policy) {
        CONVERGING
    } else {
        SOON
    }
}

/// Whether every sidecar ran the policy's configuration until a moment ago, by its status. After that moment a sidecar that
/// is behind has a node or a kubelet to wait for.
fn just_changed(policy: &RestApiAuthPolicy) -> bool {
    conditions::shown(policy, ConditionType::ConfigCurrent).is_none_or(|condition| {
        condition.status == Truth::True.as_str()
            || Timestamp::now().duration_since(condition.last_transition_time.0) < MOMENT
    })
}

/// Without reservation: a policy that is Ready with known keys while its identity provider is away is looked at again soon.
fn is_ready(findings: &[Finding]) -> bool {
    findings.iter().any(|finding| {
        finding.kind == ConditionType::Ready
            && finding.truth == Truth::True
            && finding.reason == ReadyReason::Ready.as_str()
    })
}
