//! Listens, limits and drains. HTTP/1.1 only, like Tomcat's own connector; an HTTP/2 preface closes the connection.
//!
//! - [`bounds`]: what clients may take up
//! - [`departed`]: a client that has gone before it was answered
//! - [`patience`]: a client that takes nothing of its answer

pub mod bounds;
pub mod departed;
pub mod patience;

use std::{convert::Infallible, future::Future, io, net::SocketAddr, sync::Arc, time::Duration};

use http::{Request, Response};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use socket2::{SockRef, TcpKeepalive};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use restward_crds::reason::Reason;

use crate::forward::Body;

pub use bounds::Bounds;
use departed::{Departed, Departure};
use patience::Patient;

/// When `accept` fails for want of file descriptors it fails at once, again and again.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// After a minute of silence a client is asked whether it is still there, and given up after three silent answers: a
/// tunnel may be silent for as long as it likes, but not when there is nobody any more.
const ALIVE: TcpKeepalive = TcpKeepalive::new()
    .with_time(Duration::from_mins(1))
    .with_interval(Duration::from_secs(20))
    .with_retries(3);

/// A connection's share of the bound. Each of its requests carries it, so that a tunnel can keep it.
#[derive(Debug, Clone)]
pub struct Slot(#[expect(dead_code, reason = "held, not read")] Arc<OwnedSemaphorePermit>);

/// Binds the port on all addresses of both families, or of IPv4 alone where there is no IPv6.
///
/// # Errors
/// The port is taken.
pub async fn bind(port: u16) -> io::Result<TcpListener> {
    match TcpListener::bind(("::", port)).await {
        Err(error) if error.kind() != io::ErrorKind::AddrInUse => TcpListener::bind(("0.0.0.0", port)).await,
        bound => bound,
    }
}

/// Serves until `shutdown`, then finishes what is in flight. Returns when the last connection, and the last request of a
/// client that has gone, has ended. `unread` learns of heads that never became a request.
pub async fn serve<S, F, U>(
    listener: TcpListener,
    bounds: Bounds,
    shutdown: CancellationToken,
    service: S,
    unread: U,
) where
    S: Fn(Request<Incoming>, SocketAddr) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = Response<Body>> + Send + 'static,
    U: Fn(Reason, SocketAddr) + Clone + Send + 'static,
{
    let slots = Arc::new(Semaphore::new(bounds.connections));
    let connections = TaskTracker::new();
    loop {
        // The slot first: whoever finds none waits in the kernel's queue. Nobody closes the semaphore.
        let next = async {
            match Arc::clone(&slots).acquire_owned().await {
                Ok(slot) => listener.accept().await.map(|accepted| (Slot(Arc::new(slot)), accepted)),
                Err(closed) => Err(io::Error::other(closed)),
            }
        };
        let accepted = tokio::select! {
            () = shutdown.cancelled() => break,
            accepted = next => accepted,
        };
        match accepted {
            Ok((slot, (stream, peer))) => {
                let (service, shutdown, unread) = (service.clone(), shutdown.clone(), unread.clone());
                let tasks = connections.clone();
                let service = move |mut request: Request<Incoming>| {
                    let departure = Departure::default();
                    request.extensions_mut().insert(slot.clone());
                    request.extensions_mut().insert(departure.clone());
                    Departed::new(service(request, peer), tasks.clone(), departure)
                };
                connections.spawn(async move {
                    if let Err(error) = serve_connection(stream, bounds, shutdown, service).await {
                        tracing::debug!(error = %error, "connection ended early");
                        if let Some(reason) = unread_head(&error) {
                            unread(reason, peer);
                        }
                    }
                });
            }
            Err(error) => {
                tracing::warn!(error = %error, "a connection could not be accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    drop(listener);
    connections.close();
    connections.wait().await;
}

/// Why a head was not read, if that ended a connection. hyper has answered then by itself, with the status of this reason and
/// without a body; to an HTTP/2 preface not at all.
fn unread_head(error: &hyper::Error) -> Option<Reason> {
    match error {
        error if error.is_parse_too_large() => Some(Reason::HeadersTooLarge),
        error if error.is_parse() => Some(Reason::MalformedRequest),
        _ => None,
    }
}

async fn serve_connection<S, F>(
    stream: TcpStream,
    bounds: Bounds,
    shutdown: CancellationToken,
    service: S,
) -> hyper::Result<()>
where
    S: Fn(Request<Incoming>) -> F,
    F: Future<Output = Response<Body>>,
{
    let _ = stream.set_nodelay(true);
    let _ = SockRef::from(&stream).set_tcp_keepalive(&ALIVE);
    let stream = Patient::new(stream, bounds.idle_time);
    let service = service_fn(|request| {
        let answer = service(request);
        async move { Ok::<_, Infallible>(answer.await) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(bounds.head_time)
        .max_header_size(bounds.head_bytes)
        .max_headers(bounds.headers)
        .half_close(false)
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades();
    tokio::pin!(connection);
    tokio::select! {
        ended = connection.as_mut() => ended,
        () = shutdown.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    }
}
