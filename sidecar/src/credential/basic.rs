//! Who logs in by a Basic header. Of the password only the beginning is decoded.

use base64::{Engine as _, prelude::BASE64_STANDARD};

/// Longest name that is read.
const MAX_NAME: usize = 255;
/// How every JWT begins. Confluence takes its own OAuth 2 tokens as passwords, and then the name counts for nothing.
const TOKEN: &[u8] = b"eyJ";

/// The user name of `Basic <base64 of name:password>`. `None` when it can be read in more than one way, is none that can
/// stand in a report, or has no password behind it: what stands alone may be a secret (`curl -u <token>:`).
pub(super) fn user_name(header: &[u8]) -> Option<String> {
    let header = super::trim(header);
    let encoded = header.get(header.iter().position(u8::is_ascii_whitespace)?..)?.trim_ascii();
    let mut pair = Vec::new();
    let mut groups = encoded.chunks(4).peekable();
    while let Some(group) = groups.next() {
        // Some decoders end at the first padding, others go on.
        if group.contains(&b'=') && groups.peek().is_some() {
            return None;
        }
        pair.extend(BASE64_STANDARD.decode(group).ok()?);
        if let Some(colon) = pair.iter().position(|byte| *byte == b':') {
            let password = pair.get(colon + 1..)?;
            if password.len() >= TOKEN.len() || groups.peek().is_none() {
                let is_password = !password.is_empty() && !password.starts_with(TOKEN);
                pair.truncate(colon);
                return is_password.then(|| readable(pair)).flatten();
            }
        } else if pair.len() > MAX_NAME {
            return None;
        }
    }
    None
}

/// `name`, if it is the text of a name.
pub(super) fn readable(name: Vec<u8>) -> Option<String> {
    let name = String::from_utf8(name).ok()?;
    let is_name = !name.is_empty() && name.len() <= MAX_NAME && !name.chars().any(char::is_control);
    is_name.then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(pair: &str) -> Option<String> {
        user_name(format!("Basic {}", BASE64_STANDARD.encode(pair)).as_bytes())
    }

    #[test]
    fn a_name_stands_before_a_password() {
        for name in ["alice", "a", "ab", "abc", "Alice.Smith@example.com", "jürgen"] {
            for password in ["p", "pa", "pas", "pass:word"] {
                assert_eq!(of(&format!("{name}:{password}")).as_deref(), Some(name));
            }
        }
        assert_eq!(user_name(b" bASIC   YTpi").as_deref(), Some("a"));
    }

    #[test]
    fn what_may_be_a_secret_is_no_name() {
        let long = format!("{}:p", "x".repeat(300));
        for pair in
            ["secret", "secret:", "", ":", ":password", "a\nb:p", "alice:eyJhbGci.eyJpZCI6.c2ln", &long]
        {
            assert_eq!(of(pair), None, "{pair}");
        }
        for header in
            ["Basic", "Basic ", "Basic %%%%", "BasicYTpi", "Basic /zpi", "Basic YWI=Yzpw", "Basic YTo=YTpi"]
        {
            assert_eq!(user_name(header.as_bytes()), None, "{header}");
        }
    }
}
