//! The way to Confluence: HTTP/1.1 inside the pod, bodies streamed both ways.
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
use futures::{future, stream};
use http::{Request, Response, Version};
use http_body_util::{BodyExt as _, Full, StreamBody, combinators::UnsyncBoxBody};
use hyper::body::Body as HttpBody;
use restward_crds::{
    reason::Reason,
    sidecar::{pod::TomcatAddress, settings::UpstreamSettings},
};

use crate::pool::{self, Pool};
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

/// The body of Confluence's answer.
pub type Answer = pool::Answer<Body>;

/// What is left of a body that did not arrive for this reason. Whatever it is sent to never takes it for whole.
pub fn broken_off(reason: Reason) -> Body {
    let broken = if reason == Reason::RequestTimeout { Broken::Stopped } else { Broken::Damaged };
    StreamBody::new(stream::once(future::ready(Err(broken.into())))).boxed_unsync()
}

/// A body that arrives. Trailers are dropped: they could name what the head may not (RFC 9110 section 6.5.1).
pub fn streamed(
    body: impl HttpBody<Data = Bytes, Error = hyper::Error> + Send + Unpin + 'static,
    idle: Option<Duration>,
) -> Body {
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

/// Confluence behind the sidecar. Clones share the connections.
#[derive(Clone)]
pub struct Upstream(Pool<Body>);

impl Upstream {
    /// Confluence at this address.
    pub fn new(address: impl Into<TomcatAddress>) -> Self {
        Self(Pool::new(address))
    }

    /// Sends a request whose target is in origin form, and waits for the answer's head.
    ///
    /// # Errors
    /// There is no answer, or none in time.
    pub async fn send(&self, mut request: Request<Body>, limits: Limits) -> Result<Response<Answer>, Reason> {
        // Tomcat answers what is smuggled behind HTTP/1.0 with Transfer-Encoding (CVE-2026-77756).
        *request.version_mut() = Version::HTTP_11;
        let answer = self.0.send(request);
        let answer = match limits.request {
            Some(limit) => tokio::time::timeout(limit, answer).await.map_err(|_| Reason::UpstreamTimeout)?,
            None => answer.await,
        };
        // The connection of a body that broke is closed: Confluence never takes what came of it for the whole.
        answer.map_err(|error| {
            broken(&error).unwrap_or_else(|| {
                // What the client sent is not in the error.
                tracing::debug!(error = %error, "no answer from upstream");
                Reason::UpstreamUnreachable
            })
        })
    }
}
