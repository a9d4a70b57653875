//! Whether a call of the legacy APIs (XML-RPC, SOAP, JSON-RPC) is their `login`, whose password is in the body. Pure.
//!
//! Confluence's own parsers must not find a login where none is found here. Some of them are lenient and old, so what they
//! might read in another way is not read at all: [`Reason::RpcUnreadable`]. A method is taken for the login by any
//! part of its name, whoever offers it (`confluence1.login`, `confluence2.login`, `login` of SOAP), and in any case of its letters.
//!
//! - `xml`: XML-RPC and SOAP
//! - `json`: JSON-RPC

mod json;
mod xml;

use http::HeaderMap;
use restward_crds::reason::Reason;

use crate::identity::{form::Label, query};

/// Where bodies are JSON; elsewhere below the legacy APIs they are XML.
const JSON: &str = "/rpc/json-rpc";

/// Whether the head alone says that it is a login: JSON-RPC takes the method from the path ("light" mode), and Axis, behind
/// SOAP, from the query.
///
/// # Errors
/// The query names a method: Axis makes XML of the whole query, as it stands.
pub fn names_login(paths: &[String], query: Option<&str>) -> Result<bool, Reason> {
    for part in paths.iter().flat_map(|path| path.split('/')) {
        if is_login(part)? {
            return Ok(true);
        }
    }
    let parameters = query::parse(query.unwrap_or_default().as_bytes());
    match parameters.iter().find(|(name, _)| name.eq_ignore_ascii_case("method")) {
        None => Ok(false),
        Some((_, method)) if is_login(method)? => Ok(true),
        Some(_) => Err(Reason::RpcUnreadable),
    }
}

/// Whether a body with these headers can be read at all.
///
/// # Errors
/// It is in another charset than UTF-8, compressed, or of a type in which a call could stand beside what is read here: a
/// form, parts of MIME.
pub fn check_label(headers: &HeaderMap) -> Result<(), Reason> {
    let label = Label::of(headers)?;
    let is_known = matches!(
        label.media_type.as_str(),
        "" | "text/xml" | "application/xml" | "application/soap+xml" | "application/json" | "text/plain"
    );
    match (is_known, label.is_plain) {
        (false, _) => Err(Reason::RpcUnreadable),
        (true, false) => Err(Reason::FormCharset),
        (true, true) => Ok(()),
    }
}

/// Whether the body of a call to `paths` is a login, or has one among others.
///
/// # Errors
/// It cannot be told.
pub fn has_login(paths: &[String], body: &[u8]) -> Result<bool, Reason> {
    let text = std::str::from_utf8(body).map_err(|_| Reason::FormCharset)?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    if text.contains('\0') {
        // UTF-16 and UTF-32 without a label, which parsers recognise by it.
        return Err(Reason::FormCharset);
    }
    let is_json = text.trim_start().starts_with(['{', '[']);
    let may_be_json = || paths.iter().all(|path| path.strip_prefix(JSON).is_some_and(is_end_of_segment));
    match text.trim_start() {
        "" => Ok(false),
        _ if is_json && may_be_json() => json::has_login(text),
        _ => xml::has_login(text),
    }
}

fn is_end_of_segment(rest: &str) -> bool {
    rest.is_empty() || rest.starts_with('/')
}

/// Whether a method of this name is a login.
fn is_login(name: &str) -> Result<bool, Reason> {
    let mut parts = name.split(['.', ':', '/']).map(str::trim);
    // `system.multicall` runs methods that are named in its parameters.
    let is_many = name.rsplit('.').next().is_some_and(|last| last.trim().eq_ignore_ascii_case("multicall"));
    if is_many || !name.is_ascii() {
        return Err(Reason::RpcUnreadable);
    }
    Ok(parts.any(|part| part.eq_ignore_ascii_case("login")))
}

#[cfg(test)]
mod tests;
