//! Transactions that a test writes by hand, without a coordinator of transactions.
use courant_protocol::record::{Batches, ReadOptions, SealedBatch, Stamp};
use courant_protocol::types::{Offset, ProducerEpoch, ProducerId, UnixMillis};

use super::{MockCluster, Unknown, no_partition};
use crate::cluster::Partition;
use crate::log::{AppendContext, Refusal};

/// Who writes a transaction: Kafka's class of the same name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub struct ProducerIdAndEpoch {
    /// The id.
    pub producer_id: ProducerId,
    /// The epoch: a larger one fences the smaller ones.
    pub producer_epoch: ProducerEpoch,
}

impl ProducerIdAndEpoch {
    /// A producer by its numbers.
    pub fn new(producer_id: i64, producer_epoch: i16) -> Self {
        Self { producer_id: ProducerId(producer_id), producer_epoch: ProducerEpoch(producer_epoch) }
    }
}

/// How a transaction ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TransactionResult {
    /// Its records count.
    Commit,
    /// Readers of committed records never see them.
    Abort,
}

impl MockCluster {
    /// Appends a batch inside a transaction of this producer, which begins with it if none is open; gives the offset of
    /// the first record. The batch's sequence goes on from the producer's last one.
    ///
    /// There is no coordinator: nothing times the transaction out, and [`MockCluster::append_marker`] ends it in one
    /// partition, not in all.
    ///
    /// ```
    /// use bytes::BytesMut;
    /// use courant_broker_mock::{MockCluster, ProducerIdAndEpoch, TransactionResult};
    /// use courant_protocol::compression::{Codec, CompressionScratch};
    /// use courant_protocol::record::{BatchWriter, NO_HEADERS, WriterOptions};
    /// use courant_protocol::types::{Offset, UnixMillis};
    ///
    /// let cluster = MockCluster::builder().topic("payments", 1).build()?;
    /// let mut writer = BatchWriter::new(BytesMut::new(), WriterOptions::default());
    /// writer.append(UnixMillis(0), Some(b"key"), Some(b"value"), NO_HEADERS)?;
    /// let batch = writer.seal(Codec::None, None, &mut CompressionScratch::new())?;
    ///
    /// let producer = ProducerIdAndEpoch::new(7, 0);
    /// cluster.append_transactional(producer, "payments", 0, &batch)?;
    /// assert_eq!(cluster.last_stable_offset("payments", 0), Some(Offset(0)));
    /// cluster.append_marker(producer, "payments", 0, TransactionResult::Abort)?;
    /// assert_eq!(cluster.last_stable_offset("payments", 0), Some(Offset(2)));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// The partition is unknown, or a broker would refuse the batch: the producer has written in a newer epoch, or the batch
    /// breaks a rule of the topic, such as `max.message.bytes`.
    pub fn append_transactional(
        &self,
        producer: ProducerIdAndEpoch,
        topic: &str,
        partition: i32,
        batch: &SealedBatch,
    ) -> Result<Offset, Unknown> {
        self.append_as_leader(topic, partition, |state, context| {
            let ProducerIdAndEpoch { producer_id, producer_epoch } = producer;
            let sequence = state.log.next_sequence(producer_id, producer_epoch);
            let stamp = Stamp::idempotent(producer_id, producer_epoch, sequence).transactional(true);
            let read = Batches::new(batch.to_bytes(&stamp), ReadOptions::default()).next();
            let batch = read.and_then(Result::ok).ok_or("there is no whole batch")?;
            Ok(state.log.append(&batch, context)?.base_offset)
        })
    }

    /// Appends the control batch that ends a producer's transaction in a partition; gives its offset. Where none is open it
    /// is written all the same, as brokers do it, and means nothing.
    ///
    /// A marker of a newer epoch fences the producer (transactions v2, KIP-890): its next batch has to be of that epoch.
    /// See [`MockCluster::append_transactional`] for an example.
    ///
    /// # Errors
    /// The partition is unknown, or the producer has written in a newer epoch.
    pub fn append_marker(
        &self,
        producer: ProducerIdAndEpoch,
        topic: &str,
        partition: i32,
        result: TransactionResult,
    ) -> Result<Offset, Unknown> {
        self.append_as_leader(topic, partition, |state, context| {
            let committed = result == TransactionResult::Commit;
            let ProducerIdAndEpoch { producer_id, producer_epoch } = producer;
            Ok(state.log.append_marker(producer_id, producer_epoch, committed, context)?)
        })
    }

    /// Where readers of committed records stop at a partition's leader.
    pub fn last_stable_offset(&self, topic: &str, partition: i32) -> Option<Offset> {
        self.partition(topic, partition, |partition| partition.log.last_stable_offset())
    }

    /// Whether Fetch answers list aborted transactions in any order, drawn from the seed, instead of that of their markers.
    /// Kafka's lists are in that order, which is none by first offset; those of Redpanda are in none at all.
    ///
    /// ```
    /// let cluster = courant_broker_mock::MockCluster::builder().topic("payments", 1).build()?;
    /// cluster.shuffle_aborted_transactions(true);
    /// # Ok::<(), courant_broker_mock::BuildError>(())
    /// ```
    pub fn shuffle_aborted_transactions(&self, shuffle: bool) {
        self.act(|cluster| cluster.shuffles_aborted = shuffle);
    }

    fn append_as_leader(
        &self,
        topic: &str,
        partition: i32,
        append: impl FnOnce(&mut Partition, &AppendContext) -> Result<Offset, Unwritten>,
    ) -> Result<Offset, Unknown> {
        self.at(|cluster, at| {
            let unix_now: UnixMillis = at.unix;
            let known = cluster.topic(topic).map(|topic| (topic.id, topic.limits.clone()));
            let (id, limits) = known.ok_or_else(|| no_partition(topic, partition))?;
            let state =
                cluster.partition_mut(topic, partition).ok_or_else(|| no_partition(topic, partition))?;
            let context = state.append_context(&limits, unix_now);
            let offset = append(state, &context)
                .map_err(|Unwritten(why)| Unknown(format!("{topic}-{partition} refuses it: {why}")))?;
            cluster.touched.push((id, partition));
            Ok(offset)
        })
    }
}

/// Why a batch was not appended.
struct Unwritten(String);

impl From<Refusal> for Unwritten {
    fn from(refusal: Refusal) -> Self {
        Self(refusal.message.unwrap_or_else(|| refusal.error.to_string()))
    }
}

impl From<&str> for Unwritten {
    fn from(why: &str) -> Self {
        Self(why.to_owned())
    }
}
