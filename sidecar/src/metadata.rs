//! RFC 9728: a document at a well-known path that tells clients which identity provider issues tokens for this API. A
//! client that was refused finds its URL in the challenge. Pure.

use http::{HeaderMap, HeaderValue, Method, Response, header};
use restward_crds::sidecar::Settings;
use serde_json::json;

use crate::{
    forward::{Body, full},
    identity::Origin,
    target::Target,
};

/// Registered by RFC 9728 section 8.
const WELL_KNOWN: &str = "/.well-known/oauth-protected-resource";

/// Whether a request asks for the document: at the root of the host; with the context path inserted behind it, as the
/// RFC has it; and below the context path, because an ingress often passes on nothing else.
pub fn is_asked_for(method: &Method, target: &Target, context_path: &str) -> bool {
    let path = target.path();
    let at_root = path.strip_prefix(WELL_KNOWN).is_some_and(|rest| rest.is_empty() || rest == context_path);
    let below_context = path.strip_prefix(context_path) == Some(WELL_KNOWN);
    (method == Method::GET || method == Method::HEAD) && target.is_plain() && (at_root || below_context)
}

/// The URL that clients know the API by: what Confluence is configured to be reached at, else the request's own Host.
pub fn resource(origin: &Origin, host: &HeaderValue, context_path: &str) -> Option<String> {
    let headers = HeaderMap::from_iter([(header::HOST, host.clone())]);
    Some(format!("{}{context_path}", origin.base_url(&headers)?))
}

/// Where the document of `resource` is: the place that every ingress passes on.
pub fn url(resource: &str) -> String {
    format!("{resource}{WELL_KNOWN}")
}

/// The document. `issuers`: names of the identity providers as far as they are known.
pub fn document(resource: &str, settings: &Settings, issuers: &[String]) -> Response<Body> {
    let mut content = json!({
        "resource": resource,
        "resource_name": "Confluence REST API",
        "authorization_servers": issuers,
        "bearer_methods_supported": ["header"],
    });
    let scopes = &settings.tokens.required.scopes;
    if !scopes.is_empty()
        && let Some(members) = content.as_object_mut()
    {
        members.insert("scopes_supported".to_owned(), json!(scopes));
    }
    let mut response = Response::new(full(content.to_string()));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    // It may repeat the request's Host, which is nobody else's business.
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    // Nothing in it is secret, and it does not depend on who asks.
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(method: &Method, path: &str, context_path: &str) -> bool {
        is_asked_for(method, &Target::parse(method, &path.parse().unwrap()).unwrap(), context_path)
    }

    #[test]
    fn it_is_found_where_clients_look() {
        for (path, context_path, want) in [
            ("/.well-known/oauth-protected-resource", "/confluence", true),
            ("/.well-known/oauth-protected-resource?x=1", "", true),
            ("/.well-known/oauth-protected-resource/confluence", "/confluence", true),
            ("/confluence/.well-known/oauth-protected-resource", "/confluence", true),
            ("/.well-known/oauth-protected-resource/wiki", "/confluence", false),
            ("/.well-known/oauth-protected-resource/", "", false),
            ("/.well-known/oauth-protected-resource/rest/api", "", false),
            ("/wiki/.well-known/oauth-protected-resource", "/confluence", false),
            ("/.well-known/oauth-protected-resource;x=1", "", false),
            ("/.well-known//oauth-protected-resource", "", false),
            ("/.well-known/oauth-protected-resourceful", "", false),
        ] {
            assert_eq!(asked(&Method::GET, path, context_path), want, "{path} of '{context_path}'");
        }
        assert!(asked(&Method::HEAD, "/.well-known/oauth-protected-resource", ""));
        assert!(!asked(&Method::POST, "/.well-known/oauth-protected-resource", ""));
    }
}
