//! `lock/listKeyboardPwd`: the cloud's rows, which say nothing about the lock's memory.

use serde_json::{Value, json};

use super::auth::Caller;
use super::errcode::Errcode;
use super::lock::{Passcode, Plan};
use super::params::Params;
use super::world::World;

const LARGEST_PAGE: usize = 200;

pub(crate) fn list(world: &mut World, caller: &Caller, params: &Params) -> Result<Value, Errcode> {
    let lock_id = params.required_number("lockId")?;
    let page = params.page(LARGEST_PAGE)?;
    let order = params.one_of("orderBy", 1, &[0, 1, 2])?;
    let lock = world.lock_of(&caller.username, lock_id)?;
    let mut rows: Vec<(&Passcode, &Plan)> = lock
        .passcodes
        .values()
        .filter_map(|code| code.cloud.as_ref().map(|plan| (code, plan)))
        .filter(|(code, plan)| params.text("searchStr").is_none_or(|text| matches(code, plan, text)))
        .collect();
    match order {
        0 => rows.sort_by(|a, b| a.0.name.cmp(&b.0.name)),
        1 => rows.sort_by_key(|(code, _)| std::cmp::Reverse((code.sent_at, code.id))),
        _ => rows.sort_by(|a, b| b.0.name.cmp(&a.0.name)),
    }
    Ok(page.wrap(rows.into_iter().map(|(code, plan)| row(lock_id, code, plan)).collect()))
}

/// A name that contains the text, or exactly these digits.
fn matches(code: &Passcode, plan: &Plan, text: &str) -> bool {
    plan.pin == text || code.name.to_lowercase().contains(&text.to_lowercase())
}

fn row(lock_id: i64, code: &Passcode, plan: &Plan) -> Value {
    json!({
        "keyboardPwdId": code.id,
        "lockId": lock_id,
        "keyboardPwd": plan.pin,
        "keyboardPwdName": code.name,
        "keyboardPwdType": code.kind,
        "startDate": plan.from,
        "endDate": plan.until,
        "sendDate": code.sent_at,
        "isCustom": i32::from(code.custom),
        "senderUsername": code.sender,
    })
}
