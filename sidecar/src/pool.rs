//! Connections to Confluence inside the pod, kept for the next request.
//!
//! A connection takes one request at a time, as HTTP/1.1 without pipelining does. It is kept when its answer has been read
//! to the end, and closed in every other case: nobody gets the rest of an answer that was meant for somebody else.

use std::{
    collections::VecDeque,
    io,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use hyper::{
    body::{Body, Frame, Incoming, SizeHint},
    client::conn::http1::{self, SendRequest},
};
use hyper_util::rt::TokioIo;
use restward_crds::sidecar::pod::TomcatAddress;
use tokio::time::Instant;

use crate::tomcat;

/// Why there is no answer. Says nothing of what was sent.
#[derive(Debug, thiserror::Error)]
pub enum PoolError {
    /// Nobody listens, or nobody takes the connection in time.
    #[error("no connection")]
    Connect(#[from] io::Error),
    /// The connection broke, or what came over it is no HTTP.
    #[error("the connection broke")]
    Broken(#[from] hyper::Error),
}

/// Connections to the one address. Clones share them.
pub struct Pool<B> {
    address: Arc<TomcatAddress>,
    idle: Arc<Idle<B>>,
}

impl<B> Clone for Pool<B> {
    fn clone(&self) -> Self {
        Self { address: Arc::clone(&self.address), idle: Arc::clone(&self.idle) }
    }
}

impl<B> Pool<B>
where
    B: Body<Data: Send, Error: Into<Box<dyn std::error::Error + Send + Sync>>> + Send + Unpin + 'static,
{
    /// Connections to this address, none of them made yet.
    pub fn new(address: impl Into<TomcatAddress>) -> Self {
        Self { address: Arc::new(address.into()), idle: Arc::default() }
    }

    /// The address.
    pub fn address(&self) -> &TomcatAddress {
        &self.address
    }

    /// Sends a request whose target is in origin form, as it is, and waits for the answer's head.
    ///
    /// A request is written again only when not one byte of it was written before: whatever may have been seen by
    /// Confluence is never repeated.
    ///
    /// # Errors
    /// There is no answer.
    pub async fn send(&self, mut request: Request<B>) -> Result<Response<Answer<B>>, PoolError> {
        while let Some(mut sender) = self.idle.take() {
            match sender.try_send_request(request).await {
                Ok(answer) => return Ok(self.lent(answer, sender)),
                Err(mut error) => match error.take_message() {
                    Some(unsent) => request = unsent,
                    None => return Err(error.into_error().into()),
                },
            }
        }
        let mut sender = self.connect().await?;
        let answer = sender.send_request(request).await?;
        Ok(self.lent(answer, sender))
    }

    async fn connect(&self) -> Result<SendRequest<B>, PoolError> {
        let stream = tomcat::connect(&self.address).await?;
        let (sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        // How it ends is told to whoever has the sender.
        tokio::spawn(connection.with_upgrades());
        Ok(sender)
    }

    fn lent(&self, answer: Response<Incoming>, sender: SendRequest<B>) -> Response<Answer<B>> {
        // After a 101 the connection is no longer HTTP.
        let is_http = answer.status() != StatusCode::SWITCHING_PROTOCOLS;
        let lease = is_http.then(|| Lease { sender, home: Arc::clone(&self.idle) });
        answer.map(|body| {
            let mut answer = Answer { body, lease };
            answer.return_at_end();
            answer
        })
    }
}

/// What nobody uses, the one that was used last at the back.
struct Idle<B>(Mutex<VecDeque<(Instant, SendRequest<B>)>>);

impl<B> Default for Idle<B> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<B> Idle<B> {
    /// Tomcat closes idle connections after 20 s (`connectionTimeout` of the image); closing first means that no request
    /// is written into a connection that is just being closed.
    const KEPT: Duration = Duration::from_secs(10);

    /// The connection that was used last: the fewer are in use, the sooner the others end.
    fn take(&self) -> Option<SendRequest<B>> {
        let mut idle = self.lock();
        while idle.pop_front_if(|(since, _)| since.elapsed() > Self::KEPT).is_some() {}
        if let Some((_, sender)) = idle.pop_back_if(|(_, sender)| sender.is_ready()) {
            return Some(sender);
        }
        // An answer can be read to its end before the request's body is written to its.
        idle.retain(|(_, sender)| !sender.is_closed());
        let newest = idle.iter().rposition(|(_, sender)| sender.is_ready())?;
        idle.remove(newest).map(|(_, sender)| sender)
    }

    fn put(&self, sender: SendRequest<B>) {
        self.lock().push_back((Instant::now(), sender));
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<(Instant, SendRequest<B>)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct Lease<B> {
    sender: SendRequest<B>,
    home: Arc<Idle<B>>,
}

/// The body of an answer, with the connection on which it comes.
pub struct Answer<B> {
    body: Incoming,
    lease: Option<Lease<B>>,
}

impl<B> Answer<B> {
    fn return_at_end(&mut self) {
        if self.body.is_end_stream() {
            self.give_back();
        }
    }

    fn give_back(&mut self) {
        if let Some(Lease { sender, home }) = self.lease.take() {
            home.put(sender);
        }
    }
}

impl<B> Body for Answer<B> {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let next = ready!(Pin::new(&mut self.body).poll_frame(cx));
        match &next {
            // Trailers are the last thing that comes.
            None => self.give_back(),
            Some(Ok(frame)) if frame.is_trailers() => self.give_back(),
            Some(Ok(_)) => self.return_at_end(),
            Some(Err(_)) => self.lease = None,
        }
        Poll::Ready(next)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests;
