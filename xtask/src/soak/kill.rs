//! Records into three real nodes, one of which is always killed, paused or stopped, or coming back.
//!
//! Three producers write at the same time, each to a topic of its own and with settings of its own, which are drawn from a
//! seed that is printed: `COURANT_KILL_SEED` draws the same again.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, ensure};

use super::verdict::{Fate, judge, parse};
use crate::ci::{KAFKA_VERSION, RealKafka};
use crate::interop::{Client, Record, build};
use crate::steps::Count;

/// The thread that reads what became of each record.
type Fates = JoinHandle<Result<Vec<Fate>>>;

/// How many nodes, and copies of each partition.
pub(super) const NODES: usize = 3;
/// Partitions of the topic.
const PARTITIONS: i32 = 3;
/// How many producers write at the same time.
const PRODUCERS: usize = 3;
/// The largest batch that brokers take: what has lingered long enough is split.
const MESSAGE_MAX_BYTES: usize = 1000;
/// Longer than a broker may be silent before the controller takes its partitions away.
const PAUSE: Duration = Duration::from_secs(12);
/// How long a node stays down, and how long the cluster is left alone then.
const REST: Duration = Duration::from_secs(6);
/// Between two records.
const PACE: Duration = Duration::from_millis(4);

/// Runs for `COURANT_KILL_MINUTES` (10) and judges the logs.
pub(crate) fn run(root: &Path) -> Result<Count> {
    let minutes = number("COURANT_KILL_MINUTES").unwrap_or(10);
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let seed = number("COURANT_KILL_SEED").unwrap_or(now);
    println!("COURANT_KILL_SEED={seed}");
    let probe = build(root, "courant-testkit", "courant-probe")?;
    let config = [
        format!("num.partitions={PARTITIONS}"),
        "min.insync.replicas=2".to_owned(),
        format!("message.max.bytes={MESSAGE_MAX_BYTES}"),
    ];
    let mut kafka = RealKafka::start_nodes(root, "kill", KAFKA_VERSION, NODES, &config)?;
    let end = Instant::now() + Duration::from_secs(minutes * 60);
    let mut writing = Vec::new();
    for producer in 0..PRODUCERS {
        let topic = format!("kills-{producer}");
        let settings = draw(seed.wrapping_add(producer as u64));
        println!("{topic}: {}", settings.join(" "));
        let (child, input, fates) = start(&probe, &kafka.bootstrap(), &topic, &settings)?;
        writing.push((topic, child, std::thread::spawn(move || feed(input, end)), fates));
    }
    let troubles = trouble_in_turn(&mut kafka, end)?;
    let client = Client::Courant(probe);
    for (topic, child, writer, fates) in writing {
        let written = writer.join().ok().context("the writer panicked")??;
        let fates = finish(child, fates)?;
        ensure!(fates.len() == written, "{written} records went in and {} came to an end", fates.len());
        let bootstrap = kafka.bootstrap();
        let ends = client.offsets(&bootstrap, &topic, 0)?;
        let there: i64 = ends.iter().map(|offsets| offsets.end - offsets.start).sum();
        let log = client.consume(&bootstrap, &topic, usize::try_from(there)?)?;
        let given_up = fates.iter().filter(|fate| !matches!(fate, Fate::At(..))).count();
        println!("{topic}: {written} records, {given_up} given up, {} in the log", log.len());
        judge(&fates, &log.iter().map(numbered).collect::<Result<Vec<_>>>()?)?;
    }
    println!("{troubles} troubles");
    ensure!(troubles > 0, "no node was troubled");
    Ok(Count::ONE)
}

/// What a variable says, if it is a number.
pub(super) fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok()?.parse().ok()
}

/// A producer's settings, all of them with idempotence.
fn draw(seed: u64) -> Vec<String> {
    // The finaliser of splitmix64 spreads neighbouring seeds.
    let mut bits = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^= bits >> 31;
    let mut pick = |from: &[&str]| {
        let count = from.len() as u64;
        let chosen = from.get((bits % count) as usize).copied().unwrap_or_default();
        bits /= count;
        chosen.to_owned()
    };
    [
        ("max.in.flight.requests.per.connection", pick(&["1", "2", "3", "4", "5"])),
        ("compression.type", pick(&["none", "gzip", "snappy", "lz4", "zstd"])),
        ("linger.ms", pick(&["0", "20", "500"])),
        ("batch.size", pick(&["0", "300", "16384"])),
        ("buffer.memory", pick(&["20000", "33554432"])),
        ("delivery.timeout.ms", pick(&["31000", "120000"])),
    ]
    .map(|(name, value)| format!("{name}={value}"))
    .to_vec()
}

/// Starts the producer; its lines are collected by a thread.
fn start(
    probe: &Path,
    bootstrap: &str,
    topic: &str,
    settings: &[String],
) -> Result<(Child, ChildStdin, Fates)> {
    let mut command = Command::new(probe);
    command.args(["produce", bootstrap, topic, "none"]).args(settings);
    command.stdin(Stdio::piped()).stdout(Stdio::piped());
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

/// Kills, pauses and stops one node after another, and has each back before the next.
pub(super) fn trouble_in_turn(kafka: &mut RealKafka, end: Instant) -> Result<usize> {
    let mut troubles = 0;
    while Instant::now() + REST * 4 < end {
        std::thread::sleep(REST);
        let node = troubles % NODES + 1;
        let cluster = kafka.cluster();
        // Each kind meets each node: the kinds go on by one whenever all nodes have had their turn.
        let what = match (troubles + troubles / NODES) % 3 {
            0 => {
                cluster.kill(node)?;
                std::thread::sleep(REST);
                cluster.restart(node)?;
                "killed"
            }
            1 => {
                cluster.pause(node)?;
                std::thread::sleep(PAUSE);
                cluster.resume(node)?;
                cluster.wait()?;
                "paused"
            }
            _ => {
                cluster.stop_node(node)?;
                cluster.restart(node)?;
                "stopped in good order"
            }
        };
        troubles += 1;
        println!("node {node} was {what} and is back");
    }
    Ok(troubles)
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
