//! The report of one run of the contract suite.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// Facts by name, in the order of their names.
pub type Facts = BTreeMap<String, String>;

/// The check that holds the form of every answer: a fact per field, `verb path` with the types that were seen, such as `number|string`.
pub const ANSWERS: &str = "answers";

/// How a check ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum CheckOutcome {
    /// All that is expected was seen.
    Passed,
    /// Something expected was not seen.
    Failed,
    /// It could not be made, and says nothing.
    Skipped {
        /// Why.
        reason: String,
    },
}

impl CheckOutcome {
    /// Stable text.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::Failed => "failed",
            Self::Skipped { .. } => "skipped",
        }
    }
}

/// One check.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Check {
    /// Its name; each stands once in a report.
    pub name: String,
    /// How it ended.
    #[serde(flatten)]
    pub outcome: CheckOutcome,
    /// What has to be seen.
    pub expected: Facts,
    /// What was seen; more than what is expected, as a rule.
    pub seen: Facts,
    /// How long it took, milliseconds. Not compared.
    pub took_ms: u32,
}

impl Check {
    /// Whether it says something.
    pub fn speaks(&self) -> bool {
        !matches!(self.outcome, CheckOutcome::Skipped { .. })
    }
}

/// What one run of the suite has found. Its JSON form is canonical: the order of all fields is fixed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Report {
    /// The vendor's name.
    pub vendor: String,
    /// Which edition of the suite: reports of two editions are not compared.
    pub suite: u32,
    /// The checks, in the order in which they were made.
    pub checks: Vec<Check>,
}

impl Report {
    /// The check with this name.
    pub fn check(&self, name: &str) -> Option<&Check> {
        self.checks.iter().find(|check| check.name == name)
    }

    /// Whether no check failed.
    pub fn passed(&self) -> bool {
        !self.checks.iter().any(|check| check.outcome == CheckOutcome::Failed)
    }

    /// Whether any check says something.
    pub fn speaks(&self) -> bool {
        self.checks.iter().any(Check::speaks)
    }
}
