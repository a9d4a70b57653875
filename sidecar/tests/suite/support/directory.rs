//! The directories of a sidecar.

use std::{
    path::PathBuf,
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use restward_crds::names;

use super::{
    CLIENT_ID, CLIENT_SECRET, STATUS_KEY,
    keys::{self, Key},
};

/// Directory of what the sidecar remembers, here beside its configuration.
const STATE: &str = "state";

/// A directory that is replaced as the kubelet does it.
pub(super) struct Directory {
    pub(super) path: PathBuf,
    generation: AtomicUsize,
    /// Secret of the sidecar's client at the identity provider, when it is mounted.
    pub(super) client_secret: Mutex<Option<String>>,
    /// Certificate authorities for the identity provider, when they are mounted.
    pub(super) authority: Mutex<Option<String>>,
    /// The token that it may show instead, when it is mounted.
    pub(super) client_assertion: Mutex<Option<String>>,
    /// The key of the status endpoint.
    pub(super) status_key: Mutex<String>,
    /// The consumer's keys: the one in use, and the one that follows, when it is mounted.
    pub(super) consumer: Mutex<(&'static Key, Option<&'static Key>)>,
}

impl Directory {
    pub(super) fn new() -> Self {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let name = format!("restward-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir_all(path.join(STATE)).unwrap();
        Self {
            path,
            generation: AtomicUsize::new(0),
            client_secret: Mutex::new(Some(CLIENT_SECRET.to_owned())),
            authority: Mutex::default(),
            client_assertion: Mutex::default(),
            status_key: Mutex::new(STATUS_KEY.to_owned()),
            consumer: Mutex::new((keys::consumer(), None)),
        }
    }

    pub(super) fn state(&self) -> PathBuf {
        self.path.join(STATE)
    }

    pub(super) fn write(&self, config: &str) {
        let generation = format!("..gen-{}", self.generation.fetch_add(1, Ordering::Relaxed));
        let directory = self.path.join(&generation);
        std::fs::create_dir(&directory).unwrap();
        std::fs::write(directory.join(names::FILE_CONFIG), config).unwrap();
        let (key, next) = *self.consumer.lock().unwrap();
        std::fs::write(directory.join(names::FILE_CONSUMER_KEY), keys::pem(key)).unwrap();
        if let Some(next) = next {
            std::fs::write(directory.join(names::FILE_NEXT_CONSUMER_KEY), keys::pem(next)).unwrap();
        }
        std::fs::write(directory.join(names::FILE_STATUS_KEY), &*self.status_key.lock().unwrap()).unwrap();
        if let Some(secret) = self.client_secret.lock().unwrap().as_deref() {
            std::fs::write(directory.join(names::FILE_CLIENT_ID), CLIENT_ID).unwrap();
            std::fs::write(directory.join(names::FILE_CLIENT_SECRET), secret).unwrap();
        }
        if let Some(pem) = self.authority.lock().unwrap().as_deref() {
            std::fs::write(directory.join(names::FILE_CA), pem).unwrap();
        }
        if let Some(token) = self.client_assertion.lock().unwrap().as_deref() {
            std::fs::write(directory.join(names::FILE_CLIENT_ASSERTION), token).unwrap();
        }
        let link = self.path.join("..data_tmp");
        std::os::unix::fs::symlink(&generation, &link).unwrap();
        std::fs::rename(&link, self.path.join("..data")).unwrap();
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.path);
    }
}
