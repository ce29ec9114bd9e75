//! Keyed records through a chain of handlers over three real nodes, while members and nodes are killed.
//!
//! Each hop is a group of two processes that hand on what they read. A member is killed every few seconds and another one
//! takes its place; meanwhile nodes are killed, paused and stopped in turn. When all is calm again the last topic must hold
//! every record at least once, and those of each key in order.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use super::kill::{NODES, number, trouble_in_turn};
use super::verdict::judge_chain;
use crate::ci::{KAFKA_VERSION, RealKafka};
use crate::interop::{Client, Record, build};
use crate::process;
use crate::steps::Count;

const HOPS: usize = 3;
/// Members of each hop's group.
const MEMBERS: usize = 2;
const PARTITIONS: i32 = 6;
/// How many keys the records have, in turn.
const KEYS: usize = 1000;
/// Between two members' deaths.
const LIFE: Duration = Duration::from_secs(5);
/// How long the last records may take once all is calm.
const CALM: Duration = Duration::from_secs(600);
/// Filling the first topic takes no longer.
const LIMIT: Duration = Duration::from_secs(600);

/// Runs for `COURANT_KILL_MINUTES` (10) with `COURANT_CHAIN_RECORDS` (1,000,000) and judges the last topic.
pub(crate) fn run(root: &Path) -> Result<Count> {
    let minutes = number("COURANT_KILL_MINUTES").unwrap_or(10);
    let records = usize::try_from(number("COURANT_CHAIN_RECORDS").unwrap_or(1_000_000))?;
    let probe = build(root, "courant-testkit", "courant-probe")?;
    let config = ["min.insync.replicas=2".to_owned()];
    let mut kafka = RealKafka::start_nodes(root, "chain", KAFKA_VERSION, NODES, &config)?;
    let bootstrap = kafka.bootstrap();
    for hop in 0..=HOPS {
        create(&probe, &bootstrap, &topic(hop), PARTITIONS, NODES)?;
    }
    fill(&probe, &bootstrap, records)?;
    println!("{records} records are in {}", topic(0));
    let end = Instant::now() + Duration::from_secs(minutes * 60);
    let mut members = Members::start(&probe, &bootstrap)?;
    let is_over = AtomicBool::new(false);
    let (troubles, deaths) = std::thread::scope(|scope| {
        let killer = scope.spawn(|| members.kill_in_turn(&is_over));
        let troubles = trouble_in_turn(&mut kafka, end);
        is_over.store(true, Ordering::Relaxed);
        let deaths = killer.join().ok().context("the killer panicked");
        (troubles, deaths)
    });
    let (troubles, deaths) = (troubles?, deaths??);
    println!("{troubles} troubles of nodes, {deaths} members killed");
    ensure!(troubles > 0 && deaths > 0, "nothing was troubled");
    let client = Client::Courant(probe);
    let log = come_to_rest(&client, &bootstrap, &mut members, records)?;
    drop(members);
    println!("{} records in {}", log.len(), topic(HOPS));
    judge_chain(records, KEYS, &log)?;
    Ok(Count::ONE)
}

/// Creates a topic with so many copies of each partition.
pub(super) fn create(
    probe: &Path,
    bootstrap: &str,
    topic: &str,
    partitions: i32,
    copies: usize,
) -> Result<()> {
    let mut command = Command::new(probe);
    command.args(["create", bootstrap, topic, &partitions.to_string(), &copies.to_string()]);
    process::pipe(&mut command, String::new(), LIMIT).map(drop)
}

fn topic(hop: usize) -> String {
    format!("chain-{hop}")
}

/// Numbered records into the first topic, those of one key in one partition.
fn fill(probe: &Path, bootstrap: &str, records: usize) -> Result<()> {
    let mut input = String::new();
    for number in 0..records {
        let key = number % KEYS;
        let record = Record {
            partition: i32::try_from(key)? % PARTITIONS,
            offset: None,
            timestamp: Some(1_357_000_000_000),
            key: Some(key.to_string().into_bytes()),
            value: Some(number.to_string().into_bytes()),
            headers: Vec::new(),
        };
        input.push_str(&record.to_line());
        input.push('\n');
    }
    let mut command = Command::new(probe);
    command.args(["produce", bootstrap, &topic(0), "none"]);
    let fates = process::pipe(&mut command, input, LIMIT)?;
    let failed = fates.iter().find(|line| line.starts_with("error"));
    ensure!(failed.is_none() && fates.len() == records, "not all were written: {failed:?}");
    Ok(())
}

/// The processes of all hops; they end with this.
struct Members {
    probe: PathBuf,
    bootstrap: String,
    running: Vec<(usize, Child)>,
}

impl Members {
    fn start(probe: &Path, bootstrap: &str) -> Result<Self> {
        let mut members =
            Self { probe: probe.to_owned(), bootstrap: bootstrap.to_owned(), running: Vec::new() };
        for hop in (0..HOPS).flat_map(|hop| [hop; MEMBERS]) {
            let child = members.spawn(hop)?;
            members.running.push((hop, child));
        }
        Ok(members)
    }

    fn spawn(&self, hop: usize) -> Result<Child> {
        let mut command = Command::new(&self.probe);
        let group = format!("hop-{hop}");
        command.args(["hop", &self.bootstrap, &group, &topic(hop), &topic(hop + 1)]);
        command.stdin(Stdio::null()).stdout(Stdio::null()).spawn().context("cannot start courant-probe")
    }

    /// Kills one after the other and starts another in its place, until it is over; how many.
    fn kill_in_turn(&mut self, is_over: &AtomicBool) -> Result<usize> {
        let mut killed = 0;
        while !is_over.load(Ordering::Relaxed) {
            std::thread::sleep(LIFE);
            let next = killed % self.running.len();
            if let Some((_, child)) = self.running.get_mut(next) {
                child.kill()?;
                child.wait()?;
            }
            self.replace_the_dead()?;
            killed += 1;
        }
        Ok(killed)
    }

    /// Starts another member in the place of each that has ended.
    fn replace_the_dead(&mut self) -> Result<()> {
        for place in 0..self.running.len() {
            let Some((hop, child)) = self.running.get_mut(place) else { continue };
            let hop = *hop;
            if let Some(status) = child.try_wait()? {
                if status.code().is_some() {
                    println!("a member of hop {hop} gave up: {status}");
                }
                let child = self.spawn(hop)?;
                if let Some(member) = self.running.get_mut(place) {
                    *member = (hop, child);
                }
            }
        }
        Ok(())
    }
}

impl Drop for Members {
    fn drop(&mut self) {
        for (_, child) in &mut self.running {
            // One that has ended already cannot be killed.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// Waits until nothing more comes into the last topic; its records: partition, key, number.
fn come_to_rest(
    client: &Client,
    bootstrap: &str,
    members: &mut Members,
    records: usize,
) -> Result<Vec<(i32, usize, usize)>> {
    let deadline = Instant::now() + CALM;
    let mut before = -1;
    loop {
        std::thread::sleep(LIFE * 2);
        members.replace_the_dead()?;
        let ends = client.offsets(bootstrap, &topic(HOPS), 0)?;
        let there: i64 = ends.iter().map(|offsets| offsets.end - offsets.start).sum();
        if there == before && (there >= i64::try_from(records)? || Instant::now() > deadline) {
            let log = client.consume(bootstrap, &topic(HOPS), usize::try_from(there)?)?;
            return log.iter().map(numbered).collect();
        }
        before = there;
    }
}

fn numbered(record: &Record) -> Result<(i32, usize, usize)> {
    let number = |bytes: &Option<Vec<u8>>| -> Result<usize> {
        Ok(std::str::from_utf8(bytes.as_deref().unwrap_or_default())?.parse()?)
    };
    Ok((record.partition, number(&record.key)?, number(&record.value)?))
}
