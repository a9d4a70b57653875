//! Probes and lifecycle hooks, one in each row, in the Confluence container and in others.

use restward_crds::sidecar::pod::{AppProbe, ProbeAction};
use restward_operator::inject::{self, Decision};
use serde_json::{Value, json};

use crate::support::{assert_stable, pod, policy, settings, sidecar};

/// What becomes of one handler.
enum Fate {
    /// The admin port does this for it.
    Moved(ProbeAction, u32),
    /// Stays as it is.
    Left,
    /// The pod is refused with this in the message.
    Refused(&'static str),
}

fn get(path: &str) -> ProbeAction {
    ProbeAction::HttpGet { path: path.into(), headers: Vec::new() }
}

/// `default.yaml` without probes and hooks of its own, with this container and handler.
fn with(container: &str, place: &str, handler: &Value) -> (Value, String) {
    let mut pod = pod("default.yaml");
    let confluence = pod["spec"]["containers"][0].as_object_mut().unwrap();
    confluence.remove("readinessProbe");
    confluence.remove("lifecycle");
    let other = |ports: Value| json!({"name": container, "image": "other", "ports": ports});
    let list = match container {
        "confluence" => "/spec/containers/0",
        "native" => {
            let mut native = other(json!([{"name": "http", "containerPort": 9100}]));
            native["restartPolicy"] = json!("Always");
            pod["spec"]["initContainers"] = json!([native]);
            "/spec/initContainers/0"
        }
        _ => {
            let list = pod["spec"]["containers"].as_array_mut().unwrap();
            list.push(other(json!([{"name": "http", "containerPort": 9100}])));
            "/spec/containers/1"
        }
    };
    let at = pod.pointer_mut(list).unwrap();
    match place.split_once('/') {
        Some((lifecycle, hook)) => at[lifecycle] = json!({ hook: handler }),
        None => at[place] = handler.clone(),
    }
    let kind = place.rsplit('/').next().unwrap();
    (pod, format!("{container}/{kind}"))
}

fn handler<'a>(pod: &'a Value, name: &str, place: &str) -> &'a Value {
    let container = name.split('/').next().unwrap();
    let lists = ["initContainers", "containers"].map(|list| pod["spec"][list].as_array());
    let found = lists.into_iter().flatten().flatten().find(|each| each["name"] == container).unwrap();
    found.pointer(&format!("/{place}")).unwrap()
}

fn check(container: &str, place: &str, before: &Value, fate: &Fate) {
    let what = format!("{container} {place} {before}");
    let (mut pod, name) = with(container, place, before);
    let decision = inject::decide(&pod, &policy(), &sidecar());
    match (fate, decision) {
        (Fate::Refused(part), Decision::Refuse(refusal)) => {
            assert!(refusal.message.contains(part) && refusal.message.contains(&name), "{what}: {refusal}");
        }
        (Fate::Moved(action, timeout_seconds), Decision::Inject(operations)) => {
            json_patch::patch(&mut pod, &operations).unwrap();
            let probe =
                AppProbe { name: name.clone(), action: action.clone(), timeout_seconds: *timeout_seconds };
            assert_eq!(settings(&pod).probes, [probe], "{what}");
            let mut expected = before.clone();
            expected.as_object_mut().unwrap().remove("tcpSocket");
            expected["httpGet"] =
                json!({"path": format!("/app-health/{name}"), "port": 19090, "scheme": "HTTP"});
            assert_eq!(*handler(&pod, &name, place), expected, "{what}");
            assert_stable(&pod);
        }
        (Fate::Left, Decision::Inject(operations)) => {
            json_patch::patch(&mut pod, &operations).unwrap();
            assert_eq!(settings(&pod).probes, [], "{what}");
            assert_eq!(handler(&pod, &name, place), before, "{what}");
            assert_stable(&pod);
        }
        (_, other) => panic!("{what}: {other:?}"),
    }
}

const PROBES: [&str; 3] = ["startupProbe", "readinessProbe", "livenessProbe"];
const HOOKS: [&str; 2] = ["lifecycle/postStart", "lifecycle/preStop"];

#[test]
fn what_aims_at_the_http_port_is_moved_from_any_container() {
    for place in PROBES {
        // Every other member stays; `check` compares the whole handler.
        let rest = json!({"initialDelaySeconds": 60, "periodSeconds": 5, "timeoutSeconds": 7, "successThreshold": 1,
            "failureThreshold": 12, "terminationGracePeriodSeconds": 30});
        let with_rest = |call: Value| {
            let mut handler = rest.clone();
            handler.as_object_mut().unwrap().extend(call.as_object().unwrap().clone());
            handler
        };
        let tcp = Fate::Moved(ProbeAction::TcpSocket {}, 7);
        for container in ["confluence", "other", "native"] {
            check(container, place, &with_rest(json!({"tcpSocket": {"port": 8090}})), &tcp);
            check(container, place, &with_rest(json!({"tcpSocket": {"port": "8090"}})), &tcp);
            let call = with_rest(json!({"httpGet": {"port": 8090, "path": "/status"}}));
            check(container, place, &call, &Fate::Moved(get("/status"), 7));
        }
        check("confluence", place, &with_rest(json!({"tcpSocket": {"port": "http"}})), &tcp);
        let default = json!({"httpGet": {"port": "http"}});
        check("confluence", place, &default, &Fate::Moved(get("/"), 1));
    }
    for place in HOOKS {
        for container in ["confluence", "other", "native"] {
            check(
                container,
                place,
                &json!({"tcpSocket": {"port": 8090}}),
                &Fate::Moved(ProbeAction::TcpSocket {}, 30),
            );
            let call = json!({"httpGet": {"port": 8090, "path": "/hook?x=1", "scheme": "HTTP"}});
            check(container, place, &call, &Fate::Moved(get("/hook?x=1"), 30));
        }
    }
}

#[test]
fn headers_go_along_in_their_order_with_repetitions() {
    let header = |name: &str, value: &str| json!({"name": name, "value": value});
    let headers =
        [header("X-A", "1"), header("Host", "wiki.example.com"), header("X-A", "2"), header("X-B", "")];
    let call =
        json!({"httpGet": {"port": 8090, "path": "status", "httpHeaders": headers}, "timeoutSeconds": 3});
    let headers = [("X-A", "1"), ("Host", "wiki.example.com"), ("X-A", "2"), ("X-B", "")];
    let headers = headers.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
    let action = ProbeAction::HttpGet { path: "/status".into(), headers };
    check("confluence", "readinessProbe", &call, &Fate::Moved(action, 3));
}

#[test]
fn what_aims_elsewhere_stays() {
    for place in PROBES.into_iter().chain(HOOKS) {
        for call in [
            json!({"httpGet": {"port": 9100, "path": "/metrics"}}),
            json!({"httpGet": {"port": 8090, "path": "/status", "host": "monitor.example.com"}}),
            json!({"httpGet": {"port": 8090, "path": "/status", "host": "127.0.0.1", "scheme": "HTTPS"}}),
            json!({"tcpSocket": {"port": 8090, "host": "10.0.0.1"}}),
            json!({"tcpSocket": {"port": 5701}}),
            json!({"exec": {"command": ["curl", "-sf", "http://localhost:8090/status"]}}),
        ] {
            check("confluence", place, &call, &Fate::Left);
        }
        // The name is looked up in the container whose handler it is.
        for container in ["other", "native"] {
            check(container, place, &json!({"httpGet": {"port": "http", "path": "/"}}), &Fate::Left);
        }
    }
    check("confluence", "livenessProbe", &json!({"grpc": {"port": 8090}}), &Fate::Left);
}

#[test]
fn what_cannot_be_moved_is_refused() {
    for place in PROBES.into_iter().chain(HOOKS) {
        for container in ["confluence", "other", "native"] {
            for scheme in ["HTTPS", "https"] {
                let call = json!({"httpGet": {"port": 8090, "path": "/status", "scheme": scheme}});
                check(container, place, &call, &Fate::Refused("speaks HTTPS to the HTTP port"));
            }
            for path in ["/sta tus", "/stat\u{fc}s", "/\n"] {
                let call = json!({"httpGet": {"port": 8090, "path": path}});
                check(container, place, &call, &Fate::Refused("percent-encode it"));
            }
        }
    }
}

#[test]
fn what_is_left_although_it_may_mean_confluence_is_told() {
    let told = |container: &str, place: &str, handler: Value| {
        inject::advisories(&with(container, place, &handler).0, &policy())
    };
    for (container, place, name) in [
        ("confluence", "livenessProbe", "confluence/livenessProbe"),
        ("other", "lifecycle/preStop", "other/preStop"),
    ] {
        let said = told(container, place, json!({"exec": {"command": ["sh", "-c", "nc -z localhost 8090"]}}));
        assert!(
            said[0].starts_with(&format!("ExecProbe: {name} runs a command that names port 8090")),
            "{said:?}"
        );
        let said = told(container, place, json!({"tcpSocket": {"port": 8090, "host": "10.0.0.1"}}));
        assert!(said[0].starts_with(&format!("ProbeOfAnotherHost: {name} asks \"10.0.0.1\"")), "{said:?}");
    }
    for handler in [
        json!({"exec": {"command": ["sh", "-c", "nc -z localhost 18090"]}}),
        json!({"exec": {"command": ["/shutdown-wait.sh"]}}),
        json!({"httpGet": {"port": 8090, "path": "/status"}}),
        json!({"httpGet": {"port": 9100, "host": "10.0.0.1"}}),
    ] {
        assert_eq!(told("confluence", "livenessProbe", handler), Vec::<String>::new());
    }
}
