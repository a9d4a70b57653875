//! What a pod on each node says. Pure.

use restward_crds::{condition::ConditionType, fix};

use super::super::{
    facts::Seen,
    probe::{Outcome, Probed},
};
use crate::{
    failure::Failure,
    report::{Finding, Section},
};

pub(super) fn of(probed: &Seen<Vec<Probed>>, image: &str) -> Section {
    let findings = match probed {
        Ok(probed) => probed.iter().flat_map(|probed| node(probed, image)).collect(),
        Err(failure) => vec![Finding::unseen(failure)],
    };
    Section { title: "probes of the nodes".into(), findings }
}

fn node(Probed { node, outcome }: &Probed, image: &str) -> Vec<Finding> {
    let node = node.as_ref().map_or_else(|| "a node".to_owned(), |node| format!("node {node}"));
    let comes = format!("{image} comes to {node}");
    let answers = format!("the identity provider answers from {node}");
    let unseen = |why: &str, fix: &str| Finding::unseen(&Failure::new(format!("probe {node}"), why, fix));
    match outcome {
        Ok(Outcome::Answers) => vec![Finding::right(comes), Finding::right(answers)],
        Ok(Outcome::Says(sentence)) => {
            let reason = sentence.split(':').next().unwrap_or_default();
            let step = fix::of(ConditionType::IdentityProviderReachable, reason);
            let step = step.unwrap_or("the sentence is the sidecar's own; kubectl restward check has more");
            vec![Finding::right(comes), Finding::wrong(answers, sentence, step)]
        }
        Ok(Outcome::TooOld) => {
            let why = "the sidecar's image is of a release that cannot probe";
            vec![Finding::right(comes), unseen(why, "upgrade the chart restward")]
        }
        Ok(Outcome::NotPulled(why)) => vec![Finding::wrong(
            comes,
            why,
            "let the node reach the registry; sidecar.image and sidecar.pullSecrets of the chart restward say which and with which login",
        )],
        Ok(Outcome::Unknown(why)) => vec![unseen(
            why,
            "kubectl describe nodes, and kubectl get events -n the namespace of the workload; then run the command again",
        )],
        Err(failure) => vec![Finding::unseen(failure)],
    }
}
