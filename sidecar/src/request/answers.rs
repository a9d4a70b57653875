//! Answers that are the sidecar's own, or have to be changed into them.

use http::{Method, Response, StatusCode};
use restward_crds::{reason::Reason, sidecar::terms::Mode};

use super::{exchange::Exchange, judge::Treatment};
use crate::{
    audit::Record,
    config::Active,
    credential::Kind,
    forward::{self, Body, clean, clean::Checked},
    metadata,
    metrics::Metrics,
    respond,
    route::PathClass,
};

/// An answer to a request that was sent as a user must be that user's.
pub(super) fn check_assertion(
    active: &Active,
    metrics: &Metrics,
    method: &Method,
    treatment: &Treatment,
    answer: &mut Response<forward::Answer>,
) -> Result<(), Reason> {
    let Treatment::AsUser { user, .. } = treatment else { return Ok(()) };
    let checked = clean::check_asserted(method, user, answer.status(), answer.headers());
    if checked != Ok(Checked::AsUser) {
        tracing::warn!(outcome = ?checked, "an assertion was not taken as it was meant");
        metrics.assertion_rejected();
        active.calibration().poke();
    }
    if checked == Ok(Checked::WroteAsAnother) {
        active.user_check().distrust(user);
    }
    checked?;
    clean::asserted(answer.headers_mut());
    Ok(())
}

/// Confluence's own 401 gets our challenge, save for partners and clients that wait for its own.
pub(super) fn hide_challenges(
    active: &Active,
    exchange: &Exchange,
    record: &Record,
    treatment: &Treatment,
    answer: &mut Response<forward::Answer>,
) {
    let is_partner = matches!(record.credential, Kind::OAuth1 | Kind::ApplicationLinkJwt);
    let keeps_challenge = matches!(treatment, Treatment::Only { keeps_challenge: true, .. })
        || active.settings.mode == Mode::Audit;
    let is_protected = record.class == Some(PathClass::Protected);
    let is_asserted = matches!(treatment, Treatment::AsUser { .. });
    if answer.status() == StatusCode::UNAUTHORIZED
        && (is_asserted || (is_protected && !is_partner && !keeps_challenge))
    {
        let resource = resource(Some(active), exchange);
        let ours = respond::challenge(active.realm(), resource.as_deref(), None);
        clean::challenge(answer.headers_mut(), ours);
    }
}

/// The URL by which the client knows the API, where it is known.
pub(super) fn resource(active: Option<&Active>, exchange: &Exchange) -> Option<String> {
    active?.resource(exchange.host.as_ref()?)
}

/// The document for clients that look for the identity provider, when it is asked for.
pub(super) fn metadata(
    active: &Active,
    exchange: &Exchange,
    record: &mut Record,
) -> Result<Option<Response<Body>>, Reason> {
    let head = &exchange.head;
    let Ok(target) = &head.target else { return Ok(None) };
    if active.settings.mode == Mode::Off
        || !metadata::is_asked_for(&head.method, target, &active.context_path)
        || head.check().is_err()
    {
        return Ok(None);
    }
    record.class = Some(PathClass::Open);
    let issuers = active.issuer_names();
    match resource(Some(active), exchange) {
        Some(resource) if !issuers.is_empty() => {
            Ok(Some(metadata::document(&resource, &active.settings, &issuers)))
        }
        _ => Err(Reason::KeysUnavailable),
    }
}
