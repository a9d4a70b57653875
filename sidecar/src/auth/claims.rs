//! The claims of a token with their types checked. A member that is there but of the wrong type is refused, never
//! treated as absent.

use restward_crds::reason::Reason;
use serde_json::Value;

use super::{
    grants::Grants,
    json::{self, JsonObject},
};

/// Registered claims (RFC 7519, RFC 9068, OpenID Connect), and all members as they came.
#[derive(Debug, Clone, PartialEq)]
pub struct Claims {
    /// Issuer.
    pub iss: String,
    /// Kind of token, as Keycloak says it.
    pub typ: Option<String>,
    /// Expiry, seconds since the epoch; fractions are valid (RFC 7519 section 2).
    pub exp: f64,
    /// Not before.
    pub nbf: Option<f64>,
    /// Issued at.
    pub iat: Option<f64>,
    /// Audiences; a single string is a list of one.
    pub aud: Vec<String>,
    /// Authorized party: the client that got the token.
    pub azp: Option<String>,
    /// Client id (RFC 9068; Keycloak sets it for client credentials).
    pub client_id: Option<String>,
    /// Subject.
    pub sub: Option<String>,
    /// Token id.
    pub jti: Option<String>,
    /// Whether the token is bound to a key of its holder: a plain Bearer token it is then not.
    pub binding: Binding,
    /// Scopes, roles and groups.
    pub grants: Grants,
    members: JsonObject,
}

/// The key that a token is bound to (`cnf`, RFC 7800).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Binding {
    /// None.
    Free,
    /// At least one of these two.
    To {
        /// The key of this thumbprint, by DPoP (RFC 9449 section 6.1).
        key: Option<String>,
        /// The certificate of this thumbprint, by mutual TLS (RFC 8705 section 3.1).
        certificate: Option<String>,
    },
    /// Something that is not understood and cannot be proven.
    Other,
}

impl Binding {
    fn of(members: &JsonObject) -> Self {
        let says_dpop = members.get("typ").is_some_and(|typ| typ == "DPoP");
        let Some(cnf) = members.get("cnf") else {
            return if says_dpop { Self::Other } else { Self::Free };
        };
        let Value::Object(cnf) = cnf else { return Self::Other };
        match (string(cnf, "jkt"), string(cnf, "x5t#S256")) {
            (Ok(None), Ok(_)) if says_dpop => Self::Other,
            (Ok(None), Ok(None)) | (Err(_), _) | (_, Err(_)) => Self::Other,
            (Ok(key), Ok(certificate)) => Self::To { key, certificate },
        }
    }
}

impl Claims {
    /// Reads the payload of a token.
    ///
    /// # Errors
    /// [`Reason::ClaimsMalformed`]: not an object, a member repeated, `iss` or `exp` missing, or a wrong type.
    pub fn parse(payload: &[u8]) -> Result<Self, Reason> {
        Self::from_members(json::object(payload).map_err(|_| Reason::ClaimsMalformed)?)
    }

    /// Reads the members of an object without repeated ones.
    ///
    /// # Errors
    /// As [`Self::parse`].
    pub fn from_members(members: JsonObject) -> Result<Self, Reason> {
        Ok(Self {
            iss: string(&members, "iss")?.ok_or(Reason::ClaimsMalformed)?,
            typ: string(&members, "typ")?,
            exp: time(&members, "exp")?.ok_or(Reason::ClaimsMalformed)?,
            nbf: time(&members, "nbf")?,
            iat: time(&members, "iat")?,
            aud: audiences(&members)?,
            azp: string(&members, "azp")?,
            client_id: string(&members, "client_id")?,
            sub: string(&members, "sub")?,
            jti: string(&members, "jti")?,
            binding: Binding::of(&members),
            grants: Grants::of(&members),
            members,
        })
    }

    /// The client that the token was given to.
    pub fn party(&self) -> Option<&str> {
        self.azp.as_deref().or(self.client_id.as_deref())
    }

    /// The top-level member of exactly this name.
    pub fn member(&self, name: &str) -> Option<&Value> {
        self.members.get(name)
    }

    /// The value at a JSON pointer (RFC 6901).
    pub fn pointer(&self, pointer: &str) -> Option<&Value> {
        // The members are no `Value`, so the first step of the pointer is made by hand; `/` itself names the member "".
        let path = pointer.strip_prefix('/')?;
        let (first, rest) = path.find('/').map_or((path, ""), |at| path.split_at(at));
        self.members.get(&first.replace("~1", "/").replace("~0", "~"))?.pointer(rest)
    }

    /// All members as they came.
    pub fn members(&self) -> &JsonObject {
        &self.members
    }

    /// Whether Keycloak made it as lightweight token, which it writes into the id (`on` or `of` or `tr` for the session, `lt`,
    /// two letters for the grant, a colon). It decides only whether to ask, never whether to trust.
    pub fn is_lightweight(&self) -> bool {
        let prefix = self.jti.as_deref().and_then(|jti| jti.split_once(':')).map(|(prefix, _)| prefix);
        prefix.is_some_and(|prefix| prefix.len() == 6 && prefix.get(2..4) == Some("lt"))
    }

    /// Whether that is why it has no audience: a mapper may write it into lightweight tokens too.
    pub fn leaves_audience_out(&self) -> bool {
        self.aud.is_empty() && self.is_lightweight()
    }
}

/// For the caller with a token that [`Claims::is_lightweight`] and lacks what it is refused for.
pub const LIGHTWEIGHT: &str = "It is a lightweight access token, which leaves user and audience out: have its client issue full \
                               ones ('Always use lightweight access token' off).";

fn string(members: &JsonObject, name: &str) -> Result<Option<String>, Reason> {
    match members.get(name) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.clone())),
        Some(_) => Err(Reason::ClaimsMalformed),
    }
}

fn time(members: &JsonObject, name: &str) -> Result<Option<f64>, Reason> {
    match members.get(name) {
        None => Ok(None),
        Some(Value::Number(number)) => match number.as_f64() {
            Some(secs) if secs.is_finite() && secs >= 0.0 => Ok(Some(secs)),
            _ => Err(Reason::ClaimsMalformed),
        },
        Some(_) => Err(Reason::ClaimsMalformed),
    }
}

fn audiences(members: &JsonObject) -> Result<Vec<String>, Reason> {
    match members.get("aud") {
        None => Ok(Vec::new()),
        Some(Value::String(one)) => Ok(vec![one.clone()]),
        Some(Value::Array(list)) => list
            .iter()
            .map(|entry| entry.as_str().map(ToOwned::to_owned).ok_or(Reason::ClaimsMalformed))
            .collect(),
        Some(_) => Err(Reason::ClaimsMalformed),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pointers_and_the_mark_of_lightweight_tokens() {
        let text = r#"{"iss":"i","exp":1,"a/b":{"~c":[1,{"d":2}]},"":3,"x":4}"#;
        let claims = Claims::parse(text.as_bytes()).unwrap();
        let whole: Value = serde_json::from_str(text).unwrap();
        for pointer in ["/a~1b/~0c/1/d", "/a~1b/~0c/0", "/", "/x", "/x/", "/y", "/a~1b/~0c/7", "//"] {
            assert_eq!(claims.pointer(pointer), whole.pointer(pointer), "{pointer}");
        }
        for (jti, want) in [
            ("onltro:98aea832", true),
            ("trltcc:df3fa45f", true),
            ("onrtro:98aea832", false),
            ("onltro", false),
            ("xltx:98aea832", false),
            ("98aea832-1d44", false),
            ("\u{e9}\u{e9}lt:x", false),
        ] {
            let claims = Claims::parse(format!(r#"{{"iss":"i","exp":1,"jti":"{jti}"}}"#).as_bytes()).unwrap();
            assert_eq!(claims.is_lightweight(), want, "{jti}");
        }
    }

    #[test]
    fn wrong_types_are_refused_not_ignored() {
        let good = r#"{"iss":"i","exp":1.5,"aud":["a","b"],"cnf":{"jkt":"x"},"a.b":"literal"}"#;
        let claims = Claims::parse(good.as_bytes()).unwrap();
        assert_eq!((claims.exp, claims.aud.len()), (1.5, 2));
        assert_eq!(claims.binding, Binding::To { key: Some("x".into()), certificate: None });
        assert_eq!(claims.member("a.b"), Some(&Value::from("literal")), "dots have no meaning");
        for bad in [
            r#"{"exp":1}"#,
            r#"{"iss":"i"}"#,
            r#"{"iss":["i"],"exp":1}"#,
            r#"{"iss":null,"exp":1}"#,
            r#"{"iss":"i","exp":"1"}"#,
            r#"{"iss":"i","exp":null}"#,
            r#"{"iss":"i","exp":-1}"#,
            r#"{"iss":"i","exp":1e400}"#,
            r#"{"iss":"i","exp":1,"nbf":"0"}"#,
            r#"{"iss":"i","exp":1,"iat":true}"#,
            r#"{"iss":"i","exp":1,"aud":1}"#,
            r#"{"iss":"i","exp":1,"aud":["a",1]}"#,
            r#"{"iss":"i","exp":1,"aud":null}"#,
            r#"{"iss":"i","exp":1,"azp":["a"]}"#,
            r#"{"iss":"i","exp":1,"typ":1}"#,
            r#"{"iss":"i","exp":1,"jti":1}"#,
            r#"{"iss":"i","exp":1,"exp":2}"#,
            r#"{"iss":"i","exp":1,"\u0065xp":2}"#,
            r#"{"iss":"i","exp":1,"deep":{"x":1,"x":2}}"#,
            r#"{"iss":"i","exp":1} "#.trim_end().strip_suffix('}').unwrap(),
            r#"[{"iss":"i","exp":1}]"#,
        ] {
            assert_eq!(Claims::parse(bad.as_bytes()), Err(Reason::ClaimsMalformed), "{bad}");
        }
    }
}
