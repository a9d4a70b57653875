//! The sidecar's own calls to Confluence: inside the pod only, with a deadline and a bounded answer.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, StatusCode, uri::PathAndQuery};
use http_body_util::{BodyExt as _, Full, Limited};
use restward_crds::sidecar::pod::TomcatAddress;

use crate::{identity::Outgoing, pool::Pool};

/// Largest answer that is read, in bytes.
const MAX_ANSWER: usize = 256 * 1024;

/// Why there is no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum LoopbackError {
    /// The request cannot be written as one.
    #[error("the request is not valid")]
    Invalid,
    /// Nobody listens, or the connection broke.
    #[error("Confluence cannot be reached")]
    Unreachable,
    /// Not in time.
    #[error("Confluence did not answer in time")]
    Timeout,
    /// More than is read.
    #[error("Confluence's answer is too large")]
    TooLarge,
}

/// An answer, read whole.
#[derive(Debug, Clone)]
pub struct Answer {
    /// Status.
    pub status: StatusCode,
    /// Headers.
    pub headers: HeaderMap,
    /// Body.
    pub body: Bytes,
}

/// A client of the one address. Clones share its connections.
#[derive(Clone)]
pub struct Client(Pool<Full<Bytes>>);

impl Client {
    /// A client of this address.
    pub fn new(address: impl Into<TomcatAddress>) -> Self {
        Self(Pool::new(address))
    }

    /// `Host` of calls that have no other.
    pub fn host(&self) -> Option<HeaderValue> {
        HeaderValue::try_from(self.0.address().host()).ok()
    }

    /// Sends a request as it is and reads the answer.
    ///
    /// # Errors
    /// There is no whole answer within `deadline`.
    pub async fn send(&self, outgoing: Outgoing, deadline: Duration) -> Result<Answer, LoopbackError> {
        let request = request(outgoing).ok_or(LoopbackError::Invalid)?;
        tokio::time::timeout(deadline, self.exchange(request)).await.unwrap_or(Err(LoopbackError::Timeout))
    }

    async fn exchange(&self, request: Request<Full<Bytes>>) -> Result<Answer, LoopbackError> {
        let (head, body) = self.0.send(request).await.map_err(|_| LoopbackError::Unreachable)?.into_parts();
        let body = Limited::new(body, MAX_ANSWER).collect().await.map_err(|error| {
            if error.is::<http_body_util::LengthLimitError>() {
                LoopbackError::TooLarge
            } else {
                LoopbackError::Unreachable
            }
        })?;
        Ok(Answer { status: head.status, headers: head.headers, body: body.to_bytes() })
    }
}

fn request(outgoing: Outgoing) -> Option<Request<Full<Bytes>>> {
    let target = match &outgoing.query {
        Some(query) => format!("{}?{query}", outgoing.path),
        None => outgoing.path,
    };
    let mut request = Request::new(Full::from(outgoing.form.unwrap_or_default()));
    *request.method_mut() = outgoing.method;
    *request.uri_mut() = PathAndQuery::try_from(target).ok()?.into();
    *request.headers_mut() = outgoing.headers;
    Some(request)
}

#[cfg(test)]
pub(crate) mod scripted;
#[cfg(test)]
mod tests {
    use super::{scripted::Scripted, *};

    const SOON: Duration = Duration::from_secs(5);

    fn get(path: &str) -> Outgoing {
        Outgoing::get(path, HeaderValue::from_static("wiki.example.com"))
    }

    #[tokio::test]
    async fn sends_what_it_is_given_and_reads_the_answer() {
        let confluence = Scripted::start(|request| {
            assert_eq!(request.headers["host"], "wiki.example.com");
            (200, vec![("x-ausername", "alice")], request.target.clone())
        })
        .await;
        let mut outgoing = get("/a%2fb");
        outgoing.query = Some("x=1".into());
        let answer = confluence.client().send(outgoing, SOON).await.unwrap();
        assert_eq!((answer.status.as_u16(), &answer.body[..]), (200, &b"/a%2fb?x=1"[..]));
        assert_eq!(answer.headers["x-ausername"], "alice");
    }

    #[tokio::test]
    async fn answers_are_bounded_in_size_and_time() {
        let confluence = Scripted::start(|_| (200, vec![], "x".repeat(MAX_ANSWER + 1))).await;
        assert_eq!(confluence.client().send(get("/"), SOON).await.err(), Some(LoopbackError::TooLarge));

        let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let client = Client::new(silent.local_addr().unwrap().port());
        let got = client.send(get("/"), Duration::from_millis(50)).await.err();
        assert_eq!(got, Some(LoopbackError::Timeout));
        drop(silent);
        assert_eq!(client.send(get("/"), SOON).await.err(), Some(LoopbackError::Unreachable));
    }
}
