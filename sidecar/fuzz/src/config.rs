//! A configuration that is accepted means the same when it is written and read again.

use restward_crds::sidecar::{Config, parse};

/// `data` is a configuration file.
pub fn check(data: &[u8]) {
    match parse::from_json(data) {
        Ok(settings) => {
            let config: Config = serde_json::from_slice(data).unwrap_or_else(|error| panic!("{error}"));
            let written = serde_json::to_vec(&config).unwrap_or_else(|error| panic!("{error}"));
            assert_eq!(parse::from_json(&written).as_ref(), Ok(&settings));
        }
        Err(errors) => {
            assert!(!errors.is_empty() && errors.iter().all(|error| !error.field.is_empty()), "{errors:?}");
        }
    }
}
