//! `check-laws`: the dependency law, the file sizes and the secret scan, in words.

use std::process::ExitCode;

use anyhow::Result;
use xtask::laws::{LONGEST_FILE, check_dependencies, measure, scan_secrets, workspace_crates};
use xtask::project::Project;

pub(crate) fn run(project: &Project) -> Result<ExitCode> {
    let lawful = dependencies(project)? & sizes(project)? & secrets(project)?;
    Ok(if lawful { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Prints what breaks the dependency law; returns whether nothing does.
pub(crate) fn dependencies(project: &Project) -> Result<bool> {
    let crates = workspace_crates(project)?;
    let violations = check_dependencies(&crates);
    for violation in &violations {
        println!("dependency law: {violation}");
    }
    if violations.is_empty() {
        println!("dependency law: kept by {} crates", crates.len());
    }
    Ok(violations.is_empty())
}

/// Prints what looks like a secret in tracked files; returns whether nothing does.
pub(crate) fn secrets(project: &Project) -> Result<bool> {
    let said = scan_secrets(project.root())?;
    for line in &said {
        println!("secret scan: {line}");
    }
    if said.is_empty() {
        println!("secret scan: nothing in the tracked files");
    }
    Ok(said.is_empty())
}

/// Prints how long the files are; returns whether none is too long.
pub(crate) fn sizes(project: &Project) -> Result<bool> {
    let sizes = measure(project.root())?;
    println!(
        "file sizes: {} files, median {} lines (aim 120), p90 {} (aim 400), limit {LONGEST_FILE}",
        sizes.files, sizes.median, sizes.p90
    );
    for (path, lines) in &sizes.too_long {
        let path = path.strip_prefix(project.root()).unwrap_or(path);
        println!("file sizes: {} has {lines} lines: split it by what its parts are for", path.display());
    }
    Ok(sizes.too_long.is_empty())
}
