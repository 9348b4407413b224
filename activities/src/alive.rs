//! Long work that tells the server now and then that it goes on.

use std::{pin::pin, time::Duration};
use temporalio_sdk::activities::ActivityContext;

/// Does the work, with a heartbeat each `every`: a third of the heartbeat time-out that the workflow sets.
///
/// Heartbeats are also how an activity hears that it is cancelled; whoever has something to stop looks at the context.
pub(crate) async fn alive<T>(ctx: &ActivityContext, every: Duration, work: impl Future<Output = T>) -> T {
    let mut work = pin!(work);
    loop {
        tokio::select! {
            done = &mut work => return done,
            () = tokio::time::sleep(every) => {
                // One that can't be sent is as good as none: the server then gives the work to somebody else.
                let _ = ctx.record_heartbeat(()).await;
            }
        }
    }
}
