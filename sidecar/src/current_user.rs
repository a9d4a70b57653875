//! Confluence's resource that says as whom a call ran. Pure.

use restward_crds::text::Username;
use serde::Deserialize;

use crate::loopback::Answer;

/// Below the context path.
pub const PATH: &str = "/rest/api/user/current";

/// What it answers.
#[derive(Deserialize)]
struct CurrentUser {
    #[serde(rename = "type", default)]
    kind: Option<String>,
    #[serde(default)]
    username: Option<String>,
}

/// The user that an answer is for; `None`: anonymous, or not to be understood.
pub fn of(answer: &Answer) -> Option<String> {
    let user: CurrentUser = serde_json::from_slice(&answer.body).ok()?;
    if user.kind.as_deref() == Some("anonymous") { None } else { user.username }
}

/// Whether Confluence means `user` by `name`: it does not keep the case (`Alice.Smith` of LDAP is `alice.smith`).
pub fn is(name: &str, user: &Username) -> bool {
    name.to_lowercase() == user.as_str().to_lowercase()
}
