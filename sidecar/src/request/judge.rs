//! From the facts about a request to what is forwarded of it.

use std::sync::Arc;

use http::header;
use restward_crds::{reason::Reason, text::Username};

use crate::{
    audit::{Outcome, Record},
    auth::{Permit, dpop::Shown},
    config::Active,
    credential::{Presented, TokenScheme, params::AuthType},
    decide::{Action, Decision},
    identity::Origin,
    refusal::Deny,
    time::UnixTime,
    user,
};

use super::head::Head;

/// How a request is forwarded.
pub(super) enum Treatment {
    /// As it came.
    Untouched,
    /// Without its Authorization header.
    WithoutAuthorization,
    /// With `os_authType`, and perhaps with Confluence's own challenge for the client.
    Only { how: AuthType, keeps_challenge: bool },
    /// Signed as this user.
    AsUser { origin: Origin, user: Username },
}

/// Carries out a decision as far as it needs to be asked about; notes in `record` what came out.
pub(super) async fn judge(
    active: &Active,
    decision: Decision,
    presented: &Presented,
    head: &Head,
    record: &mut Record,
) -> Result<Treatment, Deny> {
    record.outcome = if decision.audited.is_some() { Outcome::WouldRefuse } else { Outcome::Passed };
    record.reason = decision.audited;
    match decision.action {
        Action::Refuse(reason) => Err(reason.into()),
        Action::Pass => Ok(Treatment::Untouched),
        Action::PassWithout => Ok(Treatment::WithoutAuthorization),
        Action::PassOnlyWith(how) => Ok(Treatment::Only { how, keeps_challenge: false }),
        Action::PassForChallenge => Ok(Treatment::Only { how: AuthType::Basic, keeps_challenge: true }),
        Action::ConfirmBearer => {
            let bearer = head.headers.get(header::AUTHORIZATION).ok_or(Reason::CredentialMissing)?;
            active.user_check().confirm_bearer(bearer).await.map(|()| Treatment::Untouched)
        }
        Action::AsUser => as_user(active, presented, head, record).await,
        Action::AsUserOrWithout => match as_user(active, presented, head, record).await {
            // Without a session behind it, an honest "not now" beats content as anonymous.
            Err(deny) if deny.reason.status() < 500 || presented.has_cookie => {
                record.outcome = Outcome::Stripped;
                record.reason = Some(deny.reason);
                Ok(Treatment::WithoutAuthorization)
            }
            outcome => outcome,
        },
    }
}

async fn as_user(
    active: &Active,
    presented: &Presented,
    head: &Head,
    record: &mut Record,
) -> Result<Treatment, Deny> {
    let permit = authenticate(active, presented, head).await?;
    record.token = Some(permit.as_ref().into());
    let user = user::resolve(&active.settings, &permit)?;
    record.user = Some(user.as_str().to_owned());
    let origin = active.calibration().origin()?;
    active.user_check().confirm_user(&user).await?;
    record.outcome = Outcome::AsUser;
    Ok(Treatment::AsUser { origin, user })
}

async fn authenticate(active: &Active, presented: &Presented, head: &Head) -> Result<Arc<Permit>, Deny> {
    let token = presented.token.as_ref().ok_or(Reason::TokenMalformed)?;
    let now = UnixTime::now();
    match &presented.scheme {
        TokenScheme::Bearer => active.authenticator.authenticate(token, now).await,
        TokenScheme::Dpop(proof) => {
            let proof = proof.as_ref().ok_or(Reason::ProofInvalid)?;
            let path = head.target.as_ref().map_err(|reason| *reason)?.raw_path();
            let shown = Shown { proof, method: head.method.as_str(), path };
            active.authenticator.authenticate_proven(token, shown, now).await
        }
    }
}
