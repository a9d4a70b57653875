//! What the API server itself refuses: the chart's admission policies with their bindings, without which it does not ask them. Pure.

use std::collections::BTreeSet;

use k8s_openapi::api::admissionregistration::v1::{
    ValidatingAdmissionPolicy, ValidatingAdmissionPolicyBinding, ValidatingWebhookConfiguration,
};
use kube::ResourceExt as _;

use super::{
    super::facts::{Facts, Operator},
    seen,
};
use crate::report::{Finding, Section};

/// The policy whose bindings are the operator's, one for each RestApiAuthPolicy.
const REQUIRE_SIDECAR: &str = "require-sidecar";
/// The policy that is there with `protectedPods.ephemeralContainers: Deny` only.
const EPHEMERAL: &str = "ephemeral-containers";
/// The chart's policies without which a way is open, by the ends of their names; of each what its bindings have behind its name.
pub(super) const POLICIES: [(&str, &[&str]); 7] = [
    (REQUIRE_SIDECAR, &[]),
    ("injected-pods", &[""]),
    ("keys", &[""]),
    ("managed-objects", &["", "-by-name"]),
    ("sidecar-image", &[""]),
    ("operator-guardrails", &[""]),
    (EPHEMERAL, &[""]),
];
const UPGRADE: &str = "helm upgrade restward with the values that it was installed with puts it back";

pub(super) fn of(facts: &Facts) -> Section {
    let mut findings = seen(&facts.backstop, |policies| {
        let releases = releases(facts, policies);
        if releases.is_empty() {
            let wanted = POLICIES.iter().filter(|(end, _)| *end != EPHEMERAL);
            return wanted
                .map(|(end, _)| {
                    Finding::wrong(
                        what(end),
                        "no admission policy of the chart is there",
                        "helm upgrade restward",
                    )
                })
                .collect();
        }
        let mut findings: Vec<Finding> =
            releases.iter().flat_map(|release| self::release(release, policies, facts)).collect();
        findings.extend(policies.iter().flat_map(warnings));
        findings
    });
    findings.extend(facts.bindings.as_ref().err().map(Finding::unseen));
    findings.extend(facts.operators.iter().flatten().filter_map(|operator| witness(operator, facts)));
    Section { title: "backstop".into(), findings }
}

fn what(end: &str) -> String {
    format!("the API server itself refuses: {end}")
}

/// What stands before the ends of the names of a release's policies, as its operator says it, or its policies show it.
fn releases<'a>(facts: &'a Facts, policies: &'a [ValidatingAdmissionPolicy]) -> BTreeSet<&'a str> {
    let before = |name: &'a str, end: &str| name.strip_suffix(end)?.strip_suffix('-');
    let told = facts.operators.iter().flatten();
    let told = told.filter_map(|operator| before(operator.told("--backstop=")?, REQUIRE_SIDECAR));
    let shown = policies.iter().filter_map(|policy| {
        let name = policy.metadata.name.as_deref()?;
        POLICIES.iter().find_map(|(end, _)| before(name, end))
    });
    told.chain(shown).collect()
}

fn release(release: &str, policies: &[ValidatingAdmissionPolicy], facts: &Facts) -> Vec<Finding> {
    let findings = POLICIES.iter().filter_map(|(end, bindings)| {
        let name = format!("{release}-{end}");
        let what = format!("{} ({release})", what(end));
        let policy = policies.iter().find(|policy| policy.name_any() == name);
        let all = facts.bindings.as_deref().unwrap_or_default();
        if *end == EPHEMERAL && policy.is_none() && !all.iter().any(|it| is_of(it, &name)) {
            return None;
        }
        let wrong = |why: String| Some(Finding::wrong(what.clone(), why, UPGRADE));
        let failure_policy = policy.map(|policy| policy.spec.as_ref()?.failure_policy.as_deref());
        match failure_policy {
            None => return wrong(format!("the admission policy {name} is not there")),
            Some(Some("Ignore")) => return wrong(format!("somebody set failurePolicy: Ignore of {name}")),
            Some(_) => {}
        }
        if facts.bindings.is_err() {
            return None;
        }
        let unbound = bindings.iter().find_map(|behind| {
            let binding = format!("{name}{behind}");
            match Bound::of(all.iter().find(|it| it.name_any() == binding && is_of(it, &name))) {
                Bound::Denies => None,
                Bound::Not => Some(format!("its binding {binding} is not there, so nothing is asked of it")),
                Bound::Lets(actions) => Some(format!("its binding {binding} does not deny: {actions}")),
            }
        });
        unbound.map_or_else(|| Some(Finding::right(what.clone())), wrong)
    });
    findings.collect()
}

fn is_of(binding: &ValidatingAdmissionPolicyBinding, policy: &str) -> bool {
    binding.spec.as_ref().is_some_and(|spec| spec.policy_name.as_deref() == Some(policy))
}

/// Whether a binding refuses what its policy refuses.
pub(super) enum Bound {
    Denies,
    /// It only does this.
    Lets(String),
    Not,
}

impl Bound {
    pub(super) fn of(binding: Option<&ValidatingAdmissionPolicyBinding>) -> Self {
        let Some(binding) = binding else { return Self::Not };
        let actions =
            binding.spec.as_ref().and_then(|spec| spec.validation_actions.clone()).unwrap_or_default();
        if actions.iter().any(|action| action == "Deny") {
            return Self::Denies;
        }
        Self::Lets(format!("validationActions: [{}]", actions.join(", ")))
    }
}

/// Whether a binding is of a policy that asks for the sidecar.
pub(super) fn requires_sidecar(binding: &ValidatingAdmissionPolicyBinding) -> bool {
    let policy = binding.spec.as_ref().and_then(|spec| spec.policy_name.as_deref());
    policy.is_some_and(|name| name.ends_with(&format!("-{REQUIRE_SIDECAR}")))
}

fn warnings(policy: &ValidatingAdmissionPolicy) -> Vec<Finding> {
    let warnings =
        policy.status.as_ref().and_then(|it| it.type_checking.as_ref()?.expression_warnings.as_ref());
    let findings = warnings.into_iter().flatten().map(|warning| {
        Finding::warning(
            format!("the rules of {} are of the right types", policy.name_any()),
            format!("{}: {}", warning.field_ref, warning.warning),
            "see whether the cluster's version is supported",
        )
    });
    findings.collect()
}

/// Whether uses of the chart's `breakGlass.groups` are told, where there are any.
fn witness(operator: &Operator, facts: &Facts) -> Option<Finding> {
    let name = operator.told("--break-glass-webhook=")?;
    let what = format!("each use of break-glass is told ({name})");
    let all = match &facts.witnesses {
        Ok(all) => all,
        Err(failure) => return Some(Finding::unseen(failure)),
    };
    let only = "only the API server's audit log has them";
    Some(match all.iter().find(|it| it.name_any() == name) {
        Some(it) if is_filled(it) => Finding::right(what),
        Some(_) => Finding::wrong(
            what,
            format!("its webhook configuration does not say where to ask: {only}"),
            "the operator fills it in by itself; if it does not, read its log",
        ),
        None => Finding::wrong(what, format!("its webhook configuration is not there: {only}"), UPGRADE),
    })
}

fn is_filled(configuration: &ValidatingWebhookConfiguration) -> bool {
    let mut entries = configuration.webhooks.iter().flatten().peekable();
    entries.peek().is_some()
        && entries.all(|entry| {
            let config = &entry.client_config;
            let has_path = config.service.as_ref().is_some_and(|service| service.path.is_some());
            has_path && config.ca_bundle.as_ref().is_some_and(|bundle| !bundle.0.is_empty())
        })
}
