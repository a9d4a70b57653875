//! A realm: discovery and key set over HTTP on loopback, and tokens.

use std::time::{SystemTime, UNIX_EPOCH};

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD as B64};
use openssl::{
    hash::MessageDigest,
    pkey::{PKey, Private},
    rsa::Rsa,
    sign::Signer,
};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
};

/// An issuer with one RSA-2048 key.
pub(crate) struct Issuer {
    base: String,
    key: PKey<Private>,
    jwks: Value,
}

impl Issuer {
    /// Starts one that answers for as long as the program runs.
    pub(crate) async fn start() -> anyhow::Result<Self> {
        let rsa = Rsa::generate(2048)?;
        let jwks = json!({"keys": [{
            "kty": "RSA", "kid": "k1", "use": "sig", "alg": "RS256",
            "n": B64.encode(rsa.n().to_vec()), "e": B64.encode(rsa.e().to_vec()),
        }]});
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let base = format!("http://{}", listener.local_addr()?);
        let issuer = Self { base, key: PKey::from_rsa(rsa)?, jwks };
        tokio::spawn(serve(listener, issuer.discovery().to_string(), issuer.jwks.to_string()));
        Ok(issuer)
    }

    /// Where Keycloak would be.
    pub(crate) fn base(&self) -> &str {
        &self.base
    }

    /// The `iss` of its tokens.
    pub(crate) fn name(&self) -> String {
        format!("{}/realms/wiki", self.base)
    }

    /// The URL of its key set.
    pub(crate) fn jwks_uri(&self) -> String {
        format!("{}/protocol/openid-connect/certs", self.name())
    }

    /// Its key set.
    pub(crate) fn jwks(&self) -> &Value {
        &self.jwks
    }

    /// Its public key, as PEM.
    pub(crate) fn public_pem(&self) -> anyhow::Result<Vec<u8>> {
        Ok(self.key.public_key_to_pem()?)
    }

    fn discovery(&self) -> Value {
        json!({
            "issuer": self.name(), "jwks_uri": self.jwks_uri(),
            "authorization_endpoint": format!("{}/auth", self.name()),
            "token_endpoint": format!("{}/token", self.name()),
            "introspection_endpoint": format!("{}/introspect", self.name()),
            "userinfo_endpoint": format!("{}/userinfo", self.name()),
            "response_types_supported": ["code"], "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["RS256"],
        })
    }

    /// A token of alice's, unlike every other of another number, as large as Keycloak's are.
    pub(crate) fn token(&self, number: usize) -> anyhow::Result<String> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
        let roles: Vec<String> = (0..8).map(|role| format!("wiki-role-{role}")).collect();
        let claims = json!({
            "iss": self.name(), "sub": "0f3c2a1e-5b7d-4c55-9d55-2f1f7a4f4b11", "typ": "Bearer", "azp": "scripts",
            "aud": "confluence", "exp": now + 3600, "iat": now, "jti": format!("token-{number}"),
            "preferred_username": "alice", "email": "alice@example.com", "email_verified": true,
            "scope": "openid profile email", "realm_access": {"roles": roles},
        });
        let part = |value: &Value| B64.encode(value.to_string());
        let content =
            format!("{}.{}", part(&json!({"alg": "RS256", "kid": "k1", "typ": "JWT"})), part(&claims));
        let mut signer = Signer::new(MessageDigest::sha256(), &self.key)?;
        let signature = signer.sign_oneshot_to_vec(content.as_bytes())?;
        Ok(format!("{content}.{}", B64.encode(signature)))
    }
}

async fn serve(listener: TcpListener, discovery: String, jwks: String) {
    while let Ok((mut stream, _)) = listener.accept().await {
        let mut head = vec![0; 8192];
        let count = stream.read(&mut head).await.unwrap_or_default();
        let head = String::from_utf8_lossy(head.get(..count).unwrap_or_default()).into_owned();
        let body = if head.contains("/certs") { &jwks } else { &discovery };
        let answer = format!(
            "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
            body.len()
        );
        let _ = stream.write_all(answer.as_bytes()).await;
    }
}
