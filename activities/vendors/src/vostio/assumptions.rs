//! Everything we take for granted about Vostio, in one place. From hotels' set-up guides and an integration's set-up form; no text of
//! the vendor's interface description, which is not public.

use crate::port::{Capabilities, RevokeReach, Scope};
use crate::rounding::Granularity;

/// What the system can do as its guides say.
pub(super) const CAPABILITIES: Capabilities = Capabilities {
    // One stay's key is a card, or a key in the hotel's app or a wallet, for all its doors.
    scope: Scope::Key,
    // No keypad anywhere in the guides.
    pin: false,
    mobile: true,
    card: true,
    choose_pin: false,
    offline_pin: false,
    one_time_pin: false,
    // Keys in telephones follow a changed stay by themselves, cards only at doors that are online. A policy must not count on it.
    change_window: false,
    time_sync: false,
    // Assumed: a stay that can be changed can be read.
    read_back: true,
    window_granularity: Granularity::Minute,
    offline_granularity: Granularity::Minute,
    // Cancelling works at online doors; for others the portal shows "Manual cancellation needed".
    revoke_reach: RevokeReach::NextCard,
    window_start: true,
    min_pin_digits: 0,
    max_pin_digits: 0,
    max_codes_per_lock: u32::MAX,
    max_name_chars: 40,
};

/// What to do about it.
pub(super) const REMEDY: &str = "Cut the card in the Vostio portal or at the encoder's own page, and ask ASSA ABLOY for the Guest API's \
                                 description under the hotel's contract: it is not public, so this service can't speak it yet.";
