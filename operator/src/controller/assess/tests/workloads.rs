//! What status counts of each workload.

use super::*;

fn pod_of(name: &str, workload: &str) -> crate::controller::dereference::ObservedPod {
    let mut pod = injected(pod(name, json!({})), UID);
    pod.workload = Workload { kind: "Deployment".into(), name: workload.into() };
    pod
}

fn ack_of(pod: &str) -> Ack {
    Ack { pod: pod.into(), ..ack_for_tests() }
}

#[test]
fn each_workload_has_the_counts_of_its_own_pods() {
    let stale = |status: &mut SidecarStatus| status.policy.generation -= 1;
    let refusing = |status: &mut SidecarStatus| status.config_rejected = Some("no".into());
    let bypassed = |status: &mut SidecarStatus| {
        status.verification = Some(verification(EnforcedReason::BypassDetected, "port 18090"));
    };
    let mut case = Case::all_is_well();
    case.observed.pods = vec![
        pod_of("a-0", "a"),
        pod_of("a-1", "a"),
        pod_of("a-2", "a"),
        pod_of("b-0", "b"),
        pod_of("b-1", "b"),
        pod_of("b-2", "b"),
    ];
    case.acks = vec![
        ack_of("a-0"),
        saying(ack_of("a-1"), stale),
        saying(ack_of("a-2"), refusing),
        saying(ack_of("b-0"), bypassed),
        silent_now(ack_of("b-1")),
        Ack { pod: "b-2".into(), ..silent() },
    ];
    let workloads = case.assess().1.workloads;
    let counts: Vec<_> = workloads
        .iter()
        .map(|known| (known.name.as_str(), known.pods, known.current, known.enforced))
        .collect();
    assert_eq!(counts, [("a", 3, 1, 3), ("b", 3, 2, 1)]);
}
