//! The clients, and what each can do.

use super::options::{Op, Partitioning};

/// A client as the drivers and the CSV call it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Client {
    /// Its name.
    pub(crate) name: &'static str,
    /// The program that drives it.
    pub(crate) driver: Driver,
    /// What it can be measured at.
    ops: &'static [Op],
    /// Whether a producer's caller gets a future for each record and awaits it.
    pub(crate) gives_futures: bool,
    /// Whether it finds partitions by itself.
    partitions: bool,
}

/// The program that drives a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Driver {
    /// A package of the benchmark's workspace.
    Rust(&'static str),
    /// Java's clients.
    Java,
    /// franz-go.
    Go,
}

impl Driver {
    /// What must be on the search path to build and run it, beside Rust and a C compiler.
    pub(crate) fn needs(self) -> &'static [&'static str] {
        match self {
            // Its build script runs librdkafka's own build.
            Self::Rust("bench-rdkafka") => &["make", "c++"],
            Self::Rust(_) => &[],
            Self::Java => &["java", "javac", "mvn"],
            Self::Go => &["go"],
        }
    }

    /// Whether the counter of allocations sees what it does.
    pub(crate) fn uses_malloc(self) -> bool {
        matches!(self, Self::Rust(_))
    }
}

impl Client {
    /// Finds a client by its name.
    pub(crate) fn parse(name: &str) -> Result<Self, String> {
        Self::named(name).ok_or_else(|| {
            let names: Vec<&str> = CLIENTS.iter().map(|client| client.name).collect();
            format!("there is no client `{name}`; there are {}", names.join(", "))
        })
    }

    /// Finds a client by its name.
    pub(crate) fn named(name: &str) -> Option<Self> {
        CLIENTS.iter().find(|client| client.name == name).copied()
    }

    /// Whether it is one of ours.
    pub(crate) fn is_ours(&self) -> bool {
        self.driver == COURANT
    }

    /// Whether it can be measured so.
    pub(crate) fn can(&self, op: Op, partitioning: Partitioning) -> bool {
        self.ops.contains(&op) && (self.partitions || op != Op::Produce || partitioning == Partitioning::Rr)
    }
}

const COURANT: Driver = Driver::Rust("bench-courant");
const RDKAFKA: Driver = Driver::Rust("bench-rdkafka");
const CONFLUENT: Driver = Driver::Rust("bench-confluent");
const EVERYTHING: &[Op] = &[Op::Produce, Op::Consume, Op::E2e];
const EVERYTHING_AND_SEND: &[Op] = &[Op::Produce, Op::Consume, Op::E2e, Op::Send];
const SEND: &[Op] = &[Op::Send];
const PRODUCE: &[Op] = &[Op::Produce];
const CONSUME: &[Op] = &[Op::Consume];

/// In the order in which they take turns.
pub(crate) const CLIENTS: &[Client] = &[
    client("courant", COURANT, EVERYTHING_AND_SEND, true),
    client("courant-future", COURANT, PRODUCE, true),
    client("courant-batch", COURANT, CONSUME, false),
    client("courant-beside", COURANT, SEND, true),
    client("courant-apart", COURANT, SEND, true),
    client("rdkafka-base", RDKAFKA, EVERYTHING, false),
    client("rdkafka-future", RDKAFKA, PRODUCE, true),
    client("rdkafka-stream", RDKAFKA, CONSUME, false),
    client("java", Driver::Java, EVERYTHING, false),
    client("java-future", Driver::Java, PRODUCE, true),
    client("franz-go", Driver::Go, EVERYTHING, false),
    client("franz-go-future", Driver::Go, PRODUCE, true),
    client("krafka", Driver::Rust("bench-krafka"), EVERYTHING, true),
    Client { partitions: false, ..client("rskafka", Driver::Rust("bench-rskafka"), EVERYTHING, true) },
    client("confluent-cb", CONFLUENT, EVERYTHING, false),
    client("confluent-future", CONFLUENT, PRODUCE, true),
];

const fn client(name: &'static str, driver: Driver, ops: &'static [Op], gives_futures: bool) -> Client {
    Client { name, driver, ops, gives_futures, partitions: true }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_found_and_differ() {
        for client in CLIENTS {
            assert_eq!(Client::named(client.name), Some(*client));
        }
    }

    #[test]
    fn a_client_without_a_partitioner_is_measured_round_robin_only() {
        let rskafka = Client::named("rskafka").unwrap();
        assert!(rskafka.can(Op::Produce, Partitioning::Rr) && !rskafka.can(Op::Produce, Partitioning::Key));
        assert!(!Client::named("java-future").unwrap().can(Op::Consume, Partitioning::Rr));
    }
}
