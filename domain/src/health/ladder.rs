//! From properties to a vendor: what several links say together.
//!
//! ```text
//! properties | not closed                | sign-in fails | opinion
//! -----------+---------------------------+---------------+---------
//! any        | none                      | not all       | well
//! one        | it                        | -             | links: one property can't speak for a vendor
//! several    | less than two, or no more | not all       | links
//!            | than half                 |               |
//! several    | at least two, and more    | -             | down
//!            | than half                 |               |
//! several    | -                         | all           | down
//! ```
//! It is an opinion for people: no property's breaker opens because others' did.

use super::BreakerState;
use serde::{Deserialize, Serialize};

/// One property's link to a vendor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LinkView {
    /// Where its breaker stands.
    pub state: BreakerState,
    /// Whether the last sign-in worked; `None` if nobody knows.
    pub signs_in: Option<bool>,
}

/// What can be said of a vendor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum VendorOpinion {
    /// Nothing is known against it.
    Well,
    /// Some properties don't reach it: their links, as far as anyone can tell.
    Links,
    /// It is down.
    Down,
}

/// The table above.
pub fn vendor_wide(links: &[LinkView]) -> VendorOpinion {
    let cut = links.iter().filter(|link| link.state != BreakerState::Closed).count();
    let signed_out = links.iter().filter(|link| link.signs_in == Some(false)).count();
    let several = links.len() >= 2;
    if several && ((cut >= 2 && cut * 2 > links.len()) || signed_out == links.len()) {
        VendorOpinion::Down
    } else if cut > 0 {
        VendorOpinion::Links
    } else {
        VendorOpinion::Well
    }
}
