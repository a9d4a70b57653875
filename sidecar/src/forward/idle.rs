//! A body without its trailers, and with a time limit between two of its frames.

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use tokio::time::{Instant, Sleep};

use super::BodyError;

/// Nothing came for too long.
#[derive(Debug, thiserror::Error)]
#[error("the body stopped")]
pub struct IdleTooLong;

/// See [`limited`].
pub struct Limited {
    body: Incoming,
    limit: Option<(Duration, Pin<Box<Sleep>>)>,
}

/// `body` with a limit between two frames.
pub fn limited(body: Incoming, limit: Option<Duration>) -> Limited {
    Limited { body, limit: limit.map(|limit| (limit, Box::pin(tokio::time::sleep(limit)))) }
}

impl Body for Limited {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let Poll::Ready(next) = Pin::new(&mut self.body).poll_frame(cx) else {
            let Some((_, sleep)) = &mut self.limit else { return Poll::Pending };
            ready!(sleep.as_mut().poll(cx));
            return Poll::Ready(Some(Err(IdleTooLong.into())));
        };
        if let Some((limit, sleep)) = &mut self.limit {
            sleep.as_mut().reset(Instant::now() + *limit);
        }
        Poll::Ready(match next {
            Some(Ok(frame)) if frame.is_data() => Some(Ok(frame)),
            Some(Err(error)) => Some(Err(error.into())),
            Some(Ok(_)) | None => None,
        })
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
