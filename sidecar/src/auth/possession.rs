//! What the client that shows a token has shown to have beside it: a token that is bound to something counts with it only.

use super::dpop::Proof;
use crate::certificate::Thumbprint;

/// Keys that the client has proven to have.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Possession {
    /// Thumbprint of the key of a DPoP proof (RFC 9449).
    pub key: Option<String>,
    /// The certificate of the TLS connection (RFC 8705).
    pub certificate: Option<Thumbprint>,
}

impl Possession {
    /// The key of this proof, and this certificate.
    pub fn new(proof: Option<&Proof>, certificate: Option<Thumbprint>) -> Self {
        Self { key: proof.map(|proof| proof.key.clone()), certificate }
    }

    /// The certificate's thumbprint as a token names it.
    pub fn certificate(&self) -> Option<&str> {
        self.certificate.as_ref().map(Thumbprint::as_str)
    }
}
