//! A body without its trailers, and with a time limit for each of its frames.

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};
use tokio::time::{Sleep, sleep};

use super::BodyError;

/// Why a body did not arrive whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Broken {
    /// Nothing came for too long.
    #[error("the body stopped")]
    Stopped,
    /// Its chunks cannot be read, or it is shorter than its head says.
    #[error("the body is damaged")]
    Damaged,
}

/// See [`limited`].
pub struct Limited<B> {
    body: B,
    limit: Option<Duration>,
    /// Since the next frame was asked for. Who asks late, because others do not take what is there, has waited for nobody.
    waiting: Option<Pin<Box<Sleep>>>,
}

/// `body` with a limit for the time in which a frame must come once it is asked for.
pub fn limited<B>(body: B, limit: Option<Duration>) -> Limited<B> {
    Limited { body, limit, waiting: None }
}

impl<B: Body<Data = Bytes, Error = hyper::Error> + Unpin> Body for Limited<B> {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let Poll::Ready(next) = Pin::new(&mut self.body).poll_frame(cx) else {
            let Some(limit) = self.limit else { return Poll::Pending };
            ready!(self.waiting.get_or_insert_with(|| Box::pin(sleep(limit))).as_mut().poll(cx));
            return Poll::Ready(Some(Err(Broken::Stopped.into())));
        };
        self.waiting = None;
        Poll::Ready(match next {
            Some(Ok(frame)) if frame.is_data() => Some(Ok(frame)),
            Some(Err(_)) => Some(Err(Broken::Damaged.into())),
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
    use hyper::body::Incoming;
    use hyper_util::rt::TokioIo;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    /// The body of an answer that arrives as these bytes, and then nothing more, without an end.
    async fn arriving(bytes: &'static [u8]) -> Incoming {
        arriving_slowly(vec![bytes], Duration::ZERO).await
    }

    /// The same with a pause behind each part.
    async fn arriving_slowly(parts: Vec<&'static [u8]>, pause: Duration) -> Incoming {
        let (ours, mut theirs) = tokio::io::duplex(4096);
        let (mut sender, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(ours)).await.unwrap();
        tokio::spawn(connection);
        tokio::spawn(async move {
            let _ = theirs.read(&mut [0; 1024]).await;
            for part in parts {
                theirs.write_all(part).await.unwrap();
                sleep(pause).await;
            }
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
        assert_eq!(error.downcast_ref(), Some(&Broken::Stopped));
    }

    #[tokio::test(start_paused = true)]
    async fn slow_and_steady_arrives() {
        let limit = Duration::from_mins(1);
        let head: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n";
        let slow = arriving_slowly(vec![head, b"ab", b"cd", b"ef"], limit * 2 / 3).await;
        assert_eq!(limited(slow, Some(limit)).collect().await.unwrap().to_bytes(), "abcdef");
    }

    #[tokio::test(start_paused = true)]
    async fn who_asks_late_has_waited_for_nobody() {
        let limit = Duration::from_mins(1);
        let stops = arriving(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc").await;
        let mut body = limited(stops, Some(limit));
        assert_eq!(body.frame().await.unwrap().unwrap().into_data().unwrap(), "abc");
        sleep(limit * 2).await;
        assert!(tokio::time::timeout(limit / 2, body.frame()).await.is_err(), "given up too early");
        let error = body.frame().await.unwrap().unwrap_err();
        assert_eq!(error.downcast_ref(), Some(&Broken::Stopped));
    }
}
