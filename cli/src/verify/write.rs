//! With `--write`: a page is made by token, a file is put to it and read again, and the page is removed.

use http::Method;
use restward_crds::sidecar::terms::Mode;
use serde_json::Value;

use super::{
    answer::Answer,
    ask::Ask,
    cases::{CONTENT, Case, Plan, lack},
    expected::Expected,
    tried::Tried,
    wiki::Wiki,
};

const PAGE: (&str, &str) = ("write-page", "a page made by token");
const UPLOAD: (&str, &str) = ("write-attachment", "a large attachment, uploaded by token");
const DOWNLOAD: (&str, &str) = ("read-attachment", "the attachment, downloaded by token");
const REMOVE: (&str, &str) = ("remove-page", "the page removed by token");
const FILE: &str = "restward-verify.bin";

/// What is written, and by whom.
pub(super) struct Work<'a> {
    pub(super) token: &'a str,
    pub(super) space: &'a str,
    /// Of the attachment.
    pub(super) bytes: usize,
}

/// All of it, skipped.
pub(super) fn skipped(why: &str) -> Vec<Tried> {
    [PAGE, UPLOAD, DOWNLOAD, REMOVE].map(|(name, about)| Tried::skipped(name, about, why)).into()
}

/// Why nothing is to be written, where that is so.
pub(super) fn work<'a>(
    mode: Mode,
    token: Option<&'a str>,
    space: Option<&'a str>,
    bytes: usize,
) -> Result<Work<'a>, &'static str> {
    match (mode, token, space) {
        (_, _, None) => {
            Err("give --write and --space, the key of a space in which the token's user may make a page")
        }
        (Mode::Off, ..) => Err(lack::ENFORCEMENT),
        (_, None, _) => Err(lack::TOKEN),
        (_, Some(token), Some(space)) => Ok(Work { token, space, bytes }),
    }
}

pub(super) async fn run(wiki: &Wiki, work: &Work<'_>) -> Vec<Tried> {
    let by_token = |ask: Ask| ask.bearer(work.token);
    let title = format!("kubectl restward {}", wiki.run);
    let (page, made) = step(wiki, PAGE, by_token(Wiki::page(work.space, &title)), Expected::Served).await;
    let Some(id) = made.as_ref().and_then(|made| id(&made.json())) else {
        let mut tried = skipped("no page was made");
        tried.splice(0..1, [page]);
        return tried;
    };
    let content = vec![b'x'; work.bytes];
    let (upload, stored) =
        step(wiki, UPLOAD, by_token(Wiki::attachment(&id, FILE, &content)), Expected::Served).await;
    let download = match stored.as_ref().and_then(|stored| link(&stored.json())) {
        Some(path) => {
            step(wiki, DOWNLOAD, by_token(Ask::get(path)), Expected::Bytes(work.bytes as u64)).await.0
        }
        None => Tried::skipped(DOWNLOAD.0, DOWNLOAD.1, "nothing was uploaded"),
    };
    let remove = by_token(Ask::new(Method::DELETE, format!("{CONTENT}/{id}")));
    let (removed, _) = step(wiki, REMOVE, remove, Expected::Served).await;
    vec![page, upload, download, removed]
}

async fn step(
    wiki: &Wiki,
    (name, about): (&'static str, &'static str),
    ask: Ask,
    expected: Expected,
) -> (Tried, Option<Answer>) {
    let case = Case { name, about, plan: Plan::Ask(Box::new(ask.clone()), expected.clone()) };
    match wiki.ask(name, ask).await {
        Ok(answer) => (Tried::judged(&case, &expected, &answer), Some(answer)),
        Err(failure) => (Tried::unanswered(&case, &expected, &failure), None),
    }
}

/// It becomes part of a path.
fn id(made: &Value) -> Option<String> {
    let id = made.get("id")?;
    let id = id.as_str().map_or_else(|| id.to_string(), ToOwned::to_owned);
    (!id.is_empty() && id.bytes().all(|byte| byte.is_ascii_digit())).then_some(id)
}

/// Where the attachment is, below the base URL.
fn link(stored: &Value) -> Option<String> {
    let path = stored.pointer("/results/0/_links/download")?.as_str()?;
    path.starts_with('/').then(|| path.to_owned())
}
