//! Vendors whose wire is not public: what they can do is known, how to say it is not.
//!
//! Such an adapter exists so that a property can be set up, its policy chosen by capabilities, and the refusal say what is missing. It
//! sends nothing, keeps nothing and guesses nothing: a guessed call at a door is worse than none.

use async_trait::async_trait;
use lock_domain::window::Window;
use secrecy::{ExposeSecret, SecretString};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer};
use serde_json::Value;

use crate::error::{Condition, EffectOutcome, VendorError};
use crate::port::{
    CallContext, Capabilities, CredentialToken, Deletion, GatewayStatus, Issued, KeySpec, LockVendor, VendorCredential,
    VendorCredentialRef, VendorLock, VendorLockRef,
};
use crate::registry::RegistryError;

/// Refuses every call for good and says why.
pub(crate) struct Unpublished {
    pub(crate) name: &'static str,
    pub(crate) capabilities: Capabilities,
    pub(crate) remedy: &'static str,
}

impl Unpublished {
    fn refusal(&self, verb: &'static str) -> VendorError {
        VendorError::new(self.name, verb, Condition::WireNotPublic, EffectOutcome::Permanent).advising(self.remedy)
    }
}

/// Reads a form. An error names the field that is missing or unknown and never repeats a value.
pub(crate) fn form<T: DeserializeOwned>(
    vendor: &'static str,
    needed: &[&str],
    text: &SecretString,
) -> Result<T, RegistryError> {
    let bad = |reason: String| RegistryError::Config { vendor, reason };
    // The reason of serde_json may quote the text, which holds secrets.
    let value: Value = serde_json::from_str(text.expose_secret()).map_err(|_| bad("it is not JSON".to_owned()))?;
    for name in needed {
        if value.get(name).and_then(Value::as_str).is_none_or(str::is_empty) {
            return Err(bad(format!("`{name}` must be a text")));
        }
    }
    serde_json::from_value(value).map_err(|_| bad("a field is unknown or has a wrong form".to_owned()))
}

/// A text that is kept from view.
pub(crate) fn secret<'de, D: Deserializer<'de>>(deserializer: D) -> Result<SecretString, D::Error> {
    String::deserialize(deserializer).map(SecretString::from)
}

#[async_trait]
impl LockVendor for Unpublished {
    fn name(&self) -> &'static str {
        self.name
    }

    fn capabilities(&self) -> Capabilities {
        self.capabilities
    }

    async fn issue(&self, _: &CallContext, _: &KeySpec) -> Result<Issued, VendorError> {
        Err(self.refusal("issue"))
    }

    async fn find(
        &self,
        _: &CallContext,
        _: &[VendorLockRef],
        _: &CredentialToken,
    ) -> Result<Option<VendorCredential>, VendorError> {
        Err(self.refusal("find"))
    }

    async fn change_window(
        &self,
        _: &CallContext,
        _: &[VendorLockRef],
        _: &VendorCredentialRef,
        _: &CredentialToken,
        _: Window,
    ) -> Result<VendorCredential, VendorError> {
        Err(self.refusal("change_window"))
    }

    async fn delete(
        &self,
        _: &CallContext,
        _: &[VendorLockRef],
        _: &VendorCredentialRef,
    ) -> Result<Deletion, VendorError> {
        Err(self.refusal("delete"))
    }

    async fn list(&self, _: &CallContext, _: &VendorLockRef) -> Result<Vec<VendorCredential>, VendorError> {
        Err(self.refusal("list"))
    }

    async fn gateways(&self, _: &CallContext) -> Result<Vec<GatewayStatus>, VendorError> {
        Err(self.refusal("gateways"))
    }

    async fn gateway_locks(&self, _: &CallContext, _: &str) -> Result<Vec<String>, VendorError> {
        Err(self.refusal("gateway_locks"))
    }

    async fn locks(&self, _: &CallContext) -> Result<Vec<VendorLock>, VendorError> {
        Err(self.refusal("locks"))
    }
}
