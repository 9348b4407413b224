//! The calls that this cloud knows.

use serde_json::{Value, json};

use super::auth::Caller;
use super::errcode::Errcode;
use super::params::Params;
use super::world::World;
use super::{devices, passcode, passcode_list};

type Handler = fn(&mut World, &Caller, &Params) -> Result<Value, Errcode>;

/// One call.
pub(crate) struct Call {
    /// Path without `/v3/`.
    pub(crate) path: &'static str,
    /// Reads may come as GET; what changes something must be a POST.
    pub(crate) read: bool,
    /// Whether this very call goes over the air.
    pub(crate) over_air: fn(&Params) -> bool,
    pub(crate) run: Handler,
}

const fn cloud(path: &'static str, read: bool, run: Handler) -> Call {
    Call { path, read, over_air: |_| false, run }
}

const fn air(path: &'static str, read: bool, over_air: fn(&Params) -> bool, run: Handler) -> Call {
    Call { path, read, over_air, run }
}

/// `…Type` fields: 1 means that a phone did it over Bluetooth, more means that the cloud shall do it.
fn asks(params: &Params, field: &str) -> bool {
    params.number(field).ok().flatten().is_some_and(|value| value >= 2)
}

const CALLS: &[Call] = &[
    air("keyboardPwd/add", false, |params| asks(params, "addType"), passcode::add),
    cloud("keyboardPwd/get", false, passcode::get),
    air("keyboardPwd/change", false, |params| asks(params, "changeType"), passcode::change),
    air("keyboardPwd/delete", false, |params| asks(params, "deleteType"), passcode::delete),
    cloud("lock/listKeyboardPwd", true, passcode_list::list),
    cloud("lock/list", true, devices::locks),
    cloud("lock/detail", true, devices::lock_detail),
    air("lock/queryDate", true, |_| true, devices::query_date),
    air("lock/updateDate", false, |_| true, devices::update_date),
    air("lock/queryElectricQuantity", true, |_| true, devices::battery),
    cloud("lockRecord/list", true, devices::records),
    cloud("gateway/list", true, devices::gateways),
    cloud("gateway/listLock", true, devices::gateway_locks),
    cloud("app/getMonthRequestCount", true, month_count),
];

pub(crate) fn find(path: &str) -> Option<&'static Call> {
    CALLS.iter().find(|call| call.path == path)
}

fn month_count(world: &mut World, caller: &Caller, _: &Params) -> Result<Value, Errcode> {
    Ok(json!({ "monthRequestCount": world.apps.get(&caller.client_id).map_or(0, |app| app.month_calls) }))
}
