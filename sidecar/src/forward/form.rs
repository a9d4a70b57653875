//! Bodies that are parameters: read whole where they decide, watched while they stream where only our own consumer key
//! must not be in them.

use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt as _;
use hyper::body::{Body as HttpBody, Frame, SizeHint};
use restward_crds::reason::Reason;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::{Body, BodyError};
use crate::{
    credential::oauth1::CONSUMER_KEY,
    identity::{form::MAX_FORM, query},
};

/// Memory that all forms of one reader may take while they are read, in bytes: anybody may send a form.
const BUDGET: usize = 32 * 1024 * 1024;
/// Longest that a form may take to arrive, so that the budget comes back.
const DEADLINE: Duration = Duration::from_secs(30);

/// Room for the forms of callers whose token is good, and apart from it for those of everybody else, who could hold up each
/// other's by sending them slowly.
#[derive(Debug, Default)]
pub struct Readers {
    /// For whom the form is read before anything is decided.
    pub of_strangers: Reader,
    /// For whom it is read because the request is rewritten.
    pub of_users: Reader,
}

/// Reads forms within a common budget.
#[derive(Debug)]
pub struct Reader {
    budget: Arc<Semaphore>,
}

impl Default for Reader {
    fn default() -> Self {
        Self { budget: Arc::new(Semaphore::new(BUDGET)) }
    }
}

impl Reader {
    /// Reads up to [`MAX_FORM`] bytes.
    ///
    /// # Errors
    /// The body broke off or did not arrive in time.
    pub async fn read(&self, body: Body) -> Result<Form, Reason> {
        tokio::time::timeout(DEADLINE, self.read_all(body)).await.unwrap_or(Err(Reason::RequestTimeout))
    }

    async fn read_all(&self, mut body: Body) -> Result<Form, Reason> {
        let mut content = BytesMut::new();
        let mut held = Vec::new();
        while let Some(frame) = body.frame().await {
            let frame =
                frame.map_err(|error| super::broken(error.as_ref()).unwrap_or(Reason::MalformedRequest))?;
            if let Ok(data) = frame.into_data() {
                let size = u32::try_from(data.len()).map_err(|_| Reason::FormTooLarge)?;
                let share = Arc::clone(&self.budget).acquire_many_owned(size).await;
                held.push(share.map_err(|_| Reason::FormTooLarge)?);
                content.extend_from_slice(&data);
            }
            if content.len() > MAX_FORM {
                return Ok(Form { content: content.freeze(), rest: Some(body), _held: held });
            }
        }
        Ok(Form { content: content.freeze(), rest: None, _held: held })
    }
}

/// What was read of a form.
pub struct Form {
    /// The form, or its beginning.
    pub content: Bytes,
    /// What is left when the form is larger than what is read.
    pub rest: Option<Body>,
    /// Its share of the budget.
    _held: Vec<OwnedSemaphorePermit>,
}

impl Form {
    /// The whole body again.
    pub fn into_body(self) -> Body {
        match self.rest {
            None => super::full(self.content),
            Some(rest) => Chained { first: Some(self.content), rest }.boxed_unsync(),
        }
    }
}

struct Chained {
    first: Option<Bytes>,
    rest: Body,
}

impl HttpBody for Chained {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        match self.first.take() {
            Some(first) => Poll::Ready(Some(Ok(Frame::data(first)))),
            None => Pin::new(&mut self.rest).poll_frame(cx),
        }
    }

    fn size_hint(&self) -> SizeHint {
        let first = self.first.as_ref().map_or(0, |first| first.len() as u64);
        match self.rest.size_hint().exact() {
            Some(rest) => SizeHint::with_exact(first + rest),
            None => SizeHint::default(),
        }
    }
}

/// Set when a [`Guard`] has broken its body off.
#[derive(Debug, Clone, Default)]
pub struct Alarm(Arc<AtomicBool>);

impl Alarm {
    /// Whether the reserved consumer key was found.
    pub fn is_raised(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// The reserved consumer key is in the form.
#[derive(Debug, thiserror::Error)]
#[error("the form names a reserved consumer")]
struct Reserved;

/// A form that streams, and breaks off before the reserved consumer key has passed. Tomcat reads parameters only of a
/// body that has arrived whole, so what is broken off is never used.
pub fn guard(body: Body, reserved: &str) -> (Body, Alarm) {
    let alarm = Alarm::default();
    let scanner = Scanner { reserved: reserved.to_owned(), pair: Vec::new(), is_too_long: false };
    (Guard { body, scanner, alarm: alarm.clone() }.boxed_unsync(), alarm)
}

struct Guard {
    body: Body,
    scanner: Scanner,
    alarm: Alarm,
}

impl HttpBody for Guard {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let next = ready!(Pin::new(&mut self.body).poll_frame(cx));
        if let Some(Ok(frame)) = &next
            && let Some(data) = frame.data_ref()
            && self.scanner.finds_key(data)
        {
            self.alarm.0.store(true, Ordering::Relaxed);
            return Poll::Ready(Some(Err(Reserved.into())));
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

struct Scanner {
    reserved: String,
    pair: Vec<u8>,
    is_too_long: bool,
}

impl Scanner {
    /// The longest spelling of name and key, every byte of them escaped, is shorter.
    const LONGEST_PAIR: usize = 1024;

    /// Whether a pair that ends in this chunk, or would if it were the last, uses the reserved key.
    fn finds_key(&mut self, chunk: &[u8]) -> bool {
        let mut parts = chunk.split(|byte| *byte == b'&').peekable();
        while let Some(part) = parts.next() {
            self.is_too_long |= self.pair.len() + part.len() > Self::LONGEST_PAIR;
            if !self.is_too_long {
                self.pair.extend_from_slice(part);
                if self.pair_is_key() {
                    return true;
                }
            }
            if parts.peek().is_some() {
                self.pair.clear();
                self.is_too_long = false;
            }
        }
        false
    }

    fn pair_is_key(&self) -> bool {
        query::parse(&self.pair).iter().any(|(name, value)| name == CONSUMER_KEY && *value == self.reserved)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whether the key is found, with the form cut into chunks of this size.
    fn found(form: &str, size: usize) -> bool {
        let mut scanner = Scanner { reserved: "sidecar".into(), pair: Vec::new(), is_too_long: false };
        form.as_bytes().chunks(size).any(|chunk| scanner.finds_key(chunk))
    }

    #[test]
    fn the_key_is_found_however_the_form_is_cut() {
        let long = "x".repeat(3000);
        let forms = [
            "oauth_consumer_key=sidecar".to_owned(),
            "a=b&oauth_consumer_key=sidecar&c=d".to_owned(),
            "a=b&oauth%5Fconsumer_key=sid%65car".to_owned(),
            format!("a={long}&oauth_consumer_key=sidecar"),
        ];
        for form in forms {
            for size in [1, 2, 7, 100, 10_000] {
                assert!(found(&form, size), "{form:.40} {size}");
            }
        }
    }

    #[test]
    fn other_forms_pass() {
        let long = "x".repeat(3000);
        for form in [
            "oauth_consumer_key=jira".to_owned(),
            "a=oauth_consumer_key=sidecar".to_owned(),
            "xoauth_consumer_key=sidecar".to_owned(),
            format!("oauth_consumer_key={long}sidecar"),
            String::new(),
        ] {
            assert!(!found(&form, 100), "{form:.40}");
        }
    }

    #[tokio::test]
    async fn a_large_form_comes_back_whole() {
        let sent = vec![b'a'; MAX_FORM + 5];
        let form = Reader::default().read(super::super::full(sent.clone())).await.unwrap();
        assert!(form.rest.is_some());
        let body = form.into_body();
        assert_eq!(body.size_hint().exact(), Some(sent.len() as u64));
        assert_eq!(body.collect().await.unwrap().to_bytes().len(), sent.len());
    }

    #[tokio::test]
    async fn forms_share_a_budget_and_give_it_back() {
        let reader = Reader::default();
        let form = reader.read(super::super::full(vec![b'a'; 1000])).await.unwrap();
        assert_eq!(reader.budget.available_permits(), BUDGET - 1000);
        drop(form);
        assert_eq!(reader.budget.available_permits(), BUDGET);
    }

    #[tokio::test(start_paused = true)]
    async fn a_form_that_does_not_arrive_is_given_up() {
        let never =
            http_body_util::StreamBody::new(futures::stream::pending::<Result<Frame<Bytes>, BodyError>>());
        let read = Reader::default().read(never.boxed_unsync()).await;
        assert_eq!(read.err(), Some(Reason::RequestTimeout));
    }
}
