//! Work that gathers while work of the same kind is under way, and is then done together: one lookup, one transaction, one wait for the
//! disk for all who came meanwhile. Whoever comes when nothing is under way goes at once and waits for nobody.
//!
//! It must not know what the work is. An asker is answered after the turn that served him, never before; if he goes away, his item is still
//! worked at. A turn that panics or takes longer than [`LIMIT`] answers nobody: its askers get [`Refused::Lost`], and the next turn begins.

mod turns;

use futures::FutureExt;
use std::{
    collections::HashMap,
    hash::Hash,
    panic::AssertUnwindSafe,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::sync::{Notify, oneshot};
pub(crate) use turns::Bounds;
use turns::Turns;

/// No turn takes longer. Above what the record needs to give up by itself.
const LIMIT: Duration = Duration::from_secs(30);

/// What is done together.
pub(crate) trait Work: Send + Sync + 'static {
    /// What is done together has the same key.
    type Key: Clone + Eq + Hash + Send + Sync + 'static;
    /// What an asker hands in.
    type Item: Send + 'static;
    /// What he gets.
    type Answer: Send + 'static;

    /// How much memory an item takes, in bytes.
    fn weight(item: &Self::Item) -> usize;

    /// Does it; answers in the order of the items.
    fn turn(&self, key: &Self::Key, items: Vec<Self::Item>) -> impl Future<Output = Vec<Self::Answer>> + Send;

    /// So many more (or fewer) wait than before. For metrics.
    fn waiting(&self, _change: i64) {}
}

/// Why there is no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refused {
    /// Too much waits already. Nothing was done.
    #[error("too much waits already")]
    Full,
    /// The turn broke off. It may have been done or not.
    #[error("the work broke off")]
    Lost,
}

/// The work, and who waits for it. Cloning it is cheap.
pub(crate) struct Gather<W: Work>(Arc<Inner<W>>);

impl<W: Work> Clone for Gather<W> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

type Asked<W> = (<W as Work>::Item, oneshot::Sender<<W as Work>::Answer>);
/// A key is there while a turn of it is under way.
type Queues<W> = HashMap<<W as Work>::Key, Turns<Asked<W>>>;

struct Inner<W: Work> {
    work: W,
    bounds: Bounds,
    limit: Duration,
    queues: Mutex<Queues<W>>,
    idle: Notify,
}

impl<W: Work> Gather<W> {
    /// Nothing waits yet.
    pub(crate) fn new(work: W, bounds: Bounds) -> Self {
        Self::limited(work, bounds, LIMIT)
    }

    fn limited(work: W, bounds: Bounds, limit: Duration) -> Self {
        Self(Arc::new(Inner { work, bounds, limit, queues: Mutex::default(), idle: Notify::new() }))
    }

    /// Has an item worked at, together with all others of its key that wait.
    pub(crate) async fn ask(&self, key: W::Key, item: W::Item) -> Result<W::Answer, Refused> {
        let (answer, answered) = oneshot::channel();
        let weight = W::weight(&item);
        let begin = {
            let mut queues = self.0.queues();
            let turns = queues.entry(key.clone()).or_insert(Turns::new());
            turns.offer((item, answer), weight, &self.0.bounds).map_err(|_| Refused::Full)?
        };
        self.0.work.waiting(1);
        if begin {
            // A task of its own: an asker that goes away must not take the others' turn with him.
            tokio::spawn(self.0.clone().run(key));
        }
        answered.await.map_err(|_| Refused::Lost)
    }

    /// Returns once nothing waits and nothing is under way.
    pub(crate) async fn finished(&self) {
        loop {
            let idle = self.0.idle.notified();
            tokio::pin!(idle);
            idle.as_mut().enable();
            if self.0.queues().is_empty() {
                return;
            }
            idle.await;
        }
    }
}

impl<W: Work> Inner<W> {
    fn queues(&self) -> MutexGuard<'_, Queues<W>> {
        self.queues.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn next(&self, key: &W::Key) -> Option<Vec<Asked<W>>> {
        let mut queues = self.queues();
        let turn = queues.get_mut(key)?.next(&self.bounds);
        if turn.is_none() {
            queues.remove(key);
            if queues.is_empty() {
                self.idle.notify_waiters();
            }
        }
        turn
    }

    async fn run(self: Arc<Self>, key: W::Key) {
        while let Some(turn) = self.next(&key) {
            let (items, askers): (Vec<_>, Vec<_>) = turn.into_iter().unzip();
            self.work.waiting(i64::try_from(items.len()).unwrap_or(i64::MAX).saturating_neg());
            let work = AssertUnwindSafe(self.work.turn(&key, items)).catch_unwind();
            match tokio::time::timeout(self.limit, work).await {
                Ok(Ok(answers)) => {
                    for (asker, answer) in askers.into_iter().zip(answers) {
                        // Who has gone away hears nothing.
                        let _ = asker.send(answer);
                    }
                }
                // The panic's hook has written it to the log.
                Ok(Err(_)) => {}
                Err(_) => tracing::warn!(askers = askers.len(), "a turn took too long"),
            }
        }
    }
}

#[cfg(test)]
mod tests;
