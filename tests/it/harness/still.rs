//! Everything that the database and Temporal hold of a hotel, so that a test can tell that nothing changed.

use super::{Hotel, invariants, shared, until};
use sqlx::{PgConnection, Row as _};
use std::{collections::BTreeMap, time::Duration};
use temporalio_client::{Client, UntypedWorkflow, WorkflowDescribeOptions, errors::WorkflowInteractionError};

/// Columns that say when something was looked at or passed on, not what it is.
const ASIDE: [&str; 2] = ["last_used_at", "published_at"];

/// A hotel's rows as counts and digests by table, and the lengths of its stays' histories; none for a stay without a workflow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Still {
    tables: BTreeMap<String, (i64, String)>,
    histories: BTreeMap<String, Option<usize>>,
}

/// Takes pictures of one hotel.
pub struct Camera<'a> {
    hotel: &'a Hotel,
    temporal: Client,
    db: PgConnection,
    reservations: Vec<String>,
}

impl<'a> Camera<'a> {
    /// Of every table, and of the workflows of these reservations.
    pub async fn new(hotel: &'a Hotel, reservations: &[&str]) -> Self {
        let reservations = reservations.iter().map(|r| (*r).to_owned()).collect();
        Self { hotel, temporal: shared().temporal().await, db: invariants::owner().await, reservations }
    }

    /// The hotel as it is.
    pub async fn take(&mut self) -> Still {
        // Counts of earlier calls and notes of earlier openings come in a while after what they tell of.
        let sql = "SELECT c.table_name::text AS name FROM information_schema.columns c JOIN information_schema.tables t USING (table_schema, table_name)
                   WHERE c.table_schema = 'public' AND c.column_name = 'tenant_id' AND t.table_type = 'BASE TABLE'
                     AND c.table_name NOT IN ('vendor_calls_daily', 'vault_accesses')";
        let names = sqlx::query(sql).fetch_all(&mut self.db).await.unwrap();
        let mut tables = BTreeMap::new();
        for name in names.iter().map(|row| row.get::<String, _>("name")) {
            let [one, two] = ASIDE;
            let sql = format!(
                "SELECT count(*) AS n, md5(coalesce(string_agg(row, E'\\n' ORDER BY row), '')) AS digest
                 FROM (SELECT (to_jsonb(t) - '{one}' - '{two}')::text AS row FROM {name} t WHERE tenant_id = $1) rows"
            );
            let row = sqlx::query(sqlx::AssertSqlSafe(sql)).bind(self.hotel.tenant.as_uuid());
            let row = row.fetch_one(&mut self.db).await.unwrap();
            tables.insert(name, (row.get("n"), row.get("digest")));
        }
        assert!(tables.len() > 10, "{tables:?}");
        let mut histories = BTreeMap::new();
        for reservation in self.reservations.clone() {
            histories.insert(reservation.clone(), self.history(&reservation).await.map(|(length, _)| length));
        }
        Still { tables, histories }
    }

    /// The hotel once nothing is under way in it.
    pub async fn take_at_rest(&mut self) -> Still {
        for reservation in self.reservations.clone() {
            until(&format!("{reservation} is at rest"), Duration::from_secs(30), || async {
                match self.history(&reservation).await {
                    Some((length, true)) => Err(length),
                    _ => Ok(()),
                }
            })
            .await;
        }
        self.take().await
    }

    /// The length of a stay's history, and whether more is about to be written into it. `None` if it has no workflow.
    pub async fn history(&self, reservation: &str) -> Option<(usize, bool)> {
        let id = format!("stay/{}/{}/{reservation}", self.hotel.tenant, self.hotel.property);
        let handle = self.temporal.get_workflow_handle::<UntypedWorkflow>(id);
        match handle.describe(WorkflowDescribeOptions::default()).await {
            Ok(found) => {
                let raw = found.raw();
                let busy = raw.pending_workflow_task.is_some() || !raw.pending_activities.is_empty();
                Some((found.history_length(), busy))
            }
            Err(WorkflowInteractionError::NotFound(_)) => None,
            Err(other) => panic!("{other}"),
        }
    }
}

impl Still {
    /// Whether nothing but one table has changed.
    pub fn differs_only_in(&self, other: &Self, table: &str) -> bool {
        let rest = |still: &Self| {
            let mut tables = still.tables.clone();
            tables.remove(table);
            tables
        };
        self.histories == other.histories && rest(self) == rest(other)
    }
}
