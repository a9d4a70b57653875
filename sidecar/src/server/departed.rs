//! Work on a request that goes on when its client has gone. hyper drops the work then; but what was sent to Confluence
//! runs there all the same, and its answer has to be checked and recorded.

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
};

use tokio::runtime::Handle;
use tokio_util::task::TaskTracker;

/// Work that is finished among `tasks` when it is dropped before its end. It holds what it held: its place among the
/// requests in flight, and a drain waits for it. Nothing is spawned for a client that stays.
pub struct Departed<F: Future<Output: Send> + Send + 'static> {
    work: Option<Pin<Box<F>>>,
    tasks: TaskTracker,
}

impl<F: Future<Output: Send> + Send + 'static> Departed<F> {
    /// See the type.
    pub fn new(work: F, tasks: TaskTracker) -> Self {
        Self { work: Some(Box::pin(work)), tasks }
    }
}

impl<F: Future<Output: Send> + Send + 'static> Future for Departed<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let Some(work) = &mut self.work else { return Poll::Pending };
        let output = ready!(work.as_mut().poll(cx));
        self.work = None;
        Poll::Ready(output)
    }
}

impl<F: Future<Output: Send> + Send + 'static> Drop for Departed<F> {
    fn drop(&mut self) {
        // Work that has panicked cannot go on, and without a runtime the process is ending.
        if let (Some(work), false, Ok(runtime)) =
            (self.work.take(), std::thread::panicking(), Handle::try_current())
        {
            self.tasks.spawn_on(work, &runtime);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
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
        );
        assert!(futures::poll!(&mut work).is_pending());
        drop(work);
        assert_eq!(tasks.len(), 1);
        go_on.notify_one();
        tasks.wait().await;
        assert!(is_done.load(Ordering::Relaxed));

        assert_eq!(Departed::new(async { 7 }, tasks.clone()).await, 7);
        let panics = Departed::new(async { panic!("as it is meant to") }, tasks.clone());
        assert!(tokio::spawn(panics).await.is_err());
        assert!(tasks.is_empty());
    }
}
