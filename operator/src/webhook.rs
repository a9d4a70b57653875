//! The admission webhook: the API server asks it about every pod that a policy selects.
//!
//! What it cannot decide it refuses; controllers try again. It never allows a pod because it does not know better.
//!
//! - [`review`]: the AdmissionReview in and out
//! - [`mutate`]: from a review to an answer
//! - [`witness`]: what members of `breakGlass.groups` do that is refused to others is allowed and told
//! - [`metrics`]: decisions by reason, and uses of break-glass
//! - [`serve`]: HTTP over TLS

mod metrics;
mod mutate;
mod review;
mod serve;
pub mod witness;

pub use metrics::Metrics;
pub use serve::serve;
pub use witness::Witness;

/// Path under which the API server calls the webhook for one policy.
pub fn path(namespace: &str, uid: &str) -> String {
    format!("/mutate/{namespace}/{uid}")
}
