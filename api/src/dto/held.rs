//! Requests that are held for approval, and decisions on them.

use super::OperationBody;
use lock_domain::{ids::CommandId, stay::StayPhase, window::Window};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A request that is held, and where its stay stands.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct HeldBody {
    /// The request.
    pub operation: OperationBody,
    /// Where its stay stands.
    pub phase: StayPhase,
    /// The stay's window.
    pub window: Window,
}

/// A page of held requests.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct HeldPage {
    /// The requests, oldest first.
    pub held: Vec<HeldBody>,
    /// Send it as `cursor` for the next page; absent on the last one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<String>,
}

/// What a decision is about.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Decision {
    /// These operations; left out, all that are held, at most 500 at once.
    #[serde(default)]
    #[schema(max_items = 500)]
    pub operations: Option<Vec<CommandId>>,
}

/// What was decided.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Decided {
    /// The operations, as they stand now.
    pub operations: Vec<OperationBody>,
    /// So many of the property are still held.
    pub left: u64,
}
