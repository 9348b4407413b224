//! Which key-management service a process uses, from its environment. The same for API and worker: they must agree.

use crate::{
    aws::{AwsKms, AwsSettings},
    local::{LocalFileKms, LocalKmsError},
    port::Kms,
};
use std::{path::PathBuf, sync::Arc};

/// The services that there are adapters for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Provider {
    /// Files in a folder, for development and for installations of one machine.
    Local,
    /// AWS KMS.
    Aws,
}

/// The settings, each as a flag or an environment variable.
#[derive(Debug, Clone, clap::Args)]
pub struct KmsSettings {
    /// The key-management service.
    #[arg(long = "kms", env = "LOCK_KMS", value_enum, default_value = "local")]
    pub provider: Provider,
    /// Folder of the local service.
    #[arg(long = "kms-dir", env = "LOCK_KMS_DIR")]
    pub dir: Option<PathBuf>,
    /// The root key in AWS KMS: id, ARN or alias. `{owner}` in it becomes the tenant's id, or `system`, so that each customer can have a
    /// root key of his own: `alias/lock/{owner}`.
    #[arg(long = "kms-key", env = "LOCK_KMS_KEY")]
    pub key: Option<String>,
    /// Another address of AWS KMS, such as a VPC endpoint. Region and credentials are found as AWS's own tools find them.
    #[arg(long = "kms-endpoint", env = "LOCK_KMS_ENDPOINT")]
    pub endpoint: Option<String>,
}

/// Why the service can't be used.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// A setting that the provider needs is missing.
    #[error("set {0}")]
    Missing(&'static str),
    /// The local folder.
    #[error(transparent)]
    Local(#[from] LocalKmsError),
}

impl KmsSettings {
    /// The local service in this folder.
    pub fn local(dir: impl Into<PathBuf>) -> Self {
        Self { provider: Provider::Local, dir: Some(dir.into()), key: None, endpoint: None }
    }

    /// The service. Asks AWS nothing: a service that is down is noticed when it is first needed.
    pub async fn open(&self) -> Result<Arc<dyn Kms>, SettingsError> {
        match self.provider {
            Provider::Local => {
                let dir = self.dir.as_deref().ok_or(SettingsError::Missing("LOCK_KMS_DIR"))?;
                Ok(Arc::new(LocalFileKms::open(dir)?))
            }
            Provider::Aws => {
                let key = self.key.clone().ok_or(SettingsError::Missing("LOCK_KMS_KEY"))?;
                let settings = AwsSettings { endpoint: self.endpoint.clone(), ..AwsSettings::new(key) };
                Ok(Arc::new(AwsKms::from_environment(settings).await))
            }
        }
    }
}
