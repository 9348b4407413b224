//! The property side: one small program on the property's PC.
//!
//! So far it can say which card readers the PC has ([`readers`]); writing cards, the journal and the link to the service are not built
//! yet, and it does not pretend to.

mod readers;

use clap::{Parser, Subcommand};

/// The lock service's agent on a property PC.
#[derive(Debug, Parser)]
#[command(name = "lock-encoder-agent", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// List the USB card readers and encoders that this PC has.
    Readers,
}

fn main() -> anyhow::Result<()> {
    match Cli::parse().command {
        Command::Readers => readers::print(),
    }
}
