//! WebSockets (Synchrony): after Confluence's 101 the connection carries bytes that the sidecar does not read.

use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, header};
use hyper::{body::Incoming, upgrade::OnUpgrade};
use hyper_util::rt::TokioIo;

use crate::server::Slot;

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
    pub fn fulfil(self, answer: &mut Response<Incoming>) {
        debug_assert_eq!(answer.status(), StatusCode::SWITCHING_PROTOCOLS);
        let upstream = hyper::upgrade::on(answer);
        tokio::spawn(async move {
            let _held = self.slot;
            if let Ok((client, upstream)) = tokio::try_join!(self.client, upstream) {
                let (mut client, mut upstream) = (TokioIo::new(client), TokioIo::new(upstream));
                // Either side may end it at any time; there is nobody left to tell.
                let _ = tokio::io::copy_bidirectional(&mut client, &mut upstream).await;
            }
        });
    }
}

fn lists(headers: &HeaderMap, name: &header::HeaderName, wanted: &str) -> bool {
    headers
        .get_all(name)
        .iter()
        .flat_map(|value| value.as_bytes().split(|byte| *byte == b','))
        .any(|entry| entry.trim_ascii().eq_ignore_ascii_case(wanted.as_bytes()))
}
