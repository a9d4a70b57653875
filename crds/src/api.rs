//! The Kubernetes kinds of the group `restward.io`.

pub mod v1alpha1;
