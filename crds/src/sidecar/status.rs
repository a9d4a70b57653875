//! What a sidecar says about itself: `GET /status?nonce=<nonce>` on its admin port. The answer is authenticated by
//! an HMAC-SHA256 over nonce and body under the policy's status key, so that no other pod can speak for a sidecar.

use serde::{Deserialize, Serialize};

use super::config::PolicyRef;
use crate::condition::{EnforcedReason, ProviderReason, UpstreamReason};

/// The answer's body.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SidecarStatus {
    /// Version of the sidecar.
    pub sidecar_version: String,
    /// What time it has, in seconds since 1970-01-01T00:00:00Z; absent from sidecars that are too old to say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub now: Option<i64>,
    /// The policy and its generation that the running configuration was rendered from.
    pub policy: PolicyRef,
    /// Lower-case hexadecimal SHA-256 of the configuration file that is in force.
    pub config_hash: String,
    /// Why the newest configuration file is not in force, when it is not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub config_rejected: Option<String>,
    /// The identity provider, as this sidecar sees it.
    pub identity_provider: Report<ProviderReason>,
    /// The result of calibration.
    pub upstream: Report<UpstreamReason>,
    /// The keys of the OAuth 1 consumer; absent where users are named otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub consumer_keys: Option<ConsumerKeys>,
    /// How the sidecar keeps the application link; absent where people do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub managed_link: Option<LinkReport>,
    /// Whether there is a way around the sidecar; absent from sidecars that are too old to look.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verification: Option<Verification>,
    /// What the administrator should know although requests are served, each as `Reason: sentence`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub advisories: Vec<String>,
}

/// Keys by their fingerprints: lower-case hexadecimal SHA-256 of the public key (SPKI, DER).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ConsumerKeys {
    /// Those that the sidecar has.
    pub held: Vec<String>,
    /// The one whose signatures Confluence takes, as far as was seen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub taken: Option<String>,
}

/// How the sidecar keeps the application link.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LinkReport {
    /// What it put right last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repair: Option<Repair>,
    /// What keeps it from putting the link right, and what to do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trouble: Option<String>,
}

/// Something that was put right.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Repair {
    /// When, in seconds since 1970-01-01T00:00:00Z.
    pub at: i64,
    /// What was wrong and is right now.
    pub what: String,
}

/// What the sidecar found when it looked for ways around itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Verification {
    /// The result.
    pub reason: EnforcedReason,
    /// For people.
    pub message: String,
    /// When the latest look ended, in seconds since 1970-01-01T00:00:00Z by the clock of the sidecar's node.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verified_at: Option<i64>,
    /// Ports of the pod that lead to Confluence around the sidecar.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub bypass_ports: Vec<u16>,
    /// What is no way around but better known, each as `Reason: sentence`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
}

/// A reason and a sentence that says what to do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Report<R> {
    /// Reason from a closed set.
    pub reason: R,
    /// For people.
    pub message: String,
}

/// Shortest accepted nonce, in characters.
pub const MIN_NONCE: usize = 16;
/// Longest accepted nonce, in characters.
pub const MAX_NONCE: usize = 128;

/// Whether `nonce` may be used: lower-case hexadecimal digits of the right number.
pub fn is_nonce(nonce: &str) -> bool {
    (MIN_NONCE..=MAX_NONCE).contains(&nonce.len())
        && nonce.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
}

/// What the HMAC is computed over.
pub fn mac_input(nonce: &str, body: &[u8]) -> Vec<u8> {
    [b"restward-status-v1\n", nonce.as_bytes(), b"\n", body].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nonces_cannot_reach_into_the_body() {
        assert!(is_nonce("00112233445566778899aabbccddeeff"));
        for nonce in ["", "0011", "00112233445566778899aabbccddeef\n", "00112233445566778899AABBCCDDEEFF"] {
            assert!(!is_nonce(nonce), "{nonce:?}");
        }
    }
}
