//! Whose outbox is looked at next: each tenant by one at a time, many tenants at once, in the order in which they were woken.

use std::collections::{BTreeSet, VecDeque};

/// Tenants that wait, and tenants that are being served.
#[derive(Debug)]
pub(crate) struct Queue<T> {
    waiting: VecDeque<T>,
    running: BTreeSet<T>,
    /// Woken while being served: what woke them may have come too late to be seen.
    again: BTreeSet<T>,
}

impl<T> Default for Queue<T> {
    fn default() -> Self {
        Self { waiting: VecDeque::new(), running: BTreeSet::new(), again: BTreeSet::new() }
    }
}

impl<T: Copy + Ord> Queue<T> {
    /// There may be something new for one.
    pub(crate) fn wake(&mut self, one: T) {
        if self.running.contains(&one) {
            self.again.insert(one);
        } else if !self.waiting.contains(&one) {
            self.waiting.push_back(one);
        }
    }

    /// The next to serve, unless `limit` are being served.
    pub(crate) fn start(&mut self, limit: usize) -> Option<T> {
        if self.running.len() >= limit {
            return None;
        }
        let next = self.waiting.pop_front()?;
        self.running.insert(next);
        Some(next)
    }

    /// One has been served; `more` says that something is left.
    pub(crate) fn done(&mut self, one: T, more: bool) {
        self.running.remove(&one);
        if self.again.remove(&one) || more {
            self.wake(one);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn one_that_is_woken_while_served_is_served_again_and_never_twice_at_once() {
        let mut queue = Queue::default();
        queue.wake(1);
        queue.wake(1);
        queue.wake(2);
        assert_eq!((queue.start(2), queue.start(2), queue.start(2)), (Some(1), Some(2), None));
        queue.wake(1);
        assert_eq!(queue.start(9), None);
        queue.done(1, false);
        assert_eq!((queue.start(9), queue.start(9)), (Some(1), None));
        queue.done(1, false);
        queue.done(2, true);
        assert_eq!((queue.start(9), queue.start(9)), (Some(2), None));
    }

    proptest! {
        /// 0: wake, 1: start, 2: finish the first that is being served.
        #[test]
        fn no_wake_is_lost(steps in prop::collection::vec((0..3_u8, 0..5_u8), 0..200)) {
            let (mut queue, mut running, mut owed) = (Queue::default(), Vec::new(), BTreeSet::new());
            for (step, one) in steps {
                match step {
                    0 => {
                        queue.wake(one);
                        owed.insert(one);
                    }
                    1 => running.extend(queue.start(3).inspect(|started| {
                        prop_assert_ok(!running.contains(started));
                        owed.remove(started);
                    })),
                    _ if running.is_empty() => {}
                    _ => queue.done(running.remove(0), false),
                }
                prop_assert!(running.len() <= 3);
            }
            while let Some(started) = queue.start(usize::MAX) {
                owed.remove(&started);
                queue.done(started, false);
            }
            for one in running {
                queue.done(one, false);
            }
            while let Some(started) = queue.start(usize::MAX) {
                owed.remove(&started);
                queue.done(started, false);
            }
            prop_assert!(owed.is_empty());
        }
    }

    fn prop_assert_ok(holds: bool) {
        assert!(holds, "served twice at once");
    }
}
