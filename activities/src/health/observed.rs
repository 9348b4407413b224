//! A vendor as effects use it: every call for a guest is evidence, so that nobody has to remember to note it.

use super::{evidence::finding, gate::Gate};
use async_trait::async_trait;
use jiff::Timestamp;
use lock_domain::{
    health::Finding,
    ids::{PropertyId, TenantId},
    window::Window,
};
use lock_vendors::{
    error::VendorError,
    port::{
        CallContext, Capabilities, CredentialToken, Deletion, GatewayStatus, Issued, KeySpec, LockVendor,
        VendorCredential, VendorCredentialRef, VendorLock, VendorLockRef,
    },
    records::{DoorRecord, Heard},
};
use std::sync::Arc;
use tokio::sync::mpsc::Sender;

/// A vendor whose calls are noted.
pub(crate) struct Observed<'a> {
    pub(crate) vendor: Arc<dyn LockVendor>,
    pub(crate) gate: &'a Gate,
    pub(crate) tenant: TenantId,
    pub(crate) property: PropertyId,
}

impl Observed<'_> {
    fn noted<T>(&self, result: Result<T, VendorError>) -> Result<T, VendorError> {
        let found = result.as_ref().map_or_else(finding, |_| Finding::Well);
        self.gate.note(self.tenant, self.property, self.vendor.name(), found);
        result
    }
}

#[async_trait]
impl LockVendor for Observed<'_> {
    fn name(&self) -> &'static str {
        self.vendor.name()
    }

    fn capabilities(&self) -> Capabilities {
        self.vendor.capabilities()
    }

    async fn issue(&self, call: &CallContext, spec: &KeySpec) -> Result<Issued, VendorError> {
        self.noted(self.vendor.issue(call, spec).await)
    }

    async fn find(
        &self,
        call: &CallContext,
        doors: &[VendorLockRef],
        token: &CredentialToken,
    ) -> Result<Option<VendorCredential>, VendorError> {
        self.noted(self.vendor.find(call, doors, token).await)
    }

    async fn change_window(
        &self,
        call: &CallContext,
        doors: &[VendorLockRef],
        credential: &VendorCredentialRef,
        token: &CredentialToken,
        window: Window,
    ) -> Result<VendorCredential, VendorError> {
        self.noted(self.vendor.change_window(call, doors, credential, token, window).await)
    }

    async fn open_doors(
        &self,
        call: &CallContext,
        doors: &[VendorLockRef],
        credential: &VendorCredentialRef,
        token: &CredentialToken,
    ) -> Result<VendorCredential, VendorError> {
        self.noted(self.vendor.open_doors(call, doors, credential, token).await)
    }

    async fn delete(
        &self,
        call: &CallContext,
        doors: &[VendorLockRef],
        credential: &VendorCredentialRef,
    ) -> Result<Deletion, VendorError> {
        self.noted(self.vendor.delete(call, doors, credential).await)
    }

    async fn delete_all(
        &self,
        call: &CallContext,
        doors: &[VendorLockRef],
        credentials: &[VendorCredentialRef],
    ) -> Result<Deletion, VendorError> {
        self.noted(self.vendor.delete_all(call, doors, credentials).await)
    }

    async fn list(&self, call: &CallContext, lock: &VendorLockRef) -> Result<Vec<VendorCredential>, VendorError> {
        self.noted(self.vendor.list(call, lock).await)
    }

    async fn lock_clock(&self, call: &CallContext, lock: &VendorLockRef) -> Result<Timestamp, VendorError> {
        self.noted(self.vendor.lock_clock(call, lock).await)
    }

    async fn sync_clock(&self, call: &CallContext, lock: &VendorLockRef) -> Result<Timestamp, VendorError> {
        self.noted(self.vendor.sync_clock(call, lock).await)
    }

    async fn gateways(&self, call: &CallContext) -> Result<Vec<GatewayStatus>, VendorError> {
        self.noted(self.vendor.gateways(call).await)
    }

    async fn gateway_locks(&self, call: &CallContext, gateway_id: &str) -> Result<Vec<String>, VendorError> {
        self.noted(self.vendor.gateway_locks(call, gateway_id).await)
    }

    async fn records(
        &self,
        call: &CallContext,
        lock: &VendorLockRef,
        since: Timestamp,
    ) -> Result<Vec<DoorRecord>, VendorError> {
        self.noted(self.vendor.records(call, lock, since).await)
    }

    async fn follow(&self, since: Timestamp, heard: Sender<Heard>) -> Result<(), VendorError> {
        self.noted(self.vendor.follow(since, heard).await)
    }

    async fn locks(&self, call: &CallContext) -> Result<Vec<VendorLock>, VendorError> {
        self.noted(self.vendor.locks(call).await)
    }
}
