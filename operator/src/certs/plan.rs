//! What to do about the Secret with the certificate authorities, as it stands now.
//!
//! An authority is replaced in two phases. First the next one is announced: it is in the bundle that the API server trusts,
//! and signs nothing. When every webhook carries that bundle the next one signs, and the one before stays trusted until no
//! replica shows a leaf of it.

use std::{
    fmt,
    time::{Duration, SystemTime},
};

use k8s_openapi::api::core::v1::Secret;

/// How long an authority is valid.
pub(super) const CA_LIFETIME: Duration = Duration::from_hours(3 * 365 * 24);
/// What is left of it when another follows: longer than any clock is wrong.
const CA_LEFT: Duration = Duration::from_hours(2 * 365 * 24);
/// How long an authority is trusted after another signs. Replicas change their leaf within seconds, by their watch of the
/// Secret.
const RETIRED: Duration = Duration::from_hours(1);

/// A certificate authority as it stands in the Secret.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Authority {
    /// Certificate, PEM.
    pub certificate: String,
    /// Private key, PEM.
    pub key: String,
    /// When the certificate ends.
    pub not_after: SystemTime,
}

impl fmt::Debug for Authority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Authority").field("not_after", &self.not_after).finish_non_exhaustive()
    }
}

/// One that signs no more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Retired {
    /// Its certificate, PEM.
    pub certificate: String,
    /// Until when it is trusted.
    pub until: SystemTime,
}

/// All that the Secret holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Authorities {
    /// Signs the leaves.
    pub signing: Authority,
    /// Signs when everybody trusts it.
    pub next: Option<Authority>,
    /// Signed until a moment ago.
    pub retired: Option<Retired>,
    /// The last request for a new authority that was answered.
    pub answered: Option<String>,
}

impl Authorities {
    /// The first one. Whoever asked for a new one has it.
    pub(super) fn first(signing: Authority, request: Option<&str>) -> Self {
        Self { signing, next: None, retired: None, answered: request.map(str::to_owned) }
    }

    /// What clients must trust, PEM.
    pub(super) fn bundle(&self) -> String {
        let next = self.next.as_ref().map(|next| &next.certificate);
        let retired = self.retired.as_ref().map(|retired| &retired.certificate);
        [Some(&self.signing.certificate), next, retired].into_iter().flatten().map(String::as_str).collect()
    }

    fn announced(self, next: Authority, request: Option<&str>) -> Self {
        Self { next: Some(next), answered: request.map(str::to_owned), ..self }
    }

    fn promoted(self, now: SystemTime) -> Self {
        let Some(next) = self.next else { return self };
        let retired = Retired { certificate: self.signing.certificate, until: now + RETIRED };
        Self { signing: next, next: None, retired: Some(retired), ..self }
    }
}

/// What to do first of all.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Plan {
    /// There is none: make the first. Of several replicas one wins; the others use the winner's.
    Create,
    /// Sign with it.
    Use(Box<Authorities>),
    /// Nobody can trust what stands there; why. Another is made at once.
    Replace(&'static str),
}

/// What to do next about authorities that can be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// Make the next one known; why.
    Announce(&'static str),
    /// Have the next one sign.
    Promote,
    /// Trust the one before no longer.
    Forget,
}

impl Step {
    /// The authorities after this step. `make` makes an authority, and is called only to announce one.
    pub(super) fn take<E>(
        self,
        stood: Authorities,
        request: Option<&str>,
        now: SystemTime,
        make: impl FnOnce() -> Result<Authority, E>,
    ) -> Result<Authorities, E> {
        Ok(match self {
            Self::Announce(_) => stood.announced(make()?, request),
            Self::Promote => stood.promoted(now),
            Self::Forget => Authorities { retired: None, ..stood },
        })
    }
}

/// Decides what the Secret is good for.
pub(super) fn plan(now: SystemTime, secret: Option<&Secret>) -> Plan {
    // The chart makes it empty, so that uninstalling takes it away.
    let Some(secret) = secret.filter(|secret| secret.data.as_ref().is_some_and(|data| !data.is_empty()))
    else {
        return Plan::Create;
    };
    let Some(authorities) = super::stored::read(secret) else {
        return Plan::Replace("the Secret is damaged");
    };
    if now >= authorities.signing.not_after {
        return Plan::Replace("the authority has ended");
    }
    Plan::Use(Box::new(authorities))
}

/// Decides how the rotation goes on. `is_trusted`: every webhook has carried the next authority for a while.
pub(super) fn step(
    now: SystemTime,
    stood: &Authorities,
    request: Option<&str>,
    is_trusted: bool,
) -> Option<Step> {
    if stood.next.is_some() {
        return is_trusted.then_some(Step::Promote);
    }
    if let Some(retired) = &stood.retired {
        // One at a time: a third authority would push this one out of the bundle.
        return (now >= retired.until).then_some(Step::Forget);
    }
    if now + CA_LEFT >= stood.signing.not_after {
        return Some(Step::Announce("the authority is old"));
    }
    (request.is_some() && request != stood.answered.as_deref())
        .then_some(Step::Announce("an annotation of the Secret asks for it"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: Duration = Duration::from_hours(24);

    fn now() -> SystemTime {
        SystemTime::UNIX_EPOCH + 20_000 * DAY
    }

    fn authority(name: &str) -> Authority {
        Authority { certificate: format!("{name}\n"), key: "hidden".into(), not_after: now() + CA_LIFETIME }
    }

    fn make(name: &str) -> impl FnOnce() -> Result<Authority, ()> {
        let made = authority(name);
        move || Ok(made)
    }

    #[test]
    fn a_rotation_goes_on_only_when_everybody_trusts_the_next_authority_and_ends() {
        let asks = Some("2026-11");
        let first = Authorities::first(authority("one"), None);
        assert_eq!(step(now(), &first, None, false), None);
        let begin = step(now(), &first, asks, false).unwrap();
        assert!(matches!(begin, Step::Announce(_)));
        let announced = begin.take(first, asks, now(), make("two")).unwrap();
        assert_eq!(
            (announced.signing.certificate.as_str(), announced.bundle().as_str()),
            ("one\n", "one\ntwo\n")
        );
        assert_eq!(step(now(), &announced, asks, false), None);
        assert_eq!(step(now(), &announced, Some("another"), false), None);
        assert_eq!(step(now(), &announced, asks, true), Some(Step::Promote));
        let promoted = Step::Promote.take(announced, asks, now(), make("never")).unwrap();
        assert_eq!(
            (promoted.signing.certificate.as_str(), promoted.bundle().as_str()),
            ("two\n", "two\none\n")
        );
        assert_eq!(step(now() + RETIRED / 2, &promoted, Some("another"), true), None, "one at a time");
        assert_eq!(step(now() + RETIRED, &promoted, asks, true), Some(Step::Forget));
        let done = Step::Forget.take(promoted, asks, now(), make("never")).unwrap();
        assert_eq!(done.bundle(), "two\n");
        assert_eq!(step(now() + RETIRED, &done, asks, true), None, "the same request is answered once");
        assert!(matches!(step(now(), &done, Some("another"), false), Some(Step::Announce(_))));
    }

    #[test]
    fn an_authority_is_replaced_by_age_long_before_it_ends_and_whatever_the_clock_does() {
        let stood = Authorities::first(authority("one"), None);
        let old = Some(Step::Announce("the authority is old"));
        for (days, expected) in [(0, None), (364, None), (365, old), (2 * 365, old)] {
            assert_eq!(step(now() + days * DAY, &stood, None, false), expected, "{days} days on");
        }
        assert_eq!(step(now() - 2 * 365 * DAY, &stood, None, false), None, "a clock that goes back");
    }

    #[test]
    fn what_asked_before_there_was_one_is_answered() {
        let first = Authorities::first(authority("one"), Some("1"));
        assert_eq!(step(now(), &first, Some("1"), false), None);
        assert_eq!(step(now(), &first, None, false), None, "the annotation is taken away");
    }

    #[test]
    fn the_key_is_not_shown() {
        let plan = Plan::Use(Box::new(Authorities::first(authority("one"), None)));
        assert!(!format!("{plan:?}").contains("hidden"));
    }
}
