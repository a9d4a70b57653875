//! What Tomcat serves from the APIs is protected.

use http::{Method, Uri};
use restward_crds::sidecar::config::AnonymousPaths;
use restward_sidecar::{
    route::{PathClass, Route},
    target::Target,
};

const APIS: &[&str] = &["/rest", "/rpc", "/plugins/servlet/soap-axis1"];

/// `data` is a request target.
pub fn check(data: &[u8]) {
    let Ok(uri) = Uri::try_from(data) else { return };
    let Ok(target) = Target::parse(&Method::GET, &uri) else { return };
    assert!(target.as_sent().starts_with('/') && target.as_sent() == uri.to_string(), "sent as it came");
    assert!(target.readings().iter().all(|path| path.starts_with('/')), "{:?}", target.readings());
    for context in ["", "/wiki"] {
        let route = Route::of(&Method::GET, &target, context, &AnonymousPaths::default());
        let Some(path) = tomcat(uri.path()) else { continue };
        let below = path.strip_prefix(context).unwrap_or(&path);
        let is_api = APIS
            .iter()
            .any(|api| below.strip_prefix(api).is_some_and(|rest| rest.is_empty() || rest.starts_with('/')));
        assert!(!is_api || route.class == PathClass::Protected, "{uri} is {path}: {:?}", route.class);
    }
}

/// The path that Tomcat's `CoyoteAdapter` and `RequestUtil.normalize` make of a target, written after their
/// description: parameters go segment by segment, then escapes are resolved once, then slashes and dot segments.
/// `None`: Tomcat answers 400.
fn tomcat(path: &str) -> Option<String> {
    let without: Vec<&str> =
        path.split('/').map(|segment| segment.split(';').next().unwrap_or_default()).collect();
    let mut decoded = Vec::new();
    let joined = without.join("/");
    let mut bytes = joined.bytes();
    while let Some(byte) = bytes.next() {
        let byte = if byte == b'%' {
            let digits = [bytes.next()?, bytes.next()?];
            u8::from_str_radix(std::str::from_utf8(&digits).ok()?, 16).ok()?
        } else {
            byte
        };
        decoded.push(byte);
    }
    let mut kept: Vec<&str> = Vec::new();
    let decoded = String::from_utf8(decoded).ok()?;
    for segment in decoded.split('/') {
        match segment {
            "" | "." => {}
            ".." => {
                kept.pop()?;
            }
            other => kept.push(other),
        }
    }
    Some(format!("/{}", kept.join("/")))
}
