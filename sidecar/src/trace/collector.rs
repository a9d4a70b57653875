//! OTLP over HTTP to the collector that the environment names (OpenTelemetry's `OTEL_*` variables).

use std::{
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use http::{Request, Response};
use opentelemetry::KeyValue;
use opentelemetry_http::{HttpClient, HttpError};
use opentelemetry_otlp::{SpanExporter, WithHttpConfig as _};
use opentelemetry_sdk::{Resource, trace::SdkTracerProvider};
use reqwest::redirect::Policy;
use restward_crds::names;
use tokio::runtime::Handle;

use super::Traces;

/// For one delivery; within the exporter's own limit, which covers its retries too.
const DEADLINE: Duration = Duration::from_secs(5);
/// Largest answer that is read, in bytes: it says at most how many spans were refused.
const MAX_ANSWER: usize = 64 * 1024;

/// Traces for the collector of the environment; none when it names none, or says that nothing is to be recorded.
///
/// # Errors
/// The collector's address cannot be used, or there is no HTTP client.
pub fn from_env() -> anyhow::Result<Option<Traces>> {
    let is_set = |name| std::env::var(name).is_ok_and(|value| !value.is_empty());
    let is_disabled =
        std::env::var(names::ENV_OTEL_DISABLED).is_ok_and(|value| value.eq_ignore_ascii_case("true"));
    if is_disabled || !(is_set(names::ENV_OTLP_ENDPOINT) || is_set(names::ENV_OTLP_TRACES_ENDPOINT)) {
        return Ok(None);
    }
    let exporter = SpanExporter::builder().with_http().with_http_client(Collector::new()?).build()?;
    let provider = SdkTracerProvider::builder().with_batch_exporter(exporter).with_resource(resource());
    Ok(Some(Traces::new(provider.build())))
}

/// What the sidecar is; what the environment says comes on top.
fn resource() -> Resource {
    let mut resource =
        Resource::builder().with_attribute(KeyValue::new("service.version", env!("CARGO_PKG_VERSION")));
    if std::env::var_os(names::ENV_OTEL_SERVICE).is_none() {
        resource = resource.with_service_name("restward-sidecar");
    }
    // In a pod the host's name is the pod's.
    if let Ok(pod) = std::env::var("HOSTNAME") {
        resource = resource.with_attribute(KeyValue::new("service.instance.id", pod));
    }
    resource.build()
}

/// Sends on the sidecar's own runtime: the exporter lives in a thread without one.
#[derive(Debug)]
struct Collector {
    http: reqwest::Client,
    runtime: Handle,
    is_silent: AtomicBool,
}

impl Collector {
    fn new() -> reqwest::Result<Self> {
        let http = reqwest::Client::builder()
            .no_proxy()
            .redirect(Policy::none())
            .timeout(DEADLINE)
            .user_agent(concat!("restward-sidecar/", env!("CARGO_PKG_VERSION")))
            .build()?;
        Ok(Self { http, runtime: Handle::current(), is_silent: AtomicBool::new(false) })
    }

    /// Says so once when the collector stops taking traces, and once when it takes them again.
    fn note(&self, outcome: Result<u16, &reqwest::Error>) {
        let is_silent = !outcome.is_ok_and(|status| (200..300).contains(&status));
        if self.is_silent.swap(is_silent, Ordering::Relaxed) == is_silent {
            return;
        }
        match outcome {
            _ if !is_silent => tracing::info!("the collector takes traces again"),
            Ok(status) => tracing::warn!(status, "the collector refuses traces; they are lost meanwhile"),
            Err(error) => tracing::warn!(
                is_timeout = error.is_timeout(),
                is_connect = error.is_connect(),
                "the collector cannot be reached; traces are lost meanwhile"
            ),
        }
    }
}

#[async_trait]
impl HttpClient for Collector {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let (head, body) = request.into_parts();
        let request = self.http.request(head.method, head.uri.to_string()).headers(head.headers).body(body);
        let sent = self.runtime.spawn(async move { read(request.send().await?).await }).await?;
        self.note(sent.as_ref().map(|answer| answer.status().as_u16()));
        Ok(sent?)
    }
}

async fn read(mut answer: reqwest::Response) -> reqwest::Result<Response<Bytes>> {
    let mut body = Vec::new();
    while let Some(chunk) = answer.chunk().await? {
        if body.len() + chunk.len() > MAX_ANSWER {
            break;
        }
        body.extend_from_slice(&chunk);
    }
    let mut response = Response::new(Bytes::from(body));
    *response.status_mut() = answer.status();
    if let Some(wait) = answer.headers().get(http::header::RETRY_AFTER) {
        response.headers_mut().insert(http::header::RETRY_AFTER, wait.clone());
    }
    Ok(response)
}
