//! Words for a rotation of a tenant's keys.

/// What it is about to do.
pub(super) fn begun(root_keys: bool, data_keys: bool) -> String {
    let what = match (root_keys, data_keys) {
        (true, true) => "new data keys, under the root key of today",
        (true, false) => "data keys go under the root key of today",
        _ => "new data keys",
    };
    format!("A rotation of keys has begun: {what}.")
}

/// What it did, and whether something is left that nobody could open.
pub(super) fn finished(rewrapped: u32, resealed: u64, left_behind: u64) -> String {
    let done =
        format!("The rotation of keys is done: {rewrapped} data keys wrapped anew, {resealed} values sealed anew.");
    match left_behind {
        0 => done,
        n => format!("{done} {n} don't open and are as they were: look at them."),
    }
}
