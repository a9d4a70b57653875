//! What the operator asked of the API server, by its audit log.

use std::{collections::BTreeMap, fmt::Write as _, path::PathBuf};

use anyhow::Context as _;
use serde::Deserialize;
use tokio::io::{AsyncReadExt as _, AsyncSeekExt as _};

/// Kinds of requests that are listed.
const LISTED: usize = 12;

/// Reads the audit log on.
pub(crate) struct Requests {
    log: PathBuf,
    at: u64,
    reconciliations: u64,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Line {
    verb: String,
    #[serde(default)]
    object_ref: Object,
    #[serde(default)]
    response_status: Status,
}

#[derive(Default, Deserialize)]
struct Object {
    #[serde(default)]
    resource: String,
    #[serde(default)]
    subresource: String,
}

#[derive(Default, Deserialize)]
struct Status {
    #[serde(default)]
    code: u16,
}

impl Requests {
    /// Of this log, from its beginning.
    pub(crate) const fn of(log: PathBuf) -> Self {
        Self { log, at: 0, reconciliations: 0 }
    }

    /// What came since the last call; `reconciliations` is how many there were until now.
    pub(crate) async fn since(&mut self, reconciliations: u64) -> anyhow::Result<String> {
        let mut file = tokio::fs::File::open(&self.log).await.context("audit log")?;
        file.seek(std::io::SeekFrom::Start(self.at)).await?;
        let mut text = String::new();
        file.read_to_string(&mut text).await?;
        // The last line may not be whole yet.
        let whole = text.rfind('\n').map_or(0, |end| end + 1);
        self.at += u64::try_from(whole)?;
        let (mut kinds, mut sum): (BTreeMap<String, u64>, u64) = (BTreeMap::new(), 0);
        for line in text.get(..whole).unwrap_or_default().lines() {
            let Line { verb, object_ref: Object { resource, subresource }, response_status } =
                serde_json::from_str(line)?;
            let part = if subresource.is_empty() { subresource } else { format!("/{subresource}") };
            let refused =
                Some(response_status.code).filter(|code| *code >= 400).map(|code| format!(" {code}"));
            *kinds.entry(format!("{verb} {resource}{part}{}", refused.unwrap_or_default())).or_default() += 1;
            sum += 1;
        }
        let reconciled = reconciliations - self.reconciliations;
        self.reconciliations = reconciliations;
        let mut said = format!("    {sum} requests, {reconciled} reconciliations");
        let mut kinds: Vec<_> = kinds.into_iter().collect();
        kinds.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        for (kind, count) in kinds.into_iter().take(LISTED) {
            let _ = write!(said, "; {count} {kind}");
        }
        said.push('\n');
        Ok(said)
    }
}
