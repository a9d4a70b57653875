//! The head of a request, and what every request must hold to be read in one way only. Pure.

use http::{HeaderMap, HeaderValue, Method, Version, header, request::Parts};
use restward_crds::reason::Reason;

use crate::{authorize::METHOD_OVERRIDES, forward::headers, identity::form, target::Target};

/// The head, without what concerns one connection only.
pub(super) struct Head {
    pub(super) method: Method,
    pub(super) headers: HeaderMap,
    /// As sent, for requests that are forwarded although their target cannot be read.
    pub(super) as_sent: String,
    pub(super) target: Result<Target, Reason>,
    /// The body is coded in a way that is taken off with the transfer, unseen.
    is_coded: bool,
}

impl Head {
    /// Takes the head of a request.
    pub(super) fn new(parts: Parts) -> Self {
        let Parts { method, uri, version, mut headers, .. } = parts;
        let is_coded = has_transfer_coding(&headers);
        headers::remove_hop_by_hop(&mut headers);
        // Load balancers that probe with HTTP/1.0 name no host; Confluence is always asked with HTTP/1.1.
        if version == Version::HTTP_10 && !headers.contains_key(header::HOST) {
            headers.insert(header::HOST, HeaderValue::from_static("localhost"));
        }
        let target = Target::parse(&method, &uri);
        let as_sent = uri.path_and_query().map_or_else(|| "/".to_owned(), ToString::to_string);
        Self { method, headers, as_sent, target, is_coded }
    }

    /// The one valid Host header.
    pub(super) fn host(&self) -> Option<&HeaderValue> {
        let mut hosts = self.headers.get_all(header::HOST).iter();
        let (host, None) = (hosts.next()?, hosts.next()) else { return None };
        is_host(host.as_bytes()).then_some(host)
    }

    /// What a second parser could understand differently is refused.
    pub(super) fn check(&self) -> Result<(), Reason> {
        self.host().ok_or(Reason::MalformedRequest)?;
        if self.is_coded || self.headers.get_all(header::CONTENT_TYPE).iter().count() > 1 {
            return Err(Reason::MalformedRequest);
        }
        let mut expectations = self.headers.get_all(header::EXPECT).iter();
        if expectations.any(|value| !value.as_bytes().eq_ignore_ascii_case(b"100-continue")) {
            return Err(Reason::ExpectationFailed);
        }
        if self.headers.get_all(header::AUTHORIZATION).iter().count() > 1 {
            return Err(Reason::MultipleAuthorization);
        }
        Ok(())
    }

    /// Whether the body is parameters to Tomcat.
    pub(super) fn has_form(&self) -> Result<bool, Reason> {
        form::must_buffer(&self.method, &self.headers)
    }

    /// A CORS preflight (Fetch standard): carries no credential by definition and runs no method of the API, unless
    /// something talks Confluence into another method.
    pub(super) fn is_cors_preflight(&self) -> bool {
        self.method == Method::OPTIONS
            && self.headers.contains_key(header::ACCESS_CONTROL_REQUEST_METHOD)
            && METHOD_OVERRIDES.iter().all(|name| !self.headers.contains_key(*name))
    }
}

/// Whether there is any transfer coding but `chunked`, once (RFC 9112 section 6.1): the bytes would be forwarded without it.
fn has_transfer_coding(headers: &HeaderMap) -> bool {
    let mut codings = headers.get_all(header::TRANSFER_ENCODING).iter();
    let is_chunked = |value: &HeaderValue| value.as_bytes().trim_ascii().eq_ignore_ascii_case(b"chunked");
    codings.next().is_some_and(|first| !is_chunked(first) || codings.next().is_some())
}

/// `uri-host [":" port]` (RFC 9110 section 7.2), without user information.
fn is_host(value: &[u8]) -> bool {
    let (host, port) = match value {
        [b'[', rest @ ..] => match rest.iter().position(|byte| *byte == b']') {
            Some(end) => (rest.get(..end).unwrap_or_default(), rest.get(end + 1..).unwrap_or_default()),
            None => return false,
        },
        _ => value.split_at(value.iter().position(|byte| *byte == b':').unwrap_or(value.len())),
    };
    let is_address = value.starts_with(b"[");
    let host_ok = !host.is_empty()
        && host.iter().all(|byte| {
            byte.is_ascii_alphanumeric() || b"-._~".contains(byte) || (is_address && *byte == b':')
        });
    let port_ok = match port {
        [] => true,
        [b':', digits @ ..] => digits.len() <= 5 && digits.iter().all(u8::is_ascii_digit),
        _ => false,
    };
    host_ok && port_ok
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    fn head(list: &[(&str, &str)]) -> Head {
        let mut request = Request::get("/");
        for (name, value) in list {
            request = request.header(*name, *value);
        }
        Head::new(request.body(()).unwrap().into_parts().0)
    }

    #[test]
    fn one_valid_host() {
        for host in
            ["wiki", "wiki.example.com:8090", "10.0.0.1", "[::1]:8090", "[2001:db8::1]", "wiki:", "my_host"]
        {
            assert_eq!(head(&[("host", host)]).check(), Ok(()), "{host}");
        }
        for host in [
            "",
            "a b",
            "user@wiki",
            "wiki:x",
            "wiki:123456",
            "wiki/x",
            "a,b",
            "[::1",
            "[::1]x",
            "wiki:80:80",
            ":80",
        ] {
            assert_eq!(head(&[("host", host)]).check(), Err(Reason::MalformedRequest), "{host}");
        }
        assert_eq!(head(&[]).check(), Err(Reason::MalformedRequest));
        assert_eq!(head(&[("host", "a"), ("host", "a")]).check(), Err(Reason::MalformedRequest));
    }

    #[test]
    fn what_could_be_read_twice_is_refused() {
        for (list, want) in [
            (vec![("authorization", "a"), ("authorization", "b")], Reason::MultipleAuthorization),
            (vec![("content-type", "a"), ("content-type", "b")], Reason::MalformedRequest),
            (vec![("transfer-encoding", "gzip, chunked")], Reason::MalformedRequest),
            (vec![("transfer-encoding", ",chunked")], Reason::MalformedRequest),
            (
                vec![("transfer-encoding", "chunked"), ("transfer-encoding", "chunked")],
                Reason::MalformedRequest,
            ),
            (vec![("expect", "something")], Reason::ExpectationFailed),
        ] {
            let list: Vec<_> = [("host", "wiki")].into_iter().chain(list).collect();
            assert_eq!(head(&list).check(), Err(want), "{list:?}");
        }
        for plain in [("expect", "100-Continue"), ("transfer-encoding", "Chunked")] {
            assert_eq!(head(&[("host", "wiki"), plain]).check(), Ok(()), "{plain:?}");
        }
    }

    #[test]
    fn old_load_balancers_name_no_host() {
        let request = Request::get("/status").version(Version::HTTP_10).body(()).unwrap();
        assert_eq!(Head::new(request.into_parts().0).check(), Ok(()));
    }

    #[test]
    fn only_a_plain_preflight_is_one() {
        let preflight = |list: &[(&str, &str)]| {
            let mut head = head(list);
            head.method = Method::OPTIONS;
            head.is_cors_preflight()
        };
        assert!(preflight(&[("access-control-request-method", "PUT")]));
        assert!(!preflight(&[]));
        assert!(!preflight(&[("access-control-request-method", "PUT"), ("x-http-method-override", "PUT")]));
        assert!(!head(&[("access-control-request-method", "PUT")]).is_cors_preflight());
    }
}
