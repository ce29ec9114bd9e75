//! The log of one partition.
use std::collections::VecDeque;

use bytes::{Bytes, BytesMut};
use courant_protocol::compression::CompressionScratch;
use courant_protocol::error_code::ErrorCode;
use courant_protocol::record::control::ControlRecord;
use courant_protocol::record::{Batch, BatchHeader, Batches, ReadOptions};
use courant_protocol::types::{LeaderEpoch, Offset, ProducerEpoch, ProducerId, Sequence, UnixMillis};
use courant_protocol::wire::Records;

use super::appending::{AppendContext, Appended, Refusal, admit};
use super::epoch_cache::EpochCache;
use super::producer_state::{ProducerStates, SeenProducer, Verdict};
use super::segments::{ActiveSegment, SegmentLimits};
use super::stored_batch::StoredBatch;
use super::transactions::{AbortedTransaction, Transactions};

/// Below this size a piece is copied into its neighbours when it is read, so that a socket gets few large pieces.
const JOINED_BYTES: usize = 512;

/// How many bytes lie between two entries of a segment's index: `index.interval.bytes` by default.
const INDEX_INTERVAL_BYTES: usize = 4096;

/// What a reader may see (KIP-98).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Isolation {
    ReadUncommitted,
    ReadCommitted,
}

impl From<i8> for Isolation {
    fn from(level: i8) -> Self {
        if level == 1 { Self::ReadCommitted } else { Self::ReadUncommitted }
    }
}

/// What a read gives.
#[derive(Clone, Debug, Default)]
pub(crate) struct Slice {
    pub(crate) records: Records,
    pub(crate) len: usize,
}

/// Batches in order, where the log begins and ends, and what it remembers of epochs, producers and transactions.
///
/// Offsets from `log_start` up to but not including `log_end` exist; compaction may have left holes in them.
#[derive(Clone, Debug)]
pub(crate) struct PartitionLog {
    batches: VecDeque<StoredBatch>,
    log_start: Offset,
    log_end: Offset,
    size_bytes: usize,
    epochs: EpochCache,
    producers: ProducerStates,
    transactions: Transactions,
    pub(super) active: ActiveSegment,
    /// What lies before was compacted.
    pub(super) cleaned_to: Offset,
    /// Where a follower that is in sync, and does not fetch, keeps the high watermark.
    held_back_to: Option<Offset>,
}

impl PartitionLog {
    /// An empty log whose first leader has this epoch.
    pub(crate) fn new(epoch: LeaderEpoch) -> Self {
        let mut epochs = EpochCache::default();
        epochs.assign(epoch, Offset(0));
        Self {
            batches: VecDeque::new(),
            log_start: Offset(0),
            log_end: Offset(0),
            size_bytes: 0,
            epochs,
            producers: ProducerStates::default(),
            transactions: Transactions::default(),
            active: ActiveSegment::first(),
            cleaned_to: Offset(0),
            held_back_to: None,
        }
    }

    /// Appends a batch that a client sent.
    pub(crate) fn append(&mut self, batch: &Batch, context: &AppendContext) -> Result<Appended, Refusal> {
        let (header, bytes) = admit(batch, context)?;
        if header.producer_id.is_some() {
            let open = self.transactions.start_of(header.producer_id).is_some();
            match self.producers.judge(&header) {
                Verdict::Append if open && !header.attributes.is_transactional() => {
                    let text = format!("Expected transactional write from producer {}", header.producer_id);
                    return Err(Refusal::new(ErrorCode::INVALID_TXN_STATE, text));
                }
                Verdict::Append => {}
                Verdict::Duplicate { base_offset, timestamp } => {
                    return Ok(Appended { base_offset, log_append_time: timestamp, is_duplicate: true });
                }
                Verdict::Refuse(error) => return Err(Refusal::new(error, refusal_text(error, &header))),
            }
        }
        let base_offset = self.log_end;
        let stored = StoredBatch::placed(header, &bytes, base_offset, context.leader_epoch);
        self.push(stored, None, Some(context.segments));
        let log_append_time = if context.log_append_time { context.now } else { UnixMillis::NONE };
        Ok(Appended { base_offset, log_append_time, is_duplicate: false })
    }

    /// Appends batches of any format and content without a check, magic 2 at the log's end unless they lie behind it
    /// already. Gives the offset of the first.
    ///
    /// Older formats keep their offsets, because those of compressed ones lie inside: they must not lie before the end.
    pub(crate) fn append_raw(&mut self, bytes: Bytes, epoch: LeaderEpoch) -> Result<Offset, String> {
        let mut first = None;
        for batch in Batches::new(bytes, ReadOptions::default().check_crcs(false)) {
            let batch = batch.map_err(|error| error.to_string())?;
            let header = *batch.header();
            let end = self.log_end;
            let stored = if header.base_offset >= end && (header.magic < 2 || header.leader_epoch.is_some()) {
                StoredBatch::verbatim(header, batch.bytes().clone())
            } else if header.magic >= 2 {
                StoredBatch::placed(header, batch.bytes(), end.max(header.base_offset), epoch)
            } else {
                return Err(format!(
                    "a message set at offset {} lies before the log's end {end}",
                    header.base_offset
                ));
            };
            first = first.or(Some(stored.header.base_offset));
            let marker = header.attributes.is_control().then(|| control_record(&batch)).flatten();
            self.push(stored, marker, None);
        }
        first.ok_or_else(|| "there is no whole batch in these bytes".to_owned())
    }

    pub(super) fn push(
        &mut self,
        mut stored: StoredBatch,
        marker: Option<ControlRecord>,
        limits: Option<SegmentLimits>,
    ) {
        stored.segment = self.active.take(&stored, limits);
        let header = &stored.header;
        if header.producer_id.is_some() {
            self.producers.remember(header, marker);
            match marker {
                Some(ControlRecord::Commit { .. }) => {
                    self.transactions.end(header.producer_id, header.last_offset, true)
                }
                Some(ControlRecord::Abort { .. }) => {
                    self.transactions.end(header.producer_id, header.last_offset, false)
                }
                _ if header.attributes.is_transactional() && !header.attributes.is_control() => {
                    self.transactions.begin(header.producer_id, header.base_offset);
                }
                _ => {}
            }
        }
        self.log_end = header.next_offset();
        let largest = self.batches.back().map_or(UnixMillis::NONE, |batch| batch.largest_timestamp_so_far);
        stored.largest_timestamp_so_far = largest.max(header.max_timestamp);
        self.size_bytes += stored.len();
        self.batches.push_back(stored);
    }

    /// Reads from the batch that holds `offset`, up to `max_bytes` and to the offset `limit`; the last batch may be cut,
    /// as a broker cuts it. A read ends with the segment that it begins in.
    ///
    /// The first batch is given whole however large it is if `at_least_one` (KIP-74); else a first batch that does
    /// not fit gives nothing.
    pub(crate) fn read(&self, offset: Offset, max_bytes: usize, at_least_one: bool, limit: Offset) -> Slice {
        let from = self.batches.partition_point(|batch| batch.header.last_offset < offset);
        let segment = self.batches.get(from).map(|batch| batch.segment);
        let mut rope = Rope::default();
        let readable =
            |batch: &&StoredBatch| batch.header.base_offset < limit && Some(batch.segment) == segment;
        for batch in self.batches.range(from..).take_while(readable) {
            let room = max_bytes.saturating_sub(rope.len);
            if rope.len == 0 && batch.len() > room && !at_least_one {
                break;
            }
            let room = if rope.len == 0 { room.max(batch.len()) } else { room };
            rope.push_up_to(batch, room);
            if batch.len() >= room {
                break;
            }
        }
        let (records, len) = rope.finish();
        Slice { records, len }
    }

    /// How many bytes a read from `offset` up to `limit` finds, counting no further than `enough`.
    pub(crate) fn readable_bytes(&self, offset: Offset, enough: usize, limit: Offset) -> usize {
        let from = self.batches.partition_point(|batch| batch.header.last_offset < offset);
        let segment = self.batches.get(from).map(|batch| batch.segment);
        let mut bytes = 0;
        for batch in self.batches.range(from..).take_while(|batch| batch.header.base_offset < limit) {
            if Some(batch.segment) != segment {
                // Nothing will be added to what a read from here gives.
                return enough;
            }
            bytes += batch.len();
            if bytes >= enough {
                break;
            }
        }
        bytes
    }

    /// Drops the records before `offset` (DeleteRecords); gives the new start.
    pub(crate) fn delete_before(&mut self, offset: Offset) -> Offset {
        self.log_start = self.log_start.max(offset.min(self.log_end));
        while self.batches.front().is_some_and(|batch| batch.header.last_offset < self.log_start) {
            if let Some(gone) = self.batches.pop_front() {
                self.size_bytes -= gone.len();
            }
        }
        self.index_times();
        self.recount_active();
        self.epochs.truncate_front(self.log_start);
        self.transactions.truncate_front(self.log_start);
        self.log_start
    }

    /// Drops the records from `end` on, as an unclean leader does that never had them.
    pub(crate) fn truncate_to(&mut self, end: Offset) {
        let end = end.max(self.log_start);
        while self.batches.back().is_some_and(|batch| batch.header.last_offset >= end) {
            if let Some(gone) = self.batches.pop_back() {
                self.size_bytes -= gone.len();
            }
        }
        let last = self.batches.back().map_or(self.log_start, |batch| batch.header.next_offset());
        self.log_end = self.log_end.min(end).min(last.max(self.log_start));
        self.cleaned_to = self.cleaned_to.min(self.log_end);
        self.active.number = self.batches.back().map_or(self.active.number, |batch| batch.segment);
        self.recount_active();
        self.epochs.truncate_back(self.log_end);
        self.transactions.truncate_back(self.log_end);
        self.recall_producers();
    }

    /// Reads the producers' states anew from the batches that are left, as a broker does after it has truncated.
    fn recall_producers(&mut self) {
        let mut recalled = ProducerStates::default();
        for batch in self.batches.iter().filter(|batch| batch.header.producer_id.is_some()) {
            let is_control = batch.header.attributes.is_control();
            let marker = is_control.then(|| opened(batch)).flatten().as_ref().and_then(control_record);
            recalled.remember(&batch.header, marker);
        }
        // Of those whose batches were deleted, what was remembered stays.
        self.producers.truncate_back(self.log_end);
        self.producers.replace_with(recalled);
    }

    /// A leader of a new epoch writes from here on.
    pub(crate) fn begin_epoch(&mut self, epoch: LeaderEpoch) {
        self.epochs.assign(epoch, self.log_end);
    }

    /// Forgets all producers, as a broker does whose state expired.
    pub(crate) fn forget_producers(&mut self) {
        self.producers.clear();
    }

    /// Takes the batches that compaction has left; offsets and what is remembered of producers stay.
    pub(super) fn replace_batches(&mut self, batches: Vec<StoredBatch>, cleaned_to: Offset) {
        self.size_bytes = batches.iter().map(StoredBatch::len).sum();
        self.batches = batches.into();
        self.cleaned_to = cleaned_to;
        self.index_times();
        self.recount_active();
    }

    /// Whether a batch is the last that its producer wrote, by which its sequence is known.
    pub(super) fn is_last_of_producer(&self, header: &BatchHeader) -> bool {
        header.producer_id.is_some() && self.producers.is_last(header)
    }

    fn index_times(&mut self) {
        let mut largest = UnixMillis::NONE;
        for batch in &mut self.batches {
            largest = largest.max(batch.header.max_timestamp);
            batch.largest_timestamp_so_far = largest;
        }
    }

    /// The first offset that still exists.
    pub(crate) fn log_start(&self) -> Offset {
        self.log_start
    }

    /// The offset that the next record gets.
    pub(crate) fn log_end(&self) -> Offset {
        self.log_end
    }

    /// Where readers stop: the log's end, unless a follower that is in sync holds it back.
    pub(crate) fn high_watermark(&self) -> Offset {
        self.held_back_to.unwrap_or(self.log_end).min(self.log_end)
    }

    /// Where readers of committed records stop: the first record of a transaction whose end is not known to all replicas.
    pub(crate) fn last_stable_offset(&self) -> Offset {
        self.stable_below(self.high_watermark())
    }

    /// The last stable offset of a replica with this high watermark. An open transaction whose first records were
    /// deleted holds readers back where the log begins (Kafka's `maybeIncrementFirstUnstableOffset`).
    pub(super) fn stable_below(&self, high_watermark: Offset) -> Offset {
        let unstable = self.transactions.first_unstable(high_watermark);
        unstable.map_or(high_watermark, |first| first.max(self.log_start).min(high_watermark))
    }

    /// Keeps the high watermark from rising above an offset, or lets it follow the log's end.
    pub(crate) fn hold_back(&mut self, to: Option<Offset>) {
        self.held_back_to = to;
    }

    /// The largest offset up to `offset` at which a batch begins or the log ends.
    pub(crate) fn batch_boundary(&self, offset: Offset) -> Offset {
        let at = self.batches.partition_point(|batch| batch.header.last_offset < offset);
        self.batches.get(at).map_or(self.log_end, |batch| batch.header.base_offset).min(offset)
    }

    /// The bytes of all batches.
    pub(crate) fn size_bytes(&self) -> usize {
        self.size_bytes
    }

    pub(crate) fn epochs(&self) -> &EpochCache {
        &self.epochs
    }

    pub(crate) fn batches(&self) -> &VecDeque<StoredBatch> {
        &self.batches
    }

    /// The producers that are remembered.
    pub(crate) fn producers(&self) -> impl Iterator<Item = SeenProducer> {
        self.producers.all()
    }

    /// Where a producer's open transaction begins.
    pub(crate) fn transaction_start(&self, producer_id: ProducerId) -> Option<Offset> {
        self.transactions.start_of(producer_id)
    }

    /// The epoch in which a producer has written here, if it is newer than this one.
    pub(super) fn newer_epoch(&self, producer_id: ProducerId, epoch: ProducerEpoch) -> Option<ProducerEpoch> {
        self.producers.epoch_of(producer_id).filter(|newest| *newest > epoch)
    }

    /// Up to which offset Kafka takes a read of `len` bytes from `offset` to go, by the sparse index of the segment that
    /// the read begins in, or the next segment; none where it goes to the end of the log.
    ///
    /// So a reader may be told of aborted transactions that begin behind what it was given.
    pub(super) fn index_bound(&self, offset: Offset, len: usize) -> Option<Offset> {
        let first = self.batches.partition_point(|batch| batch.header.last_offset < offset);
        let segment = self.batches.get(first)?.segment;
        let begin = self.batches.partition_point(|batch| batch.segment < segment);
        let end = begin + self.batches.range(begin..).take_while(|batch| batch.segment == segment).count();
        let read_to = self.batches.range(begin..first).map(StoredBatch::len).sum::<usize>() + len;
        let (mut position, mut since_entry, mut is_first_entry) = (0, 0, true);
        for batch in self.batches.range(begin..end) {
            if since_entry > INDEX_INTERVAL_BYTES {
                // Kafka's binary search passes over a first entry that is the very place (`AbstractIndex`).
                if position > read_to || (position == read_to && !is_first_entry) {
                    return Some(batch.header.last_offset);
                }
                (since_entry, is_first_entry) = (0, false);
            }
            position += batch.len();
            since_entry += batch.len();
        }
        self.batches.get(end).map(|batch| batch.header.base_offset)
    }

    /// The sequence that the next batch of a producer has to begin with.
    pub(crate) fn next_sequence(&self, producer_id: ProducerId, epoch: ProducerEpoch) -> Sequence {
        self.producers.next_sequence(producer_id, epoch)
    }

    pub(super) fn aborted_between(
        &self,
        from: Offset,
        to: Offset,
        log_end: Offset,
    ) -> impl Iterator<Item = AbortedTransaction> {
        self.transactions.aborted_between(from, to, log_end)
    }
}

fn opened(stored: &StoredBatch) -> Option<Batch> {
    Batches::new(stored.to_bytes(), ReadOptions::default().check_crcs(false)).next()?.ok()
}

fn control_record(batch: &Batch) -> Option<ControlRecord> {
    let records = batch.records(&mut CompressionScratch::new()).ok()?;
    let record = records.iter().next()?.ok()?;
    ControlRecord::parse(&record)
}

fn refusal_text(error: ErrorCode, header: &BatchHeader) -> String {
    let (id, epoch, sequence) = (header.producer_id, header.producer_epoch, header.base_sequence);
    if error == ErrorCode::INVALID_PRODUCER_EPOCH {
        format!("Epoch of producer {id} is {epoch}, which is smaller than the last seen epoch")
    } else {
        format!("Out of order sequence number for producer {id} with epoch {epoch}: {sequence}")
    }
}

/// Pieces of batches, small ones joined.
#[derive(Default)]
struct Rope {
    records: Records,
    open: BytesMut,
    len: usize,
}

impl Rope {
    fn push_up_to(&mut self, batch: &StoredBatch, room: usize) {
        let mut room = room;
        for segment in batch.segments() {
            let taken = segment.len().min(room);
            room -= taken;
            self.len += taken;
            if taken < JOINED_BYTES {
                self.open.extend_from_slice(segment.get(..taken).unwrap_or_default());
            } else {
                self.close();
                self.records.push(segment.slice(..taken));
            }
        }
    }

    fn close(&mut self) {
        if !self.open.is_empty() {
            self.records.push(self.open.split().freeze());
        }
    }

    fn finish(mut self) -> (Records, usize) {
        self.close();
        (self.records, self.len)
    }
}
