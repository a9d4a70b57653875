//! Whether Tomcat listens where it was told to. Not a way around, but better known. Pure.

use std::{net::SocketAddr, time::Duration};

use restward_crds::{advisory::Advisory, sidecar::PodSettings};

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
    network: &Network,
    plan: &Plan,
    seen: impl Fn(&Target) -> Verdict,
    quiet: Duration,
) -> Vec<String> {
    let speaks_http = |target: &Target| matches!(seen(target), Verdict::Http(_) | Verdict::Confluence);
    let is_outside = |target: &&Target| target.by == Caller::Outside;
    let on_its_own = if quiet >= LONG {
        Some(not_listening(pod))
    } else if pod.loopback_bind && plan.tomcat.iter().filter(is_outside).any(speaks_http) {
        Some(without_effect(pod))
    } else {
        None
    };
    // A port that speaks HTTP is judged: it is a way around, or the advisory above.
    let has_socket = pod.upstream_socket.is_some();
    let is_judged = plan.tomcat.iter().filter(|target| has_socket || is_outside(target)).any(speaks_http);
    let stray = (!is_judged && is_open(network, pod)).then(|| port_is_open(pod));
    on_its_own.into_iter().chain(stray).collect()
}

/// Whether somebody listens on Tomcat's port where nobody is to: anywhere when Tomcat has a socket, else beside loopback.
fn is_open(network: &Network, pod: &PodSettings) -> bool {
    let beside = |address: SocketAddr| {
        address.port() == pod.upstream_port
            && (pod.upstream_socket.is_some() || pod.loopback_bind && !address.ip().is_loopback())
    };
    network.listeners.iter().any(|listener| beside(listener.address))
}

fn port_is_open(pod: &PodSettings) -> String {
    let meant = match &pod.upstream_socket {
        Some(_) => "nowhere but on a Unix socket",
        None => "on loopback only",
    };
    Advisory::TomcatPortOpen.says(format_args!(
        "something listens on port {} that does not answer HTTP, although Tomcat was told to listen {meant}. It is \
         not known to be a way around: see which container listens there, or which connector of server.xml (AJP has no HTTP)",
        pod.upstream_port
    ))
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
    Advisory::TomcatNotListening.says(format_args!(
        "nothing has listened on Tomcat's {place} for {} minutes; see the log of Confluence's container. \
         When that complains of the connector or of server.xml, this image does not take {remedy}, and restart the pod",
        LONG.as_secs() / 60
    ))
}

fn without_effect(pod: &PodSettings) -> String {
    Advisory::LoopbackBindWithoutEffect.says(format_args!(
        "Tomcat was told to listen on loopback only, but port {} answers on the pod's own address \
         too, where its valve refuses; it is shut all the same. Set spec.loopbackBind: Off when the image does not take \
         the address",
        pod.upstream_port
    ))
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
            let said = warnings(&pod(told), &Network::default(), &plan, seen, quiet);
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
        let said = warnings(&pod, &Network::default(), &Plan::default(), |_| Verdict::Shut, LONG);
        assert!(
            said[0].contains("socket /run/a.sock") && said[0].contains("spec.interception: Port"),
            "{said:?}"
        );
    }

    #[test]
    fn an_open_port_of_tomcat_that_speaks_no_http_is_said_where_nobody_is_to_listen() {
        let target = |to: &str, by| Target { to: to.parse().unwrap(), by };
        let (outside, inside) =
            (target("10.0.0.5:18090", Caller::Outside), target("127.0.0.1:18090", Caller::Inside));
        let plan = Plan { tomcat: vec![outside, inside], strangers: Vec::new() };
        let (not_http, no, silent) = (Verdict::NotHttp, Verdict::VALVE, Verdict::Silent);
        let socket = PodSettings { upstream_socket: Some("/run/a.sock".into()), ..pod(false) };
        // Pod, who listens where, answer at the pod's address, answer on loopback, whether it is said.
        let table = [
            (&socket, "0.0.0.0:18090", not_http, not_http, true),
            (&socket, "127.0.0.1:18090", Verdict::Shut, not_http, true),
            (&socket, "127.0.0.1:18090", Verdict::Shut, silent, true),
            (&socket, "127.0.0.1:18090", Verdict::Shut, no, false),
            (&socket, "127.0.0.1:18091", not_http, not_http, false),
            (&pod(true), "[::]:18090", not_http, no, true),
            (&pod(true), "10.0.0.5:18090", silent, no, true),
            (&pod(true), "[::]:18090", no, no, false),
            (&pod(true), "127.0.0.1:18090", Verdict::Shut, no, false),
            (&pod(false), "[::]:18090", not_http, not_http, false),
        ];
        for (pod, listener, at_own, at_loopback, want) in table {
            let listener = Listener { address: listener.parse().unwrap(), inode: 1 };
            let network = Network { listeners: [listener].into(), ..Network::default() };
            let seen = |target: &Target| if target.by == Caller::Outside { at_own } else { at_loopback };
            let said = warnings(pod, &network, &plan, seen, Duration::ZERO);
            let is_said = said.iter().any(|text| text.starts_with("TomcatPortOpen: "));
            assert_eq!(is_said, want, "{listener:?} {at_own:?} {at_loopback:?}: {said:?}");
        }
    }
}
