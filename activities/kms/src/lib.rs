//! Keeps secrets at rest: data keys per tenant under a key-management service, sealed columns, and encrypted workflow histories.
//!
//! ```text
//! root key (KMS, never leaves) -> data key per owner, purpose and version (stored wrapped) -> sealed column | encrypted payload
//! ```
//! It must not know what it protects: it takes bytes and the place where they stand. It must not log a key or a plaintext, nor put
//! either into an error. It fails closed: a key that the KMS denies opens nothing from the next refresh on; a KMS that does not answer
//! is a [`RetryClass::Later`] error, and keys that were in use keep working for [`data_keys::GRACE`].

pub mod accesses;
mod aead;
mod aws;
pub mod codec;
pub mod codec_json;
pub mod data_keys;
pub mod local;
pub mod port;
pub mod rewrap;
pub mod seal;
mod settings;
mod stored;
#[cfg(test)]
mod testing;

pub use accesses::{AccessBook, OpenWatch};
pub use aead::OpenError;
pub use aws::{AwsKms, AwsSettings};
pub use codec::{HistoryCodec, data_converter};
pub use codec_json::CodecError;
pub use data_keys::{DataKeys, KeyError, KeyState, Purpose, RecordFault, SETTLE, WrappedKey, WrappedKeys};
pub use local::LocalFileKms;
pub use port::{Kms, KmsError, Owner, RetryClass, SYSTEM_TENANT, Wrapped};
pub use rewrap::{Rewrapping, Under, rewrap_all};
pub use seal::{Place, SealError};
pub use settings::{KmsSettings, Provider, SettingsError};
