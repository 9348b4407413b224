//! What the user sees while something takes a moment: a spinner or byte bar on a terminal, plain lines elsewhere, nothing in tests.
//!
//! Must not know what is going on behind a step. Never fails.

use std::io::IsTerminal as _;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    Terminal,
    Lines,
    Hidden,
}

/// Where steps are shown.
#[derive(Debug, Clone, Copy)]
pub struct Progress {
    mode: Mode,
}

impl Progress {
    /// Spinners when standard error is a terminal, plain lines otherwise.
    #[must_use]
    pub fn visible() -> Self {
        let mode = if std::io::stderr().is_terminal() { Mode::Terminal } else { Mode::Lines };
        Self { mode }
    }

    /// Shows nothing.
    #[must_use]
    pub fn hidden() -> Self {
        Self { mode: Mode::Hidden }
    }

    /// Starts a step that is shown until it ends.
    #[must_use]
    pub fn step(&self, label: impl Into<String>) -> Step {
        let label = label.into();
        let bar = match self.mode {
            Mode::Terminal => {
                let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
                bar.set_style(style("{spinner} {msg} {elapsed}"));
                bar.set_message(label.clone());
                bar.enable_steady_tick(Duration::from_millis(100));
                Some(bar)
            }
            Mode::Lines => {
                eprintln!("  … {label}");
                None
            }
            Mode::Hidden => None,
        };
        Step { mode: self.mode, label, bar, started: Instant::now() }
    }

    /// Prints a line between steps.
    pub fn note(&self, line: &str) {
        if self.mode != Mode::Hidden {
            eprintln!("  {line}");
        }
    }
}

/// One shown step. Dropping it without [`Step::done`] removes its spinner and says nothing more.
#[derive(Debug)]
pub struct Step {
    mode: Mode,
    label: String,
    bar: Option<ProgressBar>,
    started: Instant,
}

impl Step {
    /// Shows how many of how many bytes are there.
    pub fn bytes(&self, done: u64, total: u64) {
        if let Some(bar) = &self.bar {
            if bar.length().is_none() {
                bar.set_style(style("{spinner} {msg} {wide_bar} {bytes}/{total_bytes} {elapsed}"));
                bar.set_length(total);
            }
            bar.set_position(done.min(total));
        }
    }

    /// Ends the step with what came of it and the time it took.
    pub fn done(self, outcome: &str) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
        if self.mode != Mode::Hidden {
            eprintln!("  ✓ {}: {outcome} ({:.1} s)", self.label, self.started.elapsed().as_secs_f64());
        }
    }
}

impl Drop for Step {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_spinner())
}
