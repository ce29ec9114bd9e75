//! What the configurations of Java's clients say of themselves: the table that ours are held to.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result};

use super::jars;
use crate::process;
use crate::workspace::{capture, target};

/// Compiling a small program takes no longer.
const LIMIT: Duration = Duration::from_secs(60);

/// Every property of the producer, the consumer and the admin client of a version, a line each.
pub(crate) fn configs(root: &Path, version: &str) -> Result<String> {
    let jars = jars::fetch(root, version)?.join("*");
    let classes = target(root).join("kafka-configs");
    std::fs::create_dir_all(&classes)?;
    let mut javac = Command::new("javac");
    javac.arg("-cp").arg(&jars).arg("-d").arg(&classes).arg(root.join("tests/kafka/Configs.java"));
    process::quietly(&mut javac, LIMIT).context("the Java program does not compile")?;
    let mut java = Command::new("java");
    java.arg("-cp").arg(format!("{}:{}", classes.display(), jars.display()));
    // Some classes log when they are loaded.
    java.arg(format!("-Dlog4j2.configurationFile={}", root.join("tests/kafka/log4j2.properties").display()));
    capture(java.arg("Configs"))
}
