//! The adapter against moto's server, and its table of errors.

#![allow(clippy::unwrap_used, clippy::panic)]
use super::*;
use crate::{
    data_keys::DataKeys,
    port::RetryClass,
    testing::{MemoryRecord, tenant},
};
use Purpose::{Histories, Rows};
use aws_config::Region;
use aws_sdk_kms::{config::Credentials, types::KeyState as AwsKeyState};
use std::sync::Arc;
use xtask::{
    project::Project,
    stack::{Moto, Progress},
};

const REGION: &str = "eu-central-1";

/// A server of its own, and its administrator.
struct Aws {
    moto: Moto,
    admin: Client,
}

fn loader() -> ConfigLoader {
    let credentials =
        Credentials::builder().access_key_id("AKIDEXAMPLE").secret_access_key("unused").provider_name("tests").build();
    aws_config::defaults(BehaviorVersion::v2026_01_12()).region(Region::new(REGION)).credentials_provider(credentials)
}

impl Aws {
    async fn start() -> Self {
        let moto = tokio::task::spawn_blocking(|| Moto::start(&Project::find().unwrap(), Progress::hidden()).unwrap());
        let moto = moto.await.unwrap();
        let http = Builder::new().build_http();
        let config = loader().http_client(http).endpoint_url(moto.url()).load().await;
        Self { moto, admin: Client::new(&config) }
    }

    async fn kms(&self, key: &str) -> AwsKms {
        let endpoint = Some(self.moto.url().to_owned());
        let settings = AwsSettings { endpoint, call_timeout: Duration::from_secs(2), ..AwsSettings::new(key) };
        AwsKms::connect(settings, loader()).await
    }

    /// A new key under an alias, which may have stood for another before. Returns its ARN.
    async fn key(&self, alias: &str) -> String {
        let made = self.admin.create_key().send().await.unwrap().key_metadata.unwrap();
        if self.admin.describe_key().key_id(alias).send().await.is_ok() {
            self.admin.update_alias().alias_name(alias).target_key_id(&made.key_id).send().await.unwrap();
        } else {
            self.admin.create_alias().alias_name(alias).target_key_id(&made.key_id).send().await.unwrap();
        }
        made.arn.unwrap()
    }

    async fn fault(&self, order: &str) {
        let url = format!("{}/lock-faults", self.moto.url());
        reqwest::Client::new().post(url).body(order.to_owned()).send().await.unwrap().error_for_status().unwrap();
    }
}

#[test]
fn codes_fall_into_the_classes_of_their_documentation() {
    for code in
        ["DisabledException", "KMSInvalidStateException", "NotFoundException", "AccessDeniedException", "Whatever"]
    {
        assert_eq!(by_code(Some(code)), KmsError::Denied, "{code}");
    }
    for code in ["ThrottlingException", "KMSInternalException", "KeyUnavailableException", "DependencyTimeoutException"]
    {
        assert_eq!(by_code(Some(code)).retry_class(), RetryClass::Later, "{code}");
    }
    assert_eq!(by_code(Some("InvalidCiphertextException")), KmsError::Corrupt);
    assert_eq!(by_code(None).retry_class(), RetryClass::Later);
}

#[test]
fn the_context_names_owner_and_purpose_and_nothing_else() {
    let owner = tenant(7);
    let context = context(owner, Rows);
    assert_eq!(context.len(), 2);
    assert_eq!((&context["tenant"], &context["purpose"][..]), (&owner.to_string(), "rows"));
}

#[tokio::test]
async fn a_wrapped_key_opens_for_its_owner_and_purpose_only() {
    let _ = rustls_ready();
    let aws = Aws::start().await;
    let arn = aws.key("alias/lock").await;
    let kms = aws.kms("alias/lock").await;
    let wrapped = kms.wrap(tenant(1), Rows, &[7; 32]).await.unwrap();
    assert_eq!(wrapped.root, arn);
    assert_eq!(*kms.unwrap(tenant(1), Rows, &wrapped.bytes).await.unwrap(), [7; 32]);
    assert_eq!(kms.unwrap(tenant(2), Rows, &wrapped.bytes).await.unwrap_err(), KmsError::Corrupt);
    assert_eq!(kms.unwrap(tenant(1), Histories, &wrapped.bytes).await.unwrap_err(), KmsError::Corrupt);
    assert_eq!(kms.unwrap(Owner::System, Rows, &wrapped.bytes).await.unwrap_err(), KmsError::Corrupt);
    assert_eq!(kms.unwrap(tenant(1), Rows, b"nonsense").await.unwrap_err(), KmsError::Corrupt);
    let none = aws.kms("alias/none").await;
    assert_eq!(none.wrap(tenant(1), Rows, &[7; 32]).await.unwrap_err(), KmsError::Denied, "there is no such key");
}

#[tokio::test]
async fn r_lock_03_a_disabled_or_dying_root_key_fails_closed_for_its_tenant_alone() {
    let _ = rustls_ready();
    let aws = Aws::start().await;
    for n in [1, 2] {
        aws.key(&format!("alias/lock/{}", tenant(n))).await;
    }
    let kms = Arc::new(aws.kms("alias/lock/{owner}").await);
    let record = Arc::new(MemoryRecord::default());
    let process = || DataKeys::new(kms.clone(), record.clone());
    for n in [1, 2] {
        process().usable(tenant(n)).await.unwrap();
    }
    let alias = format!("alias/lock/{}", tenant(1));
    let root = aws.admin.describe_key().key_id(&alias).send().await.unwrap().key_metadata.unwrap().key_id;
    aws.admin.disable_key().key_id(&root).send().await.unwrap();
    assert!(process().usable(tenant(1)).await.err().unwrap().is_denied());
    process().usable(tenant(2)).await.unwrap();
    aws.admin.enable_key().key_id(&root).send().await.unwrap();
    process().usable(tenant(1)).await.unwrap();

    aws.admin.schedule_key_deletion().key_id(&root).pending_window_in_days(7).send().await.unwrap();
    let state = aws.admin.describe_key().key_id(&root).send().await.unwrap().key_metadata.unwrap().key_state;
    assert_eq!(state, Some(AwsKeyState::PendingDeletion));
    assert!(process().usable(tenant(1)).await.err().unwrap().is_denied());
    process().usable(tenant(2)).await.unwrap();
}

#[tokio::test]
async fn rewrapping_moves_a_key_to_the_root_key_of_today() {
    let _ = rustls_ready();
    let aws = Aws::start().await;
    let old = aws.key("alias/lock").await;
    let kms = aws.kms("alias/lock").await;
    let first = kms.wrap(tenant(1), Rows, &[7; 32]).await.unwrap();
    let new = aws.key("alias/lock").await;
    assert_ne!(old, new);
    assert_eq!(*kms.unwrap(tenant(1), Rows, &first.bytes).await.unwrap(), [7; 32], "the old one still opens");
    let second = kms.rewrap(tenant(1), Rows, &first.bytes).await.unwrap();
    assert_eq!(second.root, new);
    assert_eq!(kms.rewrap(tenant(1), Histories, &first.bytes).await.unwrap_err(), KmsError::Corrupt);
    let old = old.rsplit('/').next().unwrap();
    aws.admin.schedule_key_deletion().key_id(old).pending_window_in_days(7).send().await.unwrap();
    assert_eq!(*kms.unwrap(tenant(1), Rows, &second.bytes).await.unwrap(), [7; 32]);
    assert_eq!(kms.unwrap(tenant(1), Rows, &first.bytes).await.unwrap_err(), KmsError::Denied);
}

#[tokio::test]
async fn faults_of_the_service_fall_into_three_classes() {
    let _ = rustls_ready();
    let mut aws = Aws::start().await;
    aws.key("alias/lock").await;
    let kms = aws.kms("alias/lock").await;
    let wrapped = kms.wrap(tenant(1), Rows, &[7; 32]).await.unwrap().bytes;
    let unwrap = || kms.unwrap(tenant(1), Rows, &wrapped);
    aws.fault(r#"{"operation":"Decrypt","kind":"error","code":"ThrottlingException"}"#).await;
    assert_eq!(unwrap().await.unwrap_err(), KmsError::Unavailable("ThrottlingException".to_owned()));
    aws.fault(r#"{"operation":"Decrypt","kind":"error","code":"KMSInternalException","status":500}"#).await;
    assert_eq!(unwrap().await.unwrap_err().retry_class(), RetryClass::Later);
    aws.fault(r#"{"operation":"Decrypt","kind":"error","code":"AccessDeniedException"}"#).await;
    assert_eq!(unwrap().await.unwrap_err(), KmsError::Denied);
    for order in [r#"{"operation":"Decrypt","kind":"html"}"#, r#"{"operation":"Decrypt","kind":"broken"}"#] {
        aws.fault(order).await;
        assert!(matches!(unwrap().await.unwrap_err(), KmsError::Unconfirmed(_)), "{order}");
    }
    aws.fault(r#"{"operation":"Decrypt","kind":"silent","seconds":4}"#).await;
    assert!(matches!(unwrap().await.unwrap_err(), KmsError::Unconfirmed(_)));
    assert_eq!(*unwrap().await.unwrap(), [7; 32], "and afterwards it works");
    aws.moto.kill().unwrap();
    assert!(matches!(unwrap().await.unwrap_err(), KmsError::Unavailable(_)));
}

/// reqwest is built without a provider of its own.
fn rustls_ready() -> Result<(), ()> {
    rustls::crypto::ring::default_provider().install_default().map_err(|_| ())
}
