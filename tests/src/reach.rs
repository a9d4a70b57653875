//! The way to a Service. The host of the test cluster reaches Services by their addresses; a cluster of somebody else's
//! (`RESTWARD_USE_KUBECONFIG=1`) mostly lets nobody in but through its API server.

use std::{
    env,
    net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener},
    process::Stdio,
    time::Duration,
};

use anyhow::{Context as _, Result};
use tokio::{net::TcpStream, process::Command, task::JoinHandle, time::sleep};

use crate::{
    command::kubectl,
    wait::{QUICK, eventually},
};

/// An address of a Service for as long as this is kept.
#[derive(Debug)]
pub struct Way {
    /// Where to call.
    pub address: SocketAddr,
    forward: Option<JoinHandle<()>>,
}

impl Drop for Way {
    fn drop(&mut self) {
        if let Some(forward) = &self.forward {
            forward.abort();
        }
    }
}

/// To a port of a Service.
///
/// # Errors
/// When the Service does not exist, or nothing is reached.
pub async fn service(namespace: &str, name: &str, port: u16) -> Result<Way> {
    if env::var("RESTWARD_USE_KUBECONFIG").is_ok_and(|value| value == "1") {
        return forwarded(namespace, name, port).await;
    }
    let address =
        kubectl(&["get", "service", name, "-n", namespace, "-o", "jsonpath={.spec.clusterIP}"]).await?;
    let address: IpAddr =
        address.parse().with_context(|| format!("Service {namespace}/{name} has no address"))?;
    Ok(Way { address: SocketAddr::new(address, port), forward: None })
}

/// `kubectl port-forward` ends with the pod that it chose, so it is begun again each time.
async fn forwarded(namespace: &str, name: &str, port: u16) -> Result<Way> {
    let address = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?;
    let (service, ports) = (format!("service/{name}"), format!("{}:{port}", address.port()));
    let mut command = Command::new("kubectl");
    command
        .args(["port-forward", "-n", namespace, &service, &ports])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true);
    let forward = tokio::spawn(async move {
        loop {
            // What is wrong shows in the calls that get nowhere.
            let _ = command.status().await;
            sleep(Duration::from_millis(200)).await;
        }
    });
    let way = Way { address, forward: Some(forward) };
    eventually(&format!("Service {namespace}/{name} is reached through the API server"), QUICK, || async {
        Ok(TcpStream::connect(address).await?)
    })
    .await?;
    Ok(way)
}
