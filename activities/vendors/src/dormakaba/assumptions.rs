//! Everything we take for granted about dormakaba Ambiance, in one place. From set-up guides; no text of the vendor's interface
//! description, which is not public. The Saflok protocol's description is marked confidential and was not used.

use crate::port::{Capabilities, RevokeReach, Scope};
use crate::rounding::Granularity;

/// What the system can do as its guides say.
pub(super) const fn capabilities(mobile: bool) -> Capabilities {
    Capabilities {
        // A card, or a key in a telephone, opens all its doors.
        scope: Scope::Key,
        pin: false,
        // Needs the Mobile Access licence, a LEGIC Connect account and locks with firmware 1.3.1.0 or newer.
        mobile,
        card: true,
        choose_pin: false,
        offline_pin: false,
        one_time_pin: false,
        change_window: false,
        time_sync: false,
        read_back: true,
        window_granularity: Granularity::Minute,
        offline_granularity: Granularity::Minute,
        // Data stands on the card; the lock learns of a change from the next card.
        revoke_reach: RevokeReach::NextCard,
        window_start: true,
        min_pin_digits: 0,
        max_pin_digits: 0,
        max_codes_per_lock: u32::MAX,
        max_name_chars: 40,
    }
}

/// What to do about it.
pub(super) const REMEDY: &str = "Cut the card in Ambiance, and ask dormakaba for the description of the LGS interfaces under the \
                                 hotel's contract: it is not public, so this service can't speak them yet.";
