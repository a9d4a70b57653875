//! The mounted directory: read as one, so that configuration and keys fit together.

use std::{fmt, io, path::Path};

use restward_crds::names;
use zeroize::Zeroizing;

use crate::digest::{hex, sha256};

/// The link that the kubelet moves when everything in a projected volume changes at once.
const CURRENT: &str = "..data";

/// A file that is wiped from memory when nobody needs it any more.
type Secret = Zeroizing<Vec<u8>>;

/// The files' contents.
#[derive(Clone, PartialEq, Eq)]
pub struct Files {
    /// The configuration.
    pub config: Vec<u8>,
    /// The consumer's private key.
    pub consumer_key: Secret,
    /// The one that is to follow it, while the key is being replaced.
    pub next_consumer_key: Option<Secret>,
    /// The key of the status endpoint.
    pub status_key: Secret,
    /// Certificate authorities for the identity provider.
    pub ca: Option<Vec<u8>>,
    /// Id and secret of the sidecar's client at the identity provider.
    pub client: Option<(Vec<u8>, Secret)>,
    /// The token by which it shows that it is that client.
    pub client_assertion: Option<Secret>,
    /// The token by which it keeps the application link.
    pub admin_token: Option<Secret>,
}

impl fmt::Debug for Files {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Files(..)")
    }
}

/// A file cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("{file} cannot be read: {source}")]
pub struct ReadError {
    file: &'static str,
    source: io::Error,
}

impl Files {
    /// Reads all files.
    ///
    /// # Errors
    /// One that must be there cannot be read.
    pub fn read(directory: &Path) -> Result<Self, ReadError> {
        // Followed once: between two reads the kubelet may move the link to another generation.
        let directory =
            std::fs::canonicalize(directory.join(CURRENT)).unwrap_or_else(|_| directory.to_owned());
        let read = |file: &'static str| {
            std::fs::read(directory.join(file)).map_err(|source| ReadError { file, source })
        };
        let optional = |file: &'static str| match read(file) {
            Ok(content) => Ok(Some(content)),
            Err(error) if error.source.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        };
        Ok(Self {
            config: read(names::FILE_CONFIG)?,
            consumer_key: read(names::FILE_CONSUMER_KEY)?.into(),
            next_consumer_key: optional(names::FILE_NEXT_CONSUMER_KEY)?.map(Secret::new),
            status_key: read(names::FILE_STATUS_KEY)?.into(),
            ca: optional(names::FILE_CA)?,
            client: optional(names::FILE_CLIENT_ID)?
                .zip(optional(names::FILE_CLIENT_SECRET)?.map(Secret::new)),
            client_assertion: optional(names::FILE_CLIENT_ASSERTION)?.map(Secret::new),
            admin_token: optional(names::FILE_ADMIN_TOKEN)?.map(Secret::new),
        })
    }

    /// Lower-case hexadecimal SHA-256 of the configuration file.
    pub fn config_hash(&self) -> String {
        hex(&sha256(&self.config))
    }
}
