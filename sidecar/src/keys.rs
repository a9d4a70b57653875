//! The keys of the identity provider: fetched in the background, held until a good answer replaces them, asked for
//! again when a token names a key that is not known.
//!
//! - [`jwk`]: one key, and whether it can verify tokens
//! - [`roca`]: keys of one maker that can be broken
//! - [`snapshot`]: all keys of all issuers at one moment; what `auth` works with
//! - [`discovery`]: whose issuer name counts, where the key set is
//! - [`guard`]: addresses that are never asked
//! - [`fetch`] \[io]: the requests
//! - [`refresh`] \[io]: when to ask

pub mod discovery;
pub mod fetch;
pub mod guard;
pub mod jwk;
pub mod refresh;
pub mod roca;
pub mod snapshot;

pub use jwk::VerifyKey;
pub use refresh::{Asked, Keys, KeysError};
pub use snapshot::{IssuerKeys, Selection, Snapshot};
