//! Makes the drivers, or says which toolchain is missing.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result};

use super::client::Driver;
use crate::{ci, kafka, process, workspace};

/// librdkafka and Confluent's client take minutes on a busy machine.
const BUILD_LIMIT: Duration = Duration::from_secs(60 * 60);
/// The heap that Java's driver gets under the tuned settings, and a collector that costs no CPU time of its own threads
/// while it runs. By default the machine decides.
const TUNED_JVM: [&str; 2] = ["-Xmx1g", "-XX:+UseParallelGC"];

/// A driver that can be started.
#[derive(Clone, Debug)]
pub(crate) struct Program {
    program: PathBuf,
    arguments: Vec<String>,
}

impl Program {
    /// The command that starts it.
    pub(crate) fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        command.args(&self.arguments);
        command
    }
}

/// The first program that a driver needs and that is not on the search path.
pub(crate) fn missing(driver: Driver) -> Option<&'static str> {
    driver.needs().iter().copied().find(|name| !is_on_path(name))
}

/// Builds a driver.
pub(crate) fn driver(root: &Path, driver: Driver, defaults: bool) -> Result<Program> {
    match driver {
        Driver::Rust(package) => package_of(root, package),
        Driver::Java => java(root, defaults),
        Driver::Go => go(root),
    }
}

/// Builds a package of the benchmark's workspace. One at a time, so that each is built with the same features whatever
/// else is asked for.
pub(crate) fn package_of(root: &Path, package: &str) -> Result<Program> {
    let folder = root.join("bench");
    eprintln!("building {package}");
    let mut cargo = Command::new("cargo");
    cargo.args(["build", "--release", "-p", package]).current_dir(&folder);
    process::quietly(&mut cargo, BUILD_LIMIT)?;
    Ok(Program { program: output(root).join("release").join(package), arguments: Vec::new() })
}

/// Builds the counter of allocations.
pub(crate) fn counter(root: &Path) -> Result<PathBuf> {
    let library = output(root).join("malloc_count.so");
    let mut compiler = Command::new("cc");
    compiler.args(["-O2", "-shared", "-fPIC"]).arg(root.join("bench/malloc_count.c")).arg("-o").arg(&library);
    process::quietly(&mut compiler, BUILD_LIMIT)?;
    Ok(library)
}

fn java(root: &Path, defaults: bool) -> Result<Program> {
    let jars = kafka::client_jars(root, ci::KAFKA_VERSION)?.join("*");
    let classes = output(root).join("java");
    std::fs::create_dir_all(&classes)?;
    let mut javac = Command::new("javac");
    javac.arg("-cp").arg(&jars).arg("-d").arg(&classes).arg(root.join("bench/clients/java/Bench.java"));
    process::quietly(&mut javac, BUILD_LIMIT)?;
    let mut arguments: Vec<String> = Vec::new();
    if !defaults {
        arguments.extend(TUNED_JVM.map(str::to_owned));
    }
    let path = format!("{}:{}", jars.display(), classes.display());
    arguments.extend(["-cp".to_owned(), path, "Bench".to_owned()]);
    Ok(Program { program: "java".into(), arguments })
}

fn go(root: &Path) -> Result<Program> {
    let program = output(root).join("bench-franz-go");
    let mut go = Command::new("go");
    go.args(["build", "-o"]).arg(&program).arg(".").current_dir(root.join("bench/clients/franz-go"));
    process::quietly(&mut go, BUILD_LIMIT).context("franz-go's modules come from the Go module proxy")?;
    Ok(Program { program, arguments: Vec::new() })
}

/// Where the benchmark's workspace builds.
fn output(root: &Path) -> PathBuf {
    workspace::target(&root.join("bench"))
}

/// Whether a program can be started by its name.
fn is_on_path(name: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|folder| folder.join(name).is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_on_the_search_path_is_told_from_what_is_not() {
        assert!(is_on_path("sh"));
        assert!(!is_on_path("no-such-program-anywhere"));
    }
}
