//! The pod's network as the kernel shows it below `/proc`: who listens, at which addresses the pod is reached, and
//! whether its loopback is reached from outside. Formats: `proc_pid_net(5)` and the kernel's `networking/proc_net_tcp`.

use std::{
    collections::BTreeSet,
    fs::{self, File},
    io::{self, BufRead as _, BufReader},
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    path::Path,
};

/// State of a socket that listens (`TCP_LISTEN` of the kernel's `tcp_states.h`).
const LISTEN: &str = "0A";
/// Flag of a Unix socket that listens (`__SO_ACCEPTCON` of the kernel's `net.h`).
const ACCEPTS: u32 = 1 << 16;
/// Interfaces whose `route_localnet` says nothing about neighbours.
const NO_INTERFACE: [&str; 2] = ["lo", "default"];

/// A socket that listens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Listener {
    /// Where.
    pub address: SocketAddr,
    /// The socket's inode, by which a new socket at the same address is told from the one before.
    pub inode: u64,
}

/// What the kernel shows.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Network {
    /// All sockets that listen.
    pub listeners: BTreeSet<Listener>,
    /// The pod's own addresses, but loopback and link-local ones.
    pub addresses: BTreeSet<IpAddr>,
    /// Paths of Unix sockets that listen.
    pub sockets: BTreeSet<String>,
    /// Neighbours on the pod's network reach its loopback (CVE-2020-8558).
    pub routes_localnet: bool,
}

impl Network {
    /// Reads below `proc`. Without IPv6 its files are not there.
    ///
    /// # Errors
    /// A file cannot be read, or has another form than it is known to have.
    pub fn read(proc: &Path) -> io::Result<Self> {
        let mut listeners = listeners(&proc.join("net/tcp"))?;
        listeners.extend(optional(listeners_of_ipv6(proc))?.unwrap_or_default());
        let mut addresses = parse_fib_trie(&fs::read_to_string(proc.join("net/fib_trie"))?);
        let ipv6 = optional(fs::read_to_string(proc.join("net/if_inet6")))?;
        addresses.extend(parse_if_inet6(&ipv6.unwrap_or_default()));
        if addresses.is_empty() {
            return Err(io::Error::other("the pod's own addresses are not known"));
        }
        let sockets = optional(unix_sockets(proc))?.unwrap_or_default().into_iter();
        let sockets = sockets.filter(|socket| socket.listens).map(|socket| socket.path).collect();
        Ok(Self {
            listeners,
            addresses,
            sockets,
            routes_localnet: routes_localnet(&proc.join("sys/net/ipv4/conf"))?,
        })
    }
}

fn listeners_of_ipv6(proc: &Path) -> io::Result<BTreeSet<Listener>> {
    listeners(&proc.join("net/tcp6"))
}

fn optional<T>(read: io::Result<T>) -> io::Result<Option<T>> {
    match read {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        read => read.map(Some),
    }
}

/// Line by line, as the file names every connection too.
fn listeners(path: &Path) -> io::Result<BTreeSet<Listener>> {
    let mut found = BTreeSet::new();
    for line in BufReader::new(File::open(path)?).lines().skip(1) {
        match parse_socket(&line?) {
            Some(Socket::Listens(listener)) => {
                found.insert(listener);
            }
            Some(Socket::Other) => {}
            None => return Err(io::Error::other(format!("{} has an unknown form", path.display()))),
        }
    }
    Ok(found)
}

#[derive(Debug, PartialEq, Eq)]
enum Socket {
    Listens(Listener),
    Other,
}

/// `sl local_address rem_address st tx:rx tr:when retrnsmt uid timeout inode …`
fn parse_socket(line: &str) -> Option<Socket> {
    let mut fields = line.split_ascii_whitespace();
    let (local, state) = (fields.nth(1)?, fields.nth(1)?);
    if state != LISTEN {
        return Some(Socket::Other);
    }
    let (address, port) = local.split_once(':')?;
    let port = u16::from_str_radix(port, 16).ok()?;
    let inode = fields.nth(5)?.parse().ok()?;
    Some(Socket::Listens(Listener { address: SocketAddr::new(parse_address(address)?, port), inode }))
}

/// A Unix socket that has a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnixSocket {
    /// As whoever bound it gave it.
    pub path: String,
    /// It listens; else it is a connection of one that does, or not yet listening.
    pub listens: bool,
}

/// All Unix sockets that have a path.
///
/// # Errors
/// The file cannot be read.
pub fn unix_sockets(proc: &Path) -> io::Result<Vec<UnixSocket>> {
    let mut found = Vec::new();
    for line in BufReader::new(File::open(proc.join("net/unix"))?).split(b'\n').skip(1) {
        found.extend(parse_unix_socket(&String::from_utf8_lossy(&line?)));
    }
    Ok(found)
}

/// `Num RefCount Protocol Flags Type St Inode Path`, the last one when there is one.
fn parse_unix_socket(line: &str) -> Option<UnixSocket> {
    let mut fields = line.split_ascii_whitespace();
    let flags = u32::from_str_radix(fields.nth(3)?, 16).ok()?;
    let path = fields.nth(3)?.to_owned();
    Some(UnixSocket { path, listens: flags & ACCEPTS != 0 })
}

/// The address in words of 32 bits, each printed as a number of the machine's own byte order.
fn parse_address(text: &str) -> Option<IpAddr> {
    let words: Option<Vec<u8>> = (0..text.len())
        .step_by(8)
        .map(|at| Some(u32::from_str_radix(text.get(at..at + 8)?, 16).ok()?.to_ne_bytes()))
        .collect::<Option<Vec<[u8; 4]>>>()
        .map(|words| words.concat());
    let bytes = words?;
    match (<[u8; 4]>::try_from(bytes.as_slice()), <[u8; 16]>::try_from(bytes.as_slice())) {
        (Ok(v4), _) => Some(Ipv4Addr::from(v4).into()),
        (_, Ok(v6)) => Some(Ipv6Addr::from(v6).to_canonical()),
        _ => None,
    }
}

/// An own address stands on a line `|-- a.b.c.d`, followed by one `/32 host LOCAL`.
fn parse_fib_trie(text: &str) -> BTreeSet<IpAddr> {
    let mut found = BTreeSet::new();
    let mut leaf: Option<Ipv4Addr> = None;
    for line in text.lines().map(str::trim) {
        if let Some(address) = line.strip_prefix("|-- ") {
            leaf = address.parse().ok();
        } else if line.starts_with("/32 host LOCAL") {
            found.extend(leaf.filter(|address| !address.is_loopback()).map(IpAddr::from));
        }
    }
    found
}

/// `address ifindex prefixlen scope flags name`, all but the name hexadecimal; scope 00 is global, 40 site-local.
fn parse_if_inet6(text: &str) -> BTreeSet<IpAddr> {
    let own = text.lines().filter_map(|line| {
        let mut fields = line.split_ascii_whitespace();
        let (address, scope) = (fields.next()?, fields.nth(2)?);
        let address = u128::from_str_radix(address, 16).ok()?;
        matches!(scope, "00" | "40").then(|| IpAddr::from(Ipv6Addr::from(address)))
    });
    own.collect()
}

/// Of `all` and an interface's own value the larger one counts (`ip-sysctl`, `route_localnet`).
fn routes_localnet(interfaces: &Path) -> io::Result<bool> {
    for interface in fs::read_dir(interfaces)? {
        let interface = interface?;
        let counts = !NO_INTERFACE.iter().any(|name| interface.file_name() == *name);
        if counts && fs::read_to_string(interface.path().join("route_localnet"))?.trim() != "0" {
            return Ok(true);
        }
    }
    Ok(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listens(address: &str, inode: u64) -> Socket {
        Socket::Listens(Listener { address: address.parse().unwrap(), inode })
    }

    /// Lines of a real kernel (6.18, x86-64), and what `ss -ltn` says about them.
    #[test]
    #[cfg(target_endian = "little")]
    fn sockets_are_read_as_ss_reads_them() {
        let tail = "00000000:00000000 00:00000000 00000000     0        0";
        let table = [
            ("   0: 00000000:07E8 00000000:0000 0A", 1067, listens("0.0.0.0:2024", 1067)),
            ("   1: 0100007F:46AA 00000000:0000 0A", 7, listens("127.0.0.1:18090", 7)),
            ("   2: 0500F40A:1F9A 00000000:0000 0A", 8, listens("10.244.0.5:8090", 8)),
            ("   3: 0500F40A:1F9A 0600F40A:C350 01", 9, Socket::Other),
            (
                "   0: 00000000000000000000000000000000:4A92 00000000000000000000000000000000:0000 0A",
                3,
                listens("[::]:19090", 3),
            ),
            (
                "   1: 00000000000000000000000001000000:1F40 00000000000000000000000000000000:0000 0A",
                4,
                listens("[::1]:8000", 4),
            ),
            (
                "   2: 000000FD000000000000000002000000:1645 00000000000000000000000000000000:0000 0A",
                5,
                listens("[fd00::2]:5701", 5),
            ),
            (
                "   3: 0000000000000000FFFF00000500F40A:1645 00000000000000000000000000000000:0000 0A",
                6,
                listens("10.244.0.5:5701", 6),
            ),
        ];
        for (head, inode, want) in table {
            let line = format!("{head} {tail} {inode} 1 0000000000000000 100 0 0 10 0");
            assert_eq!(parse_socket(&line), Some(want), "{line}");
        }
        for odd in
            ["", "0: 0100007F:46AA", "0: 0100:46AA 0:0 0A a b c 0 0 1", "0: 0100007F 0:0 0A a b c 0 0 1"]
        {
            assert_eq!(parse_socket(odd), None, "{odd:?}");
        }
    }

    #[test]
    fn unix_sockets_are_read_by_their_paths() {
        let socket = |path: &str, listens| Some(UnixSocket { path: path.to_owned(), listens });
        for (line, want) in [
            (
                "00000000a7791847: 00000002 00000000 00010000 0001 01 2946153 /run/a.sock",
                socket("/run/a.sock", true),
            ),
            (
                "00000000a7791848: 00000003 00000000 00000000 0001 03 2946154 /run/a.sock",
                socket("/run/a.sock", false),
            ),
            (
                "00000000a7791849: 00000002 00000000 00010000 0005 01 2946155 @abstract",
                socket("@abstract", true),
            ),
            ("00000000a779184a: 00000003 00000000 00000000 0001 03 2946156", None),
            ("", None),
        ] {
            assert_eq!(parse_unix_socket(line), want, "{line}");
        }
    }

    #[test]
    fn own_addresses_are_those_of_the_kernel_but_loopback_and_link_local() {
        let fib = "Main:\n  +-- 0.0.0.0/0 3 0 5\n     |-- 0.0.0.0\n        /0 universe UNICAST\n     +-- 127.0.0.0/8 2 0 2\n\
                   \x20          |-- 127.0.0.0\n              /8 host LOCAL\n           |-- 127.0.0.1\n              /32 host LOCAL\n\
                   \x20       |-- 127.255.255.255\n           /32 link BROADCAST\n           |-- 192.0.2.0\n              /24 link UNICAST\n\
                   \x20          |-- 192.0.2.2\n              /32 host LOCAL\n        |-- 192.0.2.255\n           /32 link BROADCAST\n\
                   Local:\n           |-- 127.0.0.2\n              /32 host LOCAL\n           |-- 192.0.2.2\n              /32 host LOCAL\n           |-- 10.1.2.3\n              /32 link UNICAST\n              /32 host LOCAL\n";
        let want: BTreeSet<IpAddr> = ["192.0.2.2", "10.1.2.3"].map(|ip| ip.parse().unwrap()).into();
        assert_eq!(parse_fib_trie(fib), want);
        let six = "fe8000000000000000fc00fffe000001 04 40 20 80     eth0\n\
                   fd000000000000000000000000000002 04 40 00 82     eth0\n\
                   00000000000000000000000000000001 01 80 10 80       lo\nodd\n";
        assert_eq!(parse_if_inet6(six), BTreeSet::from(["fd00::2".parse().unwrap()]));
    }

    #[test]
    fn this_machine_can_be_read() {
        let socket = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = socket.local_addr().unwrap();
        let found = listeners(Path::new("/proc/net/tcp")).unwrap();
        assert!(found.iter().any(|listener| listener.address == address && listener.inode != 0), "{found:?}");
        assert!(Network::read(Path::new("/nonexistent")).is_err());
    }
}
