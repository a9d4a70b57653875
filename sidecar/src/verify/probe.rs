//! Asks at one address who answers: without any credential, with a time limit, and reading little.

use std::time::Duration;

use reqwest::{Client, Response, redirect};

use super::{
    plan::{Caller, MESH, Target},
    verdict::{self, Verdict},
};

/// For one answer.
const PATIENCE: Duration = Duration::from_secs(2);
/// Most of a body that is read; what Confluence is known by is shorter.
const MAX_BODY: usize = 64 * 1024;
/// Below the context path. The first answers whatever Confluence is doing, the second also where a proxy hides the first.
const PATHS: [&str; 2] = ["/status", "/rest/api/user/current"];

/// Asks. Clones share nothing that matters.
#[derive(Clone)]
pub struct Prober {
    plain: Client,
    as_mesh: Client,
}

impl Prober {
    /// A prober of any address.
    ///
    /// # Errors
    /// No HTTP client could be made.
    pub fn new() -> Result<Self, reqwest::Error> {
        let builder = || {
            Client::builder()
                .no_proxy()
                .redirect(redirect::Policy::none())
                .pool_max_idle_per_host(0)
                .timeout(PATIENCE)
                .user_agent("restward-verify")
                // Whom the certificate names does not matter: nothing secret is sent, and who answers is the question.
                .tls_danger_accept_invalid_certs(true)
        };
        Ok(Self { plain: builder().build()?, as_mesh: builder().local_address(MESH).build()? })
    }

    /// Who answers there. What does not speak plain HTTP, or refuses it, is asked over TLS too.
    pub async fn ask(&self, target: &Target, context_path: &str) -> Verdict {
        match self.ask_over("http", target, context_path).await {
            Verdict::NotHttp => self.ask_over("https", target, context_path).await,
            // What Tomcat and others answer to HTTP on a port for TLS.
            Verdict::Http(status) if status == http::StatusCode::BAD_REQUEST => {
                match self.ask_over("https", target, context_path).await {
                    Verdict::NotHttp | Verdict::Shut => Verdict::Http(status),
                    verdict => verdict,
                }
            }
            verdict => verdict,
        }
    }

    async fn ask_over(&self, scheme: &str, target: &Target, context_path: &str) -> Verdict {
        let client = if target.by == Caller::Mesh { &self.as_mesh } else { &self.plain };
        let mut verdict = Verdict::Shut;
        for path in PATHS {
            let url = format!("{scheme}://{}{context_path}{path}", target.to);
            let before = verdict;
            verdict = match client.get(url).send().await {
                Ok(answer) => judge(answer).await,
                Err(error) if error.is_timeout() => Verdict::Silent,
                // A TLS handshake that fails is part of connecting: somebody is there.
                Err(error) if error.is_connect() && scheme == "http" => Verdict::Shut,
                Err(_) => Verdict::NotHttp,
            };
            // Confluence refuses visitors with 403 too: the valve refuses both paths.
            if let (Verdict::VALVE, Verdict::Http(_)) = (verdict, before) {
                verdict = before;
            }
            if !matches!(verdict, Verdict::Http(_)) {
                break;
            }
        }
        verdict
    }
}

async fn judge(mut answer: Response) -> Verdict {
    let (status, headers) = (answer.status(), answer.headers().clone());
    let mut body = Vec::new();
    while let Ok(Some(chunk)) = answer.chunk().await {
        body.extend_from_slice(&chunk);
        if body.len() > MAX_BODY {
            break;
        }
    }
    verdict::of_answer(status, &headers, &body)
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use http::StatusCode;
    use tokio::{
        io::{AsyncReadExt as _, AsyncWriteExt as _},
        net::TcpListener,
    };

    use super::*;
    use crate::{keys::fetch::tests::tls, loopback::scripted::Scripted};

    async fn ask(port: u16) -> Verdict {
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let target = Target { to: (Ipv4Addr::LOCALHOST, port).into(), by: Caller::Outside };
        Prober::new().unwrap().ask(&target, "/confluence").await
    }

    /// Answers every connection with these bytes after it was asked.
    async fn raw(answer: &'static [u8]) -> u16 {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let _ = stream.read(&mut [0; 4096]).await;
                let _ = stream.write_all(answer).await;
            }
        });
        port
    }

    #[tokio::test]
    async fn who_answers_is_told_by_what_is_answered() {
        let running = |path: &'static str, body: &'static str| {
            Scripted::start(move |asked| {
                assert!(
                    !asked.headers.contains_key("authorization") && !asked.headers.contains_key("cookie")
                );
                let is_it = asked.target == path;
                (if is_it { 200 } else { 404 }, vec![], if is_it { body.into() } else { String::new() })
            })
        };
        let status = running("/confluence/status", r#"{"state":"RUNNING"}"#).await;
        assert_eq!(ask(status.port()).await, Verdict::Confluence);
        let user = running("/confluence/rest/api/user/current", r#"{"type":"anonymous"}"#).await;
        assert_eq!(ask(user.port()).await, Verdict::Confluence, "also behind a proxy that hides the status");
        let elsewhere = running("/status", r#"{"state":"RUNNING"}"#).await;
        assert_eq!(ask(elsewhere.port()).await, Verdict::Http(StatusCode::NOT_FOUND));
        let redirect =
            Scripted::start(|asked| (302, vec![("location", "/confluence/status")], asked.target.clone()))
                .await;
        assert_eq!(
            ask(redirect.port()).await,
            Verdict::Http(StatusCode::FOUND),
            "redirects are not followed"
        );
        let strict = Scripted::start(|asked| {
            (if asked.target.ends_with("/status") { 404 } else { 403 }, vec![], String::new())
        })
        .await;
        assert_eq!(
            ask(strict.port()).await,
            Verdict::Http(StatusCode::NOT_FOUND),
            "no valve refuses one path"
        );
        let endless = Scripted::start(|_| (200, vec![], "x".repeat(4 * MAX_BODY))).await;
        assert_eq!(ask(endless.port()).await, Verdict::Http(StatusCode::OK));
    }

    #[tokio::test]
    async fn who_does_not_speak_plain_http_is_asked_over_tls() {
        assert_eq!(ask(raw(b"SSH-2.0-x\r\n").await).await, Verdict::NotHttp);
        assert_eq!(ask(raw(b"").await).await, Verdict::NotHttp);
        let bad_request = raw(b"HTTP/1.1 400 x\r\nContent-Length: 0\r\nConnection: close\r\n\r\n").await;
        assert_eq!(ask(bad_request).await, Verdict::Http(StatusCode::BAD_REQUEST));
        // With a certificate of nobody that is known.
        let encrypted = tls::Authority::new().serve("127.0.0.1");
        assert_eq!(ask(encrypted).await, Verdict::Http(StatusCode::NOT_FOUND));
    }

    #[tokio::test]
    async fn nobody_and_silence_are_told_apart() {
        let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = silent.local_addr().unwrap().port();
        assert_eq!(ask(port).await, Verdict::Silent);
        drop(silent);
        assert_eq!(ask(port).await, Verdict::Shut);
    }

    #[tokio::test]
    async fn a_mesh_proxy_comes_from_its_own_address() {
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let target = Target { to: listener.local_addr().unwrap(), by: Caller::Mesh };
        let asking = tokio::spawn(async move { Prober::new().unwrap().ask(&target, "").await });
        assert_eq!(listener.accept().await.unwrap().1.ip(), MESH);
        asking.abort();
    }
}
