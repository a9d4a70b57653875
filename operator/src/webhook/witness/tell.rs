//! Writes Events and status about what the witness saw. Not while the API server waits, which would wait for itself.

use std::time::Duration;

use futures::{StreamExt as _, stream};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::Client;
use restward_crds::{api::v1alpha1::BreakGlassStatus, names};
use serde_json::json;
use tokio::sync::mpsc;

use super::{Seen, judge::Use};
use crate::{controller::update_status::apply_status, events::Events};

/// Until the request itself is through: a write to the same policy in between would have it fail with a conflict.
const PAUSE: Duration = Duration::from_secs(1);
/// Uses that are told at the same time.
const AT_ONCE: usize = 8;

/// Tells all that is seen, until the witness is gone and everything is told.
pub async fn tell(mut seen: mpsc::Receiver<Seen>, client: Client, events: Events) {
    let seen = stream::poll_fn(move |context| seen.poll_recv(context));
    seen.for_each_concurrent(AT_ONCE, async |Seen { at, used }| {
        tokio::time::sleep(PAUSE).await;
        events.about_use(&used.policies, &used.on, used.what.as_str(), &note(&used)).await;
        let last = BreakGlassStatus {
            time: Time(at),
            what: used.what,
            operation: used.operation.clone(),
            object: used.object(),
        };
        for policy in &used.policies {
            let (Some(namespace), Some(name)) = (&policy.namespace, &policy.name) else { continue };
            let status = json!({ "breakGlass": last });
            let manager = names::break_glass_manager();
            if let Err(error) = apply_status(&client, namespace, name, &manager, &status).await {
                tracing::warn!(%error, policy.namespace = namespace, policy.name = name, "status could not be told of a use of break-glass");
            }
        }
    })
    .await;
}

/// For people. The user's name may be any text.
fn note(used: &Use) -> String {
    format!(
        "{:?} {} ({} of {}), which the admission policies refuse to all but the chart's breakGlass.groups. The API server's audit \
         log has the request",
        used.user,
        used.what.sentence(),
        used.operation,
        used.object()
    )
}
