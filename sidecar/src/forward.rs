//! The way to Confluence: HTTP/1.1 over loopback, bodies streamed both ways.
//!
//! - [`headers`]: what belongs to one connection only, and what the sidecar adds
//! - [`form`]: bodies that are parameters
//! - [`idle`]: the time limit between two bytes
//! - [`held`]: what lasts as long as a body
//! - [`tunnel`]: connections that become something else
//! - [`clean`]: what of an answer the client may see

pub mod clean;
pub mod form;
pub mod headers;
pub mod held;
pub mod idle;
pub mod tunnel;

use std::{error::Error, iter, time::Duration};

use bytes::Bytes;
use http::{Request, Response, Version};
use http_body_util::{BodyExt as _, Full, combinators::UnsyncBoxBody};
use hyper::body::Incoming;
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::{TokioExecutor, TokioTimer},
};
use restward_crds::{reason::Reason, sidecar::settings::UpstreamSettings};

use idle::Broken;

/// Why a body ended early.
pub type BodyError = Box<dyn std::error::Error + Send + Sync>;
/// Any body.
pub type Body = UnsyncBoxBody<Bytes, BodyError>;

/// A body that is there already.
pub fn full(content: impl Into<Bytes>) -> Body {
    Full::new(content.into()).map_err(|never| match never {}).boxed_unsync()
}

/// The reason for which a client's body did not arrive, when that is behind `error`.
pub fn broken(error: &(dyn Error + 'static)) -> Option<Reason> {
    let broken = iter::successors(Some(error), |&error| error.source()).find_map(<dyn Error>::downcast_ref);
    broken.map(|broken| match broken {
        Broken::Stopped => Reason::RequestTimeout,
        Broken::Damaged => Reason::MalformedRequest,
    })
}

/// A body that arrives. Trailers are dropped: they could name what the head may not (RFC 9110 section 6.5.1).
pub fn streamed(body: Incoming, idle: Option<Duration>) -> Body {
    idle::limited(body, idle).boxed_unsync()
}

/// Time limits towards Confluence.
#[derive(Debug, Clone, Copy, Default)]
pub struct Limits {
    /// From the request to the answer's head.
    pub request: Option<Duration>,
    /// Between two bytes of a body.
    pub idle: Option<Duration>,
}

impl From<&UpstreamSettings> for Limits {
    fn from(settings: &UpstreamSettings) -> Self {
        Self { request: settings.request_timeout, idle: settings.idle_timeout }
    }
}

/// Confluence on loopback. Clones share the connections.
#[derive(Clone)]
pub struct Upstream {
    http: Client<HttpConnector, Body>,
    port: u16,
}

impl Upstream {
    /// Tomcat closes idle connections after 20 s (`connectionTimeout` of the image); closing first means that no request
    /// is written into a connection that is just being closed.
    const POOL_IDLE: Duration = Duration::from_secs(10);
    /// Nobody is far away on loopback; a full accept queue is an overloaded Tomcat.
    const CONNECT: Duration = Duration::from_secs(5);

    /// Confluence at this port.
    pub fn new(port: u16) -> Self {
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        connector.set_connect_timeout(Some(Self::CONNECT));
        // A request is written again only when not one byte of it was written before: whatever may have been seen by
        // Confluence is never repeated.
        let http = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(Self::POOL_IDLE)
            .set_host(false)
            .build(connector);
        Self { http, port }
    }

    /// Sends a request whose target is in origin form, and waits for the answer's head.
    ///
    /// # Errors
    /// There is no answer, or none in time.
    pub async fn send(
        &self,
        mut request: Request<Body>,
        limits: Limits,
    ) -> Result<Response<Incoming>, Reason> {
        let target = request.uri().path_and_query().map_or("/", |target| target.as_str());
        let uri = format!("http://127.0.0.1:{}{target}", self.port);
        *request.uri_mut() = uri.parse().map_err(|_| Reason::AmbiguousTarget)?;
        // Tomcat answers what is smuggled behind HTTP/1.0 with Transfer-Encoding (CVE-2026-77756).
        *request.version_mut() = Version::HTTP_11;
        let answer = self.http.request(request);
        let answer = match limits.request {
            Some(limit) => tokio::time::timeout(limit, answer).await.map_err(|_| Reason::UpstreamTimeout)?,
            None => answer.await,
        };
        // The connection of a body that broke is closed: Confluence never takes what came of it for the whole.
        answer.map_err(|error| {
            broken(&error).unwrap_or_else(|| {
                // The error names the address at most; what the client sent is not in it.
                tracing::debug!(error = %error, "no answer from upstream");
                Reason::UpstreamUnreachable
            })
        })
    }
}
