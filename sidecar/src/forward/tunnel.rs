//! WebSockets (Synchrony): after Confluence's 101 the connection carries bytes that the sidecar does not read.

use std::{io, time::Duration};

use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, header};
use hyper::{body::Incoming, upgrade::OnUpgrade};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _};

use crate::server::Slot;

/// How long a tunnel lasts when one side has ended, for what the other still has to say.
const LAST_WORDS: Duration = Duration::from_mins(1);

/// A client's wish to upgrade, taken off the request.
pub struct Wish {
    client: OnUpgrade,
    /// The connection counts for as long as the tunnel lasts.
    slot: Option<Slot>,
}

/// Takes the wish, if it is a WebSocket handshake; any other upgrade (h2c) is no business of this hop.
pub fn wish(request: &mut Request<Incoming>) -> Option<Wish> {
    let asks = request.method() == Method::GET
        && lists(request.headers(), &header::CONNECTION, "upgrade")
        && request
            .headers()
            .get(header::UPGRADE)
            .is_some_and(|to| to.as_bytes().eq_ignore_ascii_case(b"websocket"));
    let slot = request.extensions().get().cloned();
    asks.then(|| Wish { client: hyper::upgrade::on(request), slot })
}

/// Writes the wish onto a request without hop-by-hop headers.
pub fn ask(headers: &mut HeaderMap) {
    headers.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
    headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
}

impl Wish {
    /// Joins both sides once the answer, which must be a 101, has been written to the client. Nothing is relayed
    /// before (CVE-2026-2833).
    pub fn fulfil<B>(self, answer: &mut Response<B>) {
        debug_assert_eq!(answer.status(), StatusCode::SWITCHING_PROTOCOLS);
        let upstream = hyper::upgrade::on(answer);
        tokio::spawn(async move {
            let _held = self.slot;
            if let Ok((client, upstream)) = tokio::try_join!(self.client, upstream) {
                relay(TokioIo::new(client), TokioIo::new(upstream)).await;
            }
        });
    }
}

/// Carries bytes both ways until both sides have ended, or one has and the other is still there after [`LAST_WORDS`]: a
/// client that has gone must not hold a connection for as long as Confluence keeps the other side open. Either side may
/// end it at any time; there is nobody left to tell.
async fn relay(client: impl AsyncRead + AsyncWrite, upstream: impl AsyncRead + AsyncWrite) {
    let (from_client, to_client) = tokio::io::split(client);
    let (from_upstream, to_upstream) = tokio::io::split(upstream);
    let (up, down) = (carry(from_client, to_upstream), carry(from_upstream, to_client));
    tokio::pin!(up, down);
    // A side that broke has nobody behind it who could be answered.
    let _ = tokio::select! {
        ended = &mut up => last_words(ended, down).await,
        ended = &mut down => last_words(ended, up).await,
    };
}

async fn last_words(ended: io::Result<()>, other: impl Future<Output = io::Result<()>>) -> io::Result<()> {
    ended?;
    tokio::time::timeout(LAST_WORDS, other).await?
}

async fn carry(mut from: impl AsyncRead + Unpin, mut to: impl AsyncWrite + Unpin) -> io::Result<()> {
    tokio::io::copy(&mut from, &mut to).await?;
    to.shutdown().await
}

fn lists(headers: &HeaderMap, name: &header::HeaderName, wanted: &str) -> bool {
    headers
        .get_all(name)
        .iter()
        .flat_map(|value| value.as_bytes().split(|byte| *byte == b','))
        .any(|entry| entry.trim_ascii().eq_ignore_ascii_case(wanted.as_bytes()))
}

#[cfg(test)]
mod tests {
    use tokio::{
        io::{AsyncReadExt as _, duplex},
        time::Instant,
    };

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn who_has_ended_is_answered_for_a_while_and_silence_alone_ends_nothing() {
        let ((mut client, ours), (mut wiki, theirs)) = (duplex(64), duplex(64));
        let tunnel = tokio::spawn(relay(ours, theirs));
        tokio::time::sleep(LAST_WORDS * 10).await;
        client.write_all(b"bye").await.unwrap();
        client.shutdown().await.unwrap();
        let mut heard = String::new();
        wiki.read_to_string(&mut heard).await.unwrap();
        assert_eq!(heard, "bye");
        let ended = Instant::now();
        tokio::time::sleep(LAST_WORDS / 2).await;
        wiki.write_all(b"ok").await.unwrap();
        let mut answer = [0; 2];
        client.read_exact(&mut answer).await.unwrap();
        assert_eq!(&answer, b"ok");
        // Confluence keeps its side open for ever.
        tunnel.await.unwrap();
        assert_eq!(ended.elapsed().as_secs(), LAST_WORDS.as_secs());
        assert_eq!(wiki.write_all(b"x").await.unwrap_err().kind(), io::ErrorKind::BrokenPipe);
    }

    #[tokio::test(start_paused = true)]
    async fn when_both_have_ended_so_has_the_tunnel() {
        let ((client, ours), (wiki, theirs)) = (duplex(64), duplex(64));
        let began = Instant::now();
        drop((client, wiki));
        relay(ours, theirs).await;
        assert_eq!(began.elapsed(), Duration::ZERO);
    }
}
