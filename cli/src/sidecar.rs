//! What a sidecar says about itself, on its admin port.

use http::{Request, Response, header};
use hyper::body::Bytes;
use k8s_openapi::api::core::v1::Pod;
use kube::{Api, ResourceExt as _};
use restward_crds::{names, sidecar::status::SidecarStatus};
use serde::de::DeserializeOwned;

use crate::{cluster, failure::Failure, forward::PodPort};

/// The status endpoint wants one. The way through the API server says whose answer it is, so the MAC over it is not looked at.
const NONCE: &str = "00000000000000000000000000000000";

/// The sidecar of a pod.
pub(crate) struct Sidecar {
    pod: String,
    port: PodPort,
}

impl Sidecar {
    pub(crate) fn of(pods: Api<Pod>, pod: &Pod) -> Self {
        let port = cluster::settings(pod).map_or(names::ADMIN_PORT, |settings| settings.admin_port);
        Self { pod: pod.name_any(), port: PodPort::new(pods, pod.name_any(), port) }
    }

    /// The pod it is in.
    pub(crate) fn pod(&self) -> &str {
        &self.pod
    }

    pub(crate) async fn status(&self) -> Result<SidecarStatus, Failure> {
        self.read(self.port.get(&format!("/status?nonce={NONCE}")).await?)
    }

    /// An answer that is a text.
    pub(crate) async fn text(&self, path: &str) -> Result<String, Failure> {
        let answer = self.done(self.port.get(path).await?)?;
        Ok(String::from_utf8_lossy(answer.body()).into_owned())
    }

    /// An answer that is JSON.
    pub(crate) async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, Failure> {
        self.read(self.port.get(path).await?)
    }

    pub(crate) async fn post<T: DeserializeOwned>(&self, target: &str, body: Bytes) -> Result<T, Failure> {
        let request = Request::post(target)
            .header(header::HOST, "localhost")
            .body(body)
            .map_err(|error| self.odd(&error))?;
        self.read(self.port.send(request).await?)
    }

    fn read<T: DeserializeOwned>(&self, answer: Response<Bytes>) -> Result<T, Failure> {
        serde_json::from_slice(self.done(answer)?.body()).map_err(|error| self.odd(&error))
    }

    fn done(&self, answer: Response<Bytes>) -> Result<Response<Bytes>, Failure> {
        if answer.status().is_success() {
            return Ok(answer);
        }
        let said = String::from_utf8_lossy(answer.body()).trim().to_owned();
        Err(self.odd(&format!("{}: {said}", answer.status())))
    }

    fn odd(&self, why: &dyn std::fmt::Display) -> Failure {
        let fix = "see the sidecar's log: kubectl logs -c restward-proxy; it may be of another version than this program";
        Failure::new(format!("ask the sidecar of pod {}", self.pod), why, fix)
    }
}
