//! The login by OAuth2: one at a time, kept between processes, renewed before its end or when the vendor no longer takes it.
//!
//! A refresh token is good once. Another worker may have spent it; so the cache is asked before ours is spent.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use secrecy::{ExposeSecret, SecretString};
use tokio::sync::Mutex;

use super::wire::TokenAnswer;
use crate::error::VendorError;
use crate::token_cache::{TokenCache, TokenKey, TokenSet};

/// What the token endpoint says.
pub(crate) enum Granted {
    Tokens(TokenAnswer),
    /// The refresh token is not taken (any more), or the password is wrong.
    Refused(VendorError),
}

/// Asks the token endpoint.
pub(crate) trait Grants {
    /// With what the configuration has: a password, or the first refresh token.
    async fn first(&self) -> Result<Granted, VendorError>;
    /// With a refresh token that the vendor gave.
    async fn refresh(&self, token: &SecretString) -> Result<Granted, VendorError>;
}

pub(crate) struct Tokens {
    key: TokenKey,
    cache: Arc<dyn TokenCache>,
    renew_before: SignedDuration,
    current: Mutex<Option<TokenSet>>,
}

impl Tokens {
    pub(crate) fn new(key: TokenKey, cache: Arc<dyn TokenCache>, renew_before: SignedDuration) -> Self {
        Self { key, cache, renew_before, current: Mutex::new(None) }
    }

    /// A token that should be good.
    pub(crate) async fn access(&self, grants: &impl Grants) -> Result<SecretString, VendorError> {
        let mut current = self.current.lock().await;
        if current.as_ref().is_none_or(|tokens| !lasts(tokens)) {
            // Another process may have renewed it.
            if let Some(cached) = self.cached().await {
                *current = Some(cached);
            }
        }
        if let Some(tokens) = current.as_ref().filter(|tokens| lasts(tokens)) {
            return Ok(tokens.access.clone());
        }
        self.obtain(&mut current, grants).await
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
        self.obtain(&mut current, grants).await
    }

    async fn obtain(&self, current: &mut Option<TokenSet>, grants: &impl Grants) -> Result<SecretString, VendorError> {
        let mut known = current.as_ref().and_then(|tokens| tokens.refresh.clone());
        let granted = match &known {
            None => grants.first().await?,
            Some(refresh) => match grants.refresh(refresh).await? {
                Granted::Refused(_) => {
                    *current = None;
                    known = None;
                    grants.first().await?
                }
                granted @ Granted::Tokens(_) => granted,
            },
        };
        let answer = match granted {
            Granted::Tokens(answer) => answer,
            Granted::Refused(error) => return Err(error),
        };
        // A short-lived token must not be renewed at each call: the margin is at most half of its life.
        let life = SignedDuration::from_secs(answer.expires_in.clamp(0, i64::from(i32::MAX)));
        let tokens = TokenSet {
            access: answer.access_token,
            refresh: answer.refresh_token.or(known),
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
}

fn lasts(tokens: &TokenSet) -> bool {
    Timestamp::now() < tokens.renew_at
}
