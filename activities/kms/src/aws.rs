//! AWS KMS. The root key is a symmetric key there; a data key is wrapped by `Encrypt`, unwrapped by `Decrypt`, and moved to another root
//! key by `ReEncrypt`, in which it never leaves the service.
//!
//! Owner and purpose are the encryption context: authenticated, and written to CloudTrail, so that it must hold no guest data; it is ids.
//! Which root key a wrapped key belongs to stands in the wrapped bytes; IAM decides which ones we may use.
//!
//! # How it fails
//! By the error's code (<https://docs.aws.amazon.com/kms/latest/APIReference/CommonErrors.html> and each operation's page): what says
//! "disabled", "pending deletion", "not found" or "not allowed" is a denial and locks everything under the key; throttling and faults of
//! the service are worth another try; a broken or missing answer leaves unknown whether the service has acted, which does not matter here,
//! because these operations change nothing. The SDK itself repeats nothing: whoever calls has its own patience.

use crate::{
    data_keys::Purpose,
    port::{Kms, KmsError, Owner, Wrapped},
};
use async_trait::async_trait;
use aws_config::{BehaviorVersion, ConfigLoader, retry::RetryConfig, timeout::TimeoutConfig};
use aws_sdk_kms::{
    Client,
    error::{ProvideErrorMetadata, SdkError},
    primitives::Blob,
};
use aws_smithy_http_client::{
    Builder,
    tls::{Provider, rustls_provider::CryptoMode},
};
use std::{collections::HashMap, time::Duration};
use zeroize::Zeroizing;

const CALL: Duration = Duration::from_secs(4);
const CONNECT: Duration = Duration::from_secs(2);
/// What stands for the owner in a key's name.
const OWNER: &str = "{owner}";

/// Where the root keys are.
#[derive(Debug, Clone)]
pub struct AwsSettings {
    /// Id, ARN or alias; `{owner}` becomes the tenant's id, or `system`.
    pub key: String,
    /// Another address than the region's own.
    pub endpoint: Option<String>,
    /// For one call; less than [`crate::data_keys::KMS_TIMEOUT`], or that is the bound.
    pub call_timeout: Duration,
}

impl AwsSettings {
    /// Keys at the region's own address.
    pub fn new(key: impl Into<String>) -> Self {
        Self { key: key.into(), endpoint: None, call_timeout: CALL }
    }
}

/// See the module's description.
#[derive(Debug, Clone)]
pub struct AwsKms {
    client: Client,
    key: String,
}

impl AwsKms {
    /// With region and credentials from where AWS's own tools take them: environment, profile, web identity, container, instance.
    pub async fn from_environment(settings: AwsSettings) -> Self {
        Self::connect(settings, aws_config::defaults(BehaviorVersion::v2026_01_12())).await
    }

    /// With what a loader finds or was given. Asks the service nothing.
    pub async fn connect(settings: AwsSettings, loader: ConfigLoader) -> Self {
        let http = Builder::new().tls_provider(Provider::Rustls(CryptoMode::Ring)).build_https();
        let timeouts =
            TimeoutConfig::builder().connect_timeout(CONNECT).operation_timeout(settings.call_timeout).build();
        let loader = loader.http_client(http).timeout_config(timeouts).retry_config(RetryConfig::disabled());
        let loader = match &settings.endpoint {
            Some(endpoint) => loader.endpoint_url(endpoint),
            None => loader,
        };
        Self { client: Client::new(&loader.load().await), key: settings.key }
    }

    fn key_of(&self, owner: Owner) -> String {
        self.key.replace(OWNER, &owner.to_string())
    }
}

fn context(owner: Owner, purpose: Purpose) -> HashMap<String, String> {
    HashMap::from([("tenant".to_owned(), owner.to_string()), ("purpose".to_owned(), purpose.name().to_owned())])
}

#[async_trait]
impl Kms for AwsKms {
    async fn wrap(&self, owner: Owner, purpose: Purpose, key: &[u8; 32]) -> Result<Wrapped, KmsError> {
        let call = self.client.encrypt().key_id(self.key_of(owner)).plaintext(Blob::new(key.as_slice()));
        let sent = call.set_encryption_context(Some(context(owner, purpose))).send().await;
        let answer = sent.map_err(|error| meaning(&error))?;
        wrapped(answer.ciphertext_blob, answer.key_id)
    }

    async fn unwrap(&self, owner: Owner, purpose: Purpose, bytes: &[u8]) -> Result<Zeroizing<[u8; 32]>, KmsError> {
        let call = self.client.decrypt().ciphertext_blob(Blob::new(bytes));
        let sent = call.set_encryption_context(Some(context(owner, purpose))).send().await;
        let answer = sent.map_err(|error| meaning(&error))?;
        let plain = Zeroizing::new(answer.plaintext.map(Blob::into_inner).unwrap_or_default());
        plain.as_slice().try_into().map(Zeroizing::new).map_err(|_| KmsError::Corrupt)
    }

    async fn rewrap(&self, owner: Owner, purpose: Purpose, bytes: &[u8]) -> Result<Wrapped, KmsError> {
        let call = self.client.re_encrypt().ciphertext_blob(Blob::new(bytes)).destination_key_id(self.key_of(owner));
        let call = call.set_source_encryption_context(Some(context(owner, purpose)));
        let sent = call.set_destination_encryption_context(Some(context(owner, purpose))).send().await;
        let answer = sent.map_err(|error| meaning(&error))?;
        wrapped(answer.ciphertext_blob, answer.key_id)
    }
}

fn wrapped(bytes: Option<Blob>, root: Option<String>) -> Result<Wrapped, KmsError> {
    match (bytes, root) {
        (Some(bytes), Some(root)) => Ok(Wrapped { bytes: bytes.into_inner(), root }),
        _ => Err(KmsError::Unconfirmed("an answer without its fields".to_owned())),
    }
}

fn meaning<E: ProvideErrorMetadata, R>(error: &SdkError<E, R>) -> KmsError {
    match error {
        SdkError::ServiceError(service) => by_code(service.err().code()),
        SdkError::ConstructionFailure(_) => KmsError::Unavailable("no region or no credentials".to_owned()),
        SdkError::DispatchFailure(failure) if failure.is_user() => KmsError::Unavailable("no credentials".to_owned()),
        SdkError::DispatchFailure(_) => KmsError::Unavailable("no connection".to_owned()),
        SdkError::TimeoutError(_) => KmsError::Unconfirmed("no answer in time".to_owned()),
        SdkError::ResponseError(_) => KmsError::Unconfirmed("a broken answer".to_owned()),
        _ => KmsError::Unconfirmed("an unknown kind of failure".to_owned()),
    }
}

/// What an error code says. A code that nobody knows is taken for a denial: it must not keep a key in use.
fn by_code(code: Option<&str>) -> KmsError {
    match code {
        Some("InvalidCiphertextException" | "IncorrectKeyException") => KmsError::Corrupt,
        Some(
            code @ ("ThrottlingException"
            | "LimitExceededException"
            | "RequestLimitExceeded"
            | "DependencyTimeoutException"
            | "KeyUnavailableException"
            | "KMSInternalException"
            | "InternalFailure"
            | "InternalServerError"
            | "InternalError"
            | "ServiceUnavailable"
            | "ServiceUnavailableException"
            | "RequestExpired"
            | "RequestTimeout"
            | "SlowDown"),
        ) => KmsError::Unavailable(code.to_owned()),
        // An error page of something in between: the service itself names each of its refusals.
        None => KmsError::Unconfirmed("a failure without a code".to_owned()),
        Some(_) => KmsError::Denied,
    }
}

#[cfg(test)]
mod tests;
