//! Why a reconciliation failed, and when it may be tried again.

use std::time::Duration;

use super::PATIENCE;
use crate::{keys::KeyError, lease::busy};

/// Why a reconciliation failed; it is tried again.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The API server refused.
    #[error("the API server refused")]
    Api(#[from] kube::Error),
    /// Keys could not be made.
    #[error("no keys for the policy")]
    Keys(#[from] KeyError),
    /// The webhook's certificate authority does not exist yet.
    #[error("the webhook has no certificate authority yet")]
    NoCertificateAuthority,
    /// It took too long.
    #[error("it was not done within {} s, most likely as the API server gives no answer", PATIENCE.as_secs())]
    TooLong,
}

impl Error {
    /// With what it came from.
    pub(super) fn described(&self) -> String {
        let source = std::error::Error::source(self).map(|source| format!(": {source}"));
        format!("{self}{}", source.unwrap_or_default())
    }

    /// How long the API server wants to be left alone.
    pub(super) fn asked_to_wait(&self) -> Option<Duration> {
        let Self::Api(error) = self else { return None };
        let seconds = match error {
            kube::Error::Api(status) => status.details.as_ref()?.retry_after_seconds,
            other => return busy::asked_to_wait(other),
        };
        (seconds > 0).then(|| Duration::from_secs(seconds.into()))
    }
}
