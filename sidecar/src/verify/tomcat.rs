//! Whether Tomcat listens where it was told to. Not a way around, but better known. Pure.

use std::time::Duration;

use restward_crds::sidecar::PodSettings;

use super::{
    network::Network,
    plan::{Caller, Plan, Target},
    verdict::Verdict,
};

/// Tomcat listens a few seconds after its start, long before Confluence is up; init containers before it may take their time.
const LONG: Duration = Duration::from_mins(5);

/// Whether somebody listens where Tomcat should.
pub fn listens(network: &Network, pod: &PodSettings) -> bool {
    match &pod.upstream_socket {
        Some(path) => network.sockets.contains(path),
        None => network.listeners.iter().any(|listener| listener.address.port() == pod.upstream_port),
    }
}

/// What to tell, each as `Reason: sentence`. `quiet` is for how long nobody has listened.
pub fn warnings(
    pod: &PodSettings,
    plan: &Plan,
    seen: impl Fn(&Target) -> Verdict,
    quiet: Duration,
) -> Vec<String> {
    let is_answered_outside = || {
        plan.tomcat
            .iter()
            .any(|target| target.by == Caller::Outside && matches!(seen(target), Verdict::Http(_)))
    };
    if quiet >= LONG {
        vec![not_listening(pod)]
    } else if pod.loopback_bind && is_answered_outside() {
        vec![without_effect(pod)]
    } else {
        Vec::new()
    }
}

fn not_listening(pod: &PodSettings) -> String {
    let place = match &pod.upstream_socket {
        Some(path) => format!("socket {path}"),
        None => format!("port {}", pod.upstream_port),
    };
    let remedy = match (&pod.upstream_socket, pod.loopback_bind) {
        (Some(_), _) => "a socket: set spec.interception: Port",
        (None, true) => "the loopback address: set spec.loopbackBind: Off",
        (None, false) => "the port: let the chart make server.xml",
    };
    format!(
        "TomcatNotListening: nothing has listened on Tomcat's {place} for {} minutes; see the log of Confluence's container. \
         When that complains of the connector or of server.xml, this image does not take {remedy}, and restart the pod",
        LONG.as_secs() / 60
    )
}

fn without_effect(pod: &PodSettings) -> String {
    format!(
        "LoopbackBindWithoutEffect: Tomcat was told to listen on loopback only, but port {} answers on the pod's own address \
         too, where its valve refuses; it is shut all the same. Set spec.loopbackBind: Off when the image does not take \
         the address",
        pod.upstream_port
    )
}

#[cfg(test)]
mod tests {
    use http::StatusCode;

    use super::*;
    use crate::verify::network::Listener;

    fn pod(loopback_bind: bool) -> PodSettings {
        let pod = PodSettings::from_json(r#"{"listenPort": 8090}"#).unwrap();
        PodSettings { loopback_bind, ..pod }
    }

    #[test]
    fn tomcat_listens_on_its_port_whatever_the_address() {
        let network = |address: &str| Network {
            listeners: [Listener { address: address.parse().unwrap(), inode: 1 }].into(),
            ..Network::default()
        };
        for address in ["127.0.0.1:18090", "[::]:18090", "10.0.0.5:18090"] {
            assert!(listens(&network(address), &pod(true)), "{address}");
        }
        assert!(!listens(&network("127.0.0.1:8000"), &pod(true)));
    }

    #[test]
    fn what_tomcat_does_not_do_as_told_is_said() {
        let target = |to: &str, by| Target { to: to.parse().unwrap(), by };
        let tomcat = vec![target("10.0.0.5:18090", Caller::Outside), target("127.0.0.1:18090", Caller::Mesh)];
        let plan = Plan { tomcat, strangers: Vec::new() };
        let (no, shut) = (Verdict::VALVE, Verdict::Shut);
        let other = Verdict::Http(StatusCode::NOT_FOUND);
        let short = LONG.checked_sub(Duration::from_millis(1)).unwrap();
        // Told to listen on loopback, answer at the pod's address, answer to a mesh proxy, quiet for.
        let table = [
            (true, shut, no, short, None),
            (true, Verdict::Silent, no, short, None),
            (true, no, no, short, Some("LoopbackBindWithoutEffect")),
            (true, other, no, short, Some("LoopbackBindWithoutEffect")),
            (false, no, no, short, None),
            (true, shut, shut, LONG, Some("TomcatNotListening")),
            (false, shut, shut, LONG, Some("TomcatNotListening")),
        ];
        for (told, outside, mesh, quiet, want) in table {
            let seen = |target: &Target| if target.by == Caller::Mesh { mesh } else { outside };
            let said = warnings(&pod(told), &plan, seen, quiet);
            let words: Vec<&str> = said.iter().filter_map(|text| text.split(':').next()).collect();
            assert_eq!(words, want.into_iter().collect::<Vec<_>>(), "{told} {outside:?} {mesh:?} {quiet:?}");
            let advises = said.iter().any(|text| text.contains("loopbackBind: Off"));
            assert_eq!(advises, told && want.is_some());
        }
    }

    #[test]
    fn a_tomcat_on_a_socket_is_looked_for_there() {
        let pod = PodSettings { upstream_socket: Some("/run/a.sock".into()), ..pod(true) };
        let on_its_port = Listener { address: "127.0.0.1:18090".parse().unwrap(), inode: 1 };
        let network = |path: &str| Network {
            listeners: [on_its_port].into(),
            sockets: [path.to_owned()].into(),
            ..Network::default()
        };
        assert!(listens(&network("/run/a.sock"), &pod));
        assert!(!listens(&network("/run/b.sock"), &pod));
        let said = warnings(&pod, &Plan::default(), |_| Verdict::Shut, LONG);
        assert!(
            said[0].contains("socket /run/a.sock") && said[0].contains("spec.interception: Port"),
            "{said:?}"
        );
    }
}
