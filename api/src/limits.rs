//! Rate limits in this process: requests per API key, and accepted commands per room and stay, so that a door can't be flooded.
//!
//! Headers follow draft-ietf-httpapi-ratelimit-headers-11: `RateLimit-Policy` tells the share, `RateLimit` what is left. With several
//! API processes each counts for itself; the vendor's own limit is kept by Temporal, not here.

use crate::problem::Problem;
use governor::{
    Quota, RateLimiter,
    clock::{Clock, DefaultClock},
    middleware::StateInformationMiddleware,
    state::keyed::DashMapStateStore,
};
use http::{HeaderMap, HeaderValue};
use lock_domain::{
    ids::{ApiKeyId, WebhookEndpointId},
    problem::Code,
};
use std::num::NonZeroU32;
use uuid::Uuid;

type Keyed<K> = RateLimiter<K, DashMapStateStore<K>, DefaultClock, StateInformationMiddleware>;

/// How much is allowed. All are whole numbers per minute, and may come in one burst.
#[derive(Debug, Clone, Copy)]
pub struct Shares {
    /// Requests with one API key.
    pub requests: NonZeroU32,
    /// Accepted commands for one room or one stay.
    pub commands: NonZeroU32,
    /// Webhooks at one endpoint.
    pub webhooks: NonZeroU32,
}

impl Default for Shares {
    fn default() -> Self {
        let number = |n: u32| NonZeroU32::MIN.saturating_add(n.saturating_sub(1));
        Self { requests: number(6_000), commands: number(60), webhooks: number(1_200) }
    }
}

/// The counters.
pub struct Limits {
    shares: Shares,
    requests: Keyed<ApiKeyId>,
    commands: Keyed<Uuid>,
    webhooks: Keyed<WebhookEndpointId>,
    clock: DefaultClock,
}

/// What is left of a share; becomes headers.
#[derive(Debug, Clone, Copy)]
pub struct Share {
    quota: NonZeroU32,
    left: u32,
    reset_s: u64,
}

impl Limits {
    /// Full shares for everybody.
    pub fn new(shares: Shares) -> Self {
        let keyed = |share| Quota::per_minute(share);
        Self {
            shares,
            requests: RateLimiter::dashmap(keyed(shares.requests)).with_middleware(),
            commands: RateLimiter::dashmap(keyed(shares.commands)).with_middleware(),
            webhooks: RateLimiter::dashmap(keyed(shares.webhooks)).with_middleware(),
            clock: DefaultClock::default(),
        }
    }

    /// Counts a request.
    pub fn request(&self, key: ApiKeyId) -> Result<Share, (Problem, Share)> {
        let quota = self.shares.requests;
        match self.requests.check_key(&key) {
            Ok(state) => {
                let left = state.remaining_burst_capacity();
                let spent = u64::from(quota.get().saturating_sub(left));
                Ok(Share { quota, left, reset_s: (spent * 60).div_ceil(u64::from(quota.get())) })
            }
            Err(not_until) => {
                let wait = not_until.wait_time_from(self.clock.now()).as_secs().saturating_add(1);
                let detail = format!("at most {quota} requests per minute with this API key");
                let problem = Problem { retry_after_s: Some(wait), ..Problem::new(Code::RateLimited, detail) };
                Err((problem, Share { quota, left: 0, reset_s: wait }))
            }
        }
    }

    /// Counts a command for a room or a stay. Ask it only for commands that would be accepted otherwise: whoever loses a race for a room
    /// has not flooded its door.
    pub fn command(&self, target: Uuid) -> Result<(), Problem> {
        self.commands.check_key(&target).map(|_| ()).map_err(|not_until| {
            let wait = not_until.wait_time_from(self.clock.now()).as_secs().saturating_add(1);
            let detail = format!("at most {} commands per minute for one room or stay", self.shares.commands);
            Problem { retry_after_s: Some(wait), ..Problem::new(Code::RateLimited, detail) }
        })
    }

    /// Counts a webhook at an endpoint, whether it is genuine or not.
    pub fn webhook(&self, endpoint: WebhookEndpointId) -> Result<(), Problem> {
        self.webhooks.check_key(&endpoint).map(|_| ()).map_err(|not_until| {
            let wait = not_until.wait_time_from(self.clock.now()).as_secs().saturating_add(1);
            let detail = format!("at most {} webhooks per minute at this endpoint", self.shares.webhooks);
            Problem { retry_after_s: Some(wait), ..Problem::new(Code::RateLimited, detail) }
        })
    }

    /// Forgets whoever has a full share again, so that memory follows the traffic.
    pub fn sweep(&self) {
        self.requests.retain_recent();
        self.commands.retain_recent();
        self.webhooks.retain_recent();
    }
}

impl Share {
    /// Writes the headers.
    pub fn write(&self, headers: &mut HeaderMap) {
        let policy = format!("\"key\";q={};w=60", self.quota);
        let left = format!("\"key\";r={};t={}", self.left, self.reset_s);
        for (name, value) in [("ratelimit-policy", policy), ("ratelimit", left)] {
            if let Ok(value) = HeaderValue::from_str(&value) {
                headers.insert(name, value);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn limits() -> Limits {
        let (requests, commands) = (NonZeroU32::new(3).unwrap(), NonZeroU32::new(2).unwrap());
        Limits::new(Shares { requests, commands, webhooks: commands })
    }

    #[test]
    fn a_key_has_its_share_and_no_more() {
        let limits = limits();
        let [one, other] = [1, 2].map(|n| ApiKeyId::from_uuid(Uuid::from_u128(n)));
        let left: Vec<u32> = (0..3).map(|_| limits.request(one).unwrap().left).collect();
        assert_eq!(left, [2, 1, 0]);
        let (problem, share) = limits.request(one).unwrap_err();
        assert_eq!(problem.code, Code::RateLimited);
        assert!((1..=21).contains(&problem.retry_after_s.unwrap()));
        assert!(limits.request(other).is_ok(), "another key is not affected");
        let mut headers = HeaderMap::new();
        share.write(&mut headers);
        assert_eq!(headers["ratelimit-policy"], "\"key\";q=3;w=60");
        assert!(headers["ratelimit"].to_str().unwrap().starts_with("\"key\";r=0;t="));
    }

    #[test]
    fn a_door_is_not_flooded() {
        let (limits, room) = (limits(), Uuid::from_u128(9));
        assert!(limits.command(room).is_ok() && limits.command(room).is_ok());
        assert_eq!(limits.command(room).unwrap_err().code, Code::RateLimited);
        assert!(limits.command(Uuid::from_u128(8)).is_ok());
        let endpoint = |n| WebhookEndpointId::from_uuid(Uuid::from_u128(n));
        assert!(limits.webhook(endpoint(1)).is_ok() && limits.webhook(endpoint(1)).is_ok());
        assert_eq!(limits.webhook(endpoint(1)).unwrap_err().code, Code::RateLimited);
        assert!(limits.webhook(endpoint(2)).is_ok());
        limits.sweep();
    }
}
