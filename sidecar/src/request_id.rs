//! What names one request wherever it is spoken of: to its client, to Confluence, in audit lines and traces.

use std::{
    hash::{BuildHasher as _, RandomState},
    sync::{
        LazyLock,
        atomic::{AtomicU64, Ordering},
    },
};

use http::{HeaderMap, HeaderName, HeaderValue};
use restward_crds::names;

const HEADER: HeaderName = HeaderName::from_static(names::HEADER_REQUEST_ID);

/// The id of a request: the value of its header, letters and digits with `-`, `_`, `.` and `:`.
#[derive(Debug, Clone)]
pub struct RequestId(HeaderValue);

impl RequestId {
    /// The client's, when it can stand in a log, else a new one, which these headers then have.
    pub fn of(headers: &mut HeaderMap) -> Self {
        let mut sent = headers.get_all(HEADER).iter();
        if let (Some(value), None) = (sent.next(), sent.next())
            && (1..=128).contains(&value.len())
            && value.as_bytes().iter().all(|byte| byte.is_ascii_alphanumeric() || b"-_.:".contains(byte))
        {
            return Self(value.clone());
        }
        let id = Self::fresh();
        id.put_on(headers);
        id
    }

    /// One of this process's, which nobody needs to be unable to guess: counted on from a random beginning.
    pub fn fresh() -> Self {
        static FIRST: LazyLock<u64> = LazyLock::new(|| RandomState::new().hash_one(()));
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let id = format!("{:016x}{:016x}", *FIRST, COUNT.fetch_add(1, Ordering::Relaxed));
        Self(HeaderValue::try_from(id).unwrap_or(HeaderValue::from_static("")))
    }

    /// Makes it the only id in these headers.
    pub fn put_on(&self, headers: &mut HeaderMap) {
        headers.insert(HEADER, self.0.clone());
    }

    /// For logs and bodies.
    pub fn as_str(&self) -> &str {
        self.0.to_str().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(ids: &[&'static str]) -> HeaderMap {
        ids.iter().map(|id| (HEADER, HeaderValue::from_static(id))).collect()
    }

    fn all(headers: &HeaderMap) -> Vec<&str> {
        headers.get_all(HEADER).iter().map(|id| id.to_str().unwrap()).collect()
    }

    #[test]
    fn only_a_plain_id_of_the_client_is_kept() {
        let mut map = headers(&["abc-1"]);
        assert_eq!(RequestId::of(&mut map).as_str(), "abc-1");
        assert_eq!(all(&map), ["abc-1"]);
        for bad in [&["a b"][..], &["\""], &["a", "b"], &[""], &[]] {
            let mut map = headers(bad);
            let id = RequestId::of(&mut map);
            assert_eq!(id.as_str().len(), 32, "{bad:?}");
            assert_eq!(all(&map), [id.as_str()]);
        }
    }

    #[test]
    fn no_two_requests_have_the_same() {
        assert_ne!(RequestId::fresh().as_str(), RequestId::fresh().as_str());
    }

    #[test]
    fn an_answer_has_the_one() {
        let mut answer = headers(&["of-confluence", "of-a-plug-in"]);
        RequestId::of(&mut headers(&["abc-1"])).put_on(&mut answer);
        assert_eq!(all(&answer), ["abc-1"]);
    }
}
