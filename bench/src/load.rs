//! Clients: as many requests as fit over a few connections for the CPU time, then some at a fixed rate for the latency.

use std::{fmt, net::SocketAddr, sync::Arc, time::Duration};

use anyhow::{Context as _, ensure};
use clap::ValueEnum;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    task::JoinSet,
    time::Instant,
};

use crate::{issuer::Issuer, proxy::Running, upstream::LARGE};

/// Connections for the CPU time.
const CONNECTIONS: usize = 16;
/// Requests a second for the latency.
const RATE: u32 = 500;
/// For how long.
const LATENCY_FOR: Duration = Duration::from_secs(4);
/// Transfers of the large body.
const TRANSFERS: usize = 8;
/// Different tokens of [`Case::Distinct`].
const DISTINCT: usize = 10_000;

/// What clients send.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub(crate) enum Case {
    /// One valid token, again and again.
    Reused,
    /// Ten thousand valid tokens.
    Distinct,
    /// A token whose signature is wrong.
    BadSignature,
    /// No token.
    NoToken,
    /// 64 MiB from Confluence, with a valid token.
    Down,
    /// 64 MiB to Confluence, with a valid token.
    Up,
}

impl Case {
    /// All cases.
    pub(crate) const ALL: [Self; 6] =
        [Self::Reused, Self::Distinct, Self::BadSignature, Self::NoToken, Self::Down, Self::Up];

    /// Whether requests are to get through.
    pub(crate) const fn is_valid(self) -> bool {
        !matches!(self, Self::BadSignature | Self::NoToken)
    }
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Reused => "one token reused",
            Self::Distinct => "10,000 tokens",
            Self::BadSignature => "bad signature",
            Self::NoToken => "no token",
            Self::Down => "64 MiB down",
            Self::Up => "64 MiB up",
        })
    }
}

/// What one case of one round has shown.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Measured {
    /// CPU time for one request.
    pub(crate) cpu: Duration,
    /// Median and 99th percentile of the time to the whole answer at a fixed rate; none for large bodies.
    pub(crate) latency: Option<(Duration, Duration)>,
    /// Resident memory afterwards, in KiB.
    pub(crate) memory: u64,
}

/// Measures a case.
pub(crate) async fn run(
    case: Case,
    proxy: &Running,
    issuer: &Issuer,
    requests: usize,
) -> anyhow::Result<Measured> {
    let wanted = if !case.is_valid() && !proxy.is_open() { 401 } else { 200 };
    let messages: Arc<Vec<Vec<u8>>> = Arc::new(messages(case, issuer)?);
    let requests = if matches!(case, Case::Down | Case::Up) { TRANSFERS } else { requests };
    // What is slow only once is no part of it.
    let warm = messages.len().max(200).min(requests);
    closed(proxy.address(), &messages, warm, wanted).await.context("before measuring")?;
    let before = proxy.cpu_time()?;
    closed(proxy.address(), &messages, requests, wanted).await?;
    let used = proxy.cpu_time()?.saturating_sub(before);
    let latency = match case {
        Case::Down | Case::Up => None,
        _ => Some(open(proxy.address(), &messages, wanted).await?),
    };
    let memory = proxy.memory()?;
    Ok(Measured { cpu: used / u32::try_from(requests)?, latency, memory })
}

fn messages(case: Case, issuer: &Issuer) -> anyhow::Result<Vec<Vec<u8>>> {
    let numbers = if case == Case::Distinct { 0..DISTINCT } else { 0..1 };
    numbers
        .map(|number| {
            let token = issuer.token(number)?;
            let authorization = match case {
                Case::NoToken => String::new(),
                // Not the last character, some of whose bits are no part of the signature.
                Case::BadSignature => {
                    let (content, signature) = token.rsplit_once('.').context("a token")?;
                    let other = if signature.starts_with('A') { "B" } else { "A" };
                    format!("Authorization: Bearer {content}.{other}{}\r\n", signature.get(1..).context("a signature")?)
                }
                _ => format!("Authorization: Bearer {token}\r\n"),
            };
            let (method, target, length) = match case {
                Case::Down => ("GET", "/rest/large", 0),
                Case::Up => ("PUT", "/rest/large", LARGE),
                _ => ("GET", "/rest/api/content/123456?expand=body.storage,version", 0),
            };
            let body = if length > 0 { format!("Content-Length: {length}\r\n") } else { String::new() };
            let mut message = format!(
                "{method} {target} HTTP/1.1\r\nHost: wiki.example.com\r\nUser-Agent: python-requests/2.32.5\r\n\
                 Accept: application/json\r\nAccept-Encoding: gzip, deflate\r\nX-Forwarded-For: 192.0.2.7\r\n\
                 {authorization}{body}\r\n"
            )
            .into_bytes();
            message.resize(message.len() + length, b'x');
            Ok(message)
        })
        .collect()
}

/// Each connection sends its next request once the one before is answered.
async fn closed(
    address: SocketAddr,
    messages: &Arc<Vec<Vec<u8>>>,
    requests: usize,
    wanted: u16,
) -> anyhow::Result<()> {
    let connections = CONNECTIONS.min(requests);
    let mut clients = JoinSet::new();
    for first in 0..connections {
        let messages = Arc::clone(messages);
        clients.spawn(async move {
            let mut client = Client::new(address);
            for number in (first..requests).step_by(connections) {
                let message = messages.get(number % messages.len()).context("a message")?;
                client.exchange(message, wanted).await?;
            }
            anyhow::Ok(())
        });
    }
    while let Some(client) = clients.join_next().await {
        client??;
    }
    Ok(())
}

/// Requests at fixed moments, whether or not earlier ones are answered; the time of each counts from its moment.
async fn open(
    address: SocketAddr,
    messages: &Arc<Vec<Vec<u8>>>,
    wanted: u16,
) -> anyhow::Result<(Duration, Duration)> {
    let lanes = u32::try_from(CONNECTIONS)?;
    let begin = Instant::now() + Duration::from_millis(50);
    let mut clients = JoinSet::new();
    for lane in 0..lanes {
        let messages = Arc::clone(messages);
        clients.spawn(async move {
            let mut client = Client::new(address);
            let mut times = Vec::new();
            let mut number = lane;
            loop {
                let offset = Duration::from_secs(1) * number / RATE;
                if offset > LATENCY_FOR {
                    return anyhow::Ok(times);
                }
                let moment = begin + offset;
                tokio::time::sleep_until(moment).await;
                let message = messages.get(number as usize % messages.len()).context("a message")?;
                client.exchange(message, wanted).await?;
                times.push(moment.elapsed());
                number += lanes;
            }
        });
    }
    let mut times = Vec::new();
    while let Some(client) = clients.join_next().await {
        times.extend(client??);
    }
    times.sort_unstable();
    let at = |percent: usize| times.get(times.len() * percent / 100).copied().context("no answers");
    Ok((at(50)?, at(99)?))
}

/// A connection, opened again when the other side closes it after an answer.
struct Client {
    address: SocketAddr,
    stream: Option<TcpStream>,
    buffer: Vec<u8>,
}

impl Client {
    fn new(address: SocketAddr) -> Self {
        Self { address, stream: None, buffer: Vec::with_capacity(64 * 1024) }
    }

    async fn exchange(&mut self, message: &[u8], wanted: u16) -> anyhow::Result<()> {
        let mut stream = match self.stream.take() {
            Some(stream) => stream,
            None => TcpStream::connect(self.address).await?,
        };
        stream.set_nodelay(true)?;
        stream.write_all(message).await?;
        self.buffer.clear();
        let end = loop {
            if let Some(end) = find(&self.buffer, b"\r\n\r\n") {
                break end + 4;
            }
            ensure!(stream.read_buf(&mut self.buffer).await? > 0, "the connection ended before the answer");
        };
        let head = String::from_utf8_lossy(self.buffer.get(..end).unwrap_or_default()).to_lowercase();
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0_u16);
        ensure!(status == wanted, "answered {status}, not {wanted}: {head}");
        let length = |line: &str| line.strip_prefix("content-length:")?.trim().parse::<usize>().ok();
        let mut left = if let Some(length) = head.split("\r\n").find_map(length) {
            length.saturating_sub(self.buffer.len() - end)
        } else {
            ensure!(head.contains("transfer-encoding: chunked"), "an answer without end: {head}");
            while !self.buffer.ends_with(b"0\r\n\r\n") {
                ensure!(stream.read_buf(&mut self.buffer).await? > 0, "the connection ended in the answer");
            }
            0
        };
        while left > 0 {
            self.buffer.clear();
            let count = stream.read_buf(&mut self.buffer).await?;
            ensure!(count > 0, "the connection ended in the answer");
            left -= count.min(left);
        }
        if !head.contains("connection: close") {
            self.stream = Some(stream);
        }
        Ok(())
    }
}

/// One call with this token, which must get through.
pub(crate) async fn probe(address: SocketAddr, token: &str) -> anyhow::Result<()> {
    let message = format!(
        "GET /rest/probe HTTP/1.1\r\nHost: wiki.example.com\r\nAuthorization: Bearer {token}\r\n\r\n"
    );
    Client::new(address).exchange(message.as_bytes(), 200).await
}

/// Where `wanted` begins.
pub(crate) fn find(text: &[u8], wanted: &[u8]) -> Option<usize> {
    text.windows(wanted.len()).position(|window| window == wanted)
}
