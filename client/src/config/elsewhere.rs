//! Which client a property belongs to, so that one set by hand at the wrong place is told where it goes.
use super::COMMON;

/// A client that has properties of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Owner {
    Connection,
    Producer,
    Consumer,
    Admin,
}

impl Owner {
    /// A property by which its table is known among others.
    pub(super) fn mark(self) -> &'static str {
        match self {
            Self::Connection => "bootstrap.servers",
            Self::Producer => "acks",
            Self::Consumer => "group.id",
            Self::Admin => "bootstrap.controllers",
        }
    }

    /// Where a user sets its properties.
    pub(super) fn where_to_set(self) -> &'static str {
        match self {
            Self::Connection => "it is a property of the connection: set it on `Kafka::builder()`",
            Self::Producer => "it is a producer property: set it on `Producer::builder(&kafka)`",
            Self::Consumer => "it is a consumer property: set it on `Consumer::builder(&kafka)`",
            Self::Admin => "it is a property of Java's admin client",
        }
    }
}

/// The clients that have the property.
pub(super) fn owners(name: &str) -> Vec<Owner> {
    sits_with().filter(|(known, _)| *known == name).map(|(_, owner)| owner).collect()
}

/// Every known property and the client that has it; one that two clients have comes twice.
pub(super) fn sits_with() -> impl Iterator<Item = (&'static str, Owner)> {
    let of = |names: &'static [&'static str], owner: Owner| names.iter().map(move |name| (*name, owner));
    let common = COMMON.rows().map(|row| (row.name, Owner::Connection));
    common
        .chain(of(PRODUCER, Owner::Producer))
        .chain(of(CONSUMER, Owner::Consumer))
        .chain(of(ADMIN, Owner::Admin))
}

/// The names of Kafka 4.3's `ProducerConfig` that the common table does not have, and those of KIP-1123.
const PRODUCER: &[&str] = &[
    "acks",
    "batch.size",
    "buffer.memory",
    "client.rack",
    "compression.gzip.level",
    "compression.lz4.level",
    "compression.type",
    "compression.zstd.level",
    "delivery.timeout.ms",
    "enable.idempotence",
    "interceptor.classes",
    "key.serializer",
    "linger.ms",
    "max.block.ms",
    "max.in.flight.requests.per.connection",
    "max.request.size",
    "metadata.max.idle.ms",
    "partitioner.adaptive.partitioning.enable",
    "partitioner.availability.timeout.ms",
    "partitioner.class",
    "partitioner.ignore.keys",
    "partitioner.rack.aware",
    "retries",
    "transaction.timeout.ms",
    "transaction.two.phase.commit.enable",
    "transactional.id",
    "value.serializer",
];

/// The names of Kafka 4.3's `ConsumerConfig` that the common table does not have, one that it keeps to itself, and two of
/// ours.
const CONSUMER: &[&str] = &[
    "allow.auto.create.topics",
    "auto.commit.interval.ms",
    "auto.offset.reset",
    "check.crcs",
    "client.rack",
    "enable.auto.commit",
    "exclude.internal.topics",
    "fetch.buffer.bytes",
    "fetch.max.bytes",
    "fetch.max.wait.ms",
    "fetch.min.bytes",
    "group.id",
    "group.instance.id",
    "group.protocol",
    "group.remote.assignor",
    "heartbeat.interval.ms",
    "interceptor.classes",
    "internal.leave.group.on.close",
    "isolation.level",
    "key.deserializer",
    "max.decompressed.batch.bytes",
    "max.partition.fetch.bytes",
    "max.poll.interval.ms",
    "max.poll.records",
    "partition.assignment.strategy",
    "session.timeout.ms",
    "share.acknowledgement.mode",
    "share.acquire.mode",
    "value.deserializer",
];

/// The names of Kafka 4.3's `AdminClientConfig` that the common table does not have.
const ADMIN: &[&str] = &["bootstrap.controllers", "retries"];
