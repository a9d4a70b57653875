//! The configuration in force, and how it is replaced: read, parsed, built whole, then swapped in one step. What cannot
//! be used is reported and changes nothing.
//!
//! - [`files`]: the mounted directory
//! - [`active`]: a configuration in force with everything that lives as long as it does

pub mod active;
pub mod files;

use std::{path::PathBuf, sync::Arc, time::Duration};

use arc_swap::ArcSwapOption;
use restward_crds::sidecar::PodSettings;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

pub use active::Active;
use files::Files;

use crate::metrics::Metrics;

/// How often the directory is compared. Reading a few small files each second costs nothing measurable and, unlike
/// file events, works on every kind of volume and misses nothing.
const PERIOD: Duration = Duration::from_secs(1);

/// Holds the configuration in force.
pub struct Store {
    directory: PathBuf,
    pod: PodSettings,
    metrics: Arc<Metrics>,
    active: ArcSwapOption<Active>,
    rejected: ArcSwapOption<String>,
    changed: Notify,
}

impl Store {
    /// Without a configuration yet.
    pub fn new(directory: PathBuf, pod: PodSettings, metrics: Arc<Metrics>) -> Self {
        Self {
            directory,
            pod,
            metrics,
            active: ArcSwapOption::empty(),
            rejected: ArcSwapOption::from_pointee("no configuration was read yet".to_owned()),
            changed: Notify::new(),
        }
    }

    /// The configuration in force.
    pub fn active(&self) -> Option<Arc<Active>> {
        self.active.load_full()
    }

    /// Why the newest configuration is not in force.
    pub fn rejected(&self) -> Option<Arc<String>> {
        self.rejected.load_full()
    }

    /// Waits until another configuration is in force than at the last call. For one waiter.
    pub async fn changed(&self) {
        self.changed.notified().await;
    }

    /// The pod's settings.
    pub fn pod(&self) -> &PodSettings {
        &self.pod
    }

    /// Follows the directory until `shutdown`.
    pub async fn watch(&self, shutdown: CancellationToken) {
        let mut last: Option<Result<Files, String>> = None;
        loop {
            let read = self.read().await;
            if last.as_ref() != Some(&read) {
                self.take(&read);
                last = Some(read);
            }
            tokio::select! {
                () = shutdown.cancelled() => return,
                () = tokio::time::sleep(PERIOD) => {}
            }
        }
    }

    async fn read(&self) -> Result<Files, String> {
        let directory = self.directory.clone();
        match tokio::task::spawn_blocking(move || Files::read(&directory)).await {
            Ok(read) => read.map_err(|error| error.to_string()),
            Err(_) => Err("reading was interrupted".to_owned()),
        }
    }

    fn take(&self, read: &Result<Files, String>) {
        let previous = self.active.load_full();
        let built = match read {
            Ok(files) => Active::build(files, &self.pod, &self.metrics, previous.as_deref()),
            Err(message) => Err(message.clone()),
        };
        self.metrics.config_read(built.is_ok());
        match built {
            Ok(active) => {
                tracing::info!(
                    config.hash = active.hash,
                    policy.generation = active.settings.policy.generation,
                    mode = ?active.settings.mode,
                    "configuration in force"
                );
                self.active.store(Some(Arc::new(active)));
                self.rejected.store(None);
                self.changed.notify_one();
            }
            Err(message) => {
                let has_good_one = previous.is_some();
                tracing::error!(reason = message, has_good_one, "config_rejected");
                self.rejected.store(Some(Arc::new(message)));
            }
        }
    }
}
