//! From what was done and seen to the policy's status. Pure.

mod clocks;
mod config_current;
mod enforced;
mod glass;
mod injected;
mod passwords;
mod upstream;

use std::collections::BTreeSet;

use kube::ResourceExt;
use restward_crds::{
    advisory::Advisory,
    api::v1alpha1::{IdentitySpec, InForceStatus, LinkMode, RestApiAuthPolicy, RestApiAuthPolicyStatus},
    condition::{
        AcceptedReason, ConditionType, InjectedReason, ProgrammedReason, ProviderReason, ReadyReason,
    },
    sidecar::status::{Report, SidecarStatus},
};

use super::{
    census::{Census, Said},
    provisioning, retain, rollout, upgrade,
    validate::{Refused, Validated},
};
use crate::{
    acks::Ack,
    conditions::{Finding, Truth},
    discovery::Failure,
    keys::PolicyKeys,
};

/// Most different advisories of sidecars and pods that are shown.
const MAX_TOLD: usize = 8;
/// Pods that a message names before it only counts.
const NAMED: usize = 5;

/// What a sidecar says of an identity provider that the operator reaches, continued.
const PODS_CANNOT: &str = " The operator reached it within the last five minutes: if it is up, the pods' egress is blocked \
                           (NetworkPolicy, proxy), or they need spec.keycloak.backchannelURL";

/// How far programming came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Programming {
    /// Everything is in place, for this generation.
    Done,
    /// The last accepted generation stays in force.
    LastGood,
    /// Nothing was ever made.
    Nothing,
    /// Pods use a key that is gone; says what to do.
    KeyMissing(String),
    /// A write failed; it is tried again.
    Failed(String),
}

/// Everything that status is made of.
pub struct Outcome<'a> {
    /// The policy.
    pub policy: &'a RestApiAuthPolicy,
    /// The verdict.
    pub verdict: &'a Result<Validated, Refused>,
    /// How far programming came.
    pub programming: &'a Programming,
    /// The pods.
    pub census: &'a Census,
    /// What the watchdog does about pods without the sidecar, and what it waits for.
    pub watchdog: Option<String>,
    /// What the operator does about pods that are not as they would be now.
    pub rollout: &'a rollout::Report,
    /// What it does about sidecars of another image.
    pub upgrade: &'a upgrade::Report,
    /// What the sidecars say.
    pub acks: &'a [Ack],
    /// Hash of the configuration that they are to run; `None` when it was not rendered now.
    pub config_hash: Option<&'a str>,
    /// What the operator itself heard from the identity provider; `None` when it did not ask.
    pub provider: Option<&'a Result<(), Failure>>,
    /// What came of what the policy wants in its realm; `None` when it wants nothing or was not accepted.
    pub provisioned: Option<&'a provisioning::Progress>,
    /// The keys.
    pub keys: Option<&'a PolicyKeys>,
    /// Consumer key in force, where there is one.
    pub consumer_key: Option<String>,
    /// What pods are held to.
    pub in_force: Option<InForceStatus>,
    /// When the cluster was looked at, in seconds since 1970.
    pub at: i64,
}

impl Outcome<'_> {
    /// Whether the sidecars keep the application link.
    fn link_is_managed(&self) -> bool {
        matches!(&self.policy.spec.upstream.identity, IdentitySpec::Oauth1(oauth1)
            if oauth1.application_link.mode == LinkMode::Managed)
    }
}

/// The findings, in the order of status.
pub fn findings(outcome: &Outcome<'_>) -> Vec<Finding> {
    let mut findings = vec![
        accepted(outcome),
        programmed(outcome),
        injected::injected(outcome),
        config_current::config_current(outcome),
        enforced::enforced(outcome),
        identity_provider(outcome),
        upstream::trusted(outcome),
    ];
    findings.push(ready(outcome, &findings));
    findings
}

/// Status but for the conditions.
pub fn status(outcome: &Outcome<'_>) -> RestApiAuthPolicyStatus {
    let policy = outcome.policy;
    let namespace = policy.namespace().unwrap_or_default();
    let audiences = &policy.spec.tokens.audiences;
    RestApiAuthPolicyStatus {
        observed_generation: policy.metadata.generation,
        conditions: Vec::new(),
        pods: Some(format!("{}/{}", outcome.census.injected(), outcome.census.pods())),
        audience: Some(if audiences.is_empty() { "ANY".into() } else { audiences.join(",") }),
        advisories: advisories(outcome),
        workloads: outcome.census.listed(&namespace, &said(outcome), &outcome.rollout.memory),
        application_link: upstream::application_link(outcome),
        provisioning: provisioning::status(policy, outcome.provisioned, outcome.at),
        in_force: outcome.in_force.clone(),
        break_glass: None,
    }
}

fn said<'a>(outcome: &'a Outcome<'_>) -> Said<'a> {
    let pods = |say_it: &dyn Fn(&Ack) -> bool| {
        outcome.acks.iter().filter(|ack| say_it(ack)).map(|ack| ack.pod.as_str()).collect()
    };
    Said {
        current: pods(&|ack| config_current::is_current(ack, outcome)),
        enforced: pods(&enforced::is_verified),
    }
}

fn found(kind: ConditionType, truth: Truth, reason: &'static str, message: impl Into<String>) -> Finding {
    Finding { kind, truth, reason, message: message.into() }
}

/// The pods of `acks`, for messages.
pub(super) fn names(acks: &[&Ack]) -> String {
    let named: Vec<&str> = acks.iter().take(NAMED).map(|ack| ack.pod.as_str()).collect();
    let more = acks.len().saturating_sub(NAMED);
    if more == 0 { named.join(", ") } else { format!("{} and {more} more", named.join(", ")) }
}

fn accepted(outcome: &Outcome<'_>) -> Finding {
    let (truth, reason, message) = match outcome.verdict {
        Ok(Validated { conflict: None, .. }) => {
            (Truth::True, AcceptedReason::Accepted, "the policy is valid".into())
        }
        Ok(Validated { conflict: Some(lost), .. }) => (Truth::True, AcceptedReason::Conflicted, lost.clone()),
        Err(refused) => (Truth::False, refused.reason, refused.message.clone()),
    };
    found(ConditionType::Accepted, truth, reason.as_str(), message)
}

fn programmed(outcome: &Outcome<'_>) -> Finding {
    let (truth, reason, message) = match outcome.programming {
        Programming::Done => (
            Truth::True,
            ProgrammedReason::Programmed,
            "keys, configuration, webhook and backstop are in place",
        ),
        Programming::LastGood => (
            Truth::True,
            ProgrammedReason::Programmed,
            "the configuration that was accepted last stays in force",
        ),
        Programming::Nothing => {
            (Truth::False, ProgrammedReason::NotAccepted, "nothing is made for a policy that is not accepted")
        }
        Programming::KeyMissing(message) => (Truth::False, ProgrammedReason::KeyMissing, message.as_str()),
        Programming::Failed(message) => (Truth::False, ProgrammedReason::ApplyFailed, message.as_str()),
    };
    found(ConditionType::Programmed, truth, reason.as_str(), message)
}

/// What the sidecars say, or said a moment ago.
fn reports<'a, R: Clone>(
    acks: impl Iterator<Item = &'a Ack>,
    report: impl Fn(&SidecarStatus) -> &Report<R>,
) -> Vec<Report<R>> {
    acks.filter_map(|ack| ack.last.as_ref()).map(|status| report(status).clone()).collect()
}

fn identity_provider(outcome: &Outcome<'_>) -> Finding {
    let severity = |report: &Report<ProviderReason>| match report.reason {
        ProviderReason::Reachable => 0,
        ProviderReason::Pending => 1,
        ProviderReason::Degraded => 2,
        _ => 3,
    };
    // A sidecar that still runs another configuration speaks of another Keycloak.
    let wanted = outcome.config_hash;
    let is_current = |status: &SidecarStatus| wanted.is_none_or(|hash| status.config_hash == hash);
    let current = outcome.acks.iter().filter(|ack| ack.last.as_ref().is_some_and(is_current));
    let worst = reports(current, |status| &status.identity_provider).into_iter().max_by_key(severity);
    let own = || match outcome.provider {
        Some(Ok(())) => {
            Report { reason: ProviderReason::Reachable, message: "the operator fetched the keys".into() }
        }
        Some(Err(failure)) => {
            Report { reason: failure.reason, message: format!("seen by the operator: {}", failure.message) }
        }
        None => Report { reason: ProviderReason::Pending, message: "not asked yet".into() },
    };
    let reported = worst.filter(|report| report.reason != ProviderReason::Pending);
    let mut report = reported.clone().unwrap_or_else(own);
    let is_away = matches!(report.reason, ProviderReason::Unreachable | ProviderReason::Degraded);
    if reported.is_some() && is_away && outcome.provider.is_some_and(Result::is_ok) {
        report.message.push_str(PODS_CANNOT);
    }
    let truth = match report.reason {
        ProviderReason::Reachable => Truth::True,
        ProviderReason::Pending => Truth::Unknown,
        _ => Truth::False,
    };
    found(ConditionType::IdentityProviderReachable, truth, report.reason.as_str(), report.message)
}

/// Everything, with at least one pod. An identity provider that is away while its keys are known does not count against it.
fn ready(outcome: &Outcome<'_>, findings: &[Finding]) -> Finding {
    let usable = |finding: &Finding| {
        finding.kind == ConditionType::IdentityProviderReachable
            && finding.reason == ProviderReason::Degraded.as_str()
    };
    let first_wrong = findings.iter().find(|finding| finding.truth != Truth::True && !usable(finding));
    let degraded = findings.iter().any(usable);
    let (truth, reason, message) = match first_wrong {
        Some(wrong)
            if wrong.kind == ConditionType::Injected && wrong.reason == InjectedReason::NoPods.as_str() =>
        {
            (Truth::False, ReadyReason::NoPods, wrong.message.clone())
        }
        Some(wrong) => (
            Truth::False,
            ReadyReason::NotReady,
            format!("{} ({}): {}", wrong.kind.as_str(), wrong.reason, wrong.message),
        ),
        None if degraded => (
            Truth::True,
            ReadyReason::Degraded,
            "the identity provider cannot be reached; known keys serve".into(),
        ),
        None => (
            Truth::True,
            ReadyReason::Ready,
            format!("{} pods check the calls to their REST API", outcome.census.injected()),
        ),
    };
    found(ConditionType::Ready, truth, reason.as_str(), message)
}

fn advisories(outcome: &Outcome<'_>) -> Vec<String> {
    let spec = &outcome.policy.spec;
    let mut advisories = Vec::from_iter(retain::advisory(outcome.policy));
    if spec.tokens.audiences.is_empty() && spec.tokens.authorized_parties.is_empty() {
        advisories.push(Advisory::AudienceUnrestricted.says(format_args!(
            "every client of realm {} may call. Add an Audience mapper to the clients in Keycloak and \
             list the audience in spec.tokens.audiences, or list the clients in spec.tokens.authorizedParties",
            spec.keycloak.realm
        )));
    }
    let plain = |url: &str| url.starts_with("http://");
    let realm = spec.keycloak.backchannel_url.as_deref().unwrap_or(&spec.keycloak.host);
    let others = spec.issuers.iter().map(|issuer| {
        let asked = issuer.backchannel_url.as_deref().or(issuer.discovery_url.as_deref());
        asked.unwrap_or(&issuer.issuer)
    });
    if std::iter::once(realm).chain(others).any(plain) {
        advisories.push(
            Advisory::PlainHttp.says("keys are fetched over http; whoever is on the way can sign tokens"),
        );
    }
    if let IdentitySpec::Header(header) = &spec.upstream.identity {
        advisories.push(Advisory::HeaderIsALogin.says(format_args!(
            "whoever reaches Confluence without the sidecar is whom the header {} names. Take the \
             authenticator that believes it away before you delete this policy or its sidecars",
            header.name
        )));
    }
    advisories.extend(provisioning::advisories(outcome.policy, outcome.provisioned));
    advisories.extend(upstream::not_kept(outcome));
    advisories.extend(clocks::differ(outcome));
    advisories.extend(passwords::end_of_them(outcome));
    advisories.extend(glass::used(outcome));
    let told: BTreeSet<&String> = outcome
        .acks
        .iter()
        .filter_map(|ack| ack.last.as_ref())
        .flat_map(|status| &status.advisories)
        .chain(&outcome.census.advisories)
        .chain(outcome.acks.iter().filter_map(Ack::verification).flat_map(|said| &said.warnings))
        .collect();
    advisories.extend(told.into_iter().take(MAX_TOLD).cloned());
    advisories
}

#[cfg(test)]
mod tests;
#[cfg(test)]
pub(crate) use tests::ack_for_tests;
