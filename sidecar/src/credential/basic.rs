//! Who logs in by a Basic header. The password is not decoded.

use base64::{Engine as _, prelude::BASE64_STANDARD};

/// Longest name that is read.
const MAX_NAME: usize = 255;

/// The user name of `Basic <base64 of name:password>`, for people to read. `None` when it is none that can stand in a
/// report, and when there is no password behind it: what stands alone may be a secret (`curl -u <token>:`).
pub(super) fn user_name(header: &[u8]) -> Option<String> {
    let header = super::trim(header);
    let encoded = header.get(header.iter().position(u8::is_ascii_whitespace)?..)?.trim_ascii();
    let mut name = Vec::new();
    let mut groups = encoded.chunks(4);
    loop {
        name.extend(BASE64_STANDARD.decode(groups.next()?).ok()?);
        if let Some(colon) = name.iter().position(|byte| *byte == b':') {
            let has_password = name.len() > colon + 1 || groups.next().is_some();
            name.truncate(colon);
            return has_password.then(|| readable(name)).flatten();
        }
        if name.len() > MAX_NAME {
            return None;
        }
    }
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
        for pair in ["secret", "secret:", "", ":", ":password", "a\nb:p", &format!("{}:p", "x".repeat(300))] {
            assert_eq!(of(pair), None, "{pair}");
        }
        for header in ["Basic", "Basic ", "Basic %%%%", "BasicYTpi", "Basic /zpi"] {
            assert_eq!(user_name(header.as_bytes()), None, "{header}");
        }
    }
}
