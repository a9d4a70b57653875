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
            @if let Some(sentence) = sentence(&step.check) { ": " (sentence) }
            @if let Some(code) = &step.reason {
                p { code { (foreign(code)) } @if let Some(known) = known { " (status " (known.status()) ")" } }
            }
            @if let Some(message) = &step.message { p { (foreign(message)) } }
        }
    }
}

/// What a check looks at; `None` for one of a sidecar to come.
fn sentence(check: &str) -> Option<&'static str> {
    Some(match check {
        "form" => "it looks like a token",
        "signature" => "it is signed by a key of the realm, with an algorithm that is allowed",
        "issuer" => "the realm of the policy issued it",
        "kind" => "it is an access token",
        "proof" => "whoever sends it shows to be the one that it is bound to",
        "lifetime" => "it is valid now",
        "revocation" => "it was issued after all sessions were last ended",
        "audience" => "it is meant for this API",
        "party" => "its client may call",
        "requirements" => "it has the scopes, roles and groups that the policy asks for",
        "token" => "all of that together, and what the realm itself says where the policy asks it",
        "user" => "it names a user whom Confluence may be told",
        "rules" => "the policy's rules allow this call",
        "application_link" => "Confluence takes the sidecar's word for who calls",
        "enforcement" => "nobody gets round the sidecar, without which it names no users by a header",
        "header" => "Confluence believes the header by which the sidecar names users",
        "confluence" => "Confluence knows this user",
        _ => return None,
    })
}
