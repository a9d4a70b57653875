//! Connections to Tomcat, wherever it listens.
//!
//! - [`stale`]: what a killed Tomcat leaves behind

pub mod stale;

use std::{io, net::Ipv4Addr, time::Duration};

use restward_crds::sidecar::pod::TomcatAddress;
use tokio::net::{TcpStream, UnixStream};
use tokio_util::either::Either;

/// A connection to Tomcat.
pub type Connection = Either<TcpStream, UnixStream>;

/// Nobody is far away in a pod; a full accept queue is an overloaded Tomcat.
const PATIENCE: Duration = Duration::from_secs(5);
/// Between two tries at a full accept queue.
const PAUSE: Duration = Duration::from_millis(5);

/// Connects.
///
/// # Errors
/// Nobody listens, or nobody takes the connection in time.
pub async fn connect(to: &TomcatAddress) -> io::Result<Connection> {
    let connecting = async {
        match to {
            TomcatAddress::Port(port) => {
                let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, *port)).await?;
                stream.set_nodelay(true)?;
                Ok(Either::Left(stream))
            }
            TomcatAddress::Socket(path) => loop {
                match UnixStream::connect(path).await {
                    // A full accept queue, which with TCP the kernel waits for (connect(2), EAGAIN). The image's has room for 10.
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                        tokio::time::sleep(PAUSE).await;
                    }
                    connected => return connected.map(Either::Right),
                }
            },
        }
    };
    tokio::time::timeout(PATIENCE, connecting).await.map_err(io::Error::from)?
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::net::UnixListener};

    use socket2::{Domain, SockAddr, Socket, Type};

    use super::*;
    use crate::random;

    #[tokio::test]
    async fn a_full_accept_queue_is_waited_for() {
        let path = std::env::temp_dir().join(format!("restward-{}.sock", random::hex_128().unwrap()));
        let socket = Socket::new(Domain::UNIX, Type::STREAM, None).unwrap();
        socket.bind(&SockAddr::unix(&path).unwrap()).unwrap();
        socket.listen(1).unwrap();
        let listener = UnixListener::from(std::os::fd::OwnedFd::from(socket));
        let address = TomcatAddress::Socket(path.clone());
        let mut waiting = Vec::new();
        while let Ok(stream) = UnixStream::connect(&path).await {
            waiting.push(stream);
        }
        assert!(!waiting.is_empty());
        let late = tokio::spawn(async move { connect(&address).await });
        tokio::time::sleep(4 * PAUSE).await;
        assert!(!late.is_finished());
        listener.accept().unwrap();
        assert!(late.await.unwrap().is_ok());
        fs::remove_file(path).unwrap();
    }

    #[tokio::test]
    async fn that_nobody_listens_is_known_at_once() {
        let path = std::env::temp_dir().join(format!("restward-{}.sock", random::hex_128().unwrap()));
        let missing = connect(&TomcatAddress::Socket(path.clone())).await.err().map(|error| error.kind());
        assert_eq!(missing, Some(io::ErrorKind::NotFound));
        drop(UnixListener::bind(&path).unwrap());
        let left = connect(&TomcatAddress::Socket(path.clone())).await.err().map(|error| error.kind());
        assert_eq!(left, Some(io::ErrorKind::ConnectionRefused));
        fs::remove_file(path).unwrap();
    }
}
