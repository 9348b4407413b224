//! Webhooks of the same moment share a transaction, and what was taken in is stored before the process ends.

use crate::{
    harness::{Hotel, api, invariants, shared, until},
    webhooks::headers,
};
use futures::future::join_all;
use jiff::Timestamp;
use reqwest::StatusCode;
use serde_json::{Value, json};
use sqlx::PgConnection;
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(20);
/// Means nothing to us, so that the worker leaves its row as it was stored.
const BODY: &[u8] = br#"{"type":"test.nothing"}"#;

/// Nothing can be stored at this hotel's endpoints until the transaction ends. Tells who holds it.
async fn hold(hotel: &Hotel) -> (PgConnection, i32) {
    let mut holder = invariants::owner().await;
    sqlx::query("BEGIN").execute(&mut holder).await.unwrap();
    let pid = sqlx::query_scalar("SELECT pg_backend_pid()").fetch_one(&mut holder).await.unwrap();
    let lock =
        sqlx::query("SELECT FROM webhook_endpoints WHERE tenant_id = $1 FOR UPDATE").bind(hotel.tenant.as_uuid());
    lock.execute(&mut holder).await.unwrap();
    (holder, pid)
}

/// So many transactions wait for the holder.
async fn held_up(holder: i32) -> i64 {
    let sql = "SELECT count(*) FROM pg_stat_activity WHERE $1 = ANY (pg_blocking_pids(pid))";
    sqlx::query_scalar(sql).bind(holder).fetch_one(&mut invariants::owner().await).await.unwrap()
}

/// How many deliveries are stored, and by how many transactions.
async fn stored(hotel: &Hotel) -> (i64, i64) {
    let sql = "SELECT count(*), count(DISTINCT xmin::text) FROM webhook_deliveries WHERE tenant_id = $1";
    sqlx::query_as(sql).bind(hotel.tenant.as_uuid()).fetch_one(&mut invariants::owner().await).await.unwrap()
}

/// A gauge of all the tests' processes, which are one.
async fn gauge(name: &str) -> f64 {
    let text = reqwest::get(format!("{}/metrics", shared().api)).await.unwrap().text().await.unwrap();
    text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.parse().ok()).unwrap_or(0.0)
}

async fn send(http: &reqwest::Client, base: &str, endpoint: &Value, id: &str) -> StatusCode {
    let mut request = http.post(format!("{base}{}", endpoint["path"].as_str().unwrap())).body(BODY);
    for (name, value) in headers(id, Timestamp::now(), BODY, &endpoint["secret"]) {
        request = request.header(name, value);
    }
    request.send().await.unwrap().status()
}

#[tokio::test]
async fn a_hundred_webhooks_of_one_moment_take_a_handful_of_transactions() {
    let hotel = Hotel::open().await;
    let endpoint = hotel.pms.post("webhook-endpoints", json!({ "sender": "pms" })).await.expect(201).body;
    let (mut holder, pid) = hold(&hotel).await;
    let http = reqwest::Client::new();
    // Each of fifty is sent twice.
    let ids: Vec<String> = (0..100).map(|n| format!("msg_{}", n % 50)).collect();
    let sending = join_all(ids.iter().map(|id| send(&http, &shared().api, &endpoint, id)));
    let release = async {
        until("all are in the queue or at the row", LIMIT, || async {
            let waiting = gauge("lock_webhooks_waiting").await;
            if waiting >= 98.0 { Ok(()) } else { Err(waiting) }
        })
        .await;
        assert_eq!(held_up(pid).await, 1, "one transaction at a time");
        assert_eq!(stored(&hotel).await, (0, 0));
        let held = gauge("lock_webhooks_held_bytes").await;
        assert!(
            held >= 98.0 * 2.0 * BODY.len() as f64,
            "{held}: each counts against the process's bound, as it came and sealed"
        );
        sqlx::query("COMMIT").execute(&mut holder).await.unwrap();
    };
    let (answers, ()) = tokio::join!(sending, release);
    assert!(answers.iter().all(|status| *status == StatusCode::NO_CONTENT), "{answers:?}");
    let (rows, transactions) = stored(&hotel).await;
    assert_eq!(rows, 50, "each once");
    // The first alone, at most 64 of the others at a time, and perhaps one that came late.
    assert!((2..=4).contains(&transactions), "{transactions}");
    // Nobody waits for others when nothing is under way.
    assert_eq!(send(&http, &shared().api, &endpoint, "later").await, StatusCode::NO_CONTENT);
    assert_eq!(stored(&hotel).await, (51, transactions + 1));
}

#[tokio::test]
async fn what_was_taken_in_is_stored_before_the_process_ends() {
    let hotel = Hotel::open().await;
    let endpoint = hotel.pms.post("webhook-endpoints", json!({ "sender": "pms" })).await.expect(201).body;
    let (base, end, served) = api::ending().await;
    let (mut holder, pid) = hold(&hotel).await;
    let sending = tokio::spawn({
        let base = base.clone();
        async move { send(&reqwest::Client::new(), &base, &endpoint, "msg_1").await }
    });
    until("its transaction is at the row", LIMIT, || async {
        let held = held_up(pid).await;
        if held == 1 { Ok(()) } else { Err(held) }
    })
    .await;
    // The sender gives up, and the process is told to stop.
    sending.abort();
    end.send(()).unwrap();
    until("nobody is let in any more", LIMIT, || async {
        let refused = reqwest::get(format!("{base}/healthz")).await.is_err();
        refused.then_some(()).ok_or("it still answers")
    })
    .await;
    assert!(!served.is_finished());
    sqlx::query("COMMIT").execute(&mut holder).await.unwrap();
    served.await.unwrap().unwrap();
    assert_eq!(stored(&hotel).await, (1, 1));
}
