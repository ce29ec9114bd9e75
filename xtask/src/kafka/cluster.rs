//! A cluster of real Kafka nodes. Its state is a file, so that a later command can stop what an earlier one started.

use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};

use super::settings::{Ports, properties};
use super::{jars, ready};
use crate::process;
use crate::workspace::capture;

/// A cluster that is not whole by then will not be.
const READY_LIMIT: Duration = Duration::from_secs(120);
/// A node that is asked to stop and has not by then is killed.
const STOP_LIMIT: Duration = Duration::from_secs(20);

/// What to start.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    /// The cluster's name: a folder under `.kafka/`.
    pub(crate) name: String,
    /// Kafka's version.
    pub(crate) version: String,
    /// How many nodes.
    pub(crate) nodes: usize,
    /// Further broker properties, `NAME=VALUE`.
    pub(crate) config: Vec<String>,
}

/// A started cluster.
#[derive(Debug)]
pub(crate) struct Cluster {
    folder: PathBuf,
    jars: PathBuf,
    log_config: PathBuf,
    ports: Vec<Ports>,
    /// The process of each node; 0 when it does not run.
    pids: Vec<u32>,
}

impl Cluster {
    /// Formats new storage, starts the nodes and waits until all are registered.
    pub(crate) fn start(root: &Path, plan: &Plan) -> Result<Self> {
        ensure!((1..=9).contains(&plan.nodes), "a cluster has 1 to 9 nodes");
        let jars = jars::fetch(root, &plan.version)?;
        let folder = folder(root, &plan.name)?;
        if let Ok(mut running) = Self::open(root, &plan.name) {
            running.stop()?;
        }
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir_all(&folder)?;
        let ports = free_ports(plan.nodes)?;
        let log_config = root.join("tests/kafka/log4j2.properties");
        let mut cluster = Self { folder, jars, log_config, pids: vec![0; plan.nodes], ports };
        cluster.format(plan)?;
        for node in 1..=plan.nodes {
            cluster.launch(node)?;
        }
        if let Err(error) = cluster.wait() {
            cluster.stop()?;
            return Err(error);
        }
        Ok(cluster)
    }

    /// The cluster that an earlier command started.
    pub(crate) fn open(root: &Path, name: &str) -> Result<Self> {
        let folder = folder(root, name)?;
        let file = folder.join("cluster.json");
        let text =
            std::fs::read_to_string(&file).with_context(|| format!("no cluster `{name}` was started"))?;
        let state: Value = serde_json::from_str(&text)?;
        let text_of =
            |field: &str| state.get(field).and_then(Value::as_str).context("cluster.json is damaged");
        let numbers = |field: &str| -> Result<Vec<u32>> {
            let list = state.get(field).and_then(Value::as_array).context("cluster.json is damaged")?;
            list.iter()
                .map(|n| n.as_u64().and_then(|n| u32::try_from(n).ok()).context("cluster.json is damaged"))
                .collect()
        };
        let ports = |field: &str| -> Result<Vec<u16>> {
            numbers(field)?.into_iter().map(|n| u16::try_from(n).context("cluster.json is damaged")).collect()
        };
        let ports = ports("brokers")?.into_iter().zip(ports("controllers")?);
        Ok(Self {
            jars: text_of("jars")?.into(),
            log_config: text_of("log_config")?.into(),
            ports: ports.map(|(broker, controller)| Ports { broker, controller }).collect(),
            pids: numbers("pids")?,
            folder,
        })
    }

    /// Addresses for `bootstrap.servers`.
    pub(crate) fn bootstrap(&self) -> String {
        let addresses: Vec<_> =
            self.ports.iter().map(|ports| format!("127.0.0.1:{}", ports.broker)).collect();
        addresses.join(",")
    }

    /// Waits until every node that runs knows every other.
    pub(crate) fn wait(&self) -> Result<()> {
        let running: Vec<u16> = self
            .ports
            .iter()
            .zip(&self.pids)
            .filter(|(_, pid)| **pid != 0)
            .map(|(ports, _)| ports.broker)
            .collect();
        for port in &running {
            ready::wait(*port, running.len(), READY_LIMIT).with_context(|| self.last_lines())?;
        }
        Ok(())
    }

    /// Ends a node as a power cut would.
    pub(crate) fn kill(&mut self, node: usize) -> Result<()> {
        let pid = self.pid(node)?;
        ensure!(pid != 0, "node {node} does not run");
        signal("KILL", pid)?;
        self.set_pid(node, 0)?;
        let deadline = Instant::now() + STOP_LIMIT;
        while is_running(pid) && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    }

    /// Asks a node to end in good order: it hands its partitions over first.
    pub(crate) fn stop_node(&mut self, node: usize) -> Result<()> {
        let pid = self.pid(node)?;
        ensure!(pid != 0, "node {node} does not run");
        signal("TERM", pid)?;
        let deadline = Instant::now() + STOP_LIMIT;
        while is_running(pid) && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(50));
        }
        ensure!(!is_running(pid), "node {node} did not end in good order");
        self.set_pid(node, 0)
    }

    /// Lets a node stand still with its connections open, as a long pause of its memory's collector would.
    pub(crate) fn pause(&self, node: usize) -> Result<()> {
        signal("STOP", self.pid(node)?)
    }

    /// Lets a paused node go on.
    pub(crate) fn resume(&self, node: usize) -> Result<()> {
        signal("CONT", self.pid(node)?)
    }

    /// Starts a node again with its storage and ports.
    pub(crate) fn restart(&mut self, node: usize) -> Result<()> {
        if self.pid(node)? != 0 {
            self.kill(node)?;
        }
        self.launch(node)?;
        self.wait()
    }

    /// Stops every node by its own process id.
    pub(crate) fn stop(&mut self) -> Result<()> {
        let running: Vec<u32> =
            self.pids.iter().copied().filter(|pid| *pid != 0 && is_running(*pid)).collect();
        for pid in &running {
            signal("TERM", *pid)?;
        }
        let deadline = Instant::now() + STOP_LIMIT;
        while running.iter().any(|pid| is_running(*pid)) && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(50));
        }
        for pid in running.iter().filter(|pid| is_running(**pid)) {
            signal("KILL", *pid)?;
        }
        self.pids.fill(0);
        self.save()
    }

    /// Writes each node's properties and formats its storage under one cluster id.
    fn format(&self, plan: &Plan) -> Result<()> {
        let id = capture(self.java().args(["kafka.tools.StorageTool", "random-uuid"]))?;
        let id = id.lines().last().context("Kafka gave no cluster id")?.trim().to_owned();
        for node in 1..=plan.nodes {
            let text = properties(
                &plan.version,
                node,
                &self.ports,
                &self.folder.join(format!("data{node}")),
                &plan.config,
            );
            let file = self.properties_of(node);
            std::fs::write(&file, text)?;
            let mut format = self.java();
            format.args(["kafka.tools.StorageTool", "format", "-t", &id, "-c"]).arg(&file);
            process::quietly(&mut format, READY_LIMIT).context("Kafka does not format its storage")?;
        }
        Ok(())
    }

    /// Starts one node's process; its lines go to a file.
    fn launch(&mut self, node: usize) -> Result<()> {
        let log = std::fs::File::options()
            .create(true)
            .append(true)
            .open(self.folder.join(format!("node{node}.log")))?;
        let heap = std::env::var("KAFKA_HEAP").unwrap_or_else(|_| "512m".to_owned());
        let mut java = self.java();
        java.arg(format!("-Xmx{heap}")).arg("kafka.Kafka").arg(self.properties_of(node));
        // A group of its own, so that an interrupted tool does not take the node along.
        java.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log).process_group(0);
        let child = java.spawn().context("cannot start Java")?;
        self.set_pid(node, child.id())?;
        // Reaps the process if it ends while we live; after that it is the system's.
        std::thread::spawn(move || {
            let mut child = child;
            child.wait()
        });
        Ok(())
    }

    /// Java with the class path and the log's settings; the class name follows.
    fn java(&self) -> Command {
        let mut java = Command::new("java");
        java.arg(format!("-Dlog4j2.configurationFile={}", self.log_config.display()));
        java.arg("-cp").arg(self.jars.join("*")).current_dir(&self.folder);
        java
    }

    fn properties_of(&self, node: usize) -> PathBuf {
        self.folder.join(format!("node{node}.properties"))
    }

    fn pid(&self, node: usize) -> Result<u32> {
        let pid = node.checked_sub(1).and_then(|index| self.pids.get(index));
        pid.copied()
            .with_context(|| format!("there is no node {node}; the nodes are 1 to {}", self.pids.len()))
    }

    fn set_pid(&mut self, node: usize, pid: u32) -> Result<()> {
        self.pid(node)?;
        if let Some(slot) = self.pids.get_mut(node - 1) {
            *slot = pid;
        }
        self.save()
    }

    fn save(&self) -> Result<()> {
        let state = json!({
            "bootstrap": self.bootstrap(),
            "jars": self.jars.display().to_string(),
            "log_config": self.log_config.display().to_string(),
            "brokers": self.ports.iter().map(|ports| ports.broker).collect::<Vec<_>>(),
            "controllers": self.ports.iter().map(|ports| ports.controller).collect::<Vec<_>>(),
            "pids": self.pids,
        });
        Ok(std::fs::write(self.folder.join("cluster.json"), serde_json::to_string_pretty(&state)?)?)
    }

    /// What the nodes said last, for an error.
    fn last_lines(&self) -> String {
        let mut text = "the nodes said last:".to_owned();
        for node in 1..=self.ports.len() {
            let log =
                std::fs::read_to_string(self.folder.join(format!("node{node}.log"))).unwrap_or_default();
            for line in log.lines().rev().take(5).collect::<Vec<_>>().into_iter().rev() {
                text.push_str(&format!("\n  node {node}: {line}"));
            }
        }
        text
    }
}

/// Where a cluster's files lie.
fn folder(root: &Path, name: &str) -> Result<PathBuf> {
    let well_formed = !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-');
    ensure!(well_formed && !name.starts_with("jars-"), "`{name}` is no name for a cluster");
    Ok(root.join(".kafka").join(name))
}

/// Ports that are free now: two for each node, all held until the last is known.
fn free_ports(nodes: usize) -> Result<Vec<Ports>> {
    let mut held = Vec::new();
    for _ in 0..nodes * 2 {
        held.push(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?);
    }
    let mut ports = Vec::new();
    for pair in held.chunks_exact(2) {
        let [broker, controller] = pair else { bail!("ports come in pairs") };
        ports
            .push(Ports { broker: broker.local_addr()?.port(), controller: controller.local_addr()?.port() });
    }
    Ok(ports)
}

/// Whether a process exists and is more than an entry that nobody has read yet.
fn is_running(pid: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    // The name before the state is in parentheses and may hold anything.
    stat.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with(['Z', 'X']))
}

/// Sends a signal to one process.
fn signal(name: &str, pid: u32) -> Result<()> {
    capture(Command::new("kill").args([&format!("-{name}"), &pid.to_string()])).map(|_| ())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_node_has_two_ports_of_its_own() -> Result<()> {
        let ports = free_ports(3)?;
        let mut all: Vec<u16> = ports.iter().flat_map(|ports| [ports.broker, ports.controller]).collect();
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), 6);
        Ok(())
    }

    #[test]
    fn a_cluster_is_found_again_by_its_name() -> Result<()> {
        let scratch = tempfile::tempdir()?;
        let folder = folder(scratch.path(), "ci")?;
        std::fs::create_dir_all(&folder)?;
        let ports = vec![Ports { broker: 9001, controller: 9002 }, Ports { broker: 9003, controller: 9004 }];
        Cluster {
            folder,
            jars: "jars".into(),
            log_config: "log".into(),
            ports: ports.clone(),
            pids: vec![0, 7],
        }
        .save()?;
        let found = Cluster::open(scratch.path(), "ci")?;
        assert_eq!((found.ports, found.pids), (ports, vec![0, 7]));
        assert!(Cluster::open(scratch.path(), "another").is_err());
        assert!(Cluster::open(scratch.path(), "../ci").is_err());
        Ok(())
    }

    #[test]
    fn a_process_runs_until_it_has_ended() -> Result<()> {
        let mut child = Command::new("sleep").arg("600").spawn()?;
        assert!(is_running(child.id()));
        signal("KILL", child.id())?;
        child.wait()?;
        assert!(!is_running(child.id()));
        Ok(())
    }
}
