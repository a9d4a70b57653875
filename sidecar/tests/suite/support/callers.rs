//! People at work.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicUsize, Ordering},
};

use serde_json::json;

use super::{World, eventually, exchange, keys, request};

const FORM: (&str, &str) = ("Content-Type", "application/x-www-form-urlencoded");
const JSON: (&str, &str) = ("Content-Type", "application/json");

/// Callers that never stop, each call with a token of its own; give how many calls they made, when told to stop, and all that
/// was not right.
pub(crate) struct Callers {
    is_over: Arc<AtomicBool>,
    made: Arc<AtomicUsize>,
    tasks: Vec<tokio::task::JoinHandle<Vec<String>>>,
}

impl Callers {
    pub(crate) fn start(world: &World) -> Self {
        let (is_over, made) = (Arc::<AtomicBool>::default(), Arc::<AtomicUsize>::default());
        let calls =
            [("GET", None, ""), ("POST", Some(JSON), r#"{"a":"b&c"}"#), ("POST", Some(FORM), "a=b&c=d+e")];
        let users = ["alice", "bob"];
        let tasks = calls.into_iter().flat_map(|call| users.map(|user| (call, user))).map(
            |((method, kind, body), user)| {
                let (is_over, made, to) = (Arc::clone(&is_over), Arc::clone(&made), world.running.data);
                let mut claims = world.idp.claims(user);
                tokio::spawn(async move {
                    let mut wrong = Vec::new();
                    while !is_over.load(Ordering::Relaxed) {
                        let number = made.fetch_add(1, Ordering::Relaxed);
                        claims["jti"] = json!(format!("call-{number}"));
                        let token = format!("Bearer {}", keys::sign(keys::realm(), "k1", &claims));
                        let headers: Vec<_> =
                            kind.into_iter().chain([("Authorization", token.as_str())]).collect();
                        let target = format!("/rest/api/content?call={number}");
                        let reply = exchange(to, &request(method, &target, &headers, body)).await;
                        if reply.status != 200 || reply.json()["user"] != user {
                            wrong.push(format!("{method} {body:?}: {} {}", reply.status, reply.text()));
                        }
                    }
                    wrong
                })
            },
        );
        Self { tasks: tasks.collect(), is_over, made }
    }

    /// Waits until so many more calls were made.
    pub(crate) async fn make(&self, more: usize) {
        let so_far = self.made.load(Ordering::Relaxed);
        eventually("calls are made", || async { self.made.load(Ordering::Relaxed) > so_far + more }).await;
    }

    /// Ends them, requires that every call was answered well, and says how many there were.
    pub(crate) async fn end(self) -> usize {
        self.is_over.store(true, Ordering::Relaxed);
        let mut wrong = Vec::new();
        for task in self.tasks {
            wrong.extend(task.await.unwrap());
        }
        assert!(wrong.is_empty(), "{} calls failed: {:#?}", wrong.len(), &wrong[..wrong.len().min(5)]);
        self.made.load(Ordering::Relaxed)
    }
}
