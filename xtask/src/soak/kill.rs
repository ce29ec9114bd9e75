//! Records into three real nodes, one of which is always being killed or coming back.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use super::verdict::{Fate, judge, parse};
use crate::ci::{KAFKA_VERSION, RealKafka};
use crate::interop::{Client, Record, build};
use crate::steps::Count;

/// The thread that reads what became of each record.
type Fates = JoinHandle<Result<Vec<Fate>>>;

/// How many nodes, and copies of each partition.
const NODES: usize = 3;
/// Partitions of the topic.
const PARTITIONS: i32 = 3;
/// The topic.
const TOPIC: &str = "kills";
/// How long a node stays down, and how long the cluster is left alone then.
const REST: Duration = Duration::from_secs(6);
/// Between two records.
const PACE: Duration = Duration::from_millis(4);

/// Runs for `COURANT_KILL_MINUTES` (10) and judges the log.
pub(crate) fn run(root: &Path) -> Result<Count> {
    let minutes =
        std::env::var("COURANT_KILL_MINUTES").ok().and_then(|text| text.parse().ok()).unwrap_or(10_u64);
    let probe = build(root, "courant-testkit", "courant-probe")?;
    let config = [format!("num.partitions={PARTITIONS}"), "min.insync.replicas=2".to_owned()];
    let mut kafka = RealKafka::start_nodes(root, "kill", KAFKA_VERSION, NODES, &config)?;
    let (child, input, fates) = start(&probe, &kafka.bootstrap())?;
    let end = Instant::now() + Duration::from_secs(minutes * 60);
    let writer = std::thread::spawn(move || feed(input, end));
    let kills = kill_in_turn(&mut kafka, end)?;
    let written = writer.join().ok().context("the writer panicked")??;
    let fates = finish(child, fates)?;
    ensure!(fates.len() == written, "{written} records went in and {} came to an end", fates.len());
    let client = Client::Courant(probe);
    let bootstrap = kafka.bootstrap();
    let ends = client.offsets(&bootstrap, TOPIC, 0)?;
    let there: i64 = ends.iter().map(|offsets| offsets.end - offsets.start).sum();
    let log = client.consume(&bootstrap, TOPIC, usize::try_from(there)?)?;
    let given_up = fates.iter().filter(|fate| !matches!(fate, Fate::At(..))).count();
    println!("{kills} kills; {written} records, {given_up} given up, {} in the log", log.len());
    judge(&fates, &log.iter().map(numbered).collect::<Result<Vec<_>>>()?)?;
    ensure!(kills > 0, "no node was killed");
    Ok(Count::ONE)
}

/// Starts the producer; its lines are collected by a thread.
fn start(probe: &Path, bootstrap: &str) -> Result<(Child, ChildStdin, Fates)> {
    let mut command = Command::new(probe);
    command.args(["produce", bootstrap, TOPIC, "lz4"]).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.spawn().context("cannot start courant-probe")?;
    let input = child.stdin.take().context("no standard input")?;
    let output = child.stdout.take().context("no standard output")?;
    let fates =
        std::thread::spawn(move || BufReader::new(output).lines().map(|line| parse(&line?)).collect());
    Ok((child, input, fates))
}

/// Writes numbered records until the end; how many.
fn feed(mut input: ChildStdin, end: Instant) -> Result<usize> {
    let mut number = 0;
    while Instant::now() < end {
        let record = Record {
            partition: i32::try_from(number % 3)?,
            offset: None,
            timestamp: Some(1_357_000_000_000 + i64::try_from(number)?),
            key: None,
            value: Some(number.to_string().into_bytes()),
            headers: Vec::new(),
        };
        writeln!(input, "{}", record.to_line())?;
        number += 1;
        std::thread::sleep(PACE);
    }
    Ok(number)
}

/// Kills one node after another and brings each back before the next.
fn kill_in_turn(kafka: &mut RealKafka, end: Instant) -> Result<usize> {
    let mut kills = 0;
    while Instant::now() + REST * 4 < end {
        std::thread::sleep(REST);
        let node = kills % NODES + 1;
        kafka.cluster().kill(node)?;
        std::thread::sleep(REST);
        kafka.cluster().restart(node)?;
        kills += 1;
        println!("node {node} was killed and is back");
    }
    Ok(kills)
}

/// Waits for the producer, which has until its delivery timeout to bring every record to an end.
fn finish(mut child: Child, fates: Fates) -> Result<Vec<Fate>> {
    let deadline = Instant::now() + Duration::from_secs(180);
    let status = loop {
        if let Some(status) = child.try_wait()? {
            break status;
        }
        if Instant::now() > deadline {
            child.kill()?;
            child.wait()?;
            anyhow::bail!("the producer did not end: some delivery never came to an end");
        }
        std::thread::sleep(Duration::from_millis(50));
    };
    ensure!(status.success(), "the producer ended with {status}");
    fates.join().ok().context("the reader panicked")?
}

/// Where a record stands, and the number that is its value.
fn numbered(record: &Record) -> Result<(i32, i64, usize)> {
    let value = String::from_utf8(record.value.clone().unwrap_or_default())?;
    Ok((record.partition, record.offset.context("a record without an offset")?, value.parse()?))
}
