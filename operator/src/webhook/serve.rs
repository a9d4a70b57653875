//! The webhook's HTTP server over TLS. Any pod can call it, so everything is bounded and nothing panics.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use axum::{
    Json, Router,
    extract::{DefaultBodyLimit, Path, Request, State},
    http::{HeaderValue, StatusCode, header},
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::post,
};
use hyper::server::conn::http1;
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    server::graceful::{GracefulShutdown, Watcher},
    service::TowerToHyperService,
};
use rustls::server::ResolvesServerCert;
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore},
};
use tokio_rustls::TlsAcceptor;

use super::{
    metrics::Metrics,
    mutate::Mutator,
    review::{Answer, Review, Verdict},
    witness::{Stand, Witness},
};
use crate::{args::Sidecar, policy_source::PolicySource};

/// A review holds the object twice at most, and the API server takes objects of 1.5 MiB at most.
const MAX_BODY: usize = 3 << 20;
/// Connections at a time.
const MAX_CONNECTIONS: usize = 256;
/// With more, each is closed with its next answer, which no request can meet half-way. An API server with many webhook objects
/// does not come back to its connections and leaves them open for 90 s (measured on 1.34.4: about 140 after 120 calls for 20
/// policies), until there would be no place for the next call.
const KEPT: usize = MAX_CONNECTIONS / 4;
/// For the TLS handshake.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// From one request to the headers of the next. The API server keeps idle connections for 90 s; it is left to it to
/// close them, as a request on a connection that is being closed would fail.
const IDLE: Duration = Duration::from_secs(100);
/// For one request, its body included: longer than the API server waits for an answer.
const REQUEST: Duration = Duration::from_secs(10);
/// How long a replica that was told to stop goes on to serve: until it is in no Service any more, and API servers have closed
/// the connections that they use.
const LEAVE: Duration = Duration::from_secs(5);
/// For requests that run when the server stops: longer than the API server waits for one.
const DRAIN: Duration = Duration::from_secs(6);
/// After a failed accept, such as for lack of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// For connections.
struct Room {
    /// Places that are not taken.
    places: Arc<Semaphore>,
    /// Whether this replica was told to stop.
    is_leaving: AtomicBool,
}

/// Serves until a moment after `shutdown`, then lets running requests end.
///
/// # Errors
/// TLS cannot be set up.
pub async fn serve(
    listener: TcpListener,
    certificate: Arc<dyn ResolvesServerCert>,
    source: Arc<dyn PolicySource>,
    sidecar: Sidecar,
    metrics: Metrics,
    witness: Option<Witness>,
    shutdown: impl Future<Output = ()>,
) -> anyhow::Result<()> {
    let tls = rustls::ServerConfig::builder().with_no_client_auth().with_cert_resolver(certificate);
    let acceptor = TlsAcceptor::from(Arc::new(tls));
    let stand = witness.map(|witness| Stand {
        witness,
        source: Arc::clone(&source),
        sidecar: sidecar.clone(),
        metrics: metrics.clone(),
    });
    let room = Arc::new(Room {
        places: Arc::new(Semaphore::new(MAX_CONNECTIONS)),
        is_leaving: AtomicBool::new(false),
    });
    let router = router(Mutator { source, sidecar, metrics }, stand)
        .layer(middleware::from_fn_with_state(Arc::clone(&room), ask_to_close));
    let connections = GracefulShutdown::new();
    let left = async {
        shutdown.await;
        room.is_leaving.store(true, Ordering::Relaxed);
        tokio::time::sleep(LEAVE).await;
    };
    tokio::select! {
        ended = accept_all(&listener, &acceptor, &router, &connections, &room.places) => return ended,
        () = left => {}
    }
    let _ = tokio::time::timeout(DRAIN, connections.shutdown()).await;
    Ok(())
}

/// Ends only with an error.
async fn accept_all(
    listener: &TcpListener,
    acceptor: &TlsAcceptor,
    router: &Router,
    connections: &GracefulShutdown,
    places: &Arc<Semaphore>,
) -> anyhow::Result<()> {
    loop {
        let (place, accepted) = accept(listener, places).await?;
        let stream = match accepted {
            Ok((stream, _)) => stream,
            Err(error) => {
                tracing::warn!(%error, "webhook connection not accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        let (acceptor, router, watcher) = (acceptor.clone(), router.clone(), connections.watcher());
        tokio::spawn(async move {
            if let Err(error) = connection(stream, acceptor, router, watcher).await {
                tracing::debug!(%error, "webhook connection ended");
            }
            drop(place);
        });
    }
}

/// An API server keeps its connections, whatever the Service says of this replica by now, and closes one when it is told to. If
/// this side closed it, a request that is on its way would fail: Go repeats none that may have been read.
async fn ask_to_close(State(room): State<Arc<Room>>, request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let is_crowded = room.places.available_permits() < MAX_CONNECTIONS - KEPT;
    if is_crowded || room.is_leaving.load(Ordering::Relaxed) {
        response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    response
}

/// A connection, once there is a place for it.
async fn accept(
    listener: &TcpListener,
    places: &Arc<Semaphore>,
) -> anyhow::Result<(OwnedSemaphorePermit, std::io::Result<(TcpStream, SocketAddr)>)> {
    let place = Arc::clone(places).acquire_owned().await?;
    Ok((place, listener.accept().await))
}

async fn connection(
    stream: TcpStream,
    acceptor: TlsAcceptor,
    router: Router,
    watcher: Watcher,
) -> anyhow::Result<()> {
    let stream = tokio::time::timeout(HANDSHAKE, acceptor.accept(stream)).await??;
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(IDLE)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(router));
    Ok(watcher.watch(connection).await?)
}

fn router(mutator: Mutator, stand: Option<Stand>) -> Router {
    let mutating =
        Router::new().route("/mutate/{namespace}/{uid}", post(mutate)).with_state(Arc::new(mutator));
    let all = match stand {
        Some(stand) => mutating.merge(
            Router::new().route("/witness/{secret_path}/{rule}", post(witness)).with_state(Arc::new(stand)),
        ),
        None => mutating,
    };
    all.layer(DefaultBodyLimit::max(MAX_BODY)).layer(middleware::from_fn(limit_time))
}

/// A client that sends its body by drops would hold its place for ever.
async fn limit_time(request: Request, next: Next) -> Response {
    let answer = tokio::time::timeout(REQUEST, next.run(request)).await;
    answer.unwrap_or_else(|_| StatusCode::REQUEST_TIMEOUT.into_response())
}

async fn mutate(
    State(mutator): State<Arc<Mutator>>,
    Path((namespace, uid)): Path<(String, String)>,
    body: axum::body::Bytes,
) -> Response {
    // serde_json refuses documents nested deeper than 128, so that garbage cannot exhaust the stack.
    let Ok(Review { request }) = serde_json::from_slice(&body) else {
        return (StatusCode::BAD_REQUEST, "not an AdmissionReview of admission.k8s.io/v1").into_response();
    };
    let verdict = mutator.answer(&namespace, &uid, &request).await;
    Json(Answer::new(&request.uid, &verdict)).into_response()
}

/// Allows everything. Without the secret path nothing is there.
async fn witness(
    State(stand): State<Arc<Stand>>,
    Path((secret_path, rule)): Path<(String, String)>,
    body: axum::body::Bytes,
) -> Response {
    let Some(rule) = stand.rule(&secret_path, &rule) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let Ok(Review { request }) = serde_json::from_slice(&body) else {
        return (StatusCode::BAD_REQUEST, "not an AdmissionReview of admission.k8s.io/v1").into_response();
    };
    stand.see(rule, &request).await;
    Json(Answer::new(&request.uid, &Verdict::Allow)).into_response()
}
