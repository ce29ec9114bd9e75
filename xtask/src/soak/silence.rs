//! One of three real nodes says nothing for half a minute: what the other two have is read as soon as before.
//!
//! The nodes take turns, so that whatever one of them does besides (controller, coordinator, the address that the client
//! began with) is silent once.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, bail, ensure};

use super::chain::create;
use super::kill::NODES;
use super::verdict::judge_silence;
use crate::ci::{KAFKA_VERSION, RealKafka};
use crate::interop::build;
use crate::steps::Count;

/// Each has one copy and two of them are on a node.
const PARTITIONS: i32 = 6;
/// Records a second over all of them.
const RATE: usize = 300;
/// Until the client and the cluster do what they do all the time.
const WARMUP: Duration = Duration::from_secs(20);
/// How long ages are taken before a node falls silent, and how long it is silent.
const WINDOW: Duration = Duration::from_secs(30);
/// Until a node that was silent has caught up, and the client with it.
const REST: Duration = Duration::from_secs(15);
const TOPIC: &str = "silence";

/// A span of time in microseconds since 1970.
type Span = std::ops::Range<u64>;

/// Silences each node once and judges how old records of the others were meanwhile.
pub(crate) fn run(root: &Path) -> Result<Count> {
    let probe = build(root, "courant-testkit", "courant-probe")?;
    let mut kafka = RealKafka::start_nodes(root, "silence", KAFKA_VERSION, NODES, &[])?;
    let bootstrap = kafka.bootstrap();
    create(&probe, &bootstrap, TOPIC, PARTITIONS, 1)?;
    let mut command = Command::new(&probe);
    command.args(["ages", &bootstrap, TOPIC, &RATE.to_string()]);
    command.stdin(Stdio::null()).stdout(Stdio::piped());
    let mut child = command.spawn().context("cannot start courant-probe")?;
    let output = child.stdout.take().context("no standard output")?;
    let reading = std::thread::spawn(move || BufReader::new(output).lines().collect::<Result<Vec<_>, _>>());
    let spans = silence_in_turn(&mut kafka);
    child.kill()?;
    child.wait()?;
    let lines = reading.join().ok().context("the reader panicked")??;
    let told = Told::parse(&lines)?;
    let mut count = Count::default();
    for (node, before, silent) in spans? {
        let (before, silent) = (told.ages_of_others(node, &before)?, told.ages_of_others(node, &silent)?);
        let verdict = judge_silence(before, silent);
        println!(
            "node {node} was silent: {}",
            verdict.as_ref().map_or_else(ToString::to_string, ToString::to_string)
        );
        count.add(Count { passed: usize::from(verdict.is_ok()), failed: usize::from(verdict.is_err()) });
    }
    Ok(count)
}

/// What the probe told.
#[derive(Debug, Default)]
struct Told {
    /// The node that leads each partition.
    leaders: BTreeMap<i32, usize>,
    /// Of each record the partition, when it was written, and how old it was when it was read.
    ages: Vec<(i32, u64, u64)>,
}

impl Told {
    fn parse(lines: &[String]) -> Result<Self> {
        let mut told = Self::default();
        for line in lines {
            let mut parts = line.split('\t');
            match (parts.next(), parts.next(), parts.next()) {
                (Some("leader"), Some(partition), Some(node)) => {
                    told.leaders.insert(partition.parse()?, node.parse()?);
                }
                (Some(partition), Some(written), Some(age)) => {
                    told.ages.push((partition.parse()?, written.parse()?, age.parse()?));
                }
                _ => bail!("neither a leader nor an age: {line}"),
            }
        }
        Ok(told)
    }

    /// The ages of what was written in a span into partitions that other nodes lead.
    fn ages_of_others(&self, node: usize, span: &Span) -> Result<Vec<u64>> {
        let led = self.leaders.values().filter(|leader| **leader == node).count();
        ensure!(led > 0 && led < self.leaders.len(), "node {node} leads nothing, or everything");
        let others = self.ages.iter().filter(|(partition, written, _)| {
            span.contains(written) && self.leaders.get(partition).is_some_and(|leader| *leader != node)
        });
        Ok(others.map(|(_, _, age)| *age).collect())
    }
}

/// Silences one node after the other: which, and the spans before and meanwhile.
fn silence_in_turn(kafka: &mut RealKafka) -> Result<Vec<(usize, Span, Span)>> {
    let cluster = kafka.cluster();
    std::thread::sleep(WARMUP);
    let mut spans = Vec::new();
    for node in 1..=NODES {
        let start = now_micros();
        std::thread::sleep(WINDOW);
        let silence = now_micros();
        cluster.pause(node)?;
        std::thread::sleep(WINDOW);
        // What is written in the last moment can be read when the node speaks again.
        let end = now_micros();
        cluster.resume(node)?;
        cluster.wait()?;
        spans.push((node, start..silence, silence..end));
        std::thread::sleep(REST);
    }
    Ok(spans)
}

fn now_micros() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_written_in_the_span_to_other_nodes_is_taken() -> Result<()> {
        let lines =
            ["leader\t0\t1", "leader\t1\t2", "0\t100\t7", "1\t100\t8", "1\t200\t9"].map(str::to_owned);
        let told = Told::parse(&lines)?;
        assert_eq!(told.ages_of_others(1, &(50..150))?, [8]);
        assert_eq!(told.ages_of_others(2, &(50..250))?, [7]);
        assert!(told.ages_of_others(3, &(50..250)).is_err(), "it leads nothing");
        assert!(Told::parse(&["1\t2".to_owned()]).is_err());
        Ok(())
    }
}
