//! The file of a Unix socket outlives a Tomcat that was killed. The next one cannot listen there ("Address already in use"),
//! and stays alive without a connector (measured with Tomcat 9.0.117). So the file is removed before the next one comes: a
//! container and its JVM take more than a second to start.

use std::{
    fs::{self, Permissions},
    io,
    os::unix::fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
    time::Duration,
};

use tokio_util::sync::CancellationToken;

use crate::verify::network;

/// Between two looks; the second one in a row that sees the same removes it. A file whose socket is just being bound is
/// there for some microseconds before the kernel shows the socket.
const EVERY: Duration = Duration::from_millis(250);

/// Makes the directory of the socket at `path`, unless it is there. In the volume itself the sidecar could remove nothing of
/// Tomcat's: a volume in memory is everybody's with the sticky bit (`1777`, by kubelet 1.34). This directory is the sidecar's,
/// and open to the volume's group, which it inherits, alone.
///
/// # Errors
/// It cannot be made.
pub fn make_directory(path: &Path) -> io::Result<()> {
    let Some(directory) = path.parent().filter(|directory| !directory.exists()) else { return Ok(()) };
    // Tomcat never finds it half made.
    let unfinished = directory.with_extension("new");
    match fs::create_dir(&unfinished) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
        _ => fs::set_permissions(&unfinished, Permissions::from_mode(0o2770))?,
    }
    fs::rename(unfinished, directory)
}

/// Looks after the socket at `path` until `shutdown`. `proc` is where the kernel shows who listens.
pub async fn remove(path: PathBuf, proc: PathBuf, shutdown: CancellationToken) {
    let mut before = None;
    let forever = async {
        loop {
            let (path, proc) = (path.clone(), proc.clone());
            let look = tokio::task::spawn_blocking(move || step(&path, &proc, before));
            before = match look.await {
                Ok(Ok(seen)) => seen,
                Ok(Err(error)) => {
                    tracing::debug!(%error, "whether Tomcat's socket is in use is not known");
                    None
                }
                Err(_) => None,
            };
            tokio::time::sleep(EVERY).await;
        }
    };
    shutdown.run_until_cancelled(forever).await;
}

/// One look. Gives the inode of a file that nobody listens on, and removes it when that was so `before`.
fn step(path: &Path, proc: &Path, before: Option<u64>) -> io::Result<Option<u64>> {
    let inode = match fs::symlink_metadata(path) {
        Ok(file) if file.file_type().is_socket() => file.ino(),
        Ok(_) => return Ok(None),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    if network::unix_sockets(proc)?.iter().any(|socket| Path::new(&socket.path) == path) {
        return Ok(None);
    }
    if before != Some(inode) {
        return Ok(Some(inode));
    }
    fs::remove_file(path)?;
    tracing::warn!(path = %path.display(), "Tomcat was killed and left its socket behind: removed");
    Ok(None)
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixListener;

    use super::*;
    use crate::random;

    fn path() -> PathBuf {
        std::env::temp_dir().join(format!("restward-{}.sock", random::hex_128().unwrap()))
    }

    #[test]
    fn only_a_socket_that_nobody_holds_twice_in_a_row_is_removed() {
        let (path, proc) = (path(), Path::new("/proc"));
        assert_eq!(step(&path, proc, None).unwrap(), None, "there is none");
        let listener = UnixListener::bind(&path).unwrap();
        let inode = fs::symlink_metadata(&path).unwrap().ino();
        assert_eq!(step(&path, proc, Some(inode)).unwrap(), None, "in use");
        drop(listener);
        assert_eq!(step(&path, proc, None).unwrap(), Some(inode));
        assert_eq!(step(&path, proc, Some(inode + 1)).unwrap(), Some(inode), "another one was seen before");
        assert!(path.exists());
        assert_eq!(step(&path, proc, Some(inode)).unwrap(), None);
        assert!(!path.exists());
        UnixListener::bind(&path).unwrap();
        fs::remove_file(path).unwrap();
    }

    #[test]
    fn the_directory_is_its_makers_and_its_groups() {
        let volume = path();
        fs::create_dir(&volume).unwrap();
        let mode = |of: &Path| fs::metadata(of).unwrap().permissions().mode() & 0o7777;
        let before = mode(&volume);
        let socket = volume.join("tomcat/tomcat.sock");
        for _ in 0..2 {
            make_directory(&socket).unwrap();
            assert_eq!(mode(&volume.join("tomcat")), 0o2770);
        }
        make_directory(&volume.join("tomcat.sock")).unwrap();
        assert_eq!(mode(&volume), before, "a directory that was there is left as it is");
        assert!(make_directory(&volume.join("a/b/tomcat.sock")).is_err());
        fs::remove_dir_all(volume).unwrap();
    }

    #[test]
    fn nothing_is_removed_that_is_no_socket_or_while_the_kernel_shows_nothing() {
        let (path, nowhere) = (path(), Path::new("/nonexistent"));
        fs::write(&path, "x").unwrap();
        let inode = fs::symlink_metadata(&path).unwrap().ino();
        assert_eq!(step(&path, Path::new("/proc"), Some(inode)).unwrap(), None);
        fs::remove_file(&path).unwrap();
        drop(UnixListener::bind(&path).unwrap());
        let inode = fs::symlink_metadata(&path).unwrap().ino();
        assert!(step(&path, nowhere, Some(inode)).is_err());
        fs::remove_file(path).unwrap();
    }

    #[tokio::test]
    async fn what_a_killed_tomcat_leaves_is_removed_soon() {
        let path = path();
        drop(UnixListener::bind(&path).unwrap());
        let shutdown = CancellationToken::new();
        let task = tokio::spawn(remove(path.clone(), "/proc".into(), shutdown.clone()));
        let gone = async {
            while path.exists() {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        assert!(tokio::time::timeout(20 * EVERY, gone).await.is_ok());
        shutdown.cancel();
        task.await.unwrap();
    }
}
