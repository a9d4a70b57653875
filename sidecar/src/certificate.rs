//! The certificate that a client showed to the proxy in front, as that proxy passes it on in a header: needed for tokens
//! that are bound to one (RFC 8705). Only a trusted proxy is believed; what is not understood is no certificate. Pure.

use std::net::IpAddr;

use base64::{
    Engine as _,
    prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD},
};
use http::HeaderMap;
use percent_encoding::percent_decode_str;
use restward_crds::sidecar::who::ProxySettings;

use crate::digest::sha256;

const PEM_BEGIN: &str = "-----BEGIN CERTIFICATE-----";
const PEM_END: &str = "-----END CERTIFICATE-----";

/// SHA-256 of a certificate, as `cnf` names it in `x5t#S256` (RFC 8705 section 3.1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Thumbprint(String);

impl Thumbprint {
    /// Of a certificate in DER.
    pub fn of_der(der: &[u8]) -> Self {
        Self::new(sha256(der))
    }

    fn new(hash: [u8; 32]) -> Self {
        Self(BASE64_URL_SAFE_NO_PAD.encode(hash))
    }

    /// base64url without padding.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The certificate that the client of this request has, by the word of a trusted proxy at the other end of the connection.
pub fn of_client(peer: IpAddr, headers: &HeaderMap, trusted: &ProxySettings) -> Option<Thumbprint> {
    let ProxySettings::Cidrs { cidrs, client_certificate_header: Some(name) } = trusted else { return None };
    if !cidrs.iter().any(|cidr| cidr.contains(peer)) {
        return None;
    }
    let mut lines = headers.get_all(name.as_str()).iter();
    // Two lines: one may be the client's own.
    let (line, None) = (lines.next()?, lines.next()) else { return None };
    read(line.to_str().ok()?.trim())
}

/// Reads the header's value, in the form of RFC 9440, as PEM that is perhaps percent-encoded (nginx, AWS), as bare base64
/// (HAProxy), or as `X-Forwarded-Client-Cert` of Envoy with one element.
fn read(value: &str) -> Option<Thumbprint> {
    if let Some(hash) = hash_of_envoy(value) {
        return Some(Thumbprint::new(hash));
    }
    let structured = value.strip_prefix(':').and_then(|rest| rest.strip_suffix(':'));
    let der = match structured {
        Some(base64) => BASE64_STANDARD.decode(base64).ok()?,
        None => decode_pem(&percent_decode_str(value).decode_utf8().ok()?)?,
    };
    (!der.is_empty()).then(|| Thumbprint::of_der(&der))
}

fn decode_pem(text: &str) -> Option<Vec<u8>> {
    let text = text.trim();
    let body = match text.strip_prefix(PEM_BEGIN) {
        Some(rest) => rest.strip_suffix(PEM_END)?,
        None => text,
    };
    let base64: String = body.chars().filter(|char| !char.is_ascii_whitespace()).collect();
    BASE64_STANDARD.decode(base64).ok()
}

/// `Hash` of the only element: in a list, each entry but the last was written by somebody whom the proxy believed, not we.
fn hash_of_envoy(value: &str) -> Option<[u8; 32]> {
    let mut pairs = pairs_of_one_element(value)?.into_iter().filter_map(|pair| pair.split_once('='));
    let (_, hash) = pairs.find(|(name, _)| name.eq_ignore_ascii_case("hash"))?;
    let mut bytes = [0; 32];
    if hash.len() != 2 * bytes.len() || !hash.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    for (index, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(hash.get(2 * index..2 * index + 2)?, 16).ok()?;
    }
    Some(bytes)
}

/// Splits at semicolons that are in no quotes; a comma there begins a second element.
fn pairs_of_one_element(value: &str) -> Option<Vec<&str>> {
    let (mut pairs, mut begin) = (Vec::new(), 0);
    let (mut is_quoted, mut is_escaped) = (false, false);
    for (at, char) in value.char_indices() {
        match char {
            _ if is_escaped => is_escaped = false,
            '\\' => is_escaped = is_quoted,
            '"' => is_quoted = !is_quoted,
            ',' if !is_quoted => return None,
            ';' if !is_quoted => {
                pairs.push(value.get(begin..at)?);
                begin = at + 1;
            }
            _ => {}
        }
    }
    pairs.push(value.get(begin..)?);
    Some(pairs)
}

#[cfg(test)]
mod tests {
    use super::*;

    const DER: &[u8] = b"0\x82 not really a certificate, which nobody here has to read \xff\xfe";
    const PROXY: &str = "10.0.0.1";

    fn trusted() -> ProxySettings {
        ProxySettings::Cidrs {
            cidrs: vec!["10.0.0.0/8".parse().unwrap()],
            client_certificate_header: Some("client-cert".into()),
        }
    }

    fn shown(peer: &str, lines: &[&str], trusted: &ProxySettings) -> Option<String> {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append("client-cert", line.parse().unwrap());
        }
        of_client(peer.parse().unwrap(), &headers, trusted).map(|thumbprint| thumbprint.as_str().to_owned())
    }

    fn thumbprint() -> String {
        BASE64_URL_SAFE_NO_PAD.encode(sha256(DER))
    }

    fn hex() -> String {
        sha256(DER).iter().map(|byte| format!("{byte:02x}")).collect()
    }

    #[test]
    fn every_form_that_proxies_write() {
        let base64 = BASE64_STANDARD.encode(DER);
        let pem = format!("{PEM_BEGIN}\n{}\n{}\n{PEM_END}\n", &base64[..20], &base64[20..]);
        let encoded: String = pem.bytes().map(|byte| format!("%{byte:02X}")).collect();
        let as_aws = pem.replace('\n', "%0A").replace(' ', "%20");
        for value in [
            format!(":{base64}:"),
            base64.clone(),
            encoded,
            as_aws,
            format!("Hash={}", hex()),
            format!("By=spiffe://x/y;Subject=\"CN=c, O=\\\";Hash=,\";Hash={};URI=", hex().to_uppercase()),
        ] {
            assert_eq!(shown(PROXY, &[&value], &trusted()), Some(thumbprint()), "{value}");
        }
    }

    #[test]
    fn nobody_else_is_believed() {
        let good = format!(":{}:", BASE64_STANDARD.encode(DER));
        let lines = [good.as_str()];
        assert_eq!(shown("192.0.2.1", &lines, &trusted()), None, "not by the proxy");
        assert_eq!(shown(PROXY, &lines, &ProxySettings::Nobody), None);
        assert_eq!(shown(PROXY, &lines, &ProxySettings::Hops(1)), None);
        assert_eq!(shown(PROXY, &[&good, &good], &trusted()), None, "one may be the client's own");
        assert_eq!(shown(PROXY, &[], &trusted()), None);
    }

    #[test]
    fn what_is_not_understood_is_no_certificate() {
        let base64 = BASE64_STANDARD.encode(DER);
        let one = format!("{PEM_BEGIN}{base64}{PEM_END}");
        for value in [
            String::new(),
            "::".to_owned(),
            format!(":{base64}"),
            format!(":{base64}:;x=1"),
            format!(":{base64}:, :{base64}:"),
            format!("{one}{one}"),
            format!("{PEM_BEGIN}{base64}"),
            format!("Hash={0},Hash={0}", hex()),
            format!("Hash={}", &hex()[2..]),
            format!("Hash=+{}", &hex()[1..]),
            format!("Subject=\";Hash={}\"", hex()),
            "Subject=\"CN=c\"".to_owned(),
        ] {
            assert_eq!(shown(PROXY, &[&value], &trusted()), None, "{value}");
        }
    }
}
