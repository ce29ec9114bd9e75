//! Java's JsonConverter on the messages that ours is tested with: the recorded answers are still its own.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};

use super::tools;
use crate::process;
use crate::workspace::target;

/// The program reads a thousand messages; most of the time goes into starting it.
const LIMIT: Duration = Duration::from_secs(60);
/// The messages, and what Java made of each.
const GOLDEN: &str = "connect/tests/golden/json-converter";

/// Runs the program and compares each line with the recorded one.
pub(super) fn json_converter(root: &Path) -> Result<()> {
    let read = |name: &str| std::fs::read_to_string(root.join(GOLDEN).join(name)).context(name.to_owned());
    let (cases, recorded) = (read("cases.tsv")?, read("expected.tsv")?);
    let mut java = Command::new("java");
    java.arg("-cp").arg(compiled(root)?).arg("ConnectJson");
    let found = process::pipe(&mut java, cases, LIMIT)?;
    let recorded: Vec<&str> = recorded.lines().collect();
    ensure!(found.len() == recorded.len(), "{} lines instead of {}", found.len(), recorded.len());
    match found.iter().zip(recorded).find(|(found, recorded)| found != recorded) {
        Some((found, recorded)) => bail!("Java makes `{found}` of it, recorded is `{recorded}`"),
        None => Ok(()),
    }
}

/// The class path of the compiled program.
fn compiled(root: &Path) -> Result<String> {
    let jars = crate::kafka::connect_jars(root, tools::KAFKA_VERSION)?.join("*");
    let classes = target(root).join("interop-connect");
    std::fs::create_dir_all(&classes)?;
    let mut javac = Command::new("javac");
    javac.arg("-cp").arg(&jars).arg("-d").arg(&classes);
    javac.arg(root.join("tests/interop/connect/ConnectJson.java"));
    process::quietly(&mut javac, LIMIT).context("the Java program does not compile")?;
    Ok(format!("{}:{}", classes.display(), jars.display()))
}
