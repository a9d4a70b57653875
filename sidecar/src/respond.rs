//! From a refusal to the answer: the only place where one is written.

use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, header};
use restward_crds::reason::Reason;
use serde::Serialize;

use crate::{
    cors::Grant,
    forward::{Body, full},
    limits::Limited,
    metadata,
    refusal::Deny,
};

/// Who is answered, and what an answer to them must say.
#[derive(Debug, Default)]
pub struct Asked<'a> {
    /// The realm in challenges.
    pub realm: &'a str,
    /// The URL by which the client knows the API, where it is known.
    pub resource: Option<String>,
    /// Names the request.
    pub request_id: &'a str,
    /// The request's body was not read, so the connection cannot go on.
    pub has_body: bool,
    /// What Confluence granted to the origin of the page that asks.
    pub grant: Option<Grant>,
}

/// What the error dialogs and libraries of Atlassian's clients show, and the words of RFC 6750 for all others.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Content<'a> {
    status_code: u16,
    message: &'a str,
    error_messages: [&'a str; 1],
    error: &'a str,
    reason: &'a str,
    request_id: &'a str,
}

/// The answer to a refused request.
pub fn refusal(deny: &Deny, asked: &Asked<'_>) -> Response<Body> {
    let explained = deny.reason.explain();
    let message = match &deny.detail {
        Some(detail) => format!("{} {detail}", explained.message),
        None => explained.message.to_owned(),
    };
    let content = Content {
        status_code: explained.status,
        message: &message,
        error_messages: [&message],
        error: explained.bearer_error.unwrap_or(explained.code),
        reason: explained.code,
        request_id: asked.request_id,
    };
    let json = serde_json::to_vec(&content).unwrap_or_default();
    let mut response = Response::new(full(json));
    *response.status_mut() =
        StatusCode::from_u16(explained.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json;charset=UTF-8"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if explained.status == 401 || explained.bearer_error.is_some() {
        headers.insert(
            header::WWW_AUTHENTICATE,
            challenge(asked.realm, asked.resource.as_deref(), Some(deny.reason)),
        );
    }
    let retry_after = deny.retry_after.or_else(|| (explained.status == 503).then_some(10));
    headers.extend(retry_after.map(|wait| (header::RETRY_AFTER, HeaderValue::from(wait))));
    if let Some(limited) = &deny.limited {
        say_limits(limited, headers);
    }
    if explained.status == 405 {
        headers
            .insert(header::ALLOW, HeaderValue::from_static("GET, HEAD, POST, PUT, DELETE, PATCH, OPTIONS"));
    }
    if asked.has_body || explained.status == 405 || is_of_this_pod(explained.status) {
        headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    if let Some(grant) = &asked.grant {
        grant.lay_on(headers);
    }
    response
}

/// Whether another pod of Confluence may do better. A new connection may lead there; a kept one would lead here until this pod
/// is gone, with its Tomcat before it.
const fn is_of_this_pod(status: u16) -> bool {
    matches!(status, 502..=504)
}

/// `Retry-After`, and the fields of the IETF's draft on rate limits.
fn say_limits(limited: &Limited, headers: &mut HeaderMap) {
    let Limited { key, quota, window, wait } = limited;
    for (name, text) in [
        (header::RETRY_AFTER, wait.to_string()),
        (HeaderName::from_static("ratelimit-policy"), format!("\"{key}\";q={quota};w={window}")),
        (HeaderName::from_static("ratelimit"), format!("\"{key}\";r=0;t={wait}")),
    ] {
        if let Ok(value) = HeaderValue::try_from(text) {
            headers.insert(name, value);
        }
    }
}

/// The challenge of RFC 6750 section 3, with the place of the metadata (RFC 9728 section 5.1). The error attributes are
/// there only when a token was sent.
pub fn challenge(realm: &str, resource: Option<&str>, reason: Option<Reason>) -> HeaderValue {
    // RFC 9449 section 7.1: a proof is challenged by its own scheme.
    let is_about_a_proof =
        reason.is_some_and(|reason| reason.explain().bearer_error == Some("invalid_dpop_proof"));
    let scheme = if is_about_a_proof { "DPoP" } else { "Bearer" };
    let mut text = format!("{scheme} realm=\"{}\"", quotable(realm));
    if let Some(resource) = resource {
        text.push_str(&format!(", resource_metadata=\"{}\"", quotable(&metadata::url(resource))));
    }
    if let Some((error, explained)) =
        reason.map(Reason::explain).and_then(|it| it.bearer_error.map(|error| (error, it)))
    {
        text.push_str(&format!(", error=\"{error}\", error_description=\"{}\"", quotable(explained.message)));
    }
    HeaderValue::from_str(&text).unwrap_or_else(|_| HeaderValue::from_static("Bearer"))
}

/// The characters that RFC 6750 allows inside the quotes.
fn quotable(text: &str) -> String {
    text.chars().filter(|c| matches!(c, ' '..='~') && !matches!(c, '"' | '\\')).collect()
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt as _;

    use super::*;

    async fn body(response: Response<Body>) -> serde_json::Value {
        serde_json::from_slice(&response.into_body().collect().await.unwrap().to_bytes()).unwrap()
    }

    #[tokio::test]
    async fn a_refused_token_is_challenged_with_its_error() {
        let response = refusal(
            &Reason::TokenExpired.into(),
            &Asked { realm: "atl\"as\u{e9}", request_id: "id-1", ..Asked::default() },
        );
        assert_eq!(response.status(), 401);
        assert_eq!(
            response.headers()[header::WWW_AUTHENTICATE],
            "Bearer realm=\"atlas\", error=\"invalid_token\", error_description=\"The token has expired. Get a new one.\""
        );
        assert_eq!(response.headers()[header::CACHE_CONTROL], "no-store");
        assert!(!response.headers().contains_key(header::CONNECTION));
        let body = body(response).await;
        assert_eq!(body["statusCode"], 401);
        assert_eq!(body["reason"], "token_expired");
        assert_eq!(body["error"], "invalid_token");
        assert_eq!(body["requestId"], "id-1");
        assert_eq!(body["errorMessages"][0], body["message"]);
    }

    #[tokio::test]
    async fn no_token_is_challenged_without_an_error() {
        let response = refusal(
            &Reason::CredentialMissing.into(),
            &Asked {
                realm: "r",
                resource: Some("https://wiki.example.com/confluence".into()),
                has_body: true,
                ..Asked::default()
            },
        );
        assert_eq!(
            response.headers()[header::WWW_AUTHENTICATE],
            "Bearer realm=\"r\", resource_metadata=\"https://wiki.example.com/confluence/.well-known/oauth-protected-resource\""
        );
        assert_eq!(response.headers()[header::CONNECTION], "close");
    }

    #[tokio::test]
    async fn details_are_for_the_body_and_503_is_worth_a_retry() {
        let deny = Deny::with_detail(Reason::LinkMissing, "Ask the administrator.");
        let response = refusal(&deny, &Asked::default());
        assert_eq!(response.headers()[header::RETRY_AFTER], "10");
        assert_eq!(response.headers()[header::CONNECTION], "close", "another pod may do better");
        assert!(!response.headers().contains_key(header::WWW_AUTHENTICATE));
        assert!(body(response).await["message"].as_str().unwrap().ends_with("Ask the administrator."));
    }
}
