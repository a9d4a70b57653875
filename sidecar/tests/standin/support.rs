//! Parts of the suite that are of use here too: a realm of Keycloak and its keys.
#![expect(dead_code, reason = "the suite uses more of them than this program")]

#[path = "../suite/support/http.rs"]
pub(crate) mod http;
#[path = "../suite/support/idp.rs"]
pub(crate) mod idp;
#[path = "../suite/support/keys.rs"]
pub(crate) mod keys;
