//! What each vendor's list of a lock has in it, and what it has not: an inventory must not look more complete than it is.

use crate::{credential::KeyKind, vendor::VendorTraits};
use serde::{Deserialize, Serialize};

/// A kind of credential in a vendor's list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Listed {
    /// Digits for a keypad.
    Pin,
    /// A card or tag.
    Card,
    /// A key in a telephone.
    Mobile,
}

/// How a vendor's lists are to be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Listing {
    /// What a lock's list has in it; nothing if the vendor's wire has no such list.
    pub kinds: &'static [Listed],
    /// What it has not, in words.
    pub without: &'static str,
    /// The start of a window is in it.
    pub starts: bool,
}

impl Listing {
    /// The vendor's row. One that nobody knows lists PINs.
    pub fn of(vendor: &str) -> Self {
        use Listed::{Card, Mobile, Pin};
        let traits = VendorTraits::of(vendor);
        let (kinds, without): (&[Listed], _) = match vendor {
            _ if !traits.public => (&[], "This vendor's interface is not public: nothing can be listed."),
            "salto_pms" => {
                (&[], "This wire cannot list: the PMS standard has no command that tells what stands at a lock.")
            }
            "ttlock" => {
                (&[Pin], "Cards, fingerprints and keys in TTLock's app are in lists of their own, which are not read.")
            }
            "salto_ks" => (
                &[Pin, Card, Mobile],
                "Users of the site who open the lock by an access group. Who opens it in another way is not listed.",
            ),
            "salto_ship" => (
                &[Pin, Card],
                "Users who have this very door and a card or PIN. Who opens it by an access level, a zone or an area is not listed.",
            ),
            "visionline" => (&[Card, Mobile], "Cards and telephones of guests. Cards of staff are not in this list."),
            _ => (&[Pin], "Digits only."),
        };
        Self { kinds, without, starts: traits.window_start }
    }

    /// Whether there is such a list at all.
    pub fn can(&self) -> bool {
        !self.kinds.is_empty()
    }

    /// What everything in it is, if it is all one.
    pub(super) fn only_kind(&self) -> Option<KeyKind> {
        match self.kinds {
            [Listed::Pin] => Some(KeyKind::Pin),
            [Listed::Card] => Some(KeyKind::Card),
            _ => None,
        }
    }
}
