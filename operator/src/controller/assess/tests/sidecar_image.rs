//! Sidecars of another image, in status.

use super::*;

fn said(reason: InjectedReason, message: &str) -> upgrade::Report {
    upgrade::Report { reason: Some(reason), message: Some(message.into()) }
}

#[test]
fn a_sidecar_that_does_not_come_up_is_told_before_all_that_is_well() {
    let mut case = Case::all_is_well();
    case.upgrade = said(InjectedReason::UpgradeStopped, "pod wiki-0 does not come up");
    let finding = case.finding(ConditionType::Injected);
    assert_eq!((finding.truth, finding.reason), (Truth::False, "UpgradeStopped"));
    assert!(finding.message.ends_with("; sidecar image: pod wiki-0 does not come up"), "{}", finding.message);
    assert_eq!(case.ready(), (Truth::False, "NotReady"));
    case.observed.pods.push(pod("old", json!({})));
    let finding = case.finding(ConditionType::Injected);
    assert_eq!((finding.truth, finding.reason), (Truth::False, "RestartRequired"), "something else is worse");
    assert!(finding.message.contains("does not come up"), "{}", finding.message);
}

#[test]
fn an_upgrade_that_goes_on_is_told_and_takes_nothing_back() {
    let mut case = Case::all_is_well();
    case.upgrade = said(InjectedReason::UpgradeInProgress, "pod wiki-0 is getting x");
    let finding = case.finding(ConditionType::Injected);
    assert_eq!((finding.truth, finding.reason), (Truth::True, "UpgradeInProgress"));
    assert_eq!(case.ready(), (Truth::True, "Ready"));
    case.upgrade.reason = None;
    let finding = case.finding(ConditionType::Injected);
    assert_eq!(finding.reason, "Injected", "it is left to somebody");
    assert!(finding.message.ends_with("pod wiki-0 is getting x"), "{}", finding.message);
}

#[test]
fn status_counts_the_pods_that_run_the_image() {
    let mut case = Case::all_is_well();
    let of = |name: &str, image: &str, state: Value| {
        let mut pod = injected(pod(name, json!({})), UID);
        pod.workload.name = "wiki".into();
        pod.raw["spec"]["initContainers"][0]["image"] = json!(image);
        let status = json!({"name": "restward-proxy", "containerID": "c", "state": state});
        pod.raw["status"]["initContainerStatuses"] = json!([status]);
        pod
    };
    let (image, running) = (sidecar().image, json!({"running": {}}));
    let waits = json!({"waiting": {"reason": "ImagePullBackOff"}});
    case.observed.pods = vec![
        of("wiki-0", &image, running.clone()),
        of("wiki-1", &image, waits),
        of("wiki-2", "example.com/other:1", running),
    ];
    let status = case.assess().1;
    let counts: Vec<_> = status
        .workloads
        .iter()
        .map(|known| (known.pods, known.injected, known.outdated, known.image_current))
        .collect();
    assert_eq!(counts, [(3, 3, 0, 1)]);
}
