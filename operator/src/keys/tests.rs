//! What is stored, what proves, and what a rotation leaves.

use super::*;

#[test]
fn generated_keys_survive_the_secret_and_stay_out_of_debug() {
    let keys = PolicyKeys::generate(None).unwrap();
    let stored = PolicyKeys::from_stored(keys.consumer_key_pem(), keys.status_key_hex()).unwrap();
    assert_eq!(stored, keys);
    assert!(keys.consumer_key_pem().starts_with("-----BEGIN PRIVATE KEY-----\n"));
    assert!(keys.public_key().pem.starts_with("-----BEGIN PUBLIC KEY-----\n"));
    let shown = format!("{keys:?}");
    assert!(!shown.contains("PRIVATE") && !shown.contains(keys.status_key_hex()));
    assert_ne!(PolicyKeys::generate(None).unwrap(), keys);
}

/// As the Secret keeps it.
fn stored(keys: &PolicyKeys) -> Result<PolicyKeys, KeyError> {
    PolicyKeys::from_stored(keys.consumer_key_pem(), keys.status_key_hex())?.in_rotation(
        keys.next_consumer_key_pem(),
        keys.previous_status_key_hex(),
        keys.answered().map(str::to_owned),
    )
}

fn mac(status_key_hex: &str, nonce: &str, body: &[u8]) -> String {
    let secret = hmac::Key::new(hmac::HMAC_SHA256, &decode_hex(status_key_hex).unwrap());
    to_hex(hmac::sign(&secret, &status::mac_input(nonce, body)).as_ref())
}

#[test]
fn the_next_key_comes_beside_the_first_and_then_takes_its_place() {
    let keys = PolicyKeys::generate(Some("1".into())).unwrap();
    assert_eq!((keys.answered(), keys.next_public_key(), keys.is_rotating()), (Some("1"), None, false));
    assert_eq!(keys.clone().promoted(), keys, "there is nothing to promote");
    let rotating = keys.clone().rotating("2".into(), true).unwrap();
    assert_eq!((rotating.public_key(), rotating.answered()), (keys.public_key(), Some("2")));
    let next = rotating.next_public_key().unwrap().clone();
    assert_ne!(&next, keys.public_key());
    assert_eq!(stored(&rotating).unwrap(), rotating);
    assert!(!format!("{rotating:?}").contains("PRIVATE") && rotating.is_rotating());
    let promoted = rotating.clone().promoted();
    assert_eq!((promoted.public_key(), promoted.next_public_key()), (&next, None));
    assert_eq!(promoted.status_key_hex(), rotating.status_key_hex());
    let again = rotating.without_previous_status_key().rotating("3".into(), true).unwrap();
    assert_eq!(
        (again.next_public_key(), again.answered()),
        (Some(&next), Some("3")),
        "it may be in the link"
    );
    assert!(keys.in_rotation(Some("x"), None, None).is_err());
}

#[test]
fn the_status_key_is_new_at_once_and_the_one_from_before_counts_for_a_while() {
    let keys = PolicyKeys::generate(None).unwrap();
    let rotating = keys.clone().rotating("1".into(), false).unwrap();
    assert_eq!((rotating.public_key(), rotating.next_public_key()), (keys.public_key(), None));
    assert_eq!(rotating.previous_status_key_hex(), Some(keys.status_key_hex()));
    assert_ne!(rotating.status_key_hex(), keys.status_key_hex());
    assert_eq!(stored(&rotating).unwrap(), rotating);
    assert!(!format!("{rotating:?}").contains(keys.status_key_hex()) && rotating.is_rotating());

    let proof = |of: &PolicyKeys, key: &str| of.proof("aa", b"{}", &mac(key, "aa", b"{}"));
    assert_eq!(proof(&rotating, rotating.status_key_hex()), Some(Proof::ByKey));
    assert_eq!(proof(&rotating, keys.status_key_hex()), Some(Proof::ByPreviousKey));
    let over = rotating.without_previous_status_key();
    assert_eq!((proof(&over, over.status_key_hex()), over.is_rotating()), (Some(Proof::ByKey), false));
    assert_eq!(proof(&over, keys.status_key_hex()), None);
    assert_eq!(keys.in_rotation(None, Some("00"), None), Err(KeyError::StatusKey));
}

#[test]
fn foreign_content_is_refused() {
    let keys = PolicyKeys::generate(None).unwrap();
    let key = keys.consumer_key_pem();
    assert_eq!(PolicyKeys::from_stored("", keys.status_key_hex()), Err(KeyError::ConsumerKey));
    assert_eq!(
        PolicyKeys::from_stored(&keys.public_key().pem, keys.status_key_hex()),
        Err(KeyError::ConsumerKey)
    );
    for status in ["", "00", &"zz".repeat(32), &"é".repeat(32)] {
        assert_eq!(PolicyKeys::from_stored(key, status), Err(KeyError::StatusKey), "{status}");
    }
}

#[test]
fn only_the_right_key_nonce_and_body_prove() {
    let keys = PolicyKeys::generate(None).unwrap();
    let mac = mac(keys.status_key_hex(), "aa", b"{}");
    assert_eq!(keys.proof("aa", b"{}", &mac), Some(Proof::ByKey));
    let others = PolicyKeys::generate(None).unwrap();
    for (keys, nonce, body, mac) in [
        (&keys, "ab", &b"{}"[..], mac.as_str()),
        (&keys, "aa", b"{ }", &mac),
        (&keys, "aa", b"{}", ""),
        (&keys, "aa", b"{}", "é"),
        (&others, "aa", b"{}", &mac),
    ] {
        assert_eq!(keys.proof(nonce, body, mac), None, "{nonce} {mac}");
    }
}
