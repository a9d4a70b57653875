//! Reads requests from the wire and writes answers.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _, Interest},
    net::{TcpListener, TcpStream},
};

use super::{Answer, Arrived, Lie, State};
use crate::support::http::{find, unchunk};

pub(crate) async fn run(listener: TcpListener, state: Arc<State>) {
    for number in 0.. {
        let Ok((stream, peer)) = listener.accept().await else { return };
        // `allow="127\.0\.0\.1|::1"`. Who calls an address of the pod comes from that address; the kernel does not make that so
        // for addresses of loopback.
        let is_loopback = |ip| ip == IpAddr::V4(Ipv4Addr::LOCALHOST) || ip == IpAddr::V6(Ipv6Addr::LOCALHOST);
        let to = stream.local_addr().map(|address| address.ip());
        let is_let_in = is_loopback(peer.ip()) && to.is_ok_and(is_loopback);
        let state = Arc::clone(&state);
        tokio::spawn(async move {
            connection(stream, &state, number, is_let_in).await;
            state.ended.lock().unwrap().insert(number);
        });
    }
}

async fn connection(mut stream: TcpStream, state: &State, number: usize, is_let_in: bool) {
    let mut buffer = Vec::new();
    while let Some(mut arrived) = read_head(&mut stream, &mut buffer).await {
        arrived.connection = number;
        if ["/display/unread", "/rpc/unread"].iter().any(|path| arrived.target.starts_with(path)) {
            state.arrived.lock().unwrap().push(arrived);
            while !stream.ready(Interest::READABLE).await.is_ok_and(tokio::io::Ready::is_read_closed) {
                tokio::time::sleep(std::time::Duration::from_millis(10)).await;
            }
            return;
        }
        if read_body(&mut stream, &mut buffer, &mut arrived).await.is_none() {
            return;
        }
        if !is_let_in && !state.behaviour.lock().unwrap().has_no_valve {
            let _ = stream.write_all(b"HTTP/1.1 403 \r\nContent-Length: 0\r\n\r\n").await;
            continue;
        }
        if arrived.header("upgrade").is_some() && arrived.target.starts_with("/synchrony-proxy/v1") {
            state.arrived.lock().unwrap().push(arrived);
            return echo(stream).await;
        }
        if arrived.target.starts_with("/display/lie") {
            state.arrived.lock().unwrap().push(arrived);
            let lie = state.behaviour.lock().unwrap().lie.clone();
            if tell(&mut stream, &lie, &state.lied).await.is_err() || lie.hangs_up {
                return;
            }
            continue;
        }
        while state.behaviour.lock().unwrap().is_silent && arrived.target.starts_with("/rest/slow") {
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
        let Answer(status, headers, body) = state.answer(&mut arrived);
        let is_head = arrived.method == "HEAD";
        state.arrived.lock().unwrap().push(arrived);
        let mut head = format!("HTTP/1.1 {status} x\r\nContent-Length: {}\r\n", body.len());
        for (name, value) in headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        head.push_str("\r\n");
        if stream.write_all(head.as_bytes()).await.is_err()
            || (!is_head && stream.write_all(&body).await.is_err())
        {
            return;
        }
    }
}

async fn tell(stream: &mut TcpStream, lie: &Lie, lied: &AtomicUsize) -> io::Result<()> {
    stream.write_all(&lie.bytes).await?;
    while !lie.endlessly.is_empty() {
        stream.write_all(&lie.endlessly).await?;
        lied.fetch_add(lie.endlessly.len(), Ordering::Relaxed);
    }
    Ok(())
}

/// After a 101 everything comes back.
async fn echo(mut stream: TcpStream) {
    let head = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
                X-Request-Id: of-confluence\r\n\r\n";
    let _ = stream.write_all(head.as_bytes()).await;
    let (mut reader, mut writer) = stream.split();
    let _ = tokio::io::copy(&mut reader, &mut writer).await;
}

/// The head of one request; what follows it stays in `buffer`.
async fn read_head(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> Option<Arrived> {
    let end = loop {
        if let Some(end) = find(buffer, b"\r\n\r\n") {
            break end;
        }
        if stream.read_buf(buffer).await.ok()? == 0 {
            return None;
        }
    };
    let head = String::from_utf8_lossy(&buffer[..end]).into_owned();
    buffer.drain(..end + 4);
    let mut lines = head.split("\r\n");
    let mut first = lines.next()?.split(' ').map(str::to_owned);
    let mut arrived = Arrived {
        method: first.next()?,
        target: first.next()?,
        version: first.next()?,
        ..Arrived::default()
    };
    arrived.headers = lines
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| (name.into(), value.into()))
        .collect();
    Some(arrived)
}

/// Its body, whole.
async fn read_body(stream: &mut TcpStream, buffer: &mut Vec<u8>, arrived: &mut Arrived) -> Option<()> {
    if arrived.header("transfer-encoding").is_some() {
        let end = loop {
            if let Some(end) = find(buffer, b"0\r\n\r\n") {
                break end + 5;
            }
            if stream.read_buf(buffer).await.ok()? == 0 {
                return None;
            }
        };
        arrived.body = unchunk(&buffer[..end]);
        buffer.drain(..end);
    } else if let Some(length) =
        arrived.header("content-length").and_then(|length| length.parse::<usize>().ok())
    {
        while buffer.len() < length {
            if stream.read_buf(buffer).await.ok()? == 0 {
                return None;
            }
        }
        arrived.body = buffer.drain(..length).collect();
    }
    Some(())
}
