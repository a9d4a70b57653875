//! The witness: the API server asks it about what members of the chart's `breakGlass.groups` do that its admission policies refuse
//! to everybody else. It allows everything, and tells: a metric, an Event, a line in the policy's status.
//!
//! What is asked about is decided by the conditions of the chart's webhook configuration, which are the rules of the admission
//! policies word for word. Only where a rule depends on the policies, which a condition cannot read, is it decided here.
//!
//! - [`judge`]: whether a request is a use, of what, and which policies it concerns (pure)
//! - [`tell`]: writes Events and status
//! - [`register`]: tells the API server where to call

mod judge;
pub mod register;
mod tell;

use std::{sync::Arc, time::Duration};

use aws_lc_rs::constant_time;
use k8s_openapi::jiff::Timestamp;
use tokio::sync::{mpsc, watch};

use super::{metrics::Metrics, review::Request};
use crate::{
    args::Sidecar,
    policy_source::{Candidate, PolicySource},
};
use judge::{Rule, Use};

pub use tell::tell;

/// The API server waits 2 s.
const FETCH_TIMEOUT: Duration = Duration::from_secs(1);
/// Uses that wait to be told. They are small; what is more than that is counted and logged only.
const WAITING: usize = 1024;

/// A use, and when it was.
pub struct Seen {
    at: Timestamp,
    used: Use,
}

/// What is called, and by what path.
pub struct Witness {
    secret_path: watch::Receiver<Option<String>>,
    seen: mpsc::Sender<Seen>,
}

impl Witness {
    /// One that is called by the path that holds at the time, and what it sees; that ends with the witness.
    pub fn new(secret_path: watch::Receiver<Option<String>>) -> (Self, mpsc::Receiver<Seen>) {
        let (seen, told) = mpsc::channel(WAITING);
        (Self { secret_path, seen }, told)
    }

    /// Whether only the API server can have called: any pod reaches the webhook's port, and could tell of anybody anything.
    fn is_secret_path(&self, said: &str) -> bool {
        let path = self.secret_path.borrow();
        path.as_ref().is_some_and(|path| {
            constant_time::verify_slices_are_equal(path.as_bytes(), said.as_bytes()).is_ok()
        })
    }
}

/// Path under which the API server calls the witness about a rule.
pub fn path(secret_path: &str, rule: &str) -> String {
    format!("/witness/{secret_path}/{rule}")
}

/// The witness with what it judges by.
pub(super) struct Stand {
    pub witness: Witness,
    pub source: Arc<dyn PolicySource>,
    pub sidecar: Sidecar,
    pub metrics: Metrics,
}

impl Stand {
    /// The rule that is asked about; `None` when it is not the API server that asks.
    pub(super) fn rule(&self, secret_path: &str, rule: &str) -> Option<Rule> {
        Rule::named(rule).filter(|_| self.witness.is_secret_path(secret_path))
    }

    /// Looks at a request, counts it when it is a use, and has it told.
    pub(super) async fn see(&self, rule: Rule, request: &Request) {
        let policies = self.policies(&request.namespace).await;
        let Some(used) = judge::judge(rule, request, &policies, &self.sidecar) else { return };
        self.metrics.count_use(used.what);
        tracing::warn!(
            break_glass.what = used.what.as_str(),
            break_glass.operation = used.operation,
            user = used.user,
            object.namespace = request.namespace,
            object = used.object(),
            "break-glass was used"
        );
        if self.witness.seen.try_send(Seen { at: Timestamp::now(), used }).is_err() {
            tracing::warn!("too many uses of break-glass at once; this one has no Event");
        }
    }

    /// The policies of the namespace. A replica that has heard of none asks, as it may just have started.
    async fn policies(&self, namespace: &str) -> Vec<Candidate> {
        let known = self.source.policies_of(namespace);
        if !known.is_empty() {
            return known;
        }
        let fetched = self.source.fetch_policies_of(namespace);
        if let Ok(Ok(policies)) = tokio::time::timeout(FETCH_TIMEOUT, fetched).await {
            return policies;
        }
        tracing::warn!(namespace, "the policies cannot be read, by which uses of break-glass are judged");
        Vec::new()
    }
}

#[cfg(test)]
mod tests;
