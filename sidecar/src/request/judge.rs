//! From the facts about a request to what is forwarded of it.

use std::{net::IpAddr, sync::Arc, time::Instant};

use http::header;
use restward_crds::{reason::Reason, sidecar::limits::RateKey, text::Username};

use crate::{
    audit::{Outcome, Record},
    auth::{Permit, dpop::Shown},
    authorize::{self, Call, Subject},
    certificate,
    config::Active,
    credential::{Kind, Presented, TokenScheme, params::AuthType},
    decide::{Action, Decision},
    deprecation,
    identity::Origin,
    limits,
    refusal::Deny,
    route::{self, PathClass, Route},
    time::UnixTime,
    user,
    verify::Verifier,
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
    /// Named to Confluence as this user's.
    AsUser { origin: Origin, user: Username },
}

/// A request on which a decision was made.
pub(super) struct Case<'a> {
    pub(super) active: &'a Active,
    pub(super) presented: &'a Presented,
    pub(super) head: &'a Head,
    pub(super) verifier: &'a Verifier,
    pub(super) route: Route,
    /// Address at the other end of the connection.
    pub(super) peer: IpAddr,
    /// Address of the caller.
    pub(super) client: IpAddr,
    /// When it came.
    pub(super) now: UnixTime,
}

/// Carries out a decision as far as it needs to be asked about; notes in `record` what came out.
pub(super) async fn judge(
    case: &Case<'_>,
    decision: Decision,
    record: &mut Record,
) -> Result<Treatment, Deny> {
    record.outcome = if decision.audited.is_some() { Outcome::WouldRefuse } else { Outcome::Passed };
    record.reason = decision.audited;
    if case.is_call() {
        case.active.limiter.count(RateKey::Address, || limits::address(case.client), Instant::now())?;
    }
    if case.is_call() && !matches!(decision.action, Action::Refuse(_) | Action::AsUser) {
        case.authorize(None)?;
    }
    match decision.action {
        Action::Refuse(reason) => Err(deprecation::refuse(reason, &case.active.settings, case.now)),
        Action::Pass => Ok(Treatment::Untouched),
        Action::PassWithout => Ok(Treatment::WithoutAuthorization),
        Action::PassOnlyWith(how) => Ok(Treatment::Only { how, keeps_challenge: false }),
        Action::PassForChallenge => Ok(Treatment::Only { how: AuthType::Basic, keeps_challenge: true }),
        Action::ConfirmBearer => {
            let bearer = case.head.headers.get(header::AUTHORIZATION).ok_or(Reason::CredentialMissing)?;
            case.active.user_check().confirm_bearer(bearer).await.map(|()| Treatment::Untouched)
        }
        Action::AsUser => case.as_user(record).await,
        Action::AsUserOrWithout => match case.as_user(record).await {
            Err(deny) if may_go_on_without(&deny, case.presented.has_cookie) => {
                record.outcome = Outcome::Stripped;
                record.reason = Some(deny.reason);
                Ok(Treatment::WithoutAuthorization)
            }
            outcome => outcome,
        },
    }
}

/// Without a session behind it, an honest "not now" beats content as anonymous.
fn may_go_on_without(deny: &Deny, has_cookie: bool) -> bool {
    has_cookie || (deny.reason.status() < 500 && deny.reason != Reason::RateLimited)
}

impl Case<'_> {
    /// Whether it is a call of the API with a credential of its own. Pages call the API with sessions, and before
    /// anybody has logged in.
    fn is_call(&self) -> bool {
        let has_credential = !matches!(self.presented.kind, Kind::None | Kind::Session);
        self.route.class == PathClass::Protected
            && (has_credential || self.route.is_rpc)
            && !self.route.is_anonymous
            && !self.route.takes_jwt
    }

    async fn as_user(&self, record: &mut Record) -> Result<Treatment, Deny> {
        let permit = self.authenticate().await?;
        record.token = Some(permit.as_ref().into());
        let user = user::resolve(&self.active.settings, &permit).inspect_err(|deny| {
            if deny.reason == Reason::UsernameUnusable {
                self.active.authenticator.note_nameless(&permit);
            }
        })?;
        record.user = Some(user.as_str().to_owned());
        self.authorize(Some(Subject { user: &user, permit: &permit }))?;
        self.count(&user, &permit)?;
        self.verifier.admits(&self.active.settings.upstream.identity)?;
        let origin = self.active.calibration().origin_awaited().await?;
        self.active.user_check().confirm_user(&user).await?;
        record.outcome = Outcome::AsUser;
        Ok(Treatment::AsUser { origin, user })
    }

    async fn authenticate(&self) -> Result<Arc<Permit>, Deny> {
        let token = self.presented.token.as_ref().ok_or(Reason::TokenMalformed)?;
        let (authenticator, now) = (&self.active.authenticator, UnixTime::now());
        let certificate =
            certificate::of_client(self.peer, &self.head.headers, &self.active.settings.trusted_proxies);
        match &self.presented.scheme {
            TokenScheme::Bearer => authenticator.authenticate(token, certificate, now).await,
            TokenScheme::Dpop(proof) => {
                let proof = proof.as_ref().ok_or(Reason::ProofInvalid)?;
                let path = self.head.target.as_ref().map_err(|reason| *reason)?.raw_path();
                let shown = Shown { proof, method: self.head.method.as_str(), path };
                authenticator.authenticate_proven(token, shown, certificate, now).await
            }
        }
    }

    fn authorize(&self, subject: Option<Subject<'_>>) -> Result<(), Reason> {
        let rules = &self.active.settings.rules;
        let target = self.head.target.as_ref().map_err(|reason| *reason)?;
        if rules.is_empty() {
            return Ok(());
        }
        let call = Call {
            paths: route::readings_below(target, &self.active.context_path),
            methods: authorize::methods(&self.head.method, &self.head.headers),
            client: self.client,
        };
        authorize::authorize(rules, &call, subject)
    }

    fn count(&self, user: &Username, permit: &Permit) -> Result<(), Deny> {
        let (limiter, now) = (&self.active.limiter, Instant::now());
        limiter.count(RateKey::User, || user.as_str().to_lowercase(), now)?;
        // Clients of one issuer are not those of another.
        let client = || format!("{} {}", permit.issuer_index(), permit.client().unwrap_or_default());
        limiter.count(RateKey::Client, client, now)
    }
}
