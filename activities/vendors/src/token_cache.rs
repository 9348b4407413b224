//! Where access tokens outlive a process, so that a restart does not log in again and several workers share one login.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;
use jiff::Timestamp;
use secrecy::SecretString;

/// Names a login; holds no secret.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TokenKey(pub String);

/// The tokens of a login.
#[derive(Debug, Clone)]
pub struct TokenSet {
    /// Goes with every call.
    pub access: SecretString,
    /// Buys the next pair.
    pub refresh: Option<SecretString>,
    /// When to buy the next pair: some time before the access token ends.
    pub renew_at: Timestamp,
}

/// The cache could not be used. Callers go on without it.
#[derive(Debug, thiserror::Error)]
#[error("the token cache failed: {0}")]
pub struct TokenCacheError(pub String);

/// Keeps tokens. Whoever implements it keeps them sealed.
#[async_trait]
pub trait TokenCache: Send + Sync {
    /// The tokens last stored.
    async fn load(&self, key: &TokenKey) -> Result<Option<TokenSet>, TokenCacheError>;

    /// Stores tokens over the earlier ones.
    async fn store(&self, key: &TokenKey, tokens: &TokenSet) -> Result<(), TokenCacheError>;
}

/// Keeps tokens in this process.
#[derive(Debug, Default)]
pub struct MemoryTokenCache(Mutex<BTreeMap<TokenKey, TokenSet>>);

#[async_trait]
impl TokenCache for MemoryTokenCache {
    async fn load(&self, key: &TokenKey) -> Result<Option<TokenSet>, TokenCacheError> {
        Ok(self.0.lock().unwrap_or_else(PoisonError::into_inner).get(key).cloned())
    }

    async fn store(&self, key: &TokenKey, tokens: &TokenSet) -> Result<(), TokenCacheError> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(key.clone(), tokens.clone());
        Ok(())
    }
}
