use std::collections::BTreeSet;

use restward_crds::{sidecar::parse, text::Timestamp};
use serde_json::json;

use super::*;
use crate::{
    controller::validate::validate,
    testing::{injected, observed, pod, policy},
};

const UID: &str = "11112222-3333-4444-5555-666677778888";

fn validated() -> Validated {
    validate(&policy(json!({})), &observed()).unwrap()
}

fn known(kid: &str) -> LastKnown {
    LastKnown {
        issuer: "https://i".into(),
        jwks_uri: "https://i/keys".into(),
        jwks: json!({"keys": [{"kid": kid}]}),
    }
}

fn programmed(config: &Config) -> Observed {
    let before = Programmed {
        since: None,
        candidate: validated().candidate,
        config_json: serde_json::to_string(config).unwrap(),
        ca_pem: None,
        server_xmls: BTreeMap::new(),
    };
    Observed { programmed: Some(before), ..observed() }
}

fn last_known(config: &Config) -> Option<&str> {
    config.issuers[0].last_known.as_ref()?.jwks["keys"][0]["kid"].as_str()
}

#[test]
fn what_is_written_is_what_the_sidecar_and_the_webhook_read() {
    let mut validated = validated();
    validated.ca_pem = Some("PEM".into());
    let (map, hash) = config_map(&validated, &config(&validated, None, &observed()), &observed());
    let data = map.data.clone().unwrap();
    assert_eq!(parse::from_json(data[names::FILE_CONFIG].as_bytes()).unwrap(), validated.settings);
    assert_eq!(hash, sha256_hex(data[names::FILE_CONFIG].as_bytes()));
    assert_eq!(data[names::FILE_CA], "PEM");
    assert_eq!(crate::store::candidate(&map).unwrap(), validated.candidate);
}

#[test]
fn the_valve_admits_loopback_only_and_looks_at_the_peer() {
    assert!(VALVE.contains(r#"usePeerAddress="true""#));
    assert!(VALVE.contains(r#"allow="127\.0\.0\.1|::1|0:0:0:0:0:0:0:1""#));
}

#[test]
fn keys_known_last_stay_while_the_provider_is_away_and_go_with_the_realm() {
    let validated = validated();
    let fresh = config(&validated, Some(known("a")), &observed());
    assert_eq!(last_known(&fresh), Some("a"));
    assert_eq!(last_known(&config(&validated, None, &programmed(&fresh))), Some("a"));
    assert_eq!(last_known(&config(&validated, Some(known("b")), &programmed(&fresh))), Some("b"));
    let mut other_realm = fresh;
    other_realm.issuers[0].realm = "other".into();
    assert_eq!(last_known(&config(&validated, None, &programmed(&other_realm))), None);
    let fresh = config(&validated, Some(known("a")), &observed());
    let mut other_way = fresh.clone();
    other_way.issuers[0].backchannel_url = Some("https://elsewhere".into());
    assert_eq!(last_known(&config(&validated, None, &programmed(&other_way))), None);
    let mut other_authority = programmed(&fresh);
    other_authority.programmed.as_mut().unwrap().ca_pem = Some("PEM".into());
    assert_eq!(last_known(&config(&validated, None, &other_authority)), None);
}

#[test]
fn after_the_end_of_password_logins_it_is_no_sidecars_clock_alone_that_refuses_them() {
    let end: Timestamp = "2026-12-31T00:00:00Z".parse().unwrap();
    let spec = json!({"basicAuth": {"deprecation": {"since": end, "sunset": end}}});
    let written = |at: i64| {
        let observed = Observed { at, ..observed() };
        let config = config(&validate(&policy(spec.clone()), &observed).unwrap(), None, &observed);
        (config.basic_auth, config.basic_auth_deprecation.map(|it| it.sunset))
    };
    assert_eq!(written(end.secs() - 1), (Switch::Allow, Some(end)));
    assert_eq!(written(end.secs()), (Switch::Deny, Some(end)));
}

#[test]
fn a_key_set_that_would_burst_the_config_map_is_not_handed_on() {
    assert_eq!(
        last_known(&config(&validated(), Some(known(&"x".repeat(MAX_LAST_KNOWN))), &observed())),
        None
    );
}

#[test]
fn a_missing_key_is_made_anew_only_while_no_pod_uses_it() {
    let none = StoredKeys::default();
    let ours = [injected(pod("wiki-0", json!({})), UID)];
    let keys = |stored: &StoredKeys, uid, pods: &[ObservedPod]| keys(stored, uid, pods, Some("request"));
    assert!(matches!(keys(&none, UID, &[]), KeyPlan::Generate));
    assert!(matches!(keys(&none, UID, &[pod("wiki-0", json!({}))]), KeyPlan::Generate));
    assert!(matches!(keys(&none, UID, &ours), KeyPlan::Missing(message) if message.contains("wiki-0")));
    let made = PolicyKeys::generate(Some("request".into())).unwrap();
    let stored = |status: &str| StoredKeys {
        consumer_key: Some(made.consumer_key_pem().into()),
        status_key: Some(status.into()),
        answered_request: Some("request".into()),
        ..StoredKeys::default()
    };
    assert!(matches!(keys(&stored(made.status_key_hex()), UID, &ours), KeyPlan::Keep(kept) if kept == made));
    assert!(matches!(keys(&stored("broken"), UID, &ours), KeyPlan::Missing(_)));
    let broken_previous =
        StoredKeys { previous_status_key: Some("broken".into()), ..stored(made.status_key_hex()) };
    assert!(matches!(keys(&broken_previous, UID, &ours), KeyPlan::Missing(_)));
    // It may be the one that Confluence takes.
    let broken_next =
        StoredKeys { next_consumer_key: Some("broken".into()), ..stored(made.status_key_hex()) };
    assert!(matches!(keys(&broken_next, UID, &ours), KeyPlan::Missing(_)));
}

#[test]
fn each_request_for_new_keys_is_answered_once_and_waits_for_the_status_key_alone() {
    let made = PolicyKeys::generate(None).unwrap();
    let rotating = made.clone().rotating("1".into(), true).unwrap();
    let half = rotating.clone().promoted();
    let promoted = half.clone().without_previous_status_key();
    // Nobody has put the next key into the link, or a header names users now.
    let put_off = rotating.clone().without_previous_status_key();
    let table = [
        (&made, None, false),
        (&made, Some("1"), true),
        (&rotating, Some("1"), false),
        (&rotating, Some("2"), false),
        (&rotating, None, false),
        (&half, Some("2"), false),
        (&put_off, Some("1"), false),
        (&put_off, Some("2"), true),
        (&promoted, Some("1"), false),
        (&promoted, None, false),
        (&promoted, Some("2"), true),
    ];
    for (before, request, begins) in table {
        let stored = StoredKeys {
            consumer_key: Some(before.consumer_key_pem().into()),
            next_consumer_key: before.next_consumer_key_pem().map(str::to_owned),
            status_key: Some(before.status_key_hex().into()),
            previous_status_key: before.previous_status_key_hex().map(str::to_owned),
            answered_request: before.answered().map(str::to_owned),
        };
        match keys(&stored, UID, &[], request) {
            KeyPlan::Rotate(kept, by) => {
                assert!(begins && kept == *before && Some(by.as_str()) == request, "{before:?} {request:?}");
            }
            KeyPlan::Keep(kept) => assert!(!begins && kept == *before, "{before:?} {request:?}"),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn a_label_alone_makes_no_injected_pod() {
    let mut pod = injected(pod("wiki-0", json!({})), UID);
    assert!(pod.is_injected_by(UID) && !pod.is_injected_by("other"));
    pod.raw["spec"]["initContainers"] = json!([]);
    assert!(!pod.is_injected_by(UID));
}

#[test]
fn the_webhook_concerns_selected_pods_of_the_namespace_only_and_fails_closed() {
    let target = WebhookTarget { namespace: "ops".into(), service: "rw".into(), ca_bundle: "CA".into() };
    let object = webhook(&validated().candidate, &target);
    assert_eq!(object.metadata.name.as_deref(), Some("restward-atlassian-wiki-11112222"));
    let entries = object.webhooks.unwrap();
    let entry = serde_json::to_value(&entries[0]).unwrap();
    assert_eq!(entry["failurePolicy"], "Fail");
    assert_eq!(
        entry["namespaceSelector"],
        json!({"matchLabels": {"kubernetes.io/metadata.name": "atlassian"}})
    );
    assert_eq!(entry["objectSelector"], json!({"matchLabels": {"app": "wiki"}}));
    assert_eq!(entry["clientConfig"]["service"]["path"], format!("/mutate/atlassian/{UID}"));
    assert_eq!(entry["rules"][0]["operations"], json!(["CREATE"]));
    assert_eq!(entry["rules"][0]["resources"], json!(["pods"]));
    // The other only warns early: it must never keep anybody from working while the operator is away.
    let check = serde_json::to_value(&entries[1]).unwrap();
    assert_eq!((entries.len(), &check["failurePolicy"]), (2, &json!("Ignore")));
    assert_eq!(check["namespaceSelector"], entry["namespaceSelector"]);
    assert_eq!(check["rules"][0]["resources"], json!(["statefulsets", "deployments"]));
}

const SERVER_XML: &str = include_str!("../../server_xml/testdata/chart.xml");

/// A namespace in which pods mount this `server.xml`, and what is written for it.
fn derived(server_xml: &str) -> (Observed, Validated, BTreeMap<String, String>) {
    let server_xmls = vec![("wiki-server-config".to_owned(), server_xml.to_owned())];
    let observed = Observed { server_xmls, ..observed() };
    let validated = validate(&policy(json!({})), &observed).unwrap();
    let (map, _) = config_map(&validated, &validated.config, &observed);
    let files = map.data.unwrap().into_iter().filter(|(key, _)| crate::server_xml::is_derived(key));
    (observed, validated, files.collect())
}

#[test]
fn what_injection_chooses_is_in_the_config_map() {
    let (_, validated, files) = derived(SERVER_XML);
    let Outcome::Derived(connector) = &validated.candidate.server_xml[0].outcome else { panic!("refused") };
    assert_eq!(files.keys().collect::<Vec<_>>(), [&connector.file]);
    assert!(files[&connector.file].contains("address=\"127.0.0.1\""));
    let (_, validated, files) = derived("<Server/>");
    assert!(matches!(&validated.candidate.server_xml[0].outcome, Outcome::Refused(_)));
    assert!(files.is_empty());
}

#[test]
fn an_old_server_xml_stays_while_a_pod_mounts_it_and_for_one_round_more() {
    let (_, before, files) = derived(SERVER_XML);
    let old = files.keys().next().unwrap().clone();
    let (mut observed, now, new) = derived(&SERVER_XML.replace("maxThreads=\"100\"", "maxThreads=\"48\""));
    let new = new.keys().next().unwrap().clone();
    let written = |observed: &Observed| {
        let (map, _) = config_map(&now, &now.config, observed);
        let keys = map.data.unwrap().into_keys().filter(|key| crate::server_xml::is_derived(key));
        keys.collect::<BTreeSet<_>>()
    };
    let programmed = |candidate: &Candidate| Programmed {
        since: None,
        candidate: candidate.clone(),
        config_json: String::new(),
        ca_pem: None,
        server_xmls: files.clone(),
    };
    let both = BTreeSet::from([old.clone(), new.clone()]);
    observed.programmed = Some(programmed(&before.candidate));
    assert_eq!(written(&observed), both, "a webhook may still hand it out");
    observed.programmed = Some(programmed(&now.candidate));
    assert_eq!(written(&observed), BTreeSet::from([new]));
    let mut running = injected(pod("wiki-0", json!({})), UID);
    running.raw["spec"]["volumes"] = json!([{"name": names::SERVER_XML_VOLUME,
        "configMap": {"name": "restward-wiki", "items": [{"key": old, "path": "server.xml"}]}}]);
    observed.pods = vec![running];
    assert_eq!(written(&observed), both, "a pod mounts it");
}

/// A `server.xml` of nearly the longest that is read; each number gives another one.
fn long(number: usize) -> String {
    SERVER_XML.replace("<Service", &format!("<!-- {} {number} --><Service", "x".repeat(60_000)))
}

#[test]
fn whatever_pods_mount_the_config_map_can_be_written() {
    let (mut observed, before, files) = derived(&long(0));
    let old = files.keys().next().unwrap().clone();
    let written = |observed: &Observed| {
        let now = validate(&policy(json!({})), observed).unwrap();
        let (map, _) = config_map(&now, &now.config, observed);
        let data = map.data.unwrap();
        let files: BTreeMap<String, String> =
            data.into_iter().filter(|(key, _)| crate::server_xml::is_derived(key)).collect();
        (now.candidate.server_xml, files)
    };
    observed.programmed = Some(Programmed {
        candidate: before.candidate,
        config_json: String::new(),
        ca_pem: None,
        server_xmls: files,
        since: None,
    });
    observed.server_xmls = (1..=5).map(|number| (format!("map-{number}"), long(number))).collect();
    let (judged, files) = written(&observed);
    assert!(judged.iter().all(|known| matches!(known.outcome, Outcome::Derived(_))));
    assert!(files.len() == 5 && !files.contains_key(&old), "what was only offered makes room");

    let mut running = injected(pod("wiki-0", json!({})), UID);
    running.raw["spec"]["volumes"] = json!([{"name": names::SERVER_XML_VOLUME,
        "configMap": {"name": "restward-wiki", "items": [{"key": old, "path": "server.xml"}]}}]);
    observed.pods = vec![running];
    let (judged, files) = written(&observed);
    assert!(files.len() == 5 && files.contains_key(&old), "a pod mounts it");
    assert!(files.values().map(String::len).sum::<usize>() <= server_xml::MAX_TOTAL);
    let Outcome::Refused(why) = &judged[4].outcome else { panic!("{:?}", judged[4]) };
    assert!(why.contains("finds no room"), "{why}");
}
