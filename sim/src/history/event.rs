//! What a history is made of.
use courant_protocol::types::{Offset, TopicPartition};

/// Something that happened. Records go by an id that the test puts into them.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// A producer was given a record.
    Sent {
        /// Who sends; order is kept per producer.
        producer: String,
        /// The record.
        id: String,
    },
    /// A record was acknowledged.
    Acknowledged {
        /// The record.
        id: String,
        /// Its partition.
        partition: TopicPartition,
        /// Its offset.
        offset: Offset,
    },
    /// A send failed.
    Failed {
        /// The record.
        id: String,
        /// Whether the error says that it may have been written.
        possibly_written: bool,
    },
    /// A consumer was given a record.
    Delivered {
        /// Who reads.
        consumer: String,
        /// Its partition.
        partition: TopicPartition,
        /// Its offset.
        offset: Offset,
        /// The record.
        id: String,
    },
    /// A consumer has committed a position, which is the offset after the last record that it counts as done.
    Committed {
        /// Who reads.
        consumer: String,
        /// The partition.
        partition: TopicPartition,
        /// The position.
        offset: Offset,
    },
    /// A consumer was told to go on at an offset.
    Sought {
        /// Who reads.
        consumer: String,
        /// The partition.
        partition: TopicPartition,
        /// What it is to get next.
        offset: Offset,
    },
    /// A consumer goes on where another one, of the same group, stopped.
    Continues {
        /// Who reads now.
        consumer: String,
        /// Who has read before.
        predecessor: String,
    },
    /// A consumer has read everything that is in the logs.
    ReadToTheEnd {
        /// Who reads.
        consumer: String,
    },
    /// A record in a broker's log, in the log's order.
    Logged {
        /// The partition.
        partition: TopicPartition,
        /// Its offset.
        offset: Offset,
        /// The record.
        id: String,
    },
}
