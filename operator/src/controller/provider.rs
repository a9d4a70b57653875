//! Remembers what identity providers answered, so that reconciliation asks each seldom.

use std::{
    sync::Arc,
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

/// The answers. Policies that ask the same share one, and while it is being asked they wait for it: a provider that is silent
/// holds up its own policies once, and not those of others.
pub struct Providers {
    guard: Guard,
    known: Mutex<Vec<Arc<Question>>>,
}

/// What is asked, and what was answered last.
struct Question {
    issuer: IssuerSettings,
    ca_pem: Option<String>,
    answered: Mutex<Option<(Instant, Answer)>>,
}

impl Providers {
    /// With the addresses that `guard` admits.
    pub fn new(guard: Guard) -> Self {
        Self { guard, known: Mutex::default() }
    }

    /// The answer for the policy: remembered when it is young enough and the question is the same.
    pub async fn ask(&self, validated: &Validated) -> Answer {
        let Some(issuer) = validated.settings.issuers.first() else {
            return Err(Failure {
                reason: restward_crds::condition::ProviderReason::Pending,
                message: "the policy names no issuer".into(),
            });
        };
        let question = self.question(issuer, validated.ca_pem.as_deref()).await;
        // Only this question's lock: one slow provider must not hold up the policies of others.
        let mut answered = question.answered.lock().await;
        if let Some((_, answer)) = answered.as_ref().filter(|(at, answer)| is_young(*at, answer)) {
            return answer.clone();
        }
        let answer = discovery::ask(issuer, validated.ca_pem.as_deref(), self.guard).await;
        *answered = Some((Instant::now(), answer.clone()));
        answer
    }

    async fn question(&self, issuer: &IssuerSettings, ca_pem: Option<&str>) -> Arc<Question> {
        let mut known = self.known.lock().await;
        let same =
            |question: &&Arc<Question>| question.issuer == *issuer && question.ca_pem.as_deref() == ca_pem;
        if let Some(question) = known.iter().find(same) {
            return Arc::clone(question);
        }
        // Policies come and go; what is old enough to be asked again is not worth keeping.
        known.retain(|question| Arc::strong_count(question) > 1 || question.is_young());
        let question = Arc::new(Question {
            issuer: issuer.clone(),
            ca_pem: ca_pem.map(str::to_owned),
            answered: Mutex::default(),
        });
        known.push(Arc::clone(&question));
        question
    }
}

impl Question {
    /// Whether its answer need not be asked for again; also while somebody asks.
    fn is_young(&self) -> bool {
        let answered = self.answered.try_lock();
        answered.map_or(true, |answered| answered.as_ref().is_some_and(|(at, answer)| is_young(*at, answer)))
    }
}

fn is_young(at: Instant, answer: &Answer) -> bool {
    at.elapsed() < if answer.is_ok() { FRESH } else { FAILED }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use tokio::{io::AsyncReadExt as _, net::TcpListener};

    use super::*;
    use crate::{controller::validate::validate, testing};

    #[tokio::test]
    async fn policies_of_one_realm_ask_it_once_between_them() {
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let host = format!("http://{}", listener.local_addr().unwrap());
        let asked = tokio::spawn(async move {
            let mut asked = 0;
            while let Ok(Ok((mut stream, _))) =
                tokio::time::timeout(Duration::from_secs(1), listener.accept()).await
            {
                asked += 1;
                let _ = stream.read(&mut [0; 1024]).await;
            }
            asked
        });
        let providers = Providers::new(Guard::AllowLoopback);
        let validated = |realm: &str| {
            let keycloak = json!({"host": host, "realm": realm});
            validate(&testing::policy(json!({ "keycloak": keycloak })), &testing::observed()).unwrap()
        };
        let (staff, other) = (validated("staff"), validated("other"));
        let answers = futures::join!(
            providers.ask(&staff),
            providers.ask(&staff),
            providers.ask(&staff),
            providers.ask(&other)
        );
        assert!(answers.0.is_err() && answers.0 == answers.1 && answers.1 == answers.2);
        assert_eq!(asked.await.unwrap(), 2, "once for each realm");
    }
}
