//! Finds the foreign clients, and installs what is missing.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result};

use super::broker::build;
use super::client::Client;
use crate::process;
use crate::workspace::{capture, target};

/// An installation takes no longer.
const LIMIT: Duration = Duration::from_secs(10 * 60);
/// The version of confluent-kafka; its wheel brings librdkafka along.
const CONFLUENT: &str = "confluent-kafka==2.16.1";
/// Whose jars Java's clients are taken from.
const KAFKA_VERSION: &str = "4.3.1";

/// Every client, ready to run.
pub(crate) fn clients(root: &Path) -> Result<Vec<Client>> {
    let probe = build(root, "courant-testkit", "courant-probe")?;
    Ok(vec![Client::Courant(probe), kcat()?, confluent(root)?, java(root)?])
}

/// kcat, from Debian's packages.
fn kcat() -> Result<Client> {
    if capture(Command::new("kcat").arg("-V")).is_err() {
        let install = |arguments: &[&str]| {
            let mut command = Command::new("apt-get");
            command.args(arguments).env("DEBIAN_FRONTEND", "noninteractive");
            process::quietly(&mut command, LIMIT)
        };
        install(&["update", "-qq"])?;
        install(&["install", "-y", "-qq", "--no-install-recommends", "kcat"])?;
        capture(Command::new("kcat").arg("-V")).context("kcat is installed and does not run")?;
    }
    Ok(Client::Kcat)
}

/// confluent-kafka in a virtual environment of its own.
fn confluent(root: &Path) -> Result<Client> {
    let folder = target(root).join("interop-venv");
    let python = folder.join("bin/python");
    let has_it = || capture(Command::new(&python).args(["-c", "import confluent_kafka"])).is_ok();
    if !has_it() {
        process::quietly(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&folder), LIMIT)?;
        process::quietly(Command::new(&python).args(["-m", "pip", "install", "--quiet", CONFLUENT]), LIMIT)?;
    }
    Ok(Client::Confluent(python, root.join("tests/interop/confluent.py")))
}

/// Java's own clients, compiled once.
fn java(root: &Path) -> Result<Client> {
    let jars = crate::kafka::jars(root, KAFKA_VERSION)?.join("*");
    let classes = target(root).join("interop-java");
    std::fs::create_dir_all(&classes)?;
    let mut javac = Command::new("javac");
    javac.arg("-cp").arg(&jars).arg("-d").arg(&classes).arg(root.join("tests/interop/java/Probe.java"));
    process::quietly(&mut javac, LIMIT).context("the Java program does not compile")?;
    let log = root.join("tests/kafka/log4j2.properties");
    Ok(Client::Java { class_path: format!("{}:{}", classes.display(), jars.display()), log })
}
