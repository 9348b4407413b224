//! How much of this process webhooks may fill, whoever sends them: from when a body is read until it is stored or refused.
//!
//! Queues have bounds for each tenant, which many tenants at once would add up to more than a process has; this bound is for all together.
//! It must not know what a body says, or whose it is. When there is no room, the sender is told to come again, and nothing was done.

use lock_telemetry::metrics;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What may be held at once.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Most {
    /// So many webhooks: each has a request that waits.
    pub(crate) webhooks: usize,
    /// So many bytes of bodies.
    pub(crate) bytes: usize,
}

/// The room, and what is held of it. Cloning it is cheap.
#[derive(Clone)]
pub(crate) struct Room(Arc<Inner>);

struct Inner {
    most: Most,
    held: Mutex<Held>,
}

#[derive(Debug, Default)]
struct Held {
    webhooks: usize,
    bytes: usize,
}

/// A webhook's share, given back when it is dropped: with what it was taken for.
pub(crate) struct Share {
    room: Room,
    bytes: usize,
}

impl Room {
    /// Nothing is held yet.
    pub(crate) fn new(most: Most) -> Self {
        Self(Arc::new(Inner { most, held: Mutex::default() }))
    }

    /// Room for one more webhook; `None` if there is none.
    pub(crate) fn take(&self, bytes: usize) -> Option<Share> {
        let mut held = self.held();
        let full = held.webhooks >= self.0.most.webhooks || held.bytes.saturating_add(bytes) > self.0.most.bytes;
        if full {
            return None;
        }
        held.webhooks += 1;
        held.bytes += bytes;
        metrics::webhooks_held_bytes(i64::try_from(bytes).unwrap_or(i64::MAX));
        Some(Share { room: self.clone(), bytes })
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        self.0.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        let mut held = self.room.held();
        held.webhooks = held.webhooks.saturating_sub(1);
        held.bytes = held.bytes.saturating_sub(self.bytes);
        metrics::webhooks_held_bytes(i64::try_from(self.bytes).unwrap_or(i64::MAX).saturating_neg());
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn who_finds_no_room_takes_none_and_what_is_given_back_is_room_again() {
        let room = Room::new(Most { webhooks: 3, bytes: 100 });
        let (a, b) = (room.take(60).unwrap(), room.take(40).unwrap());
        assert!(room.take(1).is_none(), "no byte is left");
        let c = room.take(0).unwrap();
        assert!(room.take(0).is_none(), "three are held");
        drop((a, c));
        assert!(room.take(61).is_none());
        let d = room.take(60).unwrap();
        drop((b, d));
        let held = room.held();
        assert_eq!((held.webhooks, held.bytes), (0, 0));
    }
}
