//! Bounded waiting for a condition, level-triggered, with the last thing seen in the failure.

use std::{fmt::Debug, future::Future, time::Duration};

/// Asks `look` again and again until it gives `Ok`; fails the test after `limit` with the last `Err`.
pub async fn until<T, E: Debug, F: Future<Output = Result<T, E>>>(
    what: &str,
    limit: Duration,
    mut look: impl FnMut() -> F,
) -> T {
    let end = tokio::time::Instant::now() + limit;
    loop {
        match look().await {
            Ok(found) => return found,
            Err(seen) if tokio::time::Instant::now() > end => {
                panic!("{what}: not within {limit:?}; last seen: {seen:?}")
            }
            Err(_) => tokio::time::sleep(Duration::from_millis(15)).await,
        }
    }
}
