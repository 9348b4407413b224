//! Orders to misbehave, for every simulator. What there is to play is the vendor's own: a simulator brings its kinds.
//!
//! A fault matches by the call's name, and by lock where the vendor's locks have numbers; it lets the first `after` matching calls pass,
//! then plays `remaining` times (for ever when absent). The first match in order of creation wins; one fault per call.

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::routing::{delete, get};
use axum::{Json, Router};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Value, json};

use crate::control::found;

/// An order as it is posted; `K` is what the vendor's simulator can play.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FaultOrder<K> {
    /// The call's name, as the simulator's `fault` module writes it; `*` for all.
    #[serde(default = "any_verb")]
    pub verb: String,
    /// The lock; none (or `"*"`) for all. A vendor whose calls name no lock by number plays no order that has one.
    #[serde(default, deserialize_with = "lock_or_star", skip_serializing_if = "Option::is_none")]
    pub lock: Option<i64>,
    /// What to do.
    #[serde(flatten)]
    pub kind: K,
    /// Matching calls that pass first.
    #[serde(default)]
    pub after: u32,
    /// How often it plays; none for ever.
    #[serde(default)]
    pub remaining: Option<u32>,
}

impl<K> FaultOrder<K> {
    /// Plays `kind` on `verb` for the next `times` calls, whatever the lock.
    #[must_use]
    pub fn times(verb: &str, kind: K, times: u32) -> Self {
        Self { remaining: Some(times), ..Self::always(verb, kind) }
    }

    /// Plays `kind` on `verb` until the faults are cleared, whatever the lock.
    #[must_use]
    pub fn always(verb: &str, kind: K) -> Self {
        Self { verb: verb.to_owned(), lock: None, kind, after: 0, remaining: None }
    }

    fn matches(&self, verb: &str, lock: Option<i64>) -> bool {
        (self.verb == "*" || self.verb == verb) && (self.lock.is_none() || self.lock == lock)
    }
}

/// An order in force.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fault<K> {
    /// Names it when one wants to take it back.
    pub id: u64,
    /// The order with what is left of it.
    #[serde(flatten)]
    pub order: FaultOrder<K>,
}

/// The orders in force.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Faults<K> {
    last_id: u64,
    active: Vec<Fault<K>>,
}

impl<K> Default for Faults<K> {
    fn default() -> Self {
        Self { last_id: 0, active: Vec::new() }
    }
}

impl<K: Clone> Faults<K> {
    pub(crate) fn add(&mut self, order: FaultOrder<K>) -> u64 {
        self.last_id = self.last_id.saturating_add(1);
        self.active.push(Fault { id: self.last_id, order });
        self.last_id
    }

    pub(crate) fn list(&self) -> Vec<Fault<K>> {
        self.active.clone()
    }

    pub(crate) fn remove(&mut self, id: u64) -> bool {
        let before = self.active.len();
        self.active.retain(|fault| fault.id != id);
        before != self.active.len()
    }

    pub(crate) fn clear(&mut self) {
        self.active.clear();
    }

    /// What to do with this call; uses up one play.
    pub(crate) fn take(&mut self, verb: &str) -> Option<K> {
        self.take_at(verb, None)
    }

    /// The same for a call that names a lock.
    pub(crate) fn take_at(&mut self, verb: &str, lock: Option<i64>) -> Option<K> {
        let order = self.active.iter_mut().map(|fault| &mut fault.order).find(|order| order.matches(verb, lock))?;
        if order.after > 0 {
            order.after -= 1;
            return None;
        }
        let kind = order.kind.clone();
        if let Some(left) = &mut order.remaining {
            *left = left.saturating_sub(1);
        }
        self.active.retain(|fault| fault.order.remaining != Some(0));
        Some(kind)
    }
}

/// The kind's name on the wire, under which plays are counted.
pub(crate) fn name<K: Serialize>(kind: &K) -> String {
    let kind = serde_json::to_value(kind).unwrap_or_default();
    kind.get("kind").and_then(Value::as_str).unwrap_or_default().to_owned()
}

/// A simulator that takes orders to misbehave.
pub(crate) trait Faulty: Clone + Send + Sync + 'static {
    /// What it can play.
    type Kind: Clone + Serialize + DeserializeOwned + Send + 'static;

    /// Its orders in force, to look at or to change.
    fn with_faults<R>(&self, act: impl FnOnce(&mut Faults<Self::Kind>) -> R) -> R;
}

/// The control paths for orders.
pub(crate) fn routes<S: Faulty>() -> Router<S> {
    Router::new()
        .route("/sim/faults", get(list::<S>).post(add::<S>).delete(clear::<S>))
        .route("/sim/faults/{id}", delete(remove::<S>))
}

async fn list<S: Faulty>(State(sim): State<S>) -> Json<Vec<Fault<S::Kind>>> {
    Json(sim.with_faults(|faults| faults.list()))
}

async fn add<S: Faulty>(State(sim): State<S>, Json(order): Json<FaultOrder<S::Kind>>) -> Json<Value> {
    Json(json!({ "id": sim.with_faults(|faults| faults.add(order)) }))
}

async fn clear<S: Faulty>(State(sim): State<S>) -> StatusCode {
    sim.with_faults(Faults::clear);
    StatusCode::NO_CONTENT
}

async fn remove<S: Faulty>(State(sim): State<S>, Path(id): Path<u64>) -> StatusCode {
    found(sim.with_faults(|faults| faults.remove(id)))
}

fn any_verb() -> String {
    "*".to_owned()
}

fn lock_or_star<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<i64>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Raw {
        Number(i64),
        Text(String),
        Absent(()),
    }
    match Raw::deserialize(deserializer)? {
        Raw::Number(id) => Ok(Some(id)),
        Raw::Text(text) if text == "*" => Ok(None),
        Raw::Text(text) => text.parse().map(Some).map_err(serde::de::Error::custom),
        Raw::Absent(()) => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plays_as_often_as_ordered_where_ordered() {
        let mut faults = Faults::default();
        faults.add(FaultOrder { after: 1, ..FaultOrder::times("a", 'x', 2) });
        assert_eq!([(); 4].map(|()| faults.take("a")), [None, Some('x'), Some('x'), None]);
        assert!(faults.list().is_empty());
        let id = faults.add(FaultOrder { lock: Some(7), ..FaultOrder::always("*", 'y') });
        assert_eq!(
            (faults.take("b"), faults.take_at("b", Some(8)), faults.take_at("b", Some(7))),
            (None, None, Some('y'))
        );
        assert!(faults.remove(id) && !faults.remove(id));
    }
}
