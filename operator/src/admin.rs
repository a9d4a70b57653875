//! The admin server: liveness, readiness, metrics.

use axum::{Router, extract::State, routing::get};
use http::{StatusCode, header};
use tokio::net::TcpListener;

use crate::{certs, metrics::Metrics};

/// What the admin server shows.
#[derive(Clone)]
pub struct Admin {
    /// Tells whether the webhook can serve.
    pub certificates: certs::Handle,
    /// The metrics.
    pub metrics: Metrics,
}

/// Serves until `shutdown`.
///
/// # Errors
/// The listener broke.
pub async fn serve(
    listener: TcpListener,
    admin: Admin,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> anyhow::Result<()> {
    let router = Router::new()
        .route("/livez", get(|| async { "ok\n" }))
        .route("/readyz", get(ready))
        .route("/metrics", get(metrics))
        .with_state(admin);
    Ok(axum::serve(listener, router).with_graceful_shutdown(shutdown).await?)
}

/// A replica is ready once the API server would trust the certificate that it serves. Policies and leadership have no
/// say: a replica that is not the leader serves admission like any other.
async fn ready(State(admin): State<Admin>) -> (StatusCode, &'static str) {
    if admin.certificates.is_ready() {
        (StatusCode::OK, "ok\n")
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "the webhook's certificate does not chain to its authority yet\n")
    }
}

async fn metrics(
    State(admin): State<Admin>,
) -> Result<([(header::HeaderName, &'static str); 1], String), StatusCode> {
    admin.metrics.certificate_ends("webhook", admin.certificates.leaf_ends());
    admin.metrics.certificate_ends("authority", admin.certificates.authority_ends());
    let text = admin.metrics.encode().map_err(|_| StatusCode::INTERNAL_SERVER_ERROR)?;
    Ok(([(header::CONTENT_TYPE, "application/openmetrics-text; version=1.0.0; charset=utf-8")], text))
}
