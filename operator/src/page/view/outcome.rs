//! What came of a token.

use maud::{Markup, html};
use restward_crds::{
    reason::Reason,
    sidecar::admin::{Explained, MeantCall, Step, StepOutcome},
};

use super::{super::gather::Tried, foreign};

/// What came of a token that was tried.
pub(in super::super) struct Outcome<'a> {
    /// What a sidecar said; `None` when there is none to ask.
    pub(in super::super) tried: Option<Tried>,
    /// The call that was meant.
    pub(in super::super) call: Option<&'a MeantCall>,
}

impl Outcome<'_> {
    /// For the page's title, which is what is read out first.
    pub(super) fn title(&self) -> &'static str {
        match self.tried.as_ref().map(|tried| &tried.explained) {
            Some(Ok(explained)) if explained.accepted => "Forwarded",
            Some(Ok(_)) => "Not forwarded",
            Some(Err(_)) | None => "Not tried",
        }
    }
}

pub(super) fn outcome(outcome: &Outcome<'_>) -> Markup {
    html! {
        section #result.card aria-labelledby="result-title" tabindex="-1" autofocus {
            h2 #result-title { "What came of the token" }
            @match outcome.tried.as_ref().map(|tried| (&tried.pod, &tried.explained)) {
                None => p.bad { "No sidecar runs that could be asked. The conditions below say why." },
                Some((pod, Err(why))) => p.bad { "Pod " (foreign(pod)) ": " (why.to_string()) "." },
                Some((pod, Ok(explained))) => (explanation(pod, explained, outcome.call)),
            }
        }
    }
}

fn explanation(pod: &str, explained: &Explained, call: Option<&MeantCall>) -> Markup {
    let call = call.map(|call| format!("{} {}", call.method, call.path));
    html! {
        p.verdict {
            @if explained.accepted { span.mark.good { "A call with it is forwarded" } }
            @else { span.mark.bad { "A call with it is not forwarded" } }
        }
        dl {
            dt { "Confluence user" }
            dd { @match &explained.user { Some(user) => strong { (foreign(user)) }, None => "nobody" } }
            dt { "Client" }
            dd { @match &explained.client { Some(client) => (foreign(client)), None => "not known" } }
            dt { "Call" }
            dd { @match &call { Some(call) => code { (foreign(call)) }, None => "none in particular: rules were not asked" } }
            dt { "Asked" }
            dd { "the sidecar of pod " (foreign(pod)) }
        }
        ol.steps { @for step in &explained.steps { (self::step(step)) } }
    }
}

fn step(step: &Step) -> Markup {
    let (class, word) = match step.outcome {
        StepOutcome::Passed => ("good", "passed"),
        StepOutcome::Failed => ("bad", "failed"),
        StepOutcome::Skipped => ("open", "not asked"),
    };
    let known = step.reason.as_ref().and_then(|code| Reason::ALL.iter().find(|reason| reason.code() == code));
    html! {
        li {
            span class={ "mark " (class) } { (word) } " "
            strong { (foreign(&step.check)) }
            @if let Some(question) = question(&step.check) { ": " (question) }
            @if let Some(code) = &step.reason {
                p { code { (foreign(code)) } @if let Some(known) = known { " (status " (known.status()) ")" } }
            }
            @if let Some(message) = &step.message { p { (foreign(message)) } }
        }
    }
}

/// What a check asks; `None` for one of a sidecar to come.
fn question(check: &str) -> Option<&'static str> {
    Some(match check {
        "form" => "does it look like a token?",
        "signature" => "is it signed by a key of the realm, with an algorithm that is allowed?",
        "issuer" => "did the realm of the policy issue it?",
        "kind" => "is it an access token?",
        "proof" => "if it is bound to a key or a certificate, was that shown?",
        "lifetime" => "is it valid now?",
        "revocation" => "was it issued after all sessions were last ended?",
        "audience" => "is it meant for this API?",
        "party" => "may its client call?",
        "requirements" => "has it the scopes, roles and groups that the policy asks for?",
        "token" => "all of that together, and what the realm itself says where the policy asks it",
        "user" => "does it name a user whom Confluence may be told?",
        "rules" => "do the policy's rules allow this call?",
        "application_link" => "does Confluence take the sidecar's word for who calls?",
        "enforcement" => "is it verified that nobody gets round the sidecar?",
        "header" => "does Confluence believe the header by which the sidecar names users?",
        "confluence" => "does Confluence know this user?",
        _ => return None,
    })
}
