//! A partitioner of one's own.
use courant_protocol::types::PartitionId;

/// How records that name no partition of their own find one, written by a program; as Java's `Partitioner`.
///
/// It is asked for each record, on the task that enqueues it, and must neither block nor panic. It is asked once the topic
/// is known, and what it says stands while the record waits for buffer space. A record that came back, as from
/// [`try_enqueue`](crate::Producer::try_enqueue), is asked for anew when it is offered again.
///
/// ```
/// use courant_producer::{CustomPartitioner, Partitioner, Unplaced};
/// use courant_protocol::types::PartitionId;
///
/// /// Audit records on partition 0; all others keep to the rest.
/// struct AuditApart;
///
/// impl CustomPartitioner for AuditApart {
///     fn partition(&self, record: &Unplaced<'_>) -> Option<PartitionId> {
///         let others = record.partition_count().checked_sub(1).filter(|others| *others > 0)?;
///         match record.key()? {
///             b"audit" => Some(PartitionId(0)),
///             key => Some(PartitionId(1 + (key.len() as u32 % others) as i32)),
///         }
///     }
/// }
///
/// let partitioner = Partitioner::implemented_by(AuditApart);
/// # assert_eq!(format!("{partitioner:?}"), "Partitioner(custom)");
/// ```
pub trait CustomPartitioner: Send + Sync {
    /// The partition of a record; `None` puts it where records without a key go: one partition at a time, until it has
    /// its batch. A partition that the topic does not have makes the record fail.
    fn partition(&self, record: &Unplaced<'_>) -> Option<PartitionId>;

    /// The record needs a new batch in the partition that was chosen for it, and may be sent elsewhere now: whoever fills
    /// one batch at a time turns to the next partition here, as with Java's `onNewBatch` (KIP-480). What it says stands
    /// while the record waits for buffer space.
    fn on_new_batch(&self, record: &Unplaced<'_>, chosen: PartitionId) -> PartitionId {
        let _ = record;
        chosen
    }
}

/// A record that has no partition yet, and what is known of its topic.
#[derive(Clone, Copy, Debug)]
pub struct Unplaced<'a> {
    pub(crate) topic: &'a str,
    pub(crate) key: Option<&'a [u8]>,
    pub(crate) value: Option<&'a [u8]>,
    pub(crate) partition_count: u32,
    /// Those that have a leader, in order.
    pub(crate) available: &'a [PartitionId],
}

impl<'a> Unplaced<'a> {
    /// The topic's name.
    pub fn topic(&self) -> &'a str {
        self.topic
    }

    /// The record's key, encoded.
    pub fn key(&self) -> Option<&'a [u8]> {
        self.key
    }

    /// The record's value, encoded; `None` for a tombstone.
    pub fn value(&self) -> Option<&'a [u8]> {
        self.value
    }

    /// How many partitions the topic has, as far as is known.
    pub fn partition_count(&self) -> u32 {
        self.partition_count
    }

    /// The partitions that have a leader, in order.
    pub fn available(&self) -> &'a [PartitionId] {
        self.available
    }

    /// Whether the partition has a leader; a record for another one waits until it has.
    pub fn is_available(&self, partition: PartitionId) -> bool {
        self.available.binary_search(&partition).is_ok()
    }
}
