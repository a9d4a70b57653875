//! What Confluence's answers to signed calls say.

use http::{HeaderMap, StatusCode, header};
use restward_crds::{condition::UpstreamReason, reason::Reason, sidecar::status::Report};
use serde_json::Value;

use crate::{identity::Origin, loopback::Answer};

/// Another key signed, or for another URL.
const SIGNATURE_INVALID: &str = "signature_invalid";

/// What a calibration found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Finding {
    /// Good signatures pass and bad ones do not.
    Trusted,
    /// `/status` does not say RUNNING, or there is no answer, or Confluence is overloaded.
    NotRunning,
    /// No consumer of our key.
    LinkMissing,
    /// The consumer may not name users.
    ImpersonationOff,
    /// Under no candidate URL is the signature good.
    SignatureInvalid,
    /// Clocks differ by more than five minutes.
    ClockSkew,
    /// A bad signature passes too.
    NotEvaluated,
    /// Another status or problem.
    Unexpected(String),
}

impl Finding {
    /// Whether nothing follows from it for what was known before.
    pub fn is_inconclusive(&self) -> bool {
        matches!(self, Self::NotRunning)
    }

    fn reason(&self) -> UpstreamReason {
        match self {
            Self::Trusted => UpstreamReason::Trusted,
            Self::NotRunning => UpstreamReason::Pending,
            Self::LinkMissing => UpstreamReason::LinkMissing,
            Self::ImpersonationOff => UpstreamReason::ImpersonationOff,
            Self::SignatureInvalid => UpstreamReason::SignatureInvalid,
            Self::ClockSkew => UpstreamReason::ClockSkew,
            Self::NotEvaluated => UpstreamReason::OAuthNotEvaluated,
            Self::Unexpected(_) => UpstreamReason::UnexpectedAnswer,
        }
    }
}

/// The `oauth_problem` in the challenges of an answer (OAuth Problem Reporting extension), never more than its word.
pub fn oauth_problem(headers: &HeaderMap) -> Option<String> {
    headers.get_all(header::WWW_AUTHENTICATE).iter().find_map(|challenge| {
        let challenge = challenge.to_str().ok()?;
        let (_, rest) = challenge.split_once("oauth_problem=")?;
        let word: String = rest
            .trim_start_matches('"')
            .chars()
            .take_while(|c| c.is_ascii_lowercase() || *c == '_')
            .take(64)
            .collect();
        Some(word)
    })
}

/// Whether a call was refused for its signature, and so not carried out.
pub fn refuses_signature(headers: &HeaderMap) -> bool {
    oauth_problem(headers).is_some_and(|problem| problem == SIGNATURE_INVALID)
}

/// Whether `/status` says that Confluence serves.
pub fn says_running(status: StatusCode, body: &[u8]) -> bool {
    status == StatusCode::OK
        && serde_json::from_slice::<Value>(body)
            .is_ok_and(|value| value.get("state") == Some(&Value::from("RUNNING")))
}

/// Reads the answer to a rightly signed call for a user that does not exist. To Confluence such a user is no error:
/// the call goes on as anonymous, which may read (200) or not (403, 404), or not even use Confluence (401): then `visit`,
/// the answer to the same call without a credential, is a 401 too.
pub fn of_good_signature(answer: Option<&Answer>, visit: Option<&Answer>) -> Finding {
    let Some(answer) = answer else { return Finding::NotRunning };
    if let Some(problem) = oauth_problem(&answer.headers) {
        return match problem.as_str() {
            SIGNATURE_INVALID => Finding::SignatureInvalid,
            "consumer_key_unknown" => Finding::LinkMissing,
            "permission_denied" => Finding::ImpersonationOff,
            "timestamp_refused" => Finding::ClockSkew,
            other => Finding::Unexpected(format!("the OAuth problem '{other}'")),
        };
    }
    match answer.status.as_u16() {
        200 | 403 | 404 => Finding::Trusted,
        // Whether the consumer may name users then shows when it names one who exists.
        401 if visit.is_some_and(|visit| visit.status == StatusCode::UNAUTHORIZED) => Finding::Trusted,
        401 => Finding::ImpersonationOff,
        429 | 500..=599 => Finding::NotRunning,
        other => Finding::Unexpected(format!("status {other}")),
    }
}

/// Reads the answer to the same call with one bit of the signature changed.
pub fn of_bad_signature(answer: Option<&Answer>) -> Finding {
    let Some(answer) = answer else { return Finding::NotRunning };
    match oauth_problem(&answer.headers).as_deref() {
        Some(SIGNATURE_INVALID) => Finding::Trusted,
        Some(other) => Finding::Unexpected(format!("the OAuth problem '{other}' to a bad signature")),
        None if matches!(answer.status.as_u16(), 429 | 500..=599) => Finding::NotRunning,
        None => Finding::NotEvaluated,
    }
}

/// What a caller with a good token gets while Confluence does not trust the sidecar.
pub fn deny(reason: UpstreamReason) -> Reason {
    match reason {
        UpstreamReason::LinkMissing | UpstreamReason::ImpersonationOff => Reason::LinkMissing,
        UpstreamReason::Pending | UpstreamReason::Trusted | UpstreamReason::Unproven => {
            Reason::UserCheckUnavailable
        }
        UpstreamReason::SignatureInvalid
        | UpstreamReason::ClockSkew
        | UpstreamReason::OAuthNotEvaluated
        | UpstreamReason::HeaderNotBelieved
        | UpstreamReason::UnexpectedAnswer => Reason::UpstreamRejected,
    }
}

/// The finding with a sentence that says what to do. `trusted`: the URL that is signed for from now on.
pub fn report(finding: &Finding, trusted: Option<&Origin>, tried: &[Origin]) -> Report<UpstreamReason> {
    // While a trusted Confluence restarts, it is still trusted.
    let reason = if finding.is_inconclusive() && trusted.is_some() {
        UpstreamReason::Trusted
    } else {
        finding.reason()
    };
    let message = match (finding, trusted) {
        (Finding::NotRunning | Finding::Trusted, Some(origin)) => {
            format!("Confluence accepts signed calls and knows itself as {}.", origin.describe())
        }
        (Finding::NotRunning, None) => "Confluence does not answer as running yet.".to_owned(),
        (Finding::Trusted, None) => "Confluence accepts signed calls.".to_owned(),
        (Finding::LinkMissing, _) => {
            "Confluence has no application link with this consumer key. Make the incoming \
            application link as the policy's status describes."
                .to_owned()
        }
        (Finding::ImpersonationOff, _) => {
            "The application link exists, but does not let its consumer name users. Switch \
            on incoming two-legged OAuth with impersonation for it."
                .to_owned()
        }
        (Finding::SignatureInvalid, _) => {
            let tried: Vec<String> = tried.iter().map(Origin::describe).collect();
            format!(
                "Confluence refuses the signature under every URL that was tried ({}). Either the application link holds \
                 another public key, or Confluence's connector has another scheme, proxyName or proxyPort: set them in \
                 spec.upstream.",
                tried.join(", ")
            )
        }
        (Finding::ClockSkew, _) => {
            "The clocks of this pod's node and of Confluence differ by more than five minutes.".to_owned()
        }
        (Finding::NotEvaluated, _) => {
            "Confluence lets a wrong signature pass, so it does not look at OAuth at all. Is the \
            OAuth plugin of Confluence enabled?"
                .to_owned()
        }
        (Finding::Unexpected(what), _) => format!("Confluence answers a signed call with {what}."),
    };
    Report { reason, message }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    fn answer(status: u16, challenge: &str) -> Answer {
        let mut headers = HeaderMap::new();
        if !challenge.is_empty() {
            headers.append(header::WWW_AUTHENTICATE, HeaderValue::from_static("Basic realm=\"x\""));
            headers.append(header::WWW_AUTHENTICATE, challenge.parse().unwrap());
        }
        Answer { status: status.try_into().unwrap(), headers, body: Vec::new().into() }
    }

    #[test]
    fn answers_to_good_and_bad_signatures() {
        use Finding::{
            ClockSkew, ImpersonationOff, LinkMissing, NotEvaluated, NotRunning, SignatureInvalid, Trusted,
        };
        let odd = |what: &str| Finding::Unexpected(what.into());
        let problem = |word: &str| format!("OAuth realm=\"http%3A%2F%2Fx\", oauth_problem=\"{word}\"");
        let bad = |what: &str| odd(&format!("the OAuth problem '{what}' to a bad signature"));
        let table = [
            (Some(answer(200, "")), Trusted, NotEvaluated),
            (Some(answer(403, "")), Trusted, NotEvaluated),
            (Some(answer(404, "")), Trusted, NotEvaluated),
            (Some(answer(401, "OAuth realm=\"x\"")), ImpersonationOff, NotEvaluated),
            (Some(answer(401, &problem("signature_invalid"))), SignatureInvalid, Trusted),
            (Some(answer(401, "OAuth oauth_problem=signature_invalid,x=1")), SignatureInvalid, Trusted),
            (Some(answer(401, &problem("consumer_key_unknown"))), LinkMissing, bad("consumer_key_unknown")),
            (Some(answer(401, &problem("permission_denied"))), ImpersonationOff, bad("permission_denied")),
            (Some(answer(400, &problem("timestamp_refused"))), ClockSkew, bad("timestamp_refused")),
            (
                Some(answer(401, &problem("nonce_used"))),
                odd("the OAuth problem 'nonce_used'"),
                bad("nonce_used"),
            ),
            (Some(answer(503, "")), NotRunning, NotRunning),
            (Some(answer(429, "")), NotRunning, NotRunning),
            (Some(answer(302, "")), odd("status 302"), NotEvaluated),
            (None, NotRunning, NotRunning),
        ];
        for (answer, good, bad) in table {
            let public = self::answer(200, "");
            assert_eq!(of_good_signature(answer.as_ref(), None), good, "{answer:?}");
            assert_eq!(of_good_signature(answer.as_ref(), Some(&public)), good, "{answer:?}");
            assert_eq!(of_bad_signature(answer.as_ref()), bad, "{answer:?}");
        }
    }

    #[test]
    fn where_visitors_may_not_use_confluence_a_401_says_nothing_about_the_consumer() {
        let private = answer(401, "OAuth realm=\"x\"");
        let judged = |challenge: &str| of_good_signature(Some(&answer(401, challenge)), Some(&private));
        assert_eq!(judged(""), Finding::Trusted);
        assert_eq!(judged("OAuth realm=\"x\""), Finding::Trusted);
        for (problem, finding) in [
            ("permission_denied", Finding::ImpersonationOff),
            ("signature_invalid", Finding::SignatureInvalid),
            ("consumer_key_unknown", Finding::LinkMissing),
        ] {
            assert_eq!(judged(&format!("OAuth oauth_problem=\"{problem}\"")), finding);
        }
    }

    #[test]
    fn a_problem_is_one_word_whatever_else_stands_there() {
        let table = [
            ("OAuth oauth_problem=\"a_b\"", Some("a_b")),
            ("OAuth oauth_problem=\"A\r".trim_end(), Some("")),
            ("OAuth oauth_problem=x%0Ay", Some("x")),
            ("OAuth realm=\"x\"", None),
        ];
        for (challenge, want) in table {
            let headers = HeaderMap::from_iter([(header::WWW_AUTHENTICATE, challenge.parse().unwrap())]);
            assert_eq!(oauth_problem(&headers).as_deref(), want, "{challenge}");
        }
    }

    #[test]
    fn only_running_is_running() {
        let ok = StatusCode::OK;
        assert!(says_running(ok, br#"{"state":"RUNNING"}"#));
        for body in [&br#"{"state":"STARTING"}"#[..], b"RUNNING", b"", br#"{"State":"RUNNING"}"#] {
            assert!(!says_running(ok, body));
        }
        assert!(!says_running(StatusCode::SERVICE_UNAVAILABLE, br#"{"state":"RUNNING"}"#));
    }
}
