#![allow(clippy::unwrap_used, clippy::panic)]
use super::*;
use std::sync::atomic::{AtomicI64, Ordering};
use tokio::sync::Semaphore;

const BOUNDS: Bounds = Bounds { turn: 4, turn_weight: 100, waiting: 6, waiting_weight: 1_000 };

/// Each turn waits for leave, then doubles its numbers. 13 makes it panic, 99 makes it last for ever.
struct Doubling {
    leave: Semaphore,
    turns: Mutex<Vec<(char, Vec<u64>)>>,
    waiting: AtomicI64,
}

impl Work for Arc<Doubling> {
    type Key = char;
    type Item = u64;
    type Answer = u64;

    fn weight(_: &u64) -> usize {
        1
    }

    async fn turn(&self, key: &char, items: Vec<u64>) -> Vec<u64> {
        self.leave.acquire().await.unwrap().forget();
        self.turns.lock().unwrap().push((*key, items.clone()));
        assert!(!items.contains(&13), "a test's panic");
        if items.contains(&99) {
            std::future::pending::<()>().await;
        }
        items.into_iter().map(|n| n * 2).collect()
    }

    fn waiting(&self, change: i64) {
        self.waiting.fetch_add(change, Ordering::Relaxed);
    }
}

fn rig(leave: usize) -> (Gather<Arc<Doubling>>, Arc<Doubling>) {
    let work = Arc::new(Doubling { leave: Semaphore::new(leave), turns: Mutex::default(), waiting: AtomicI64::new(0) });
    (Gather::new(work.clone(), BOUNDS), work)
}

type Asking = tokio::task::JoinHandle<Result<u64, Refused>>;

/// Asks, and lets the asker get as far as he gets. Tests run on one thread, so that this is the same each time.
async fn ask(gather: &Gather<Arc<Doubling>>, key: char, n: u64) -> Asking {
    let gather = gather.clone();
    let asking = tokio::spawn(async move { gather.ask(key, n).await });
    for _ in 0..10 {
        tokio::task::yield_now().await;
    }
    asking
}

#[tokio::test]
async fn who_comes_while_a_turn_is_under_way_shares_the_next_and_keys_do_not_wait_for_each_other() {
    let (gather, work) = rig(0);
    let mut asking = Vec::new();
    for n in 1..=6 {
        asking.push(ask(&gather, 'a', n).await);
    }
    let other = ask(&gather, 'b', 50).await;
    assert_eq!(work.waiting.load(Ordering::Relaxed), 5, "the first of each key went at once");
    work.leave.add_permits(9);
    assert_eq!(other.await.unwrap(), Ok(100));
    for (n, asking) in (1..).zip(asking) {
        assert_eq!(asking.await.unwrap(), Ok(n * 2), "each gets his own answer");
    }
    gather.finished().await;
    let mut turns = work.turns.lock().unwrap().clone();
    turns.sort_by_key(|turn| turn.0);
    assert_eq!(turns, [('a', vec![1]), ('a', vec![2, 3, 4, 5]), ('a', vec![6]), ('b', vec![50])]);
    assert!(gather.0.queues().is_empty(), "memory follows the traffic");
}

#[tokio::test]
async fn who_comes_when_too_much_waits_is_refused_at_once_and_nobody_else() {
    let (gather, work) = rig(0);
    let mut asking = Vec::new();
    for n in 0..7 {
        asking.push(ask(&gather, 'a', n).await);
    }
    assert_eq!(gather.ask('a', 8).await, Err(Refused::Full));
    let other = ask(&gather, 'b', 1).await;
    work.leave.add_permits(9);
    for asking in asking.into_iter().chain([other]) {
        assert!(asking.await.unwrap().is_ok());
    }
    assert_eq!(gather.ask('a', 8).await, Ok(16));
    assert_eq!(work.waiting.load(Ordering::Relaxed), 0);
}

#[tokio::test]
async fn what_was_taken_in_is_finished_though_its_asker_has_gone() {
    let (gather, work) = rig(0);
    for n in 1..=3 {
        ask(&gather, 'a', n).await.abort();
    }
    let finished = tokio::spawn({
        let gather = gather.clone();
        async move { gather.finished().await }
    });
    tokio::task::yield_now().await;
    assert!(!finished.is_finished());
    work.leave.add_permits(9);
    finished.await.unwrap();
    assert_eq!(*work.turns.lock().unwrap(), [('a', vec![1]), ('a', vec![2, 3])]);
}

#[tokio::test]
async fn a_turn_that_panics_or_never_ends_is_nobodys_success_and_the_next_begins() {
    let work = rig(9).1;
    // Whatever does not end at once takes too long.
    let gather = Gather::limited(work.clone(), BOUNDS, Duration::ZERO);
    for bad in [13, 99] {
        assert_eq!(gather.ask('a', bad).await, Err(Refused::Lost));
        assert_eq!(gather.ask('a', 5).await, Ok(10));
    }
    gather.finished().await;
}
