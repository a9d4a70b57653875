//! The admin port: probes of the sidecar, probes of the pod, metrics, status, explanations, the report on passwords, the
//! operator's questions. It is no way to Confluence.

use std::{net::SocketAddr, sync::Arc};

use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt as _, Limited};
use hyper::body::Incoming;
use restward_crds::{
    names,
    sidecar::{
        admin::{self, Question},
        pod::TomcatAddress,
        status::is_nonce,
    },
};
use serde::Serialize;
use zeroize::Zeroizing;

use crate::{
    basic_report::BasicReport,
    config::{Active, Store},
    explain,
    forward::{Body, full},
    metrics::{Metrics, State},
    probes, status,
    tally::Tally,
    time::UnixTime,
    verify::Verifier,
};

/// What the admin port shows.
pub struct Admin {
    /// The configuration in force.
    pub store: Arc<Store>,
    /// Whether there is a way around the sidecar.
    pub verifier: Arc<Verifier>,
    /// Who logs in by password.
    pub basic: Arc<BasicReport>,
    /// The numbers.
    pub metrics: Arc<Metrics>,
    /// What was refused lately.
    pub tally: Arc<Tally>,
    /// Where Tomcat is reached.
    pub tomcat: TomcatAddress,
}

impl Admin {
    /// Answers one request.
    pub async fn handle(&self, request: Request<Incoming>, peer: SocketAddr) -> Response<Body> {
        if request.method() == Method::POST && request.uri().path() == admin::EXPLAIN_PATH {
            return self.explain(request, peer).await;
        }
        if request.method() == Method::POST && request.uri().path() == admin::ASK_PATH {
            return self.ask(request).await;
        }
        if request.method() != Method::GET && request.method() != Method::HEAD {
            return text(StatusCode::METHOD_NOT_ALLOWED, "only GET\n");
        }
        match request.uri().path() {
            "/livez" => self.started("alive"),
            "/readyz" => self.ready(),
            "/metrics" => self.metrics(),
            admin::BASIC_REPORT_PATH => self.basic_report(peer),
            "/status" => self.status(request.uri().query().unwrap_or_default()),
            path => match path.strip_prefix(names::PROBES_PATH) {
                Some(name) => self.probe(name).await,
                None => text(StatusCode::NOT_FOUND, "not found\n"),
            },
        }
    }

    /// Started, and no way around the sidecar is known where the policy shuts such a pod. Neither Keycloak nor the
    /// application link nor the clock may take the wiki's pages down.
    fn ready(&self) -> Response<Body> {
        match self.verifier.blocks() {
            Some(why) => text(StatusCode::SERVICE_UNAVAILABLE, format!("not ready; {why}\n")),
            None => self.started("ready"),
        }
    }

    /// Configuration parsed, ports bound. Later configurations do not matter here: the last good one stays.
    fn started(&self, word: &str) -> Response<Body> {
        match (self.store.active(), self.store.rejected()) {
            (Some(_), None) => text(StatusCode::OK, format!("{word}\n")),
            (Some(_), Some(why)) => text(StatusCode::OK, format!("{word}; config_rejected: {why}\n")),
            (None, why) => {
                let why = why.map_or_else(String::new, |why| why.as_ref().clone());
                text(StatusCode::SERVICE_UNAVAILABLE, format!("not started; config_rejected: {why}\n"))
            }
        }
    }

    fn metrics(&self) -> Response<Body> {
        let active = self.store.active();
        let provider = active.as_ref().map(|active| active.keys.report().reason);
        let state = State {
            config_is_current: active.is_some() && self.store.rejected().is_none(),
            provider_is_reachable: provider == Some(restward_crds::condition::ProviderReason::Reachable),
            keys_are_usable: active.as_ref().is_some_and(|active| active.keys.snapshot().has_keys(0)),
            upstream_is_trusted: active.as_ref().is_some_and(|active| active.calibration().is_trusted()),
            keys_ages: active.as_ref().map(|active| active.keys.ages()).unwrap_or_default(),
            memories: active.as_ref().map(|active| active.memories()).unwrap_or_default(),
        };
        let mut response = text(StatusCode::OK, self.metrics.encode(state));
        response.headers_mut().insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/openmetrics-text; version=1.0.0; charset=utf-8"),
        );
        response
    }

    fn status(&self, query: &str) -> Response<Body> {
        let Some(nonce) = query.strip_prefix("nonce=").filter(|nonce| is_nonce(nonce)) else {
            return text(
                StatusCode::BAD_REQUEST,
                "ask for /status?nonce=<16 to 128 lower-case hexadecimal digits>\n",
            );
        };
        let (Some(status), Some(active)) = (status::of(&self.store, &self.verifier), self.store.active())
        else {
            return text(StatusCode::SERVICE_UNAVAILABLE, "not started\n");
        };
        let body = serde_json::to_vec(&status).unwrap_or_default();
        let mac = active.status_key.mac(nonce, &body);
        let mut response = Response::new(full(body));
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if let Ok(mac) = HeaderValue::from_str(&mac) {
            headers.insert(names::HEADER_STATUS_MAC, mac);
        }
        response
    }

    fn basic_report(&self, peer: SocketAddr) -> Response<Body> {
        if !from_pod_itself(peer) {
            return only_for_the_pod();
        }
        private(&self.basic.shown())
    }

    async fn explain(&self, request: Request<Incoming>, peer: SocketAddr) -> Response<Body> {
        if !from_pod_itself(peer) {
            return only_for_the_pod();
        }
        let Some(active) = self.store.active() else {
            return text(StatusCode::SERVICE_UNAVAILABLE, "not started\n");
        };
        let meant = explain::meant(request.uri().query().unwrap_or_default());
        let Ok(body) = Limited::new(request.into_body(), admin::MAX_QUESTION).collect().await else {
            return text(StatusCode::PAYLOAD_TOO_LARGE, "send the token alone\n");
        };
        private(&explain::explain(&active, &self.verifier, &body.to_bytes(), meant.as_ref()).await)
    }

    /// Answers whoever has the policy's key, and so is the operator. Both ways are sealed.
    async fn ask(&self, request: Request<Incoming>) -> Response<Body> {
        let Some(active) = self.store.active() else {
            return text(StatusCode::SERVICE_UNAVAILABLE, "not started\n");
        };
        let Ok(body) = Limited::new(request.into_body(), admin::MAX_QUESTION).collect().await else {
            return text(StatusCode::PAYLOAD_TOO_LARGE, "the question is too long\n");
        };
        let (sealed, seal) = (body.to_bytes(), &active.status_key.seal);
        let Some(question) = seal.open_question(&sealed).map(Zeroizing::new) else {
            return text(StatusCode::FORBIDDEN, "only for the operator\n");
        };
        let answer = match serde_json::from_slice(&question) {
            Ok(Question::Token { token, call }) => {
                let token = Zeroizing::new(token);
                let explained =
                    explain::explain(&active, &self.verifier, token.as_bytes(), call.as_ref()).await;
                serde_json::to_vec(&explained)
            }
            Ok(Question::Tally) => serde_json::to_vec(&self.tallied(&active)),
            // Of an operator that knows more questions.
            Err(_) => return text(StatusCode::NOT_FOUND, "this sidecar knows no such question\n"),
        };
        match answer.map(|answer| seal.seal_answer(&answer, &sealed)) {
            Ok(Ok(answer)) => uncached(answer, "application/octet-stream"),
            _ => text(StatusCode::INTERNAL_SERVER_ERROR, "the answer could not be sealed\n"),
        }
    }

    fn tallied(&self, active: &Active) -> admin::Tally {
        let ages = active.keys.ages().into_iter();
        let keys = ages.map(|(issuer, age)| admin::KeysAge { issuer, seconds: age.as_secs() });
        admin::Tally { keys: keys.collect(), ..self.tally.shown(UnixTime::now()) }
    }

    async fn probe(&self, name: &str) -> Response<Body> {
        let Some(probe) = self.store.pod().probes.iter().find(|probe| probe.name == name) else {
            return text(StatusCode::NOT_FOUND, "the pod has no such probe\n");
        };
        // How users are named is not known yet.
        let Some(active) = self.store.active() else {
            return text(StatusCode::SERVICE_UNAVAILABLE, "not started\n");
        };
        let (status, said) = probes::answer(probe, active.identity(), &self.tomcat).await;
        text(status, format!("{said}\n"))
    }
}

/// Whether a peer is in the pod: every other address is somebody else's.
pub fn from_pod_itself(peer: SocketAddr) -> bool {
    peer.ip().to_canonical().is_loopback()
}

fn only_for_the_pod() -> Response<Body> {
    text(StatusCode::FORBIDDEN, "only for the pod itself; kubectl port-forward is\n")
}

/// JSON that is for the asking person only.
fn private(content: &impl Serialize) -> Response<Body> {
    uncached(serde_json::to_vec(content).unwrap_or_default(), "application/json")
}

fn uncached(content: Vec<u8>, kind: &'static str) -> Response<Body> {
    let mut response = text(StatusCode::OK, content);
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

fn text(status: StatusCode, content: impl Into<bytes::Bytes>) -> Response<Body> {
    let mut response = Response::new(full(content));
    *response.status_mut() = status;
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    response
}
