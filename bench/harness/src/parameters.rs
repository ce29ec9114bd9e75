//! The parameters of a run, the same for every client.

use std::time::Duration;

use clap::{Parser, ValueEnum};

/// What a driver is told. The defaults are the harness's tuned settings; `--defaults` leaves a client its own.
#[derive(Clone, Debug, Parser)]
#[command(about = "Runs one client once and prints one row of CSV")]
pub struct Parameters {
    /// Which of the driver's clients
    #[arg(long)]
    pub client: String,
    /// What is measured
    #[arg(long, value_enum, default_value = "produce")]
    pub op: Operation,
    /// Where the broker listens
    #[arg(long)]
    pub brokers: String,
    /// The broker's name in the row
    #[arg(long, default_value = "null")]
    pub broker_kind: String,
    /// The broker's process, whose CPU time goes into the row; 0 for none
    #[arg(long, default_value_t = 0)]
    pub broker_pid: u32,
    /// The topic
    #[arg(long, default_value = "bench")]
    pub topic: String,
    /// How many partitions it has
    #[arg(long, default_value_t = 6)]
    pub partitions: u32,
    /// How many records are measured
    #[arg(long, default_value_t = 2_000_000)]
    pub records: u64,
    /// How many records come before
    #[arg(long, default_value_t = 200_000)]
    pub warmup: u64,
    /// Bytes of a value
    #[arg(long, default_value_t = 100)]
    pub value_size: usize,
    /// Bytes of a key, where records have keys
    #[arg(long, default_value_t = 16)]
    pub key_size: usize,
    /// How records find their partition
    #[arg(long, value_enum, default_value = "rr")]
    pub partitioning: Partitioning,
    /// How batches are compressed
    #[arg(long, value_enum, default_value = "none")]
    pub compression: Codec,
    /// Every client's own default settings instead of the tuned ones
    #[arg(long)]
    pub defaults: bool,
    /// How long a batch waits for more records; tuned, 5 unless said otherwise
    #[arg(long)]
    pub linger_ms: Option<u64>,
    /// Tuned: how large a batch becomes
    #[arg(long, default_value_t = 128 * 1024)]
    pub batch_size: usize,
    /// Tuned: how many bytes of records may be on their way
    #[arg(long, default_value_t = 256 * 1024 * 1024)]
    pub buffer_memory: usize,
    /// How many records may be on their way
    #[arg(long, default_value_t = 100_000)]
    pub window: usize,
    /// End to end, and one send after the other: records per second
    #[arg(long, default_value_t = 200)]
    pub rate: u64,
    /// Tuned: how long a fetch waits for data
    #[arg(long, default_value_t = 500)]
    pub max_wait_ms: u64,
    /// Tuned: how many records a poll may hand out
    #[arg(long, default_value_t = 10_000)]
    pub max_poll: u32,
    /// Threads of the asynchronous runtime; 1 for a single-threaded one
    #[arg(long, default_value_t = 2)]
    pub threads: usize,
    /// A property of the client's own, `name=value`, for clients that know properties
    #[arg(long = "property", value_parser = property)]
    pub properties: Vec<(String, String)>,
}

impl Parameters {
    /// The partition of a record under round robin.
    pub fn partition_of(&self, index: usize) -> i32 {
        i32::try_from(index % self.partitions.max(1) as usize).unwrap_or(0)
    }

    /// All partitions.
    pub fn all_partitions(&self) -> impl Iterator<Item = i32> + use<> {
        0..i32::try_from(self.partitions).unwrap_or(i32::MAX)
    }

    /// How long a batch waits for more records; `None` for the client's own default.
    pub fn linger(&self) -> Option<Duration> {
        let tuned = (!self.defaults).then_some(TUNED_LINGER_MS);
        self.linger_ms.or(tuned).map(Duration::from_millis)
    }
}

/// Of every client under tuned settings.
const TUNED_LINGER_MS: u64 = 5;

/// `name=value`.
fn property(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("a property is `name=value`")?;
    Ok((name.to_owned(), value.to_owned()))
}

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Operation {
    /// Records until they are acknowledged
    Produce,
    /// Records out of partitions that never end
    Consume,
    /// The age of records when a consumer of the same process has them
    E2e,
    /// How long a send takes until it is acknowledged, one after the other
    Send,
    /// Records through a pipeline, out of a topic that was filled before
    Streams,
}

impl Operation {
    /// As in the row.
    pub fn name(self) -> &'static str {
        match self {
            Self::Produce => "produce",
            Self::Consume => "consume",
            Self::E2e => "e2e",
            Self::Send => "send",
            Self::Streams => "streams",
        }
    }
}

/// How records find their partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Partitioning {
    /// The driver names the partitions in turn
    Rr,
    /// Each record has a key
    Key,
    /// No key and no partition: the client's default
    Sticky,
}

impl Partitioning {
    /// As in the row.
    pub fn name(self) -> &'static str {
        match self {
            Self::Rr => "rr",
            Self::Key => "key",
            Self::Sticky => "sticky",
        }
    }
}

/// How batches are compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Codec {
    /// Not at all
    None,
    /// gzip
    Gzip,
    /// snappy
    Snappy,
    /// lz4
    Lz4,
    /// zstd
    Zstd,
}

impl Codec {
    /// Kafka's name, as in the row.
    pub fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Gzip => "gzip",
            Self::Snappy => "snappy",
            Self::Lz4 => "lz4",
            Self::Zstd => "zstd",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn partitions_take_turns() {
        let parameters =
            Parameters::parse_from(["driver", "--client", "a", "--brokers", "b", "--partitions", "3"]);
        let turns: Vec<i32> = (0..5).map(|index| parameters.partition_of(index)).collect();
        assert_eq!(turns, [0, 1, 2, 0, 1]);
        assert_eq!(parameters.all_partitions().collect::<Vec<_>>(), [0, 1, 2]);
    }

    #[test]
    fn a_property_has_a_name_and_a_value() {
        assert_eq!(property("linger.ms=5"), Ok(("linger.ms".to_owned(), "5".to_owned())));
        assert!(property("linger.ms").is_err());
    }
}
