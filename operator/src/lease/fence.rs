//! No write after the lease may have ended. A leader that was stopped for a while (a paused node, a starved process) wakes
//! in the middle of what it did, while another replica leads already: election alone does not hold its next request back.

use std::{
    sync::Arc,
    task::{Context, Poll},
    time::{Duration, Instant, SystemTime},
};

use futures::{
    TryFutureExt as _,
    future::{Either, MapErr, Ready, ready},
};
use http::{Method, Request};
use k8s_openapi::api::coordination::v1::Lease;
use tokio::sync::watch;
use tower::{Layer, Service};

pub(super) type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// A write leaves so long before the end of the lease, and so has arrived by then.
const MARGIN: Duration = Duration::from_secs(2);

/// A write was held back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("nothing was written: this replica's lease may have ended, and another may lead")]
pub struct Closed;

/// Until when this replica leads, by two clocks: one that nobody sets, and one that goes on while the machine sleeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Until {
    monotonic: Instant,
    wall: SystemTime,
}

/// Lets writes of a client through as long as this replica leads; reads always.
#[derive(Debug, Clone, Default)]
pub struct Fence(Arc<watch::Sender<Option<Until>>>);

impl Fence {
    /// Writes pass until then; `None`: not at all.
    pub(super) fn open_until(&self, until: Option<Until>) {
        self.0.send_replace(until);
    }

    /// Ends when writes pass for the first time.
    pub async fn opened(&self) {
        // An error means that the sender is gone, which `self` holds.
        let _ = self.0.subscribe().wait_for(Option::is_some).await;
    }

    /// For writes that go elsewhere than to the API server.
    ///
    /// # Errors
    /// This replica may lead no more.
    pub fn pass(&self) -> Result<(), Closed> {
        if self.is_open(Instant::now(), SystemTime::now()) { Ok(()) } else { Err(Closed) }
    }

    /// Whether writes pass.
    pub(super) fn is_open(&self, now: Instant, clock: SystemTime) -> bool {
        self.0.borrow().is_some_and(|until| now < until.monotonic && clock < until.wall)
    }
}

/// Until when the lease is `identity`'s, as it stands; `None` when it is not.
pub(super) fn held_until(
    lease: Option<&Lease>,
    identity: &str,
    now: Instant,
    clock: SystemTime,
) -> Option<Until> {
    let spec = lease?.spec.as_ref()?;
    if spec.holder_identity.as_deref() != Some(identity) {
        return None;
    }
    let duration = Duration::from_secs(u64::try_from(spec.lease_duration_seconds?).ok()?);
    let renewed = SystemTime::from(spec.renew_time.as_ref()?.0);
    // A clock that was set back since gives no more than a whole lease.
    let age = clock.duration_since(renewed).unwrap_or_default();
    let left = duration.checked_sub(age)?.checked_sub(MARGIN)?;
    Some(Until { monotonic: now + left, wall: clock + left })
}

impl<S> Layer<S> for Fence {
    type Service = Fenced<S>;

    fn layer(&self, inner: S) -> Fenced<S> {
        Fenced { fence: self.clone(), inner }
    }
}

/// A client's service behind a [`Fence`].
#[derive(Debug, Clone)]
pub struct Fenced<S> {
    fence: Fence,
    inner: S,
}

impl<S, B> Service<Request<B>> for Fenced<S>
where
    S: Service<Request<B>>,
    S::Error: Into<BoxError>,
{
    type Response = S::Response;
    type Error = BoxError;
    type Future = Either<MapErr<S::Future, fn(S::Error) -> BoxError>, Ready<Result<S::Response, BoxError>>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(context).map_err(Into::into)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let reads = matches!(*request.method(), Method::GET | Method::HEAD);
        match self.fence.pass() {
            Err(closed) if !reads => Either::Right(ready(Err(closed.into()))),
            _ => Either::Left(self.inner.call(request).map_err(Into::into as fn(S::Error) -> BoxError)),
        }
    }
}

#[cfg(test)]
mod tests {
    use k8s_openapi::{apimachinery::pkg::apis::meta::v1::MicroTime, jiff::Timestamp};

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn lease(holder: &str, renewed: SystemTime) -> Lease {
        let spec = k8s_openapi::api::coordination::v1::LeaseSpec {
            holder_identity: Some(holder.into()),
            lease_duration_seconds: Some(20),
            renew_time: Some(MicroTime(Timestamp::try_from(renewed).unwrap())),
            ..Default::default()
        };
        Lease { spec: Some(spec), ..Lease::default() }
    }

    #[test]
    fn writes_pass_from_the_renewal_until_shortly_before_the_end_by_either_clock() {
        let (now, clock) = (Instant::now(), SystemTime::now());
        let fence = Fence::default();
        assert!(!fence.is_open(now, clock), "closed until the lease was seen");
        fence.open_until(held_until(Some(&lease("a", clock - 5 * SECOND)), "a", now, clock));
        for (monotonic, wall, expected) in
            [(0, 0, true), (12, 12, true), (13, 13, false), (0, 60, false), (60, 0, false)]
        {
            let is_open = fence.is_open(now + monotonic * SECOND, clock + wall * SECOND);
            assert_eq!(is_open, expected, "{monotonic} s on, by the wall clock {wall} s");
        }
        fence.open_until(None);
        assert!(!fence.is_open(now, clock));
    }

    #[test]
    fn a_lease_that_is_anothers_or_has_ended_or_is_incomplete_opens_nothing() {
        let (now, clock) = (Instant::now(), SystemTime::now());
        let mine = lease("a", clock);
        assert!(held_until(Some(&mine), "a", now, clock).is_some());
        let mut endless = mine.clone();
        endless.spec.as_mut().unwrap().lease_duration_seconds = None;
        for (what, lease) in [
            ("none", None),
            ("another's", Some(lease("b", clock))),
            ("ended", Some(lease("a", clock - 30 * SECOND))),
            ("about to end", Some(lease("a", clock - 19 * SECOND))),
            ("without a duration", Some(endless)),
            ("empty", Some(Lease::default())),
        ] {
            assert_eq!(held_until(lease.as_ref(), "a", now, clock), None, "{what}");
        }
        let ahead = held_until(Some(&lease("a", clock + 3600 * SECOND)), "a", now, clock).unwrap();
        assert_eq!(ahead.monotonic, now + 18 * SECOND, "the clock was set back");
    }

    #[tokio::test]
    async fn only_reads_pass_a_closed_fence() {
        struct Answers;
        impl Service<Request<()>> for Answers {
            type Response = ();
            type Error = BoxError;
            type Future = Ready<Result<(), BoxError>>;
            fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
                Poll::Ready(Ok(()))
            }
            fn call(&mut self, _: Request<()>) -> Self::Future {
                ready(Ok(()))
            }
        }
        let fence = Fence::default();
        let mut client = fence.layer(Answers);
        let all = [Method::GET, Method::HEAD, Method::POST, Method::PUT, Method::PATCH, Method::DELETE];
        for is_open in [false, true] {
            let far =
                Until { monotonic: Instant::now() + 600 * SECOND, wall: SystemTime::now() + 600 * SECOND };
            fence.open_until(is_open.then_some(far));
            for method in &all {
                let request = Request::builder().method(method).body(()).unwrap();
                let passes = client.call(request).await.map_err(|error| error.is::<Closed>());
                let reads = [Method::GET, Method::HEAD].contains(method);
                assert_eq!(passes, if is_open || reads { Ok(()) } else { Err(true) }, "{method} {is_open}");
            }
        }
    }
}
