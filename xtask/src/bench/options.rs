//! The command line.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::client::Client;

/// What to measure. Without any of them: every row of the matrix, every client.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct Options {
    /// Produce, consume, end to end or send; all of them unless some are named
    #[arg(long, value_enum, value_delimiter = ',')]
    pub(crate) op: Vec<Op>,
    /// Bytes of a value; with this or one of the next two, one row for each combination instead of the matrix
    #[arg(long, value_delimiter = ',')]
    pub(crate) value_size: Vec<u32>,
    /// How batches are compressed
    #[arg(long, value_enum, value_delimiter = ',')]
    pub(crate) codec: Vec<Codec>,
    /// How records find their partition
    #[arg(long, value_enum, value_delimiter = ',')]
    pub(crate) partitioning: Vec<Partitioning>,
    /// The clients, by name
    #[arg(long, value_delimiter = ',', value_parser = Client::parse)]
    pub(crate) clients: Vec<Client>,
    /// Clients to leave out
    #[arg(long, value_delimiter = ',', value_parser = Client::parse)]
    pub(crate) without: Vec<Client>,
    /// How often each client runs, in turn with the others
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=100))]
    pub(crate) repeats: u32,
    /// How many records a run measures, instead of as many as take some seconds; at a fixed rate at most
    #[arg(long, value_parser = clap::value_parser!(u64).range(1000..))]
    pub(crate) records: Option<u64>,
    /// How long a run should take
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=60))]
    pub(crate) seconds: u32,
    /// Every client's own default settings instead of the tuned ones
    #[arg(long)]
    pub(crate) defaults: bool,
    /// Where the runs go; those that are there already stay, and count for the results
    #[arg(long, value_name = "FILE")]
    pub(crate) csv: Option<PathBuf>,
    /// Prints the results and leaves bench/RESULTS.md as it is
    #[arg(long)]
    pub(crate) print: bool,
}

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Op {
    /// Records until they are acknowledged
    Produce,
    /// Records out of partitions that never end
    Consume,
    /// The age of records when a consumer of the same process has them
    E2e,
    /// How long a send takes until it is acknowledged, with and without a consumer beside it
    Send,
}

impl Op {
    /// As in the CSV.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Produce => "produce",
            Self::Consume => "consume",
            Self::E2e => "e2e",
            Self::Send => "send",
        }
    }

    /// Whether records come at a fixed rate and their ages are measured, rather than how many there can be.
    pub(crate) fn has_a_rate(self) -> bool {
        matches!(self, Self::E2e | Self::Send)
    }
}

/// How records find their partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Partitioning {
    /// The driver names the partitions in turn
    Rr,
    /// Each record has a key
    Key,
    /// No key and no partition: the client's default
    Sticky,
}

impl Partitioning {
    /// As in the CSV.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Rr => "rr",
            Self::Key => "key",
            Self::Sticky => "sticky",
        }
    }
}

/// How batches are compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Codec {
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
    /// As in the CSV.
    pub(crate) fn name(self) -> &'static str {
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
    use clap::Parser;

    #[derive(Debug, Parser)]
    struct Line {
        #[command(flatten)]
        options: Options,
    }

    fn parse(line: &str) -> Result<Options, clap::Error> {
        Line::try_parse_from(line.split(' ')).map(|line| line.options)
    }

    #[test]
    fn lists_are_split_at_commas() {
        let options =
            parse("bench --op produce,e2e --value-size 100,1024 --clients courant,java --csv a.csv").unwrap();
        assert_eq!(options.op, [Op::Produce, Op::E2e]);
        assert_eq!(options.value_size, [100, 1024]);
        let names: Vec<&str> = options.clients.iter().map(|client| client.name).collect();
        assert_eq!(names, ["courant", "java"]);
        assert_eq!((options.repeats, options.records, options.defaults), (3, None, false));
    }

    #[test]
    fn a_client_that_does_not_exist_is_refused_with_the_names_of_those_that_do() {
        let error = parse("bench --clients courant,kafka").unwrap_err().to_string();
        assert!(error.contains("`kafka`") && error.contains("franz-go-future"), "{error}");
    }

    #[test]
    fn no_repeat_and_no_record_is_refused() {
        assert!(parse("bench --repeats 0").is_err());
        assert!(parse("bench --records 0").is_err());
    }
}
