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
    cluster.stop()?;
    let outcome = outcome?;
    let lines = |word: &str| outcome.stdout.iter().filter(|line| line.starts_with(word)).count();
    let count = Count { passed: lines("ok "), failed: lines("FAILED ") };
    ensure!(outcome.succeeded() || count.failed > 0, "the comparison {}", outcome.ending());
    ensure!(count.passed + count.failed > 0, "nothing was compared");
    Ok(count)
}

/// Compiles Java's side; the class path to run it with.
fn compile(root: &Path) -> Result<String> {
    let jars = crate::kafka::streams_jars(root, KAFKA_VERSION)?.join("*");
    let classes = target(root).join("interop-streams");
    std::fs::create_dir_all(&classes)?;
    let sources = root.join("tests/interop/streams");
    let mut javac = Command::new("javac");
    javac.args(["-nowarn", "-cp"]).arg(&jars).arg("-d").arg(&classes);
    javac.arg(sources.join("Topologies.java")).arg(sources.join("StreamsProbe.java"));
    process::quietly(&mut javac, LIMIT).context("the Java program does not compile")?;
    Ok(format!("{}:{}", classes.display(), jars.display()))
}
