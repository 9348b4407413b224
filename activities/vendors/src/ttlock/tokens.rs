//! The login: one at a time, kept between processes, renewed before its end or when the vendor no longer takes it.
//!
//! A refresh may end the old pair at once. Another worker may have refreshed in the meantime; so the cache is asked before the old
//! refresh token is spent, and a spent one leads to a new login by password.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use secrecy::{ExposeSecret, SecretString};
use tokio::sync::Mutex;

use super::wire::TokenAnswer;
use crate::error::VendorError;
use crate::token_cache::{TokenCache, TokenKey, TokenSet};

/// Asks the token endpoint.
pub(crate) trait Grants {
    /// By user name and password.
    async fn by_password(&self) -> Result<TokenAnswer, VendorError>;
    /// By refresh token.
    async fn by_refresh(&self, refresh: &SecretString) -> Result<TokenAnswer, VendorError>;
}

pub(crate) struct Tokens {
    key: TokenKey,
    cache: Arc<dyn TokenCache>,
    renew_before: SignedDuration,
    current: Mutex<Option<TokenSet>>,
}

/// Numbers after which a refresh token is of no more use: unknown or ended tokens, invalid refresh token.
const SPENT: [i64; 3] = [10003, 10004, 10011];

impl Tokens {
    pub(crate) fn new(key: TokenKey, cache: Arc<dyn TokenCache>, renew_before: SignedDuration) -> Self {
        Self { key, cache, renew_before, current: Mutex::new(None) }
    }

    /// A token that should be good.
    pub(crate) async fn access(&self, grants: &impl Grants) -> Result<SecretString, VendorError> {
        let mut current = self.current.lock().await;
        if current.is_none() {
            *current = self.cached().await;
        }
        if let Some(tokens) = current.as_ref().filter(|tokens| self.lasts(tokens)) {
            return Ok(tokens.access.clone());
        }
        let known = current.clone();
        self.obtain(&mut current, known, grants).await
    }

    /// A token other than `refused`.
    pub(crate) async fn renewed(
        &self,
        refused: &SecretString,
        grants: &impl Grants,
    ) -> Result<SecretString, VendorError> {
        let mut current = self.current.lock().await;
        let other = |tokens: &TokenSet| tokens.access.expose_secret() != refused.expose_secret();
        if let Some(tokens) = current.as_ref().filter(|tokens| other(tokens)) {
            return Ok(tokens.access.clone());
        }
        if let Some(tokens) = self.cached().await.filter(|tokens| other(tokens)) {
            let access = tokens.access.clone();
            *current = Some(tokens);
            return Ok(access);
        }
        let known = current.clone();
        self.obtain(&mut current, known, grants).await
    }

    async fn obtain(
        &self,
        current: &mut Option<TokenSet>,
        known: Option<TokenSet>,
        grants: &impl Grants,
    ) -> Result<SecretString, VendorError> {
        let answer = match known.and_then(|tokens| tokens.refresh) {
            None => grants.by_password().await?,
            Some(refresh) => match grants.by_refresh(&refresh).await {
                Err(error) if error.vendor_code().is_some_and(|code| SPENT.contains(&code)) => {
                    *current = None;
                    grants.by_password().await?
                }
                other => other?,
            },
        };
        // A short-lived token must not be renewed at each call: the margin is at most half of its life.
        let life = SignedDuration::from_secs(answer.expires_in.clamp(0, i64::from(i32::MAX)));
        let tokens = TokenSet {
            access: answer.access_token,
            refresh: Some(answer.refresh_token).filter(|token| !token.expose_secret().is_empty()),
            renew_at: Timestamp::now().saturating_add(life - self.renew_before.min(life / 2)).unwrap_or(Timestamp::MAX),
        };
        if let Err(error) = self.cache.store(&self.key, &tokens).await {
            tracing::warn!(%error, "access token not kept for other processes");
        }
        let access = tokens.access.clone();
        *current = Some(tokens);
        Ok(access)
    }

    async fn cached(&self) -> Option<TokenSet> {
        self.cache.load(&self.key).await.unwrap_or_else(|error| {
            tracing::warn!(%error, "access token not looked up; logging in");
            None
        })
    }

    fn lasts(&self, tokens: &TokenSet) -> bool {
        Timestamp::now() < tokens.renew_at
    }
}
