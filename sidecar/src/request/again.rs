//! A call as a user that can be signed once more. While the consumer's key is being replaced, the application link in
//! Confluence holds one key or the other, and changes when its administrator says so. What Confluence refuses for its
//! signature it has not carried out, so it may be sent again with the other key, if all of it is still there. What is too
//! large to be kept is asked about beforehand.

use std::time::Instant;

use bytes::Bytes;
use http::{Method, Request, Response};
use hyper::body::Body as _;
use restward_crds::{reason::Reason, text::Username};

use super::{Gate, exchange::Exchange};
use crate::{
    config::Active,
    forward::{self, Answer, Body, Limits, form::Reader},
    identity::{Identity, Key, Origin, Outgoing},
    refusal::Deny,
    server::departed::Departure,
    time::UnixTime,
    trace::Trace,
};

/// Largest body that is kept, in bytes: pages and comments, not attachments.
const KEPT: u64 = 64 * 1024;

/// A call as a user, before it is signed.
#[derive(Clone)]
pub(super) struct Unsigned {
    pub(super) request: Outgoing,
    pub(super) origin: Origin,
    pub(super) user: Username,
}

impl Unsigned {
    /// The request that goes to Confluence. A form is part of what is signed; any other body goes beside it.
    pub(super) fn signed(self, identity: &Identity, key: Key, body: Body) -> Result<Request<Body>, Deny> {
        let Self { mut request, origin, user } = self;
        identity.assert_with(key, &origin, &user, UnixTime::now(), &mut request)?;
        let target = match &request.query {
            Some(query) => format!("{}?{query}", request.path),
            None => request.path,
        };
        let mut signed = Request::new(request.form.map_or(body, forward::full));
        *signed.method_mut() = request.method;
        *signed.uri_mut() = target.parse().map_err(|_| Reason::AmbiguousTarget)?;
        *signed.headers_mut() = request.headers;
        Ok(signed)
    }
}

/// What it takes to send a call once more.
pub(super) struct Again {
    pub(super) unsigned: Unsigned,
    /// The body, unless it is a form.
    pub(super) body: Bytes,
    /// What it was signed with.
    pub(super) key: Key,
}

/// How a request is sent, once or twice.
pub(super) struct Sending<'a> {
    pub(super) method: &'a Method,
    pub(super) limits: Limits,
    pub(super) trace: &'a Trace,
    pub(super) departure: &'a Departure,
}

impl Exchange {
    /// Keeps the body for a second time, or asks Confluence which key it takes.
    pub(super) async fn be_repeatable(&mut self, active: &Active, reader: &Reader) -> Result<(), Reason> {
        if !active.calibration().has_two_keys() || self.is_whole() {
            return Ok(());
        }
        if self.body.size_hint().upper().is_some_and(|size| size <= KEPT) {
            self.kept = Some(self.read(reader).await?);
        } else {
            active.calibration().settle_key().await;
        }
        Ok(())
    }

    /// Whether nothing of the body is still to come.
    pub(super) fn is_whole(&self) -> bool {
        self.form.is_some() || self.kept.is_some() || self.body.is_end_stream()
    }
}

impl Gate {
    /// Sends a request to Confluence, and once more with the other key when it is refused for its signature.
    pub(super) async fn send(
        &self,
        active: &Active,
        request: Request<Body>,
        again: Option<Again>,
        sending: &Sending<'_>,
    ) -> Result<Response<Answer>, Reason> {
        let answer = self.send_once(request, sending).await?;
        let Some(Again { unsigned, body, key }) = again else { return Ok(answer) };
        let Some(other) = active.calibration().key_instead(key, answer.headers()) else { return Ok(answer) };
        drop(answer);
        let request = unsigned.signed(active.identity(), other, forward::full(body));
        let answer = self.send_once(request.map_err(|deny| deny.reason)?, sending).await?;
        active.calibration().judged(other, answer.headers());
        Ok(answer)
    }

    async fn send_once(
        &self,
        mut request: Request<Body>,
        Sending { method, limits, trace, departure }: &Sending<'_>,
    ) -> Result<Response<Answer>, Reason> {
        let call = trace.call(method, request.headers_mut());
        let started = Instant::now();
        let has_left = departure.for_longer_than(self.bounds.without_client(method));
        let sent = tokio::select! {
            sent = self.upstream.send(request, *limits) => sent,
            () = has_left => Err(Reason::ClientGone),
        };
        self.metrics.answered_in(started.elapsed());
        call.end(sent.as_ref().map(Response::status).map_err(|reason| *reason));
        sent
    }
}
