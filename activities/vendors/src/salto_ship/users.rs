//! A key is a user of Space: what we write into one, and what we read off one.

use std::collections::BTreeSet;

use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use jiff::{Span, Timestamp};
use lock_domain::window::Window;
use lock_wires::salto_ship::xml::{self, Element};

use crate::port::{VendorCredential, VendorCredentialRef};
use crate::salto::{LocalWindow, instants};

pub(crate) const ID: &str = "ExtUserID";
const DOORS: &str = "SaltoDB.AccessPermissionList.User_Door";
const DOOR: &str = "SaltoDB.AccessPermission.User_Door";
const DOOR_ID: &str = "ExtDoorID";
const ACTIVATION: &str = "UserActivation";
const EXPIRES: &str = "UserExpiration.Enabled";
const EXPIRATION: &str = "UserExpiration";
const PIN_ENABLED: &str = "PINEnabled";
const PIN_CODE: &str = "PINCode";
const KEY_EXISTS: &str = "CurrentKeyExists";
const KEY_STATUS: &str = "CurrentKeyStatus";
/// `CurrentKeyStatus`: what the card holds is what the server has.
const IN_SYNC: i64 = 1;

/// The card of a user.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Card {
    /// None was ever written.
    None,
    /// It holds what the server has.
    InSync,
    /// It holds something older, or has expired.
    Behind,
}

/// A user as far as we read one.
#[derive(Debug)]
pub(crate) struct User {
    pub(crate) id: String,
    pub(crate) doors: BTreeSet<String>,
    pub(crate) window: Option<Window>,
    pub(crate) pin: bool,
    pub(crate) card: Card,
}

impl User {
    /// None when something that matters can't be read: it must not pass for "not there".
    pub(crate) fn read(record: &Element, zone: &TimeZone) -> Option<Self> {
        let expires = flag(record, EXPIRES)?;
        let window = if expires {
            let from =
                record.text_of(ACTIVATION).map_or(Some(DateTime::constant(1970, 1, 1, 0, 0, 0, 0)), read_time)?;
            Some(instants(from, read_time(record.text_of(EXPIRATION)?)?, zone)?)
        } else {
            None
        };
        let status = record.text_of(KEY_STATUS).map_or(Some(0), |text| text.parse().ok())?;
        let card = match (flag(record, KEY_EXISTS)?, status) {
            (false, _) => Card::None,
            (true, IN_SYNC) => Card::InSync,
            (true, _) => Card::Behind,
        };
        let permissions = record.child(DOORS).map(Element::children).unwrap_or_default();
        let doors: Option<BTreeSet<_>> =
            permissions.iter().map(|door| door.text_of(DOOR_ID).map(str::to_owned)).collect();
        Some(Self { id: record.text_of(ID)?.to_owned(), doors: doors?, window, pin: flag(record, PIN_ENABLED)?, card })
    }

    /// Whether anybody can open anything with it.
    pub(crate) fn usable(&self) -> bool {
        self.pin || self.card != Card::None
    }

    pub(crate) fn credential(self) -> VendorCredential {
        VendorCredential {
            reference: VendorCredentialRef(self.id.clone()),
            confirmed_at_lock: self.card == Card::InSync || (self.pin && self.card == Card::None),
            name: self.id,
            window: self.window,
        }
    }
}

/// The fields of a new user. The names hold ours and nobody's.
pub(crate) fn fresh(id: &str, partition: Option<&str>) -> Vec<Element> {
    let mut fields = vec![
        Element::leaf("FirstName", "Guest"),
        Element::leaf("LastName", id),
        // The card ends with the user, and can be cancelled before.
        Element::leaf("KeyExpirationDifferentFromUserExpiration", 0),
        Element::leaf("KeyIsCancellableThroughBlacklist", 1),
    ];
    fields.extend(partition.map(|partition| Element::leaf("ExtPartitionID", partition)));
    fields
}

/// When it opens.
pub(crate) fn times(told: &LocalWindow) -> Vec<Element> {
    vec![
        Element::leaf(ACTIVATION, told.from.strftime("%Y-%m-%dT%H:%M:%S")),
        Element::leaf(EXPIRES, 1),
        Element::leaf(EXPIRATION, told.until.strftime("%Y-%m-%dT%H:%M:%S")),
    ]
}

/// What it opens; the user's own times hold for each door.
pub(crate) fn doors<'a>(id: &str, doors: impl Iterator<Item = &'a str>) -> Element {
    let permission = |door| {
        Element::node(
            DOOR,
            vec![
                Element::leaf(ID, id),
                Element::leaf(DOOR_ID, door),
                Element::leaf("TimezoneTableID", 0),
                Element::leaf("UsePeriod", 0),
            ],
        )
    };
    Element::node(DOORS, doors.map(permission).collect())
}

/// Its digits.
pub(crate) fn pin(digits: Option<&str>) -> Vec<Element> {
    match digits {
        Some(digits) => vec![Element::leaf(PIN_ENABLED, 1), Element::leaf(PIN_CODE, digits)],
        None => vec![Element::leaf(PIN_ENABLED, 0)],
    }
}

/// A flag is `0` or `1`; one that is left out is off.
fn flag(record: &Element, name: &str) -> Option<bool> {
    match record.text_of(name) {
        None | Some("0") => Some(false),
        Some("1") => Some(true),
        Some(_) => None,
    }
}

/// `YYYY-MM-DDTHH:MM:SS`, where `T24:00:00` is the end of a day.
pub(crate) fn read_time(text: &str) -> Option<DateTime> {
    match text.strip_suffix("T24:00:00") {
        Some(day) => DateTime::strptime("%Y-%m-%d", day).ok()?.checked_add(Span::new().days(1)).ok(),
        None => DateTime::strptime("%Y-%m-%dT%H:%M:%S", text).ok(),
    }
}

/// What a record says about an event's time.
pub(crate) fn read_instant(text: &str, zone: &TimeZone) -> Option<Timestamp> {
    crate::salto::instant(read_time(text)?, zone)
}

/// The record of this user.
pub(crate) fn named<'a>(records: &'a [Element], id: &str) -> Option<&'a Element> {
    records.iter().find(|record| record.text_of(ID) == Some(id))
}

/// The rows of a list, and whether it goes on; none when it is no such list.
pub(crate) fn page(params: &mut [Element], list: &str) -> Option<(Vec<Element>, bool)> {
    let more = match xml::find(params, "EOF")?.text() {
        "0" => true,
        "1" => false,
        _ => return None,
    };
    let rows = params.iter_mut().find(|element| element.name() == list)?;
    Some((std::mem::take(rows.children_mut()), more))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn user(fields: &str) -> Option<User> {
        let record =
            xml::parse(format!("<SaltoDBUser><ExtUserID>u1</ExtUserID>{fields}</SaltoDBUser>").as_bytes()).unwrap();
        User::read(&record, &TimeZone::UTC)
    }

    #[test]
    fn a_record_is_read_as_published() {
        let found = user(
            "<UserActivation>2020-05-29T09:55:23</UserActivation><UserExpiration.Enabled>1</UserExpiration.Enabled>
             <UserExpiration>2020-08-05T24:00:00</UserExpiration><CurrentKeyExists>1</CurrentKeyExists>
             <CurrentKeyStatus>1</CurrentKeyStatus><PINEnabled>0</PINEnabled><PINCode/>
             <SaltoDB.AccessPermissionList.User_Door><SaltoDB.AccessPermission.User_Door><ExtUserID>u1</ExtUserID>
             <ExtDoorID>101</ExtDoorID></SaltoDB.AccessPermission.User_Door></SaltoDB.AccessPermissionList.User_Door>",
        )
        .unwrap();
        assert_eq!(found.doors, BTreeSet::from(["101".to_owned()]));
        assert_eq!(found.window.unwrap().until, "2020-08-06T00:00:00Z".parse().unwrap());
        assert!(found.usable() && found.credential().confirmed_at_lock);
    }

    #[test]
    fn a_user_without_card_and_digits_opens_nothing() {
        assert!(!user("").unwrap().usable());
        assert!(user("<PINEnabled>1</PINEnabled>").unwrap().credential().confirmed_at_lock);
        let behind = user("<CurrentKeyExists>1</CurrentKeyExists><CurrentKeyStatus>3</CurrentKeyStatus>").unwrap();
        assert!(behind.usable() && !behind.credential().confirmed_at_lock);
    }

    #[test]
    fn what_cannot_be_read_is_not_taken_for_nothing() {
        for wrong in [
            "<PINEnabled>yes</PINEnabled>",
            "<CurrentKeyExists>2</CurrentKeyExists>",
            "<CurrentKeyStatus>soon</CurrentKeyStatus>",
            "<UserExpiration.Enabled>1</UserExpiration.Enabled>",
            "<UserExpiration.Enabled>1</UserExpiration.Enabled><UserExpiration>tomorrow</UserExpiration>",
            "<SaltoDB.AccessPermissionList.User_Door><a/></SaltoDB.AccessPermissionList.User_Door>",
        ] {
            assert!(user(wrong).is_none(), "{wrong}");
        }
    }
}
