//! `applink rotate`: asks for the next key, puts it into the link once every sidecar has it, and waits until it is the key. It can
//! be broken off and begun again at any time: what it does follows from status alone.

use std::time::{Duration, Instant};

use k8s_openapi::jiff::Timestamp;
use kube::{
    ResourceExt as _,
    api::{Patch, PatchParams},
};
use restward_crds::{
    api::v1alpha1::{ApplicationLinkStatus, IdentitySpec, LinkMode, RestApiAuthPolicy},
    names,
};
use serde_json::json;

use super::{
    apply,
    confluence::{Confluence, Place},
    consumer, link_of,
};
use crate::{
    args::PolicyName,
    cluster::Session,
    failure::{Failure, Verdict},
    output::{self, Format, progress},
};

const PATIENCE: Duration = Duration::from_mins(5);
const PAUSE: Duration = Duration::from_secs(2);

pub(super) async fn run(
    session: &Session,
    policy: &RestApiAuthPolicy,
    place: &Place,
    format: Format,
) -> Result<Verdict, Failure> {
    let name = PolicyName { policy: Some(policy.name_any()) };
    let consumer = consumer(policy)?;
    let before = link_of(policy)?.clone();
    // Where the sidecars keep the link they do it themselves.
    let confluence =
        if is_managed(policy) { None } else { Some(Confluence::reach(session, policy, place).await?) };
    if before.next.is_none() {
        ask(session, &policy.name_any()).await?;
        progress("1/3 the next key was asked for");
    }
    let (begun, mut said, mut is_put) = (Instant::now(), String::new(), false);
    while begun.elapsed() < PATIENCE {
        let now = session.policy(&name).await?;
        match stage(&before.fingerprint, link_of(&now)?, is_put || confluence.is_none()) {
            Stage::Over(fingerprint) => {
                progress(&format!(
                    "3/3 Confluence takes the key {fingerprint}, and the one from before is gone"
                ));
                output::show(format, link_of(&now)?)?;
                return Ok(Verdict::Right);
            }
            Stage::Put(public_key) => {
                // Without Managed there is a way to Confluence.
                let Some(confluence) = &confluence else { continue };
                let link = confluence.find(&consumer).await?.ok_or_else(|| {
                    Failure::new(
                        "put the next key into the link",
                        "there is no link",
                        "kubectl restward applink apply",
                    )
                })?;
                apply::put_key(confluence, &link.id, &consumer, &public_key).await?;
                is_put = true;
            }
            Stage::Wait(message) if message != said => {
                progress(&message);
                said = message;
            }
            Stage::Wait(_) => {}
        }
        tokio::time::sleep(PAUSE).await;
    }
    Err(Failure::new(
        "replace the key",
        format!("it takes longer than {} min: {said}", PATIENCE.as_secs() / 60),
        "no call fails meanwhile; put right what is named, and run the command again: it goes on where it is",
    ))
}

fn is_managed(policy: &RestApiAuthPolicy) -> bool {
    let identity = &policy.spec.upstream.identity;
    matches!(identity, IdentitySpec::Oauth1(oauth1) if oauth1.application_link.mode == LinkMode::Managed)
}

async fn ask(session: &Session, policy: &str) -> Result<(), Failure> {
    let wanted =
        json!({"metadata": {"annotations": {names::ANNOTATION_ROTATE: Timestamp::now().to_string()}}});
    let patched = session
        .api::<RestApiAuthPolicy>()
        .patch(policy, &PatchParams::default(), &Patch::Merge(wanted))
        .await;
    patched
        .map(drop)
        .map_err(|error| Failure::of_api(format!("ask for the next key of policy {policy}"), &error))
}

/// How far a replacement is.
#[derive(Debug, PartialEq, Eq)]
enum Stage {
    Wait(String),
    /// This public key is to be put into the link.
    Put(String),
    /// This is the key now.
    Over(String),
}

/// From the fingerprint at the beginning, and what status says now. `is_put`: nothing is left to do but to wait.
fn stage(before: &str, link: &ApplicationLinkStatus, is_put: bool) -> Stage {
    match &link.next {
        None if link.fingerprint == before => Stage::Wait("the operator makes the next key".into()),
        None => Stage::Over(link.fingerprint.clone()),
        Some(next) if next.all_have_it && !is_put => Stage::Put(next.public_key.clone()),
        Some(next) => Stage::Wait(next.message.clone()),
    }
}

#[cfg(test)]
mod tests {
    use restward_crds::api::v1alpha1::NextKeyStatus;

    use super::*;

    #[test]
    fn the_key_is_put_once_everybody_has_it_and_never_before() {
        let link = |fingerprint: &str, next: Option<bool>| ApplicationLinkStatus {
            fingerprint: fingerprint.into(),
            next: next.map(|all_have_it| NextKeyStatus {
                public_key: "pem".into(),
                all_have_it,
                message: "wait for wiki-0".into(),
                ..NextKeyStatus::default()
            }),
            ..ApplicationLinkStatus::default()
        };
        assert!(matches!(stage("a", &link("a", None), false), Stage::Wait(_)));
        assert_eq!(stage("a", &link("a", Some(false)), false), Stage::Wait("wait for wiki-0".into()));
        assert_eq!(stage("a", &link("a", Some(true)), false), Stage::Put("pem".into()));
        assert_eq!(stage("a", &link("a", Some(true)), true), Stage::Wait("wait for wiki-0".into()));
        assert_eq!(stage("a", &link("b", None), true), Stage::Over("b".into()));
    }
}
