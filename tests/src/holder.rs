//! A client with a key and a certificate, to which its tokens are bound.

use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Result, anyhow};
use aws_lc_rs::{
    digest::{SHA256, digest},
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _},
};
use base64::{
    Engine as _,
    prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD as B64},
};
use serde_json::{Value, json};

use crate::{keycloak::password_of, world::World};

/// The client.
pub struct Holder {
    key: EcdsaKeyPair,
    certificate: Vec<u8>,
}

impl Holder {
    /// With a new key and a new certificate.
    ///
    /// # Errors
    /// There is no randomness.
    pub fn new() -> Result<Self> {
        let key = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING)?;
        let certificate = rcgen::generate_simple_self_signed(["client.example.test".to_owned()])?;
        Ok(Self { key, certificate: certificate.cert.der().to_vec() })
    }

    /// The certificate as a proxy that ends TLS passes it on (RFC 9440).
    pub fn client_cert(&self) -> String {
        format!(":{}:", BASE64_STANDARD.encode(&self.certificate))
    }

    /// A proof for one request (DPoP, RFC 9449), with a token or to get one.
    ///
    /// # Errors
    /// It cannot be signed.
    pub fn proof(&self, method: &str, url: &str, token: Option<&str>) -> Result<String> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH)?;
        let mut claims =
            json!({"htm": method, "htu": url, "iat": now.as_secs(), "jti": format!("{}", now.as_nanos())});
        if let Some(token) = token {
            claims["ath"] = B64.encode(digest(&SHA256, token.as_bytes())).into();
        }
        let header = json!({"typ": "dpop+jwt", "alg": "ES256", "jwk": self.jwk()?});
        let signed = format!("{}.{}", B64.encode(header.to_string()), B64.encode(claims.to_string()));
        let signature = self.key.sign(&SystemRandom::new(), signed.as_bytes())?;
        Ok(format!("{signed}.{}", B64.encode(signature)))
    }

    fn jwk(&self) -> Result<Value> {
        // SEC 1: 4, then both coordinates.
        let point = self.key.public_key().as_ref();
        let (x, y) = point
            .strip_prefix(&[4])
            .and_then(|point| point.split_at_checked(32))
            .ok_or_else(|| anyhow!("not an uncompressed point"))?;
        Ok(json!({"kty": "EC", "crv": "P-256", "x": B64.encode(x), "y": B64.encode(y)}))
    }

    /// A token of `wiki-dpop`, which Keycloak binds to this client's key.
    ///
    /// # Errors
    /// Keycloak refuses.
    pub async fn token_of_its_key(&self, world: &World, user: &str) -> Result<String> {
        let proof = self.proof("POST", &token_url(world), None)?;
        token(world, "wiki-dpop", user, ("DPoP", proof)).await
    }

    /// A token of `wiki-mtls`, which Keycloak binds to this client's certificate.
    ///
    /// # Errors
    /// Keycloak refuses.
    pub async fn token_of_its_certificate(&self, world: &World, user: &str) -> Result<String> {
        token(world, "wiki-mtls", user, ("Client-Cert", self.client_cert())).await
    }
}

fn token_url(world: &World) -> String {
    format!("{}/realms/atlassian/protocol/openid-connect/token", world.keycloak_url)
}

async fn token(world: &World, client: &str, user: &str, shown: (&str, String)) -> Result<String> {
    let (secret, password) = (format!("{client}-secret"), password_of(user));
    let form = [
        ("grant_type", "password"),
        ("client_id", client),
        ("client_secret", &secret),
        ("username", user),
        ("password", &password),
    ];
    let request = world.https.post(token_url(world)).form(&form).header(shown.0, shown.1);
    let body: Value = request.send().await?.json().await?;
    body["access_token"].as_str().map(Into::into).ok_or_else(|| anyhow!("Keycloak answered {body}"))
}
