//! The report as a file: a line of JSON about the file, then one for each entry. Pure.

use restward_crds::sidecar::admin::PasswordLogins;
use serde::{Deserialize, Serialize};

use super::Tables;

/// Largest file, in bytes. Beside its successor it fits into the volume twice.
pub(super) const MAX_SIZE: usize = 1024 * 1024;
/// Format of the file; another is not read.
const VERSION: u32 = 1;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Head {
    version: u32,
    since: i64,
}

/// Why a file is not read. Says nothing of what is in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum FileError {
    /// Nobody reads it whole.
    #[error("it is larger than 1 MiB")]
    TooLarge,
    /// Another version's, or nobody's.
    #[error("it is not what this version of the sidecar writes")]
    NotOurs,
}

/// The file with these tables, the more important first, each latest first. What is too much is left out from the end.
pub(super) fn written(since: i64, tables: &[Vec<PasswordLogins>]) -> Vec<u8> {
    // Neither can fail to serialize: no maps, no foreign writers.
    let mut file = serde_json::to_vec(&Head { version: VERSION, since }).unwrap_or_default();
    for entry in tables.iter().flatten() {
        let line = serde_json::to_vec(entry).unwrap_or_default();
        if file.len() + 1 + line.len() > MAX_SIZE {
            break;
        }
        file.push(b'\n');
        file.extend(line);
    }
    file
}

/// The tables of a file.
pub(super) fn read(file: &[u8]) -> Result<Tables, FileError> {
    if file.len() > MAX_SIZE {
        return Err(FileError::TooLarge);
    }
    let mut lines = file.split(|byte| *byte == b'\n');
    let head: Option<Head> = lines.next().and_then(|line| serde_json::from_slice(line).ok());
    let head = head.filter(|head| head.version == VERSION).ok_or(FileError::NotOurs)?;
    let entries: Result<Vec<PasswordLogins>, _> = lines.map(serde_json::from_slice).collect();
    let mut tables = Tables { is_saved: true, ..Tables::empty(head.since) };
    // The latest last: who has not called for longest is forgotten first.
    for PasswordLogins { who, seen } in entries.map_err(|_| FileError::NotOurs)?.into_iter().rev() {
        tables.table(who.outcome).insert(who, seen);
    }
    Ok(tables)
}

#[cfg(test)]
mod tests {
    use restward_crds::sidecar::admin::{Fate, Seen, Who};

    use super::super::entries;
    use super::*;

    fn entry(user: &str, outcome: Fate, last: i64) -> PasswordLogins {
        let who = Who {
            user: Some(user.to_owned()),
            user_agent: "curl/8 \"\n\u{1}".to_owned(),
            address: "2001:db8::1".parse().unwrap(),
            path_class: "protected".into(),
            outcome,
        };
        PasswordLogins { who, seen: Seen { first: 1, last, count: 7 } }
    }

    #[test]
    fn what_was_written_is_read() {
        let accepted = vec![entry("jürgen", Fate::Accepted, 9), entry("bob", Fate::Accepted, 2)];
        let others = vec![entry("eve", Fate::Refused, 8), entry("eve", Fate::Rejected, 3)];
        let file = written(5, &[accepted, others]);
        let tables = read(&file).unwrap();
        assert_eq!((tables.since, tables.is_saved), (5, true));
        assert_eq!((tables.accepted.len(), tables.others.len()), (2, 2));
        assert_eq!(written(5, &[entries(&tables.accepted), entries(&tables.others)]), file);
        assert_eq!(read(&written(5, &[])).unwrap().accepted.len(), 0);
    }

    #[test]
    fn strangers_fill_no_file_and_push_nobody_out_of_it() {
        let long = "x".repeat(250) + &"\u{1}".repeat(1000);
        let strangers = (0..1024).map(|i| entry(&format!("{i}{long}"), Fate::Rejected, i)).collect();
        let file = written(5, &[vec![entry("alice", Fate::Accepted, 1)], strangers]);
        assert!((MAX_SIZE - 10_000..=MAX_SIZE).contains(&file.len()), "{}", file.len());
        let tables = read(&file).unwrap();
        assert_eq!(tables.accepted.len(), 1);
        assert!(tables.others.len() > 100);
    }

    #[test]
    fn what_is_not_ours_is_not_read() {
        let good = written(5, &[vec![entry("alice", Fate::Accepted, 1)]]);
        let text = String::from_utf8(good.clone()).unwrap();
        for bad in [
            String::new(),
            "{}".to_owned(),
            text.replacen("\"version\":1", "\"version\":2", 1),
            text.replace("accepted", "welcome"),
            format!("{text}\n"),
            text[..text.len() - 1].to_owned(),
            format!("{text}\n{{\"user\":1}}"),
        ] {
            assert_eq!(read(bad.as_bytes()).err(), Some(FileError::NotOurs), "{bad}");
        }
        assert!(read(&good).is_ok());
        assert_eq!(read(&vec![b'x'; MAX_SIZE + 1]).err(), Some(FileError::TooLarge));
    }
}
