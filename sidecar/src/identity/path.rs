//! The path of an asserted request: what Tomcat reads of it, in characters that every part of Tomcat can read.

use std::fmt::Write as _;

/// `path` without path parameters (`;jsessionid=…` names a session, which asserted requests must not) and with
/// everything percent-encoded that RFC 3986 does not allow in a path: Tomcat's URL class answers 500 to a raw `[`.
/// Escapes stay as they are, because the signature covers the path undecoded.
pub fn asserted(path: &str) -> String {
    let mut written = String::with_capacity(path.len());
    for (index, segment) in path.split('/').enumerate() {
        if index > 0 {
            written.push('/');
        }
        let segment = segment.split(';').next().unwrap_or_default();
        for byte in segment.bytes() {
            if byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,=:@%".contains(&byte) {
                written.push(char::from(byte));
            } else {
                // Writing to a String cannot fail.
                let _ = write!(written, "%{byte:02X}");
            }
        }
    }
    written
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_go_and_escapes_stay() {
        let table = [
            ("/rest/api/content", "/rest/api/content"),
            ("/rest;jsessionid=1/api;v=2", "/rest/api"),
            ("/rest/api;jsessionid=ABC", "/rest/api"),
            ("/a%7Eb/%c3%bc", "/a%7Eb/%c3%bc"),
            ("/x%3Bjsessionid=1", "/x%3Bjsessionid=1"),
            ("/a[1]|{x}\"<>^`", "/a%5B1%5D%7C%7Bx%7D%22%3C%3E%5E%60"),
            ("/!$&'()*+,=:@-._~", "/!$&'()*+,=:@-._~"),
            ("/", "/"),
            ("//a//", "//a//"),
        ];
        for (path, want) in table {
            assert_eq!(asserted(path), want, "{path}");
        }
    }
}
