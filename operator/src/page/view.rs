//! HTML, made from what was gathered. Pure. `maud` escapes every text; what comes from elsewhere (names, messages, claims) is
//! shown by [`foreign`] moreover, so that it cannot turn the direction of what stands around it.

mod outcome;
mod policy;
mod refusals;

use axum::response::Html;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::ResourceExt as _;
use maud::{DOCTYPE, Markup, html};
use restward_crds::{api::v1alpha1::RestApiAuthPolicy, condition::ConditionType, names, text::harmless};
use url::Url;

pub(super) use outcome::Outcome;
pub(super) use policy::{Shown, policy};

/// The only style sheet.
pub(super) const STYLE: &str = include_str!("view/style.css");

pub(super) const NOT_VALID: &str = "This is no valid token for this page: it may have ended, be cut off, or have been made for \
    another audience. Make a new one by the command below.";

/// A text from elsewhere.
fn foreign(text: &str) -> Markup {
    html! { bdi { (harmless(text)) } }
}

/// A path of this page whose segments are these, whatever is in them.
fn path(segments: [&str; 3]) -> String {
    let Ok(mut url) = Url::parse("http://localhost/") else { return "/".to_owned() };
    if let Ok(mut path) = url.path_segments_mut() {
        path.clear().extend(segments);
    }
    url.path().to_owned()
}

fn whole(title: &str, visitor: Option<&str>, content: &Markup) -> Html<String> {
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (harmless(title)) " – Restward" }
                link rel="stylesheet" href="/style.css";
            }
            body {
                a.skip href="#content" { "To the content" }
                header {
                    a.home href="/" { "Restward" }
                    @if let Some(visitor) = visitor {
                        form method="post" action="/logout" {
                            span { "Logged in as " (foreign(visitor)) }
                            button { "Log out" }
                        }
                    }
                }
                main #content { (content) }
            }
        }
    };
    Html(page.into_string())
}

/// The form by which visitors log in, and what was wrong with the last token.
pub(super) fn login(wrong: Option<&str>) -> Html<String> {
    let content = html! {
        h1 { "Log in" }
        @if let Some(wrong) = wrong { p.bad role="alert" { (wrong) } }
        form.card method="post" action="/login" autocomplete="off" {
            label for="token" { "Token of a ServiceAccount, made for this page" }
            (token_field("login-help", 4))
            p #login-help {
                "It is looked at by the API server, and shows the policies that the ServiceAccount may " code { "get" } ". Make one by"
            }
            pre { code { "kubectl create token NAME -n NAMESPACE --audience " (names::PAGE_AUDIENCE) " --duration 1h" } }
            button { "Log in" }
        }
    };
    whole("Log in", None, &content)
}

/// No browser is to remember, complete, correct or check the spelling of what is pasted there.
fn token_field(described_by: &str, rows: u8) -> Markup {
    html! {
        textarea #token name="token" rows=(rows) required autocomplete="off" autocorrect="off" autocapitalize="off"
            spellcheck="false" aria-describedby=(described_by) {}
    }
}

/// A page with nothing but a sentence.
pub(super) fn sentence(title: &str, text: &str) -> Html<String> {
    whole(title, None, &html! { h1 { (title) } p { (text) } p { a href="/" { "To the policies" } } })
}

/// The visitor may not see this policy; without one, none at all.
pub(super) fn forbidden(visitor: &str, policy: &str) -> Html<String> {
    let content = html! {
        h1 { "Not allowed" }
        p {
            (foreign(visitor)) " may not "
            code { "get" }
            @if policy.is_empty() { " any policy" } @else { " policy " (foreign(policy)) }
            ". Whoever administers the namespace gives the right by"
        }
        pre { code {
            "kubectl create role restward-viewer -n NAMESPACE --verb get --resource restapiauthpolicies.restward.io\n"
            "kubectl create rolebinding restward-viewer -n NAMESPACE --role restward-viewer --serviceaccount NAMESPACE:NAME"
        } }
        @if !policy.is_empty() { p { a href="/" { "To the policies" } } }
    };
    whole("Not allowed", Some(visitor), &content)
}

pub(super) fn not_found(visitor: &str, policy: &str) -> Html<String> {
    let content = html! {
        h1 { "Not found" }
        p { "There is no policy " (foreign(policy)) "." }
        p { a href="/" { "To the policies" } }
    };
    whole("Not found", Some(visitor), &content)
}

/// The policies that the visitor may see.
pub(super) fn policies(visitor: &str, policies: &[&RestApiAuthPolicy], is_cut: bool) -> Html<String> {
    let content = html! {
        h1 { "Policies" }
        @if policies.is_empty() { p { "No policy exists, so nothing is protected." } } @else {
            div.wide role="region" aria-label="Table of policies" tabindex="0" { table {
                thead { tr {
                    th scope="col" { "Policy" } th scope="col" { "Ready" } th scope="col" { "Mode" }
                    th scope="col" { "Passwords" } th scope="col" { "Realm" } th scope="col" { "Pods" }
                } }
                tbody { @for policy in policies { (row(policy)) } }
            } }
        }
        @if is_cut {
            p { "There are more policies than are listed here. Any that you may see is at " code { "/policies/NAMESPACE/NAME" } "." }
        }
    };
    whole("Policies", Some(visitor), &content)
}

fn row(policy: &RestApiAuthPolicy) -> Markup {
    let (namespace, name) = (policy.namespace().unwrap_or_default(), policy.name_any());
    let pods = policy.status.as_ref().and_then(|status| status.pods.as_deref());
    html! {
        tr {
            th scope="row" {
                a href=(path(["policies", &namespace, &name])) { (foreign(&format!("{namespace}/{name}"))) }
            }
            td { (state(condition(policy, ConditionType::Ready))) }
            td { (format!("{:?}", policy.spec.mode)) }
            td { (format!("{:?}", policy.spec.basic_auth.mode)) }
            td { (foreign(&policy.spec.keycloak.realm)) }
            td { (foreign(pods.unwrap_or("–"))) }
        }
    }
}

fn condition(policy: &RestApiAuthPolicy, kind: ConditionType) -> Option<&Condition> {
    let mut conditions = policy.status.iter().flat_map(|status| &status.conditions);
    conditions.find(|condition| condition.type_ == kind.as_str())
}

/// Whether a condition holds, by a word; the colour and the sign before it say nothing else.
fn state(condition: Option<&Condition>) -> Markup {
    let status = condition.map_or("Unknown", |condition| condition.status.as_str());
    let (class, word) = match status {
        "True" => ("good", "yes"),
        "False" => ("bad", "no"),
        _ => ("open", "not known"),
    };
    html! { span class={ "mark " (class) } { (word) } }
}

#[cfg(test)]
mod tests;
