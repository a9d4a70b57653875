//! Whether a replica of the webhook shows a certificate that the API server trusts, by asking it as the API server does: for the
//! name of the Service, with the authority that stands in the webhook configurations.

use std::{sync::Arc, time::Duration};

use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, ServerName, pem::PemObject as _},
};
use tokio_rustls::TlsConnector;

use super::facts::Authority;
use crate::forward::PodPort;

const DEADLINE: Duration = Duration::from_secs(10);

/// Says what is wrong, if anything is.
pub(super) async fn verify(authority: &Authority, port: &PodPort) -> Result<(), String> {
    match tokio::time::timeout(DEADLINE, handshake(authority, port)).await {
        Ok(outcome) => outcome,
        Err(_) => Err(format!("no answer within {} s", DEADLINE.as_secs())),
    }
}

async fn handshake(authority: &Authority, port: &PodPort) -> Result<(), String> {
    let config = trusting(&authority.bundle)?;
    let name = ServerName::try_from(authority.name.clone()).map_err(|error| error.to_string())?;
    let stream = port.connect().await.map_err(|failure| failure.in_a_line())?;
    TlsConnector::from(Arc::new(config))
        .connect(name, stream)
        .await
        .map(drop)
        .map_err(|error| error.to_string())
}

fn trusting(bundle: &[u8]) -> Result<ClientConfig, String> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(bundle) {
        let certificate = certificate.map_err(|_| "caBundle is no PEM")?;
        roots.add(certificate).map_err(|error| format!("caBundle: {error}"))?;
    }
    if roots.is_empty() {
        return Err("caBundle has no certificate".into());
    }
    Ok(ClientConfig::builder().with_root_certificates(roots).with_no_client_auth())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_or_broken_bundle_trusts_nobody() {
        _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        assert_eq!(trusting(b"").unwrap_err(), "caBundle has no certificate");
        let broken = b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        assert!(trusting(broken).unwrap_err().starts_with("caBundle: "));
    }
}
