use json_patch::jsonptr::PointerBuf;
use serde_json::json;

use super::*;
use crate::{
    controller::validate::validate,
    testing::{self, observed},
};

const UID: &str = "11112222-3333-4444-5555-666677778888";
const OTHER: &str = "99999999-0000-4000-8000-000000000000";

/// Policy `wiki`, which selects `app: wiki`, and the younger `blog`, which selects `app: blog`.
fn policies() -> Vec<Candidate> {
    let wiki = validate(&testing::policy(json!({})), &observed()).unwrap().candidate;
    let mut blog = wiki.clone();
    "blog".clone_into(&mut blog.name);
    OTHER.clone_into(&mut blog.uid);
    blog.created += k8s_openapi::jiff::SignedDuration::from_secs(1);
    blog.selector.match_labels = Some([("app".to_owned(), "blog".to_owned())].into());
    vec![blog, wiki]
}

fn bare(app: &str) -> Value {
    let mut pod = testing::pod("wiki-0", json!({"app": app})).raw;
    pod["metadata"]["uid"] = json!("uid-wiki-0");
    pod
}

/// The pod as policy `wiki` injects it.
fn injected(app: &str) -> Value {
    let mut pod = bare(app);
    let [_, wiki] = &policies()[..] else { panic!("two policies") };
    match inject::decide(&pod, wiki, &testing::sidecar()) {
        Decision::Inject(operations) => json_patch::patch(&mut pod, &operations).unwrap(),
        other => panic!("{other:?}"),
    }
    pod
}

fn with(mut pod: Value, pointer: &str, value: Value) -> Value {
    PointerBuf::parse(pointer.to_owned()).unwrap().assign(&mut pod, value).unwrap();
    pod
}

#[allow(clippy::needless_pass_by_value, reason = "most are made in place")]
fn request(operation: &str, kind: &str, object: Value, before: Value) -> Request {
    serde_json::from_value(json!({
        "uid": "q", "namespace": "atlassian", "operation": operation, "object": object, "oldObject": before,
        "kind": {"group": "", "version": "v1", "kind": kind},
        "resource": {"group": "", "version": "v1", "resource": "any"},
        "userInfo": {"username": "alice", "groups": ["wiki-admins"]},
    }))
    .unwrap()
}

fn see(rule: Rule, request: &Request) -> Option<Use> {
    judge(rule, request, &policies(), &testing::sidecar())
}

fn created(pod: Value) -> Option<BreakGlassUse> {
    see(Rule::Pods, &request("CREATE", "Pod", pod, Value::Null)).map(|used| used.what)
}

fn relabelled(pod: Value, before: Value) -> Option<BreakGlassUse> {
    see(Rule::Pods, &request("UPDATE", "Pod", pod, before)).map(|used| used.what)
}

fn named(used: &Use) -> Vec<&str> {
    used.policies.iter().filter_map(|policy| policy.name.as_deref()).collect()
}

#[test]
fn where_the_condition_is_the_rule_each_request_is_a_use() {
    let (pod, map) = (injected("wiki"), json!({"metadata": {"name": "restward-wiki", "uid": "u"}}));
    for (rule, kind, object, what) in [
        (Rule::Keys, "Pod", &pod, BreakGlassUse::KeysExposed),
        (Rule::InjectedPods, "Pod", &pod, BreakGlassUse::InjectedPodChanged),
        (Rule::EphemeralContainers, "Pod", &pod, BreakGlassUse::EphemeralContainerAdded),
        (Rule::ManagedObjects, "ConfigMap", &map, BreakGlassUse::ManagedObjectChanged),
    ] {
        let mut asked = request("UPDATE", kind, object.clone(), object.clone());
        let used = see(rule, &asked).unwrap();
        assert_eq!((used.what, used.user.as_str(), used.operation.as_str()), (what, "alice", "UPDATE"));
        assert_eq!(used.on.uid.as_deref(), object["metadata"]["uid"].as_str());
        asked.dry_run = true;
        assert_eq!(see(rule, &asked), None, "a dry run is no use: {rule:?}");
    }
}

#[test]
fn a_rule_is_known_by_its_name_in_the_chart() {
    for (name, rule) in [
        ("keys", Some(Rule::Keys)),
        ("injected-pods", Some(Rule::InjectedPods)),
        ("managed-objects", Some(Rule::ManagedObjects)),
        ("ephemeral-containers", Some(Rule::EphemeralContainers)),
        ("pods", Some(Rule::Pods)),
        ("", None),
        ("Keys", None),
    ] {
        assert_eq!(Rule::named(name), rule, "{name}");
    }
}

#[test]
fn a_new_pod_is_a_use_when_it_is_not_as_injection_makes_it() {
    let proxy = "/spec/initContainers/0";
    let part = |member: &str| format!("{proxy}/{member}");
    let missing = Some(BreakGlassUse::SidecarMissing);
    let forged = Some(BreakGlassUse::SidecarForged);
    let helm_test = with(bare("wiki"), "/spec/containers/0", json!({"name": "curl"}));
    let marked = |mark: &str| with(bare("other"), "/metadata/labels/restward.io~1injected", json!(mark));
    for (what, pod, used) in [
        ("as injected", injected("wiki"), None),
        ("as it was sent", bare("wiki"), missing),
        ("cannot be injected", with(bare("wiki"), "/spec/hostNetwork", json!(true)), missing),
        ("not selected", bare("other"), None),
        ("no Confluence", helm_test.clone(), None),
        ("another image", with(injected("wiki"), &part("image"), json!("evil")), forged),
        ("Tomcat not moved", with(injected("wiki"), "/spec/containers/0/env/0/value", json!("8090")), forged),
        ("as injected, not selected", injected("other"), None),
        ("another image, not selected", with(injected("other"), &part("image"), json!("evil")), forged),
        ("a command, not selected", with(injected("other"), &part("command"), json!(["sh"])), forged),
        ("reads elsewhere", with(injected("other"), &part("volumeMounts/0/mountPath"), json!("/x")), forged),
        (
            "another's configuration",
            with(injected("other"), "/spec/volumes/0", json!({"name": "restward-config", "emptyDir": {}})),
            forged,
        ),
        ("marked only", marked(UID), forged),
        ("marked by nobody", marked("x"), forged),
        (
            "marked, no Confluence",
            with(helm_test, "/metadata/labels/restward.io~1injected", json!(UID)),
            forged,
        ),
        (
            "as injected, by nobody",
            with(injected("other"), "/metadata/labels/restward.io~1injected", json!("x")),
            None,
        ),
    ] {
        assert_eq!(created(pod), used, "{what}");
    }
}

#[test]
fn two_sidecars_are_none_of_ours() {
    let pod = injected("other");
    let mut twice = with(pod.clone(), "/metadata/labels/restward.io~1injected", json!("x"));
    let proxy = pod["spec"]["initContainers"][0].clone();
    twice["spec"]["initContainers"].as_array_mut().unwrap().push(proxy);
    assert_eq!(created(twice), Some(BreakGlassUse::SidecarForged));
}

#[test]
fn a_label_that_brings_a_running_pod_under_a_policy_is_a_use() {
    let missing = Some(BreakGlassUse::SidecarMissing);
    for (what, pod, before, used) in [
        ("a late label", bare("wiki"), bare("other"), missing),
        ("a late label of an injected pod", injected("wiki"), injected("other"), None),
        ("from one policy to another", bare("blog"), bare("wiki"), missing),
        ("injected for another policy", injected("blog"), injected("wiki"), missing),
        ("selected before", with(bare("wiki"), "/metadata/labels/seen", json!("yes")), bare("wiki"), None),
        ("out", bare("other"), bare("wiki"), None),
        (
            "marks are another rule's",
            with(bare("other"), "/metadata/labels/restward.io~1injected", json!(UID)),
            bare("other"),
            None,
        ),
    ] {
        assert_eq!(relabelled(pod, before), used, "{what}");
    }
}

#[test]
fn a_use_concerns_the_policies_that_the_object_names_or_that_select_it_or_else_all() {
    let labelled = |label: &str, uid: &str| json!({"metadata": {"name": "x", "labels": {label: uid}}});
    for (what, kind, object, before, concerned) in [
        ("a pod of one", "Pod", injected("wiki"), Value::Null, &["wiki"][..]),
        ("a pod that one selects", "Pod", bare("blog"), Value::Null, &["blog"]),
        ("a pod of both", "Pod", injected("blog"), Value::Null, &["wiki", "blog"]),
        ("its label is gone", "Pod", bare("other"), injected("other"), &["wiki"]),
        ("any other pod", "Pod", bare("other"), Value::Null, &["wiki", "blog"]),
        ("its ConfigMap", "ConfigMap", labelled(names::LABEL_POLICY, OTHER), Value::Null, &["blog"]),
        ("deleted", "ConfigMap", Value::Null, labelled(names::LABEL_POLICY, OTHER), &["blog"]),
        ("of no policy", "ConfigMap", labelled(names::LABEL_POLICY, "gone"), Value::Null, &["wiki", "blog"]),
        (
            "the keys",
            "Secret",
            json!({"metadata": {"name": names::KEYS_SECRET}}),
            Value::Null,
            &["wiki", "blog"],
        ),
    ] {
        let used = see(Rule::Keys, &request("UPDATE", kind, object, before)).unwrap();
        assert_eq!(
            named(&used).into_iter().collect::<std::collections::BTreeSet<_>>(),
            concerned.iter().copied().collect(),
            "{what}"
        );
    }
    let mut status =
        request("UPDATE", "RestApiAuthPolicy", json!({"metadata": {"name": "new", "uid": "u"}}), Value::Null);
    "restward.io".clone_into(&mut status.kind.group);
    "v1alpha1".clone_into(&mut status.kind.version);
    let used = see(Rule::ManagedObjects, &status).unwrap();
    assert_eq!((named(&used), used.object()), (vec!["new"], "RestApiAuthPolicy new".into()));
    assert_eq!(used.on.api_version.as_deref(), Some("restward.io/v1alpha1"));
}

#[test]
fn nothing_of_what_the_object_holds_is_told() {
    let secret = json!({"metadata": {"name": names::KEYS_SECRET, "annotations": {"a": "SECRET"}}, "data": {"k": "SECRET"}});
    let used = see(Rule::ManagedObjects, &request("UPDATE", "Secret", secret.clone(), secret)).unwrap();
    assert!(!format!("{used:?}").contains("SECRET"));
    assert_eq!(used.object(), "Secret restward-keys");
}

#[test]
fn an_object_without_a_name_goes_by_the_requests() {
    let mut asked = request("DELETE", "Secret", Value::Null, Value::Null);
    names::KEYS_SECRET.clone_into(&mut asked.name);
    assert_eq!(see(Rule::ManagedObjects, &asked).unwrap().object(), "Secret restward-keys");
}
