//! A signed token in compact form (RFC 7515): its parts, the rules of its header, its signature.

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use restward_crds::{reason::Reason, sidecar::tokens::Algorithm};
use serde_json::Value;

use super::{
    json::{self, JsonObject},
    token::RawToken,
};
use crate::keys::VerifyKey;

/// Longest key id that is compared.
const MAX_KID: usize = 256;

/// A token whose header holds nothing that is not understood. Its signature is not checked yet.
pub struct Jws<'t> {
    /// Key id: an opaque name, compared byte by byte and used for nothing else (RFC 7515 section 4.1.4).
    pub kid: Option<String>,
    /// Whether the header says by `typ: at+jwt` that this is an access token (RFC 9068 section 2.1).
    pub says_access_token: bool,
    /// The claims, decoded but not read.
    pub payload: Vec<u8>,
    alg: String,
    signing_input: &'t str,
    signature: &'t str,
}

impl<'t> Jws<'t> {
    /// Splits and decodes a token and applies the rules of its header.
    ///
    /// # Errors
    /// What is wrong with form or header.
    pub fn parse(token: &'t RawToken) -> Result<Self, Reason> {
        let (jws, header) = Self::split(token)?;
        Ok(Self { kid: key_id(&header)?, says_access_token: says_access_token(&header)?, ..jws })
    }

    /// The same for a DPoP proof, which must say that it is one (RFC 9449 section 4.2), and its public key.
    ///
    /// # Errors
    /// What is wrong with form or header.
    pub fn parse_proof(proof: &'t RawToken) -> Result<(Self, JsonObject), Reason> {
        let (jws, mut header) = Self::split(proof)?;
        refuse_extensions(&header)?;
        if header.get("typ").is_none_or(|typ| typ != "dpop+jwt") {
            return Err(Reason::HeaderUnsupported);
        }
        match header.remove("jwk") {
            Some(Value::Object(jwk)) => Ok((jws, jwk)),
            _ => Err(Reason::HeaderUnsupported),
        }
    }

    fn split(token: &'t RawToken) -> Result<(Self, JsonObject), Reason> {
        let (signing_input, signature) = token.as_str().rsplit_once('.').ok_or(Reason::TokenMalformed)?;
        // A further dot would be in the payload part, where decoding refuses it.
        let (header, payload) = signing_input.split_once('.').ok_or(Reason::TokenMalformed)?;
        if decode_part(signature)?.is_empty() {
            return Err(Reason::TokenMalformed);
        }
        let header = json::object(&decode_part(header)?).map_err(|_| Reason::TokenMalformed)?;
        let jws = Self {
            kid: None,
            says_access_token: false,
            payload: decode_part(payload)?,
            alg: algorithm_name(&header)?,
            signing_input,
            signature,
        };
        Ok((jws, header))
    }

    /// The algorithm, if it is one of ours: exact names of asymmetric ones only (RFC 8725 sections 3.1 and 3.2).
    ///
    /// # Errors
    /// [`Reason::AlgorithmNotAllowed`].
    pub fn algorithm(&self) -> Result<Algorithm, Reason> {
        Algorithm::by_name(&self.alg).ok_or(Reason::AlgorithmNotAllowed)
    }

    /// Whether `key`, with the one algorithm it is for, made the signature.
    pub fn is_signed_by(&self, key: &VerifyKey) -> bool {
        key.verifies(self.signing_input.as_bytes(), self.signature)
    }
}

/// Strict base64url: no padding, no other alphabet, no left-over bits (RFC 7515 section 2).
///
/// # Errors
/// [`Reason::TokenMalformed`].
pub fn decode_part(part: &str) -> Result<Vec<u8>, Reason> {
    BASE64_URL_SAFE_NO_PAD.decode(part).map_err(|_| Reason::TokenMalformed)
}

fn algorithm_name(header: &JsonObject) -> Result<String, Reason> {
    match header.get("alg") {
        Some(Value::String(name)) => Ok(name.clone()),
        _ => Err(Reason::AlgorithmNotAllowed),
    }
}

fn key_id(header: &JsonObject) -> Result<Option<String>, Reason> {
    match header.get("kid") {
        None => Ok(None),
        Some(Value::String(kid)) if kid.len() <= MAX_KID => Ok(Some(kid.clone())),
        Some(_) => Err(Reason::HeaderUnsupported),
    }
}

/// Refuses what changes how a token is to be read: critical extensions (RFC 7515 section 4.1.11; we understand none),
/// compression, nesting, an unencoded payload.
fn refuse_extensions(header: &JsonObject) -> Result<(), Reason> {
    if ["crit", "zip", "cty", "b64"].iter().any(|name| header.contains_key(*name)) {
        return Err(Reason::HeaderUnsupported);
    }
    Ok(())
}

/// Refuses a type that is not an access token's (RFC 8725 section 3.11).
/// `jku`, `x5u`, `jwk`, `x5c` and `x5t` are never looked at: a token cannot choose what it is checked against.
fn says_access_token(header: &JsonObject) -> Result<bool, Reason> {
    refuse_extensions(header)?;
    let typ = match header.get("typ") {
        None => return Ok(false),
        Some(Value::String(typ)) => typ.to_ascii_lowercase(),
        Some(_) => return Err(Reason::HeaderUnsupported),
    };
    match typ.strip_prefix("application/").unwrap_or(&typ) {
        "jwt" => Ok(false),
        "at+jwt" => Ok(true),
        "logout+jwt" => Err(Reason::NotAnAccessToken),
        _ => Err(Reason::HeaderUnsupported),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const B64: base64::engine::GeneralPurpose = BASE64_URL_SAFE_NO_PAD;

    fn parse_header(header: &str) -> Result<(Option<String>, bool), Reason> {
        let token = format!("{}.{}.c2ln", B64.encode(header), B64.encode("{}"));
        let token = RawToken::parse(token.as_bytes()).unwrap();
        Jws::parse(&token).map(|jws| (jws.kid, jws.says_access_token))
    }

    #[test]
    fn header_rules() {
        let kid = |kid: &str| Ok((Some(kid.to_owned()), false));
        let table = [
            (r#"{"alg":"RS256","kid":"a"}"#, kid("a")),
            (r#"{"alg":"RS256","kid":""}"#, kid("")),
            (r#"{"alg":"RS256","typ":"JWT"}"#, Ok((None, false))),
            (r#"{"alg":"RS256","typ":"at+JWT"}"#, Ok((None, true))),
            (r#"{"alg":"RS256","typ":"application/at+jwt"}"#, Ok((None, true))),
            (
                r#"{"alg":"RS256","jku":"https://x","x5u":"https://x","jwk":{},"x5c":[],"x5t":"x"}"#,
                Ok((None, false)),
            ),
            (r#"{"alg":"RS256","typ":"logout+jwt"}"#, Err(Reason::NotAnAccessToken)),
            (r#"{"alg":"RS256","typ":"dpop+jwt"}"#, Err(Reason::HeaderUnsupported)),
            (r#"{"alg":"RS256","typ":1}"#, Err(Reason::HeaderUnsupported)),
            (r#"{"alg":"RS256","typ":null}"#, Err(Reason::HeaderUnsupported)),
            (r#"{"alg":"RS256","kid":1}"#, Err(Reason::HeaderUnsupported)),
            (r#"{"alg":"RS256","kid":null}"#, Err(Reason::HeaderUnsupported)),
            (r#"{"alg":"RS256","crit":["exp"]}"#, Err(Reason::HeaderUnsupported)),
            (r#"{"alg":"RS256","crit":[]}"#, Err(Reason::HeaderUnsupported)),
            (r#"{"alg":"RS256","crit":null}"#, Err(Reason::HeaderUnsupported)),
            (r#"{"alg":"RS256","zip":"DEF"}"#, Err(Reason::HeaderUnsupported)),
            (r#"{"alg":"RS256","cty":"JWT"}"#, Err(Reason::HeaderUnsupported)),
            (r#"{"alg":"RS256","b64":false}"#, Err(Reason::HeaderUnsupported)),
            ("{}", Err(Reason::AlgorithmNotAllowed)),
            (r#"{"alg":null}"#, Err(Reason::AlgorithmNotAllowed)),
            (r#"{"alg":["RS256"]}"#, Err(Reason::AlgorithmNotAllowed)),
            (r#"{"alg":"RS256","alg":"none"}"#, Err(Reason::TokenMalformed)),
            (r#"{"alg":"RS256","\u0061lg":"none"}"#, Err(Reason::TokenMalformed)),
            (r#"["RS256"]"#, Err(Reason::TokenMalformed)),
            ("", Err(Reason::TokenMalformed)),
        ];
        for (header, want) in table {
            assert_eq!(parse_header(header), want, "{header}");
        }
        let long = format!(r#"{{"alg":"RS256","kid":"{}"}}"#, "k".repeat(MAX_KID + 1));
        assert_eq!(parse_header(&long), Err(Reason::HeaderUnsupported));
    }

    #[test]
    fn only_exact_names_of_asymmetric_algorithms() {
        for name in [
            "none", "None", "NONE", "", "HS256", "HS512", "rs256", " RS256", "RS256 ", "RS1", "ES256K",
            "es512", "dir",
        ] {
            let token = format!(
                "{}.{}.c2ln",
                B64.encode(serde_json::json!({ "alg": name }).to_string()),
                B64.encode("{}")
            );
            let token = RawToken::parse(token.as_bytes()).unwrap();
            assert_eq!(Jws::parse(&token).unwrap().algorithm(), Err(Reason::AlgorithmNotAllowed), "{name:?}");
        }
    }

    #[test]
    fn three_parts_of_strict_base64url() {
        let header = B64.encode(r#"{"alg":"RS256"}"#);
        let claims = B64.encode("{}");
        let good = format!("{header}.{claims}.c2ln");
        assert!(Jws::parse(&RawToken::parse(good.as_bytes()).unwrap()).is_ok());
        for bad in [
            format!("{header}.{claims}."),
            format!("{header}.{claims}"),
            format!("{header}.{claims}.c2ln.c2ln"),
            format!("{header}.x.{claims}.c2ln.c2ln"),
            format!(".{claims}.c2ln"),
            format!("{header}.{claims}.c2ln=="),
            format!("{header}.{claims}.c2lo+/"),
            format!("{header}.{claims}.c2lnZ"),
            format!("{header}.{claims}.ab"), // non-zero left-over bits
            "...".to_owned(),
        ] {
            let Ok(token) = RawToken::parse(bad.as_bytes()) else { continue };
            assert_eq!(Jws::parse(&token).err(), Some(Reason::TokenMalformed), "{bad}");
        }
    }
}
