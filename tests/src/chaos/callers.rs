//! A caller with a token, all the time.

use std::{collections::BTreeMap, time::Duration};

use anyhow::Result;
use tokio::{sync::watch, task::JoinHandle};

use crate::{
    keycloak::user_token,
    wiki::{Auth, ECHO, get},
    world::World,
};

const PAUSE: Duration = Duration::from_millis(100);
/// A token is renewed long before it ends.
const CALLS_PER_TOKEN: u32 = 300;

/// What came back, and how often.
#[derive(Debug, Default)]
pub(super) struct Calls(BTreeMap<String, u64>);

impl Calls {
    pub(super) fn is_clean(&self) -> bool {
        self.0.keys().all(|seen| seen == "200") && self.0.contains_key("200")
    }

    pub(super) fn shown(&self) -> String {
        self.0.iter().map(|(seen, times)| format!("{seen} {times}×")).collect::<Vec<_>>().join(", ")
    }
}

/// The caller, at work.
pub(super) struct Caller {
    stop: watch::Sender<bool>,
    task: JoinHandle<Result<Calls>>,
}

impl Caller {
    pub(super) async fn start(world: &World, user: &'static str) -> Result<Self> {
        let (stop, stopped) = watch::channel(false);
        let world = World::find().await.map(|mut found| {
            found.http = world.http.clone();
            found
        })?;
        let task = tokio::spawn(call(world, user, stopped));
        Ok(Self { stop, task })
    }

    /// Ends, and tells.
    pub(super) async fn stop(self) -> Result<Calls> {
        self.stop.send_replace(true);
        self.task.await?
    }
}

async fn call(world: World, user: &'static str, stopped: watch::Receiver<bool>) -> Result<Calls> {
    let mut calls = Calls::default();
    while !*stopped.borrow() {
        let token = Auth::Bearer(user_token(&world, user).await?);
        for _ in 0..CALLS_PER_TOKEN {
            if *stopped.borrow() {
                break;
            }
            let seen = match get(&world, ECHO, &token).await {
                Ok(answer) if answer.status == 200 && answer.echoed_user().as_deref() == Some(user) => {
                    "200".into()
                }
                Ok(answer) => format!("{} {:?}", answer.status, answer.reason()),
                Err(error) => format!("{error:#}"),
            };
            *calls.0.entry(seen).or_default() += 1;
            tokio::time::sleep(PAUSE).await;
        }
    }
    Ok(calls)
}
