//! The status that the operator asks for, authenticated so that no other pod can speak for a sidecar. Pure.

use std::fmt;

use aws_lc_rs::hmac;
use restward_crds::{
    condition::{ProviderReason, UpstreamReason},
    seal::Seal,
    sidecar::{
        config::PolicyRef,
        status::{Report, SidecarStatus, mac_input},
    },
};
use zeroize::Zeroizing;

use crate::{calibrate::visitors, config::Store, digest::hex, time::UnixTime, verify::Verifier};

/// The policy's key for what the operator asks.
pub struct StatusKey {
    mac: hmac::Key,
    /// For its questions that are nobody else's business.
    pub seal: Seal,
}

impl fmt::Debug for StatusKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("StatusKey(..)")
    }
}

impl StatusKey {
    /// From 64 hexadecimal digits.
    ///
    /// # Errors
    /// It is something else.
    pub fn from_hex(text: &[u8]) -> Result<Self, String> {
        let text = text.trim_ascii();
        let digit = |byte: &u8| char::from(*byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
        let digits = text.iter().map(digit).collect::<Option<Vec<u8>>>().map(Zeroizing::new);
        match digits {
            Some(digits) if digits.len() == 64 => {
                let byte = |pair: &[u8]| pair.iter().fold(0, |byte, digit| byte << 4 | digit);
                let bytes: Zeroizing<Vec<u8>> = digits.chunks_exact(2).map(byte).collect::<Vec<u8>>().into();
                let seal = Seal::new(&bytes).map_err(|_| "no key can be derived from status-key")?;
                Ok(Self { mac: hmac::Key::new(hmac::HMAC_SHA256, &bytes), seal })
            }
            _ => Err("status-key must be 64 hexadecimal digits".to_owned()),
        }
    }

    /// Lower-case hexadecimal MAC over nonce and body.
    pub fn mac(&self, nonce: &str, body: &[u8]) -> String {
        let tag = hmac::sign(&self.mac, &mac_input(nonce, body));
        hex(tag.as_ref())
    }
}

/// What the sidecar says about itself; `None` without a configuration, since then it has no key to say it with.
pub fn of(store: &Store, verifier: &Verifier) -> Option<SidecarStatus> {
    let active = store.active()?;
    let policy: PolicyRef = active.settings.policy.clone();
    let identity_provider: Report<ProviderReason> =
        active.authenticator.report().unwrap_or_else(|| active.keys.report());
    let upstream: Report<UpstreamReason> = active.calibration().report();
    let mut advisories = active.authenticator.advisories();
    advisories.extend(visitors::advice(active.calibration().visitors(), &active.settings));
    Some(SidecarStatus {
        sidecar_version: env!("CARGO_PKG_VERSION").to_owned(),
        now: Some(UnixTime::now().secs()),
        policy,
        config_hash: active.hash.clone(),
        config_rejected: store.rejected().map(|message| message.as_ref().clone()),
        identity_provider,
        upstream,
        consumer_keys: active.calibration().consumer_keys(),
        managed_link: active.calibration().kept(),
        verification: Some(verifier.report()),
        advisories,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mac_is_that_of_others() {
        // printf 'restward-status-v1\n00112233445566778899aabbccddeeff\n{}' | openssl dgst -sha256 -mac HMAC -macopt hexkey:00…00
        let key = StatusKey::from_hex(format!("{}\n", "00".repeat(32)).as_bytes()).unwrap();
        assert_eq!(
            key.mac("00112233445566778899aabbccddeeff", b"{}"),
            "a4c16e7e8c9b173415c674f7694f60ef5c2ec07b04f97cd2a4bc38551df54b9e"
        );
    }

    #[test]
    fn a_key_has_64_digits() {
        for text in ["", "00", &"0".repeat(63), &"g".repeat(64), &"0".repeat(66)] {
            assert!(StatusKey::from_hex(text.as_bytes()).is_err(), "{text}");
        }
        assert_eq!(
            format!("{:?}", StatusKey::from_hex("ab".repeat(32).as_bytes()).unwrap()),
            "StatusKey(..)"
        );
    }
}
