//! The steps of ci, in the order in which a failure is cheapest to meet.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result};

use super::{packages, readme};
use crate::check::{self, cargo, one, static_checks};
use crate::kafka::{Cluster, Plan};
use crate::planted::{self, Selection};
use crate::process::{self, Show};
use crate::steps::{Count, Steps};
use crate::{codegen, instructions, interop};

/// The Kafka that clients and mock are judged by.
pub(crate) const KAFKA_VERSION: &str = "4.3.1";
/// How many planted defects a commit draws.
const PLANTED: usize = 8;
/// Seeds per simulation family, unless `COURANT_SEEDS` says otherwise.
const SEEDS: &str = "100";

/// The whole test run, cold, on two cores, with room to spare.
const TEST_LIMIT: Duration = Duration::from_secs(60 * 60);

/// Runs everything.
pub(crate) fn run(root: &Path) -> Result<()> {
    let mut steps = Steps::default();
    static_checks(root, &mut steps);
    steps.run("generated messages are what the tables give", || codegen::run(true).map(|()| Count::ONE));
    let mut kafka = None;
    steps.run(&format!("Apache Kafka {KAFKA_VERSION} starts"), || {
        kafka = Some(RealKafka::start(root, "ci", KAFKA_VERSION)?);
        Ok(Count::ONE)
    });
    steps.run("every test and doc example (the README's second command)", || {
        let text = std::fs::read_to_string(root.join("README.md")).context("there is no README.md")?;
        let (_, command) = readme::commands(&text)?;
        tests(root, &command, kafka.as_ref())
    });
    // Nothing else needs the nodes, and they would share two cores with every build.
    drop(kafka);
    steps.run("docs without a warning", || {
        one(cargo(root, &["doc", "--workspace", "--no-deps"]).env("RUSTDOCFLAGS", "-D warnings"))
    });
    check::bench(root, &mut steps);
    steps.run("instructions of the hot paths", || instructions::run(root, false));
    steps.run(&format!("{PLANTED} planted defects"), || planted::run(root, &Selection::Drawn(PLANTED)));
    steps.run("foreign clients", || interop::run(root, None));
    steps.run("packages build", || packages::package(root));
    steps.run("each crate builds without default features", || packages::without_default_features(root));
    steps.run("the default client's tree", || packages::tree(root));
    steps.finish()
}

/// The README's test command, with real Kafka at hand and no suite skipped.
fn tests(root: &Path, command: &str, kafka: Option<&RealKafka>) -> Result<Count> {
    let mut shell = Command::new("sh");
    // One failing test file must not hide what the others say.
    shell.args(["-c", &format!("{command} --no-fail-fast")]).current_dir(root);
    shell.env("COURANT_REQUIRE_KAFKA", "1").env("CARGO_TERM_COLOR", "never");
    if std::env::var_os("COURANT_SEEDS").is_none() {
        shell.env("COURANT_SEEDS", SEEDS);
    }
    if let Some(kafka) = kafka {
        shell.env("COURANT_KAFKA", kafka.bootstrap());
    }
    let outcome = process::run(&mut shell, TEST_LIMIT, Show::All)?;
    let mut count = Count::of_tests(&outcome.lines);
    if !outcome.succeeded() {
        println!("the tests' command {}", outcome.ending());
        count.failed = count.failed.max(1);
    }
    anyhow::ensure!(count.passed > 0, "no test ran");
    Ok(count)
}

/// Real Kafka for the length of a step; stopped when dropped.
#[derive(Debug)]
pub(crate) struct RealKafka(Cluster);

impl RealKafka {
    /// Starts one node of a version, with the settings under which the conformance functions run on the mock too.
    pub(crate) fn start(root: &Path, name: &str, version: &str) -> Result<Self> {
        Self::start_nodes(root, name, version, 1, &["auto.create.topics.enable=false".to_owned()])
    }

    /// Starts several nodes of a version.
    pub(crate) fn start_nodes(
        root: &Path,
        name: &str,
        version: &str,
        nodes: usize,
        config: &[String],
    ) -> Result<Self> {
        let plan =
            Plan { name: name.to_owned(), version: version.to_owned(), nodes, config: config.to_vec() };
        Cluster::start(root, &plan).map(Self)
    }

    /// Addresses for `bootstrap.servers`.
    pub(crate) fn bootstrap(&self) -> String {
        self.0.bootstrap()
    }

    /// The cluster, to kill and restart its nodes.
    pub(crate) fn cluster(&mut self) -> &mut Cluster {
        &mut self.0
    }
}

impl Drop for RealKafka {
    fn drop(&mut self) {
        if let Err(error) = self.0.stop() {
            eprintln!("Kafka did not stop: {error:#}");
        }
    }
}
