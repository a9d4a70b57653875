//! The pod's own probes, done for it: the kubelet asks the sidecar, the sidecar really asks Tomcat. What is
//! asked comes from the pod's settings, never from the kubelet's URL but for the name.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Request, StatusCode, header};
use http_body_util::Empty;
use hyper_util::rt::TokioIo;
use restward_crds::sidecar::pod::{AppProbe, ProbeAction, TomcatAddress};

use crate::{
    identity::Identity,
    tomcat::{self, Connection},
};

/// Does the probe and says what the kubelet should see. No header by which Confluence would take it for a user's goes
/// along: whoever may write a pod must not be anybody there.
pub async fn answer(probe: &AppProbe, identity: &Identity, to: &TomcatAddress) -> (StatusCode, String) {
    let limit = Duration::from_secs(u64::from(probe.timeout_seconds.max(1)));
    let outcome = tokio::time::timeout(limit, ask(probe, identity, to)).await;
    match outcome {
        Ok(Ok(status)) if status.is_success() || status.is_redirection() => {
            (StatusCode::OK, format!("ok: {status}"))
        }
        Ok(Ok(status)) => (StatusCode::SERVICE_UNAVAILABLE, format!("Confluence answers {status}")),
        Ok(Err(problem)) => (StatusCode::SERVICE_UNAVAILABLE, problem),
        Err(_) => (
            StatusCode::SERVICE_UNAVAILABLE,
            format!("Confluence did not answer within {} s", limit.as_secs()),
        ),
    }
}

async fn ask(probe: &AppProbe, identity: &Identity, to: &TomcatAddress) -> Result<StatusCode, String> {
    let connection = tomcat::connect(to).await.map_err(|error| format!("no connection: {error}"))?;
    match &probe.action {
        ProbeAction::TcpSocket {} => Ok(StatusCode::OK),
        ProbeAction::HttpGet { path, headers } => {
            let mut headers = map(headers);
            identity.strip(&mut headers);
            get(connection, path, headers, to.host()).await
        }
    }
}

/// All values of a repeated header, as the kubelet sends them.
fn map(headers: &[(String, String)]) -> HeaderMap {
    let valid = headers.iter().filter_map(|(name, value)| {
        Some((HeaderName::try_from(name).ok()?, HeaderValue::try_from(value).ok()?))
    });
    let mut map = HeaderMap::new();
    valid.for_each(|(name, value)| {
        map.append(name, value);
    });
    map
}

/// One request on a connection of its own, so that a probe says something about accepting connections too.
async fn get(
    connection: Connection,
    path: &str,
    headers: HeaderMap,
    host: String,
) -> Result<StatusCode, String> {
    let failed = |error: hyper::Error| format!("no answer: {error}");
    let (mut sender, driver) =
        hyper::client::conn::http1::handshake(TokioIo::new(connection)).await.map_err(failed)?;
    let driver = tokio::spawn(driver);
    let path = if path.starts_with('/') { path.to_owned() } else { format!("/{path}") };
    let mut request = Request::get(path)
        .body(Empty::<Bytes>::new())
        .map_err(|_| "the probe's path is not valid".to_owned())?;
    *request.headers_mut() = headers;
    let map = request.headers_mut();
    let host = HeaderValue::try_from(host).map_err(|error| error.to_string())?;
    let defaults = [
        (header::HOST, host),
        (header::USER_AGENT, HeaderValue::from_static("kube-probe/restward")),
        (header::ACCEPT, HeaderValue::from_static("*/*")),
    ];
    for (name, value) in defaults {
        map.entry(name).or_insert(value);
    }
    map.insert(header::CONNECTION, HeaderValue::from_static("close"));
    let answer = sender.send_request(request).await.map_err(failed);
    driver.abort();
    answer.map(|answer| answer.status())
}
