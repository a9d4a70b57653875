//! What to do about each reason of each condition. The condition's message says what was found; this is the next step.

use crate::condition::{
    AcceptedReason, ConditionType, ConfigReason, EnforcedReason, InjectedReason, ProgrammedReason,
    ProviderReason, ReadyReason, UpstreamReason,
};

/// The next step; `None` for a reason that this version does not know.
pub fn of(kind: ConditionType, reason: &str) -> Option<&'static str> {
    match kind {
        ConditionType::Accepted => found(AcceptedReason::ALL, AcceptedReason::as_str, reason).map(accepted),
        ConditionType::Programmed => {
            found(ProgrammedReason::ALL, ProgrammedReason::as_str, reason).map(programmed)
        }
        ConditionType::Injected => found(InjectedReason::ALL, InjectedReason::as_str, reason).map(injected),
        ConditionType::ConfigCurrent => found(ConfigReason::ALL, ConfigReason::as_str, reason).map(config),
        ConditionType::Enforced => found(EnforcedReason::ALL, EnforcedReason::as_str, reason).map(enforced),
        ConditionType::IdentityProviderReachable => {
            found(ProviderReason::ALL, ProviderReason::as_str, reason).map(provider)
        }
        ConditionType::UpstreamTrusted => {
            found(UpstreamReason::ALL, UpstreamReason::as_str, reason).map(upstream)
        }
        ConditionType::Ready => found(ReadyReason::ALL, ReadyReason::as_str, reason).map(ready),
    }
}

/// Whether a condition that is True could not be better: some reasons hold and are better known all the same.
pub fn is_best(kind: ConditionType, reason: &str) -> bool {
    match kind {
        ConditionType::Injected => reason != "Outdated",
        ConditionType::IdentityProviderReachable | ConditionType::Ready => reason != "Degraded",
        _ => true,
    }
}

/// Reason, meaning and next step of each reason of a condition.
pub fn all(kind: ConditionType) -> Vec<(&'static str, &'static str, &'static str)> {
    macro_rules! of {
        ($reasons:ident, $fix:ident) => {
            $reasons::ALL.iter().map(|reason| (reason.as_str(), reason.meaning(), $fix(*reason))).collect()
        };
    }
    match kind {
        ConditionType::Accepted => of!(AcceptedReason, accepted),
        ConditionType::Programmed => of!(ProgrammedReason, programmed),
        ConditionType::Injected => of!(InjectedReason, injected),
        ConditionType::ConfigCurrent => of!(ConfigReason, config),
        ConditionType::Enforced => of!(EnforcedReason, enforced),
        ConditionType::IdentityProviderReachable => of!(ProviderReason, provider),
        ConditionType::UpstreamTrusted => of!(UpstreamReason, upstream),
        ConditionType::Ready => of!(ReadyReason, ready),
    }
}

fn found<T: Copy>(all: &[T], name: impl Fn(T) -> &'static str, reason: &str) -> Option<T> {
    all.iter().copied().find(|known| name(*known) == reason)
}

/// The next step where there is none.
pub const WAIT: &str = "wait a moment; if it stays, read the operator's log";

const fn accepted(reason: AcceptedReason) -> &'static str {
    match reason {
        AcceptedReason::Accepted => WAIT,
        AcceptedReason::Invalid => "correct the field that is named (kubectl explain restapiauthpolicy.spec)",
        AcceptedReason::Conflicted => {
            "narrow spec.selector of one of the policies, so that a pod has one policy"
        }
        AcceptedReason::SelectorTooWide => "narrow spec.selector to the pods of Confluence",
        AcceptedReason::ReferenceNotFound => {
            "make the ConfigMap with that key in the policy's namespace, or correct its name"
        }
        AcceptedReason::NamespaceNotSelected => {
            "ask whoever runs Restward to label the namespace as the chart's admission.namespaceSelector wants it"
        }
    }
}

const fn programmed(reason: ProgrammedReason) -> &'static str {
    match reason {
        ProgrammedReason::Programmed => WAIT,
        ProgrammedReason::NotAccepted => "see condition Accepted",
        ProgrammedReason::ApplyFailed => "it is tried again; what the API server refuses is in the message",
        ProgrammedReason::KeyMissing => {
            "restore the Secret restward-keys from a backup, as a member of one of the chart's breakGlass.groups"
        }
    }
}

const fn injected(reason: InjectedReason) -> &'static str {
    match reason {
        InjectedReason::Injected => WAIT,
        InjectedReason::RestartRequired | InjectedReason::Outdated => {
            "run the command of the message when Confluence may restart; kubectl restward preflight and diff say before what will come \
             (docs/rollout.md)"
        }
        InjectedReason::NoPods => {
            "start Confluence, or correct spec.selector: it selects no pod of the namespace"
        }
        InjectedReason::InjectionRefused => {
            "change the workload as the message says; kubectl restward preflight shows the same for the next pod"
        }
        InjectedReason::BreakGlass => {
            "delete the pod that is named once it is not needed any more (docs/enforcement.md)"
        }
        InjectedReason::RolloutInProgress => "wait; the message names the pod that is not ready yet",
        InjectedReason::UpgradeInProgress => "wait; the message says for what",
        InjectedReason::UpgradeStopped => {
            "do as the message says: set the chart's sidecar.image back, or make the image good (docs/rollout.md)"
        }
        InjectedReason::RolloutBlocked => "take away what the message names (docs/rollout.md)",
    }
}

const fn config(reason: ConfigReason) -> &'static str {
    match reason {
        ConfigReason::Current | ConfigReason::Pending => WAIT,
        ConfigReason::Stale => "wait for the kubelet, a minute or two; then look at the pods that are named",
        ConfigReason::Rejected => {
            "correct what the message names; the last good configuration stays in force until then"
        }
        ConfigReason::Unreachable => {
            "let the operator's pods reach port 19090 of Confluence's pods (NetworkPolicies), and see that the pods run"
        }
    }
}

const fn enforced(reason: EnforcedReason) -> &'static str {
    match reason {
        EnforcedReason::Verified | EnforcedReason::Pending => WAIT,
        EnforcedReason::BypassDetected => {
            "close the ports that are named: whoever reaches them is not asked for a token (docs/enforcement.md)"
        }
        EnforcedReason::NotInjected => "see condition Injected",
        EnforcedReason::Unverifiable => "take away what keeps the sidecar from looking; the message has it",
        EnforcedReason::Unreachable => {
            "let the operator's pods reach port 19090 of Confluence's pods (NetworkPolicies), and see that the pods run"
        }
    }
}

const fn provider(reason: ProviderReason) -> &'static str {
    match reason {
        ProviderReason::Reachable | ProviderReason::Pending => WAIT,
        ProviderReason::Degraded | ProviderReason::Unreachable => {
            "let Confluence's pods reach the identity provider (NetworkPolicy, DNS), or set spec.keycloak.backchannelURL"
        }
        ProviderReason::TlsUntrusted => {
            "name the ConfigMap with the provider's certificate authority in spec.keycloak.caCertificateRefs"
        }
        ProviderReason::RealmNotFound => {
            "write the host of the message into spec.keycloak.host; if it has none, correct host and realm (docs/setup/keycloak.md)"
        }
        ProviderReason::IssuerMismatch => {
            "write the host of the message into spec.keycloak.host, or the issuer into spec.keycloak.acceptedIssuers"
        }
        ProviderReason::UnexpectedAnswer => {
            "see who answers at spec.keycloak.host: a proxy's page is no realm"
        }
        ProviderReason::NoUsableKeys => {
            "give the realm a key for signatures (RSA of 2048 bits or more, or EC)"
        }
        ProviderReason::ClientNotAccepted => {
            "see that the Secret of spec.keycloak.clientSecretRef is there and right (docs/tokens.md)"
        }
    }
}

const fn upstream(reason: UpstreamReason) -> &'static str {
    match reason {
        UpstreamReason::Trusted => WAIT,
        UpstreamReason::Pending => "wait until Confluence has started",
        UpstreamReason::LinkMissing | UpstreamReason::ImpersonationOff => {
            "kubectl restward applink apply --token-file FILE, with a personal access token of a system administrator of Confluence"
        }
        UpstreamReason::SignatureInvalid => {
            "kubectl restward applink apply --token-file FILE puts this policy's key into the link; if that was right, correct \
             spec.upstream.{scheme,proxyName,proxyPort}"
        }
        UpstreamReason::ClockSkew => "set the clocks of the nodes right",
        UpstreamReason::OAuthNotEvaluated => {
            "see that Confluence's OAuth plugins are enabled (docs/identity.md)"
        }
        UpstreamReason::Unproven => "make one call by token of a user whom Confluence knows",
        UpstreamReason::HeaderNotBelieved => {
            "compare spec.upstream.identity.header with the authenticator's settings (docs/identity.md)"
        }
        UpstreamReason::UnexpectedAnswer => {
            "see what Confluence answers; the message has it (docs/identity.md)"
        }
    }
}

const fn ready(reason: ReadyReason) -> &'static str {
    match reason {
        ReadyReason::Ready => WAIT,
        ReadyReason::Degraded => "see condition IdentityProviderReachable",
        ReadyReason::NotReady => "see the conditions above",
        ReadyReason::NoPods => "see condition Injected",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_are_found_in_their_own_condition() {
        assert!(of(ConditionType::UpstreamTrusted, "LinkMissing").unwrap().contains("applink apply"));
        assert!(
            of(ConditionType::IdentityProviderReachable, "Unreachable")
                .unwrap()
                .contains("identity provider")
        );
        assert!(of(ConditionType::Enforced, "Unreachable").unwrap().contains("19090"));
        assert_eq!(of(ConditionType::Enforced, "LinkMissing"), None);
    }
}
