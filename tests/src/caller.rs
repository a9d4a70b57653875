//! Somebody with a token who never stops calling, while something else happens.

use std::{
    collections::BTreeMap,
    fmt,
    time::{Duration, Instant},
};

use anyhow::{Result, bail, ensure};
use serde_json::json;
use tokio::{sync::watch, task::JoinHandle};

use crate::{
    keycloak::token_of,
    wait::{QUICK, eventually},
    wiki::{Auth, ECHO, finish, get},
    world::World,
};

const PAUSE: Duration = Duration::from_millis(50);
const USER: &str = "alice";

/// What the caller saw.
#[derive(Debug, Default)]
pub struct Seen {
    /// Answers that name the token's user.
    pub well: u64,
    /// Other answers, by status and reason.
    pub other: BTreeMap<String, u64>,
    /// Calls without an answer, by their error.
    pub lost: BTreeMap<String, u64>,
    /// Tokens that were got for it.
    pub tokens: u64,
    /// Longest time from one good answer to the next.
    pub longest_gap: Duration,
}

impl Seen {
    /// Whether there were calls, and all went well.
    pub fn is_clean(&self) -> bool {
        self.well > 0 && self.other.is_empty() && self.lost.is_empty()
    }
}

impl fmt::Display for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "200 {}× with {} tokens, longest gap {:?}", self.well, self.tokens, self.longest_gap)?;
        self.other.iter().chain(&self.lost).try_for_each(|(what, times)| write!(f, ", {what} {times}×"))
    }
}

/// The caller, at work.
#[derive(Debug)]
pub struct Caller {
    stop: watch::Sender<bool>,
    seen: watch::Receiver<u64>,
    task: JoinHandle<Result<Seen>>,
}

impl Caller {
    /// As alice, by tokens of `client`, each for so many rounds of a GET and a POST.
    pub fn start(world: &World, client: &'static str, rounds_per_token: u32) -> Self {
        let (stop, stopped) = watch::channel(false);
        let (count, seen) = watch::channel(0);
        let task = tokio::spawn(work(world.clone(), client, rounds_per_token, stopped, count));
        Self { stop, seen, task }
    }

    /// Waits for so many further good answers.
    ///
    /// # Errors
    /// The caller has ended; says why.
    pub async fn goes_on(&mut self, calls: u64) -> Result<()> {
        let end = *self.seen.borrow() + calls;
        if self.seen.wait_for(|seen| *seen >= end).await.is_err() {
            let seen = (&mut self.task).await??;
            bail!("the caller has ended: {seen}");
        }
        Ok(())
    }

    /// Ends, and tells.
    ///
    /// # Errors
    /// No token was to be had, or an answer named another user.
    pub async fn stop(self) -> Result<Seen> {
        self.stop.send_replace(true);
        self.task.await?
    }

    /// Ends some calls later, and tells.
    ///
    /// # Errors
    /// A call had another outcome than the token's user.
    pub async fn stop_clean(mut self) -> Result<Seen> {
        self.goes_on(100).await?;
        let seen = self.stop().await?;
        ensure!(seen.is_clean(), "{seen}");
        Ok(seen)
    }
}

async fn work(
    world: World,
    client: &str,
    rounds_per_token: u32,
    stopped: watch::Receiver<bool>,
    count: watch::Sender<u64>,
) -> Result<Seen> {
    let mut seen = Seen::default();
    let mut last = Instant::now();
    while !*stopped.borrow() {
        // Keycloak itself may drop a connection while it takes another certificate; what is looked at is the wiki.
        let token = eventually("Keycloak gives a token", QUICK, || token_of(&world, client, USER)).await?;
        let token = Auth::Bearer(token);
        seen.tokens += 1;
        for _ in 0..rounds_per_token {
            let post = world.http.post(format!("{}{ECHO}", world.wiki_url)).json(&json!({"a": 1}));
            for answer in [get(&world, ECHO, &token).await, finish(post, &token).await] {
                match answer {
                    Ok(answer) if answer.status == 200 => {
                        let is_hers = answer.echoed_user().as_deref() == Some(USER);
                        ensure!(is_hers, "a call ran as another: {}", answer.body);
                        seen.well += 1;
                        count.send_replace(seen.well);
                        seen.longest_gap = seen.longest_gap.max(last.elapsed());
                        last = Instant::now();
                    }
                    Ok(answer) => {
                        let what = format!("{} {}", answer.status, answer.reason().unwrap_or_default());
                        *seen.other.entry(what).or_default() += 1;
                    }
                    Err(error) => *seen.lost.entry(format!("{error:#}")).or_default() += 1,
                }
            }
            if *stopped.borrow() {
                break;
            }
            tokio::time::sleep(PAUSE).await;
        }
    }
    seen.longest_gap = seen.longest_gap.max(last.elapsed());
    Ok(seen)
}
