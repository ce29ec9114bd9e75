//! Plants each defect and reads the verdict of its test.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Result, bail, ensure};

use super::copy::Copy;
use super::patch::{self, Patch};
use crate::process::{self, Outcome, Show};
use crate::steps::{Count, seconds};
use crate::workspace;

/// A build takes no longer.
const BUILD_LIMIT: Duration = Duration::from_secs(15 * 60);
/// A test takes no longer: a defect that hangs is not caught.
const TEST_LIMIT: Duration = Duration::from_secs(120);

/// Which defects are planted.
#[derive(Clone, Debug)]
pub(crate) enum Selection {
    /// Every one.
    All,
    /// So many, drawn by the commit's hash.
    Drawn(usize),
    /// Those whose names begin with one of these.
    Named(Vec<String>),
}

/// How a test ended.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Verdict {
    Passed,
    Failed,
    /// It did not build.
    DoesNotBuild(String),
    /// The runner knows no such test.
    NoSuchTest,
    /// No verdict: a hang, a signal, or a process that ended in the middle.
    Broken(String),
}

/// Plants the selected defects of the workspace at `root` and prints a line for each.
pub(crate) fn run(root: &Path, selection: &Selection) -> Result<Count> {
    let selected = select(root, patch::all(&root.join("tests/planted"))?, selection)?;
    let mut count = Count::default();
    plant(root, &workspace::target(root).join("planted"), &selected, |patch, took, outcome| {
        match outcome {
            Ok(()) => println!("caught    {} ({}) by {}", patch.name, seconds(took), patch.test),
            Err(error) => println!("NOT SHOWN {} ({}): {error:#}", patch.name, seconds(took)),
        }
        count.add(Count { passed: usize::from(outcome.is_ok()), failed: usize::from(outcome.is_err()) });
    })?;
    println!("{} planted defects caught, {} not", count.passed, count.failed);
    Ok(count)
}

/// The patches of a selection; one that selects nothing is an error.
fn select(root: &Path, patches: Vec<Patch>, selection: &Selection) -> Result<Vec<Patch>> {
    let selected = match selection {
        Selection::All => patches,
        Selection::Drawn(count) => {
            patch::draw(patches, *count, workspace::git(root, &["rev-parse", "HEAD"])?.trim())
        }
        Selection::Named(names) => {
            for name in names {
                ensure!(
                    patches.iter().any(|patch| patch.name.starts_with(name)),
                    "no planted defect is called {name}"
                );
            }
            let is_named = |patch: &Patch| names.iter().any(|name| patch.name.starts_with(name));
            patches.into_iter().filter(is_named).collect()
        }
    };
    ensure!(!selected.is_empty(), "there is no planted defect in tests/planted");
    Ok(selected)
}

/// Proves defects: the test of each passes without it and fails with it.
///
/// First every test runs without a defect, which builds each crate once; then the defects follow one another, and the
/// build that takes one in takes the one before out.
fn plant(
    root: &Path,
    target: &Path,
    patches: &[Patch],
    mut done: impl FnMut(&Patch, Duration, &Result<()>),
) -> Result<()> {
    let fresh = || Copy::of(root, &target.join("workspace"));
    let copy = fresh()?;
    let mut healthy = Vec::new();
    for patch in patches {
        healthy.push(verdict(&copy, target, patch).and_then(|verdict| match verdict {
            Verdict::Passed => Ok(()),
            verdict => bail!("without the defect its test {}", describe(&verdict)),
        }));
    }
    for (patch, healthy) in patches.iter().zip(healthy) {
        let start = Instant::now();
        let outcome = healthy.and_then(|()| {
            let copy = fresh()?;
            copy.apply(&patch.file)?;
            match verdict(&copy, target, patch)? {
                Verdict::Failed => Ok(()),
                verdict => bail!("with the defect its test {}", describe(&verdict)),
            }
        });
        done(patch, start.elapsed(), &outcome);
    }
    Ok(())
}

/// Builds and runs a patch's test in the copy.
fn verdict(copy: &Copy, target: &Path, patch: &Patch) -> Result<Verdict> {
    let cargo = |more: &[&str]| {
        let mut command = Command::new("cargo");
        command.arg("test").args(&patch.arguments).args(more).current_dir(&copy.root);
        // Warnings are no verdict: a defect may leave something unused.
        command.env("CARGO_TARGET_DIR", target.join("target")).env_remove("RUSTFLAGS");
        // Each build differs from the one before by a line, whatever else this machine builds but once.
        command.env("CARGO_INCREMENTAL", "1");
        command
    };
    let build = process::run(&mut cargo(&["--no-run"]), BUILD_LIMIT, Show::Nothing)?;
    if !build.succeeded() {
        let error = build.lines.iter().find(|line| line.starts_with("error")).cloned();
        return Ok(Verdict::DoesNotBuild(error.unwrap_or_else(|| build.ending())));
    }
    let test = process::run(&mut cargo(&["--", "--exact", &patch.test]), TEST_LIMIT, Show::Nothing)?;
    Ok(judge(&test, &patch.test))
}

/// Reads the runner's lines. A failed test prints both its own line and the result's.
fn judge(outcome: &Outcome, test: &str) -> Verdict {
    let count = Count::of_tests(&outcome.lines);
    let own_line = |end: &str| outcome.lines.iter().any(|line| is_line_of(line, test, end));
    match (outcome.code, count.passed, count.failed) {
        (Some(0), 0, 0) => Verdict::NoSuchTest,
        (Some(0), _, 0) if own_line("ok") => Verdict::Passed,
        (Some(_), _, 1..) if own_line("FAILED") => Verdict::Failed,
        _ => Verdict::Broken(outcome.ending()),
    }
}

/// Whether a line is the runner's about this test. What the test itself prints may stand in between.
fn is_line_of(line: &str, test: &str, end: &str) -> bool {
    line.strip_prefix("test ").and_then(|rest| rest.strip_prefix(test)).is_some_and(|rest| {
        let rest = rest.strip_prefix(" - should panic").unwrap_or(rest);
        rest.strip_prefix(" ...").is_some_and(|rest| rest.trim().ends_with(end))
    })
}

/// A verdict as the end of a sentence.
fn describe(verdict: &Verdict) -> String {
    match verdict {
        Verdict::Passed => "still passes".to_owned(),
        Verdict::Failed => "fails".to_owned(),
        Verdict::DoesNotBuild(error) => format!("does not build: {error}"),
        Verdict::NoSuchTest => "does not exist".to_owned(),
        Verdict::Broken(ending) => format!("gives no verdict: it {ending}"),
    }
}

#[cfg(test)]
mod tests;
