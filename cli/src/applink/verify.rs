//! `applink verify`: what each sidecar has seen. It signs a call for a user who cannot exist, and one with a flipped bit, and so
//! knows whether key, link, clock and base URL are right.

use kube::ResourceExt as _;
use restward_crds::{
    api::v1alpha1::RestApiAuthPolicy,
    condition::{ConditionType, UpstreamReason},
    fix,
    sidecar::status::SidecarStatus,
};

use super::link_of;
use crate::{
    cluster::Session,
    failure::Failure,
    report::{Finding, Report, Section},
    sidecar::Sidecar,
};

pub(super) async fn report(session: &Session, policy: &RestApiAuthPolicy) -> Result<Report, Failure> {
    let link = link_of(policy)?;
    let next = link.next.as_ref().map(|next| next.fingerprint.as_str());
    let mut findings = Vec::new();
    for pod in session.injected(policy).await? {
        let sidecar = Sidecar::of(session.api(), &pod);
        findings.push(match sidecar.status().await {
            Ok(status) => finding(sidecar.pod(), &status, &link.fingerprint, next),
            Err(failure) => Finding::unseen(&failure),
        });
    }
    if findings.is_empty() {
        findings.push(Finding::wrong(
            "a sidecar has tried it",
            "no pod has the sidecar",
            "kubectl restward check",
        ));
    }
    Ok(Report::of(vec![Section { title: format!("application link of {}", policy.name_any()), findings }]))
}

fn finding(pod: &str, status: &SidecarStatus, key: &str, next: Option<&str>) -> Finding {
    let what = format!("Confluence takes what the sidecar of {pod} signs");
    let fix = || fix::of(ConditionType::UpstreamTrusted, status.upstream.reason.as_str()).unwrap_or_default();
    match status.upstream.reason {
        UpstreamReason::Trusted => match status.consumer_keys.as_ref().and_then(|keys| keys.taken.as_deref())
        {
            Some(taken) if next == Some(taken) => Finding::right(format!("{what}, by the next key")),
            Some(taken) if taken != key => Finding::warning(
                what,
                format!("it takes the key {taken}, and not that of status"),
                "wait a moment: a replacement of the key may just have ended",
            ),
            _ => Finding::right(what),
        },
        UpstreamReason::Pending => Finding::warning(what, status.upstream.message.clone(), fix()),
        _ => Finding::wrong(
            what,
            format!("{}: {}", status.upstream.reason.as_str(), status.upstream.message),
            fix(),
        ),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::report::Level;

    #[test]
    fn what_a_sidecar_has_seen_is_told() {
        let found = |reason: &str, taken: &str, next: Option<&str>| {
            let status: SidecarStatus = serde_json::from_value(json!({
                "sidecarVersion": "1", "configHash": "h",
                "policy": {"namespace": "n", "name": "wiki", "uid": "u", "generation": 1},
                "identityProvider": {"reason": "Reachable", "message": ""},
                "upstream": {"reason": reason, "message": "m"},
                "consumerKeys": {"held": ["a", "b"], "taken": taken},
            }))
            .unwrap();
            finding("wiki-0", &status, "a", next)
        };
        assert_eq!(found("Trusted", "a", None).level, Level::Right);
        assert!(found("Trusted", "b", Some("b")).what.ends_with("by the next key"));
        assert_eq!(found("Trusted", "b", None).level, Level::Warning);
        assert_eq!(found("Pending", "a", None).level, Level::Warning);
        let missing = found("LinkMissing", "a", None);
        assert_eq!(missing.level, Level::Wrong);
        assert!(missing.fix.unwrap().contains("applink apply"));
    }
}
