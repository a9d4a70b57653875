//! OpenTelemetry traces: one server span for each request, with the decision and the call to Confluence below it, in the
//! W3C trace context that came with the request and goes on to Confluence.
//!
//! Spans hold words from closed sets, the status and the request's id: no path, query, user, token or address.
//!
//! - [`collector`] \[io]: the way to the collector

pub mod collector;

use std::time::{Duration, SystemTime};

use http::{HeaderMap, HeaderName, Method, StatusCode};
use opentelemetry::{
    Context, KeyValue, Value,
    propagation::{Extractor, TextMapPropagator as _},
    trace::{SpanBuilder, SpanKind, SpanRef, Status, TraceContextExt as _, Tracer as _, TracerProvider as _},
};
use opentelemetry_http::HeaderInjector;
use opentelemetry_sdk::{
    propagation::TraceContextPropagator,
    trace::{SdkTracer, SdkTracerProvider},
};
use restward_crds::reason::Reason;

use crate::audit::Record;

/// Headers of the W3C trace context.
const CONTEXT_HEADERS: [&str; 2] = ["traceparent", "tracestate"];
/// Longest `tracestate` that is gone on with, as many as must be (W3C Trace Context section 3.3.1.5): each span keeps it
/// until it is delivered.
const MAX_STATE: usize = 512;
/// How long the last delivery may take; with [`crate::app::DRAIN`] below what the official chart grants a pod.
const LAST_DELIVERY: Duration = Duration::from_secs(3);
/// `error.type` of a call that was given up, as when the sidecar ends.
const CANCELLED: &str = "cancelled";
/// In spans, the word for a method that is none of [`KNOWN_METHODS`] (semantic conventions of HTTP spans).
const OTHER_METHOD: &str = "_OTHER";
static KNOWN_METHODS: [Method; 9] = [
    Method::CONNECT,
    Method::DELETE,
    Method::GET,
    Method::HEAD,
    Method::OPTIONS,
    Method::PATCH,
    Method::POST,
    Method::PUT,
    Method::TRACE,
];

/// Records traces. Clones share everything.
#[derive(Clone)]
pub struct Traces {
    provider: SdkTracerProvider,
    tracer: SdkTracer,
}

impl Traces {
    /// Records by this provider.
    pub fn new(provider: SdkTracerProvider) -> Self {
        Self { tracer: provider.tracer("restward-sidecar"), provider }
    }

    /// Begins the span of a request, in the context that came with it.
    pub fn begin(&self, method: &Method, headers: &HeaderMap) -> Trace {
        let parent = if headers.get_all("traceparent").iter().count() > 1 {
            // Two parents are none (W3C Trace Context section 3.2).
            Context::new()
        } else {
            TraceContextPropagator::new().extract_with_context(&Context::new(), &Incoming(headers))
        };
        let span = SpanBuilder::from_name(span_name(method)).with_kind(SpanKind::Server);
        let context = parent.with_span(self.tracer.build_with_context(span, &parent));
        Trace(Some(Recording { tracer: self.tracer.clone(), context }))
    }

    /// Sends what is left. Blocks until the collector has it or does not answer.
    pub fn finish(&self) {
        if let Err(error) = self.provider.shutdown_with_timeout(LAST_DELIVERY) {
            tracing::warn!(error = %error, "the last traces were not delivered");
        }
    }
}

/// The context that came with a request. Without a `tracestate` that is too long it is the same trace.
struct Incoming<'a>(&'a HeaderMap);

impl Extractor for Incoming<'_> {
    fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name)?.to_str().ok().filter(|value| value.len() <= MAX_STATE)
    }

    fn keys(&self) -> Vec<&str> {
        self.0.keys().map(HeaderName::as_str).collect()
    }
}

/// The trace of one request; records nothing when nobody collects traces.
#[derive(Default)]
pub struct Trace(Option<Recording>);

struct Recording {
    tracer: SdkTracer,
    context: Context,
}

impl Trace {
    /// Its id, as 32 hexadecimal digits, when it is recorded.
    pub fn id(&self) -> Option<String> {
        let span = self.0.as_ref()?.context.span().span_context().clone();
        span.is_sampled().then(|| span.trace_id().to_string())
    }

    /// The decision has taken from `started` until now.
    pub fn decided(&self, started: SystemTime) {
        let Some(Recording { tracer, context }) = &self.0 else { return };
        let span = SpanBuilder::from_name("decide").with_kind(SpanKind::Internal).with_start_time(started);
        let mut span = tracer.build_with_context(span, context);
        opentelemetry::trace::Span::end(&mut span);
    }

    /// Begins the call to Confluence, whose headers carry its context on.
    pub fn call(&self, method: &Method, headers: &mut HeaderMap) -> Call {
        let Some(Recording { tracer, context }) = &self.0 else { return Call(None) };
        let span = SpanBuilder::from_name(span_name(method)).with_kind(SpanKind::Client);
        let context = context.with_span(tracer.build_with_context(span, context));
        for name in CONTEXT_HEADERS {
            headers.remove(name);
        }
        TraceContextPropagator::new().inject_context(&context, &mut HeaderInjector(headers));
        Call(Some(context))
    }

    /// The request is answered.
    pub fn end(self, record: &Record, status: u16) {
        let Some(Recording { context, .. }) = self.0 else { return };
        let span = context.span();
        let mut attributes = vec![
            KeyValue::new("http.request.method", method_word(&record.method)),
            KeyValue::new("http.response.status_code", i64::from(status)),
            KeyValue::new("restward.request_id", record.request_id.as_str().to_owned()),
            KeyValue::new("restward.path_class", record.class_word()),
            KeyValue::new("restward.credential", record.credential.as_str()),
            KeyValue::new("restward.decision", record.outcome.as_str()),
        ];
        if let Some(reason) = record.reason {
            attributes.push(KeyValue::new("restward.reason", reason.code()));
        }
        if status >= 500 {
            let error = record.reason.map_or_else(|| Value::from(status.to_string()), |is| is.code().into());
            attributes.push(KeyValue::new("error.type", error));
            span.set_status(Status::error(""));
        }
        span.set_attributes(attributes);
        span.end();
    }
}

/// A call to Confluence. Ends as failed when it is dropped without an answer.
pub struct Call(Option<Context>);

impl Call {
    /// Confluence has answered, or the sidecar knows why not.
    pub fn end(mut self, outcome: Result<StatusCode, Reason>) {
        let Some(context) = self.0.take() else { return };
        let span = context.span();
        match outcome {
            Ok(status) => {
                span.set_attribute(KeyValue::new("http.response.status_code", i64::from(status.as_u16())));
                if status.is_client_error() || status.is_server_error() {
                    // For a client every refusal is an error (semantic conventions of HTTP spans).
                    fail(&span, status.as_str().to_owned());
                }
            }
            Err(reason) => fail(&span, reason.code()),
        }
        span.end();
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        if let Some(context) = self.0.take() {
            fail(&context.span(), CANCELLED);
            context.span().end();
        }
    }
}

fn fail(span: &SpanRef<'_>, error: impl Into<Value>) {
    span.set_attribute(KeyValue::new("error.type", error.into()));
    span.set_status(Status::error(""));
}

fn method_word(method: &Method) -> &'static str {
    KNOWN_METHODS.iter().find(|known| *known == method).map_or(OTHER_METHOD, Method::as_str)
}

fn span_name(method: &Method) -> &'static str {
    match method_word(method) {
        OTHER_METHOD => "HTTP",
        known => known,
    }
}

#[cfg(test)]
mod tests {
    use opentelemetry_sdk::trace::InMemorySpanExporter;

    use super::*;

    #[test]
    fn a_call_that_is_given_up_has_failed() {
        let spans = InMemorySpanExporter::default();
        let provider = SdkTracerProvider::builder().with_simple_exporter(spans.clone()).build();
        let trace = Traces::new(provider).begin(&Method::GET, &HeaderMap::new());
        drop(trace.call(&Method::GET, &mut HeaderMap::new()));
        trace.call(&Method::GET, &mut HeaderMap::new()).end(Ok(StatusCode::OK));
        let ended: Vec<_> = spans
            .get_finished_spans()
            .unwrap()
            .into_iter()
            .map(|span| (span.status, span.attributes))
            .collect();
        let failed = (Status::error(""), vec![KeyValue::new("error.type", CANCELLED)]);
        let answered = (Status::Unset, vec![KeyValue::new("http.response.status_code", 200)]);
        assert_eq!(ended, [failed, answered]);
    }
}
