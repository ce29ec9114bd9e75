//! The clients and the four commands that each of them has.

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use super::record::Record;
use super::{dataset, kcat};
use crate::process;

/// No command takes longer.
const LIMIT: Duration = Duration::from_secs(60);

/// Start, end, and the first offset at or after a time, of a partition; -1 when no record is that young.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Offsets {
    /// Which partition.
    pub(crate) partition: i32,
    /// The log's start.
    pub(crate) start: i64,
    /// The log's end.
    pub(crate) end: i64,
    /// For the time that was asked for.
    pub(crate) at_time: i64,
}

/// A client and where its program is.
#[derive(Clone, Debug)]
pub(crate) enum Client {
    /// Ours: the binary `courant-probe`.
    Courant(PathBuf),
    /// confluent-kafka: a Python with it, and the script.
    Confluent(PathBuf, PathBuf),
    /// Java's own clients.
    Java(Java),
    /// kcat from the path.
    Kcat,
}

/// Java's clients: the compiled programs.
#[derive(Clone, Debug)]
pub(crate) struct Java {
    /// Where the programs and Kafka's jars are.
    pub(crate) class_path: String,
    /// Where their log lines go.
    pub(crate) log: PathBuf,
}

impl Java {
    /// The words that start one of the programs.
    pub(crate) fn command(&self, program: &str) -> Vec<String> {
        // They live for seconds: the second compiler would only cost time.
        let words = ["java", "-XX:TieredStopAtLevel=1", "-cp", &self.class_path];
        let log = format!("-Dlog4j2.configurationFile={}", self.log.display());
        words.into_iter().map(str::to_owned).chain([log, program.to_owned()]).collect()
    }
}

impl Client {
    /// Its name in lines and topics.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Courant(_) => "courant",
            Self::Confluent(..) => "confluent",
            Self::Java(_) => "java",
            Self::Kcat => "kcat",
        }
    }

    /// The records that it can write.
    pub(crate) fn dataset(&self) -> Vec<Record> {
        if matches!(self, Self::Kcat) { dataset::plain() } else { dataset::full() }
    }

    /// The partitions that it can read.
    pub(crate) fn readable(&self) -> std::ops::Range<i32> {
        if matches!(self, Self::Kcat) { dataset::text_partitions() } else { 0..dataset::PARTITIONS }
    }

    /// Writes records and checks that each was acknowledged at the next offset of its partition.
    pub(crate) fn produce(
        &self,
        bootstrap: &str,
        topic: &str,
        codec: &str,
        records: &[Record],
    ) -> Result<()> {
        let Some(mut command) = self.command("produce", &[bootstrap, topic, codec]) else {
            return kcat::produce(bootstrap, topic, codec, records, LIMIT);
        };
        let input: String = records.iter().map(|record| record.to_line() + "\n").collect();
        let mut acknowledged = Vec::new();
        for line in process::pipe(&mut command, input, LIMIT)? {
            let [partition, offset] = numbers(&line)?;
            acknowledged.push((partition, offset));
        }
        acknowledged.sort_unstable();
        let mut expected = Vec::new();
        for partition in 0..dataset::PARTITIONS {
            let count = records.iter().filter(|record| record.partition == partition).count();
            expected.extend((0..i64::try_from(count)?).map(|offset| (i64::from(partition), offset)));
        }
        ensure!(
            acknowledged == expected,
            "{} of {} records were acknowledged densely",
            acknowledged.len(),
            expected.len()
        );
        Ok(())
    }

    /// Writes records behind whatever the topic holds.
    pub(crate) fn append(&self, bootstrap: &str, topic: &str, records: &[Record]) -> Result<()> {
        let mut command =
            self.command("produce", &[bootstrap, topic, "none"]).context("kcat appends nothing")?;
        let input: String = records.iter().map(|record| record.to_line() + "\n").collect();
        let acknowledged = process::pipe(&mut command, input, LIMIT)?;
        ensure!(acknowledged.len() == records.len(), "{} records were acknowledged", acknowledged.len());
        acknowledged.iter().try_for_each(|line| numbers::<2>(line).map(|_| ()))
    }

    /// Reads so many records from the beginning; by partition and offset.
    pub(crate) fn consume(&self, bootstrap: &str, topic: &str, count: usize) -> Result<Vec<Record>> {
        let mut records = match self.command("consume", &[bootstrap, topic, &count.to_string()]) {
            None => kcat::consume(bootstrap, topic, self.readable(), LIMIT)?,
            Some(mut command) => {
                let lines = process::pipe(&mut command, String::new(), LIMIT)?;
                lines.iter().map(|line| Record::from_line(line)).collect::<Result<_>>()?
            }
        };
        records.sort_by_key(|record| (record.partition, record.offset));
        Ok(records)
    }

    /// Every topic with its number of partitions; the cluster's own topics left out.
    pub(crate) fn list(&self, bootstrap: &str) -> Result<Vec<(String, i64)>> {
        let mut topics = match self.command("list", &[bootstrap]) {
            None => kcat::list(bootstrap, LIMIT)?,
            Some(mut command) => {
                let lines = process::pipe(&mut command, String::new(), LIMIT)?;
                let parse = |line: &String| -> Result<(String, i64)> {
                    let (name, partitions) =
                        line.split_once('\t').with_context(|| format!("no topic: {line}"))?;
                    Ok((name.to_owned(), partitions.parse()?))
                };
                lines.iter().map(parse).collect::<Result<_>>()?
            }
        };
        topics.retain(|(name, _)| !name.starts_with("__"));
        topics.sort();
        Ok(topics)
    }

    /// Start, end and the offset at a time of every partition that it can read.
    pub(crate) fn offsets(&self, bootstrap: &str, topic: &str, timestamp: i64) -> Result<Vec<Offsets>> {
        let mut offsets = match self.command("offsets", &[bootstrap, topic, &timestamp.to_string()]) {
            None => kcat::offsets(bootstrap, topic, 0..dataset::PARTITIONS, timestamp, LIMIT)?,
            Some(mut command) => {
                let lines = process::pipe(&mut command, String::new(), LIMIT)?;
                let parse = |line: &String| -> Result<Offsets> {
                    let [partition, start, end, at_time] = numbers(line)?;
                    Ok(Offsets { partition: i32::try_from(partition)?, start, end, at_time })
                };
                lines.iter().map(parse).collect::<Result<_>>()?
            }
        };
        offsets.sort();
        Ok(offsets)
    }

    /// The program with a command; `None` for kcat, whose command line is its own.
    fn command(&self, name: &str, arguments: &[&str]) -> Option<Command> {
        let mut command = match self {
            Self::Courant(program) => Command::new(program),
            Self::Confluent(python, script) => {
                let mut command = Command::new(python);
                command.arg(script);
                command
            }
            Self::Java(java) => {
                let words = java.command("Probe");
                let (program, arguments) = words.split_first()?;
                let mut command = Command::new(program);
                command.args(arguments);
                command
            }
            Self::Kcat => return None,
        };
        command.arg(name).args(arguments);
        Some(command)
    }
}

/// A line of exactly N numbers.
fn numbers<const N: usize>(line: &str) -> Result<[i64; N]> {
    let numbers: Vec<i64> = line
        .split('\t')
        .map(str::parse)
        .collect::<Result<_, _>>()
        .with_context(|| format!("no numbers: {line}"))?;
    numbers.try_into().ok().with_context(|| format!("not {N} numbers: {line}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_numbers_has_as_many_as_were_asked_for() -> Result<()> {
        assert_eq!(numbers("1\t-1\t3")?, [1, -1, 3]);
        assert!(numbers::<2>("1\t2\t3").is_err());
        assert!(numbers::<1>("one").is_err());
        Ok(())
    }
}
