//! A request to a port of a pod, through the API server as `kubectl port-forward` does it: it ends on the pod's loopback, by
//! which the sidecar knows that somebody asks who may forward ports of this pod.

use std::time::Duration;

use http::{Request, Response};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::{body::Bytes, client::conn::http1};
use hyper_util::rt::TokioIo;
use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use tokio::io::DuplexStream;

use crate::failure::{Failure, chain};

/// A sidecar that explains a token asks Keycloak and Confluence meanwhile.
const DEADLINE: Duration = Duration::from_mins(1);
const MAX_ANSWER: usize = 16 * 1024 * 1024;

/// A port of a pod.
pub(crate) struct PodPort {
    pods: Api<Pod>,
    pod: String,
    port: u16,
}

impl PodPort {
    pub(crate) fn new(pods: Api<Pod>, pod: impl Into<String>, port: u16) -> Self {
        Self { pods, pod: pod.into(), port }
    }

    /// A connection to it.
    pub(crate) async fn connect(&self) -> Result<DuplexStream, Failure> {
        let what = format!("reach port {} of pod {}", self.port, self.pod);
        let opened = self.pods.portforward(&self.pod, &[self.port]).await;
        let mut streams = opened.map_err(|error| refused(&what, &error))?;
        streams.take_stream(self.port).ok_or_else(|| no_answer(&what, &"the API server opened no stream"))
    }

    /// Sends a request, whose target is a path, and gives the answer whole.
    pub(crate) async fn send(&self, request: Request<Bytes>) -> Result<Response<Bytes>, Failure> {
        let what = format!("ask port {} of pod {}", self.port, self.pod);
        match tokio::time::timeout(DEADLINE, self.exchange(&what, request)).await {
            Ok(answer) => answer,
            Err(_) => Err(no_answer(&what, &format!("no answer within {} s", DEADLINE.as_secs()))),
        }
    }

    /// Asks for a path.
    pub(crate) async fn get(&self, path: &str) -> Result<Response<Bytes>, Failure> {
        let request = Request::get(path).header(http::header::HOST, "localhost").body(Bytes::new());
        self.send(request.map_err(|error| no_answer("ask", &error))?).await
    }

    async fn exchange(&self, what: &str, request: Request<Bytes>) -> Result<Response<Bytes>, Failure> {
        let broken = |error: hyper::Error| no_answer(what, &chain(&error));
        let stream = TokioIo::new(self.connect().await?);
        let (mut sender, connection) = http1::handshake(stream).await.map_err(broken)?;
        let connection = tokio::spawn(connection);
        let answer = sender.send_request(request.map(Full::new)).await.map_err(broken)?;
        let (head, body) = answer.into_parts();
        let body = Limited::new(body, MAX_ANSWER).collect().await.map_err(|error| no_answer(what, &error))?;
        connection.abort();
        Ok(Response::from_parts(head, body.to_bytes()))
    }
}

fn refused(what: &str, error: &kube::Error) -> Failure {
    match error {
        kube::Error::Api(_) | kube::Error::Auth(_) => Failure::of_api(what, error),
        _ => Failure::new(
            what,
            chain(error),
            "it takes the right to create pods/portforward, and a pod that runs",
        ),
    }
}

fn no_answer(what: &str, why: &dyn std::fmt::Display) -> Failure {
    Failure::new(what, why, "see that the pod runs and its sidecar has started: kubectl restward check")
}
