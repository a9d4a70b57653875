//! The consumer's key is replaced when somebody asks for it, and only then. A new key comes beside the one in use, where all
//! sidecars take it up; somebody puts it into the application link; when every sidecar has seen that Confluence takes it, it
//! is the key, and the one from before goes. What is known of it stands in the Secret with the keys, so that it goes on
//! wherever an operator ended.

use kube::{ResourceExt, runtime::events::EventType};
use restward_crds::{api::v1alpha1::RestApiAuthPolicy, names};

use super::{Context, Error, apply, assess, build::KeyPlan};
use crate::{
    acks::Ack,
    keys::{KeyError, PolicyKeys, PublicKey},
    policy_source::Candidate,
};

/// Reason of the Event that tells of a next key.
const BEGUN: &str = "ConsumerKeyRotationBegun";
/// Reason of the Event that tells that it is the key now.
const ROTATED: &str = "ConsumerKeyRotated";
/// As much of a fingerprint as tells keys apart.
const SHORT: usize = 16;

/// The request for a new key: any value that was not there before.
pub fn request(policy: &RestApiAuthPolicy) -> Option<&str> {
    policy.annotations().get(names::ANNOTATION_ROTATE).map(String::as_str).filter(|value| !value.is_empty())
}

/// How far it is, by what the sidecars say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Progress {
    /// Somebody would get errors if the application link got the next key now; says who.
    NotReady(String),
    /// The application link may get the next key; says who has seen that it has.
    Ready(String),
    /// Confluence takes the next key, by the word of all sidecars.
    Over,
}

/// Judges it.
pub fn progress(next: &PublicKey, acks: &[Ack]) -> Progress {
    let keys = |ack: &Ack| ack.status.as_ref().and_then(|status| status.consumer_keys.clone());
    let those = |is_so: &dyn Fn(&Ack) -> bool| acks.iter().filter(|ack| is_so(ack)).collect::<Vec<_>>();
    let silent = those(&|ack| ack.status.is_none());
    let without = those(&|ack| {
        ack.status.is_some() && !keys(ack).is_some_and(|keys| keys.held.contains(&next.fingerprint))
    });
    let taken =
        those(&|ack| keys(ack).is_some_and(|keys| keys.taken.as_deref() == Some(&next.fingerprint))).len();
    if acks.is_empty() {
        return Progress::NotReady("no sidecar runs that could take it up".into());
    }
    if !without.is_empty() {
        return Progress::NotReady(format!(
            "{} do not have it yet, which takes a minute at most; pods that an older Restward injected need a restart",
            assess::names(&without)
        ));
    }
    if !silent.is_empty() {
        return Progress::NotReady(format!("{} do not answer", assess::names(&silent)));
    }
    if taken == acks.len() {
        return Progress::Over;
    }
    let seen = format!("{taken} of {} sidecars have seen that Confluence takes it", acks.len());
    Progress::Ready(seen)
}

/// What the pods are touched with, so that they take up new keys at once.
pub fn mark(config_hash: &str, keys: &PolicyKeys) -> String {
    match keys.next_public_key().and_then(|next| next.fingerprint.get(..SHORT)) {
        Some(next) => format!("{config_hash}.{next}"),
        None => config_hash.to_owned(),
    }
}

/// Makes the keys that the plan wants. `Err`: they are missing, and it is for people to decide; says what.
///
/// # Errors
/// They could not be made or stored.
pub(super) async fn provide(
    context: &Context,
    policy: &RestApiAuthPolicy,
    candidate: &Candidate,
    plan: KeyPlan,
) -> Result<Result<PolicyKeys, String>, Error> {
    let request = request(policy).map(str::to_owned);
    // Hundreds of milliseconds of arithmetic: not on a thread that serves others.
    let make = match plan {
        KeyPlan::Keep(keys) => return Ok(Ok(keys)),
        KeyPlan::Missing(message) => return Ok(Err(message)),
        KeyPlan::Generate => tokio::task::spawn_blocking(move || PolicyKeys::generate(request)),
        KeyPlan::Rotate(keys, request) => tokio::task::spawn_blocking(move || keys.rotating(request)),
    };
    let keys = make.await.map_err(|_| KeyError::Generate)??;
    apply::store_keys(&context.client, candidate, &keys).await?;
    if let Some(next) = keys.next_public_key() {
        let note = format!(
            "A new key of the application link's consumer was made, with the fingerprint {}. The one in use stays until every \
             sidecar has seen that Confluence takes the new one",
            next.fingerprint
        );
        context.events.about_policy(policy, EventType::Normal, BEGUN, &note).await;
    }
    Ok(Ok(keys))
}

/// Promotes the next key when all sidecars say that Confluence takes it. Gives the keys then.
///
/// # Errors
/// They could not be stored.
pub(super) async fn finish(
    context: &Context,
    policy: &RestApiAuthPolicy,
    candidate: Option<&Candidate>,
    keys: Option<&PolicyKeys>,
    acks: &[Ack],
) -> Result<Option<PolicyKeys>, Error> {
    let (Some(candidate), Some(keys)) = (candidate, keys) else { return Ok(None) };
    let Some(next) = keys.next_public_key().filter(|next| progress(next, acks) == Progress::Over) else {
        return Ok(None);
    };
    let promoted = keys.clone().promoted();
    apply::store_keys(&context.client, candidate, &promoted).await?;
    let note = format!(
        "All {} sidecars have seen that Confluence takes the key with the fingerprint {}; the one from before is deleted",
        acks.len(),
        next.fingerprint
    );
    context.events.about_policy(policy, EventType::Normal, ROTATED, &note).await;
    Ok(Some(promoted))
}

#[cfg(test)]
mod tests {
    use restward_crds::sidecar::status::ConsumerKeys;
    use serde_json::json;

    use super::*;
    use crate::testing::policy;

    fn ack(pod: &str, keys: Option<(&[&str], Option<&str>)>) -> Ack {
        let mut ack = assess::ack_for_tests();
        ack.pod = pod.into();
        let status = ack.status.as_mut().unwrap();
        status.consumer_keys = keys.map(|(held, taken)| ConsumerKeys {
            held: held.iter().map(|key| (*key).to_owned()).collect(),
            taken: taken.map(str::to_owned),
        });
        ack
    }

    #[test]
    fn the_old_key_goes_only_by_the_word_of_every_sidecar() {
        let next = PublicKey { pem: String::new(), fingerprint: "new".into() };
        let both: &[&str] = &["new", "old"];
        let silent = || Ack { status: None, ..ack("silent", None) };
        let (a, b) = (|taken| ack("a", Some((both, taken))), |taken| ack("b", Some((both, taken))));
        let table = [
            (vec![], Err("no sidecar runs")),
            (vec![a(Some("new")), ack("b", Some((&["old"], Some("old"))))], Err("b do not have it")),
            (vec![a(Some("new")), ack("older", None)], Err("older do not have it")),
            (vec![a(Some("new")), silent()], Err("silent do not answer")),
            (vec![a(Some("old")), b(Some("old"))], Ok("0 of 2")),
            (vec![a(Some("new")), b(None)], Ok("1 of 2")),
            (vec![a(Some("old")), b(Some("new"))], Ok("1 of 2")),
            (vec![a(Some("new")), b(Some("new"))], Ok("")),
            (vec![a(Some("new"))], Ok("")),
        ];
        for (acks, want) in table {
            match (progress(&next, &acks), want) {
                (Progress::Over, Ok("")) => {}
                (Progress::Ready(said), Ok(want)) if !want.is_empty() && said.starts_with(want) => {}
                (Progress::NotReady(said), Err(want)) if said.starts_with(want) => {}
                (got, want) => panic!("{got:?} instead of {want:?}"),
            }
        }
    }

    #[test]
    fn a_request_has_a_value() {
        let asked = |annotations| {
            let mut policy = policy(json!({}));
            policy.metadata.annotations = serde_json::from_value(annotations).unwrap();
            request(&policy).map(str::to_owned)
        };
        assert_eq!(asked(json!(null)), None);
        assert_eq!(asked(json!({"restward.io/rotate-consumer-key": ""})), None);
        assert_eq!(asked(json!({"restward.io/rotate-consumer-key": "2026-11"})), Some("2026-11".into()));
    }

    #[test]
    fn pods_are_touched_when_a_key_comes_and_when_it_goes() {
        let keys = PolicyKeys::generate(None).unwrap();
        assert_eq!(mark("h", &keys), "h");
        let rotating = keys.rotating("1".into()).unwrap();
        let fingerprint = &rotating.next_public_key().unwrap().fingerprint;
        assert_eq!(mark("h", &rotating), format!("h.{}", &fingerprint[..16]));
        assert_eq!(mark("h", &rotating.promoted()), "h");
    }
}
