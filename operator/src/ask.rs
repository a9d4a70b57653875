//! What the operator asks a sidecar for people. Both ways are sealed by the policy's status key, as a question may be a token; while
//! that key is being replaced by the one from before, where the sidecar does not know the new one yet.

use std::{
    net::{IpAddr, SocketAddr},
    time::Duration,
};

use http::StatusCode;
use reqwest::{Client, redirect};
use restward_crds::{
    seal::Seal,
    sidecar::admin::{ASK_PATH, Explained, MAX_QUESTION, MeantCall, Question, Tally},
};
use serde::de::DeserializeOwned;

/// For what each check says about a token, as a sidecar asks the identity provider and Confluence.
const PATIENCE: Duration = Duration::from_secs(15);
/// For what it knows by itself.
const AT_ONCE: Duration = Duration::from_secs(3);
/// Largest answer that is read.
const MAX_ANSWER: usize = 256 * 1024;

/// Why a sidecar gave no answer that counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unanswered {
    /// The question is longer than sidecars read.
    #[error("what you sent is too long to be a token")]
    TooLong,
    /// No connection, or nothing came in time.
    #[error(
        "the sidecar does not answer: see that the pod runs, and that the operator's pods reach its port 19090 (NetworkPolicies)"
    )]
    Silent,
    /// It does not know the question.
    #[error("the sidecar is of an older version, which cannot be asked this")]
    Older,
    /// It has another key, or is none.
    #[error("what answers is no sidecar of this policy, or its keys are being replaced")]
    Stranger,
}

/// Asks sidecars.
#[derive(Debug, Clone)]
pub struct Asker {
    client: Client,
    port: u16,
}

impl Asker {
    /// For sidecars whose admin server is at `port`.
    ///
    /// # Errors
    /// No HTTP client could be made.
    pub fn new(port: u16) -> Result<Self, reqwest::Error> {
        let client = Client::builder().no_proxy().redirect(redirect::Policy::none()).build()?;
        Ok(Self { client, port })
    }

    /// What each check says about a token, and of the rules about the call that is meant.
    ///
    /// # Errors
    /// There is no answer that counts.
    pub async fn token(
        &self,
        sidecar: IpAddr,
        seals: &[Seal],
        token: String,
        call: Option<MeantCall>,
    ) -> Result<Explained, Unanswered> {
        self.ask(sidecar, seals, &Question::Token { token, call }, PATIENCE).await
    }

    /// What was refused lately.
    ///
    /// # Errors
    /// There is no answer that counts.
    pub async fn tally(&self, sidecar: IpAddr, seals: &[Seal]) -> Result<Tally, Unanswered> {
        self.ask(sidecar, seals, &Question::Tally, AT_ONCE).await
    }

    async fn ask<T: DeserializeOwned>(
        &self,
        sidecar: IpAddr,
        seals: &[Seal],
        question: &Question,
        patience: Duration,
    ) -> Result<T, Unanswered> {
        let question = serde_json::to_vec(question).map_err(|_| Unanswered::TooLong)?;
        let mut answer = Err(Unanswered::Stranger);
        for seal in seals {
            answer = self.ask_sealed(sidecar, seal, &question, patience).await;
            if !matches!(answer, Err(Unanswered::Stranger)) {
                break;
            }
        }
        answer
    }

    async fn ask_sealed<T: DeserializeOwned>(
        &self,
        sidecar: IpAddr,
        seal: &Seal,
        question: &[u8],
        patience: Duration,
    ) -> Result<T, Unanswered> {
        let question = seal.seal_question(question).map_err(|_| Unanswered::Silent)?;
        if question.len() > MAX_QUESTION {
            return Err(Unanswered::TooLong);
        }
        let url = format!("http://{}{ASK_PATH}", SocketAddr::new(sidecar, self.port));
        let sent = self.client.post(url).timeout(patience).body(question.clone()).send().await;
        let mut response = sent.map_err(|_| Unanswered::Silent)?;
        match response.status() {
            StatusCode::OK => {}
            StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED => return Err(Unanswered::Older),
            StatusCode::FORBIDDEN => return Err(Unanswered::Stranger),
            _ => return Err(Unanswered::Silent),
        }
        let mut sealed = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|_| Unanswered::Silent)? {
            sealed.extend_from_slice(&chunk);
            if sealed.len() > MAX_ANSWER {
                return Err(Unanswered::Stranger);
            }
        }
        let answer = seal.open_answer(&sealed, &question).ok_or(Unanswered::Stranger)?;
        serde_json::from_slice(&answer).map_err(|_| Unanswered::Older)
    }
}
