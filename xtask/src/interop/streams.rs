//! Kafka Streams and ours run the same topologies on one cluster of real Kafka; `courant-streams-probe` compares them.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use super::broker::build;
use super::tools::KAFKA_VERSION;
use crate::kafka::{Cluster, Plan};
use crate::process::{self, Show};
use crate::steps::Count;
use crate::workspace::target;

/// All topologies, on both sides, take no longer.
const LIMIT: Duration = Duration::from_secs(10 * 60);

/// Compares all topologies on a cluster of a version; prints a line for each.
pub(super) fn run(root: &Path, kafka: &str) -> Result<Count> {
    let class_path = compile(root)?;
    let probe = build(root, "courant-testkit", "courant-streams-probe")?;
    let plan = Plan { name: "streams".to_owned(), version: kafka.to_owned(), nodes: 1, config: Vec::new() };
    let mut cluster = Cluster::start(root, &plan)?;
    let mut command = Command::new(probe);
    command.arg(cluster.bootstrap()).args(["java", "-cp", &class_path, "StreamsProbe"]);
    let outcome = process::run(&mut command, LIMIT, Show::All);
    let mixed = mixed(root, &class_path, &cluster.bootstrap());
    cluster.stop()?;
    let (outcome, mixed) = (outcome?, mixed?);
    let all = || outcome.stdout.iter().chain(&mixed);
    let lines = |word: &str| all().filter(|line| line.starts_with(word)).count();
    let count = Count { passed: lines("ok "), failed: lines("FAILED ") };
    ensure!(outcome.succeeded() || count.failed > 0, "the comparison {}", outcome.ending());
    ensure!(count.passed + count.failed > 0, "nothing was compared");
    Ok(count)
}

/// Runs one application with a process of Java's and one of ours; gives the lines that tell how it went.
fn mixed(root: &Path, class_path: &str, bootstrap: &str) -> Result<Vec<String>> {
    let probe = build(root, "courant-testkit", "courant-probe")?;
    let mut command = Command::new("java");
    command.args(["-cp", class_path, "MixedGroup", bootstrap]).arg(probe);
    let outcome = process::run(&mut command, LIMIT, Show::All)?;
    ensure!(outcome.succeeded(), "the application of Java's process and ours {}", outcome.ending());
    Ok(outcome.stdout)
}

/// Compiles Java's side; the class path to run it with.
fn compile(root: &Path) -> Result<String> {
    let jars = crate::kafka::streams_jars(root, KAFKA_VERSION)?.join("*");
    let classes = target(root).join("interop-streams");
    std::fs::create_dir_all(&classes)?;
    let sources = root.join("tests/interop/streams");
    let mut javac = Command::new("javac");
    javac.args(["-nowarn", "-cp"]).arg(&jars).arg("-d").arg(&classes);
    javac
        .args(["Topologies.java", "StreamsProbe.java", "MixedGroup.java"].map(|source| sources.join(source)));
    process::quietly(&mut javac, LIMIT).context("the Java program does not compile")?;
    Ok(format!("{}:{}", classes.display(), jars.display()))
}
