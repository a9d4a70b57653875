//! Confluence as far as a proxy sees it, and as cheap as it can be: believes `X-Wiki-User`, answers a small page, streams 64 MiB,
//! and swallows what is sent.

use std::net::{Ipv4Addr, SocketAddr};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};

use crate::load::find;

/// The header in which Confluence finds its user.
pub(crate) const USER_HEADER: &str = "X-Wiki-User";
/// Size of the large body, either way, in bytes.
pub(crate) const LARGE: usize = 64 * 1024 * 1024;
/// What is written at once of it.
const PIECE: usize = 256 * 1024;

/// Starts it on loopback, where it answers for as long as the program runs.
pub(crate) async fn start() -> anyhow::Result<SocketAddr> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    tokio::spawn(async move {
        while let Ok((stream, peer)) = listener.accept().await {
            let _ = stream.set_nodelay(true);
            tokio::spawn(connection(stream, peer.ip() == Ipv4Addr::LOCALHOST));
        }
    });
    Ok(address)
}

async fn connection(mut stream: TcpStream, is_let_in: bool) -> Option<()> {
    let mut buffer = Vec::with_capacity(PIECE);
    loop {
        let end = loop {
            if let Some(end) = find(&buffer, b"\r\n\r\n") {
                break end + 4;
            }
            if stream.read_buf(&mut buffer).await.ok()? == 0 {
                return None;
            }
        };
        let head = String::from_utf8_lossy(buffer.get(..end)?).to_lowercase();
        buffer.drain(..end);
        let length = header(&head, "content-length").and_then(|length| length.parse::<usize>().ok());
        if let Some(mut left) = length {
            loop {
                let here = buffer.len().min(left);
                buffer.drain(..here);
                left -= here;
                if left == 0 {
                    break;
                }
                if stream.read_buf(&mut buffer).await.ok()? == 0 {
                    return None;
                }
            }
        } else if header(&head, "transfer-encoding").is_some() {
            let end = loop {
                if let Some(end) = find(&buffer, b"0\r\n\r\n") {
                    break end + 5;
                }
                // Only the end of the body can be the end of what is there.
                let keep = buffer.len().saturating_sub(5);
                buffer.drain(..keep);
                if stream.read_buf(&mut buffer).await.ok()? == 0 {
                    return None;
                }
            };
            buffer.drain(..end);
        }
        answer(&mut stream, &head, is_let_in).await?;
    }
}

fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    head.split("\r\n").find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).map(str::trim)
}

async fn answer(stream: &mut TcpStream, head: &str, is_let_in: bool) -> Option<()> {
    if !is_let_in {
        return stream.write_all(b"HTTP/1.1 403 x\r\nContent-Length: 0\r\n\r\n").await.ok();
    }
    let user = header(head, "x-wiki-user").unwrap_or("anonymous");
    // Users that nobody has made up are alice alone.
    let user = if user == "alice" { user } else { "anonymous" };
    let target = head.split(' ').nth(1)?;
    let (status, body) = match target {
        "/status" => (200, r#"{"state":"RUNNING"}"#.to_owned()),
        _ if target.ends_with("/rest/api/user/current") && user == "anonymous" => (401, "{}".to_owned()),
        _ if target.ends_with("/rest/api/user/current") => {
            (200, format!(r#"{{"type":"known","username":"{user}","userKey":"1"}}"#))
        }
        _ if target.starts_with("/rest/large") => (200, String::new()),
        _ => (200, "x".repeat(1024)),
    };
    let length =
        if target.starts_with("/rest/large") && head.starts_with("get") { LARGE } else { body.len() };
    let head = format!(
        "HTTP/1.1 {status} x\r\nX-AUSERNAME: {user}\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
    );
    stream.write_all(head.as_bytes()).await.ok()?;
    let mut left = length - body.len();
    let piece = if left > 0 { vec![b'x'; PIECE] } else { Vec::new() };
    while left > 0 {
        let size = left.min(PIECE);
        stream.write_all(piece.get(..size)?).await.ok()?;
        left -= size;
    }
    Some(())
}
