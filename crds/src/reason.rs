//! Why a request was refused. One enum: the same word stands in the answer's body, the audit line, the metric
//! label and the reference page. The only place in the project where a refusal gets its HTTP status.

use std::fmt;

/// What is known about a [`Reason`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Explanation {
    /// Stable code, snake_case.
    pub code: &'static str,
    /// HTTP status of the refusal.
    pub status: u16,
    /// The `error` attribute of the Bearer challenge (RFC 6750 section 3.1), where one belongs.
    pub bearer_error: Option<&'static str>,
    /// What happened and what to do about it, one sentence or two for the caller; without any request data.
    pub message: &'static str,
}

macro_rules! reasons {
    ($($variant:ident = $status:literal $code:literal $error:expr, $message:literal;)*) => {
        /// Why a request was refused.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[allow(missing_docs, reason = "each variant is documented by its message in the table")]
        pub enum Reason { $($variant,)* }

        impl Reason {
            /// Every reason, in the order of the reference page.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// Code, status, challenge and message of this reason.
            pub const fn explain(self) -> Explanation {
                match self {
                    $(Self::$variant => Explanation {
                        code: $code, status: $status, bearer_error: $error, message: $message,
                    },)*
                }
            }
        }
    };
}

const TOKEN: Option<&str> = Some("invalid_token");
const SCOPE: Option<&str> = Some("insufficient_scope");
const PROOF: Option<&str> = Some("invalid_dpop_proof");
const REQUEST: Option<&str> = Some("invalid_request");

reasons! {
    // The request itself.
    AmbiguousTarget = 400 "ambiguous_target" None,
        "The request target can be read in more than one way. Send the path in its plain form, without encoded slashes, dots or control characters.";
    MalformedRequest = 400 "malformed_request" None,
        "The request is not valid HTTP/1.1: it needs exactly one valid Host header, at most one Content-Type, no transfer coding but chunked, and a body as long as its head says.";
    MultipleAuthorization = 400 "multiple_authorization" REQUEST,
        "The request carries more than one Authorization header. Send exactly one.";
    MethodNotAllowed = 405 "method_not_allowed" None,
        "CONNECT and TRACE are not served.";
    RpcUnreadable = 400 "rpc_unreadable" None,
        "It cannot be told whether this call of XML-RPC, SOAP or JSON-RPC logs in by a password, which is switched off. Name its method in the body only, and send plain XML (no DOCTYPE, comments, CDATA or processing instructions) or plain JSON.";
    RequestTimeout = 408 "request_timeout" None,
        "The request's body did not arrive in time. Send it again, without long pauses.";
    FormTooLarge = 413 "form_too_large" None,
        "Forms of token requests, and calls of XML-RPC, SOAP and JSON-RPC where passwords are switched off, are limited to 2 MiB. Send large content to the REST API as JSON or multipart.";
    FormCharset = 415 "form_charset" None,
        "Forms of token requests, and calls of XML-RPC, SOAP and JSON-RPC where passwords are switched off, must be UTF-8 and uncompressed.";
    ExpectationFailed = 417 "expectation_failed" None,
        "Only the expectation 100-continue is understood.";
    ClientGone = 499 "client_gone" None,
        "The client left, and Confluence took too long for what nobody waits for any more. A write may have happened.";
    HeadersTooLarge = 431 "headers_too_large" None,
        "The request headers are too large. Use a token with fewer roles and groups.";

    // No or another credential.
    CredentialMissing = 401 "credential_missing" None,
        "This resource needs a token: send 'Authorization: Bearer <access token>'.";
    SchemeUnsupported = 401 "scheme_unsupported" None,
        "This Authorization scheme is not accepted. Send 'Authorization: Bearer <access token>'.";
    BasicDenied = 401 "basic_denied" None,
        "Basic authentication and password logins are switched off for this API. Use a Bearer token.";
    BasicBrownOut = 401 "basic_brown_out" None,
        "Basic authentication and password logins end soon, and are refused on trial for a while now. Use a Bearer token.";
    PersonalAccessTokenDenied = 401 "personal_access_token_denied" TOKEN,
        "Personal access tokens are switched off for this API. Use a token of the identity provider.";
    OAuth2Denied = 401 "confluence_oauth2_denied" TOKEN,
        "Confluence's own OAuth 2 tokens are switched off for this API. Use a token of the identity provider.";
    ApplicationLinkDenied = 401 "application_link_denied" None,
        "OAuth 1 application links are switched off for this API. Use a Bearer token.";
    OAuth1Incomplete = 401 "oauth1_incomplete" None,
        "An OAuth 1 request needs consumer key, token, signature method, signature, timestamp and nonce.";
    ReservedConsumer = 401 "reserved_consumer" None,
        "This OAuth 1 consumer key may not be used from outside.";
    SessionDenied = 401 "session_denied" None,
        "Browser sessions are switched off for this API. Use a Bearer token.";
    CredentialNotAccepted = 401 "credential_not_accepted" TOKEN,
        "Confluence does not accept this token: it is unknown, expired or revoked.";

    // The token.
    TokenMalformed = 401 "token_malformed" TOKEN,
        "The token is not a signed JWT in compact form.";
    HeaderUnsupported = 401 "token_header_unsupported" TOKEN,
        "The token's header has a type or an extension that is not supported.";
    AlgorithmNotAllowed = 401 "algorithm_not_allowed" TOKEN,
        "The token is signed with an algorithm that is not allowed.";
    KeyUnknown = 401 "key_unknown" TOKEN,
        "The token is signed with a key that the realm does not publish. Is it a token of the right realm?";
    SignatureInvalid = 401 "signature_invalid" TOKEN,
        "The token's signature is not valid.";
    ClaimsMalformed = 401 "claims_malformed" TOKEN,
        "The token's claims are not valid: a member is missing, repeated or of the wrong type.";
    IssuerMismatch = 401 "issuer_mismatch" TOKEN,
        "The token was issued by another realm or identity provider.";
    NotAnAccessToken = 401 "not_an_access_token" TOKEN,
        "This is not an access token. Send the access_token of the token response, not the ID or refresh token.";
    ProofRequired = 401 "proof_required" TOKEN,
        "The token is bound to a key and may not be sent as a plain Bearer token: send it with scheme DPoP and a proof.";
    ProofInvalid = 401 "proof_invalid" PROOF,
        "The token was sent with scheme DPoP, but its proof is not valid for this request, or not by the token's key.";
    ProofReplayed = 401 "proof_replayed" PROOF,
        "This DPoP proof was used before. Make a new one for each request.";
    CertificateRequired = 401 "certificate_required" TOKEN,
        "The token is bound to a client certificate, and the call did not come with that certificate through a proxy that the policy trusts.";
    TokenExpired = 401 "token_expired" TOKEN,
        "The token has expired. Get a new one.";
    TokenNotYetValid = 401 "token_not_yet_valid" TOKEN,
        "The token is not valid yet. Compare the clocks of the identity provider and this server.";
    AudienceMismatch = 401 "audience_mismatch" TOKEN,
        "The token is not meant for this API. Its client needs an audience mapper.";
    PartyMismatch = 401 "party_mismatch" TOKEN,
        "The client that got this token may not call this API.";

    TokenRevoked = 401 "token_revoked" TOKEN,
        "The realm has revoked all tokens that were issued before a certain time, and this one is older. Get a new one.";
    TokenInactive = 401 "token_inactive" TOKEN,
        "The identity provider does not accept the token any more: it was revoked, its session has ended, or its user or client is disabled.";

    // What the token grants.
    OpenidScopeMissing = 403 "openid_scope_missing" SCOPE,
        "The identity provider says who a token is for only when the token has the scope openid. Ask for scope=openid when you get the token.";
    ScopeMissing = 403 "scope_missing" SCOPE,
        "The token is valid but lacks a scope that this API requires. Ask for the scope when you get the token.";
    RoleMissing = 403 "role_missing" None,
        "The token is valid but lacks a role that this API requires. The administrator of the identity provider can assign it.";
    GroupMissing = 403 "group_missing" None,
        "The token is valid but names no membership in a group that this API requires.";

    // The user.
    UsernameUnusable = 403 "username_unusable" None,
        "The token is valid but its username attribute is missing or cannot name a Confluence user.";
    ServiceAccountUnmapped = 403 "service_account_unmapped" None,
        "The token is valid but belongs to a client, not to a user. Map the client to a Confluence user in the policy's serviceAccounts.";
    UserUnknown = 403 "user_unknown" None,
        "The token is valid but Confluence has no active user of this name.";

    UserDenied = 403 "user_denied" None,
        "The token is valid but the policy lets no token act as this user.";

    // The call.
    RuleDenied = 403 "rule_denied" None,
        "A rule of the policy denies this call to this caller.";
    ReadOnly = 403 "read_only" None,
        "A rule of the policy lets this caller only read.";
    RateLimited = 429 "rate_limited" None,
        "Too many calls. Wait as long as the Retry-After header says.";

    // Our side.
    Overloaded = 503 "overloaded" None,
        "Too many requests at once. Try again in a moment.";
    UpstreamRejected = 502 "upstream_rejected_assertion" None,
        "Confluence did not accept how the user was asserted. The administrator finds the cause in the policy's status.";
    IdentityMismatch = 502 "identity_mismatch" None,
        "Confluence answered as another user. The answer was dropped.";
    UpstreamUnreachable = 502 "upstream_unreachable" None,
        "Confluence does not answer. It may be starting.";
    UpstreamTimeout = 504 "upstream_timeout" None,
        "Confluence did not answer in time.";
    NotConfigured = 503 "not_configured" None,
        "The sidecar has no valid configuration yet, so nothing is let through. The policy's status says why.";
    KeysUnavailable = 503 "keys_unavailable" None,
        "The identity provider's keys could not be fetched, so the token cannot be checked now.";
    ValidationUnavailable = 503 "validation_unavailable" None,
        "The identity provider could not be asked about the token. Try again; the policy's status says more.";
    LinkMissing = 503 "link_missing" None,
        "The application link in Confluence is not set up yet, so no user can be asserted. The policy's status says how to make it.";
    EnforcementUnverified = 503 "enforcement_unverified" None,
        "Users are named to Confluence by a header, and only while it is certain that nobody reaches Confluence around the sidecar. The policy's condition Enforced says what is in the way.";
    UserCheckUnavailable = 503 "user_check_unavailable" None,
        "Confluence could not be asked whether it knows this user. Try again.";
}

impl Reason {
    /// Stable code, snake_case.
    pub const fn code(self) -> &'static str {
        self.explain().code
    }

    /// HTTP status of the refusal.
    pub const fn status(self) -> u16 {
        self.explain().status
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn codes_are_unique_snake_case_words() {
        let mut seen = BTreeSet::new();
        for reason in Reason::ALL {
            let code = reason.code();
            assert!(
                code.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_'),
                "{code}"
            );
            assert!(seen.insert(code), "{code} twice");
        }
    }

    #[test]
    fn every_refusal_is_an_error_status_with_a_message() {
        for reason in Reason::ALL {
            let explained = reason.explain();
            assert!((400..600).contains(&explained.status), "{reason}");
            assert!(explained.message.ends_with('.') || explained.message.ends_with('?'), "{reason}");
            // RFC 6750 section 3.1: each error has its status.
            let status_of_error = match explained.bearer_error {
                None => explained.status,
                Some("invalid_request") => 400,
                // The third is of RFC 9449 section 7.1.
                Some("invalid_token" | "invalid_dpop_proof") => 401,
                Some("insufficient_scope") => 403,
                Some(other) => panic!("{other} is no error that is known"),
            };
            assert_eq!(explained.status, status_of_error, "{reason}");
        }
    }
}
