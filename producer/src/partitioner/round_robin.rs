//! Partitioners other than the built-in one: in turn, or a program's own.
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use courant_protocol::types::PartitionId;

/// How records that name no partition of their own find one.
///
/// The built-in way is Kafka's: a key's hash, and for records without a key one partition at a time until its batch is
/// full.
///
/// ```
/// use courant_producer::Partitioner;
/// let by_length = Partitioner::custom(|_topic, key, count| key.map_or(0, <[u8]>::len) as u32 % count);
/// # assert_eq!(format!("{by_length:?}"), "Partitioner(custom)");
/// ```
#[derive(Clone, Default)]
pub struct Partitioner(Kind);

/// What a program hands in: topic, key, number of partitions, to a partition's number.
type Choose = dyn Fn(&str, Option<&[u8]>, u32) -> u32 + Send + Sync;

#[derive(Clone, Default)]
enum Kind {
    #[default]
    BuiltIn,
    RoundRobin(Arc<AtomicU32>),
    Custom(Arc<Choose>),
}

impl Partitioner {
    /// Kafka's default (KIP-480, KIP-794).
    pub fn built_in() -> Self {
        Self(Kind::BuiltIn)
    }

    /// One partition after the other, keys or not, as Kafka's `RoundRobinPartitioner`.
    pub fn round_robin() -> Self {
        Self(Kind::RoundRobin(Arc::default()))
    }

    /// A function of topic, key and number of partitions. What it returns is taken modulo that number. It is called for
    /// each record, on the task that enqueues it, and must neither block nor panic.
    pub fn custom(choose: impl Fn(&str, Option<&[u8]>, u32) -> u32 + Send + Sync + 'static) -> Self {
        Self(Kind::Custom(Arc::new(choose)))
    }

    /// The partition, unless the built-in way shall find it.
    pub(crate) fn choose(&self, topic: &str, key: Option<&[u8]>, count: u32) -> Option<PartitionId> {
        let drawn = match &self.0 {
            Kind::BuiltIn => return None,
            Kind::RoundRobin(next) => next.fetch_add(1, Ordering::Relaxed),
            Kind::Custom(choose) => choose(topic, key, count),
        };
        Some(PartitionId((drawn % count.max(1)) as i32))
    }
}

impl fmt::Debug for Partitioner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match &self.0 {
            Kind::BuiltIn => "Partitioner(built-in)",
            Kind::RoundRobin(_) => "Partitioner(round robin)",
            Kind::Custom(_) => "Partitioner(custom)",
        })
    }
}
