//! The port to a key-management service: it wraps and unwraps data keys under a root key that it never gives away.
//!
//! An implementation must bind the owner to the wrapped key, so that one tenant's wrapped key can't be passed off as another's, and
//! must not put guest data where the service logs it (AWS writes the encryption context to CloudTrail).

use crate::data_keys::Purpose;
use async_trait::async_trait;
use lock_domain::ids::TenantId;
use std::{fmt, str::FromStr};
use uuid::Uuid;
use zeroize::Zeroizing;

/// Whose key it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Owner {
    /// Nobody's in particular: for what names no tenant.
    System,
    /// A customer's; made by `From`.
    Tenant(TenantId),
}

/// Under which tenant the database keeps the keys of [`Owner::System`]: a row among the tenants, entered when the database is set up,
/// without a property, an API key or a stay.
pub const SYSTEM_TENANT: TenantId = TenantId::from_uuid(Uuid::nil());

impl From<TenantId> for Owner {
    /// [`SYSTEM_TENANT`] is the system, so that nobody who writes its id somewhere gets keys beside the system's in the same rows.
    fn from(tenant: TenantId) -> Self {
        if tenant == SYSTEM_TENANT { Self::System } else { Self::Tenant(tenant) }
    }
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::System => f.write_str("system"),
            Self::Tenant(tenant) => tenant.fmt(f),
        }
    }
}

impl FromStr for Owner {
    type Err = lock_domain::ids::IdError;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text == "system" { Ok(Self::System) } else { text.parse::<TenantId>().map(Self::from) }
    }
}

/// Whether trying again can help.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RetryClass {
    /// Something does not answer just now; the same call may succeed later.
    Later,
    /// Somebody must change something first: rights, a lost root key, damaged bytes.
    Never,
}

/// Why a key was not wrapped or unwrapped. Carries no key material.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KmsError {
    /// It was not reached, or says that it is busy.
    #[error("the key-management service does not answer: {0}")]
    Unavailable(String),
    /// It may have been asked, and no usable answer came. Asking again is safe: wrapping and unwrapping leave nothing behind.
    #[error("nobody knows whether the key-management service has answered: {0}")]
    Unconfirmed(String),
    /// The service refuses: the customer has disabled the key, or our rights are gone.
    #[error("the key-management service denies the use of the key")]
    Denied,
    /// The wrapped key was not made under this root key for this owner, or is damaged.
    #[error("the wrapped key can't be opened: damaged, another owner's, or made under another root key")]
    Corrupt,
}

impl KmsError {
    /// Whether trying again can help.
    pub fn retry_class(&self) -> RetryClass {
        match self {
            Self::Unavailable(_) | Self::Unconfirmed(_) => RetryClass::Later,
            Self::Denied | Self::Corrupt => RetryClass::Never,
        }
    }
}

/// A data key in its wrapping.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wrapped {
    /// What only the service can take off.
    pub bytes: Vec<u8>,
    /// The service's name for the root key that it is wrapped under, for people and for rotations. Not a secret.
    pub root: String,
}

/// A key-management service.
#[async_trait]
pub trait Kms: Send + Sync {
    /// Encrypts a data key under the root key that is the owner's now. Owner and purpose are bound to it.
    async fn wrap(&self, owner: Owner, purpose: Purpose, key: &[u8; 32]) -> Result<Wrapped, KmsError>;

    /// The inverse of [`Kms::wrap`], for the same owner and purpose, also under an earlier root key.
    async fn unwrap(&self, owner: Owner, purpose: Purpose, wrapped: &[u8]) -> Result<Zeroizing<[u8; 32]>, KmsError>;

    /// Wraps what is wrapped under any of the owner's root keys anew under the one that is his now. The data key stays the same, and a
    /// service that can does it without showing it to us.
    async fn rewrap(&self, owner: Owner, purpose: Purpose, wrapped: &[u8]) -> Result<Wrapped, KmsError>;
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn owners_have_a_text_form() {
        let tenant = Owner::from(TenantId::from_uuid(Uuid::from_u128(5)));
        for owner in [Owner::System, tenant] {
            assert_eq!(owner.to_string().parse::<Owner>().unwrap(), owner);
        }
        assert_eq!(SYSTEM_TENANT.to_string().parse::<Owner>().unwrap(), Owner::System);
        assert!("sys".parse::<Owner>().is_err());
    }
}
