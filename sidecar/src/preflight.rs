//! Asks Confluence whether it knows whom a request is about, before anything is forwarded: an unknown user would go on
//! as anonymous, and so would an invalid token of Confluence's own.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use http::{HeaderValue, header};
use restward_crds::{reason::Reason, text::Username};
use tokio::time::Instant;

use crate::{
    bounded::Bounded,
    calibrate::{Calibration, oauth_problem},
    current_user,
    digest::sha256,
    flights::Flights,
    identity::{Identity, Key, Origin, Outgoing},
    loopback::{Answer, Client, LoopbackError},
    refusal::Deny,
    time::UnixTime,
};

/// How long "yes" counts.
const YES_FOR: Duration = Duration::from_mins(5);
/// How long "no" counts: a user who was just created is let in soon.
const NO_FOR: Duration = Duration::from_secs(30);
/// Half of the number of answers that are remembered.
const REMEMBERED: usize = 4096;
/// For one call.
const DEADLINE: Duration = Duration::from_secs(10);

/// Whom a question is about.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Subject {
    User(String),
    /// SHA-256 of an Authorization header.
    Credential([u8; 32]),
}

/// Confluence's answers, remembered. Clones share them.
#[derive(Clone)]
pub struct UserCheck {
    shared: Arc<Shared>,
    flights: Flights<Subject, Result<(), Deny>>,
}

/// An answer, and until when it counts.
type Remembered = (Result<(), Deny>, Instant);

struct Shared {
    identity: Arc<Identity>,
    client: Client,
    calibration: Calibration,
    target: String,
    answers: Arc<Mutex<Bounded<Subject, Remembered>>>,
}

impl UserCheck {
    /// Asks the Confluence of `client`.
    pub fn new(
        identity: Arc<Identity>,
        client: Client,
        calibration: Calibration,
        context_path: &str,
    ) -> Self {
        let shared = Shared {
            identity,
            client,
            calibration,
            target: format!("{context_path}{}", current_user::PATH),
            answers: Arc::new(Mutex::new(Bounded::new(REMEMBERED))),
        };
        Self { shared: Arc::new(shared), flights: Flights::default() }
    }

    /// The same with the memory of another.
    #[must_use]
    pub fn remembering(self, other: &Self) -> Self {
        let Shared { identity, client, calibration, target, answers: _ } = &*self.shared;
        let shared = Shared {
            identity: Arc::clone(identity),
            client: client.clone(),
            calibration: calibration.clone(),
            target: target.clone(),
            answers: Arc::clone(&other.shared.answers),
        };
        Self { shared: Arc::new(shared), flights: self.flights }
    }

    /// How many answers are remembered.
    pub fn remembered(&self) -> usize {
        self.shared.answers.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// Confirms that an asserted request for `user` runs as that very user.
    ///
    /// # Errors
    /// [`Reason::UserUnknown`] if not; a 502 or 503 if Confluence could not be asked.
    pub async fn confirm_user(&self, user: &Username) -> Result<(), Deny> {
        let (shared, name) = (Arc::clone(&self.shared), user.clone());
        self.confirm(Subject::User(user.as_str().to_owned()), async move { shared.ask_for_user(&name).await })
            .await
    }

    /// Confirms that a request with this Authorization header, a token of Confluence's own, runs as some user.
    ///
    /// # Errors
    /// [`Reason::CredentialNotAccepted`] if not; 503 if Confluence could not be asked.
    pub async fn confirm_bearer(&self, authorization: &HeaderValue) -> Result<(), Deny> {
        let (shared, authorization) = (Arc::clone(&self.shared), authorization.clone());
        let subject = Subject::Credential(sha256(authorization.as_bytes()));
        self.confirm(subject, async move { shared.ask_for_bearer(authorization).await }).await
    }

    /// Refuses this user for a while: Confluence ran a request of theirs as somebody else, and what has been written
    /// cannot be taken back.
    pub fn distrust(&self, user: &Username) {
        let until = Instant::now() + YES_FOR;
        let mut answers = self.shared.answers.lock().unwrap_or_else(PoisonError::into_inner);
        let answer = Err(Reason::IdentityMismatch.into());
        answers.insert(Subject::User(user.as_str().to_owned()), (answer, until));
    }

    async fn confirm(
        &self,
        subject: Subject,
        ask: impl Future<Output = Result<(), Deny>> + Send + 'static,
    ) -> Result<(), Deny> {
        if let Some(answer) = self.shared.remembered(&subject) {
            return answer;
        }
        let (shared, about) = (Arc::clone(&self.shared), subject.clone());
        let asked = self.flights.join(subject, async move {
            let answer = ask.await;
            shared.remember(about, &answer);
            answer
        });
        asked.await.unwrap_or_else(|| Err(Reason::UserCheckUnavailable.into()))
    }
}

impl Shared {
    fn remembered(&self, subject: &Subject) -> Option<Result<(), Deny>> {
        let mut answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
        let (answer, until) = answers.get(subject)?;
        if Instant::now() < until {
            return Some(answer);
        }
        answers.remove(subject);
        None
    }

    /// Only a yes or no of Confluence is remembered, not that it could not be asked.
    fn remember(&self, subject: Subject, answer: &Result<(), Deny>) {
        let lifetime = match answer {
            Ok(()) => YES_FOR,
            Err(deny) if matches!(deny.reason, Reason::UserUnknown | Reason::CredentialNotAccepted) => NO_FOR,
            Err(_) => return,
        };
        let until = Instant::now() + lifetime;
        let mut answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
        answers.insert(subject, (answer.clone(), until));
    }

    async fn ask_for_user(&self, user: &Username) -> Result<(), Deny> {
        let origin = self.calibration.origin()?;
        let key = self.identity.key();
        let mut answer = self.send_as(user, &origin, key).await?;
        let instead = answer.as_ref().ok().and_then(|it| self.calibration.key_instead(key, &it.headers));
        if let Some(other) = instead {
            answer = self.send_as(user, &origin, other).await?;
            if let Ok(answer) = &answer {
                self.calibration.judged(other, &answer.headers);
            }
        }
        if let Ok(answer) = &answer
            && oauth_problem(&answer.headers).is_some()
        {
            self.calibration.poke();
        }
        let answered = judge_user(user, answer);
        self.calibration.learn(user, answered);
        answered.map_err(Deny::from)
    }

    async fn send_as(
        &self,
        user: &Username,
        origin: &Origin,
        key: Key,
    ) -> Result<Result<Answer, LoopbackError>, Deny> {
        let mut request = self.request()?;
        self.identity.assert_with(key, origin, user, UnixTime::now(), &mut request)?;
        Ok(self.client.send(request, DEADLINE).await)
    }

    async fn ask_for_bearer(&self, authorization: HeaderValue) -> Result<(), Deny> {
        let mut request = self.request()?;
        request.headers.insert(header::AUTHORIZATION, authorization);
        judge_bearer(self.client.send(request, DEADLINE).await).map_err(Deny::from)
    }

    fn request(&self) -> Result<Outgoing, Deny> {
        let host = self.client.host().ok_or(Reason::UserCheckUnavailable)?;
        Ok(Outgoing::get(self.target.clone(), host))
    }
}

/// Whether an asserted call ran as `user`.
fn judge_user(user: &Username, answer: Result<Answer, LoopbackError>) -> Result<(), Reason> {
    let answer = answer.map_err(|_| Reason::UserCheckUnavailable)?;
    if let Some(problem) = oauth_problem(&answer.headers) {
        return Err(match problem.as_str() {
            // The consumer may name users, or calibration had said otherwise: this user is disabled or may not log in.
            "permission_denied" => Reason::UserUnknown,
            "consumer_key_unknown" => Reason::LinkMissing,
            _ => Reason::UpstreamRejected,
        });
    }
    match answer.status.as_u16() {
        200 => match current_user::of(&answer) {
            Some(name) if current_user::is(&name, user) => Ok(()),
            Some(_) => Err(Reason::IdentityMismatch),
            None => Err(Reason::UserUnknown),
        },
        401 | 403 | 404 => Err(Reason::UserUnknown),
        _ => Err(Reason::UserCheckUnavailable),
    }
}

/// Whether a call with a token of Confluence's own ran as anybody. A token without the scope for this call gets 403,
/// but with the user's name in a header.
fn judge_bearer(answer: Result<Answer, LoopbackError>) -> Result<(), Reason> {
    let answer = answer.map_err(|_| Reason::UserCheckUnavailable)?;
    let has_user =
        answer.headers.get("x-ausername").is_some_and(|name| !name.is_empty() && name != "anonymous");
    match answer.status.as_u16() {
        200 if has_user || current_user::of(&answer).is_some() => Ok(()),
        403 | 404 if has_user => Ok(()),
        200 | 401 | 403 | 404 => Err(Reason::CredentialNotAccepted),
        _ => Err(Reason::UserCheckUnavailable),
    }
}

#[cfg(test)]
mod tests;
