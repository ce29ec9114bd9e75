//! Acknowledgements of single records, in any order, from any task.
use std::fmt;
use std::sync::Arc;

use courant_protocol::types::{Offset, TopicPartition};

use crate::consumer::Consumer;
use crate::error::{Error, ErrorKind};
use crate::machine::position::Token;
use crate::record::Batch;
use crate::shared::Shared;

/// Says which records are finished; made by [`Consumer::acks`]. Clones are cheap and say it to the same consumer.
///
/// What may be committed of a partition is what comes before the first record that was handed out and is not acknowledged,
/// or the position if all are. Offsets that compaction removed and transaction markers hold nothing back. The committed
/// offset carries the leader epoch of the record before it (KIP-320).
///
/// ```
/// # let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
/// # runtime.block_on(async {
/// # let mock = courant_broker_mock::MockCluster::builder().brokers(3).topic("orders", 2).build()?;
/// # let mut writer = courant_protocol::record::BatchWriter::new(Default::default(), Default::default());
/// # writer.append(7.into(), Some(b"42"), Some(b"open"), courant_protocol::record::NO_HEADERS)?;
/// # writer.append(8.into(), Some(b"42"), Some(b"paid"), courant_protocol::record::NO_HEADERS)?;
/// # let sealed = writer.seal(Default::default(), None, &mut Default::default())?;
/// # mock.append_raw("orders", 0, sealed.to_bytes(&Default::default()))?;
/// # let kafka = courant_client::Kafka::builder().bootstrap(mock.bootstrap()).world(mock.world()).connect().await?;
/// use courant_consumer::Consumer;
/// # use std::time::Duration;
///
/// let mut orders = Consumer::builder(&kafka)
///     .group("billing")
///     .assign([("orders", 0)])
///     .auto_offset_reset("earliest")
///     .explicit_acks()
///     .start()
///     .await?;
/// let acks = orders.acks()?;
/// let batch = orders.poll().await?.ok_or("the consumer is open")?;
/// let receipts: Vec<_> = batch.iter().map(|record| record.receipt()).collect();
///
/// assert!(acks.ack(&receipts[1]));
/// orders.commit().await?;
/// assert_eq!(mock.committed("billing", "orders", 0), Some(0.into())); // the first record is not finished
/// assert!(acks.ack(&receipts[0]));
/// orders.commit().await?;
/// assert_eq!(mock.committed("billing", "orders", 0), Some(2.into()));
/// # orders.close(Duration::from_secs(5)).await?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Acks {
    shared: Arc<Shared>,
}

impl Acks {
    /// The record of this receipt is finished. False if it does not count: it was acknowledged before; its partition was
    /// revoked or lost since, though it may have come back; or the application has sought elsewhere.
    pub fn ack(&self, receipt: &Receipt) -> bool {
        let Receipt { partition, offset, token } = receipt;
        let record = *offset..Offset(offset.0.saturating_add(1));
        self.shared.reading().acknowledge(partition, record, *token) > 0
    }

    /// All records of a batch are finished; how many of them that counts for.
    pub fn ack_batch(&self, batch: &Batch) -> u64 {
        self.shared.reading().acknowledge_all(batch.slices())
    }
}

impl fmt::Debug for Acks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Acks").finish_non_exhaustive()
    }
}

/// Stands for one hand-out of one record; a record that is handed out again has another. Made by
/// [`Record::receipt`](crate::Record::receipt) and [`ConsumerRecord::receipt`](crate::ConsumerRecord::receipt).
#[derive(Clone, PartialEq, Eq)]
pub struct Receipt {
    partition: TopicPartition,
    offset: Offset,
    token: Token,
}

impl Receipt {
    pub(crate) fn new(partition: TopicPartition, offset: Offset, token: Token) -> Self {
        Self { partition, offset, token }
    }

    /// Topic and partition of its record.
    pub fn topic_partition(&self) -> &TopicPartition {
        &self.partition
    }

    /// The offset of its record.
    pub fn offset(&self) -> Offset {
        self.offset
    }
}

impl fmt::Debug for Receipt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Receipt({}@{})", self.partition, self.offset)
    }
}

impl Consumer {
    /// What says which records are finished, where each is acknowledged by itself
    /// ([`ConsumerBuilder::explicit_acks`](crate::ConsumerBuilder::explicit_acks)).
    ///
    /// Auto-commit, commits without offsets, and the commits at a revocation and at the end then follow from the
    /// acknowledgements alone. When partitions are revoked, records of them can be acknowledged until the next event is asked
    /// for; what was handed out of a partition before it was revoked, lost or sought in counts no more after that. A seek
    /// says that nothing handed out before it matters: it may take commits past records that are not finished.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidUse`] if the consumer was not built for it.
    pub fn acks(&self) -> Result<Acks, Error> {
        if !self.shared.reading().acknowledges() {
            let what = "this consumer's records are finished by the next poll, not by acknowledgements";
            return Err(Error::new(ErrorKind::InvalidUse, what).hinting("build it with explicit_acks()"));
        }
        Ok(Acks { shared: Arc::clone(&self.shared) })
    }
}
