//! The routes, each with its description for OpenAPI beside it.
//!
//! A handler reads, asks one of the modules above, answers. It must not decide anything about keys.

pub(crate) mod clock;
pub(crate) mod codec;
pub(crate) mod costs;
pub(crate) mod devices;
pub(crate) mod events;
pub(crate) mod health;
pub(crate) mod held;
pub(crate) mod inbound;
pub(crate) mod incidents;
pub(crate) mod inventories;
pub(crate) mod keys;
pub(crate) mod one_shot;
pub(crate) mod operations;
pub(crate) mod outages;
pub(crate) mod own;
pub(crate) mod places;
pub(crate) mod properties;
pub(crate) mod stays;
pub(crate) mod vault;
pub(crate) mod vendor_flags;
pub(crate) mod vendors;
pub(crate) mod verbs;
pub(crate) mod webhook_endpoints;
pub(crate) mod webhook_intake;

use crate::problem::Problem;
use lock_domain::problem::Code;
use serde::Deserialize;
use utoipa::IntoParams;

/// No page is longer.
const MOST: u32 = 500;
const USUAL: u32 = 100;

/// How long to wait for the outcome.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Wait {
    /// Wait up to so many seconds for the outcome; 0 answers as soon as the command is accepted.
    #[serde(default)]
    #[param(minimum = 0, maximum = 25, default = 0)]
    wait: u64,
}

impl Wait {
    pub(crate) fn duration(&self) -> Result<std::time::Duration, Problem> {
        let refusal = || Problem::field(Code::InvalidField, "wait", "wait must be between 0 and 25 seconds");
        (self.wait <= 25).then(|| std::time::Duration::from_secs(self.wait)).ok_or_else(refusal)
    }
}

/// A page of a list.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Page {
    /// `next_cursor` of the page before.
    #[serde(default)]
    pub(crate) cursor: Option<String>,
    /// At most so many, 1 to 500.
    #[serde(default)]
    #[param(minimum = 1, maximum = 500, default = 100)]
    pub(crate) limit: Option<u32>,
}

/// The number of entries that a page shall have.
pub(crate) fn limit(asked: Option<u32>) -> Result<u32, Problem> {
    let limit = asked.unwrap_or(USUAL);
    let refusal = || Problem::field(Code::InvalidField, "limit", format!("limit must be between 1 and {MOST}"));
    (1..=MOST).contains(&limit).then_some(limit).ok_or_else(refusal)
}
