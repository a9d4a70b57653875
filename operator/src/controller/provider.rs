//! Remembers what identity providers answered, so that reconciliation asks each seldom.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use restward_crds::sidecar::{config::LastKnown, settings::IssuerSettings};
use tokio::sync::Mutex;

use super::validate::Validated;
use crate::discovery::{self, Failure, Guard};

/// How long keys are handed on before they are fetched again.
const FRESH: Duration = Duration::from_mins(5);
/// How long a failure is believed.
const FAILED: Duration = Duration::from_secs(20);

/// Answer of an identity provider.
pub type Answer = Result<LastKnown, Failure>;

/// The answers, by the policy's UID.
pub struct Providers {
    guard: Guard,
    answers: Mutex<HashMap<String, Remembered>>,
}

struct Remembered {
    issuer: IssuerSettings,
    ca_pem: Option<String>,
    at: Instant,
    answer: Answer,
}

impl Providers {
    /// With the addresses that `guard` admits.
    pub fn new(guard: Guard) -> Self {
        Self { guard, answers: Mutex::default() }
    }

    /// The answer for the policy: remembered when it is young enough and the question is the same.
    pub async fn ask(&self, policy_uid: &str, validated: &Validated) -> Answer {
        let Some(issuer) = validated.settings.issuers.first() else {
            return Err(Failure {
                reason: restward_crds::condition::ProviderReason::Pending,
                message: "the policy names no issuer".into(),
            });
        };
        if let Some(known) = self.answers.lock().await.get(policy_uid)
            && known.issuer == *issuer
            && known.ca_pem == validated.ca_pem
            && known.at.elapsed() < if known.answer.is_ok() { FRESH } else { FAILED }
        {
            return known.answer.clone();
        }
        // Not under the lock: one slow provider must not hold up the policies of others.
        let answer = discovery::ask(issuer, validated.ca_pem.as_deref(), self.guard).await;
        let remembered = Remembered {
            issuer: issuer.clone(),
            ca_pem: validated.ca_pem.clone(),
            at: Instant::now(),
            answer: answer.clone(),
        };
        let mut answers = self.answers.lock().await;
        // Policies come and go; what is old enough to be asked again is not worth keeping.
        answers.retain(|_, known| known.at.elapsed() < FRESH);
        answers.insert(policy_uid.to_owned(), remembered);
        answer
    }
}
