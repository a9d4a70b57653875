//! JSON-RPC 2.0: one call, or several in an array; in "light" mode the arguments alone, with the method in the path.

use restward_crds::reason::Reason;
use serde_json::Value;

use super::is_login;
use crate::auth::json;

/// Whether the body is a login, or has one among others.
pub(super) fn has_login(text: &str) -> Result<bool, Reason> {
    match json::value(text.as_bytes()).map_err(|_| Reason::RpcUnreadable)? {
        Value::Array(calls) => any(calls.iter().map(is_call_of_login)),
        call => is_call_of_login(&call),
    }
}

/// Arguments in "light" mode may be objects with any members, so those of calls are looked for and nothing is missed.
fn is_call_of_login(call: &Value) -> Result<bool, Reason> {
    let Value::Object(members) = call else { return Ok(false) };
    any(members.iter().filter(|(name, _)| name.eq_ignore_ascii_case("method")).map(
        |(_, method)| match method {
            Value::String(method) => is_login(method),
            _ => Err(Reason::RpcUnreadable),
        },
    ))
}

/// One that cannot be told makes all of them unreadable, unless a login comes before it.
fn any(mut found: impl Iterator<Item = Result<bool, Reason>>) -> Result<bool, Reason> {
    found.find(|found| *found != Ok(false)).unwrap_or(Ok(false))
}
