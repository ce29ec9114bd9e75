//! What a poll hands out: a batch whose records borrow, and records of their own that share its bytes.
//!
//! A [`Batch`] holds slices of what was fetched (or of the decompressed batch); going through it decodes one record after
//! the other and allocates nothing. A [`ConsumerRecord`] holds one reference to the same bytes and a few offsets.
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use courant_protocol::record::control::ControlRecord;
use courant_protocol::record::{BatchRecords, Header, Headers, RecordIter, RecordSpan, RecordView};
use courant_protocol::types::{LeaderEpoch, Offset, PartitionId, TopicPartition, UnixMillis};

use crate::acks::Receipt;
use crate::machine::stretch::{SharedBatch, Slice, Taken};
use crate::offsets::OffsetAndMetadata;
use crate::shared::Shared;

/// The records that one poll handed out: at most `max.poll.records`, in order within each partition.
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
/// # use courant_consumer::Consumer;
/// # let mut orders = Consumer::builder(&kafka).assign([("orders", 0)]).auto_offset_reset("earliest").start().await?;
/// let batch = orders.poll().await?.ok_or("the consumer is open")?;
/// for record in &batch {
///     println!("{}@{}: {:?}", record.topic_partition(), record.offset(), record.value());
/// }
/// let kept: Vec<_> = batch.iter().map(|record| record.to_owned()).collect(); // outlives the batch
/// let next = batch.next_offsets().next().ok_or("one partition")?;
/// assert_eq!((kept.len(), next.1.offset), (2, 2.into()));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use = "the records in it count as handed out"]
pub struct Batch {
    slices: Vec<Slice>,
    records: usize,
    /// What was left out before it was handed out.
    left_out: Vec<Slice>,
    /// Where to report that the application has gone through it.
    receipt: Option<(Arc<Shared>, u64)>,
    went_through: AtomicBool,
}

impl Batch {
    pub(crate) fn new(slices: Vec<Slice>, records: usize, receipt: Option<(Arc<Shared>, u64)>) -> Self {
        Self { slices, records, left_out: Vec::new(), receipt, went_through: AtomicBool::new(false) }
    }

    /// How many records there are; at least one, as a poll hands it out.
    pub fn len(&self) -> usize {
        self.records
    }

    /// Whether there is none, which a poll never hands out.
    pub fn is_empty(&self) -> bool {
        self.records == 0
    }

    /// Goes through the records: those of one partition in a row, in the order of their offsets.
    #[inline]
    pub fn iter(&self) -> Iter<'_> {
        Iter { batch: self, next: 0, current: None, left: 0 }
    }

    /// Leaves out the records that `keep` says no to; nothing is copied. They count as handed out nevertheless:
    /// [`Consumer::commit`](crate::Consumer::commit) passes them, [`Self::next_offsets`] speaks of those that are left. Where
    /// each record is acknowledged by itself, these are.
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
    /// # use courant_consumer::Consumer;
    /// # let mut orders = Consumer::builder(&kafka).assign([("orders", 0)]).auto_offset_reset("earliest").start().await?;
    /// let mut batch = orders.poll().await?.ok_or("the consumer is open")?;
    /// batch.retain(|record| record.value() == Some(b"paid"));
    /// assert_eq!(batch.iter().map(|record| record.offset().0).collect::<Vec<_>>(), [1]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// # })?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn retain(&mut self, mut keep: impl FnMut(&Record<'_>) -> bool) {
        let (mut kept, mut left_out) = (Vec::with_capacity(self.slices.len()), Vec::new());
        for slice in &self.slices {
            let mut records = slice.records.iter_from(slice.from);
            let mut before = None;
            for _ in 0..slice.count {
                let from = records.mark(&slice.records);
                let Some(Ok(view)) = records.next() else { break };
                let is_kept = keep(&Record { slice, view });
                let runs = if is_kept { &mut kept } else { &mut left_out };
                if before.replace(is_kept) != Some(is_kept) {
                    runs.push(slice.begun_at(from));
                }
                if let Some(run) = runs.last_mut() {
                    run.count += 1;
                }
            }
        }
        self.records = kept.iter().map(|slice| slice.count).sum();
        self.slices = kept;
        match &self.receipt {
            Some((shared, _)) => drop(shared.reading().acknowledge_all(&left_out)),
            None => self.left_out.append(&mut left_out),
        }
    }

    /// What an interceptor has left of it.
    pub(crate) fn hand_back(mut self, taken: &mut Taken) {
        (taken.slices, taken.records) = (std::mem::take(&mut self.slices), self.records);
        taken.left_out.append(&mut self.left_out);
    }

    pub(crate) fn slices(&self) -> &[Slice] {
        &self.slices
    }

    /// The partitions that there are records of, and where each one's reading goes on after this batch.
    pub fn next_offsets(&self) -> impl Iterator<Item = (TopicPartition, OffsetAndMetadata)> {
        let mut last: Vec<(TopicPartition, OffsetAndMetadata)> = Vec::new();
        for record in self {
            match last.last_mut() {
                Some((partition, next)) if partition == record.topic_partition() => {
                    *next = record.next_offset()
                }
                _ => last.push((record.topic_partition().clone(), record.next_offset())),
            }
        }
        last.into_iter()
    }
}

impl Drop for Batch {
    fn drop(&mut self) {
        if let Some((shared, poll)) = self.receipt.take().filter(|_| *self.went_through.get_mut()) {
            shared.reading().finish_poll(poll);
        }
    }
}

impl<'a> IntoIterator for &'a Batch {
    type Item = Record<'a>;
    type IntoIter = Iter<'a>;

    fn into_iter(self) -> Iter<'a> {
        self.iter()
    }
}

impl fmt::Debug for Batch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Batch").field("records", &self.records).finish_non_exhaustive()
    }
}

/// Goes through the records of a [`Batch`].
#[derive(Clone)]
pub struct Iter<'a> {
    batch: &'a Batch,
    next: usize,
    current: Option<(&'a Slice, RecordIter<'a>)>,
    left: usize,
}

impl<'a> Iterator for Iter<'a> {
    type Item = Record<'a>;

    #[inline]
    fn next(&mut self) -> Option<Record<'a>> {
        loop {
            if self.left > 0 {
                let (slice, records) = self.current.as_mut()?;
                self.left -= 1;
                // The slice was read through when it was handed out, so this cannot fail.
                let view = records.next()?.ok()?;
                return Some(Record { slice, view });
            }
            let Some(slice) = self.batch.slices.get(self.next) else {
                self.batch.went_through.store(true, Ordering::Relaxed);
                return None;
            };
            self.next += 1;
            self.left = slice.count;
            self.current = Some((slice, slice.records.iter_from(slice.from)));
        }
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let ahead = self.batch.slices.get(self.next..).unwrap_or_default();
        let left = self.left + ahead.iter().map(|slice| slice.count).sum::<usize>();
        (left, Some(left))
    }
}

impl ExactSizeIterator for Iter<'_> {}
impl std::iter::FusedIterator for Iter<'_> {}

impl fmt::Debug for Iter<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Iter").field("left", &self.len()).finish()
    }
}

/// One record, borrowed from its [`Batch`].
#[derive(Clone, Copy)]
pub struct Record<'a> {
    slice: &'a Slice,
    view: RecordView<'a>,
}

impl<'a> Record<'a> {
    /// The topic's name.
    pub fn topic(&self) -> &'a str {
        &self.slice.partition.topic
    }

    /// The partition's number.
    pub fn partition(&self) -> PartitionId {
        self.slice.partition.partition
    }

    /// Topic and partition.
    pub fn topic_partition(&self) -> &'a TopicPartition {
        &self.slice.partition
    }

    /// The record's place in its partition.
    pub fn offset(&self) -> Offset {
        self.view.offset
    }

    /// When it was made, or appended where the topic says LogAppendTime; [`UnixMillis::NONE`] in the oldest format.
    pub fn timestamp(&self) -> UnixMillis {
        self.view.timestamp
    }

    /// The key; `None` is null, which is not the empty key.
    pub fn key(&self) -> Option<&'a [u8]> {
        self.view.key
    }

    /// The value; `None` is null, a tombstone.
    pub fn value(&self) -> Option<&'a [u8]> {
        self.view.value
    }

    /// The headers in the order they were written, duplicates included.
    pub fn headers(&self) -> Headers<'a> {
        self.view.headers()
    }

    /// The last header with this key, which is the one that counts where only one may.
    pub fn last_header(&self, key: &str) -> Option<Header<'a>> {
        self.view.last_header(key)
    }

    /// The epoch of the leader that wrote the record; [`LeaderEpoch::NONE`] in old formats.
    pub fn leader_epoch(&self) -> LeaderEpoch {
        self.slice.records.header().leader_epoch
    }

    /// What a broker says with it, where it is one of those that end a transaction
    /// ([`keep_control_records`](crate::ConsumerBuilder::keep_control_records) hands them out).
    pub fn control(&self) -> Option<ControlRecord> {
        control(&self.slice.records, &self.view)
    }

    /// What to commit once this record and those before it are done.
    pub fn next_offset(&self) -> OffsetAndMetadata {
        OffsetAndMetadata::after(Offset(self.view.offset.0.saturating_add(1)), self.leader_epoch())
    }

    /// What says that it is finished, where records are acknowledged; see [`Consumer::acks`](crate::Consumer::acks).
    pub fn receipt(&self) -> Receipt {
        Receipt::new(self.slice.partition.clone(), self.view.offset, self.slice.token)
    }

    /// The record as a value of its own. It shares the bytes of its whole batch and keeps them in memory.
    pub fn to_owned(&self) -> ConsumerRecord {
        ConsumerRecord::new(self.slice, &self.view)
    }
}

impl fmt::Debug for Record<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // No payload: records end up in logs.
        write!(f, "Record({}@{})", self.slice.partition, self.view.offset)
    }
}

/// What a record of the batch says, if it is a control batch.
fn control(batch: &BatchRecords, record: &RecordView<'_>) -> Option<ControlRecord> {
    batch.header().attributes.is_control().then(|| ControlRecord::parse(record)).flatten()
}

/// A record that outlives its batch.
#[derive(Clone)]
pub struct ConsumerRecord {
    batch: Arc<SharedBatch>,
    span: RecordSpan,
}

impl ConsumerRecord {
    #[inline]
    pub(crate) fn new(slice: &Slice, view: &RecordView<'_>) -> Self {
        Self { batch: Arc::clone(slice.shared()), span: slice.records.span(view) }
    }

    fn view(&self) -> RecordView<'_> {
        self.batch.records.view(&self.span)
    }

    /// The topic's name.
    pub fn topic(&self) -> &str {
        &self.batch.partition.topic
    }

    /// The partition's number.
    pub fn partition(&self) -> PartitionId {
        self.batch.partition.partition
    }

    /// Topic and partition.
    pub fn topic_partition(&self) -> &TopicPartition {
        &self.batch.partition
    }

    /// The record's place in its partition.
    pub fn offset(&self) -> Offset {
        self.span.offset()
    }

    /// When it was made, or appended where the topic says LogAppendTime; [`UnixMillis::NONE`] in the oldest format.
    pub fn timestamp(&self) -> UnixMillis {
        self.span.timestamp()
    }

    /// The key; `None` is null, which is not the empty key.
    pub fn key(&self) -> Option<&[u8]> {
        self.view().key
    }

    /// The value; `None` is null, a tombstone.
    pub fn value(&self) -> Option<&[u8]> {
        self.view().value
    }

    /// The key, sharing the batch's bytes.
    pub fn key_bytes(&self) -> Option<Bytes> {
        self.key().map(|key| self.batch.records.share(key))
    }

    /// The value, sharing the batch's bytes.
    pub fn value_bytes(&self) -> Option<Bytes> {
        self.value().map(|value| self.batch.records.share(value))
    }

    /// The headers in the order they were written, duplicates included.
    pub fn headers(&self) -> Headers<'_> {
        self.view().headers()
    }

    /// The last header with this key, which is the one that counts where only one may.
    pub fn last_header(&self, key: &str) -> Option<Header<'_>> {
        self.view().last_header(key)
    }

    /// The epoch of the leader that wrote the record; [`LeaderEpoch::NONE`] in old formats.
    pub fn leader_epoch(&self) -> LeaderEpoch {
        self.batch.records.header().leader_epoch
    }

    /// What a broker says with it, where it is one of those that end a transaction
    /// ([`keep_control_records`](crate::ConsumerBuilder::keep_control_records) hands them out).
    pub fn control(&self) -> Option<ControlRecord> {
        control(&self.batch.records, &self.view())
    }

    /// What to commit once this record and those before it are done.
    pub fn next_offset(&self) -> OffsetAndMetadata {
        OffsetAndMetadata::after(Offset(self.offset().0.saturating_add(1)), self.leader_epoch())
    }

    /// What says that it is finished, where records are acknowledged; see [`Consumer::acks`](crate::Consumer::acks).
    pub fn receipt(&self) -> Receipt {
        Receipt::new(self.batch.partition.clone(), self.offset(), self.batch.token)
    }
}

impl fmt::Debug for ConsumerRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ConsumerRecord({}@{})", self.batch.partition, self.offset())
    }
}
