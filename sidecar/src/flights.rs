//! One call for all who want the same answer at the same time.

use std::{
    collections::HashMap,
    hash::Hash,
    sync::{Arc, Mutex, PoisonError},
};

use futures::{
    FutureExt as _,
    future::{BoxFuture, Shared},
};

/// A call under way, for everybody who waits for it.
type Flight<V> = Shared<BoxFuture<'static, Option<V>>>;

/// Calls under way, by what they ask. Clones share them.
pub struct Flights<K, V> {
    running: Arc<Mutex<HashMap<K, Flight<V>>>>,
}

impl<K, V> Clone for Flights<K, V> {
    fn clone(&self) -> Self {
        Self { running: Arc::clone(&self.running) }
    }
}

impl<K, V> Default for Flights<K, V> {
    fn default() -> Self {
        Self { running: Arc::default() }
    }
}

impl<K, V> Flights<K, V>
where
    K: Hash + Eq + Clone + Send + 'static,
    V: Clone + Send + Sync + 'static,
{
    /// The answer of the call for `key` that is under way, else of `call`. The call goes on when whoever asked has
    /// gone. `None`: the call ended without an answer (it panicked, or the runtime ends).
    pub async fn join(&self, key: K, call: impl Future<Output = V> + Send + 'static) -> Option<V> {
        let flight = {
            let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
            running.entry(key.clone()).or_insert_with(|| self.depart(key, call)).clone()
        };
        flight.await
    }

    fn depart(&self, key: K, call: impl Future<Output = V> + Send + 'static) -> Flight<V> {
        let landed = Landed { flights: self.clone(), key };
        let task = tokio::spawn(async move {
            let _landed = landed;
            call.await
        });
        task.map(Result::ok).boxed().shared()
    }
}

/// Ends the flight when dropped, however the call ended.
struct Landed<K: Hash + Eq, V> {
    flights: Flights<K, V>,
    key: K,
}

impl<K: Hash + Eq, V> Drop for Landed<K, V> {
    fn drop(&mut self) {
        self.flights.running.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::future::join_all;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use tokio::sync::Notify;

    #[tokio::test]
    async fn all_who_ask_at_once_share_one_call() {
        let flights: Flights<u8, usize> = Flights::default();
        let calls = Arc::new(AtomicUsize::new(0));
        let go = Arc::new(Notify::new());
        let ask = |key: u8| {
            let (calls, go) = (Arc::clone(&calls), Arc::clone(&go));
            flights.join(key, async move {
                let number = calls.fetch_add(1, Ordering::SeqCst);
                go.notified().await;
                number
            })
        };
        let together = join_all((0..20).map(|_| ask(1)));
        let other = async {
            go.notify_one();
        };
        let (answers, ()) = tokio::join!(together, other);
        assert!(answers.iter().all(|answer| *answer == Some(0)));
        // The next one calls again.
        go.notify_one();
        assert_eq!(ask(1).await, Some(1));
    }

    #[tokio::test]
    async fn a_call_that_dies_is_no_answer_and_blocks_nobody() {
        let flights: Flights<u8, usize> = Flights::default();
        assert_eq!(flights.join(1, async { panic!("as a test") }).await, None);
        assert_eq!(flights.join(1, async { 7 }).await, Some(7));
    }

    #[tokio::test]
    async fn a_call_goes_on_without_whom_asked_for_it() {
        let flights: Flights<u8, usize> = Flights::default();
        let go = Arc::new(Notify::new());
        let waits = Arc::clone(&go);
        let mut first = Box::pin(flights.join(1, async move {
            waits.notified().await;
            1
        }));
        assert!(futures::poll!(first.as_mut()).is_pending());
        drop(first);
        go.notify_one();
        assert_eq!(flights.join(1, async { 2 }).await, Some(1));
    }
}
