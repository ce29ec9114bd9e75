//! The parts and how each runs.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use clap::ValueEnum;

use super::memory::Memory;
use super::{chain, kill, silence};
use crate::check::{self, cargo};
use crate::ci::RealKafka;
use crate::planted::{self, Selection};
use crate::process::{self, Show};
use crate::steps::{Count, Steps};
use crate::{interop, workspace};

/// Seeds per simulation family, unless `COURANT_SEEDS` says otherwise.
const SEEDS: &str = "10000";
/// No part takes longer.
const PART_LIMIT: Duration = Duration::from_secs(60 * 60);
/// The other versions of Kafka that clients are judged by.
const OTHER_VERSIONS: [&str; 2] = ["3.9.2", "4.4.0"];

/// A part of the soak.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Part {
    /// 10,000 seeds of every simulation family
    Seeds,
    /// Every planted defect
    Planted,
    /// Conformance on the other versions of Kafka
    Kafka,
    /// Every foreign client on the mock and on Kafka
    Foreign,
    /// Ten minutes of killed, paused and stopped nodes
    Kill,
    /// Ten minutes of handlers in a chain, whose members are killed, and nodes as in `kill`
    Chain,
    /// Each of three nodes paused for half a minute, which the others' records are not held up by
    Silence,
    /// Every driver of the benchmark, other people's too, once with few records
    Bench,
}

impl Part {
    /// Its name on the command line and in the memory.
    fn name(self) -> &'static str {
        match self {
            Self::Seeds => "seeds",
            Self::Planted => "planted",
            Self::Kafka => "kafka",
            Self::Foreign => "foreign",
            Self::Kill => "kill",
            Self::Chain => "chain",
            Self::Silence => "silence",
            Self::Bench => "bench",
        }
    }
}

/// Runs the parts that are named, or all, and skips what this commit has already passed.
pub(crate) fn run(root: &Path, parts: &[Part]) -> Result<()> {
    let memory = Memory::of_head(root)?;
    let mut steps = Steps::default();
    let every = Part::value_variants();
    for part in if parts.is_empty() { every } else { parts } {
        let name = part.name();
        steps.run(&format!("soak {name}"), || {
            if let Some(count) = memory.recall(name) {
                println!("passed before on this commit");
                return Ok(count);
            }
            let count = run_part(root, *part)?;
            memory.remember(name, count)?;
            Ok(count)
        });
    }
    steps.finish()
}

/// Runs one part.
fn run_part(root: &Path, part: Part) -> Result<Count> {
    match part {
        Part::Seeds => seeds(root),
        Part::Planted => planted::run(root, &Selection::All),
        Part::Kafka => {
            let mut count = Count::default();
            for version in OTHER_VERSIONS {
                count.add(conformance(root, version)?);
            }
            Ok(count)
        }
        Part::Foreign => {
            let mut count = interop::run(root, None)?;
            count.add(interop::run(root, Some(crate::ci::KAFKA_VERSION))?);
            Ok(count)
        }
        Part::Kill => kill::run(root),
        Part::Chain => chain::run(root),
        Part::Silence => silence::run(root),
        Part::Bench => crate::bench::smoke(root),
    }
}

/// Every simulation family with many seeds. Optimised: what takes an hour so takes a day otherwise.
fn seeds(root: &Path) -> Result<Count> {
    let mut count = Count::default();
    for (package, test) in families(root)? {
        let mut command = cargo(root, &["test", "--release", "-p", &package, "--test", &test]);
        if std::env::var_os("COURANT_SEEDS").is_none() {
            command.env("COURANT_SEEDS", SEEDS);
        }
        let outcome = process::run(&mut command, PART_LIMIT, Show::All)?;
        count.add(Count::of_tests(&outcome.lines));
        ensure!(outcome.succeeded(), "the simulation of {package} {}", outcome.ending());
    }
    ensure!(count.passed > 0, "no test runs a simulation family");
    Ok(count)
}

/// The integration tests that run as many seeds as they are told: crate and test.
fn families(root: &Path) -> Result<BTreeSet<(String, String)>> {
    let metadata = workspace::metadata(root)?;
    let mut found = BTreeSet::new();
    for file in workspace::files(root)? {
        let Some(test) = integration_test(&file) else { continue };
        let text = std::fs::read_to_string(root.join(&file))?;
        if ["Family::new(", "chosen_seeds("].iter().any(|call| text.contains(call)) {
            let owner = check::crates_of(root, &metadata, std::slice::from_ref(&file))?;
            let package = owner.into_iter().next().with_context(|| format!("{file} belongs to no crate"))?;
            found.insert((package, test.to_owned()));
        }
    }
    Ok(found)
}

/// The integration test that a file is, or is a part of: `tests/simulation/faults.rs` is a part of `simulation`.
fn integration_test(file: &str) -> Option<&str> {
    let (folder, rest) = file.strip_suffix(".rs")?.split_once("tests/")?;
    (folder.is_empty() || folder.ends_with('/')).then(|| rest.split('/').next().unwrap_or(rest))
}

/// The conformance functions on real Kafka of a version.
fn conformance(root: &Path, version: &str) -> Result<Count> {
    let kafka = RealKafka::start(root, "soak", version)?;
    let mut command = cargo(root, &["test", "-p", "courant-testkit", "--test", "conformance_kafka"]);
    command.env("COURANT_KAFKA", kafka.bootstrap()).env("COURANT_REQUIRE_KAFKA", "1");
    println!("Kafka {version}");
    check::tests(&mut command)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_under_tests_is_an_integration_test_or_a_part_of_one() {
        assert_eq!(integration_test("tests/simulation.rs"), Some("simulation"));
        assert_eq!(integration_test("sim/tests/world/faults.rs"), Some("world"));
        assert_eq!(integration_test("sim/src/family.rs"), None);
        assert_eq!(integration_test("sim/tests/notes.md"), None);
    }
}
