//! Every writer with every codec, every reader of every writer.

use std::path::Path;

use anyhow::{Context, Result, ensure};

use super::broker::Broker;
use super::client::Client;
use super::record::Record;
use super::{batches, connect, dataset, groups, streams, tools};
use crate::steps::Count;

/// Kafka's codecs under the names that every client uses.
const CODECS: [&str; 5] = ["none", "gzip", "snappy", "lz4", "zstd"];

/// What is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Part {
    /// Every writer with every codec, every reader of every writer
    Records,
    /// Foreign clients as members of groups, by themselves and with others
    Groups,
    /// Java's group and admin calls, step by step
    Steps,
    /// The same topologies by Kafka Streams and by ours, always on real Kafka
    Streams,
    /// Java's JsonConverter, message by message
    Connect,
    /// What the configurations of Java's clients say of themselves
    Configs,
}

/// Runs all comparisons against the mock, or against real Kafka of a version; prints a line for each.
pub(crate) fn run(root: &Path, kafka: Option<&str>) -> Result<Count> {
    let all = [Part::Records, Part::Groups, Part::Steps, Part::Streams, Part::Connect, Part::Configs];
    run_parts(root, kafka, &all)
}

/// Runs some of the comparisons.
pub(crate) fn run_parts(root: &Path, kafka: Option<&str>, parts: &[Part]) -> Result<Count> {
    let mut count = Count::default();
    for part in parts {
        count.add(match part {
            Part::Records => records(root, kafka)?,
            Part::Groups => groups(root, kafka)?,
            Part::Steps => steps(root, kafka)?,
            Part::Streams => streams::run(root, kafka.unwrap_or(tools::KAFKA_VERSION))?,
            Part::Connect => connect(root),
            Part::Configs => configs(root),
        });
    }
    Ok(count)
}

fn records(root: &Path, kafka: Option<&str>) -> Result<Count> {
    let clients = tools::clients(root)?;
    let topics: Vec<String> =
        clients.iter().flat_map(|client| CODECS.map(|codec| topic_of(client, codec))).collect();
    let mut checks = Checks::start(root, kafka, &topics)?;
    for writer in &clients {
        for codec in CODECS {
            checks.written(writer, &clients, codec);
        }
    }
    checks.queries(&clients, &topics);
    Ok(checks.finish())
}

fn groups(root: &Path, kafka: Option<&str>) -> Result<Count> {
    let programs = tools::members(root)?;
    let writer = tools::courant(root)?;
    let mut checks = Checks::start(root, kafka, &groups::topics(&programs))?;
    let bootstrap = checks.bootstrap.clone();
    for program in &programs {
        checks.check(&format!("{} joins a group, commits and resumes", program.name), || {
            groups::single(&bootstrap, &writer, program)
        });
    }
    groups::mixed(&bootstrap, &writer, &programs, |name, story| {
        checks.check(name, story);
    });
    Ok(checks.finish())
}

fn steps(root: &Path, kafka: Option<&str>) -> Result<Count> {
    let mut checks = Checks::start(root, kafka, &[])?;
    let command = tools::steps(root, &checks.bootstrap)?;
    let mut told = Vec::new();
    let whole = groups::steps(command, |name, outcome| told.push((format!("java: {name}"), outcome)));
    for (name, outcome) in told {
        checks.check(&name, || outcome);
    }
    checks.check("java: all steps were tried", || whole);
    Ok(checks.finish())
}

fn connect(root: &Path) -> Count {
    let mut count = Count::default();
    tell(&mut count, "java: JsonConverter reads and writes as recorded", connect::json_converter(root));
    count
}

fn configs(root: &Path) -> Count {
    let mut count = Count::default();
    let recorded = root.join("client/tests/golden/config-4.3.1.txt");
    let outcome = crate::kafka::configs(root, tools::KAFKA_VERSION).and_then(|said| {
        ensure!(said == std::fs::read_to_string(&recorded)?, "{} says otherwise", recorded.display());
        Ok(())
    });
    tell(&mut count, "java: the configurations are as recorded", outcome);
    count
}

/// The topic that a client writes to with a codec.
fn topic_of(client: &Client, codec: &str) -> String {
    format!("{}-{codec}", client.name())
}

/// Comparisons on a cluster, counted.
struct Checks {
    broker: Broker,
    bootstrap: String,
    count: Count,
}

impl Checks {
    fn start(root: &Path, kafka: Option<&str>, topics: &[String]) -> Result<Self> {
        let broker = match kafka {
            None => Broker::mock(root, topics)?,
            Some(version) => Broker::kafka(root, version)?,
        };
        Ok(Self { bootstrap: broker.bootstrap(), broker, count: Count::default() })
    }

    fn finish(self) -> Count {
        let Self { broker, mut count, .. } = self;
        tell(&mut count, "the cluster ends when it is asked to", broker.stop());
        count
    }

    /// Prints and counts one comparison.
    fn check(&mut self, name: &str, check: impl FnOnce() -> Result<()>) -> bool {
        tell(&mut self.count, name, check())
    }

    /// One client writes with one codec; the log shows the codec and every client reads the records.
    fn written(&mut self, writer: &Client, readers: &[Client], codec: &'static str) {
        let (bootstrap, topic, records) = (self.bootstrap.clone(), topic_of(writer, codec), writer.dataset());
        let by = writer.name();
        if !self.check(&format!("{by} writes with {codec}"), || {
            writer.produce(&bootstrap, &topic, codec, &records)
        }) {
            return;
        }
        self.check(&format!("{by}'s batches are {codec}"), || {
            codecs_are(&bootstrap, &topic, codec, records.len())
        });
        // kcat chooses the times itself, so the readers are asked to agree among themselves.
        let mut times: Option<Vec<i64>> = None;
        for reader in readers {
            self.check(&format!("{} reads what {by} wrote with {codec}", reader.name()), || {
                let mut found = reader.consume(&bootstrap, &topic, records.len())?;
                if records.iter().any(|record| record.timestamp.is_none()) {
                    agree_on_times(&mut times, &mut found)?;
                }
                same(&found, &expected(&records, reader))
            });
        }
    }

    /// Every client lists the same topics and gives the same offsets.
    fn queries(&mut self, clients: &[Client], topics: &[String]) {
        let bootstrap = self.bootstrap.clone();
        let mut expected: Vec<(String, i64)> =
            topics.iter().map(|topic| (topic.clone(), i64::from(dataset::PARTITIONS))).collect();
        expected.sort();
        for client in clients {
            self.check(&format!("{} lists every topic", client.name()), || {
                let found = client.list(&bootstrap)?;
                ensure!(found == expected, "it lists {found:?}");
                Ok(())
            });
        }
        for topic in topics.iter().filter(|topic| topic.ends_with("-none") || topic.ends_with("-zstd")) {
            for (place, timestamp) in
                [("the middle", dataset::middle_timestamp()), ("the future", i64::MAX / 2)]
            {
                let mut first = None;
                for client in clients {
                    self.check(&format!("{} gives the offsets of {topic} at {place}", client.name()), || {
                        let found = client.offsets(&bootstrap, topic, timestamp)?;
                        ensure!(
                            found.iter().all(|offsets| offsets.start == 0
                                && offsets.end == i64::from(dataset::PER_PARTITION)),
                            "{found:?}"
                        );
                        let first = first.get_or_insert_with(|| found.clone());
                        ensure!(*first == found, "{found:?} instead of {first:?}");
                        Ok(())
                    });
                }
            }
        }
    }
}

/// Prints and counts how a comparison went.
fn tell(count: &mut Count, name: &str, outcome: Result<()>) -> bool {
    match outcome {
        Ok(()) => {
            println!("ok     {name}");
            count.passed += 1;
            true
        }
        Err(error) => {
            println!("FAILED {name}: {error:#}");
            count.failed += 1;
            false
        }
    }
}

/// Every batch of a topic has the codec, and together they hold all records.
fn codecs_are(bootstrap: &str, topic: &str, codec: &str, count: usize) -> Result<()> {
    let mut records = 0;
    for partition in 0..dataset::PARTITIONS {
        for batch in batches::read(bootstrap, topic, partition)? {
            ensure!(
                batch.codec == codec,
                "the batch at {partition}@{} is {}",
                batch.base_offset,
                batch.codec
            );
            records += batch.count;
        }
    }
    ensure!(usize::try_from(records)? == count, "the log holds {records} of {count} records");
    Ok(())
}

/// The first reader's times count; each other must see the same. They are taken out afterwards.
fn agree_on_times(times: &mut Option<Vec<i64>>, found: &mut [Record]) -> Result<()> {
    // Only the partitions that every reader can read are compared.
    let common = found.iter().filter(|record| dataset::text_partitions().contains(&record.partition));
    let seen: Vec<i64> = common.filter_map(|record| record.timestamp).collect();
    let first = times.get_or_insert_with(|| seen.clone());
    ensure!(*first == seen, "the times differ from the first reader's");
    found.iter_mut().for_each(|record| record.timestamp = None);
    Ok(())
}

/// What a reader shall see: the records that it can read, by partition, with dense offsets.
fn expected(records: &[Record], reader: &Client) -> Vec<Record> {
    let mut expected = Vec::new();
    for partition in reader.readable() {
        let own = records.iter().filter(|record| record.partition == partition);
        expected
            .extend(own.zip(0..).map(|(record, offset)| Record { offset: Some(offset), ..record.clone() }));
    }
    expected
}

/// Compares record for record; the error names the first that differs.
fn same(found: &[Record], expected: &[Record]) -> Result<()> {
    for (found, expected) in found.iter().zip(expected) {
        ensure!(found == expected, "{found:?} instead of {expected:?}");
    }
    ensure!(found.len() == expected.len(), "{} instead of {} records", found.len(), expected.len());
    (!found.is_empty()).then_some(()).context("there was nothing to compare")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reader_is_expected_to_see_dense_offsets_of_what_it_can_read() {
        let expected = expected(&dataset::full(), &Client::Kcat);
        assert!(expected.iter().all(|record| record.partition < dataset::PARTITIONS - 1));
        assert_eq!(expected.first().and_then(|record| record.offset), Some(0));
        assert_eq!(
            expected.last().and_then(|record| record.offset),
            Some(i64::from(dataset::PER_PARTITION) - 1)
        );
    }

    #[test]
    fn a_missing_a_doubled_and_a_changed_record_are_found() {
        let records = dataset::full();
        assert!(same(&records, &records).is_ok());
        assert!(same(&records[1..], &records).is_err());
        assert!(same(&[], &[]).is_err());
        let mut changed = records.clone();
        changed[4].headers.reverse();
        assert!(same(&changed, &records).is_err());
    }

    #[test]
    fn readers_must_agree_on_times_that_the_writer_chose() {
        let mut times = None;
        let mut records = dataset::full();
        assert!(agree_on_times(&mut times, &mut records.clone()).is_ok());
        records[0].timestamp = Some(1);
        assert!(agree_on_times(&mut times, &mut records).is_err());
    }
}
