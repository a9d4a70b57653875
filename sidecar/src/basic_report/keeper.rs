//! Keeps the report in a file of the pod, which outlives the container. What cannot be read or written is told, and stops
//! nobody.

use std::{
    fs::{self, OpenOptions},
    io::{self, Read as _, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
    time::Duration,
};

use restward_crds::names;
use tokio_util::sync::CancellationToken;

use super::{BasicReport, file};
use crate::time::UnixTime;

/// How often what is new is written: what a killed sidecar forgets at most.
const PERIOD: Duration = Duration::from_secs(10);

/// Writes the report.
pub struct Keeper {
    report: Arc<BasicReport>,
    /// None where the pod has no place for it.
    file: Option<PathBuf>,
    /// One write at a time.
    writing: tokio::sync::Mutex<()>,
}

impl Keeper {
    /// Goes on with the report that an earlier run left in this directory, or begins one.
    pub fn open(directory: &Path, now: UnixTime) -> Self {
        let path = directory.join(names::FILE_BASIC_REPORT);
        let file = directory.is_dir().then_some(path);
        let read = match &file {
            Some(path) => read(path),
            None => {
                Err("the pod has no volume for it: a restart of the sidecar forgets it; a new pod has one"
                    .into())
            }
        };
        let report = match read {
            Ok(Some(tables)) => BasicReport(Mutex::new(tables)),
            Ok(None) => BasicReport::new(now),
            Err(problem) => {
                tracing::warn!(problem, "the report on password logins begins anew");
                let report = BasicReport::new(now);
                report.not_saved(problem);
                report
            }
        };
        Self { report: Arc::new(report), file, writing: tokio::sync::Mutex::default() }
    }

    /// The report.
    pub fn report(&self) -> Arc<BasicReport> {
        Arc::clone(&self.report)
    }

    /// Writes what is new, again and again until `shutdown`.
    pub async fn run(&self, shutdown: CancellationToken) {
        loop {
            self.save().await;
            tokio::select! {
                () = shutdown.cancelled() => return,
                () = tokio::time::sleep(PERIOD) => {}
            }
        }
    }

    /// Writes what is new.
    pub async fn save(&self) {
        let Some(path) = self.file.clone() else { return };
        let _one = self.writing.lock().await;
        let Some(content) = self.report.unsaved() else { return };
        let written = tokio::task::spawn_blocking(move || write(&path, &content)).await;
        if let Err(error) = written.unwrap_or_else(|_| Err(io::Error::other("writing was interrupted"))) {
            tracing::warn!(error = %error, "the report on password logins could not be written");
            self.report.not_saved(format!("it could not be written: {error}"));
        }
    }
}

/// What an earlier run left, if it did.
fn read(path: &Path) -> Result<Option<super::Tables>, String> {
    let problem = |why: &dyn std::fmt::Display| {
        format!("what was counted before is lost, the file could not be read: {why}")
    };
    let is_file = match fs::symlink_metadata(path) {
        Ok(metadata) => metadata.is_file(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(problem(&error)),
    };
    if !is_file {
        return Err(problem(&"it is no file"));
    }
    let mut content = Vec::new();
    let limit = u64::try_from(file::MAX_SIZE).unwrap_or(u64::MAX).saturating_add(1);
    let opened = fs::File::open(path).and_then(|opened| opened.take(limit).read_to_end(&mut content));
    opened.map_err(|error| problem(&error))?;
    file::read(&content).map(Some).map_err(|error| problem(&error))
}

/// Replaces the file in one step. It names people, so only the sidecar may read it.
fn write(path: &Path, content: &[u8]) -> io::Result<()> {
    let new = path.with_extension("new");
    match fs::remove_file(&new) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(&new)?.write_all(content)?;
    fs::rename(&new, path)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use serde_json::{Value, json};

    use super::*;

    /// A directory of its own.
    struct Room(PathBuf);

    impl Room {
        fn new() -> Self {
            let name = format!("restward-report-{}", crate::random::hex_128().unwrap());
            let path = std::env::temp_dir().join(name);
            fs::create_dir(&path).unwrap();
            Self(path)
        }

        fn file(&self) -> PathBuf {
            self.0.join(names::FILE_BASIC_REPORT)
        }

        /// What a sidecar shows that starts at this time.
        fn shown_at(&self, now: i64) -> (Keeper, Value) {
            let keeper = Keeper::open(&self.0, UnixTime::from_secs(now));
            let shown = json!(keeper.report().shown());
            (keeper, shown)
        }
    }

    impl Drop for Room {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    #[tokio::test]
    async fn the_file_is_the_sidecars_alone_and_counts_from_the_first_start() {
        let room = Room::new();
        let (keeper, shown) = room.shown_at(5);
        assert_eq!(shown, json!({"since": 5, "entries": []}));
        // Left by a run that was killed while it wrote.
        fs::write(room.file().with_extension("new"), "half").unwrap();
        keeper.save().await;
        assert_eq!(fs::metadata(room.file()).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::read_dir(&room.0).unwrap().count(), 1);
        assert_eq!(room.shown_at(9).1["since"], 5);
    }

    #[tokio::test]
    async fn what_cannot_be_read_is_told_and_replaced() {
        let large = "x".repeat(file::MAX_SIZE + 1);
        for (content, why) in
            [("{\"user\":\"secret-alice\"}", "is not what"), (large.as_str(), "larger than")]
        {
            let room = Room::new();
            fs::write(room.file(), content).unwrap();
            let (keeper, shown) = room.shown_at(5);
            let problem = shown["problem"].as_str().unwrap();
            assert!(problem.contains(why) && !problem.contains("alice"), "{problem}");
            assert_eq!(shown["since"], 5);
            keeper.save().await;
            assert_eq!(room.shown_at(9).1, json!({"since": 5, "entries": []}));
        }
        let room = Room::new();
        fs::create_dir(room.file()).unwrap();
        let (keeper, shown) = room.shown_at(5);
        assert!(shown["problem"].as_str().unwrap().contains("it is no file"), "{shown}");
        keeper.save().await;
        let problem = json!(keeper.report().shown())["problem"].as_str().unwrap().to_owned();
        assert!(problem.contains("could not be written"), "{problem}");
        fs::remove_dir(room.file()).unwrap();
        keeper.save().await;
        assert!(room.file().is_file(), "it is tried again");
    }

    #[tokio::test]
    async fn a_pod_without_the_volume_is_told() {
        let keeper = Keeper::open(Path::new("/nonexistent/restward"), UnixTime::from_secs(5));
        keeper.save().await;
        let shown = json!(keeper.report().shown());
        assert!(shown["problem"].as_str().unwrap().contains("no volume"), "{shown}");
    }
}
