//! From a property's settings to the adapter that speaks with its vendor. Secrets are opened here, in memory, and handed on.

use lock_domain::ids::{PropertyId, TenantId};
use lock_kms::{DataKeys, Place, SealError};
use lock_vendors::{
    port::LockVendor,
    registry::{AdapterKey, RegistryError, VendorRegistry},
};
use secrecy::SecretString;
use std::sync::Arc;
use uuid::Uuid;

/// A property's settings for its vendor, as they are recorded.
pub(crate) struct Settings<'a> {
    pub(crate) tenant: TenantId,
    pub(crate) property: PropertyId,
    pub(crate) vendor: &'a str,
    pub(crate) config: &'a serde_json::Value,
    pub(crate) sealed: Option<&'a [u8]>,
    /// Where it stands, if this is not the property's main vendor.
    pub(crate) row: Option<Uuid>,
    pub(crate) version: i64,
}

/// Why there is no adapter.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OpenError {
    #[error("a sealed value does not open: {0}")]
    Seal(#[from] SealError),
    #[error(transparent)]
    Registry(#[from] RegistryError),
    #[error("the sealed settings are not a JSON object")]
    Form,
}

/// The adapter of a property.
pub(crate) async fn open(
    keys: &DataKeys,
    vendors: &VendorRegistry,
    settings: &Settings<'_>,
) -> Result<Arc<dyn LockVendor>, OpenError> {
    let Settings { tenant, property, vendor, version, .. } = *settings;
    let key = AdapterKey { tenant, property, vendor: vendor.to_owned() };
    let mut config = settings.config.clone();
    if let (Some(sealed), Some(fields)) = (settings.sealed, config.as_object_mut()) {
        let place = match settings.row {
            None => Place { table: "properties", column: "vendor_sealed", row: property.as_uuid() },
            Some(row) => Place { table: "property_vendors", column: "sealed", row },
        };
        let opened = keys.open(tenant, &place, sealed).await?;
        let secrets: serde_json::Map<String, serde_json::Value> =
            serde_json::from_slice(&opened).map_err(|_| OpenError::Form)?;
        fields.extend(secrets);
    }
    let config = SecretString::from(config.to_string());
    Ok(vendors.get(&key, version, &config)?)
}
