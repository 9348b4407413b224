//! `lock-bench`: what the tuned Temporal server itself takes, so that `cargo xtask bench` can state our numbers as ratios.
//!
//! `floor` runs an update-with-start on an empty workflow plus one remote activity, with a worker of its own on queues of its own;
//! `sleeping` tells the memory of workflows that do nothing; `lengths` counts the history events of workflows. Prints one JSON line. It knows nothing of stays, and asserts nothing.

mod floor;
mod sleeping;

use std::time::Duration;

use anyhow::{Context, Result};
use clap::{Parser, Subcommand};
use temporalio_client::{
    Client, ClientOptions, Connection, ConnectionOptions, UntypedWorkflow, Url, WorkflowDescribeOptions,
};

#[derive(Debug, Parser)]
#[command(name = "lock-bench", about = "What the Temporal server itself takes")]
struct Args {
    /// Temporal's frontend
    #[arg(long, env = "TEMPORAL_ADDRESS")]
    address: String,
    /// The namespace
    #[arg(long, env = "TEMPORAL_NAMESPACE", default_value = "default")]
    namespace: String,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Times runs one after another, and many at once
    Floor {
        /// Runs before the clock starts
        #[arg(long, default_value_t = 30)]
        warm_up: usize,
        /// Runs one after another
        #[arg(long, default_value_t = 200)]
        sequential: usize,
        /// Runs with so many in flight
        #[arg(long, default_value_t = 600)]
        parallel: usize,
        /// How many are in flight then
        #[arg(long, default_value_t = 50)]
        in_flight: usize,
    },
    /// Measures the memory of workflows that sleep in a worker's cache
    Sleeping {
        /// How many
        #[arg(long, default_value_t = 1_000)]
        count: usize,
    },
    /// Counts the history events of these workflows
    Lengths {
        /// Workflow ids
        workflows: Vec<String>,
    },
}

#[tokio::main]
async fn main() -> Result<()> {
    let args = Args::parse();
    let url = if args.address.contains("://") { args.address } else { format!("http://{}", args.address) };
    let url: Url = url.parse().context("the address is no host:port")?;
    let options = ConnectionOptions::new(url).identity("lock-bench").dns_load_balancing(None).build();
    let connection = Connection::connect(options).await.context("Temporal does not answer")?;
    let client = Client::new(connection, ClientOptions::new(args.namespace).build())?;
    match args.command {
        Command::Floor { warm_up, sequential, parallel, in_flight } => {
            let load = floor::Load { warm_up, sequential, parallel, in_flight };
            let measured = floor::measure(client, load).await?;
            let millis = |times: &[Duration]| times.iter().map(|time| time.as_secs_f64() * 1e3).collect::<Vec<_>>();
            let line = serde_json::json!({
                "sequential_ms": millis(&measured.sequential),
                "parallel_ms": millis(&measured.parallel),
                "parallel_took_s": measured.parallel_took.as_secs_f64(),
            });
            println!("{line}");
        }
        Command::Sleeping { count } => {
            let kib = sleeping::measure(client, count).await?;
            println!("{}", serde_json::json!({ "kib": kib }));
        }
        Command::Lengths { workflows } => {
            let mut lengths = Vec::new();
            for workflow in workflows {
                let handle = client.get_workflow_handle::<UntypedWorkflow>(workflow.clone());
                let described = handle.describe(WorkflowDescribeOptions::default()).await.context(workflow)?;
                lengths.push(described.history_length());
            }
            println!("{}", serde_json::json!(lengths));
        }
    }
    Ok(())
}
