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

#[cfg(test)]
mod tests {
    use http_body_util::{BodyExt as _, Empty};
    use hyper_util::rt::TokioIo;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    /// The body of an answer that arrives as these bytes, and then nothing more, without an end.
    async fn arriving(bytes: &'static [u8]) -> Incoming {
        let (ours, mut theirs) = tokio::io::duplex(4096);
        let (mut sender, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(ours)).await.unwrap();
        tokio::spawn(connection);
        tokio::spawn(async move {
            let _ = theirs.read(&mut [0; 1024]).await;
            theirs.write_all(bytes).await.unwrap();
            std::future::pending::<()>().await;
        });
        let request = http::Request::get("/").header("host", "wiki").body(Empty::<Bytes>::new()).unwrap();
        sender.send_request(request).await.unwrap().into_body()
    }

    const WITH_TRAILERS: &[u8] =
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Forwarded-User\r\n\r\n\
        3\r\nabc\r\n0\r\nX-Forwarded-User: bob\r\n\r\n";

    #[tokio::test]
    async fn trailers_end_here() {
        let whole = arriving(WITH_TRAILERS).await.collect().await.unwrap();
        assert_eq!(whole.trailers().unwrap()["x-forwarded-user"], "bob", "they did arrive");
        let passed_on = limited(arriving(WITH_TRAILERS).await, None).collect().await.unwrap();
        assert_eq!(passed_on.trailers(), None);
        assert_eq!(passed_on.to_bytes(), "abc");
    }

    #[tokio::test]
    async fn a_body_that_stops_is_an_error() {
        let stops = arriving(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc").await;
        let error = limited(stops, Some(Duration::from_millis(50))).collect().await.unwrap_err();
        assert!(error.is::<IdleTooLong>(), "{error}");
    }
}
