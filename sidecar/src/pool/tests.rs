use std::sync::atomic::{AtomicUsize, Ordering};

use http_body_util::{BodyExt as _, Full};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
};

use super::*;
use crate::forward::streamed;

/// A server of which each connection answers each request with the next of these answers.
async fn serve(answers: &'static [&'static str]) -> (u16, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let connections = Arc::<AtomicUsize>::default();
    let counted = Arc::clone(&connections);
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            counted.fetch_add(1, Ordering::Relaxed);
            tokio::spawn(async move {
                for answer in answers {
                    let mut head = Vec::new();
                    while !head.ends_with(b"\r\n\r\n") {
                        let Ok(byte) = stream.read_u8().await else { return };
                        head.push(byte);
                    }
                    stream.write_all(answer.as_bytes()).await.unwrap();
                }
            });
        }
    });
    (port, connections)
}

fn get() -> Request<Full<Bytes>> {
    Request::get("/x?y=1").header("host", "wiki").body(Full::default()).unwrap()
}

/// As the server's side of the sidecar does: without trailers, and not once more when the end is known.
async fn read(pool: &Pool<Full<Bytes>>) -> Vec<u8> {
    let mut body = streamed(pool.send(get()).await.unwrap().into_body(), None);
    let mut content = Vec::new();
    while !body.is_end_stream()
        && let Some(frame) = body.frame().await
    {
        content.extend(frame.unwrap().into_data().unwrap());
    }
    content
}

const SHORT: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
const CHUNKED: &str = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nX-A: b\r\n\r\n";
const EMPTY: &str = "HTTP/1.1 204 No Content\r\n\r\n";
const CLOSES: &str = "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok";
const UNTIL_CLOSE: &str = "HTTP/1.1 200 OK\r\n\r\nok";

#[tokio::test]
async fn a_connection_is_used_again_after_every_way_in_which_an_answer_ends() {
    let (port, connections) = serve(&[SHORT, CHUNKED, EMPTY, SHORT]).await;
    let pool = Pool::new(port);
    for body in ["ok", "ok", "", "ok"] {
        assert_eq!(read(&pool).await, body.as_bytes());
    }
    assert_eq!(connections.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn requests_at_the_same_time_do_not_wait_for_each_other() {
    let (port, connections) = serve(&[SHORT, SHORT]).await;
    let pool = Pool::new(port);
    let first = pool.send(get()).await.unwrap();
    assert_eq!(read(&pool).await, b"ok");
    assert_eq!(first.collect().await.unwrap().to_bytes(), "ok");
    assert_eq!(connections.load(Ordering::Relaxed), 2);
}

#[tokio::test]
async fn the_rest_of_an_answer_that_nobody_wants_reaches_nobody() {
    // The second answer is what is left of the first, were the connection used again.
    let (port, connections) = serve(&["HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n", SHORT]).await;
    let pool = Pool::new(port);
    drop(pool.send(get()).await.unwrap());
    assert!(pool.idle.take().is_none());
    drop(pool.send(get()).await.unwrap());
    assert_eq!(connections.load(Ordering::Relaxed), 2);
}

#[tokio::test]
async fn a_connection_that_confluence_closed_is_not_used_again() {
    for answers in [&[CLOSES][..], &[SHORT], &[UNTIL_CLOSE]] {
        let (port, connections) = serve(answers).await;
        let pool = Pool::new(port);
        for round in 1..=3 {
            assert_eq!(read(&pool).await, b"ok");
            assert_eq!(connections.load(Ordering::Relaxed), round, "{answers:?}");
        }
    }
}

#[tokio::test]
async fn a_connection_that_confluence_is_about_to_close_is_not_used_again() {
    let (port, connections) = serve(&[SHORT, SHORT]).await;
    let pool = Pool::new(port);
    assert_eq!(read(&pool).await, b"ok");
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(11)).await;
    tokio::time::resume();
    assert_eq!(read(&pool).await, b"ok");
    assert_eq!(connections.load(Ordering::Relaxed), 2);
}

#[tokio::test]
async fn after_a_101_a_connection_is_gone() {
    let (port, _) =
        serve(&["HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n"])
            .await;
    let pool = Pool::new(port);
    let mut request = get();
    request.headers_mut().insert("connection", http::HeaderValue::from_static("upgrade"));
    request.headers_mut().insert("upgrade", http::HeaderValue::from_static("websocket"));
    let answer = pool.send(request).await.unwrap();
    assert_eq!(answer.status(), 101);
    assert!(pool.idle.lock().is_empty());
}

#[tokio::test]
async fn nobody_at_the_port_is_an_error() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    assert!(matches!(Pool::new(port).send(get()).await, Err(PoolError::Connect(_))));
}
