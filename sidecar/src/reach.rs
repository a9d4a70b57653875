//! Whether the identity providers of a configuration answer from here, asked as the sidecar asks them: for a pod that is made to find
//! out before Confluence depends on it. Takes no keys \[io].

use std::{fs, io, path::Path};

use futures::future::join_all;
use restward_crds::{
    names,
    sidecar::{parse, settings::IssuerSettings},
};

use crate::keys::fetch::Fetcher;

/// Asks each provider of the configuration in `directory`.
///
/// # Errors
/// A sentence on each that does not answer as it should, behind the reason that status would have; or what is wrong with the files.
pub async fn providers(directory: &Path) -> Result<(), String> {
    let unread = |file: &str, error: io::Error| format!("{file} cannot be read: {error}");
    let config =
        fs::read(directory.join(names::FILE_CONFIG)).map_err(|error| unread(names::FILE_CONFIG, error))?;
    let ca = match fs::read(directory.join(names::FILE_CA)) {
        Ok(pem) => Some(pem),
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => return Err(unread(names::FILE_CA, error)),
    };
    let settings = parse::from_json(&config).map_err(|errors| {
        let errors: Vec<String> = errors.iter().map(ToString::to_string).collect();
        format!("{} is refused: {}", names::FILE_CONFIG, errors.join("; "))
    })?;
    let asked = join_all(settings.issuers.iter().map(|issuer| ask(issuer, ca.as_deref()))).await;
    let failed: Vec<String> = asked.into_iter().filter_map(Result::err).collect();
    if failed.is_empty() { Ok(()) } else { Err(failed.join("\n")) }
}

async fn ask(issuer: &IssuerSettings, ca: Option<&[u8]>) -> Result<(), String> {
    let ca = if issuer.own_ca {
        Some(ca.ok_or_else(|| format!("{} is not beside the configuration", names::FILE_CA))?)
    } else {
        None
    };
    let fetcher = Fetcher::new(ca).map_err(|error| error.to_string())?;
    let keys = fetcher.keys_of(issuer).await;
    keys.map(drop).map_err(|failure| format!("{}: {}", failure.reason.as_str(), failure.message))
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use serde_json::json;

    use super::*;
    use crate::{auth::forge, loopback::scripted::Scripted};

    /// A mounted directory with the configuration of a policy whose realm is at this host.
    fn mounted(test: &str, host: &str) -> PathBuf {
        let directory = std::env::temp_dir().join(format!("restward-reach-{test}-{}", std::process::id()));
        fs::create_dir(&directory).unwrap();
        let config = json!({
            "version": 1, "policy": {"namespace": "n", "name": "p", "uid": "u", "generation": 1}, "mode": "Enforce",
            "issuers": [{"host": host, "realm": "wiki"}], "usernameAttribute": "preferred_username", "basicAuth": "Allow",
            "credentials": {}, "upstream": {"identity": {"oauth1": {"consumerKey": "c"}}},
        });
        fs::write(directory.join(names::FILE_CONFIG), config.to_string()).unwrap();
        directory
    }

    async fn probed(test: &str, has_realm: bool) -> Result<(), String> {
        // Another test may have been first.
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let provider = Scripted::start(move |asked| {
            let base = format!("http://{}", asked.headers["host"].to_str().unwrap());
            let body = match asked.target.as_str() {
                "/realms/wiki/.well-known/openid-configuration" if has_realm => {
                    json!({"issuer": format!("{base}/realms/wiki"), "jwks_uri": format!("{base}/certs")})
                }
                "/certs" => json!({"keys": [forge::rsa_key().jwk("k1")]}),
                _ => return (404, vec![], String::new()),
            };
            (200, vec![], body.to_string())
        })
        .await;
        let directory = mounted(test, &format!("http://127.0.0.1:{}", provider.port()));
        let probed = providers(&directory).await;
        fs::remove_dir_all(directory).unwrap();
        probed
    }

    #[tokio::test]
    async fn a_realm_that_is_there_needs_no_sentence() {
        assert_eq!(probed("there", true).await, Ok(()));
    }

    #[tokio::test]
    async fn a_realm_that_is_not_has_its_reason_and_sentence() {
        let said = probed("gone", false).await.unwrap_err();
        assert!(said.starts_with("RealmNotFound: no realm 'wiki'") && said.lines().count() == 1, "{said}");
    }

    #[tokio::test]
    async fn files_that_are_missing_are_named() {
        let said = providers(Path::new("/nonexistent")).await.unwrap_err();
        assert!(said.starts_with("config.json cannot be read"), "{said}");
    }
}
