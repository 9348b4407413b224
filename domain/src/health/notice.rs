//! What people are told while a breaker is not closed: what is down and since when, what is done meanwhile, what the desk can do.

use super::BreakerState;
use crate::problem::Code;
use jiff::Timestamp;

/// The notice of a property, for its status page, its desk and its event stream. No secret and no guest is in it.
pub fn notice(vendor: &str, state: BreakerState, since: Timestamp, code: Option<Code>) -> String {
    let why = code.map(|code| format!(" ({})", code.title())).unwrap_or_default();
    let since = since.strftime("%Y-%m-%d %H:%M:%S UTC");
    match state {
        BreakerState::Closed => format!("{vendor} works. New keys and changes are sent as they come."),
        BreakerState::Open => format!(
            "{vendor} does not work here since {since}{why}. Keys that are in the locks already open as before. New keys and changes wait, and \
             nothing is lost; keys that are to be taken away are still tried, less often. We look for its return with a test lock. The desk \
             can let guests in by its fallback (a staff card, a key from the safe), and needs to repeat nothing."
        ),
        BreakerState::HalfOpen => format!(
            "{vendor} answers again, after it did not work here since {since}{why}. We make sure before keys that wait are sent; that takes a \
             minute or two. The desk needs to do nothing."
        ),
    }
}

/// The notice of an outage, for a status page: what is affected, what is done, what to do; and that it is over, once it is.
pub fn outage_notice(vendor: &str, since: Timestamp, code: Option<Code>, over: Option<Timestamp>) -> String {
    let stamp = |at: Timestamp| at.strftime("%Y-%m-%d %H:%M UTC").to_string();
    let why = code.map(|code| format!(" ({})", code.title())).unwrap_or_default();
    match over {
        None => format!(
            "{vendor} does not work at this property since {}{why}. Affected: new keys, and changes of keys, on its locks. Not affected: keys \
             that are in the locks already. What we do: keys that guests wait for are made on the room's other locks where there are any, else \
             the guest is on the desk's list, in the order of arrival; trials look for the vendor's return, and all the rest goes on by itself \
             then. What to do: let in those whom `GET …/desk` lists; repeat nothing.",
            stamp(since)
        ),
        Some(over) => format!(
            "{vendor} works at this property again since {}; it did not since {}. Keys that waited are made now. What was made on other locks \
             meanwhile stays as it is; what it replaces is taken out of the locks. What to do: nothing.",
            stamp(over),
            stamp(since)
        ),
    }
}
