use std::collections::BTreeSet;

use super::*;

#[test]
fn codes_are_unique_snake_case_words() {
    let mut seen = BTreeSet::new();
    for reason in Reason::ALL {
        let code = reason.code();
        assert!(code.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_'), "{code}");
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

#[test]
fn every_reason_says_in_sentences_what_happened_and_what_to_do() {
    for reason in Reason::ALL {
        let Explanation { message, meaning, fix, .. } = reason.explain();
        assert!(message.starts_with(meaning) && fix != meaning, "{reason}");
        for text in [meaning, fix] {
            assert!(text.ends_with(['.', '?']) && !text.contains('|'), "{reason}: {text}");
        }
    }
}
