//! What is measured: rows, and the clients that take turns in each.

use std::fmt;

use super::client::{CLIENTS, Client};
use super::options::{Codec, Op, Options, Partitioning};

/// One row: the same work for several clients.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Row {
    /// What is measured.
    pub(crate) op: Op,
    /// Bytes of a value.
    pub(crate) value_size: u32,
    /// How batches are compressed.
    pub(crate) codec: Codec,
    /// How records find their partition.
    pub(crate) partitioning: Partitioning,
    /// How long a batch waits for more records; `None` for each client's default. The rest of the settings is as the
    /// command line says.
    pub(crate) linger_ms: Option<u32>,
}

impl Row {
    /// The clients that take turns in it. Where nothing is asked for by name, a client that only differs in how its
    /// results are awaited is left out of the rows about partitioners.
    pub(crate) fn clients(&self, options: &Options) -> Vec<Client> {
        let by_name = !options.clients.is_empty();
        let variant = |client: &Client| client.name.ends_with("-future");
        CLIENTS
            .iter()
            .filter(|client| !by_name || options.clients.contains(client))
            .filter(|client| !options.without.contains(client))
            .filter(|client| client.can(self.op, self.partitioning))
            .filter(|client| by_name || self.partitioning == Partitioning::Rr || !variant(client))
            .copied()
            .collect()
    }

    /// Records in the batch that answers fetches: a batch of some 128 KiB.
    pub(crate) fn batch_records(&self) -> u32 {
        match self.value_size {
            0..512 => 1000,
            size => (120 * 1024 / size).max(1),
        }
    }
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} B", self.op.name(), self.value_size)?;
        if self.codec != Codec::None {
            write!(f, " {}", self.codec.name())?;
        }
        match (self.op, self.linger_ms) {
            (Op::Produce, _) => write!(f, " {}", self.partitioning.name()),
            (Op::E2e | Op::Send, Some(linger)) => write!(f, " linger {linger}"),
            _ => Ok(()),
        }
    }
}

/// The rows that are asked for.
pub(crate) fn rows(options: &Options) -> Vec<Row> {
    let every = [Op::Produce, Op::Consume, Op::E2e, Op::Send];
    let ops = if options.op.is_empty() { &every[..] } else { &options.op };
    ops.iter().flat_map(|op| rows_of(*op, options)).collect()
}

fn rows_of(op: Op, options: &Options) -> Vec<Row> {
    let linger_ms = (!options.defaults).then_some(LINGER_MS);
    let plain = Row { op, value_size: 100, codec: Codec::None, partitioning: Partitioning::Rr, linger_ms };
    let of = |value_size, codec| Row { value_size, codec, ..plain };
    let asked =
        !(options.value_size.is_empty() && options.codec.is_empty() && options.partitioning.is_empty());
    match op {
        Op::Send if options.defaults => vec![plain],
        Op::Send => vec![Row { linger_ms: Some(0), ..plain }],
        Op::E2e => vec![Row { linger_ms: Some(0), ..plain }, plain],
        _ if asked => combinations(plain, options),
        Op::Produce => {
            let [key, sticky] =
                [Partitioning::Key, Partitioning::Sticky].map(|partitioning| Row { partitioning, ..plain });
            vec![plain, key, sticky, of(1024, Codec::None), of(100, Codec::Lz4), of(1024, Codec::Lz4)]
        }
        Op::Consume => {
            vec![plain, of(1024, Codec::None), of(100, Codec::Lz4), of(1024, Codec::Lz4)]
        }
    }
}

/// One row for each combination of what the command line names; what it does not name is as in the first row.
fn combinations(plain: Row, options: &Options) -> Vec<Row> {
    let or = |given: &[u32], otherwise: u32| if given.is_empty() { vec![otherwise] } else { given.to_vec() };
    let codecs = if options.codec.is_empty() { &[Codec::None][..] } else { &options.codec };
    let partitionings =
        if options.partitioning.is_empty() { &[Partitioning::Rr][..] } else { &options.partitioning };
    let mut rows = Vec::new();
    for value_size in or(&options.value_size, plain.value_size) {
        for codec in codecs {
            for partitioning in partitionings {
                rows.push(Row { value_size, codec: *codec, partitioning: *partitioning, ..plain });
            }
        }
    }
    // A consumer does not partition.
    if plain.op == Op::Consume {
        rows.iter_mut().for_each(|row| row.partitioning = Partitioning::Rr);
        rows.dedup();
    }
    rows
}

/// The tuned linger.
const LINGER_MS: u32 = 5;

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Debug, Parser)]
    struct Line {
        #[command(flatten)]
        options: Options,
    }

    fn options(line: &str) -> Options {
        Line::parse_from(format!("bench {line}").split_whitespace()).options
    }

    fn names(line: &str) -> Vec<String> {
        rows(&options(line)).iter().map(Row::to_string).collect()
    }

    #[test]
    fn the_matrix_is_measured_unless_something_is_named() {
        assert_eq!(
            names("--op produce"),
            [
                "produce 100 B rr",
                "produce 100 B key",
                "produce 100 B sticky",
                "produce 1024 B rr",
                "produce 100 B lz4 rr",
                "produce 1024 B lz4 rr"
            ]
        );
        assert_eq!(names("").len(), 6 + 4 + 2 + 1);
        assert_eq!(names("--op e2e"), ["e2e 100 B linger 0", "e2e 100 B linger 5"]);
        assert_eq!(names("--op e2e,send --defaults"), ["e2e 100 B linger 0", "e2e 100 B", "send 100 B"]);
        assert_eq!(names("--op send"), ["send 100 B linger 0"]);
    }

    #[test]
    fn what_is_named_is_combined() {
        assert_eq!(names("--op produce --value-size 100"), ["produce 100 B rr"]);
        assert_eq!(
            names("--op produce,consume --value-size 50 --codec none,zstd --partitioning key"),
            ["produce 50 B key", "produce 50 B zstd key", "consume 50 B", "consume 50 B zstd"]
        );
        assert_eq!(names("--op consume --partitioning key,sticky"), ["consume 100 B"]);
    }

    #[test]
    fn clients_take_turns_in_a_fixed_order() {
        let row = rows(&options("--op produce"));
        let of = |row: &Row, line: &str| -> Vec<&str> {
            row.clients(&options(line)).iter().map(|client| client.name).collect()
        };
        assert_eq!(of(&row[0], "--clients java,courant,courant-batch"), ["courant", "java"]);
        assert_eq!(of(&row[0], "").len(), 12);
        assert_eq!(
            of(&row[1], "--without confluent-cb"),
            ["courant", "rdkafka-base", "java", "franz-go", "krafka"]
        );
        assert_eq!(of(&row[1], "--clients courant-future"), ["courant-future"]);
    }

    #[test]
    fn a_fetched_batch_is_some_128_kib() {
        let row = rows(&options("--op consume"))[1];
        assert_eq!((row.value_size, row.batch_records()), (1024, 120));
    }
}
