//! A body that keeps something until it was taken or given up.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use http_body_util::BodyExt as _;
use hyper::body::{Body as HttpBody, Frame, SizeHint};

use super::{Body, BodyError};

struct Held<T> {
    body: Body,
    _kept: T,
}

/// `body`, with which `kept` is dropped.
pub fn held<T: Send + Unpin + 'static>(body: Body, kept: T) -> Body {
    Held { body, _kept: kept }.boxed_unsync()
}

impl<T: Unpin> HttpBody for Held<T> {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
