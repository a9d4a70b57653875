//! A configuration in force: settings and everything that lives as long as they do.

use std::{future::Future, sync::Arc, time::Instant};

use restward_crds::sidecar::{PodSettings, Settings, config::OwnClient, parse};
use tokio_util::sync::{CancellationToken, DropGuard};

use super::files::Files;
use crate::{
    auth::Authenticator,
    calibrate::{Calibration, candidates, context_path},
    digest::{sha256, sha256_of},
    identity::{Identity, Origin},
    keys::Keys,
    limits::Limiter,
    link::Keeper,
    loopback, metadata,
    metrics::Metrics,
    online::client::Client,
    preflight::UserCheck,
    status::StatusKey,
};

/// A background task that ends when nobody holds it any more.
type Task = Arc<DropGuard>;

fn spawn<F: Future<Output = ()> + Send + 'static>(run: impl FnOnce(CancellationToken) -> F) -> Task {
    let token = CancellationToken::new();
    tokio::spawn(run(token.clone()));
    Arc::new(token.drop_guard())
}

/// How Confluence is told who the user is. Survives configurations that change nothing about it, and with it what was
/// found out by calibration and the users that Confluence is known to know.
#[derive(Clone)]
struct Assertion {
    identity: Arc<Identity>,
    calibration: Calibration,
    user_check: UserCheck,
    key_hash: [u8; 32],
    _task: Task,
}

/// Everything that a request needs.
pub struct Active {
    /// The settings.
    pub settings: Arc<Settings>,
    /// SHA-256 of the configuration file.
    pub hash: String,
    /// Context path of Confluence.
    pub context_path: String,
    /// Judges tokens.
    pub authenticator: Authenticator,
    /// Keys of the identity provider.
    pub keys: Keys,
    /// Key of the status endpoint.
    pub status_key: StatusKey,
    /// What the policy and the pod say that Confluence is reached at.
    public: Option<Origin>,
    /// How often callers may call.
    pub limiter: Arc<Limiter>,
    assertion: Assertion,
    keys_task: Task,
}

impl Active {
    /// Makes everything from the files, and keeps of `previous` what they do not change.
    ///
    /// # Errors
    /// A sentence that says what is wrong, without any secret.
    pub fn build(
        files: &Files,
        pod: &PodSettings,
        metrics: &Metrics,
        previous: Option<&Self>,
    ) -> Result<Self, String> {
        let settings = parse::from_json(&files.config)
            .map_err(|errors| errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))?;
        let status_key = StatusKey::from_hex(&files.status_key)?;
        let (keys, keys_task) = keys(&settings, files.ca.as_deref(), metrics, previous)?;
        let assertion = assertion(&settings, pod, files, previous)?;
        let client = client(&settings, files)?;
        let limiter = limiter(&settings, previous);
        let settings = Arc::new(settings);
        Ok(Self {
            context_path: context_path(&settings, pod).to_owned(),
            public: candidates::origins(&settings, pod).into_iter().next(),
            authenticator: Authenticator::new(
                Arc::clone(&settings),
                keys.clone(),
                client,
                previous.map(|previous| &previous.authenticator),
            ),
            hash: files.config_hash(),
            limiter,
            settings,
            keys,
            status_key,
            assertion,
            keys_task,
        })
    }

    /// Names users to Confluence.
    pub fn identity(&self) -> &Identity {
        &self.assertion.identity
    }

    /// Whether and as what Confluence accepts assertions.
    pub fn calibration(&self) -> &Calibration {
        &self.assertion.calibration
    }

    /// Asks Confluence whom it knows.
    pub fn user_check(&self) -> &UserCheck {
        &self.assertion.user_check
    }

    /// The URL by which a client that sent this Host header knows the API.
    pub fn resource(&self, host: &http::HeaderValue) -> Option<String> {
        match self.settings.external_urls.first() {
            Some(url) => Some(format!("{}{}", url.as_str(), self.context_path)),
            None => metadata::resource(self.public.as_ref()?, host, &self.context_path),
        }
    }

    /// How many entries each memory holds, by its name.
    pub fn memories(&self) -> Vec<(&'static str, usize)> {
        let [tokens, answers, proofs] = self.authenticator.memories();
        vec![
            ("tokens", tokens),
            ("provider_answers", answers),
            ("dpop_proofs", proofs),
            ("users", self.user_check().remembered()),
            ("rate_limits", self.limiter.remembered()),
        ]
    }

    /// The names of the identity providers, as far as they were found out.
    pub fn issuer_names(&self) -> Vec<String> {
        let keys = self.keys.snapshot();
        let known = (0..self.settings.issuers.len()).filter(|issuer| keys.has_keys(*issuer));
        known.filter_map(|issuer| keys.names(issuer).first().cloned()).collect()
    }

    /// The realm in challenges.
    pub fn realm(&self) -> &str {
        self.settings.issuers.first().map_or("restward", |issuer| issuer.source.name())
    }
}

/// The sidecar as a client of the first issuer; none without the files that show it.
fn client(settings: &Settings, files: &Files) -> Result<Option<Client>, String> {
    let own_client = settings.issuers.first().and_then(|issuer| issuer.own_client.as_ref());
    match (own_client, &files.client, &files.client_assertion) {
        (Some(OwnClient::Secret), Some((id, secret)), _) => Client::by_secret(id, secret).map(Some),
        (Some(OwnClient::Assertion(id)), _, Some(token)) => Client::by_assertion(id, token).map(Some),
        _ => Ok(None),
    }
}

/// Who is over a limit stays so when something else changes.
fn limiter(settings: &Settings, previous: Option<&Active>) -> Arc<Limiter> {
    match previous.filter(|previous| previous.settings.rate_limits == settings.rate_limits) {
        Some(previous) => Arc::clone(&previous.limiter),
        None => Arc::new(Limiter::new(&settings.rate_limits, Instant::now())),
    }
}

fn keys(
    settings: &Settings,
    ca: Option<&[u8]>,
    metrics: &Metrics,
    previous: Option<&Active>,
) -> Result<(Keys, Task), String> {
    if let Some(previous) = previous.filter(|previous| previous.keys.fits(settings, ca)) {
        return Ok((previous.keys.clone(), Arc::clone(&previous.keys_task)));
    }
    let keys = Keys::new(settings, ca, metrics.fetches()).map_err(|error| error.to_string())?;
    if let Some(previous) = previous {
        keys.inherit(&previous.keys);
    }
    let running = keys.clone();
    Ok((keys, spawn(|token| async move { running.run(token).await })))
}

fn assertion(
    settings: &Settings,
    pod: &PodSettings,
    files: &Files,
    previous: Option<&Active>,
) -> Result<Assertion, String> {
    let next_key = files.next_consumer_key.as_ref().map(|key| key.as_slice());
    let admin_token = files.admin_token.as_ref().map(|token| token.as_slice());
    let wanted_key = settings.managed_link.as_ref().map(|link| link.key.as_bytes());
    let parts = [Some(files.consumer_key.as_slice()), next_key, wanted_key, admin_token];
    // Each by its own hash, so that none can be taken for a part of another.
    let key_hash = sha256_of(&parts.map(|part| part.map_or([0; 32], sha256)).each_ref().map(|it| &it[..]));
    let previous = previous.filter(|previous| previous.settings.upstream == settings.upstream);
    if let Some(previous) = previous.filter(|previous| previous.assertion.key_hash == key_hash) {
        return Ok(previous.assertion.clone());
    }
    let identity = Identity::new(&settings.upstream.identity, &files.consumer_key, next_key);
    let identity = Arc::new(identity.map_err(|error| error.to_string())?);
    let client = loopback::Client::new(pod.tomcat());
    let keeper = Keeper::new(settings, admin_token, client.clone(), context_path(settings, pod));
    let calibration = Calibration::keeping(Arc::clone(&identity), client.clone(), settings, pod, keeper);
    let mut user_check =
        UserCheck::new(Arc::clone(&identity), client, calibration.clone(), context_path(settings, pod));
    // A key that comes or goes beside the one that Confluence takes interrupts nobody.
    if let Some(previous) = previous.filter(|previous| calibration.inherit(previous.calibration())) {
        user_check = user_check.remembering(previous.user_check());
    }
    let running = calibration.clone();
    let task = spawn(|token| async move { running.run(token).await });
    Ok(Assertion { identity, calibration, user_check, key_hash, _task: task })
}
