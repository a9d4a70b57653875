//! The operator against a real Keycloak: what it makes there and with which rights, and what discovery says of one that is not
//! where the policy says. Run by `cargo test -p restward-operator --test keycloak`; not part of the plain test run, because it
//! needs a JDK. One Keycloak serves all scenarios, as its start takes half a minute.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that cannot go on should fail where it stands"
)]

mod discovery;
mod provisioning;
mod realm;
mod rights;
#[path = "../../../tests/standins/keycloak/running.rs"]
mod running;

use realm::Keycloak;

#[tokio::test]
async fn everything_about_keycloak() {
    rustls::crypto::aws_lc_rs::default_provider().install_default().unwrap();
    let keycloak = Keycloak::start().await;
    discovery::what_is_wrong_has_its_sentence(&keycloak).await;
    rights::the_least_that_suffices(&keycloak).await;
    provisioning::a_fresh_realm_becomes_usable(&keycloak).await;
    provisioning::drift_is_put_right(&keycloak).await;
    provisioning::what_is_superfluous_goes(&keycloak).await;
    provisioning::what_is_not_ours_is_left_alone(&keycloak).await;
    provisioning::everything_goes_on_request(&keycloak).await;
    provisioning::each_trouble_is_a_sentence_without_the_secret(&keycloak).await;
}
