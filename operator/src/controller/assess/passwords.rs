//! What status says of the announced end of password logins.

use restward_crds::{
    advisory::Advisory,
    sidecar::{deprecation::Phase, terms::Mode},
};

use super::Outcome;

/// How far it has come, while the policy's switch alone would let them pass.
pub(super) fn end_of_them(outcome: &Outcome<'_>) -> Option<String> {
    let spec = &outcome.policy.spec;
    let settings = &outcome.verdict.as_ref().ok()?.settings;
    let end = settings.basic_auth_deprecation.as_ref()?;
    if spec.basic_auth.mode.denies() || spec.mode != Mode::Enforce {
        return None;
    }
    let sunset = end.sunset;
    Some(match end.phase(outcome.at) {
        Phase::Announced => Advisory::BasicAuthEnds
            .says(format_args!("password logins end at {sunset} (spec.basicAuth.deprecation.sunset)")),
        Phase::BrownOut(until) => Advisory::BasicAuthBrownOut
            .says(format_args!("password logins are refused on trial until {until}; they end at {sunset}")),
        Phase::Over => Advisory::BasicAuthEnded.says(format_args!(
            "password logins are refused since {sunset} (spec.basicAuth.deprecation.sunset), although \
             spec.basicAuth.mode is {:?}; set it to Deny",
            spec.basic_auth.mode
        )),
    })
}
