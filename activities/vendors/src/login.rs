//! A login whose access tokens end: one at a time, kept between processes, renewed before its end or when the vendor no longer takes it.
//!
//! A refresh token is good once, or may be: another worker may have spent it. So the cache is asked before ours is spent, and a spent one
//! leads to a login from the beginning. It must not know the vendor, nor how a token endpoint is asked.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use secrecy::{ExposeSecret, SecretString};
use tokio::sync::Mutex;

use crate::error::VendorError;
use crate::token_cache::{TokenCache, TokenKey, TokenSet};

/// Tokens as a token endpoint gives them.
pub(crate) struct Tokens {
    pub(crate) access: SecretString,
    pub(crate) refresh: Option<SecretString>,
    /// Life of the access token, seconds.
    pub(crate) expires_in: i64,
}

/// What the token endpoint says.
pub(crate) enum Granted {
    Tokens(Tokens),
    /// The refresh token is not taken (any more), or the password is wrong.
    Refused(VendorError),
}

/// Asks the token endpoint.
pub(crate) trait Grants {
    /// With what the configuration has: a password, or the first refresh token. A refusal is the end.
    async fn first(&self) -> Result<Granted, VendorError>;
    /// With a refresh token that the vendor gave. A refusal leads to [`Grants::first`].
    async fn refresh(&self, token: &SecretString) -> Result<Granted, VendorError>;
}

/// The tokens of one login, as this process has them.
pub(crate) struct Login {
    key: TokenKey,
    cache: Arc<dyn TokenCache>,
    renew_before: SignedDuration,
    current: Mutex<Option<TokenSet>>,
}

impl Login {
    pub(crate) fn new(key: TokenKey, cache: Arc<dyn TokenCache>, renew_before: SignedDuration) -> Self {
        Self { key, cache, renew_before, current: Mutex::new(None) }
    }

    /// A token that should be good.
    pub(crate) async fn access(&self, grants: &impl Grants) -> Result<SecretString, VendorError> {
        let mut current = self.current.lock().await;
        if current.as_ref().is_none_or(|tokens| !lasts(tokens)) {
            // Another process may have renewed it.
            if let Some(cached) = self.cached().await.filter(|cached| is_newer(cached, current.as_ref())) {
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
        let cached = self.cached().await.filter(|tokens| other(tokens) && is_newer(tokens, current.as_ref()));
        if let Some(tokens) = cached {
            let access = tokens.access.clone();
            *current = Some(tokens);
            return Ok(access);
        }
        self.obtain(&mut current, grants).await
    }

    async fn obtain(&self, current: &mut Option<TokenSet>, grants: &impl Grants) -> Result<SecretString, VendorError> {
        let known = current.as_ref().and_then(|tokens| tokens.refresh.clone());
        let granted = match known {
            None => grants.first().await?,
            Some(refresh) => match grants.refresh(&refresh).await? {
                Granted::Refused(_) => {
                    *current = None;
                    grants.first().await?
                }
                granted @ Granted::Tokens(_) => granted,
            },
        };
        let given = match granted {
            Granted::Tokens(given) => given,
            Granted::Refused(error) => return Err(error),
        };
        // A short-lived token must not be renewed at each call: the margin is at most half of its life.
        let life = SignedDuration::from_secs(given.expires_in.clamp(0, i64::from(i32::MAX)));
        let tokens = TokenSet {
            access: given.access,
            refresh: given.refresh,
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

/// Whether what is cached came after what is known here: a set that could not be stored must not give way to the one before, whose refresh
/// token is spent.
fn is_newer(cached: &TokenSet, known: Option<&TokenSet>) -> bool {
    known.is_none_or(|known| cached.renew_at > known.renew_at)
}

fn lasts(tokens: &TokenSet) -> bool {
    Timestamp::now() < tokens.renew_at
}
