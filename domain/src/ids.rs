//! The registry of identifiers. Append only: a prefix, once given, is in customers' logs for ever.
//!
//! Each id is a UUID behind a type of its own, so that a door can't be passed for a room. Its text form carries a prefix
//! (`door_018f…`), which makes a log line readable on its own. There is no `From<Uuid>`: wrapping and unwrapping are explicit and
//! can be searched for.

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::{borrow::Cow, fmt, str::FromStr};
use uuid::Uuid;

/// Why a text is not an id of the wanted kind.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IdError {
    /// The text starts with something else than the kind's prefix.
    #[error("expected an id that starts with `{expected}_`")]
    Prefix {
        /// The prefix of the wanted kind, without the underscore.
        expected: &'static str,
    },
    /// What follows the prefix is not a UUID in its 32-digit form.
    #[error("`{expected}_` must be followed by 32 hexadecimal digits")]
    Body {
        /// The prefix of the wanted kind, without the underscore.
        expected: &'static str,
    },
    /// A reservation reference has a wrong length or character.
    #[error("must be 1 to 64 characters of A-Z a-z 0-9 . _ -")]
    Reference,
}

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident = $prefix:literal;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Uuid);

        impl $name {
            /// The prefix of the text form, without the underscore.
            pub const PREFIX: &'static str = $prefix;

            /// Wraps a raw UUID, such as one that was read from the database.
            pub const fn from_uuid(raw: Uuid) -> Self { Self(raw) }

            /// The raw UUID, as the database stores it.
            pub const fn as_uuid(&self) -> Uuid { self.0 }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}_{}", $prefix, self.0.simple())
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result { fmt::Display::fmt(self, f) }
        }

        impl FromStr for $name {
            type Err = IdError;
            fn from_str(text: &str) -> Result<Self, IdError> { parse($prefix, text).map(Self) }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> { s.collect_str(self) }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
                Cow::<'de, str>::deserialize(d)?.parse().map_err(serde::de::Error::custom)
            }
        }

        impl utoipa::PartialSchema for $name {
            fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::schema::Schema> { text_schema($prefix) }
        }
        impl utoipa::ToSchema for $name {}
    )*};
}

ids! {
    /// A customer: a hotel group with its own keys, log and data.
    TenantId = "ten";
    /// One hotel of a tenant.
    PropertyId = "prop";
    /// A guest room of a property.
    RoomId = "room";
    /// A door with a lock: a room's, or a common area's.
    DoorId = "door";
    /// One stay: one reservation from its acceptance to its end.
    StayId = "stay";
    /// A key of a stay: what one holder carries, on every door that it opens.
    KeyId = "key";
    /// A key's presence in one lock: what the vendor stores.
    CredentialId = "cred";
    /// An accepted request; also the id of its operation.
    CommandId = "op";
    /// An event in the tenant's log.
    EventId = "evt";
    /// An API key of a machine client. The id is public; the secret is not.
    ApiKeyId = "ak";
    /// One attempt at an effect at a vendor.
    AttemptId = "att";
    /// An address at which a vendor or partner may call us.
    WebhookEndpointId = "whe";
    /// One webhook that came in.
    DeliveryId = "whd";
    /// A rotation of a tenant's keys.
    RotationId = "rot";
    /// A vendor that does something else than what was accepted of it.
    IncidentId = "inc";
    /// One outage of a lock vendor at a property, from the opening of its breaker to its closing.
    OutageId = "out";
    /// Something that a person has to do at a device.
    MaintenanceTaskId = "mt";
    /// A look at what stands at locks, ours and others'.
    InventoryId = "inv";
}

impl PropertyId {
    /// What stands in the log for the tenant as a whole, where something concerns no single hotel. No property has this id.
    pub const NONE: Self = Self(Uuid::nil());
}

fn parse(prefix: &'static str, text: &str) -> Result<Uuid, IdError> {
    let body = text
        .strip_prefix(prefix)
        .and_then(|rest| rest.strip_prefix('_'))
        .ok_or(IdError::Prefix { expected: prefix })?;
    let simple = body.len() == 32 && body.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
    if !simple {
        return Err(IdError::Body { expected: prefix });
    }
    Uuid::parse_str(body).map_err(|_| IdError::Body { expected: prefix })
}

fn text_schema(prefix: &str) -> utoipa::openapi::RefOr<utoipa::openapi::schema::Schema> {
    utoipa::openapi::ObjectBuilder::new()
        .schema_type(utoipa::openapi::schema::Type::String)
        .pattern(Some(format!("^{prefix}_[0-9a-f]{{32}}$")))
        .into()
}

impl CredentialId {
    /// The credential of a key on a door. A function of both, so that a workflow that runs again comes to the same id.
    pub fn of(key: KeyId, door: DoorId) -> Self {
        let mut name = [0_u8; 32];
        name[..16].copy_from_slice(key.0.as_bytes());
        name[16..].copy_from_slice(door.0.as_bytes());
        Self(Uuid::new_v5(&Uuid::NAMESPACE_OID, &name))
    }

    /// The name under which the vendor stores this credential: ours alone, so that it can be searched for after an answer got lost.
    pub fn vendor_token(&self) -> String {
        format!("lis-{}", self.0.simple())
    }
}

impl KeyId {
    /// The name under which a vendor stores this key where a whole key stands there, with all its doors.
    pub fn vendor_token(&self) -> String {
        format!("lis-{}", self.0.simple())
    }
}

/// The PMS's own name for a reservation. It is part of workflow ids and search attributes, so it must not carry guest data: 1 to 64
/// characters of `A-Z a-z 0-9 . _ -`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, utoipa::ToSchema)]
#[serde(transparent)]
pub struct ReservationRef(String);

impl ReservationRef {
    /// The text, as the PMS gave it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for ReservationRef {
    type Err = IdError;
    fn from_str(text: &str) -> Result<Self, IdError> {
        let fits = (1..=64).contains(&text.len())
            && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'));
        fits.then(|| Self(text.to_owned())).ok_or(IdError::Reference)
    }
}

impl fmt::Display for ReservationRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for ReservationRef {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        Cow::<'de, str>::deserialize(d)?.parse().map_err(serde::de::Error::custom)
    }
}

/// The workflow id of a reservation's first stay: a function of the business ids alone (DESIGN §4.1), so that a second start meets the
/// first.
pub fn stay_workflow_id(tenant: TenantId, property: PropertyId, reservation: &ReservationRef) -> String {
    format!("stay/{tenant}/{property}/{reservation}")
}

/// The workflow id of a property's maintenance loop.
pub fn maintenance_workflow_id(tenant: TenantId, property: PropertyId) -> String {
    format!("maintenance/{tenant}/{property}")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn text_form_round_trips(raw: u128) {
            let id = DoorId::from_uuid(Uuid::from_u128(raw));
            prop_assert_eq!(id.to_string().parse::<DoorId>().unwrap(), id);
        }

        #[test]
        fn no_text_panics(text in ".{0,60}") {
            let _ = text.parse::<KeyId>();
            let _ = text.parse::<ReservationRef>();
        }
    }

    #[test]
    fn a_door_is_no_room() {
        let door = DoorId::from_uuid(Uuid::from_u128(7)).to_string();
        assert_eq!(door.parse::<RoomId>(), Err(IdError::Prefix { expected: "room" }));
        assert_eq!("room_12".parse::<RoomId>(), Err(IdError::Body { expected: "room" }));
    }

    #[test]
    fn reservations_carry_no_spaces_or_names() {
        assert!("R-2026.11_7".parse::<ReservationRef>().is_ok());
        for bad in ["", "Anna Schmidt", "a/b", "ü", &"x".repeat(65)] {
            assert_eq!(bad.parse::<ReservationRef>(), Err(IdError::Reference), "{bad}");
        }
    }

    #[test]
    fn a_credential_is_a_function_of_key_and_door() {
        let (key, door) = (KeyId::from_uuid(Uuid::from_u128(1)), DoorId::from_uuid(Uuid::from_u128(2)));
        assert_eq!(CredentialId::of(key, door), CredentialId::of(key, door));
        assert!(CredentialId::of(key, door).vendor_token().len() <= 40);
    }
}
