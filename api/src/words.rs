//! What answers say in words: where a credential stands and why, and what a lock's rounding did to its window.
//!
//! It must not know the database. A sentence never holds a PIN or a guest's name.

use jiff::{Timestamp, tz::TimeZone};
use lock_domain::{
    credential::CredentialState,
    problem::Code,
    stay::{EndCause, StayPhase},
    window::Window,
};

/// A credential's state, with its reason.
pub(crate) fn credential(
    state: CredentialState,
    door: &str,
    code: Option<Code>,
    effective: Option<Window>,
    still_valid_until: Option<Timestamp>,
    zone: &TimeZone,
) -> String {
    let why = code.map(|code| format!(" {}. {}", code.title(), code.remedy())).unwrap_or_default();
    let opens = effective.map(|w| format!(" from {} until {}", local(w.from, zone), local(w.until, zone)));
    let opens = opens.unwrap_or_default();
    let until =
        still_valid_until.map(|at| format!(" It is still valid until {}.", local(at, zone))).unwrap_or_default();
    match state {
        CredentialState::Planned => format!("Not yet in the lock of {door}; it goes in shortly before arrival."),
        CredentialState::Issuing => format!("On its way into the lock of {door}.{why}"),
        CredentialState::Live => format!("Opens {door}{opens}.{why}{until}"),
        CredentialState::Unconfirmed => {
            format!("Sent to {door}, and not proven yet: it may or may not open.{why}{until}")
        }
        CredentialState::Refused => format!("Does not open {door}: the vendor refused.{why}"),
        CredentialState::Revoking => format!("Being taken out of the lock of {door}; it may still open.{why}{until}"),
        CredentialState::Gone => match still_valid_until {
            None => format!("Does not open {door}."),
            Some(at) => {
                let at = local(at, zone);
                format!(
                    "Taken away; the lock of {door} learns of it from the next guest's key, and may open by this one until then, at most until {at}."
                )
            }
        },
    }
}

/// What the lock's own resolution did to the window that was asked for; nothing if it kept it.
pub(crate) fn rounding(requested: Option<Window>, effective: Option<Window>) -> Option<String> {
    let (asked, kept) = (requested?, effective?);
    if asked == kept {
        return None;
    }
    let side = |asked: Timestamp, kept: Timestamp, earlier: &str, later: &str| {
        let seconds = kept.duration_since(asked).as_secs();
        let words = span(seconds.unsigned_abs());
        match seconds {
            0 => None,
            1.. => Some(format!("{later} {words} later")),
            _ => Some(format!("{earlier} {words} earlier")),
        }
    };
    let parts =
        [side(asked.from, kept.from, "it opens", "it opens"), side(asked.until, kept.until, "it closes", "it closes")];
    let parts: Vec<String> = parts.into_iter().flatten().collect();
    let words = if parts.is_empty() { "the difference is below a second".to_owned() } else { parts.join(", ") };
    Some(format!("The lock keeps times in coarser steps than asked for: {words}."))
}

fn span(seconds: u64) -> String {
    match (seconds / 3600, seconds / 60 % 60, seconds % 60) {
        (0, 0, s) => format!("{s} s"),
        (0, m, _) => format!("{m} min"),
        (h, 0, _) => format!("{h} h"),
        (h, m, _) => format!("{h} h {m} min"),
    }
}

/// An instant on the property's wall clock, with its offset: `2026-11-23T15:00:00+00:00`.
pub(crate) fn local(at: Timestamp, zone: &TimeZone) -> String {
    at.to_zoned(zone.clone()).strftime("%Y-%m-%dT%H:%M:%S%:z").to_string()
}

/// A phase, in words.
pub(crate) fn phase(phase: StayPhase, cause: Option<EndCause>) -> String {
    lock_domain::event::Event::PhaseChanged { phase, cause }.sentence(|_| String::new())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn window(from: &str, until: &str) -> Option<Window> {
        Some(Window { from: from.parse().unwrap(), until: until.parse().unwrap() })
    }

    #[test]
    fn rounding_is_shown() {
        let asked = window("2026-11-23T14:55:00Z", "2026-11-25T11:30:00Z");
        assert_eq!(rounding(asked, asked), None);
        let hours = window("2026-11-23T14:00:00Z", "2026-11-25T12:00:00Z");
        let text = rounding(asked, hours).unwrap();
        assert!(text.contains("opens 55 min earlier") && text.contains("closes 30 min later"), "{text}");
    }

    #[test]
    fn a_pending_revoke_says_until_when_the_door_opens() {
        let lisbon = TimeZone::get("Europe/Lisbon").unwrap();
        let until = "2026-07-01T11:00:00Z".parse().unwrap();
        let code = Some(Code::GatewayOffline);
        let text = credential(CredentialState::Revoking, "Room 204", code, None, Some(until), &lisbon);
        assert!(text.contains("still valid until 2026-07-01T12:00:00+01:00"), "{text}");
        assert!(text.contains("gateway is offline") && text.contains("power"), "{text}");
    }

    #[test]
    fn every_phase_has_words() {
        for one in StayPhase::ALL {
            assert!(phase(one, None).len() > 10);
        }
    }
}
