//! Taking turns: one command at a time per gateway.
//!
//! A gateway has one radio and answers "busy" to a second command. Waiting here is cheaper than being refused there. It holds within
//! this process; between processes the vendor's "busy" remains, and is retried.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{Mutex as AsyncMutex, OwnedMutexGuard};
use tokio::time::{Instant, timeout_at};

/// A turn; the next one starts when it is dropped.
#[derive(Debug)]
pub(crate) struct Turn(#[expect(dead_code, reason = "held for its drop")] OwnedMutexGuard<()>);

/// Queues by name.
#[derive(Debug, Default)]
pub(crate) struct Lanes(Mutex<BTreeMap<String, Arc<AsyncMutex<()>>>>);

impl Lanes {
    /// Waits for a turn; none when `deadline` comes first.
    pub(crate) async fn turn(&self, lane: &str, deadline: Instant) -> Option<Turn> {
        let queue = {
            let mut lanes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            // A queue that only this map knows has nobody in it.
            lanes.retain(|_, queue| Arc::strong_count(queue) > 1);
            lanes.entry(lane.to_owned()).or_default().clone()
        };
        timeout_at(deadline, queue.lock_owned()).await.ok().map(Turn)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::time::Duration;

    use super::*;

    #[tokio::test]
    async fn one_lane_waits_and_another_does_not() {
        let lanes = Lanes::default();
        let soon = Instant::now() + Duration::from_millis(5);
        let later = Instant::now() + Duration::from_secs(60);
        let first = lanes.turn("a", later).await.unwrap();
        assert!(lanes.turn("a", soon).await.is_none());
        assert!(lanes.turn("b", later).await.is_some());
        drop(first);
        assert!(lanes.turn("a", later).await.is_some());
    }
}
