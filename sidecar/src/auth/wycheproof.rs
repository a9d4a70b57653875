//! The JOSE vectors of project Wycheproof, against the same steps that a token goes through: shape, header, choice of the key,
//! signature. (Their payloads are no claims.)

use std::collections::BTreeMap;

use serde_json::{Value, json};
use wycheproof_ng_core::TestResult;
use wycheproof_ng_kdf_jose::json_web::{TestName, TestSet};

use super::{RawToken, jws::Jws};
use crate::keys::{IssuerKeys, Selection, Snapshot, snapshot::usable_keys};

/// Signature vectors that are labelled valid and that we refuse: in 346 and 350 the token is signed by PS384 with a key that
/// says it is for PS256 (RFC 8725 section 3.1: a key is for one algorithm); in 347 and 351 the key names an algorithm "ES521",
/// which does not exist.
const EXCEPTIONS: [usize; 4] = [346, 347, 350, 351];

fn accepts(key_set: &Value, jws: &Value) -> bool {
    let Some(Ok(token)) = jws.as_str().map(|text| RawToken::parse(text.as_bytes())) else { return false };
    let Ok(jws) = Jws::parse(&token) else { return false };
    let Ok(algorithm) = jws.algorithm() else { return false };
    let Some(keys) = usable_keys(key_set) else { return false };
    let keys = Snapshot::new(vec![IssuerKeys {
        names: Vec::new(),
        keys,
        endpoints: None,
        fetched: None,
        until: None,
    }]);
    match keys.select(0, jws.kid.as_deref(), algorithm) {
        Selection::Key(key) => jws.is_signed_by(key),
        _ => false,
    }
}

fn is_symmetric(key_set: &Value) -> bool {
    key_set["keys"].as_array().unwrap().iter().all(|key| key["kty"] == "oct")
}

/// Number and comment of every vector that is not judged as it is labelled. HMAC is never accepted, whatever the label.
fn disagreements(name: TestName) -> BTreeMap<usize, String> {
    let mut found = BTreeMap::new();
    let mut seen = 0;
    for group in TestSet::load(name).unwrap().test_groups {
        let key = group.public_key.or(group.private_key).unwrap();
        let key_set = if key.get("keys").is_some() { key } else { json!({ "keys": [key] }) };
        for test in group.tests {
            seen += 1;
            let want = test.result == TestResult::Valid && !is_symmetric(&key_set);
            if accepts(&key_set, test.jws.as_ref().unwrap()) != want {
                found.insert(test.tc_id, test.comment);
            }
        }
    }
    assert!(seen > 20, "only {seen} vectors");
    found
}

#[test]
fn signatures() {
    let found = disagreements(TestName::JsonWebSignature);
    assert_eq!(found.keys().copied().collect::<Vec<_>>(), EXCEPTIONS, "{found:?}");
}

#[test]
fn keys() {
    assert_eq!(disagreements(TestName::JsonWebKey), BTreeMap::new());
}
