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
    /// What the caller is told: the meaning, and in short what to do; without any request data.
    pub message: &'static str,
    /// What happened.
    pub meaning: &'static str,
    /// What to do about it, for the reference page.
    pub fix: &'static str,
    /// Who can do that.
    pub who: Who,
}

/// Who can do something about a refusal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Who {
    /// Whoever calls: a person, or the owner of a program.
    Caller,
    /// Administrators of Keycloak or another identity provider.
    IdentityProvider,
    /// Administrators of Confluence.
    Confluence,
    /// Whoever writes the policy.
    Policy,
    /// Whoever looks after the cluster.
    OnCall,
}

impl Who {
    /// In words.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Caller => "caller",
            Self::IdentityProvider => "administrators of Keycloak",
            Self::Confluence => "administrators of Confluence",
            Self::Policy => "author of the policy",
            Self::OnCall => "on call",
        }
    }
}

/// Each reason has its meaning and who can do something about it, and what to do: `tell` goes to the caller and to the page,
/// `fix` to the page alone. One of both there must be.
macro_rules! reasons {
    ($($variant:ident = $status:literal $code:literal $error:expr, $who:ident, $meaning:literal
        $(, tell $tell:literal)? $(, fix $fix:literal)?;)*) => {
        /// Why a request was refused.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[allow(missing_docs, reason = "each variant is documented by its meaning in the table")]
        pub enum Reason { $($variant,)* }

        impl Reason {
            /// Every reason, in the order of the reference page.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// Code, status, challenge, message, and what to do about this reason.
            pub const fn explain(self) -> Explanation {
                match self {
                    $(Self::$variant => Explanation {
                        code: $code,
                        status: $status,
                        bearer_error: $error,
                        message: concat!($meaning $(, " ", $tell)?),
                        meaning: $meaning,
                        fix: sentences!($($tell)? $($fix)?),
                        who: Who::$who,
                    },)*
                }
            }
        }
    };
}

macro_rules! sentences {
    ($only:literal) => {
        $only
    };
    ($first:literal $second:literal) => {
        concat!($first, " ", $second)
    };
}

const TOKEN: Option<&str> = Some("invalid_token");
const SCOPE: Option<&str> = Some("insufficient_scope");
const PROOF: Option<&str> = Some("invalid_dpop_proof");
const REQUEST: Option<&str> = Some("invalid_request");

reasons! {
    // The request itself.
    AmbiguousTarget = 400 "ambiguous_target" None, Caller,
        "The request target can be read in more than one way.",
        tell "Send the path in its plain form, without encoded slashes, dots or control characters.";
    MalformedRequest = 400 "malformed_request" None, Caller,
        "The request is not valid HTTP/1.1: it needs exactly one valid Host header, at most one Content-Type, no transfer coding but chunked, and a body as long as its head says.",
        fix "Send it by a common HTTP library, and look at the proxies in between (docs/wire.md#requests).";
    MultipleAuthorization = 400 "multiple_authorization" REQUEST, Caller,
        "The request carries more than one Authorization header.",
        tell "Send exactly one.";
    MethodNotAllowed = 405 "method_not_allowed" None, Caller,
        "CONNECT and TRACE are not served.",
        fix "Use another method. A client that tunnels (CONNECT) takes the wiki for a proxy: take it out of the client's proxy settings.";
    RpcUnreadable = 400 "rpc_unreadable" None, Caller,
        "It cannot be told whether this call of XML-RPC, SOAP or JSON-RPC logs in by a password, which is switched off.",
        tell "Name its method in the body only, and send plain XML (no DOCTYPE, comments, CDATA or processing instructions) or plain JSON.",
        fix "More: docs/callers.md#passwords-in-the-bodies-of-the-legacy-apis.";
    RequestTimeout = 408 "request_timeout" None, Caller,
        "The request's body did not arrive in time.",
        tell "Send it again, without long pauses.";
    FormTooLarge = 413 "form_too_large" None, Caller,
        "Forms on paths of the API or with a token, and calls of XML-RPC, SOAP and JSON-RPC where passwords are switched off, are limited to 2 MiB.",
        tell "Send large content to the REST API as JSON or multipart.";
    FormCharset = 415 "form_charset" None, Caller,
        "Forms on paths of the API or with a token, and calls of XML-RPC, SOAP and JSON-RPC where passwords are switched off, must be UTF-8 and uncompressed.",
        fix "Send the body as UTF-8 and without `Content-Encoding`.";
    ExpectationFailed = 417 "expectation_failed" None, Caller,
        "Only the expectation 100-continue is understood.",
        fix "Leave the header `Expect` out.";
    ClientGone = 499 "client_gone" None, Caller,
        "The client left, and Confluence took too long for what nobody waits for any more. A write may have happened.",
        fix "Wait longer for an answer, and see whether a write has happened before you send it again (docs/wire.md#clients-that-leave).";
    HeadersTooLarge = 431 "headers_too_large" None, Caller,
        "The request headers are too large.",
        tell "Use a token with fewer roles and groups.",
        fix "The limits: docs/wire.md#limits.";

    // No or another credential.
    CredentialMissing = 401 "credential_missing" None, Caller,
        "This resource needs a token: send 'Authorization: Bearer <access token>'.",
        fix "Get a token and send it (docs/callers/README.md). If you sent one, a redirect to another host or to https has dropped it. What is public on purpose belongs into `anonymousPaths` or `credentials.anonymous` of the policy (docs/callers.md#is-the-wiki-public).";
    SchemeUnsupported = 401 "scheme_unsupported" None, Caller,
        "This Authorization scheme is not accepted.",
        tell "Send 'Authorization: Bearer <access token>'.",
        fix "How: docs/callers/README.md.";
    BasicDenied = 401 "basic_denied" None, Caller,
        "Basic authentication and password logins are switched off for this API.",
        tell "Use a Bearer token.",
        fix "How: docs/callers/README.md. What can only send passwords needs an exception (docs/setup/basic-off.md#3-except).";
    BasicBrownOut = 401 "basic_brown_out" None, Caller,
        "Basic authentication and password logins end soon, and are refused on trial for a while now.",
        tell "Use a Bearer token.",
        fix "How: docs/callers/README.md.";
    PersonalAccessTokenDenied = 401 "personal_access_token_denied" TOKEN, Caller,
        "Personal access tokens are switched off for this API.",
        tell "Use a token of the identity provider.",
        fix "How: docs/callers/README.md.";
    OAuth2Denied = 401 "confluence_oauth2_denied" TOKEN, Caller,
        "Confluence's own OAuth 2 tokens are switched off for this API.",
        tell "Use a token of the identity provider.",
        fix "How: docs/callers/README.md.";
    ApplicationLinkDenied = 401 "application_link_denied" None, Caller,
        "OAuth 1 application links are switched off for this API.",
        tell "Use a Bearer token.",
        fix "If the link is meant to work: `credentials.applicationLink` of the policy.";
    OAuth1Incomplete = 401 "oauth1_incomplete" None, Caller,
        "An OAuth 1 request needs consumer key, token, signature method, signature, timestamp and nonce.",
        fix "Send all of them. From some User-Agents (WebDAV) Confluence does not look at OAuth 1: send another.";
    ReservedConsumer = 401 "reserved_consumer" None, Caller,
        "This OAuth 1 consumer key may not be used from outside.",
        fix "Use the consumer key of an application link of your own: this one is the sidecar's.";
    SessionDenied = 401 "session_denied" None, Caller,
        "Browser sessions are switched off for this API.",
        tell "Use a Bearer token.",
        fix "How: docs/callers/README.md.";
    CredentialNotAccepted = 401 "credential_not_accepted" TOKEN, Caller,
        "Confluence does not accept this token: it is unknown, expired or revoked.",
        fix "Make a new personal access token in Confluence, or get a token of the identity provider.";

    // The token.
    TokenMalformed = 401 "token_malformed" TOKEN, Caller,
        "The token is not a signed JWT in compact form.",
        fix "Send the `access_token` of the token response as it came: whole, without quotes and line breaks.";
    HeaderUnsupported = 401 "token_header_unsupported" TOKEN, Caller,
        "The token's header has a type or an extension that is not supported.",
        fix "Send the `access_token` of the token response; `kubectl restward token decode` shows the header.";
    AlgorithmNotAllowed = 401 "algorithm_not_allowed" TOKEN, IdentityProvider,
        "The token is signed with an algorithm that is not allowed.",
        fix "Set the algorithm of the client's access tokens to one of the policy's `tokens.algorithms`, such as RS256.";
    KeyUnknown = 401 "key_unknown" TOKEN, Caller,
        "The token is signed with a key that the realm does not publish.",
        tell "Is it a token of the right realm?",
        fix "Get it from the realm that the policy names.";
    SignatureInvalid = 401 "signature_invalid" TOKEN, Caller,
        "The token's signature is not valid.",
        fix "Get a new one and send it as it came.";
    ClaimsMalformed = 401 "claims_malformed" TOKEN, IdentityProvider,
        "The token's claims are not valid: a member is missing, repeated or of the wrong type.",
        fix "Correct the mappers of the client; `kubectl restward token decode` shows the claims.";
    IssuerMismatch = 401 "issuer_mismatch" TOKEN, Caller,
        "The token was issued by another realm or identity provider.",
        fix "Get it from the realm of the policy, by the policy's host; another name of the same realm belongs into `keycloak.acceptedIssuers`, another realm into `issuers`.";
    NotAnAccessToken = 401 "not_an_access_token" TOKEN, Caller,
        "This is not an access token.",
        tell "Send the access_token of the token response, not the ID or refresh token.";
    ProofRequired = 401 "proof_required" TOKEN, Caller,
        "The token is bound to a key and may not be sent as a plain Bearer token: send it with scheme DPoP and a proof.",
        fix "Send it so, or get one that is bound to nothing (docs/tokens.md#tokens-bound-to-a-key-dpop).";
    ProofInvalid = 401 "proof_invalid" PROOF, Caller,
        "The token was sent with scheme DPoP, but its proof is not valid for this request, or not by the token's key.",
        fix "Sign it with the token's key, for this method and URL, just now (docs/tokens.md#tokens-bound-to-a-key-dpop).";
    ProofReplayed = 401 "proof_replayed" PROOF, Caller,
        "This DPoP proof was used before.",
        tell "Make a new one for each request.";
    CertificateRequired = 401 "certificate_required" TOKEN, Caller,
        "The token is bound to a client certificate, and the call did not come with that certificate through a proxy that the policy trusts.",
        fix "Call with the certificate with which you got the token (docs/tokens.md#tokens-bound-to-a-certificate-mutual-tls).";
    TokenExpired = 401 "token_expired" TOKEN, Caller,
        "The token has expired.",
        tell "Get a new one.";
    TokenNotYetValid = 401 "token_not_yet_valid" TOKEN, OnCall,
        "The token is not valid yet.",
        tell "Compare the clocks of the identity provider and this server.";
    AudienceMismatch = 401 "audience_mismatch" TOKEN, IdentityProvider,
        "The token is not meant for this API.",
        tell "Its client needs an audience mapper.",
        fix "How: docs/setup/keycloak.md#1-a-client-scope-with-the-audience.";
    PartyMismatch = 401 "party_mismatch" TOKEN, Policy,
        "The client that got this token may not call this API.",
        fix "If the client is meant to call, add it to `tokens.authorizedParties`, or to `authorizedParties` of its issuer.";

    TokenRevoked = 401 "token_revoked" TOKEN, Caller,
        "The realm has revoked all tokens that were issued before a certain time, and this one is older.",
        tell "Get a new one.";
    TokenInactive = 401 "token_inactive" TOKEN, Caller,
        "The identity provider does not accept the token any more: it was revoked, its session has ended, or its user or client is disabled.",
        fix "Log in again and get a new one. If that fails, the identity provider's administrators see whether user and client are enabled.";

    // What the token grants.
    OpenidScopeMissing = 403 "openid_scope_missing" SCOPE, Caller,
        "The identity provider says who a token is for only when the token has the scope openid.",
        tell "Ask for scope=openid when you get the token.";
    ScopeMissing = 403 "scope_missing" SCOPE, Caller,
        "The token is valid but lacks a scope that this API requires.",
        tell "Ask for the scope when you get the token.";
    RoleMissing = 403 "role_missing" None, IdentityProvider,
        "The token is valid but lacks a role that this API requires.",
        tell "The administrator of the identity provider can assign it.";
    GroupMissing = 403 "group_missing" None, IdentityProvider,
        "The token is valid but names no membership in a group that this API requires.",
        fix "Add the user to the group, and see that the client's tokens name groups (mapper Group Membership).";

    // The user.
    UsernameUnusable = 403 "username_unusable" None, IdentityProvider,
        "The token is valid but its username attribute is missing or cannot name a Confluence user.",
        fix "Give the client a mapper for the claim of `usernameAttribute` (docs/setup/keycloak.md#4-the-claim-that-names-the-user). If the claim is there, `usernameMapping` of the policy does not fit it.";
    ServiceAccountUnmapped = 403 "service_account_unmapped" None, Policy,
        "The token is valid but belongs to a client, not to a user.",
        tell "Map the client to a Confluence user in the policy's serviceAccounts.",
        fix "How: docs/setup/keycloak.md#2-a-client-for-each-program-service-account.";
    UserUnknown = 403 "user_unknown" None, Confluence,
        "The token is valid but Confluence has no active user of this name.",
        fix "Make the user in Confluence, or enable it and let it use Confluence. If it has another name there, correct `usernameAttribute` or `usernameMapping` of the policy (docs/identity.md, docs/callers.md#from-a-token-to-a-confluence-user).";

    UserDenied = 403 "user_denied" None, Policy,
        "The token is valid but the policy lets no token act as this user.",
        fix "If tokens are meant to act as this user, take it out of `deniedUsers`; else call as another.";

    // The call.
    RuleDenied = 403 "rule_denied" None, Policy,
        "A rule of the policy denies this call to this caller.",
        fix "If the call is meant, allow it in `rules` (docs/callers.md#what-a-caller-may-do).";
    ReadOnly = 403 "read_only" None, Policy,
        "A rule of the policy lets this caller only read.",
        fix "If the write is meant, allow it in `rules` (docs/callers.md#what-a-caller-may-do).";
    RateLimited = 429 "rate_limited" None, Caller,
        "Too many calls.",
        tell "Wait as long as the Retry-After header says.",
        fix "What is counted: docs/callers.md#how-often.";

    // Our side.
    Overloaded = 503 "overloaded" None, OnCall,
        "Too many requests at once.",
        tell "Try again in a moment.",
        fix "If it stays: docs/operate/three-in-the-morning.md#503-overloaded-or-everything-is-slow.";
    UpstreamRejected = 502 "upstream_rejected_assertion" None, Confluence,
        "Confluence did not accept how the user was asserted.",
        tell "The administrator finds the cause in the policy's status.",
        fix "It is condition `UpstreamTrusted` (docs/reference/conditions.md#upstreamtrusted).";
    IdentityMismatch = 502 "identity_mismatch" None, Confluence,
        "Confluence answered as another user. The answer was dropped.",
        fix "Find what in Confluence logs the caller in as somebody else, such as the authenticator of a single sign-on (docs/identity.md).";
    UpstreamUnreachable = 502 "upstream_unreachable" None, OnCall,
        "Confluence does not answer. It may be starting.",
        fix "Try again. If it stays, see the log of Confluence's container.";
    UpstreamTimeout = 504 "upstream_timeout" None, OnCall,
        "Confluence did not answer in time.",
        fix "See what keeps Confluence busy, or raise `upstream.timeouts.request` of the policy.";
    NotConfigured = 503 "not_configured" None, Policy,
        "The sidecar has no valid configuration yet, so nothing is let through.",
        tell "The policy's status says why.",
        fix "It is condition `ConfigCurrent` (docs/reference/conditions.md#configcurrent).";
    KeysUnavailable = 503 "keys_unavailable" None, OnCall,
        "The identity provider's keys could not be fetched, so the token cannot be checked now.",
        fix "Let Confluence's pods reach the identity provider: condition `IdentityProviderReachable` says what is in the way (docs/reference/conditions.md#identityproviderreachable).";
    ValidationUnavailable = 503 "validation_unavailable" None, OnCall,
        "The identity provider could not be asked about the token.",
        tell "Try again; the policy's status says more.",
        fix "It is condition `IdentityProviderReachable` (docs/reference/conditions.md#identityproviderreachable).";
    LinkMissing = 503 "link_missing" None, Confluence,
        "The application link in Confluence is not set up yet, so no user can be asserted.",
        tell "The policy's status says how to make it.",
        fix "More: docs/setup/application-link.md.";
    EnforcementUnverified = 503 "enforcement_unverified" None, OnCall,
        "Users are named to Confluence by a header, and only while it is certain that nobody reaches Confluence around the sidecar.",
        tell "The policy's condition Enforced says what is in the way.",
        fix "What to do about each: docs/reference/conditions.md#enforced.";
    UserCheckUnavailable = 503 "user_check_unavailable" None, OnCall,
        "Confluence could not be asked whether it knows this user.",
        tell "Try again.",
        fix "If it stays, see the log of Confluence's container.";
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
mod tests;
