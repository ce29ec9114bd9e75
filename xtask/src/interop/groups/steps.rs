//! The Java program that goes through the calls of consumer groups and of the admin client, and counts its steps.

use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use crate::process::{self, Show};

/// The whole program takes no longer.
const LIMIT: Duration = Duration::from_secs(5 * 60);
/// It has at least so many steps: a program that stops early must not pass.
const STEPS_MIN: usize = 45;

/// Runs the program; each of its steps is told as passed, or failed with a reason.
pub(crate) fn steps(mut command: Command, mut told: impl FnMut(&str, Result<()>)) -> Result<()> {
    let outcome = process::run(&mut command, LIMIT, Show::Nothing)?;
    let mut seen = 0;
    for line in &outcome.stdout {
        if let Some(name) = line.strip_prefix("PASS ") {
            told(name, Ok(()));
        } else if let Some(failure) = line.strip_prefix("FAIL ") {
            let (name, why) = failure.split_once(": ").unwrap_or((failure, "it does not say why"));
            told(name, Err(anyhow::anyhow!("{why}")));
        } else {
            continue;
        }
        seen += 1;
    }
    let last = outcome.stdout.last().context("the program said nothing")?;
    let counted: usize = last.strip_suffix(" steps").unwrap_or_default().parse().with_context(|| {
        format!("the program {} after {seen} steps:\n{}", outcome.ending(), outcome.tail())
    })?;
    ensure!(
        counted == seen && seen >= STEPS_MIN,
        "{seen} of {counted} steps were told, {STEPS_MIN} are the least"
    );
    Ok(())
}
