//! The whole sidecar against a real Keycloak: what its tokens look like and what it says about them is not ours to script.
//! Run by `cargo test -p restward-sidecar --test keycloak`; not part of the plain test run, because it needs a JDK.
//!
//! One Keycloak serves all scenarios, as its start takes half a minute; Confluence is the scripted one of the suite.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::needless_pass_by_value,
    clippy::panic,
    clippy::similar_names,
    clippy::unwrap_used,
    reason = "a test that cannot go on should fail where it stands"
)]

mod doctor;
mod realm;
#[path = "../../../tests/standins/keycloak/running.rs"]
mod running;
/// The sidecar between scripted parts, as in the suite.
#[path = "../suite"]
#[expect(dead_code, reason = "what the suite needs and this program does not")]
mod suite {
    pub(crate) mod support;
}
mod tokens;
mod validation;

use realm::Keycloak;
use suite::support;

#[tokio::test]
async fn everything_about_tokens() {
    let keycloak = Keycloak::start();
    doctor::a_wrong_path_in_front_of_the_realm(&keycloak).await;
    doctor::another_issuer(&keycloak).await;
    doctor::blocked_egress(&keycloak).await;
    doctor::no_audience_mapper(&keycloak).await;
    doctor::lightweight_tokens(&keycloak).await;
    doctor::clocks_that_differ(&keycloak).await;
    tokens::every_kind(&keycloak).await;
    tokens::each_outcome_is_in_the_trace(&keycloak).await;
    tokens::tokens_expire(&keycloak).await;
    tokens::algorithms_can_be_narrowed(&keycloak).await;
    tokens::scopes_roles_and_groups(&keycloak).await;
    tokens::audiences_and_parties(&keycloak).await;
    tokens::rules_about_what_tokens_grant(&keycloak).await;
    tokens::a_second_realm(&keycloak).await;
    tokens::bound_to_a_key(&keycloak).await;
    tokens::bound_to_a_certificate(&keycloak).await;
    validation::auto_introspects_lightweight_tokens(&keycloak).await;
    validation::introspection_sees_what_local_validation_does_not(&keycloak).await;
    validation::userinfo_wants_openid(&keycloak).await;
    validation::the_service_account_is_the_client(&keycloak).await;
    validation::not_before_revokes_everything(&keycloak).await;
}
