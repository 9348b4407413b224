//! Webhooks taken a second, beside what `pgbench` reaches with the same two inserts on the same server in the same run.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};
use serde_json::json;

use super::tool::Tool;
use crate::sandbox::{Call, OwnStack};
use crate::stack::{Progress, Tools};

/// Both sides take turns so often.
const ROUNDS: usize = 3;
/// A delivery as it comes in: what is kept of it, and what it is known again by, in tables of their own with the keys that these need.
const TABLES: &str = "
CREATE TABLE IF NOT EXISTS bench_bodies (tenant_id uuid NOT NULL, delivery_id uuid NOT NULL, endpoint_id uuid NOT NULL, property_id uuid NOT NULL,
    body bytea NOT NULL, meaning jsonb NOT NULL, received_at timestamptz NOT NULL, PRIMARY KEY (tenant_id, delivery_id));
CREATE TABLE IF NOT EXISTS bench_seen (tenant_id uuid NOT NULL, endpoint_id uuid NOT NULL, dedup_key text NOT NULL, delivery_id uuid NOT NULL,
    PRIMARY KEY (tenant_id, endpoint_id, dedup_key));
";
const INSERTS: &str = "
BEGIN;
INSERT INTO bench_bodies VALUES ('00000000-0000-4000-8000-000000000001', gen_random_uuid(), '00000000-0000-4000-8000-000000000002', '00000000-0000-4000-8000-000000000003', decode(repeat('ab', 200), 'hex'), '[{\"about\": \"nothing\"}]', now());
INSERT INTO bench_seen VALUES ('00000000-0000-4000-8000-000000000001', '00000000-0000-4000-8000-000000000002', gen_random_uuid()::text, gen_random_uuid()) ON CONFLICT DO NOTHING;
COMMIT;
";

/// Webhooks or transactions a second.
#[derive(Debug, Clone, Copy, Default)]
pub struct Intake {
    /// `pgbench`, mean of the rounds.
    pub pgbench: f64,
    /// Through the API, while the worker follows them up.
    pub ours: f64,
    /// Senders, and clients of `pgbench`.
    pub clients: usize,
    /// Webhooks in all.
    pub taken: usize,
}

/// Measures both in turns.
///
/// # Errors
/// When a part doesn't answer, or there is no `pgbench` beside the server's programs.
pub async fn measure_intake(stack: &OwnStack, tool: &Tool, clients: usize, messages: usize) -> Result<Intake> {
    let made = stack.api().write(&Call::at("webhook-endpoints", json!({ "sender": "pms" }))).await?;
    ensure!(made.status == 201, "no webhook endpoint: {}", made.summary());
    let path = made.body["path"].as_str().context("an endpoint without a path")?;
    let secret = made.body["secret"].as_str().context("an endpoint without a secret")?;
    let url = stack.api().url_of(path);
    let pgbench = Pgbench::of(stack)?;
    tokio::task::block_in_place(|| {
        pgbench.script("tables", TABLES, &["-c", "1", "-t", "1"])?;
        // Connections, caches and files are warm for both.
        tool.webhooks(&url, secret, clients, messages / 10 + 1)?;
        pgbench.rate(clients, 1)?;
        let mut sum = Intake { clients, ..Intake::default() };
        let mut took = 0.0;
        for _ in 0..ROUNDS {
            sum.pgbench += pgbench.rate(clients, 5)?;
            let (taken, seconds) = tool.webhooks(&url, secret, clients, messages)?;
            sum.taken += taken;
            took += seconds;
        }
        #[expect(clippy::cast_precision_loss, reason = "a handful of rounds")]
        let rounds = ROUNDS as f64;
        Ok(Intake { pgbench: sum.pgbench / rounds, ours: super::tool::per_second(sum.taken, took), ..sum })
    })
}

struct Pgbench {
    program: PathBuf,
    folder: PathBuf,
    server: reqwest::Url,
}

impl Pgbench {
    fn of(stack: &OwnStack) -> Result<Self> {
        let tools = Tools::new(&stack.parts().options().bin_dir);
        let program = tools.postgres(Progress::hidden())?.path.join("pgbench");
        ensure!(program.is_file(), "there is no pgbench beside the server's programs");
        let server = stack.parts().database_url().parse().context("the database's URL")?;
        Ok(Self { program, folder: stack.parts().root().to_owned(), server })
    }

    /// Transactions a second.
    fn rate(&self, clients: usize, seconds: u32) -> Result<f64> {
        let (clients, seconds) = (clients.to_string(), seconds.to_string());
        let told = self.script("inserts", INSERTS, &["-c", &clients, "-j", "2", "-T", &seconds, "-M", "prepared"])?;
        let line = told.lines().find(|line| line.starts_with("tps = ")).context("pgbench told no rate")?;
        let number = line.trim_start_matches("tps = ").split_whitespace().next().unwrap_or_default();
        number.parse().with_context(|| format!("`{line}` is no rate"))
    }

    fn script(&self, name: &str, text: &str, args: &[&str]) -> Result<String> {
        let file = self.folder.join(format!("pgbench-{name}.sql"));
        std::fs::write(&file, text)?;
        let password = self.server.password().unwrap_or_default();
        let output = Command::new(&self.program)
            .args(["-n", "-f"])
            .arg(&file)
            .args(args)
            .args(["-h", self.server.host_str().unwrap_or_default(), "-U", self.server.username()])
            .args(["-p", &self.server.port().unwrap_or(5432).to_string()])
            .arg(self.server.path().trim_start_matches('/'))
            .env("PGPASSWORD", password)
            .stdin(Stdio::null())
            .output()
            .context("pgbench doesn't start")?;
        let errors = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "pgbench failed: {}", errors.trim());
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }
}
