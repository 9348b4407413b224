//! What each vendor's adapter takes for a call, against simulators in another process that answer at once.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};

use super::tool::Tool;
use crate::sandbox::OwnStack;
use crate::stack::{ManagedProcess, ProcessSpec, SIM};

const UP_WITHIN: Duration = Duration::from_secs(20);
const VENDORS: [(&str, &str); 5] = [
    ("ttlock", "SIM_TTLOCK_ADDR"),
    ("salto_ks", "SIM_SALTO_KS_ADDR"),
    ("visionline", "SIM_VISIONLINE_ADDR"),
    ("salto_ship", "SIM_SALTO_SHIP_ADDR"),
    ("salto_pms", "SIM_SALTO_PMS_ADDR"),
];

/// What a call takes.
#[derive(Debug, Clone, PartialEq)]
pub struct AdapterCost {
    /// The vendor.
    pub vendor: &'static str,
    /// Processor time of the adapter's process, milliseconds.
    pub cpu_ms: f64,
    /// Until the answer, milliseconds.
    pub wall_ms: f64,
}

/// Measures every adapter that there is a simulator for.
///
/// # Errors
/// When a simulator doesn't come up, or an adapter can't be measured.
pub fn measure_adapters(stack: &OwnStack, tool: &Tool, calls: u64) -> Result<Vec<AdapterCost>> {
    let mut simulators = simulators(stack.bin_dir(), stack.parts().root())?;
    let mut address = |prefix: &str| -> Result<String> {
        let line = simulators.wait_line(prefix, UP_WITHIN)?;
        let rest = line.split_once(prefix).map(|(_, rest)| rest).context("an address is missing")?;
        Ok(rest.split(',').next().unwrap_or_default().trim().to_owned())
    };
    let mut costs = Vec::new();
    for (vendor, _) in VENDORS {
        let base_url = address(&format!("lock-sim {vendor} listening on "))?;
        let control_url = match vendor {
            "salto_pms" => address("lock-sim salto_ship listening on ")?,
            "visionline" => address("lock-sim visionline control on ")?,
            _ => base_url.clone(),
        };
        let (cpu_ms, wall_ms) = tool.adapter(vendor, &base_url, &control_url, calls).context(vendor)?;
        costs.push(AdapterCost { vendor, cpu_ms, wall_ms });
    }
    Ok(costs)
}

fn simulators(bin_dir: &Path, root: &Path) -> Result<ManagedProcess> {
    let folder = root.join("simulators");
    std::fs::create_dir_all(&folder).with_context(|| format!("{} can't be made", folder.display()))?;
    let mut spec = ProcessSpec::new("simulators", bin_dir.join(SIM), &folder);
    for (_, variable) in VENDORS {
        spec = spec.env(variable, "127.0.0.1:0");
    }
    ManagedProcess::spawn(spec)
}
