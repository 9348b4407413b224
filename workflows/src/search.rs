//! Search attributes: for operators who look for workflows, never for decisions (visibility lags behind). They are stored in the
//! clear, so they carry ids and state names only.

use lock_domain::{ids::*, stay::StayPhase};
use temporalio_workflow::common::search_attributes::{SearchAttributeKey, SearchAttributeUpdate, SearchAttributes};

/// The customer.
pub const TENANT: SearchAttributeKey<String> = SearchAttributeKey::keyword("TenantId");
/// The hotel.
pub const PROPERTY: SearchAttributeKey<String> = SearchAttributeKey::keyword("PropertyId");
/// The guest's room.
pub const ROOM: SearchAttributeKey<String> = SearchAttributeKey::keyword("RoomId");
/// The lock vendor.
pub const VENDOR: SearchAttributeKey<String> = SearchAttributeKey::keyword("Vendor");
/// The stay's phase.
pub const KEY_STATE: SearchAttributeKey<String> = SearchAttributeKey::keyword("KeyState");
/// Whether a person should look.
pub const ATTENTION: SearchAttributeKey<bool> = SearchAttributeKey::bool("NeedsAttention");

/// The attributes that a stay starts with. A worker keeps three copies of them, 1.3 kB for each attribute, as long as the stay is in its cache:
/// so [`ATTENTION`] comes with the first change.
pub fn initial(
    tenant: TenantId,
    property: PropertyId,
    room: RoomId,
    vendor: &str,
    phase: StayPhase,
) -> SearchAttributes {
    let fixed = [
        TENANT.value_set(tenant.to_string()),
        PROPERTY.value_set(property.to_string()),
        VENDOR.value_set(vendor.to_owned()),
    ];
    let [room, state, _] = changed(room, phase, false);
    SearchAttributes::new(fixed.into_iter().chain([room, state]))
}

/// The attributes of what belongs to a property and to no stay.
pub fn of_property(tenant: TenantId, property: PropertyId) -> SearchAttributes {
    SearchAttributes::new([TENANT.value_set(tenant.to_string()), PROPERTY.value_set(property.to_string())])
}

/// The attributes that change when a stay does.
pub fn changed(room: RoomId, phase: StayPhase, attention: bool) -> [SearchAttributeUpdate; 3] {
    [ROOM.value_set(room.to_string()), KEY_STATE.value_set(phase.name().to_owned()), ATTENTION.value_set(attention)]
}
