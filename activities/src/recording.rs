//! Answers that are recorded while other calls go on.
//!
//! It must not know what is called or recorded. Recording may wait long, for a lock that others hold; calls have time-outs of their own,
//! which are honest only for a call that can make its next step in the meantime. So both progress at once, in one task: answers that come
//! during a recording wait for the next one. It has no failures: what an answer or a recording yields is the caller's to judge.

use futures::{StreamExt as _, stream::FusedStream};
use std::{pin::pin, time::Duration};
use tokio::time::{Instant, timeout_at};

/// Has all answers of `calls` recorded, one recording at a time, in the order in which they came. A recording takes what has come while the
/// one before was under way, and what comes within `gather` after it; after the last answer it waits for nothing. Returns what the recordings
/// yielded, in their order, once there are no more calls.
pub(crate) async fn recorded<S, F>(mut calls: S, gather: Duration, record: impl Fn(Vec<S::Item>) -> F) -> Vec<F::Output>
where
    S: FusedStream + Unpin,
    F: Future,
{
    let mut yielded = Vec::new();
    let mut answers: Vec<S::Item> = Vec::new();
    loop {
        if answers.is_empty() {
            let Some(first) = calls.next().await else { return yielded };
            answers.push(first);
        }
        let until = Instant::now() + gather;
        while let Ok(Some(answer)) = timeout_at(until, calls.next()).await {
            answers.push(answer);
        }
        let mut recording = pin!(record(std::mem::take(&mut answers)));
        let done = loop {
            tokio::select! {
                biased;
                done = &mut recording => break done,
                Some(answer) = calls.next(), if !calls.is_terminated() => answers.push(answer),
            }
        };
        yielded.push(done);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use futures::{FutureExt as _, future::BoxFuture, stream::FuturesUnordered};
    use std::sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    };
    use tokio::sync::{Notify, Semaphore};

    /// Far above what a test takes, so that a call which waits for a recording shows.
    const LONG: Duration = Duration::from_secs(20);
    /// Longer than any test: what comes together is told apart by the order of events alone.
    const UNTIL_ALL: Duration = Duration::from_secs(3_600);

    type Calls<'a> = FuturesUnordered<BoxFuture<'a, char>>;

    #[tokio::test]
    async fn a_call_makes_its_next_step_while_the_answer_of_another_is_being_recorded() {
        let (recording, stepped) = (Notify::new(), Notify::new());
        let quick = async { 'a' }.boxed();
        let two_steps = async {
            recording.notified().await;
            stepped.notify_one();
            'b'
        }
        .boxed();
        let calls: Calls<'_> = [quick, two_steps].into_iter().collect();
        let record = async |answers: Vec<char>| {
            if answers == ['a'] {
                recording.notify_one();
                stepped.notified().await;
            }
            answers
        };
        let lots = tokio::time::timeout(LONG, recorded(calls, Duration::ZERO, record)).await;
        assert_eq!(lots.expect("the call has to wait for the recording"), [vec!['a'], vec!['b']]);
    }

    #[tokio::test]
    async fn what_comes_during_a_recording_is_recorded_after_it_and_together() {
        let (recording, came, at_once) = (Semaphore::new(0), Semaphore::new(0), AtomicUsize::new(0));
        let order = Mutex::new(Vec::new());
        let later = |name: char| {
            let (recording, came, order) = (&recording, &came, &order);
            async move {
                recording.acquire().await.unwrap().forget();
                order.lock().unwrap().push(name);
                came.add_permits(1);
                name
            }
            .boxed()
        };
        let calls: Calls<'_> = [async { 'a' }.boxed(), later('b'), later('c'), later('d')].into_iter().collect();
        let record = async |answers: Vec<char>| {
            assert_eq!(at_once.fetch_add(1, Ordering::Relaxed), 0, "one recording at a time");
            if answers == ['a'] {
                recording.add_permits(3);
                came.acquire_many(3).await.unwrap().forget();
            }
            at_once.fetch_sub(1, Ordering::Relaxed);
            answers
        };
        let lots = tokio::time::timeout(LONG, recorded(calls, Duration::ZERO, record)).await.unwrap();
        assert_eq!(lots, [vec!['a'], order.into_inner().unwrap()], "in the order in which they came");
    }

    #[tokio::test]
    async fn answers_of_one_moment_are_recorded_together_and_nothing_is_waited_for_after_the_last() {
        let calls: Calls<'_> = ['a', 'b', 'c'].into_iter().map(|name| async move { name }.boxed()).collect();
        let lots = tokio::time::timeout(LONG, recorded(calls, UNTIL_ALL, async |answers: Vec<char>| answers)).await;
        assert_eq!(lots.unwrap().into_iter().map(|lot| lot.len()).collect::<Vec<_>>(), [3]);
    }

    #[tokio::test]
    async fn no_calls_no_recording() {
        let lots = recorded(Calls::new(), LONG, async |_: Vec<char>| panic!("there is nothing to record")).await;
        assert_eq!(lots.len(), 0);
    }
}
