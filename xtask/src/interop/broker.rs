//! The cluster that the clients talk to: the mock's binary, or real Kafka.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use super::dataset::PARTITIONS;
use crate::check::cargo;
use crate::kafka::{Cluster, Plan};
use crate::{process, workspace};

/// A build takes no longer.
const BUILD_LIMIT: Duration = Duration::from_secs(20 * 60);

/// Brokers retain by the records' own time, and ours are years old.
const KEEP: &str = "log.retention.ms=-1";

/// A running cluster; ended when dropped.
pub(crate) enum Broker {
    /// The mock, with its addresses.
    Mock(Child, String),
    /// Real Kafka.
    Kafka(Cluster),
}

impl Broker {
    /// The mock with three brokers and these topics.
    pub(crate) fn mock(root: &Path, topics: &[String]) -> Result<Self> {
        let binary = build(root, "courant-broker-mock", "courant-broker-mock")?;
        let mut command = Command::new(binary);
        command.args(["--brokers", "3", "--port-base", "0", "--ready-json", "--config", KEEP]);
        for topic in topics {
            command.args(["--topic", &format!("{topic}:{PARTITIONS}")]);
        }
        let mut child =
            command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().context("cannot start the mock")?;
        let mut line = String::new();
        let stdout = child.stdout.take().context("the mock has no standard output")?;
        BufReader::new(stdout).read_line(&mut line)?;
        let ready: Value =
            serde_json::from_str(&line).with_context(|| format!("the mock said `{}`", line.trim()))?;
        let bootstrap =
            ready.get("bootstrap").and_then(Value::as_str).context("the mock gave no addresses")?;
        Ok(Self::Mock(child, bootstrap.to_owned()))
    }

    /// One node of real Kafka that creates topics with the right number of partitions.
    pub(crate) fn kafka(root: &Path, version: &str) -> Result<Self> {
        let config = vec![format!("num.partitions={PARTITIONS}"), KEEP.to_owned()];
        let plan = Plan { name: "interop".to_owned(), version: version.to_owned(), nodes: 1, config };
        Cluster::start(root, &plan).map(Self::Kafka)
    }

    /// Addresses for `bootstrap.servers`.
    pub(crate) fn bootstrap(&self) -> String {
        match self {
            Self::Mock(_, bootstrap) => bootstrap.clone(),
            Self::Kafka(cluster) => cluster.bootstrap(),
        }
    }

    /// Ends it; the mock must end with exit code 0 when it is asked to.
    pub(crate) fn stop(mut self) -> Result<()> {
        match &mut self {
            Self::Kafka(cluster) => cluster.stop(),
            Self::Mock(child, _) => {
                workspace::capture(Command::new("kill").args(["-TERM", &child.id().to_string()]))?;
                let status = child.wait()?;
                ensure!(status.success(), "the mock ended with {status} on SIGTERM");
                Ok(())
            }
        }
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        match self {
            Self::Mock(child, _) => {
                let _ = child.kill();
                let _ = child.wait();
            }
            Self::Kafka(cluster) => {
                let _ = cluster.stop();
            }
        }
    }
}

/// Builds a binary and gives its path.
pub(crate) fn build(root: &Path, package: &str, binary: &str) -> Result<std::path::PathBuf> {
    let arguments = ["build", "--message-format", "json-render-diagnostics", "-p", package, "--bin", binary];
    let outcome = process::quietly(&mut cargo(root, &arguments), BUILD_LIMIT)?;
    let executable = outcome.stdout.iter().rev().find_map(|line| {
        let message: Value = serde_json::from_str(line).ok()?;
        message.get("executable").and_then(Value::as_str).map(str::to_owned)
    });
    Ok(executable.with_context(|| format!("cargo built no {binary}"))?.into())
}
