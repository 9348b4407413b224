//! The pages under `/errors/{code}`: what a problem means and what to do, compiled in from `docs/errors/`.
//!
//! It must not know requests or the database. A code without a page fails a test here, and so does a page without a code.

use lock_domain::problem::Code;

macro_rules! pages {
    ($($name:ident = $text:literal,)*) => {
        /// Every code's page, in Markdown.
        const PAGES: &[(Code, &str)] = &[$((Code::$name, include_str!(concat!("../../docs/errors/", $text, ".md"))),)*];
    };
}

pages! {
    InvalidRequest = "invalid_request",
    InvalidField = "invalid_field",
    BodyTooLarge = "body_too_large",
    UnsupportedMediaType = "unsupported_media_type",
    Unauthorized = "unauthorized",
    ScopeMissing = "scope_missing",
    NotFound = "not_found",
    MethodNotAllowed = "method_not_allowed",
    PropertyNotFound = "property_not_found",
    StayNotFound = "stay_not_found",
    KeyNotFound = "key_not_found",
    OperationNotFound = "operation_not_found",
    RoomUnknown = "room_unknown",
    ZoneUnknown = "zone_unknown",
    WindowReversed = "window_reversed",
    WindowEnded = "window_ended",
    WindowTooLong = "window_too_long",
    WindowTooFar = "window_too_far",
    StayExists = "stay_exists",
    StayEnded = "stay_ended",
    StayEnding = "stay_ending",
    StayNotBegun = "stay_not_begun",
    StaySuspended = "stay_suspended",
    StayNotSuspended = "stay_not_suspended",
    MoveUnderWay = "move_under_way",
    SameRoom = "same_room",
    RoomTaken = "room_taken",
    IdempotencyKeyMissing = "idempotency_key_missing",
    IdempotencyKeyReused = "idempotency_key_reused",
    IdempotencyInProgress = "idempotency_in_progress",
    PinWeak = "pin_weak",
    PinTaken = "pin_taken",
    PinRevealed = "pin_revealed",
    PinNotReady = "pin_not_ready",
    OneShotFixed = "one_shot_fixed",
    CapabilityMissing = "capability_missing",
    WireNotPublic = "wire_not_public",
    PinsExhausted = "pins_exhausted",
    RateLimited = "rate_limited",
    ClockLive = "clock_live",
    ClockBackwards = "clock_backwards",
    CursorInvalid = "cursor_invalid",
    CodecRefused = "codec_refused",
    Unavailable = "unavailable",
    Internal = "internal",
    GatewayOffline = "gateway_offline",
    GatewayBusy = "gateway_busy",
    LockOffline = "lock_offline",
    LockUnknown = "lock_unknown",
    LockFull = "lock_full",
    LockUnfit = "lock_unfit",
    CodeTaken = "code_taken",
    VendorAccess = "vendor_access",
    VendorQuota = "vendor_quota",
    VendorUnreachable = "vendor_unreachable",
    VendorRefused = "vendor_refused",
    Unproven = "unproven",
    HeldForApproval = "held_for_approval",
    ApprovalRefused = "approval_refused",
    SecondPersonNeeded = "second_person_needed",
    OperationNotHeld = "operation_not_held",
    CardNeeded = "card_needed",
    EncoderUnavailable = "encoder_unavailable",
    VendorCertificate = "vendor_certificate",
    VendorCircuitOpen = "vendor_circuit_open",
    WebhookRefused = "webhook_refused",
    WebhookTooOld = "webhook_too_old",
    StayNotWaiting = "stay_not_waiting",
    DeskIssue = "desk_issue",
    IncidentOver = "incident_over",
    VaultLocked = "vault_locked",
    RotationUnderWay = "rotation_under_way",
    WebhookIdReused = "webhook_id_reused",
    InventoryUnderWay = "inventory_under_way",
}

/// The page of a code as HTML, or nothing if there is no such code.
pub(crate) fn page(code: &str) -> Option<String> {
    let code = Code::from_text(code)?;
    let (_, markdown) = PAGES.iter().find(|(c, _)| *c == code)?;
    Some(crate::html::document(code.title(), &crate::html::markdown(markdown)))
}

/// A list of all codes as HTML.
pub(crate) fn index() -> String {
    let rows = Code::ALL.iter().map(|code| {
        let (text, status) = (code.text(), code.status());
        format!("<tr><td>{status}</td><td><a href=\"/errors/{text}\">{text}</a></td><td>{}</td></tr>", code.title())
    });
    let table = format!("<h1>Problem codes</h1><table>{}</table>", rows.collect::<String>());
    crate::html::document("Problem codes", &table)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_code_has_a_page_and_no_page_is_an_orphan() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/errors");
        let names = std::fs::read_dir(folder).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap());
        let files: BTreeSet<String> = names.filter_map(|n| n.strip_suffix(".md").map(str::to_owned)).collect();
        let codes: BTreeSet<String> = Code::ALL.iter().map(|c| c.text().to_owned()).collect();
        let served: BTreeSet<String> = PAGES.iter().map(|(c, _)| c.text().to_owned()).collect();
        assert_eq!(files, codes, "docs/errors has one page per code: add or remove pages");
        assert_eq!(served, codes, "api/src/error_pages.rs lists every code: add the missing lines");
    }

    #[test]
    fn each_page_is_about_its_code() {
        for (code, markdown) in PAGES {
            assert!(
                markdown.starts_with(&format!("# {}\n", code.title())),
                "{code}: the title differs from the table's"
            );
            assert!(markdown.contains(&format!("`{code}` · HTTP {}", code.status())), "{code}: status");
            let example = markdown.split("```json").nth(1).and_then(|rest| rest.split("```").next()).unwrap();
            let body: crate::problem::ProblemBody = serde_json::from_str(example).unwrap();
            assert_eq!((body.code, body.status), (*code, code.status()));
            assert_eq!((body.title.as_str(), body.remedy.as_str()), (code.title(), code.remedy()), "{code}");
            assert!(page(code.text()).unwrap().contains("What to do"));
        }
        assert!(page("nonsense").is_none() && index().contains("room_taken"));
    }
}
