//! A collector of traces on the host, which keeps what is sent to it.

use std::{
    net::{IpAddr, SocketAddr},
    sync::{Arc, Mutex, PoisonError},
};

use anyhow::{Context as _, Result, bail};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};

/// Largest request that is taken, in bytes.
const MAX_REQUEST: usize = 1024 * 1024;

/// The collector; it ends with the runtime.
pub struct Collector {
    address: SocketAddr,
    bodies: Arc<Mutex<Vec<Vec<u8>>>>,
}

impl Collector {
    /// Listens on this address of the host.
    ///
    /// # Errors
    /// It is none of the host's.
    pub async fn start(address: IpAddr) -> Result<Self> {
        let listener = TcpListener::bind((address, 0)).await?;
        let address = listener.local_addr()?;
        let bodies = Arc::<Mutex<Vec<Vec<u8>>>>::default();
        let kept = Arc::clone(&bodies);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let kept = Arc::clone(&kept);
                tokio::spawn(async move { take_all(stream, &kept).await });
            }
        });
        Ok(Self { address, bodies })
    }

    /// Its base URL, for `OTEL_EXPORTER_OTLP_ENDPOINT`.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The bodies (OTLP, protobuf) that hold these bytes.
    pub fn holding(&self, bytes: &[u8]) -> Vec<Vec<u8>> {
        let bodies = self.bodies.lock().unwrap_or_else(PoisonError::into_inner);
        bodies.iter().filter(|body| holds(body, bytes)).cloned().collect()
    }
}

/// Whether `bytes` stand in `body`.
pub fn holds(body: &[u8], bytes: &[u8]) -> bool {
    body.windows(bytes.len()).any(|part| part == bytes)
}

async fn take_all(mut stream: TcpStream, kept: &Mutex<Vec<Vec<u8>>>) -> Result<()> {
    loop {
        let body = take(&mut stream).await?;
        kept.lock().unwrap_or_else(PoisonError::into_inner).push(body);
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").await?;
    }
}

async fn take(stream: &mut TcpStream) -> Result<Vec<u8>> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await?);
        if head.len() > MAX_REQUEST {
            bail!("the head does not end");
        }
    }
    let head = String::from_utf8(head)?.to_ascii_lowercase();
    if !head.starts_with("post /v1/traces ") {
        bail!("no traces: {head}");
    }
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
    let length: usize = length.context("no Content-Length")?.trim().parse()?;
    if length > MAX_REQUEST {
        bail!("the body is too large");
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await?;
    Ok(body)
}
