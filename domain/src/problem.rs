//! The registry of problem codes: what can go wrong, in one table. Append only; a code is part of the API.
//!
//! The same code stands in an RFC 9457 problem, in the log, in a metric's label and in the name of its page under `docs/errors/`.

use crate::window::WindowError;
use serde::{Deserialize, Serialize};
use std::fmt;

macro_rules! codes {
    ($($name:ident, $text:literal, $status:literal, $title:literal, $remedy:literal;)*) => {
        /// A stable problem code.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
        #[serde(rename_all = "snake_case")]
        pub enum Code {
            $(#[doc = $title] $name,)*
        }

        impl Code {
            /// Every code.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// The code's text, as in JSON.
            pub const fn text(self) -> &'static str { match self { $(Self::$name => $text,)* } }

            /// The HTTP status that an API answer with this code has.
            pub const fn status(self) -> u16 { match self { $(Self::$name => $status,)* } }

            /// What happened, in a few words.
            pub const fn title(self) -> &'static str { match self { $(Self::$name => $title,)* } }

            /// What the reader can do.
            pub const fn remedy(self) -> &'static str { match self { $(Self::$name => $remedy,)* } }
        }
    };
}

codes! {
    InvalidRequest, "invalid_request", 400, "The request can't be read", "Correct the field that `detail` names; the API description shows its form.";
    InvalidField, "invalid_field", 422, "A field has a value that makes no sense", "Correct the field that `field` names.";
    BodyTooLarge, "body_too_large", 413, "The body is too large", "Send at most 64 KiB.";
    UnsupportedMediaType, "unsupported_media_type", 415, "The body is not JSON", "Send `Content-Type: application/json`.";
    Unauthorized, "unauthorized", 401, "The API key is missing, unknown, revoked or expired", "Send `Authorization: Bearer <API key>` with a key that is valid today.";
    ScopeMissing, "scope_missing", 403, "The API key may not do this", "Use a key with the scope that `detail` names, or ask an administrator for it.";
    NotFound, "not_found", 404, "There is nothing here", "Check the path against the API description.";
    MethodNotAllowed, "method_not_allowed", 405, "The path exists, the method does not", "Check the method against the API description.";
    PropertyNotFound, "property_not_found", 404, "No such property", "Use a property id that `GET /v1/properties` lists for this key.";
    StayNotFound, "stay_not_found", 404, "No such stay", "Check the reservation reference; `GET …/stays` lists those that exist.";
    KeyNotFound, "key_not_found", 404, "The stay has no such key, or it has been taken away", "Use a key id of the stay that is still wanted.";
    OperationNotFound, "operation_not_found", 404, "No such operation", "Use the operation id of a 202 answer to this tenant.";
    RoomUnknown, "room_unknown", 422, "The property has no such room", "Use a room id or number that `GET …/rooms` lists.";
    ZoneUnknown, "zone_unknown", 422, "Not an IANA time zone", "Use a name such as `Europe/Lisbon`.";
    WindowReversed, "window_reversed", 422, "The stay ends before it starts", "Send a departure that is later than the arrival.";
    WindowEnded, "window_ended", 422, "The stay's window has ended", "Send a departure in the future, on the property's clock.";
    WindowTooLong, "window_too_long", 422, "The stay is longer than a year", "Split it, or check the dates.";
    WindowTooFar, "window_too_far", 422, "The stay starts more than two years from now", "Send it later, or check the dates.";
    StayExists, "stay_exists", 409, "The reservation has a live stay already", "Use `duplicate` for more keys, `modify-stay` or `room-move` for changes.";
    StayEnded, "stay_ended", 409, "The stay is over", "Create a new stay under the same reservation if the guest is still here.";
    StayEnding, "stay_ending", 409, "The reservation's stay is over, but a lock may still open", "Repeat it once the stay is `ended`; its `still_valid_until` and `keys` say which lock is waited for.";
    StayNotBegun, "stay_not_begun", 409, "No key has been issued yet", "Use `cancel` before arrival; there is nothing to read or check out.";
    StaySuspended, "stay_suspended", 409, "The stay's keys are suspended", "Use `resume` first; a suspension sticks until then.";
    StayNotSuspended, "stay_not_suspended", 409, "The stay's keys are not suspended", "Nothing to resume.";
    MoveUnderWay, "move_under_way", 409, "A room move is under way", "Wait until its operation is done, then try again.";
    SameRoom, "same_room", 409, "The guest has this room already", "Check the room number.";
    RoomTaken, "room_taken", 409, "Another stay has the room in that window", "Use another room, or end or move the stay that `detail` names.";
    IdempotencyKeyMissing, "idempotency_key_missing", 400, "The Idempotency-Key header is missing", "Send a key of 1 to 128 visible characters, new for each new request and the same for a repeat.";
    IdempotencyKeyReused, "idempotency_key_reused", 422, "The Idempotency-Key was used for another request", "Use a new key for a new request.";
    IdempotencyInProgress, "idempotency_in_progress", 409, "The first request with this Idempotency-Key is still being answered", "Repeat it in a second.";
    PinWeak, "pin_weak", 422, "The PIN is too easy to guess", "Choose one without repeated or consecutive digits, or leave it to us.";
    PinTaken, "pin_taken", 409, "The PIN is in use, or was in use lately", "Choose another, or leave it to us.";
    PinRevealed, "pin_revealed", 410, "The PIN has been revealed before", "Use `reissue` for a new PIN if it is lost.";
    PinNotReady, "pin_not_ready", 409, "The PIN is not known yet", "The lock vendor makes it up when the key is made: ask again when the stay is active. It is also unknown while the keys are suspended.";
    OneShotFixed, "one_shot_fixed", 409, "A one-shot key can't be changed", "Take it back with `one-shot-keys/{reservation}/revoke` and make another one.";
    CapabilityMissing, "capability_missing", 422, "The lock vendor can't do this", "Ask for what `detail` names instead.";
    WireNotPublic, "wire_not_public", 422, "The lock vendor's interface is not public", "Ask the vendor for its interface description under the property's contract and send it to us, or use another vendor's locks.";
    PinsExhausted, "pins_exhausted", 503, "The property has no free PIN", "Raise `pin_digits` or lower `pin_quarantine_s` in the property's policy.";
    RateLimited, "rate_limited", 429, "Too many requests", "Wait for the seconds in `Retry-After`.";
    ClockLive, "clock_live", 409, "A live property's clock can't be moved", "Use a sandbox property.";
    ClockBackwards, "clock_backwards", 422, "A test clock only moves forward", "Send a later time, at most ten years ahead.";
    CursorInvalid, "cursor_invalid", 400, "The cursor is not one of ours", "Send the `next_cursor` of the page before, unchanged.";
    CodecRefused, "codec_refused", 403, "The payload belongs to another tenant, or its key is gone", "Use an API key of the payload's tenant with the scope `histories:read`.";
    Unavailable, "unavailable", 503, "A part that we need does not answer", "Repeat with the same Idempotency-Key; nothing is lost and nothing happens twice.";
    Internal, "internal", 500, "Our mistake", "Repeat with the same Idempotency-Key; tell us the `instance` if it stays.";
    GatewayOffline, "gateway_offline", 503, "The lock's gateway is offline", "Check the gateway's power and network; we go on trying.";
    GatewayBusy, "gateway_busy", 503, "The lock or its gateway is busy", "Nothing; we go on trying.";
    LockOffline, "lock_offline", 503, "The lock does not answer", "Check its battery and the distance to its gateway; we go on trying.";
    LockUnknown, "lock_unknown", 422, "The vendor does not know the lock", "Correct the door's lock id in the property's set-up.";
    LockFull, "lock_full", 409, "The lock has no room for another code", "Take unused codes out of the lock; we go on trying.";
    LockUnfit, "lock_unfit", 422, "The lock can't do this", "Use another kind of key for this door.";
    CodeTaken, "code_taken", 409, "The lock holds this code already, and it is not ours", "Use `reissue` for another PIN, or take the foreign code out of the lock.";
    VendorAccess, "vendor_access", 503, "The vendor refuses our account", "Renew the vendor account's password or rights in the property's set-up.";
    VendorQuota, "vendor_quota", 503, "The vendor's quota is used up", "Buy more, or wait until it renews; we go on trying.";
    VendorUnreachable, "vendor_unreachable", 503, "The vendor does not answer", "Nothing; we go on trying.";
    VendorRefused, "vendor_refused", 422, "The vendor refused", "See the stay's timeline for the vendor's own words.";
    Unproven, "unproven", 503, "Nobody can tell yet whether the vendor acted", "Nothing; we read back until we know, and never send twice.";
    HeldForApproval, "held_for_approval", 409, "Held, because too many stays of the property were to lose their keys at once", "Look at `GET …/held`: another API key with the scope `stays:approve` approves or rejects it. Until then every key works as before.";
    ApprovalRefused, "approval_refused", 409, "It was held for approval, and rejected", "Everything is as before. If it was meant all the same, send it again with a new Idempotency-Key.";
    SecondPersonNeeded, "second_person_needed", 403, "Nobody approves his own request", "Approve with another API key than the one that asked; it needs the scope `stays:approve`.";
    OperationNotHeld, "operation_not_held", 409, "The operation is not held for approval", "Look at `GET …/held` for those that are; this one was decided already, or never held.";
    CardNeeded, "card_needed", 503, "The card encoder waits for a usable card", "Put a blank card on the encoder when it asks for one, and leave it there until it signals; we go on trying.";
    EncoderUnavailable, "encoder_unavailable", 503, "The card encoder does not answer, or is busy", "Wait until it has finished the card before; check its power and network cable; we go on trying.";
    VendorCertificate, "vendor_certificate", 503, "The vendor's server shows another certificate", "Ask who replaced it. Pin the new one in the property's set-up only when somebody at the property did.";
    VendorCircuitOpen, "vendor_circuit_open", 503, "The vendor is down, and is left alone until it is back", "Nothing; we look for its return with a test lock, then go on by ourselves. For guests who arrive meanwhile use the desk's fallback.";
    WebhookRefused, "webhook_refused", 401, "The webhook is not signed as agreed", "Sign the raw body with a secret of this endpoint that is valid today, and send the headers of its scheme.";
    WebhookTooOld, "webhook_too_old", 400, "The webhook was signed too long ago, or in the future", "Sign each attempt anew, and set the sender's clock; five minutes are allowed both ways.";
    StayNotWaiting, "stay_not_waiting", 409, "The stay does not wait for its vendor", "Nothing: its keys are proven, or not due yet.";
    DeskIssue, "desk_issue", 503, "The desk lets this guest in", "Look at `GET …/desk`: it has those guests in the order of their arrival, and what to do for each. The keys go on by themselves once the vendor is back.";
    IncidentOver, "incident_over", 409, "The incident is over", "Nothing: the vendor does again what was accepted of it.";
    VaultLocked, "vault_locked", 503, "The customer's root key refuses to open his secrets", "Enable the root key in the key-management service, or give this service its rights back. Nothing is lost: what waits goes on by itself within seconds.";
    RotationUnderWay, "rotation_under_way", 409, "A rotation of the tenant's keys is under way", "Wait until it is done; `GET /v1/vault/rotations/{rotation}` tells.";
    WebhookIdReused, "webhook_id_reused", 409, "Another webhook came under this id", "Give each message an id of its own; only repeats of the same bytes share one.";
    InventoryUnderWay, "inventory_under_way", 409, "An inventory of the property is under way", "Wait until it is done, or cancel it; `GET …/inventories` lists it.";
}

impl Code {
    /// The code with this text.
    pub fn from_text(text: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|code| code.text() == text)
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text())
    }
}

impl std::error::Error for Code {}

impl From<WindowError> for Code {
    fn from(error: WindowError) -> Self {
        match error {
            WindowError::Reversed => Self::WindowReversed,
            WindowError::Ended => Self::WindowEnded,
            WindowError::TooLong => Self::WindowTooLong,
            WindowError::TooFar => Self::WindowTooFar,
        }
    }
}

impl utoipa::PartialSchema for Code {
    fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::schema::Schema> {
        utoipa::openapi::ObjectBuilder::new()
            .schema_type(utoipa::openapi::schema::Type::String)
            .enum_values(Some(Self::ALL.iter().map(|code| code.text())))
            .into()
    }
}

impl utoipa::ToSchema for Code {}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn texts_are_unique_and_are_the_json_form() {
        let texts: BTreeSet<_> = Code::ALL.iter().map(|c| c.text()).collect();
        assert_eq!(texts.len(), Code::ALL.len());
        for code in Code::ALL {
            assert_eq!(serde_json::to_value(code).unwrap(), code.text());
            assert_eq!(Code::from_text(code.text()), Some(*code));
            assert!((400..600).contains(&code.status()) && !code.remedy().is_empty());
        }
    }
}
