//! Making the certificate authority and the leaves that it signs.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};
use rustls::{
    RootCertStore,
    client::{WebPkiServerVerifier, danger::ServerCertVerifier as _},
    crypto::aws_lc_rs,
    pki_types::{
        CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, ServerName, UnixTime, pem::PemObject as _,
    },
    sign::CertifiedKey,
};

use super::plan::{Authority, CA_LIFETIME};

/// How long a leaf is valid. Its key is in this process only, so that the clock's worst day decides and no theft.
const LEAF_LIFETIME: Duration = Duration::from_hours(365 * 24);
/// When another is made.
const LEAF_RENEWED: Duration = Duration::from_hours(5 * 24);
/// Certificates start so far in the past, as the clock of this node or of an API server may have jumped.
const BACKDATE: Duration = Duration::from_hours(365 * 24);
/// Name of the authority: always the same, so that its certificate need not be read to sign with its key.
const CA_NAME: &str = "restward-webhook-ca";

/// Why a certificate could not be made.
#[derive(Debug, thiserror::Error)]
pub(super) enum Error {
    /// The authority's key did not sign the authority's certificate.
    #[error("key and certificate of the authority do not fit")]
    NotAPair,
    /// The library refused.
    #[error("the certificate cannot be made")]
    Make(#[from] rcgen::Error),
    /// The TLS library refused what was made.
    #[error("the certificate cannot be served")]
    Serve(#[from] rustls::Error),
    /// The clock is before 1970.
    #[error("the clock is wrong")]
    Clock,
}

/// A leaf, ready to be served.
#[derive(Debug, Clone)]
pub(super) struct Leaf {
    /// Certificate and key.
    pub certified: Arc<CertifiedKey>,
    /// The authority's certificate that it chains to, PEM.
    pub authority: String,
    /// When another should be made.
    pub renew_at: SystemTime,
    /// From when it is valid.
    pub not_before: SystemTime,
    /// When it ends.
    pub not_after: SystemTime,
}

/// A new certificate authority.
pub(super) fn authority(now: SystemTime) -> Result<Authority, Error> {
    let key = KeyPair::generate()?;
    let not_after = now + CA_LIFETIME;
    let mut params = ca_params()?;
    params.not_before = (now - BACKDATE).into();
    params.not_after = not_after.into();
    let certificate = params.self_signed(&key)?;
    Ok(Authority { certificate: certificate.pem(), key: key.serialize_pem(), not_after })
}

fn ca_params() -> Result<CertificateParams, rcgen::Error> {
    let mut params = CertificateParams::new(Vec::new())?;
    params.distinguished_name.remove(DnType::CommonName);
    params.distinguished_name.push(DnType::CommonName, CA_NAME);
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::DigitalSignature];
    Ok(params)
}

/// A leaf for these names, checked as the API server will check it.
pub(super) fn leaf(authority: &Authority, dns_names: &[String], now: SystemTime) -> Result<Leaf, Error> {
    let issuer_key = KeyPair::from_pem(&authority.key).map_err(|_| Error::NotAPair)?;
    let issuer = Issuer::new(ca_params()?, issuer_key);
    let key = KeyPair::generate()?;
    let (not_before, not_after) = (now - BACKDATE, now + LEAF_LIFETIME);
    let mut params = CertificateParams::new(dns_names.to_vec())?;
    params.not_before = not_before.into();
    params.not_after = not_after.into();
    params.use_authority_key_identifier_extension = true;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    let certificate = params.signed_by(&key, &issuer)?.der().clone();
    for name in dns_names {
        verify(&certificate, authority, name, now)?;
    }
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let certified = CertifiedKey::from_der(vec![certificate], key, &aws_lc_rs::default_provider())?;
    Ok(Leaf {
        certified: Arc::new(certified),
        authority: authority.certificate.clone(),
        renew_at: now + LEAF_RENEWED,
        not_before,
        not_after,
    })
}

fn verify(
    certificate: &CertificateDer<'_>,
    authority: &Authority,
    name: &str,
    now: SystemTime,
) -> Result<(), Error> {
    let mut roots = RootCertStore::empty();
    let root =
        CertificateDer::from_pem_slice(authority.certificate.as_bytes()).map_err(|_| Error::NotAPair)?;
    roots.add(root).map_err(|_| Error::NotAPair)?;
    let verifier =
        WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::new(aws_lc_rs::default_provider()))
            .build()
            .map_err(|_| Error::NotAPair)?;
    let name = ServerName::try_from(name).map_err(|_| Error::Serve(rustls::Error::EncryptError))?;
    let since_epoch = now.duration_since(SystemTime::UNIX_EPOCH).map_err(|_| Error::Clock)?;
    verifier
        .verify_server_cert(certificate, &[], &name, &[], UnixTime::since_unix_epoch(since_epoch))
        .map(drop)
        .map_err(|_| Error::NotAPair)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names() -> Vec<String> {
        vec!["restward.restward-system.svc".into()]
    }

    #[test]
    fn a_leaf_chains_to_its_authority_by_name_and_time() {
        let now = SystemTime::now();
        let authority = authority(now).unwrap();
        let leaf = leaf(&authority, &names(), now).unwrap();
        let certificate = &leaf.certified.cert[0];
        verify(certificate, &authority, "restward.restward-system.svc", now).unwrap();
        assert!(verify(certificate, &authority, "elsewhere.svc", now).is_err());
        assert!(verify(certificate, &authority, &names()[0], now + LEAF_LIFETIME + BACKDATE / 365).is_err());
        for jumped in [now - BACKDATE / 2, now + LEAF_LIFETIME / 2] {
            verify(certificate, &authority, &names()[0], jumped).unwrap();
        }
        assert!(leaf.renew_at < leaf.not_after && leaf.renew_at > now);
    }

    #[test]
    fn a_clock_that_is_years_wrong_is_no_reason_to_replace_an_authority() {
        let now = SystemTime::now();
        let authority = authority(now).unwrap();
        for jumped in [now - 2 * BACKDATE, now + 2 * CA_LIFETIME] {
            leaf(&authority, &names(), jumped).unwrap();
        }
    }

    #[test]
    fn a_key_that_is_not_the_certificates_is_noticed() {
        let now = SystemTime::now();
        let other = authority(now).unwrap();
        let mixed = Authority { key: other.key, ..authority(now).unwrap() };
        assert!(matches!(leaf(&mixed, &names(), now), Err(Error::NotAPair)));
        let garbage = Authority { key: "x".into(), ..authority(now).unwrap() };
        assert!(matches!(leaf(&garbage, &names(), now), Err(Error::NotAPair)));
    }
}
