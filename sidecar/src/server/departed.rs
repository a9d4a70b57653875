//! Work on a request that goes on when its client has gone. hyper drops the work then; but what was sent to Confluence
//! runs there all the same, and its answer has to be checked and recorded.

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll},
};

use tokio::{
    runtime::Handle,
    time::{Duration, sleep},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

/// Tells the work on a request that its client has gone.
#[derive(Debug, Clone, Default)]
pub struct Departure(CancellationToken);

impl Departure {
    /// Ends when the client has been gone for so long.
    pub async fn for_longer_than(&self, time: Duration) {
        self.0.cancelled().await;
        sleep(time).await;
    }
}

/// Work that is finished among `tasks` when it is dropped before its end. It holds what it held: its place among the
/// requests in flight, and a drain waits for it. Nothing is spawned for a client that stays.
pub struct Departed<F: Future<Output: Send> + Send + 'static> {
    work: Option<Pin<Box<F>>>,
    tasks: TaskTracker,
    departure: Departure,
}

impl<F: Future<Output: Send> + Send + 'static> Departed<F> {
    /// See the type. `departure` says to the work that it goes on alone.
    pub fn new(work: F, tasks: TaskTracker, departure: Departure) -> Self {
        Self { work: Some(Box::pin(work)), tasks, departure }
    }
}

impl<F: Future<Output: Send> + Send + 'static> Future for Departed<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        // Taken, so that work that panics is gone and not gone on with.
        let Some(mut work) = self.work.take() else { return Poll::Pending };
        let output = work.as_mut().poll(cx);
        if output.is_pending() {
            self.work = Some(work);
        }
        output
    }
}

impl<F: Future<Output: Send> + Send + 'static> Drop for Departed<F> {
    fn drop(&mut self) {
        // Without a runtime the process is ending.
        if let (Some(work), Ok(runtime)) = (self.work.take(), Handle::try_current()) {
            self.departure.0.cancel();
            self.tasks.spawn_on(work, &runtime);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{
        future::poll_fn,
        sync::{
            Arc,
            atomic::{AtomicBool, AtomicUsize, Ordering},
        },
    };

    use tokio::sync::Notify;

    use super::*;

    #[tokio::test]
    async fn what_is_dropped_is_finished_and_what_panicked_is_not() {
        let tasks = TaskTracker::new();
        tasks.close();
        let (go_on, is_done) = (Arc::new(Notify::new()), Arc::<AtomicBool>::default());
        let (waits_for, done) = (Arc::clone(&go_on), Arc::clone(&is_done));
        let mut work = Departed::new(
            async move {
                waits_for.notified().await;
                done.store(true, Ordering::Relaxed);
            },
            tasks.clone(),
            Departure::default(),
        );
        assert!(futures::poll!(&mut work).is_pending());
        drop(work);
        assert_eq!(tasks.len(), 1);
        go_on.notify_one();
        tasks.wait().await;
        assert!(is_done.load(Ordering::Relaxed));

        assert_eq!(Departed::new(async { 7 }, tasks.clone(), Departure::default()).await, 7);
        let polled = Arc::<AtomicUsize>::default();
        let counted = Arc::clone(&polled);
        let panics = poll_fn(move |_| -> Poll<()> {
            counted.fetch_add(1, Ordering::Relaxed);
            panic!("as it is meant to")
        });
        assert!(tokio::spawn(Departed::new(panics, tasks.clone(), Departure::default())).await.is_err());
        tasks.wait().await;
        assert_eq!(polled.load(Ordering::Relaxed), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn a_departure_is_for_so_long_once_the_client_has_gone() {
        const TIME: Duration = Duration::from_mins(1);
        let departure = Departure::default();
        let (work, tasks) = (futures::future::pending::<()>(), TaskTracker::new());
        let mut work = Departed::new(work, tasks, departure.clone());
        assert!(futures::poll!(&mut work).is_pending());
        let is_over = |time| tokio::time::timeout(time, departure.for_longer_than(TIME));
        assert!(is_over(TIME * 100).await.is_err(), "it has not gone");
        drop(work);
        assert!(is_over(TIME / 2).await.is_err(), "too early");
        assert!(is_over(TIME * 2).await.is_ok());
    }
}
