//! Whether Confluence accepts the users that the sidecars name, by their own word, and what it takes. Pure.

use std::fmt::Write as _;

use k8s_openapi::jiff::Timestamp;
use kube::ResourceExt;
use restward_crds::{
    advisory::Advisory,
    api::v1alpha1::{ApplicationLinkStatus, NextKeyStatus},
    condition::{ConditionType, UpstreamReason},
    sidecar::status::Report,
};

use super::{
    super::{
        link,
        rotation::{self, Progress},
    },
    Outcome, found, reports,
};
use crate::{
    acks::Ack,
    conditions::{Finding, Truth},
    keys::PublicKey,
};

pub(super) fn trusted(outcome: &Outcome<'_>) -> Finding {
    // A header that one sidecar has seen believed is believed of the others, whose callers have not come yet: it is one
    // Confluence with one authenticator.
    let severity = |report: &Report<UpstreamReason>| match report.reason {
        UpstreamReason::Unproven => 0,
        UpstreamReason::Trusted => 1,
        UpstreamReason::Pending => 2,
        _ => 3,
    };
    let worst = reports(outcome.acks.iter(), |status| &status.upstream).into_iter().max_by_key(severity);
    let report = worst.unwrap_or_else(|| Report {
        reason: UpstreamReason::Pending,
        message: "no sidecar says whether Confluence accepts it".into(),
    });
    let truth = match report.reason {
        UpstreamReason::Trusted => Truth::True,
        UpstreamReason::Pending | UpstreamReason::Unproven => Truth::Unknown,
        _ => Truth::False,
    };
    let silent = outcome.acks.iter().filter(|ack| ack.last.is_none()).count();
    let mut message = report.message;
    if silent > 0 {
        let _ = write!(message, " ({silent} of {} sidecars did not answer)", outcome.acks.len());
    }
    if truth == Truth::False && outcome.consumer_key.is_some() {
        message.truncate(message.trim_end_matches('.').len());
        message.push_str("; status.applicationLink.instructions has the calls and clicks");
    }
    found(ConditionType::UpstreamTrusted, truth, report.reason.as_str(), message)
}

/// What the administrator has to enter, where users are named by an application link.
pub(super) fn application_link(outcome: &Outcome<'_>) -> Option<ApplicationLinkStatus> {
    let (keys, consumer_key) = (outcome.keys?, outcome.consumer_key.as_ref()?);
    let key = keys.public_key();
    let trusted = trusted(outcome).truth == Truth::True;
    let uid = outcome.policy.uid().unwrap_or_default();
    Some(ApplicationLinkStatus {
        consumer_key: consumer_key.clone(),
        public_key: key.pem.clone(),
        fingerprint: key.fingerprint.clone(),
        instructions: if trusted { Vec::new() } else { link::instructions(consumer_key, &key.pem, &uid) },
        repaired: repaired(outcome),
        next: keys.next_public_key().map(|next| next_key(outcome, next, consumer_key)),
    })
}

/// The key that is to follow. How it gets into the application link is shown once nobody loses anything by it.
fn next_key(outcome: &Outcome<'_>, next: &PublicKey, consumer_key: &str) -> NextKeyStatus {
    let progress = rotation::progress(next, outcome.acks);
    let (message, is_asked_for) = match &progress {
        Progress::NotReady(why) => {
            (format!("Do not put this key into the application link yet: {why}"), false)
        }
        Progress::Ready(seen) if outcome.link_is_managed() => {
            (format!("The sidecars put this key into the application link: {seen}"), false)
        }
        Progress::Ready(seen) => (format!("Put this key into the application link: {seen}"), true),
        Progress::Over => ("Confluence takes this key".to_owned(), false),
    };
    NextKeyStatus {
        public_key: next.pem.clone(),
        fingerprint: next.fingerprint.clone(),
        all_have_it: !matches!(progress, Progress::NotReady(_)),
        message,
        instructions: if is_asked_for { link::replacement(consumer_key, &next.pem) } else { Vec::new() },
    }
}

/// What was put right last: now by one of the sidecars, or before by one that has forgotten it.
fn repaired(outcome: &Outcome<'_>) -> Option<String> {
    let known = || outcome.policy.status.as_ref()?.application_link.as_ref()?.repaired.clone();
    let said = |ack: &Ack| {
        let repair = ack.status.as_ref()?.managed_link.as_ref()?.repair.clone()?;
        Some((repair, ack.pod.clone()))
    };
    let last = outcome.acks.iter().filter_map(said).max().and_then(|(repair, pod)| {
        let at = Timestamp::from_second(repair.at).ok()?;
        Some(format!("{at}: {} ({pod})", repair.what))
    });
    // Times of this form sort as they follow each other.
    last.max(known().filter(|_| outcome.link_is_managed()))
}

/// What keeps sidecars from putting the link right, for `status.advisories`.
pub(super) fn not_kept(outcome: &Outcome<'_>) -> Option<String> {
    let said =
        |ack: &Ack| Some((ack.last.as_ref()?.managed_link.as_ref()?.trouble.clone()?, ack.pod.clone()));
    let (trouble, pod) = outcome.acks.iter().find_map(said)?;
    Some(
        Advisory::ApplicationLinkNotKept
            .says(format_args!("the sidecar of {pod} cannot put the application link right: {trouble}")),
    )
}
