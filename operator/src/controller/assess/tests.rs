use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use restward_crds::{
    api::v1alpha1::{ApplicationLinkStatus, BreakGlassStatus, RolloutStatus},
    condition::{EnforcedReason, UpstreamReason},
    sidecar::{config::PolicyRef, status::Verification},
};
use serde_json::{Value, json};

use super::*;
use crate::{
    controller::{
        census::census,
        dereference::{Observed, Workload},
        validate::validate,
    },
    keys::PolicyKeys,
    testing::{injected, observed, pod, policy, sidecar},
};

mod clocks;
mod config_current;
mod enforced;
mod glass;
mod passwords;
mod provider;
mod sidecar_image;
mod upstream;
mod workloads;

const UID: &str = "11112222-3333-4444-5555-666677778888";

const HASH: &str = "0c";

fn ack(provider: ProviderReason, upstream: UpstreamReason) -> Ack {
    let status = SidecarStatus {
        sidecar_version: "1".into(),
        now: None,
        policy: PolicyRef {
            namespace: "atlassian".into(),
            name: "wiki".into(),
            uid: UID.into(),
            generation: 7,
        },
        config_hash: HASH.into(),
        config_rejected: None,
        identity_provider: Report { reason: provider, message: "provider says".into() },
        upstream: Report { reason: upstream, message: "upstream says".into() },
        consumer_keys: None,
        managed_link: None,
        verification: Some(verification(EnforcedReason::Verified, "nothing found")),
        advisories: Vec::new(),
    };
    Ack {
        pod: "wiki-0".into(),
        status: Some(status.clone()),
        last: Some(status),
        has_previous_key: false,
        clock_ahead: None,
    }
}

/// A sidecar with which all is well.
pub(crate) fn ack_for_tests() -> Ack {
    ack(ProviderReason::Reachable, UpstreamReason::Trusted)
}

fn verification(reason: EnforcedReason, message: &str) -> Verification {
    Verification {
        reason,
        message: message.into(),
        verified_at: Some(1),
        bypass_ports: Vec::new(),
        warnings: Vec::new(),
    }
}

/// A sidecar that says something else.
fn saying(mut ack: Ack, change: impl Fn(&mut SidecarStatus)) -> Ack {
    ack.status.iter_mut().chain(&mut ack.last).for_each(change);
    ack
}

/// A sidecar that does not answer, and did a moment ago.
fn silent_now(ack: Ack) -> Ack {
    Ack { status: None, ..ack }
}

/// A sidecar that does not answer, and did not a moment ago.
fn silent() -> Ack {
    Ack { pod: "wiki-0".into(), status: None, last: None, has_previous_key: false, clock_ahead: None }
}

struct Case {
    /// Laid over the smallest policy's.
    spec: Value,
    observed: Observed,
    programming: Programming,
    acks: Vec<Ack>,
    provider: Option<Result<(), Failure>>,
    provisioned: Option<provisioning::Progress>,
    /// Conditions that status shows already.
    before: Vec<Condition>,
    /// What the watchdog says.
    watchdog: Option<String>,
    /// Others than new ones.
    keys: Option<PolicyKeys>,
    /// What status shows already.
    repaired: Option<String>,
    rollout: rollout::Report,
    /// What status shows already.
    break_glass: Option<BreakGlassStatus>,
    upgrade: upgrade::Report,
}

impl Case {
    fn all_is_well() -> Self {
        Self {
            spec: json!({}),
            observed: Observed { pods: vec![injected(pod("wiki-0", json!({})), UID)], ..observed() },
            programming: Programming::Done,
            acks: vec![ack(ProviderReason::Reachable, UpstreamReason::Trusted)],
            provider: Some(Ok(())),
            provisioned: None,
            before: Vec::new(),
            watchdog: None,
            keys: None,
            repaired: None,
            rollout: rollout::Report::default(),
            break_glass: None,
            upgrade: upgrade::Report::default(),
        }
    }

    fn assess(&self) -> (Vec<Finding>, RestApiAuthPolicyStatus) {
        let mut policy = policy(self.spec.clone());
        policy.metadata.generation = Some(7);
        policy.status = Some(RestApiAuthPolicyStatus {
            conditions: self.before.clone(),
            application_link: Some(ApplicationLinkStatus {
                repaired: self.repaired.clone(),
                ..Default::default()
            }),
            break_glass: self.break_glass.clone(),
            ..Default::default()
        });
        let verdict = validate(&policy, &self.observed);
        let candidate = verdict.as_ref().map(|validated| validated.candidate.clone());
        let since = Some("2026-03-01T12:00:00Z".parse().unwrap());
        let census =
            candidate.map_or_else(|_| Census::default(), |of| census(&of, &self.observed, &sidecar(), since));
        let keys = self.keys.clone().unwrap_or_else(|| PolicyKeys::generate(None).unwrap());
        let outcome = Outcome {
            policy: &policy,
            verdict: &verdict,
            programming: &self.programming,
            census: &census,
            watchdog: self.watchdog.clone(),
            rollout: &self.rollout,
            upgrade: &self.upgrade,
            acks: &self.acks,
            config_hash: Some(HASH),
            provider: self.provider.as_ref(),
            provisioned: self.provisioned.as_ref(),
            keys: Some(&keys),
            consumer_key: crate::controller::consumer_key(&verdict, &self.observed),
            in_force: None,
            at: self.observed.at,
        };
        (findings(&outcome), status(&outcome))
    }

    fn finding(&self, kind: ConditionType) -> Finding {
        self.assess().0.into_iter().find(|finding| finding.kind == kind).unwrap()
    }

    fn ready(&self) -> (Truth, &'static str) {
        let ready = self.finding(ConditionType::Ready);
        (ready.truth, ready.reason)
    }
}

#[test]
fn every_condition_is_there_in_order_and_ready_when_all_hold() {
    let (findings, status) = Case::all_is_well().assess();
    assert_eq!(findings.iter().map(|finding| finding.kind).collect::<Vec<_>>(), ConditionType::ALL);
    assert!(findings.iter().all(|finding| finding.truth == Truth::True), "{findings:?}");
    assert_eq!((status.pods.as_deref(), status.audience.as_deref()), (Some("1/1"), Some("ANY")));
    assert!(status.application_link.unwrap().instructions.is_empty());
    assert!(status.advisories[0].starts_with("AudienceUnrestricted: "));
}

#[test]
fn whoever_is_limited_by_audience_or_party_is_not_every_client() {
    for tokens in [json!({"audiences": ["wiki"]}), json!({"authorizedParties": ["reports"]})] {
        let (_, status) = Case { spec: json!({"tokens": tokens}), ..Case::all_is_well() }.assess();
        assert_eq!(status.advisories, Vec::<String>::new(), "{tokens}");
    }
}

#[test]
fn a_probe_that_stays_on_the_sidecars_port_is_told_with_its_workload() {
    let mut case = Case::all_is_well();
    for pod in &mut case.observed.pods {
        pod.raw["spec"]["containers"][0]["livenessProbe"] =
            json!({"exec": {"command": ["nc", "-z", "localhost", "8090"]}});
    }
    let (findings, status) = case.assess();
    assert_eq!(findings.last().unwrap().truth, Truth::True, "an advisory is no failure");
    let told = status.advisories.iter().find(|told| told.starts_with("ExecProbe: ")).unwrap();
    assert!(told.contains("confluence/livenessProbe") && told.ends_with("(StatefulSet wiki-0)"), "{told}");
}

#[test]
fn a_pod_that_came_without_the_sidecar_under_the_policy_is_named() {
    let mut case = Case::all_is_well();
    let mut late = pod("wiki-1", json!({}));
    late.raw["metadata"]["creationTimestamp"] = json!("2026-03-02T00:00:00Z");
    case.observed.pods.push(late);
    // With the sidecar it may come whenever it wants.
    case.observed.pods[0].raw["metadata"]["creationTimestamp"] = json!("2026-03-02T00:00:00Z");
    let finding = case.finding(ConditionType::Injected);
    assert_eq!((finding.truth, finding.reason), (Truth::False, "BreakGlass"));
    assert!(
        finding.message.contains("pod wiki-1 ") && !finding.message.contains("wiki-0"),
        "{}",
        finding.message
    );
    // One that the policy would not have injected anyway is none of its business.
    case.observed.pods[1].raw["spec"]["containers"][0] = json!({"name": "curl"});
    assert_eq!(case.finding(ConditionType::Injected).truth, Truth::True);
    // One from before the policy waits for its restart.
    case.observed.pods[1] = pod("wiki-1", json!({}));
    case.observed.pods[1].raw["metadata"]["creationTimestamp"] = json!("2026-02-02T00:00:00Z");
    assert_eq!(case.finding(ConditionType::Injected).reason, "RestartRequired");
}

#[test]
fn what_sidecars_advise_is_shown_once() {
    let mut case = Case::all_is_well();
    case.acks.push(case.acks[0].clone());
    let advice =
        |status: &mut SidecarStatus| status.advisories = vec!["OpenidMissing: ask for openid".into()];
    case.acks = case.acks.into_iter().map(|ack| saying(ack, advice)).collect();
    let (findings, status) = case.assess();
    assert_eq!(findings.last().unwrap().truth, Truth::True, "an advisory is no failure");
    let told = status.advisories.iter().filter(|told| told.starts_with("OpenidMissing: ")).count();
    assert_eq!(told, 1, "{:?}", status.advisories);
}

#[test]
fn no_pods_is_not_ready_and_says_so() {
    let case = Case { observed: observed(), acks: Vec::new(), ..Case::all_is_well() };
    assert_eq!(case.ready(), (Truth::False, "NoPods"));
}

#[test]
fn a_pod_from_before_the_policy_is_named_with_the_command_that_restarts_it() {
    let mut case = Case::all_is_well();
    case.observed.pods.push(pod("old", json!({})));
    let (findings, status) = case.assess();
    let command = "kubectl rollout restart statefulset/old -n atlassian";
    assert_eq!(findings[2].reason, "RestartRequired");
    assert!(findings[2].message.ends_with(command), "{}", findings[2].message);
    assert_eq!(
        status.workloads.iter().find_map(|workload| workload.restart_command.as_deref()),
        Some(command)
    );
    assert_eq!((status.pods.as_deref(), case.ready().1), (Some("1/2"), "NotReady"));
    case.watchdog = Some("watchdog: pod old waits".into());
    let message = case.finding(ConditionType::Injected).message;
    assert!(message.ends_with(&format!("{command}; watchdog: pod old waits")), "{message}");
}

#[test]
fn a_pod_with_what_was_injected_before_is_protected_and_named_with_the_command() {
    let mut case = Case::all_is_well();
    let mut old = injected(pod("wiki-1", json!({})), UID);
    old.annotations.insert(restward_crds::names::ANNOTATION_INJECTED_HASH.into(), "of before".into());
    case.observed.pods.push(old);
    let (findings, status) = case.assess();
    let command = "(pods: wiki-1): kubectl rollout restart statefulset/wiki-1 -n atlassian";
    assert_eq!((findings[2].truth, findings[2].reason), (Truth::True, "Outdated"));
    assert!(
        findings[2].message.contains("1 of 2 have") && findings[2].message.ends_with(command),
        "{findings:?}"
    );
    let outdated: Vec<_> =
        status.workloads.iter().map(|known| (known.outdated, known.restart_command.is_some())).collect();
    assert_eq!((outdated, case.ready()), (vec![(0, false), (1, true)], (Truth::True, "Ready")));
}

#[test]
fn a_rollout_is_told_where_pods_wait_for_one() {
    let mut case = Case::all_is_well();
    case.rollout.message = Some("StatefulSet old waits".into());
    case.rollout.reason = Some(InjectedReason::RolloutBlocked);
    let workload = Workload { kind: "StatefulSet".into(), name: "wiki-0".into() };
    let memory = RolloutStatus { hash: Some("h".into()), policy: "p".into() };
    case.rollout.memory.insert(workload, memory.clone());
    assert_eq!(case.finding(ConditionType::Injected).reason, "Injected", "nothing waits");
    assert_eq!(case.assess().1.workloads[0].rollout, Some(memory));
    case.observed.pods.push(pod("old", json!({})));
    let finding = case.finding(ConditionType::Injected);
    assert_eq!((finding.truth, finding.reason), (Truth::False, "RolloutBlocked"));
    assert!(finding.message.ends_with("; rollout: StatefulSet old waits"), "{}", finding.message);
    case.rollout.reason = None;
    assert_eq!(case.finding(ConditionType::Injected).reason, "RestartRequired");
}

#[test]
fn a_pod_that_cannot_be_injected_says_what_to_change() {
    let mut case = Case::all_is_well();
    let mut on_the_host = pod("host", json!({}));
    on_the_host.raw["spec"]["hostNetwork"] = json!(true);
    case.observed.pods.push(on_the_host);
    let injected = case.finding(ConditionType::Injected);
    assert_eq!(injected.reason, "InjectionRefused");
    assert!(injected.message.contains("hostNetwork"), "{}", injected.message);
}

#[test]
fn a_pod_of_helm_test_does_not_count() {
    let mut case = Case::all_is_well();
    let mut test = pod("wiki-test", json!({}));
    test.raw["spec"]["containers"] = json!([{"name": "test", "image": "alpine"}]);
    case.observed.pods.push(test);
    assert_eq!(case.ready(), (Truth::True, "Ready"));
}

#[test]
fn one_sidecar_that_cannot_reach_the_provider_decides() {
    let (well, away) = (ProviderReason::Reachable, ProviderReason::Degraded);
    for order in [[well, away], [away, well]] {
        let acks = order.map(|reason| ack(reason, UpstreamReason::Trusted)).into();
        assert_eq!(Case { acks, ..Case::all_is_well() }.ready(), (Truth::True, "Degraded"));
    }
}

#[test]
fn a_sidecar_that_runs_another_configuration_speaks_of_another_keycloak() {
    let failure = Failure { reason: ProviderReason::Unreachable, message: "no route".into() };
    let mut case = Case { provider: Some(Err(failure)), ..Case::all_is_well() };
    assert_eq!(case.finding(ConditionType::IdentityProviderReachable).reason, "Reachable");
    case.acks = vec![saying(case.acks.remove(0), |status| status.config_hash = "0b".into())];
    let finding = case.finding(ConditionType::IdentityProviderReachable);
    assert_eq!((finding.truth, finding.reason), (Truth::False, "Unreachable"));
}

#[test]
fn silence_is_no_trust() {
    let case = Case { acks: vec![silent()], ..Case::all_is_well() };
    let trusted = case.finding(ConditionType::UpstreamTrusted);
    assert_eq!((trusted.truth, trusted.reason), (Truth::Unknown, "Pending"));
    assert!(trusted.message.contains("1 of 1 sidecars did not answer"));
    assert_eq!(case.ready(), (Truth::False, "NotReady"));
}

#[test]
fn a_missing_key_and_a_failed_write_show_in_programmed() {
    for (programming, reason) in [
        (Programming::KeyMissing("restore it".into()), "KeyMissing"),
        (Programming::Failed("forbidden".into()), "ApplyFailed"),
        (Programming::Nothing, "NotAccepted"),
    ] {
        let case = Case { programming, ..Case::all_is_well() };
        assert_eq!(case.finding(ConditionType::Programmed).reason, reason);
        assert_eq!(case.ready(), (Truth::False, "NotReady"));
    }
}

#[test]
fn a_sidecar_that_is_silent_for_a_moment_takes_nothing_back() {
    let mut case = Case::all_is_well();
    let (before, status) = case.assess();
    case.acks = case.acks.into_iter().map(silent_now).collect();
    let (after, shown) = case.assess();
    assert_eq!(before, after);
    assert_eq!(status.advisories, shown.advisories);
    case.acks = vec![silent()];
    for kind in [ConditionType::Enforced, ConditionType::UpstreamTrusted, ConditionType::ConfigCurrent] {
        assert_eq!(case.finding(kind).truth, Truth::Unknown, "{kind:?}");
    }
}
