//! An API server that has too much to do says in the header Retry-After when to come again (RFC 9110 section 10.2.3). What
//! refuses for it (API Priority and Fairness, and its limit of requests in flight) does so in plain text, of which a client of
//! the API keeps no header; other refusals say it in their body too.

use std::time::Duration;

use http::{Response, StatusCode, header};

use super::fence::BoxError;

/// It wants to be left alone for so many seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the API server has too much to do, and wants to be left alone for {0} s")]
struct Busy(u64);

/// Makes an error of such an answer; others pass.
pub(super) fn told<B>(answer: Result<Response<B>, BoxError>) -> Result<Response<B>, BoxError> {
    let answer = answer?;
    match busy(&answer) {
        Some(busy) => Err(busy.into()),
        None => Ok(answer),
    }
}

fn busy<B>(answer: &Response<B>) -> Option<Busy> {
    let refuses = matches!(answer.status(), StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE);
    let text = |name| answer.headers().get(name).and_then(|value| value.to_str().ok());
    let says_more = text(header::CONTENT_TYPE).is_some_and(|kind| kind.starts_with("application/"));
    text(header::RETRY_AFTER)?.parse().ok().filter(|_| refuses && !says_more).map(Busy)
}

/// How long an API server that gave no other answer wants to be left alone.
pub(crate) fn asked_to_wait(error: &kube::Error) -> Option<Duration> {
    let kube::Error::Service(error) = error else { return None };
    error.downcast_ref().map(|Busy(seconds)| Duration::from_secs(*seconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: u16, kind: &str, after: &str) -> Response<()> {
        let answer = Response::builder().status(status).header("content-type", kind);
        answer.header("retry-after", after).body(()).unwrap()
    }

    #[test]
    fn what_is_refused_for_the_moment_in_plain_text_is_told_with_its_time() {
        let waits = |status, kind, after| {
            let error = told(Ok(answer(status, kind, after))).err()?;
            asked_to_wait(&kube::Error::Service(error)).map(|wait| wait.as_secs())
        };
        assert_eq!(waits(429, "text/plain; charset=utf-8", "32"), Some(32));
        assert_eq!(waits(503, "text/plain", "1"), Some(1));
        assert_eq!(waits(429, "application/json", "10"), None, "an eviction that has to wait says why");
        assert_eq!(
            waits(429, "text/plain", "Fri, 27 Nov 2026 00:00:00 GMT"),
            None,
            "no API server says it so"
        );
        assert_eq!(waits(200, "text/plain", "1"), None);
        assert_eq!(asked_to_wait(&kube::Error::Service("other".into())), None);
    }
}
