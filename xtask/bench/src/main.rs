//! `lock-bench`: what the tuned Temporal server itself takes, so that `cargo xtask bench` can state our numbers as ratios.
//!
//! `floor` runs an update-with-start on an empty workflow plus one remote activity, with a worker of its own on queues of its own;
//! `sleeping` tells the memory of workflows that do nothing; `lengths` counts the history events of workflows; `webhooks` sends genuine ones;
//! `adapter` tells what a call at a vendor costs this process. Prints one JSON line. It knows nothing of stays, and asserts nothing.

mod adapter;
mod floor;
mod sleeping;
mod webhooks;

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
    #[arg(long, env = "TEMPORAL_ADDRESS", default_value = "127.0.0.1:7233")]
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
    /// Sends genuine webhooks as fast as they are taken
    Webhooks {
        /// The endpoint
        #[arg(long)]
        url: String,
        /// Its secret
        #[arg(long, env = "LOCK_BENCH_SECRET", hide_env_values = true)]
        secret: String,
        /// Senders at once
        #[arg(long, default_value_t = 16)]
        clients: usize,
        /// Messages in all
        #[arg(long, default_value_t = 5_000)]
        messages: usize,
    },
    /// Measures the processor time that an adapter takes for a call
    Adapter {
        /// The vendor
        #[arg(long)]
        vendor: String,
        /// Its simulator
        #[arg(long)]
        base_url: String,
        /// The simulator's control paths
        #[arg(long)]
        control_url: String,
        /// Calls
        #[arg(long, default_value_t = 500)]
        calls: u64,
    },
    /// Counts the history events of these workflows
    Lengths {
        /// Workflow ids
        workflows: Vec<String>,
    },
}

fn main() -> Result<()> {
    let args = Args::parse();
    // One thread for an adapter, so that what is measured is its own.
    let mut runtime = match args.command {
        Command::Adapter { .. } => tokio::runtime::Builder::new_current_thread(),
        _ => tokio::runtime::Builder::new_multi_thread(),
    };
    runtime.enable_all().build()?.block_on(run(args))
}

async fn run(args: Args) -> Result<()> {
    match args.command {
        Command::Webhooks { url, secret, clients, messages } => {
            let _ = rustls::crypto::ring::default_provider().install_default();
            let (taken, took) = webhooks::measure(webhooks::Load { url, secret, clients, messages }).await?;
            println!("{}", serde_json::json!({ "taken": taken, "took_s": took.as_secs_f64() }));
            Ok(())
        }
        Command::Adapter { vendor, base_url, control_url, calls } => {
            let cost = adapter::measure(&vendor, &base_url, &control_url, calls).await?;
            println!("{}", serde_json::json!({ "calls": cost.calls, "cpu_ms": cost.cpu_ms, "wall_ms": cost.wall_ms }));
            Ok(())
        }
        _ => at_temporal(args).await,
    }
}

async fn at_temporal(args: Args) -> Result<()> {
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
        Command::Webhooks { .. } | Command::Adapter { .. } => {}
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
