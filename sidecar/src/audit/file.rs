//! Audit lines in a file: for agents that collect files. It is bounded, and a line that cannot be written there goes to
//! standard output, so that none is lost while the volume is full or away.

use std::{
    borrow::Cow,
    fs::{self, File, OpenOptions},
    io::{self, Write},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
};

/// Size at which the file becomes its own predecessor, in bytes.
pub const MAX_BYTES: u64 = 100 * 1024 * 1024;

/// See the module. Takes one whole line a call.
pub struct AuditFile<W = io::Stdout> {
    path: PathBuf,
    max_bytes: u64,
    open: Option<Open>,
    fallback: W,
    /// The last line was not written, or not to its end.
    is_failing: bool,
}

struct Open {
    file: File,
    bytes: u64,
}

impl AuditFile {
    /// The file at `path`, opened with the first line.
    pub fn new(path: PathBuf) -> Self {
        Self::with(path, MAX_BYTES, io::stdout())
    }
}

impl<W: Write> AuditFile<W> {
    fn with(path: PathBuf, max_bytes: u64, fallback: W) -> Self {
        Self { path, max_bytes, open: None, fallback, is_failing: false }
    }

    fn append(&mut self, line: &[u8]) -> io::Result<()> {
        let mut open = match self.open.take() {
            Some(open) => open,
            None => Open::at(&self.path)?,
        };
        if open.bytes > 0 && open.bytes + line.len() as u64 > self.max_bytes {
            fs::rename(&self.path, predecessor(&self.path))?;
            open = Open::at(&self.path)?;
        }
        // What is left of a line that did not fit is a line of its own.
        let line = if self.is_failing && open.bytes > 0 {
            Cow::Owned([b"\n", line].concat())
        } else {
            Cow::Borrowed(line)
        };
        open.file.write_all(&line)?;
        open.bytes += line.len() as u64;
        self.open = Some(open);
        Ok(())
    }
}

impl Open {
    fn at(path: &Path) -> io::Result<Self> {
        // Whoever else can write to the volume must not lead the lines into another file, nor the sidecar into waiting for
        // the reader of a pipe.
        let file = OpenOptions::new()
            .append(true)
            .create(true)
            .mode(0o640)
            .custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK)
            .open(path)?;
        let metadata = file.metadata()?;
        if !metadata.is_file() {
            return Err(io::Error::other("it is no regular file"));
        }
        Ok(Self { file, bytes: metadata.len() })
    }
}

fn predecessor(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".1");
    name.into()
}

impl<W: Write> Write for AuditFile<W> {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        match self.append(line) {
            Ok(()) => {
                if std::mem::take(&mut self.is_failing) {
                    tracing::info!(file = %self.path.display(), "audit lines are written to the file again");
                }
            }
            Err(error) => {
                if !std::mem::replace(&mut self.is_failing, true) {
                    tracing::error!(
                        file = %self.path.display(), %error,
                        "audit lines cannot be written to the file and go to standard output until they can; see that the \
                         volume of spec.audit.volume has room and that the pod's fsGroup may write to it"
                    );
                }
                self.fallback.write_all(line)?;
            }
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.fallback.flush()
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use super::*;

    struct Volume(PathBuf);

    impl Volume {
        fn new() -> Self {
            let directory =
                std::env::temp_dir().join(format!("restward-audit-{}", crate::random::hex_128().unwrap()));
            fs::create_dir(&directory).unwrap();
            Self(directory)
        }

        fn file(&self) -> PathBuf {
            self.0.join("restward-audit-wiki-0.jsonl")
        }

        fn audit(&self, max_bytes: u64) -> AuditFile<Vec<u8>> {
            AuditFile::with(self.file(), max_bytes, Vec::new())
        }

        fn content(&self) -> String {
            fs::read_to_string(self.file()).unwrap()
        }
    }

    impl Drop for Volume {
        fn drop(&mut self) {
            fs::remove_dir_all(&self.0).unwrap();
        }
    }

    #[test]
    fn lines_are_appended_also_after_a_restart() {
        let volume = Volume::new();
        for line in ["{\"a\":1}\n", "{\"a\":2}\n"] {
            let mut audit = volume.audit(MAX_BYTES);
            audit.write_all(line.as_bytes()).unwrap();
            assert_eq!(audit.fallback, b"");
        }
        assert_eq!(volume.content(), "{\"a\":1}\n{\"a\":2}\n");
        let mode = fs::metadata(volume.file()).unwrap().permissions().mode();
        assert_eq!(mode & 0o007, 0, "{mode:o}");
    }

    #[test]
    fn the_file_and_its_predecessor_are_all_there_is() {
        let volume = Volume::new();
        let mut audit = volume.audit(10);
        for line in ["one\n", "two\n", "three\n", "four\n", "a line that is longer\n", "five\n"] {
            audit.write_all(line.as_bytes()).unwrap();
        }
        assert_eq!(volume.content(), "five\n");
        assert_eq!(fs::read_to_string(predecessor(&volume.file())).unwrap(), "a line that is longer\n");
        assert_eq!(fs::read_dir(&volume.0).unwrap().count(), 2);
        assert_eq!(audit.fallback, b"");
    }

    #[test]
    fn what_cannot_be_written_goes_to_standard_output() {
        let volume = Volume::new();
        fs::create_dir(volume.file()).unwrap();
        let mut audit = volume.audit(MAX_BYTES);
        audit.write_all(b"one\n").unwrap();
        assert_eq!(audit.fallback, b"one\n");
        fs::remove_dir(volume.file()).unwrap();
        audit.write_all(b"two\n").unwrap();
        assert_eq!((volume.content().as_str(), &audit.fallback[..]), ("two\n", &b"one\n"[..]));
    }

    /// `/dev/full` takes nothing.
    #[test]
    fn a_line_behind_a_torn_one_is_whole() {
        let volume = Volume::new();
        fs::write(volume.file(), "{\"torn").unwrap();
        let mut audit = volume.audit(MAX_BYTES);
        audit.open =
            Some(Open { file: OpenOptions::new().append(true).open("/dev/full").unwrap(), bytes: 0 });
        audit.write_all(b"one\n").unwrap();
        audit.write_all(b"two\n").unwrap();
        audit.write_all(b"three\n").unwrap();
        assert_eq!(volume.content(), "{\"torn\ntwo\nthree\n");
        assert_eq!(audit.fallback, b"one\n");
    }

    #[test]
    fn nobody_leads_the_lines_elsewhere() {
        let volume = Volume::new();
        let elsewhere = volume.0.join("elsewhere");
        fs::write(&elsewhere, "").unwrap();
        symlink(&elsewhere, volume.file()).unwrap();
        let mut audit = volume.audit(MAX_BYTES);
        audit.write_all(b"one\n").unwrap();
        assert_eq!((fs::read(&elsewhere).unwrap(), &audit.fallback[..]), (Vec::new(), &b"one\n"[..]));

        fs::remove_file(volume.file()).unwrap();
        assert!(std::process::Command::new("mkfifo").arg(volume.file()).status().unwrap().success());
        // With a reader it would open.
        let _reader = OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK).open(volume.file());
        audit.write_all(b"two\n").unwrap();
        assert_eq!(audit.fallback, b"one\ntwo\n");
    }
}
