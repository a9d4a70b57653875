//! Parts of the suite that are of use here too: a realm of Keycloak and its keys.

#[path = "../suite/support/http.rs"]
#[allow(dead_code, reason = "the suite uses more of it")]
pub(crate) mod http;
#[path = "../suite/support/idp.rs"]
#[allow(dead_code, reason = "the suite uses more of it")]
pub(crate) mod idp;
#[path = "../suite/support/keys.rs"]
#[allow(dead_code, reason = "the suite uses more of it")]
pub(crate) mod keys;
