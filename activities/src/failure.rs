//! How an activity that should run again says so, without telling histories more than a code.

use lock_store::StoreError;
use std::time::Duration;
use temporalio_sdk::{ApplicationFailure, activities::ActivityError};

/// The record did not answer or refused. It is tried again: a database that is down comes back, and one that refuses for good shows up
/// in the metrics of failing tasks, which page.
pub(crate) fn record(error: &StoreError) -> ActivityError {
    tracing::warn!(%error, retryable = error.is_retryable(), "the record failed");
    ActivityError::application(ApplicationFailure::builder("the record failed").type_name("record".to_owned()).build())
}

/// A round that is not over; the next try not before `after`.
pub(crate) fn again(code: lock_domain::problem::Code, after: Option<Duration>) -> ActivityError {
    let failure = ApplicationFailure::builder(code.text()).type_name("vendor".to_owned());
    ActivityError::application(match after {
        Some(after) => failure.next_retry_delay(after).build(),
        None => failure.build(),
    })
}
