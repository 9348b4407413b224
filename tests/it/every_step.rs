//! Every path of a stay's life, with every activity in turn refused, repeated, and lost with its worker.
//!
//! First a path is walked undisturbed and its activities are counted; then it is walked once for each activity and each mode, each time in
//! a hotel of its own. Afterwards the invariants are read off the locks, the database and the journal of the simulator.

use crate::harness::{
    Hotel,
    faults::{self, Mode},
    invariants, until,
};
use futures::{StreamExt as _, stream};
use jiff::{SignedDuration, Timestamp};
use serde_json::json;
use std::{
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

/// Walks at a time. Each is mostly waiting.
const AT_ONCE: usize = 24;

#[derive(Debug, Clone, Copy)]
enum Path {
    Plain,
    Dates,
    Move,
    Suspension,
    Reissue,
    Read,
    Planned,
}

const PATHS: [Path; 7] =
    [Path::Plain, Path::Dates, Path::Move, Path::Suspension, Path::Reissue, Path::Read, Path::Planned];

async fn walk(hotel: &Hotel, path: Path) {
    let pms = &hotel.pms;
    let now = Timestamp::now();
    let days = |n: i64| (now + SignedDuration::from_hours(24 * n)).to_string();
    if let Path::Planned = path {
        let body = json!({ "reservation": "R1", "room": "101", "from": days(3), "until": days(5) });
        pms.post("stays", body).await.ok();
        settled(hotel).await;
        hotel.advance(&days(4)).await;
        pms.phase("R1", "active").await;
        hotel.advance(&days(6)).await;
        pms.phase("R1", "ended").await;
        return;
    }
    let body = json!({ "reservation": "R1", "room": "101", "from": now.to_string(), "until": days(2) });
    pms.post("stays", body).await.ok();
    pms.phase("R1", "active").await;
    let key = pms.stay("R1").await["keys"][0]["id"].clone();
    let steps = match path {
        Path::Plain | Path::Planned => vec![],
        Path::Dates => vec![("modify-stay", json!({ "until": days(3) }), "active")],
        Path::Move => vec![("room-move", json!({ "room": "102" }), "active")],
        Path::Suspension => vec![("suspend", json!({}), "suspended"), ("resume", json!({}), "active")],
        Path::Reissue => vec![("reissue", json!({ "key": key }), "active")],
        Path::Read => vec![("read", json!({}), "active")],
    };
    for (verb, body, phase) in steps {
        pms.post(&format!("stays/R1/{verb}"), body).await.ok();
        settled(hotel).await;
        pms.phase("R1", phase).await;
    }
    pms.post("stays/R1/check-out", json!({})).await.ok();
    pms.phase("R1", "ended").await;
}

/// Waits until every operation of the stay has ended.
pub(crate) async fn settled(hotel: &Hotel) {
    until("every operation has ended", Duration::from_secs(90), || async {
        let open = invariants::open_operations(hotel).await;
        if open.is_empty() { Ok(()) } else { Err(open) }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_step_may_fail_repeat_or_crash() {
    let hits = AtomicUsize::new(0);
    let mut cases = Vec::new();
    for path in PATHS {
        let hotel = Hotel::open().await;
        faults::plan(hotel.tenant, usize::MAX, Mode::Fail);
        walk(&hotel, path).await;
        settled(&hotel).await;
        invariants::check(&hotel).await;
        let (seen, _) = faults::seen(hotel.tenant);
        for (n, name) in seen.iter().enumerate() {
            let modes = Mode::ALL.into_iter().filter(|mode| *mode != Mode::Crash || name == "perform");
            cases.extend(modes.map(|mode| (path, n + 1, name.clone(), mode)));
        }
    }
    let planned = cases.len();
    stream::iter(cases)
        .for_each_concurrent(AT_ONCE, |(path, nth, name, mode)| {
            let hits = &hits;
            async move {
                let hotel = Hotel::open().await;
                faults::plan(hotel.tenant, nth, mode);
                walk(&hotel, path).await;
                settled(&hotel).await;
                let (_, hit) = faults::seen(hotel.tenant);
                assert!(hit, "{path:?}: activity {nth} ({name}) was to {mode:?}, and did not");
                hits.fetch_add(1, Ordering::Relaxed);
                invariants::check(&hotel).await;
            }
        })
        .await;
    assert_eq!(hits.into_inner(), planned);
    assert!(planned > 40, "only {planned} cases");
}
