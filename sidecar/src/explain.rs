//! What each check says about a token: `POST /explain` on the admin port, answered to the pod itself only (a port-forward is
//! the pod itself), as it tells more about a token than its holder may know; and the operator's sealed question, which asks
//! for somebody who may read the policy. Nothing is logged, and kept is only what a request with the token would leave in
//! the caches.

use std::net::{IpAddr, Ipv4Addr};

use http::{Method, Uri};
use restward_crds::{
    sidecar::{
        admin::{Explained, MeantCall, Step, StepOutcome},
        identity::IdentitySettings,
    },
    text::Username,
};

use crate::{
    auth::{self, Permit, Possession, RawToken, Refusal, Shape},
    authorize::{self, Call, Subject},
    config::Active,
    identity::query,
    refusal::Deny,
    route,
    target::Target,
    time::UnixTime,
    user,
    verify::Verifier,
};

/// Notes what a check says. Gives what it gave, if it passed.
fn note<T>(explained: &mut Explained, check: &'static str, outcome: Result<T, impl Into<Deny>>) -> Option<T> {
    let (outcome, deny, passed) = match outcome {
        Ok(passed) => (StepOutcome::Passed, None, Some(passed)),
        Err(deny) => (StepOutcome::Failed, Some(deny.into()), None),
    };
    let message = deny.as_ref().map(|deny: &Deny| match &deny.detail {
        Some(detail) => format!("{} {detail}", deny.reason.explain().message),
        None => deny.reason.explain().message.to_owned(),
    });
    let reason = deny.map(|deny| deny.reason.code().into());
    explained.steps.push(Step { check: check.into(), outcome, reason, message });
    passed
}

fn skip(explained: &mut Explained, check: &'static str, why: &str) {
    let message = Some(why.to_owned());
    explained.steps.push(Step { check: check.into(), outcome: StepOutcome::Skipped, reason: None, message });
}

/// The call that the caller has in mind, for the rules: `method`, `path` and `address` of a query; none without a path.
pub fn meant(query: &str) -> Option<MeantCall> {
    let parameters = query::parse(query.as_bytes());
    let get =
        |name: &str| parameters.iter().find(|(found, _)| found == name).map(|(_, value)| value.as_str());
    Some(MeantCall {
        method: get("method").unwrap_or("GET").to_owned(),
        path: get("path")?.to_owned(),
        address: get("address").and_then(|text| text.parse().ok()),
    })
}

fn call(active: &Active, meant: &MeantCall) -> Option<Call> {
    let method: Method = meant.method.parse().ok()?;
    let path: Uri = meant.path.parse().ok()?;
    let target = Target::parse(&method, &path).ok()?;
    let paths = route::readings_below(&target, &active.context_path);
    let client = meant.address.unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST));
    Some(Call { paths, methods: vec![method.to_string()], client })
}

/// Explains a token, with or without `Bearer` in front. The policy's rules are asked about the call that is meant.
pub async fn explain(
    active: &Active,
    verifier: &Verifier,
    body: &[u8],
    meant: Option<&MeantCall>,
) -> Explained {
    let mut explained = Explained::default();
    let bare = body.trim_ascii();
    let bare = bare.strip_prefix(b"Bearer ").unwrap_or(bare);
    let Some(token) = note(&mut explained, "form", RawToken::parse(bare)) else { return explained };
    if matches!(Shape::of(&token), Shape::PersonalAccessToken | Shape::ConfluenceOAuth2) {
        skip(&mut explained, "kind", "This is a token of Confluence's own, which Confluence judges.");
        return explained;
    }
    let now = UnixTime::now();
    let verdict = active.authenticator.authenticate(&token, None, now).await;
    each_check(active, &token, now, &mut explained);
    let Some(permit) = note(&mut explained, "token", verdict) else { return explained };
    explained.client = permit.client().map(str::to_owned);
    let Some(user) = note(&mut explained, "user", user::resolve(&active.settings, &permit)) else {
        return explained;
    };
    explained.user = Some(user.as_str().to_owned());
    let may_call = rules(active, meant, &user, &permit, &mut explained);
    let may_name = may_name(active, verifier, &mut explained);
    let is_known = may_name
        && note(&mut explained, "confluence", active.user_check().confirm_user(&user).await).is_some();
    explained.accepted = may_call && is_known;
    explained
}

/// What each check of the token says, also behind one that failed.
fn each_check(active: &Active, token: &RawToken, now: UnixTime, explained: &mut Explained) {
    let keys = active.keys.snapshot();
    let signed =
        auth::signed(&active.settings, &keys, token, Possession::default()).map_err(
            |refusal| match refusal {
                Refusal::Deny(deny) => deny,
                Refusal::UnknownKey { .. } => restward_crds::reason::Reason::KeyUnknown.into(),
            },
        );
    if let Some(signed) = note(explained, "signature", signed) {
        for (name, outcome) in signed.outcomes(&active.settings, &keys, now) {
            note(explained, name, outcome);
        }
    }
}

/// Whether the sidecar may name users to Confluence now.
fn may_name(active: &Active, verifier: &Verifier, explained: &mut Explained) -> bool {
    let identity = &active.settings.upstream.identity;
    let origin = active.calibration().origin();
    match identity {
        IdentitySettings::OAuth1 { .. } => note(explained, "application_link", origin).is_some(),
        IdentitySettings::Header { .. } => {
            let is_enforced = note(explained, "enforcement", verifier.admits(identity)).is_some();
            note(explained, "header", origin).is_some() && is_enforced
        }
    }
}

fn rules(
    active: &Active,
    meant: Option<&MeantCall>,
    user: &Username,
    permit: &Permit,
    explained: &mut Explained,
) -> bool {
    if let Some(call) = meant.and_then(|meant| call(active, meant)) {
        let subject = Subject { user, permit };
        let outcome = authorize::authorize(&active.settings.rules, &call, Some(subject));
        return note(explained, "rules", outcome).is_some();
    }
    skip(
        explained,
        "rules",
        "Say which call is meant, by its method and its path, such as GET and /rest/api/content.",
    );
    true
}
