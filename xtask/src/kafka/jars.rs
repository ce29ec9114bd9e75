//! Fetches Kafka's jars by Maven, once per version.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use crate::process;

/// Maven takes no longer.
const LIMIT: Duration = Duration::from_secs(10 * 60);

/// The folder with the jars of a version; fetches them when they are missing.
pub(crate) fn fetch(root: &Path, version: &str) -> Result<PathBuf> {
    fetch_of(root, "jars", "tests/kafka/pom.xml", version)
}

/// The folder with the jars of Kafka Streams in a version; fetches them when they are missing.
pub(crate) fn fetch_streams(root: &Path, version: &str) -> Result<PathBuf> {
    fetch_of(root, "streams-jars", "tests/interop/streams/pom.xml", version)
}

/// The folder with the jars of Connect's JSON converter in a version; fetches them when they are missing.
pub(crate) fn fetch_connect(root: &Path, version: &str) -> Result<PathBuf> {
    fetch_of(root, "connect-jars", "tests/interop/connect/pom.xml", version)
}

/// The folder with the jars of Java's clients alone; fetches them when they are missing.
pub(crate) fn fetch_client(root: &Path, version: &str) -> Result<PathBuf> {
    fetch_of(root, "client-jars", "bench/clients/java/pom.xml", version)
}

fn fetch_of(root: &Path, name: &str, pom: &str, version: &str) -> Result<PathBuf> {
    let well_formed =
        !version.is_empty() && version.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-'));
    ensure!(well_formed, "`{version}` is no version of Kafka");
    let folder = root.join(".kafka").join(format!("{name}-{version}"));
    if folder.is_dir() {
        return Ok(folder);
    }
    // An interrupted fetch must not look like a finished one.
    let partial = folder.with_extension("partial");
    let _ = std::fs::remove_dir_all(&partial);
    eprintln!("fetching the {name} of Kafka {version} by Maven");
    let mut maven = Command::new("mvn");
    maven.args(["-q", "-B", "dependency:copy-dependencies", "-DincludeScope=runtime"]);
    maven.arg(format!("-Dkafka.version={version}")).arg(format!("-DoutputDirectory={}", partial.display()));
    maven.arg("-f").arg(root.join(pom));
    process::quietly(&mut maven, LIMIT).context("Kafka needs Java 17 and Maven")?;
    remove_second_binding(&partial)?;
    std::fs::rename(&partial, &folder)?;
    Ok(folder)
}

/// Kafka 3.9 brings another slf4j binding, which would win over ours and write no line.
fn remove_second_binding(folder: &Path) -> Result<()> {
    for entry in std::fs::read_dir(folder).context("Maven fetched nothing")? {
        let file = entry?.path();
        let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if name.starts_with("slf4j-reload4j") {
            std::fs::remove_file(file)?;
        }
    }
    Ok(())
}
