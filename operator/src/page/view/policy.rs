//! One policy: the form for a token, what came of it, and how the policy is.

use axum::response::Html;
use k8s_openapi::{apimachinery::pkg::apis::meta::v1::Condition, jiff::Timestamp};
use kube::ResourceExt as _;
use maud::{Markup, html};
use restward_crds::{
    api::v1alpha1::{ApplicationLinkStatus, RestApiAuthPolicy, RestApiAuthPolicyStatus, WorkloadStatus},
    condition::ConditionType,
    fix,
    sidecar::admin::{TALLY_HOURS, Tally},
};

use super::{
    super::gather::Tallied, Outcome, condition, foreign, outcome::outcome, path, refusals, state,
    token_field, whole,
};

const METHODS: [&str; 7] = ["GET", "POST", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS"];

/// What is shown of a policy.
pub(in super::super) struct Shown<'a> {
    pub(in super::super) policy: &'a RestApiAuthPolicy,
    /// What its sidecars refused.
    pub(in super::super) tallies: &'a [Tallied],
    /// How many were not asked.
    pub(in super::super) unasked: usize,
    /// What came of a token.
    pub(in super::super) outcome: Option<Outcome<'a>>,
}

/// The page of a policy.
pub(in super::super) fn policy(visitor: &str, shown: &Shown<'_>) -> Html<String> {
    let Shown { policy, tallies, unasked, outcome: result } = shown;
    let name = format!("{}/{}", policy.namespace().unwrap_or_default(), policy.name_any());
    let nothing = RestApiAuthPolicyStatus::default();
    let status = policy.status.as_ref().unwrap_or(&nothing);
    let answered: Vec<&Tally> = tallies.iter().filter_map(|it| it.tally.as_ref().ok()).collect();
    let content = html! {
        h1 { "Policy " (foreign(&name)) }
        (facts(policy, status))
        @if let Some(result) = result { (outcome(result)) }
        (form(policy))
        section aria-labelledby="conditions" {
            h2 #conditions { "Conditions" }
            ul.conditions { @for kind in ConditionType::ALL { (conditions(policy, kind)) } }
            @if !status.advisories.is_empty() {
                h3 { "Better known" }
                ul { @for advisory in &status.advisories { li { (foreign(advisory)) } } }
            }
        }
        section aria-labelledby="workloads" { h2 #workloads { "Workloads" } (workloads(&status.workloads)) }
        section aria-labelledby="keys" { h2 #keys { "Keys" } (keys(status.application_link.as_ref(), tallies)) }
        section aria-labelledby="refusals" {
            h2 #refusals { "Refusals of the last " (TALLY_HOURS) " hours" }
            @if answered.is_empty() { p { "No sidecar says what it refused." } } @else { (refusals::table(&answered)) }
            (since(tallies, *unasked))
        }
    };
    let title = result.as_ref().map_or_else(|| name.clone(), |result| format!("{}: {name}", result.title()));
    whole(&title, Some(visitor), &content)
}

fn facts(policy: &RestApiAuthPolicy, status: &RestApiAuthPolicyStatus) -> Markup {
    let spec = &policy.spec;
    html! {
        dl.facts {
            div { dt { "Ready" } dd { (state(condition(policy, ConditionType::Ready))) } }
            div { dt { "Mode" } dd { (format!("{:?}", spec.mode)) } }
            div { dt { "Passwords" } dd { (format!("{:?}", spec.basic_auth.mode)) } }
            div { dt { "Realm" } dd { (foreign(&spec.keycloak.realm)) " at " (foreign(&spec.keycloak.host)) } }
            div { dt { "Audience" } dd { (foreign(status.audience.as_deref().unwrap_or("–"))) } }
            div { dt { "Pods with the sidecar" } dd { (foreign(status.pods.as_deref().unwrap_or("–"))) } }
        }
    }
}

fn form(policy: &RestApiAuthPolicy) -> Markup {
    let action = path(["policies", &policy.namespace().unwrap_or_default(), &policy.name_any()]);
    html! {
        section.card aria-labelledby="try" {
            h2 #try { "Try a token" }
            form method="post" action=(action) autocomplete="off" {
                label for="token" { "Access token" }
                (token_field("token-help", 6))
                p #token-help.small {
                    "It goes to a sidecar of the policy, encrypted, which does the checks of a real call and asks Confluence whether it "
                    "knows the user. It is stored and logged nowhere, and not shown again."
                }
                fieldset {
                    legend { "The call that is meant, for the policy’s rules (may be left out)" }
                    div.row {
                        div { label for="method" { "Method" }
                            select #method name="method" { @for method in METHODS { option { (method) } } } }
                        div.grow { label for="path" { "Path, with the context path" }
                            input #path name="path" placeholder="/confluence/rest/api/content" autocomplete="off" spellcheck="false"; }
                        div { label for="address" { "Address of the caller" }
                            input #address name="address" placeholder="192.0.2.1" autocomplete="off" spellcheck="false"; }
                    }
                }
                button { "Try it" }
            }
        }
    }
}

fn conditions(policy: &RestApiAuthPolicy, kind: ConditionType) -> Markup {
    let found = condition(policy, kind);
    html! {
        li {
            (state(found)) " " strong { (kind.as_str()) }
            @match found {
                None => p { "The operator has said nothing about it yet." },
                Some(condition) => {
                    ": " (foreign(&condition.reason))
                    @if !condition.message.is_empty() { p { (foreign(&condition.message)) } }
                    @if let Some(step) = next_step(kind, condition) { p.fix { strong { "To do: " } (step) "." } }
                }
            }
        }
    }
}

/// What to do about a condition that could be better.
fn next_step(kind: ConditionType, condition: &Condition) -> Option<&'static str> {
    let is_well = condition.status == "True" && fix::is_best(kind, &condition.reason);
    if is_well { None } else { fix::of(kind, &condition.reason) }
}

fn workloads(workloads: &[WorkloadStatus]) -> Markup {
    if workloads.is_empty() {
        return html! { p { "The policy selects no pod." } };
    }
    html! {
        div.wide role="region" aria-label="Table of workloads" tabindex="0" { table {
            thead { tr {
                th scope="col" { "Workload" } th scope="col" { "Pods" } th scope="col" { "With the sidecar" }
                th scope="col" { "To be restarted" } th scope="col" { "Command" }
            } }
            tbody { @for workload in workloads { tr {
                th scope="row" { (foreign(&workload.kind)) " " (foreign(&workload.name)) }
                td.number { (workload.pods) }
                td.number { (workload.injected) }
                td.number { (workload.pods.saturating_sub(workload.injected).saturating_add(workload.outdated)) }
                td { @if let Some(command) = &workload.restart_command { code { (foreign(command)) } } @else { "–" } }
            } } }
        } }
    }
}

fn keys(link: Option<&ApplicationLinkStatus>, tallies: &[Tallied]) -> Markup {
    let ages = tallies.iter().filter_map(|it| Some((&it.pod, it.tally.as_ref().ok()?)));
    let ages: Vec<_> = ages.flat_map(|(pod, tally)| tally.keys.iter().map(move |keys| (pod, keys))).collect();
    html! {
        h3 { "Of the identity provider, by which tokens are checked" }
        @if ages.is_empty() { p { "No sidecar says that it has any." } } @else {
            ul { @for (pod, keys) in ages {
                li { (foreign(&keys.issuer)) ": fetched " (ago(keys.seconds)) " by " (foreign(pod)) }
            } }
        }
        h3 { "Of the application link, by which Confluence is told the user" }
        @match link {
            None => p { "There is none." },
            Some(link) => {
                p { "Consumer " (foreign(&link.consumer_key)) ", fingerprint (SHA-256)" }
                pre { code { (foreign(&link.fingerprint)) } }
                @if let Some(repaired) = &link.repaired { p { (foreign(repaired)) } }
                @match &link.next {
                    None => p { "It is not being replaced." },
                    Some(next) => {
                        p { span.mark.open { "being replaced" } " by the key with fingerprint" }
                        pre { code { (foreign(&next.fingerprint)) } }
                        p.fix { strong { "To do: " } (foreign(&next.message)) }
                    }
                }
            }
        }
    }
}

fn since(tallies: &[Tallied], unasked: usize) -> Markup {
    html! {
        ul.small {
            @for Tallied { pod, tally } in tallies {
                li { (foreign(pod)) @match tally {
                    Ok(tally) => { " has counted since it started, " (time(tally.since)) },
                    Err(why) => { ": " (why.to_string()) },
                } }
            }
            @if unasked > 0 { li { (unasked) " sidecars more were not asked." } }
        }
    }
}

fn time(seconds: i64) -> String {
    Timestamp::from_second(seconds).map_or_else(|_| seconds.to_string(), |time| time.to_string())
}

fn ago(seconds: u64) -> String {
    match seconds {
        0..60 => format!("{seconds} s ago"),
        60..7200 => format!("{} min ago", seconds / 60),
        7200..172_800 => format!("{} h ago", seconds / 3600),
        _ => format!("{} d ago", seconds / 86400),
    }
}
