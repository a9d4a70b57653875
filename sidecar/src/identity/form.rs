//! Which bodies are parameters to Tomcat and therefore part of the signature.

use http::{HeaderMap, Method, header};
use restward_crds::reason::Reason;

/// Largest form that is signed, in bytes: `maxPostSize` of the official image, above which Tomcat ignores the body's
/// parameters and the signature would not match.
pub const MAX_FORM: usize = 2 * 1024 * 1024;

/// What a request says about its body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Label {
    /// The media type in lower case, without its parameters; empty where there is none.
    pub media_type: String,
    /// No charset but UTF-8, and not compressed.
    pub is_plain: bool,
}

impl Label {
    /// Reads it.
    ///
    /// # Errors
    /// More than one Content-Type: the first would win in Tomcat, another elsewhere.
    pub fn of(headers: &HeaderMap) -> Result<Self, Reason> {
        let mut types = headers.get_all(header::CONTENT_TYPE).iter();
        let content_type = types.next().map(|value| String::from_utf8_lossy(value.as_bytes()));
        if types.next().is_some() {
            return Err(Reason::MalformedRequest);
        }
        let content_type = content_type.unwrap_or_default().to_ascii_lowercase();
        let (media_type, parameters) = content_type.split_once(';').unwrap_or((&content_type, ""));
        let is_utf8 = parameters
            .split(';')
            .filter_map(|parameter| parameter.split_once('='))
            .filter(|(name, _)| name.trim() == "charset")
            .all(|(_, value)| matches!(value.trim().trim_matches(['"', '\'']), "utf-8" | "utf8"));
        let is_as_it_is = headers.get_all(header::CONTENT_ENCODING).iter().all(|coding| coding == "identity");
        Ok(Self { media_type: media_type.trim().to_owned(), is_plain: is_utf8 && is_as_it_is })
    }
}

/// Whether the body is a form that must be read, cleaned and signed: a POST of
/// `application/x-www-form-urlencoded`, in any case and with any parameters. Every other body streams through.
///
/// # Errors
/// More than one Content-Type; a form in another charset than UTF-8, in which a parameter's name could hide, or compressed
/// (Tomcat reads the compressed bytes as parameters).
pub fn must_buffer(method: &Method, headers: &HeaderMap) -> Result<bool, Reason> {
    let label = Label::of(headers)?;
    if method != Method::POST || label.media_type != "application/x-www-form-urlencoded" {
        return Ok(false);
    }
    if label.is_plain { Ok(true) } else { Err(Reason::FormCharset) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decide(method: &Method, headers: &[(header::HeaderName, &str)]) -> Result<bool, Reason> {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(name, value.parse().unwrap());
        }
        must_buffer(method, &map)
    }

    #[test]
    fn only_posted_forms_are_parameters() {
        use header::{CONTENT_ENCODING as ENCODING, CONTENT_TYPE as TYPE};
        const FORM: &str = "application/x-www-form-urlencoded";
        let (yes, no, charset) = (Ok(true), Ok(false), Err(Reason::FormCharset));
        let table = [
            (Method::POST, vec![(TYPE, FORM)], yes),
            (Method::POST, vec![(TYPE, "Application/X-WWW-Form-URLEncoded")], yes),
            (Method::POST, vec![(TYPE, "application/x-www-form-urlencoded ; charset=\"UTF-8\"; x=1")], yes),
            (Method::POST, vec![(TYPE, FORM), (ENCODING, "identity")], yes),
            (Method::PUT, vec![(TYPE, FORM)], no),
            (Method::GET, vec![(TYPE, FORM)], no),
            (Method::POST, vec![(TYPE, "application/json; charset=latin1")], no),
            (Method::POST, vec![(TYPE, "multipart/form-data; boundary=x")], no),
            (Method::POST, vec![], no),
            (Method::POST, vec![(TYPE, "application/x-www-form-urlencoded; charset=utf-16")], charset),
            (Method::POST, vec![(TYPE, "application/x-www-form-urlencoded;CHARSET=ibm037")], charset),
            (
                Method::POST,
                vec![(TYPE, "application/x-www-form-urlencoded; charset=utf-8; charset=ibm037")],
                charset,
            ),
            (Method::POST, vec![(TYPE, FORM), (ENCODING, "gzip")], charset),
            (Method::POST, vec![(TYPE, "text/plain"), (TYPE, FORM)], Err(Reason::MalformedRequest)),
        ];
        for (method, headers, want) in table {
            assert_eq!(decide(&method, &headers), want, "{method} {headers:?}");
        }
    }
}
