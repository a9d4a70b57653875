//! A policy's keys are replaced when somebody asks for it, and only then. A new key of the consumer comes beside the one in use,
//! where all sidecars take it up; somebody puts it into the application link; when every sidecar has seen that Confluence takes
//! it, it is the key, and the one from before goes.
//!
//! The status key is another one at once. Sidecars prove themselves by the one from before until the kubelet has brought them the
//! new one, and the operator takes either until every sidecar has proved itself by the new one. Where a header names users there
//! is no more to it.
//!
//! What is known of it stands in the Secret with the keys, so that it goes on wherever an operator ended.

use kube::{ResourceExt, runtime::events::EventType};
use restward_crds::{
    api::v1alpha1::RestApiAuthPolicy,
    names,
    sidecar::config::{Config, ManagedLink},
};

use super::{Context, Error, apply, assess, build::KeyPlan, dereference::Observed};
use crate::{
    acks::Ack,
    keys::{KeyError, PolicyKeys, PublicKey},
    policy_source::Candidate,
};

/// Reason of the Event that tells of a next key.
const BEGUN: &str = "ConsumerKeyRotationBegun";
/// Reason of the Event that tells that it is the key now.
const ROTATED: &str = "ConsumerKeyRotated";
/// Reason of the Event that tells that the status key from before counts no more.
const STATUS_KEY_ROTATED: &str = "StatusKeyRotated";
/// As much of a fingerprint as tells keys apart.
const SHORT: usize = 16;

/// The request for new keys: any value that was not there before.
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

/// The key that the link is to have, where the sidecars keep it: the next one as soon as every sidecar was seen to have it, and
/// from then on, whoever comes or falls silent.
pub fn managed_link(
    policy: &RestApiAuthPolicy,
    candidate: &Candidate,
    observed: &Observed,
    keys: &PolicyKeys,
) -> Option<ManagedLink> {
    candidate.admin_token.as_ref()?;
    let is_put = |next: &PublicKey| {
        let before = observed.programmed.as_ref();
        let before = before.and_then(|it| serde_json::from_str::<Config>(&it.config_json).ok());
        before.and_then(|config| config.managed_link).is_some_and(|link| link.key == next.fingerprint)
    };
    let may_be_put = |next: &PublicKey| {
        let link = policy.status.as_ref().and_then(|status| status.application_link.as_ref());
        let shown = link.and_then(|link| link.next.as_ref());
        shown.is_some_and(|shown| shown.fingerprint == next.fingerprint && shown.all_have_it)
    };
    let next = keys.next_public_key().filter(|next| is_put(next) || may_be_put(next));
    Some(ManagedLink { key: next.unwrap_or_else(|| keys.public_key()).fingerprint.clone() })
}

/// Whether every sidecar has the status key, by its own word.
pub fn all_have_status_key(acks: &[Ack]) -> bool {
    !acks.is_empty() && acks.iter().all(|ack| ack.status.is_some() && !ack.has_previous_key)
}

/// What the pods are touched with, so that they take up new keys at once.
pub fn mark(config_hash: &str, keys: &PolicyKeys) -> String {
    let next = keys.next_public_key().and_then(|next| next.fingerprint.get(..SHORT));
    let status_key = keys.previous_status_key_hex().map(|_| "status-key");
    let parts = [Some(config_hash), next, status_key];
    parts.into_iter().flatten().collect::<Vec<_>>().join(".")
}

/// Makes the keys that the plan wants; of a consumer only where there is a link. `Err`: they are missing, and it is for people
/// to decide; says what.
///
/// # Errors
/// They could not be made or stored.
pub(super) async fn provide(
    context: &Context,
    policy: &RestApiAuthPolicy,
    candidate: &Candidate,
    plan: KeyPlan,
    has_link: bool,
) -> Result<Result<PolicyKeys, String>, Error> {
    let request = request(policy).map(str::to_owned);
    let had_next = matches!(&plan, KeyPlan::Rotate(keys, _) if keys.next_public_key().is_some());
    // Hundreds of milliseconds of arithmetic: not on a thread that serves others.
    let make = match plan {
        KeyPlan::Keep(keys) => return Ok(Ok(keys)),
        KeyPlan::Missing(message) => return Ok(Err(message)),
        KeyPlan::Generate => tokio::task::spawn_blocking(move || PolicyKeys::generate(request)),
        KeyPlan::Rotate(keys, request) => {
            tokio::task::spawn_blocking(move || keys.rotating(request, has_link))
        }
    };
    let keys = make.await.map_err(|_| KeyError::Generate)??;
    apply::store_keys(&context.client, candidate, &keys).await?;
    if let Some(next) = keys.next_public_key().filter(|_| !had_next) {
        let note = format!(
            "A new key of the application link's consumer was made, with the fingerprint {}. The one in use stays until every \
             sidecar has seen that Confluence takes the new one. The key by which sidecars prove their status is another one, too",
            next.fingerprint
        );
        context.events.about_policy(policy, EventType::Normal, BEGUN, &note).await;
    }
    Ok(Ok(keys))
}

/// Promotes the next key when all sidecars say that Confluence takes it, and lets the status key from before go when none has it
/// any more. Gives the keys then.
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
    let taken = keys.next_public_key().filter(|next| progress(next, acks) == Progress::Over);
    let is_proven = keys.previous_status_key_hex().is_some() && all_have_status_key(acks);
    if taken.is_none() && !is_proven {
        return Ok(None);
    }
    let mut left = keys.clone();
    if taken.is_some() {
        left = left.promoted();
    }
    if is_proven {
        left = left.without_previous_status_key();
    }
    apply::store_keys(&context.client, candidate, &left).await?;
    let all = acks.len();
    if let Some(next) = taken {
        let note = format!(
            "All {all} sidecars have seen that Confluence takes the key with the fingerprint {}; the one from before is deleted",
            next.fingerprint
        );
        context.events.about_policy(policy, EventType::Normal, ROTATED, &note).await;
    }
    if is_proven {
        let note =
            format!("All {all} sidecars prove their status by the new key; the one from before is deleted");
        context.events.about_policy(policy, EventType::Normal, STATUS_KEY_ROTATED, &note).await;
    }
    Ok(Some(left))
}

#[cfg(test)]
mod tests;
