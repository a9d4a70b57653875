//! What the administrator should know about the identity provider, from what tokens are refused for and from what it answers
//! about them. Only what kind of thing it was, never whose token. Remembered for a while, as the next good token does not mean
//! that it is over.

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use restward_crds::advisory::Advisory;
use tokio::time::Instant;

/// How long something is told after it was last seen.
const TOLD_FOR: Duration = Duration::from_mins(10);

/// One thing to know.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Advice {
    /// The files of the client's credentials are not there.
    ClientSecretMissing,
    /// The token that stands for them is not there.
    ClientAssertionMissing,
    /// The provider does not accept them.
    ClientRejected,
    /// It accepts the client's secret from before, and not the one that is mounted now.
    ClientSecretNotTaken,
    /// It calls tokens inactive that are not meant for the client which asks.
    ClientNotInAudience,
    /// It does not answer userinfo for tokens without `openid`.
    OpenidMissing,
    /// Tokens with a proof cannot be shown to userinfo.
    UserInfoWithDpop,
    /// Its discovery document names no such endpoint.
    NoEndpoint,
    /// It does not answer questions about tokens.
    NotAnswering,
    /// It answers something else than the protocol says.
    UnexpectedAnswer,
    /// Good tokens are not meant for Confluence.
    AudienceMissing,
    /// Tokens tell neither for whom nor for what they are.
    LightweightTokens,
    /// Good tokens are from the future.
    ClocksDiffer,
}

impl Advice {
    /// For people: what it is and what to do.
    pub fn sentence(self) -> String {
        let (advisory, sentence) = self.told();
        advisory.says(sentence)
    }

    const fn told(self) -> (Advisory, &'static str) {
        match self {
            Self::ClientSecretMissing => (
                Advisory::ClientSecretMissing,
                "the Secret of spec.keycloak.clientSecretRef is not mounted with its keys client-id and \
                 client-secret. Create it; a pod that was made before the field was set needs a restart",
            ),
            Self::ClientAssertionMissing => (
                Advisory::ClientAssertionMissing,
                "the pod has no ServiceAccount token for spec.keycloak.clientAssertion, as it was made before \
                 the field was set: restart it",
            ),
            Self::ClientRejected => (
                Advisory::ClientRejected,
                "the identity provider does not accept the client of spec.keycloak.clientSecretRef or \
                 clientAssertion. For a Secret, compare client-id and client-secret; for an assertion, the realm's identity provider \
                 of type Kubernetes, the client's subject and the audience",
            ),
            Self::ClientSecretNotTaken => (
                Advisory::ClientSecretNotTaken,
                "the identity provider does not accept the client-secret of spec.keycloak.clientSecretRef yet, \
                 but the one from before, with which running sidecars go on asking. Set the new one at the client in the identity \
                 provider; a pod that starts anew knows no other",
            ),
            Self::ClientNotInAudience => (
                Advisory::ClientNotInAudience,
                "the identity provider calls tokens inactive in whose audience the client of \
                 spec.keycloak is not. Keycloak does so since 26.6.2: add an Audience mapper for that client to \
                 the clients whose tokens are refused",
            ),
            Self::OpenidMissing => (
                Advisory::OpenidMissing,
                "the identity provider answers 403 at userinfo for tokens without the scope openid. Have clients \
                 ask for scope=openid, or set spec.tokens.validation to Local or Introspection",
            ),
            Self::UserInfoWithDpop => (
                Advisory::UserInfoWithDpop,
                "tokens that are bound to a key (DPoP) cannot be shown to userinfo, as their proof is for this API. \
                 Set spec.tokens.validation to Local or Introspection",
            ),
            Self::NoEndpoint => (
                Advisory::NoEndpoint,
                "the discovery document names no usable endpoint for spec.tokens.validation. Set it to \
                 Local, or to one whose endpoint is named",
            ),
            Self::NotAnswering => (
                Advisory::NotAnswering,
                "the identity provider did not answer a question about a token; such calls get 503. See that \
                 Confluence's pods reach it, and its load",
            ),
            Self::UnexpectedAnswer => (
                Advisory::UnexpectedAnswer,
                "the identity provider answered a question about a token in a way that cannot be understood. See \
                 what stands in between: a proxy's page is no answer",
            ),
            Self::AudienceMissing => (
                Advisory::AudienceMissing,
                "good tokens were refused as none of spec.tokens.audiences is in their audience. If their clients \
                 are to call, give them a client scope with an Audience mapper in Keycloak, as Default",
            ),
            Self::LightweightTokens => (
                Advisory::LightweightTokens,
                "good tokens were refused as they are lightweight, which leaves user and audience out. Switch \
                 'Always use lightweight access token' off at their clients, or set spec.keycloak.clientSecretRef, so that the \
                 realm is asked about such tokens",
            ),
            Self::ClocksDiffer => (
                Advisory::ClocksDiffer,
                "good tokens were refused as not valid yet: the clock of the identity provider is ahead of that of the \
                 pod's node by more than spec.tokens.clockSkew. Set both clocks by NTP",
            ),
        }
    }
}

/// What was noted, and when last.
#[derive(Default)]
pub struct Advices(Mutex<BTreeMap<Advice, Instant>>);

impl Advices {
    /// Notes it.
    pub fn note(&self, advice: Advice) {
        let before = self.lock().insert(advice, Instant::now());
        if before.is_none() {
            tracing::warn!(advice = advice.sentence(), "identity provider");
        }
    }

    /// It is over.
    pub fn clear(&self, advice: Advice) {
        self.lock().remove(&advice);
    }

    /// Whether it was noted lately.
    pub fn is_noted(&self, advice: Advice) -> bool {
        self.lock().get(&advice).is_some_and(|when| when.elapsed() < TOLD_FOR)
    }

    /// What was noted lately, one sentence each.
    pub fn sentences(&self) -> Vec<String> {
        let mut noted = self.lock();
        noted.retain(|_, when| when.elapsed() < TOLD_FOR);
        noted.keys().map(|advice| advice.sentence()).collect()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<Advice, Instant>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn told_for_a_while_after_it_was_last_seen() {
        let advices = Advices::default();
        advices.note(Advice::OpenidMissing);
        tokio::time::advance(TOLD_FOR / 2).await;
        advices.note(Advice::OpenidMissing);
        advices.note(Advice::ClientRejected);
        tokio::time::advance(TOLD_FOR / 2).await;
        assert_eq!(advices.sentences().len(), 2);
        tokio::time::advance(TOLD_FOR / 2).await;
        assert!(advices.sentences().is_empty() && !advices.is_noted(Advice::ClientRejected));
        advices.note(Advice::ClientRejected);
        assert!(advices.is_noted(Advice::ClientRejected) && !advices.is_noted(Advice::OpenidMissing));
        advices.clear(Advice::ClientRejected);
        assert!(!advices.is_noted(Advice::ClientRejected));
    }
}
