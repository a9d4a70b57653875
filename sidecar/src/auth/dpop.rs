//! Proofs that the holder of a token has its key (DPoP, RFC 9449): a small JWT, made for one method and URL and one token,
//! signed with the key that the token is bound to. Pure; [`replay`] remembers which were used.

pub mod replay;

use std::time::Duration;

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD as B64};
use restward_crds::{
    reason::Reason,
    sidecar::{Settings, tokens::Algorithm},
    text::Authority,
};
use serde_json::Value;
use url::Url;

use super::{
    RawToken,
    json::{self, JsonObject},
    jws::Jws,
};
use crate::{
    digest::sha256,
    keys::{VerifyKey, jwk::thumbprint},
    refusal::Deny,
    time::UnixTime,
};

/// How old a proof may be, beside the clock skew (RFC 9449 section 11.1: seconds or minutes).
pub const LIFETIME: Duration = Duration::from_mins(1);
/// Longest `jti` that is remembered.
const MAX_ID: usize = 256;

/// What a client sent beside a token of scheme `DPoP`, and what it was sent for.
#[derive(Debug, Clone, Copy)]
pub struct Shown<'a> {
    /// The one `DPoP` header.
    pub proof: &'a RawToken,
    /// Method of the request.
    pub method: &'a str,
    /// Path of the request, as sent.
    pub path: &'a str,
}

/// A proof whose signature is good and which was made for this request and token, lately.
#[derive(Debug, Clone, PartialEq)]
pub struct Proof {
    /// RFC 7638 thumbprint of its key.
    pub key: String,
    id: String,
    issued: f64,
}

impl Proof {
    /// Checks a proof, in the order of RFC 9449 section 4.3. Whether its key is the token's is for
    /// [`super::checks::proof`] to say, and whether it was used before for [`replay::Used`].
    ///
    /// # Errors
    /// [`Reason::ProofInvalid`], with what is wrong where the client can do something about it.
    pub fn check(
        settings: &Settings,
        token: &RawToken,
        shown: Shown<'_>,
        now: UnixTime,
    ) -> Result<Self, Deny> {
        if settings.external_urls.is_empty() {
            return invalid("The administrator has to list the URL of this API in spec.externalURLs first.");
        }
        let (jws, jwk) = Jws::parse_proof(shown.proof).map_err(|_| Reason::ProofInvalid)?;
        let algorithm = jws.algorithm().map_err(|_| Reason::ProofInvalid)?;
        if !settings.tokens.algorithms.contains(&algorithm) {
            return invalid("Its algorithm is not allowed.");
        }
        let key = verify_key(&jwk, algorithm).ok_or(Reason::ProofInvalid)?;
        if !jws.is_signed_by(&key) {
            return invalid("Its signature is not valid.");
        }
        let claims = json::object(&jws.payload).map_err(|_| Reason::ProofInvalid)?;
        let text = |name: &str| claims.get(name).and_then(Value::as_str).unwrap_or_default();
        if text("htm") != shown.method {
            return invalid("It was made for another method (htm).");
        }
        if !is_for(text("htu"), &settings.external_urls, shown.path) {
            return invalid("It was made for another URL (htu), or one that is not in spec.externalURLs.");
        }
        if text("ath") != B64.encode(sha256(token.as_str().as_bytes())) {
            return invalid("It was made for another token (ath).");
        }
        let issued = is_young(&claims, settings.tokens.clock_skew, now)?;
        match (text("jti"), thumbprint(&jwk)) {
            (id, Some(key)) if (1..=MAX_ID).contains(&id.len()) => {
                Ok(Self { key, id: id.to_owned(), issued })
            }
            _ => Err(Reason::ProofInvalid.into()),
        }
    }
}

fn invalid<T>(what: &str) -> Result<T, Deny> {
    Err(Deny::with_detail(Reason::ProofInvalid, what))
}

/// The key in the proof's header, for the algorithm that the header names. A key that names one itself keeps it.
fn verify_key(jwk: &JsonObject, algorithm: Algorithm) -> Option<VerifyKey> {
    let mut jwk = jwk.clone();
    jwk.entry("alg").or_insert_with(|| algorithm.name().into());
    VerifyKey::from_jwk(&Value::Object(jwk)).filter(|key| key.algorithm == algorithm)
}

/// Whether `htu` names this path at one of our URLs, both without query and fragment and in their normal form.
fn is_for(htu: &str, ours: &[Authority], path: &str) -> bool {
    let (Ok(mut htu), Ok(sent)) = (Url::parse(htu), Url::parse(&format!("http://sent{path}"))) else {
        return false;
    };
    htu.set_query(None);
    htu.set_fragment(None);
    ours.iter().any(|ours| ours.replace_in(&sent) == htu)
}

/// When the proof was made, if that was lately.
#[expect(clippy::cast_precision_loss, reason = "seconds since 1970 fit into the 52 bits of an f64")]
fn is_young(claims: &JsonObject, skew: Duration, now: UnixTime) -> Result<f64, Deny> {
    let (now, skew) = (now.secs() as f64, skew.as_secs_f64());
    let issued = claims.get("iat").and_then(Value::as_f64).ok_or(Reason::ProofInvalid)?;
    if issued > now + skew || issued <= now - skew - LIFETIME.as_secs_f64() {
        return invalid("It is too old, or from the future (iat).");
    }
    Ok(issued)
}

#[cfg(test)]
mod tests;
