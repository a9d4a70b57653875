//! `restward.io/v1alpha1`.

#![allow(clippy::duplicated_attributes, reason = "each printcolumn of the kube derive has the same keys")]
#![allow(unreachable_pub, reason = "the KubeSchema derive repeats the struct inside a function")]

mod audit;
mod basic_auth;
mod break_glass;
mod identity;
mod interception;
mod issuers;
mod policy;
mod provisioning;
mod sidecar;
mod status;

pub use audit::AuditSpec;
pub use basic_auth::BasicAuth;
pub use break_glass::{BreakGlassStatus, BreakGlassUse};
pub use identity::{ApplicationLinkSpec, HeaderSpec, IdentitySpec, LinkMode, OAuth1Spec, SecretKeyRef};
pub use interception::{Interception, LoopbackBind};
pub use issuers::{CaCertificateRef, ClientAssertion, ClientSecretRef, Keycloak, OpenIdIssuerSpec};
pub use policy::{
    DeletionPolicy, RestApiAuthPolicy, RestApiAuthPolicySpec, Rollout, RolloutStrategy, Tokens, UpstreamSpec,
};
pub use provisioning::{
    AdminSecretRef, ClientPurpose, ProvisionedClient, Provisioning, ProvisioningState, ProvisioningStatus,
};
pub use sidecar::{SidecarSpec, SidecarUpdateStrategy};
pub use status::{
    ApplicationLinkStatus, InForceStatus, NextKeyStatus, RestApiAuthPolicyStatus, RolloutStatus,
    WorkloadStatus,
};
