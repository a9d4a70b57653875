//! What a request must be before anybody asks who sends it, and what browsers are told about each answer.
//!
//! Pages of others in the same browser are the danger: by a name of theirs that suddenly leads here (DNS rebinding), by a form
//! of theirs that sends here (cross-site request forgery). `SameSite` does not help against a page at another port of
//! localhost, which is the same site; so what is sent must come from a page of this very origin, port included.

use axum::{
    extract::Request,
    http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header},
    middleware::Next,
    response::{IntoResponse as _, Response},
};

/// By these names a browser reaches what is forwarded to its own machine. No DNS server can claim them: the one is reserved (RFC 6761),
/// the others are no names.
const HOSTS: [&str; 3] = ["localhost", "127.0.0.1", "[::1]"];

/// Nothing but this page's own HTML and style sheet; sent to nobody else, shown in no other page, kept by no cache. The
/// referrer policy leaves `Origin` in requests of this origin's own forms, which `no-referrer` would make `null`.
const TOLD: [(HeaderName, &str); 7] = [
    (header::CACHE_CONTROL, "no-store"),
    (
        header::CONTENT_SECURITY_POLICY,
        "default-src 'none'; style-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    ),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::X_FRAME_OPTIONS, "DENY"),
    (header::REFERRER_POLICY, "same-origin"),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
];

/// Why a request is not answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unwelcome {
    Host,
    Origin,
}

/// Whether a request may be answered. Pure.
pub(super) fn check(method: &Method, headers: &HeaderMap) -> Result<(), Unwelcome> {
    let host = only(headers, &header::HOST).ok_or(Unwelcome::Host)?;
    if !HOSTS.contains(&without_port(host)) {
        return Err(Unwelcome::Host);
    }
    if matches!(*method, Method::GET | Method::HEAD) {
        return Ok(());
    }
    let origin = only(headers, &header::ORIGIN).ok_or(Unwelcome::Origin)?;
    if origin.strip_prefix("http://") == Some(host) { Ok(()) } else { Err(Unwelcome::Origin) }
}

fn only<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (Some(value), None) => value.to_str().ok(),
        _ => None,
    }
}

fn without_port(host: &str) -> &str {
    let Some((name, port)) = host.rsplit_once(':') else { return host };
    if !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit()) { name } else { host }
}

/// Answers welcome requests only, and tells browsers what they may do with any answer.
pub(super) async fn welcome(request: Request, next: Next) -> Response {
    let mut response = match check(request.method(), request.headers()) {
        Ok(()) => next.run(request).await,
        Err(Unwelcome::Host) => {
            let text = "This page is reached by the name localhost only: kubectl port-forward, then http://localhost:8081/\n";
            (StatusCode::MISDIRECTED_REQUEST, text).into_response()
        }
        Err(Unwelcome::Origin) => {
            (StatusCode::FORBIDDEN, "Only this page's own forms may send anything (Origin).\n")
                .into_response()
        }
    };
    for (name, value) in TOLD {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(method: &Method, lines: &[(&'static str, &'static str)]) -> Result<(), Unwelcome> {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(*name, HeaderValue::from_static(value));
        }
        check(method, &headers)
    }

    #[test]
    fn it_is_reached_by_names_that_nobody_can_take() {
        for host in ["localhost", "localhost:8081", "127.0.0.1:1", "[::1]:8081", "[::1]"] {
            assert_eq!(asked(&Method::GET, &[("host", host)]), Ok(()), "{host}");
        }
        let strange = [
            "",
            "example.com",
            "localhost.example.com:8081",
            "127.0.0.1.example.com",
            "localhost:",
            "localhost:8081:1",
            "localhost@example.com",
            "10.0.0.1:8081",
            "::1",
            "LOCALHOST.",
        ];
        for host in strange {
            assert_eq!(asked(&Method::GET, &[("host", host)]), Err(Unwelcome::Host), "{host}");
        }
        assert_eq!(asked(&Method::GET, &[]), Err(Unwelcome::Host));
        let two = [("host", "localhost"), ("host", "example.com")];
        assert_eq!(asked(&Method::GET, &two), Err(Unwelcome::Host));
    }

    #[test]
    fn only_its_own_forms_send_anything() {
        let from = |origin| asked(&Method::POST, &[("host", "localhost:8081"), ("origin", origin)]);
        assert_eq!(from("http://localhost:8081"), Ok(()));
        let strange = [
            "null",
            "http://localhost",
            "http://localhost:3000",
            "http://127.0.0.1:8081",
            "https://localhost:8081",
            "http://localhost:8081/",
            "http://example.com",
        ];
        for origin in strange {
            assert_eq!(from(origin), Err(Unwelcome::Origin), "{origin}");
        }
        assert_eq!(asked(&Method::POST, &[("host", "localhost:8081")]), Err(Unwelcome::Origin));
        assert_eq!(asked(&Method::DELETE, &[("host", "localhost:8081")]), Err(Unwelcome::Origin));
        let two = [("host", "localhost"), ("origin", "http://localhost"), ("origin", "http://localhost")];
        assert_eq!(asked(&Method::POST, &two), Err(Unwelcome::Origin));
    }
}
