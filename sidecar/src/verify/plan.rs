//! Whom to ask what: from the pod's network to the addresses that are tried. Pure.

use std::{
    collections::BTreeSet,
    net::{IpAddr, Ipv4Addr, SocketAddr},
};

use restward_crds::sidecar::PodSettings;

use super::network::{Listener, Network};

/// From here a mesh proxy inside the pod forwards what came from outside (Istio's `InboundPassthroughBindIpv4`). It is
/// loopback and yet not the sidecar: Tomcat's valve must not let it in.
pub const MESH: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 6));

/// Whose way it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Caller {
    /// Another pod's, by the pod's own address.
    Outside,
    /// A mesh proxy's in the pod, or a neighbour's who reaches loopback.
    Mesh,
    /// Only that of who is in the pod.
    Inside,
}

/// One address to try.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Target {
    /// Where to.
    pub to: SocketAddr,
    /// By whom.
    pub by: Caller,
}

/// A socket that is neither the sidecar's nor Tomcat's, with the ways by which others reach it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stranger {
    /// The socket.
    pub listener: Listener,
    /// Ways to it; none when it cannot be tried.
    pub targets: Vec<Target>,
}

/// What one look tries.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Plan {
    /// Ways to Tomcat's own port, each of which has to be shut. Tried whether or not somebody is seen to listen.
    pub tomcat: Vec<Target>,
    /// Others.
    pub strangers: Vec<Stranger>,
}

/// Plans a look. Sockets on loopback alone are of interest where neighbours reach loopback; and, where Tomcat is to have no
/// port at all, to whoever is in the pod.
pub fn plan(network: &Network, pod: &PodSettings, allowed: &BTreeSet<u16>) -> Plan {
    let by = |by: Caller| move |to: SocketAddr| Target { to, by };
    let (from_outside, as_mesh, from_inside) = (by(Caller::Outside), by(Caller::Mesh), by(Caller::Inside));
    let has_socket = pod.upstream_socket.is_some();
    let own = |port| network.addresses.iter().map(move |ip| SocketAddr::new(*ip, port));
    let is_known = |port: u16| {
        [pod.listen_port, pod.admin_port, pod.upstream_port].contains(&port) || allowed.contains(&port)
    };
    let tomcat = SocketAddr::new(Ipv4Addr::LOCALHOST.into(), pod.upstream_port);
    let ways = |address: SocketAddr| match address.ip() {
        ip if ip.is_loopback() => {
            // Only IPv4 has the setting.
            let neighbours = (network.routes_localnet && ip.is_ipv4()).then(|| as_mesh(address));
            let ways: Vec<Target> =
                neighbours.into_iter().chain(has_socket.then(|| from_inside(address))).collect();
            (!ways.is_empty()).then_some(ways)
        }
        IpAddr::V4(ip) if ip.is_unspecified() => {
            Some(own(address.port()).filter(SocketAddr::is_ipv4).map(from_outside).collect())
        }
        IpAddr::V6(ip) if ip.is_unspecified() => Some(own(address.port()).map(from_outside).collect()),
        // Needs an interface beside the address, which the kernel does not show here.
        IpAddr::V6(ip) if ip.is_unicast_link_local() => Some(Vec::new()),
        _ => Some(vec![from_outside(address)]),
    };
    let strangers = network
        .listeners
        .iter()
        .filter(|listener| !is_known(listener.address.port()))
        .filter_map(|listener| Some(Stranger { listener: *listener, targets: ways(listener.address)? }));
    let inside = [as_mesh(tomcat)].into_iter().chain(has_socket.then(|| from_inside(tomcat)));
    Plan {
        tomcat: own(pod.upstream_port).map(from_outside).chain(inside).collect(),
        strangers: strangers.collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn network(listeners: &[&str], routes_localnet: bool) -> Network {
        let listener = |at: &&str| Listener { address: at.parse().unwrap(), inode: 1 };
        Network {
            listeners: listeners.iter().map(listener).collect(),
            addresses: ["10.0.0.5", "fd00::5"].map(|ip| ip.parse().unwrap()).into(),
            routes_localnet,
            ..Network::default()
        }
    }

    fn shown(targets: &[Target]) -> String {
        let each = |target: &Target| match target.by {
            Caller::Outside => target.to.to_string(),
            Caller::Mesh => format!("{} as mesh", target.to),
            Caller::Inside => format!("{} inside", target.to),
        };
        targets.iter().map(each).collect::<Vec<_>>().join(", ")
    }

    #[test]
    fn every_listener_is_tried_on_the_ways_by_which_others_reach_it() {
        let pod = PodSettings::from_json(r#"{"listenPort": 8090}"#).unwrap();
        let own = ["[::]:8090", "[::]:19090", "0.0.0.0:18090", "127.0.0.1:18090", "[::]:5701"];
        let table: [(&str, bool, Option<&str>); 9] = [
            ("0.0.0.0:9999", false, Some("10.0.0.5:9999")),
            ("[::]:9999", false, Some("10.0.0.5:9999, [fd00::5]:9999")),
            ("10.0.0.7:9999", false, Some("10.0.0.7:9999")),
            ("[fd00::7]:9999", false, Some("[fd00::7]:9999")),
            ("[fe80::1]:9999", false, Some("")),
            ("127.0.0.1:8000", false, None),
            ("127.0.0.1:8000", true, Some("127.0.0.1:8000 as mesh")),
            ("127.0.0.9:8000", true, Some("127.0.0.9:8000 as mesh")),
            ("[::1]:8000", true, None),
        ];
        for (listener, routes_localnet, want) in table {
            let network = network(&[own.as_slice(), &[listener]].concat(), routes_localnet);
            let plan = plan(&network, &pod, &BTreeSet::from([5701]));
            assert_eq!(shown(&plan.tomcat), "10.0.0.5:18090, [fd00::5]:18090, 127.0.0.1:18090 as mesh");
            let got: Vec<String> = plan.strangers.iter().map(|one| shown(&one.targets)).collect();
            assert_eq!(got, want.map(str::to_owned).into_iter().collect::<Vec<_>>(), "{listener}");
        }
    }

    #[test]
    fn with_a_socket_no_port_may_lead_to_tomcat_from_inside_either() {
        let pod = PodSettings::from_json(r#"{"listenPort": 8090, "upstreamSocket": "/run/a.sock"}"#).unwrap();
        let listeners = ["127.0.0.1:18090", "127.0.0.1:8000", "[::1]:8091", "0.0.0.0:9999"];
        for (routes_localnet, loopback) in
            [(false, "127.0.0.1:8000 inside"), (true, "127.0.0.1:8000 as mesh, 127.0.0.1:8000 inside")]
        {
            let plan = plan(&network(&listeners, routes_localnet), &pod, &BTreeSet::new());
            let tomcat = "10.0.0.5:18090, [fd00::5]:18090, 127.0.0.1:18090 as mesh, 127.0.0.1:18090 inside";
            assert_eq!(shown(&plan.tomcat), tomcat);
            let got: Vec<String> = plan.strangers.iter().map(|one| shown(&one.targets)).collect();
            assert_eq!(got, ["10.0.0.5:9999", loopback, "[::1]:8091 inside"]);
        }
    }
}
