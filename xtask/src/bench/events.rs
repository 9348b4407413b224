//! How many history events each verb costs, on a stay that is otherwise at rest.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use jiff::{Timestamp, ToSpan as _};
use serde_json::{Value, json};

use super::load::stay;
use super::tool::Tool;
use crate::sandbox::{Api, Call};

const WAIT_S: u32 = 25;
const LIMIT: Duration = Duration::from_secs(10);
const PAUSE: Duration = Duration::from_millis(150);

/// A verb with its cost.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerbCost {
    /// What was asked.
    pub verb: &'static str,
    /// History events until the stay was at rest again.
    pub events: u64,
}

/// Plays every verb once. The second value is the sum for a plain stay: one key, check-out, nothing else.
///
/// # Errors
/// When the API refuses a verb or Temporal doesn't tell.
pub async fn count_events(api: &Api, tool: &Tool, tenant: &str, property: &str) -> Result<(Vec<VerbCost>, u64)> {
    let rooms: Vec<String> = api.rooms().await?.into_iter().map(|(number, _)| number).collect();
    let [.., other, plain, room] = rooms.as_slice() else { anyhow::bail!("too few rooms") };
    let workflow = |reservation: &str| format!("stay/{tenant}/{property}/{reservation}");
    let now = Timestamp::now();
    let until = now + 48.hours();

    let reservation = "BENCH-verbs";
    let id = workflow(reservation);
    let mut costs = Vec::new();
    let mut before = 0;
    send(api, Call::new_stay(stay(reservation, room, now, until))).await?;
    before = note(&mut costs, "new", before, rest(tool, &id).await?);
    let steps: [(&'static str, Value); 6] = [
        ("duplicate", json!({})),
        ("modify-stay", json!({ "until": (until + 1.hour()).to_string() })),
        ("room-move", json!({ "room": other })),
        ("suspend", json!({})),
        ("resume", json!({})),
        ("read", json!({})),
    ];
    for (verb, body) in steps {
        send(api, Call::verb(reservation, verb, body)).await?;
        before = note(&mut costs, verb, before, rest(tool, &id).await?);
    }
    let key = async |index: usize| {
        let wanted = api.stay(reservation).await?.keys.into_iter().filter(|key| key.wish == "wanted");
        wanted.map(|key| key.id).nth(index).context("the stay lacks a key")
    };
    send(api, Call::verb(reservation, "reissue", json!({ "key": key(0).await? }))).await?;
    before = note(&mut costs, "reissue", before, rest(tool, &id).await?);
    send(api, Call::verb(reservation, "remove", json!({ "key": key(0).await? }))).await?;
    before = note(&mut costs, "remove (one key)", before, rest(tool, &id).await?);
    send(api, Call::verb(reservation, "check-out", json!({}))).await?;
    note(&mut costs, "check-out", before, rest(tool, &id).await?);

    let reservation = "BENCH-plain";
    send(api, Call::new_stay(stay(reservation, plain, now, until))).await?;
    rest(tool, &workflow(reservation)).await?;
    send(api, Call::verb(reservation, "check-out", json!({}))).await?;
    let sum = rest(tool, &workflow(reservation)).await?;
    Ok((costs, sum))
}

fn note(costs: &mut Vec<VerbCost>, verb: &'static str, before: u64, after: u64) -> u64 {
    costs.push(VerbCost { verb, events: after.saturating_sub(before) });
    after
}

async fn send(api: &Api, call: Call) -> Result<()> {
    let answer = api.write(&call.wait(WAIT_S)).await?;
    ensure!(matches!(answer.status, 200 | 201), "not done: {}", answer.summary());
    Ok(())
}

/// The history's length once it has stopped growing.
async fn rest(tool: &Tool, workflow: &str) -> Result<u64> {
    let started = Instant::now();
    let mut last = tool.history_length(workflow)?;
    let mut same = 0;
    while same < 2 && started.elapsed() < LIMIT {
        tokio::time::sleep(PAUSE).await;
        let now = tool.history_length(workflow)?;
        same = if now == last { same + 1 } else { 0 };
        last = now;
    }
    Ok(last)
}
