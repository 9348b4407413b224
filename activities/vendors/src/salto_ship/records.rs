//! Space's audit trail as door records. Numbers of operations: a client's table.

use jiff::tz::TimeZone;
use lock_wires::salto_ship::xml::Element;

use super::users::read_instant;
use crate::port::{CredentialToken, VendorCredentialRef};
use crate::records::{DoorRecord, Means, RecordKind, Refusal, word};

/// `SubjectType` of a user of Space, whose `ExtUserID` is the subject.
const USER: &str = "0";

/// The number of an event; none for a row that has none.
pub(crate) fn number(row: &Element) -> Option<i64> {
    row.text_of("EventID")?.parse().ok()
}

/// A row of the trail; none for one that makes no sense.
pub(crate) fn record(row: &Element, zone: &TimeZone) -> Option<DoorRecord> {
    let operation = row.text_of("Operation")?;
    let (kind, means) = meaning(operation);
    let subject = row.text_of("SubjectID").filter(|_| row.text_of("SubjectType") == Some(USER));
    let token = subject.and_then(CredentialToken::ours);
    Some(DoorRecord {
        id: number(row)?.to_string(),
        lock_id: row.text_of("DoorID")?.to_owned(),
        at_lock: read_instant(row.text_of("EventDateTime")?, zone)?,
        at_server: None,
        kind,
        means,
        credential: token.as_ref().map(|token| VendorCredentialRef(token.as_str().to_owned())),
        token,
        battery_percent: None,
    })
}

fn meaning(operation: &str) -> (RecordKind, Means) {
    use RecordKind as K;
    let refused = |why| (K::Refused(why), Means::Card);
    match operation.parse().unwrap_or(0_u32) {
        16 | 21 | 22 => (K::Opened, Means::Mechanical),
        17 | 18 | 19 | 20 | 24 | 27 | 29 => (K::Opened, Means::Card),
        25 => (K::Opened, Means::Unsaid),
        26 => (K::Opened, Means::Pin),
        28 => (K::Opened, Means::Remote),
        33..=36 => (K::Locked, Means::Unsaid),
        60 | 61 => (K::Tampered, Means::Unsaid),
        62 => (K::LeftOpen, Means::Unsaid),
        47 | 79 | 1001 => (K::WentOffline, Means::Unsaid),
        48 | 80 | 1000 => (K::CameOnline, Means::Unsaid),
        81 => refused(Refusal::TooEarly),
        82 | 83 => refused(Refusal::Expired),
        88 | 89 | 96 | 97 | 98 => refused(Refusal::Suspended),
        93 => (K::Refused(Refusal::Unknown), Means::Pin),
        84..=87 | 90..=92 | 95 => refused(Refusal::NotAllowed),
        101..=103 | 107 => refused(Refusal::Unsaid),
        100 | 115 => (K::BatteryLow, Means::Unsaid),
        _ => (K::Other(format!("operation_{}", word(operation))), Means::Unsaid),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use lock_wires::salto_ship::xml;

    use super::*;

    #[test]
    fn a_row_is_read_and_names_of_people_are_not() {
        let row = |operation: u32, subject: &str| {
            let text = format!(
                "<SaltoDBAuditTrailEvent><EventID>12</EventID><EventDateTime>2020-07-29T18:24:12</EventDateTime>
                 <Operation>{operation}</Operation><IsExit>0</IsExit><DoorID>101</DoorID><SubjectType>0</SubjectType>
                 <SubjectID>{subject}</SubjectID></SaltoDBAuditTrailEvent>"
            );
            record(&xml::parse(text.as_bytes()).unwrap(), &TimeZone::UTC).unwrap()
        };
        let ours = row(17, "lis-0123456789abcdef0123456789abcdef");
        assert_eq!((ours.kind, ours.means, ours.id.as_str()), (RecordKind::Opened, Means::Card, "12"));
        assert!(ours.token.is_some() && ours.credential.is_some());
        let other = row(82, "Anna");
        assert_eq!((other.kind, other.token), (RecordKind::Refused(Refusal::Expired), None));
        assert_eq!(row(114, "").kind, RecordKind::Other("operation_114".to_owned()));
    }
}
