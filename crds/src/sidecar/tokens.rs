//! What a token has to be, beside coming from the right issuer: words that the policy and the configuration share.

use serde::{Deserialize, Serialize};

use crate::text::GoDuration;

/// A signature algorithm that may sign tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "kubernetes", derive(schemars::JsonSchema))]
#[allow(missing_docs, reason = "names of RFC 7518 and RFC 8037")]
pub enum Algorithm {
    #[serde(rename = "RS256")]
    Rs256,
    #[serde(rename = "RS384")]
    Rs384,
    #[serde(rename = "RS512")]
    Rs512,
    #[serde(rename = "PS256")]
    Ps256,
    #[serde(rename = "PS384")]
    Ps384,
    #[serde(rename = "PS512")]
    Ps512,
    #[serde(rename = "ES256")]
    Es256,
    #[serde(rename = "ES384")]
    Es384,
    #[serde(rename = "ES512")]
    Es512,
    #[serde(rename = "EdDSA")]
    EdDsa,
}

impl Algorithm {
    /// Every algorithm that can be allowed: asymmetric ones only (RFC 8725 section 3.1).
    pub const ALL: [Self; 10] = [
        Self::Rs256,
        Self::Rs384,
        Self::Rs512,
        Self::Ps256,
        Self::Ps384,
        Self::Ps512,
        Self::Es256,
        Self::Es384,
        Self::Es512,
        Self::EdDsa,
    ];

    /// The exact name in a token's header.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Rs256 => "RS256",
            Self::Rs384 => "RS384",
            Self::Rs512 => "RS512",
            Self::Ps256 => "PS256",
            Self::Ps384 => "PS384",
            Self::Ps512 => "PS512",
            Self::Es256 => "ES256",
            Self::Es384 => "ES384",
            Self::Es512 => "ES512",
            Self::EdDsa => "EdDSA",
        }
    }

    /// The algorithm of exactly this name: no trimming, no case folding.
    pub fn by_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|algorithm| algorithm.name() == name)
    }
}

/// Who decides whether a token is valid.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "kubernetes", derive(schemars::JsonSchema))]
pub enum Validation {
    /// Like Local, but lightweight tokens of Keycloak, which name no user, are introspected where the sidecar is
    /// a client (`keycloak.clientSecretRef` or `clientAssertion`).
    #[default]
    Auto,
    /// The realm's keys and the token's own claims. A token that was revoked counts until it expires.
    Local,
    /// As Local, and the realm is asked about the token (RFC 7662): a revoked token counts for at most 30 more seconds.
    /// Needs `keycloak.clientSecretRef` or `clientAssertion`, and that client in the audience of the tokens.
    Introspection,
    /// As Local, and the realm's userinfo endpoint is asked, whose answer names the user. Needs the scope `openid` in the
    /// tokens. A token whose session has ended counts for at most 30 more seconds.
    UserInfo,
}

/// Rules for the tokens of every issuer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "kubernetes", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct TokenRules {
    /// Who decides whether a token is valid.
    pub validation: Validation,
    /// Algorithms that may sign tokens.
    pub algorithms: Vec<Algorithm>,
    /// How far clocks may differ.
    pub clock_skew: GoDuration,
    /// What a token must grant.
    pub required: Required,
    /// How tokens are revoked before they expire.
    pub revocation: Revocation,
}

impl Default for TokenRules {
    fn default() -> Self {
        Self {
            validation: Validation::Auto,
            algorithms: Algorithm::ALL.to_vec(),
            clock_skew: GoDuration(std::time::Duration::from_secs(30)),
            required: Required::default(),
            revocation: Revocation::default(),
        }
    }
}

/// How tokens that are validated locally are revoked before they expire.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "kubernetes", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Revocation {
    /// How often a realm of Keycloak is asked for its `tokens-not-before`: after "Set to now" under Sessions, Actions,
    /// Revocation, older tokens are refused within this time. `0s`: never. At least `1s` else. Single sessions, users and
    /// tokens are seen by `validation: Introspection` only.
    pub poll_interval: GoDuration,
}

impl Default for Revocation {
    fn default() -> Self {
        Self { poll_interval: GoDuration(std::time::Duration::from_secs(30)) }
    }
}

/// What a token must grant: every entry of every list. A token that lacks one is valid, but gets 403.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "kubernetes", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Required {
    /// Scopes (`scope`, separated by blanks).
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(feature = "kubernetes", schemars(length(max = 32), inner(length(min = 1, max = 255))))]
    pub scopes: Vec<String>,
    /// Realm roles (`realm_access.roles`).
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(feature = "kubernetes", schemars(length(max = 32), inner(length(min = 1, max = 255))))]
    pub realm_roles: Vec<String>,
    /// Roles of a client (`resource_access.<client>.roles`).
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(feature = "kubernetes", schemars(length(max = 32)))]
    pub client_roles: Vec<ClientRole>,
    /// Groups (`groups`). With a leading slash, such as `/staff/wiki`: the full path, as Keycloak's mapper writes it with
    /// "Full group path" on. Without one: the name of a group that has no parent, or of any group when that setting is off.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(feature = "kubernetes", schemars(length(max = 32), inner(length(min = 1, max = 1024))))]
    pub groups: Vec<String>,
}

/// A role that belongs to a client.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "kubernetes", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct ClientRole {
    /// Client id, exactly.
    #[cfg_attr(feature = "kubernetes", schemars(length(min = 1, max = 255)))]
    pub client: String,
    /// Name of the role, exactly.
    #[cfg_attr(feature = "kubernetes", schemars(length(min = 1, max = 255)))]
    pub role: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_written_name_is_the_one_in_tokens() {
        for algorithm in Algorithm::ALL {
            let written = serde_json::to_value(algorithm).unwrap();
            assert_eq!(written, algorithm.name());
            assert_eq!(serde_json::from_value::<Algorithm>(written).unwrap(), algorithm);
        }
    }
}
