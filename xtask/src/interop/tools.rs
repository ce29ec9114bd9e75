//! Finds the foreign clients, and installs what is missing.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result};

use super::broker::build;
use super::client::{Client, Java};
use super::groups::Program;
use crate::process;
use crate::workspace::{capture, target};

/// An installation takes no longer.
const LIMIT: Duration = Duration::from_secs(10 * 60);
/// Python's clients; the wheel of confluent-kafka brings librdkafka along.
const PYTHON: [&str; 3] = ["confluent-kafka==2.16.1", "aiokafka==0.14.0", "kafka-python==3.0.12"];
/// The client of Node.js.
const KAFKAJS: &str = "kafkajs@2.2.4";
/// Our programs with Java's clients.
const JAVA: [&str; 3] = ["Probe.java", "Member.java", "Steps.java"];
/// Whose jars Java's clients are taken from.
pub(super) const KAFKA_VERSION: &str = "4.3.1";

/// Every client, ready to run.
pub(crate) fn clients(root: &Path) -> Result<Vec<Client>> {
    Ok(vec![courant(root)?, kcat()?, confluent(root)?, Client::Java(java(root)?)])
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

/// Our clients.
pub(crate) fn courant(root: &Path) -> Result<Client> {
    build(root, "courant-testkit", "courant-probe").map(Client::Courant)
}

/// Every client that can be a member of a group, ready to run.
pub(crate) fn members(root: &Path) -> Result<Vec<Program>> {
    let probe = build(root, "courant-testkit", "courant-probe")?;
    let python = python(root)?;
    let script = |name: &str| root.join("tests/interop").join(name).display().to_string();
    let program = |name, command: Vec<String>, assignor, mixes| Program {
        name,
        command,
        variable: None,
        assignor,
        mixes,
    };
    let by_python = |name: &str| vec![python.clone(), script(name)];
    Ok(vec![
        program("courant", vec![probe.display().to_string()], "cooperative-sticky", true),
        program("confluent", by_python("confluent.py"), "cooperative-sticky", true),
        program("java", java(root)?.command("Member"), "cooperative-sticky", true),
        program("aiokafka", by_python("aiokafka_member.py"), "range", false),
        program("kafka-python", by_python("kafka_python_member.py"), "roundrobin", false),
        kafkajs(root)?,
    ])
}

/// The Java program that counts its steps.
pub(crate) fn steps(root: &Path, bootstrap: &str) -> Result<Command> {
    let words = java(root)?.command("Steps");
    let (program, arguments) = words.split_first().context("no program")?;
    let mut command = Command::new(program);
    command.args(arguments).arg(bootstrap);
    Ok(command)
}

/// kafkajs in a folder of its own.
fn kafkajs(root: &Path) -> Result<Program> {
    let folder = target(root).join("interop-node");
    let modules = folder.join("node_modules");
    if !modules.join("kafkajs/package.json").exists() {
        std::fs::create_dir_all(&folder)?;
        let mut npm = Command::new("npm");
        npm.args(["install", "--silent", "--no-audit", "--no-fund", "--prefix"]).arg(&folder).arg(KAFKAJS);
        process::quietly(&mut npm, LIMIT)?;
    }
    Ok(Program {
        name: "kafkajs",
        command: vec!["node".to_owned(), root.join("tests/interop/kafkajs_member.js").display().to_string()],
        variable: Some(("NODE_PATH", modules.display().to_string())),
        assignor: "roundrobin",
        mixes: false,
    })
}

/// A Python with every client for it, in a virtual environment of its own.
fn python(root: &Path) -> Result<String> {
    let folder = target(root).join("interop-venv");
    let python = folder.join("bin/python");
    let has_them =
        || capture(Command::new(&python).args(["-c", "import confluent_kafka, aiokafka, kafka"])).is_ok();
    if !has_them() {
        process::quietly(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&folder), LIMIT)?;
        let mut pip = Command::new(&python);
        process::quietly(pip.args(["-m", "pip", "install", "--quiet"]).args(PYTHON), LIMIT)?;
    }
    Ok(python.display().to_string())
}

/// confluent-kafka.
fn confluent(root: &Path) -> Result<Client> {
    Ok(Client::Confluent(python(root)?.into(), root.join("tests/interop/confluent.py")))
}

/// Java's own clients, compiled once.
fn java(root: &Path) -> Result<Java> {
    let jars = crate::kafka::jars(root, KAFKA_VERSION)?.join("*");
    let classes = target(root).join("interop-java");
    std::fs::create_dir_all(&classes)?;
    let mut javac = Command::new("javac");
    javac.arg("-cp").arg(&jars).arg("-d").arg(&classes);
    javac.args(JAVA.map(|name| root.join("tests/interop/java").join(name)));
    process::quietly(&mut javac, LIMIT).context("the Java programs do not compile")?;
    let log = root.join("tests/kafka/log4j2.properties");
    Ok(Java { class_path: format!("{}:{}", classes.display(), jars.display()), log })
}
