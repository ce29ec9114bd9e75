//! A fetched stretch of one partition's log on its way to the application: opened batch by batch, handed out in slices.
//!
//! Cost: a batch is checked and decompressed when its first record is asked for, so that what waits stays compressed.
//! A slice shares the batch's bytes; nothing is allocated or copied per record.
use std::ops::Range;
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use courant_protocol::compression::CompressionScratch;
use courant_protocol::record::control::ControlRecord;
use courant_protocol::record::{
    Batch, BatchHeader, BatchRecords, Batches, ReadOptions, RecordError, RecordMark,
};
use courant_protocol::types::{Offset, TopicPartition};

use super::isolation::{AbortedTransactions, BatchOrigin};
use super::position::{Position, Token};
use crate::error::{Error, ErrorKind};

/// How batches are read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ReadRules {
    pub(crate) check_crcs: bool,
    /// Whether control records are handed out.
    pub(crate) keeps_control_records: bool,
    pub(crate) max_decompressed_bytes: usize,
    /// How much memory the batches of one poll may need beyond what was fetched before no further one is opened.
    pub(crate) max_surplus_bytes: usize,
}

/// Records of one batch, in a row.
#[derive(Clone, Debug)]
pub(crate) struct Slice {
    pub(crate) partition: TopicPartition,
    pub(crate) records: BatchRecords,
    /// The token under which it was fetched, and is handed out.
    pub(crate) token: Token,
    /// Where the first one stands.
    pub(crate) from: RecordMark,
    pub(crate) count: usize,
    shared: OnceLock<Arc<SharedBatch>>,
}

/// What the records share that outlive their slice.
#[derive(Debug)]
pub(crate) struct SharedBatch {
    pub(crate) partition: TopicPartition,
    pub(crate) records: BatchRecords,
    pub(crate) token: Token,
}

impl Slice {
    /// One allocation for all of its records that are kept, and none where none is.
    #[inline]
    pub(crate) fn shared(&self) -> &Arc<SharedBatch> {
        self.shared.get_or_init(|| {
            let (partition, records) = (self.partition.clone(), self.records.clone());
            Arc::new(SharedBatch { partition, records, token: self.token })
        })
    }

    /// One of the same batch that begins elsewhere, with no record yet.
    pub(crate) fn begun_at(&self, from: RecordMark) -> Self {
        Self { from, count: 0, ..self.clone() }
    }

    /// The offsets of its records, in runs without a gap. Compaction leaves gaps, and they are nobody's to finish.
    pub(crate) fn runs(&self) -> impl Iterator<Item = Range<Offset>> {
        let mut records = self.records.iter_from(self.from).map_while(Result::ok).take(self.count).peekable();
        std::iter::from_fn(move || {
            let start = records.next()?.offset;
            let mut end = behind(start);
            while records.next_if(|record| record.offset == end).is_some() {
                end = behind(end);
            }
            Some(start..end)
        })
    }
}

fn behind(offset: Offset) -> Offset {
    Offset(offset.0.saturating_add(1))
}

/// What a poll has gathered so far.
#[derive(Debug, Default)]
pub(crate) struct Taken {
    pub(crate) slices: Vec<Slice>,
    pub(crate) records: usize,
    /// What interceptors have left out.
    pub(crate) left_out: Vec<Slice>,
    /// The memory of batches that were handed out to their end.
    pub(crate) bytes: usize,
    /// What decompressing has added to the memory that was counted when they were fetched.
    surplus_bytes: usize,
}

impl Taken {
    /// Whether a poll goes on gathering. However large a batch is, one is handed out.
    pub(crate) fn has_room(&self, max_records: usize, rules: &ReadRules) -> bool {
        self.records < max_records && (self.records == 0 || self.surplus_bytes < rules.max_surplus_bytes)
    }
}

/// What one fetch brought for one partition, as far as it was not handed out yet.
#[derive(Debug)]
pub(crate) struct Stretch {
    pub(crate) token: Token,
    batches: Batches,
    /// `read_committed`: the transactions to leave out.
    aborted: Option<AbortedTransactions>,
    /// A batch that was taken out of `batches` and not opened yet, or that cannot be.
    pending: Option<Batch>,
    open: Option<Open>,
    rules: ReadRules,
}

/// The batch that is being handed out.
#[derive(Debug)]
struct Open {
    records: BatchRecords,
    mark: RecordMark,
    /// Behind the last offset that the batch was written with: compaction may have removed the records before it.
    end: Position,
    /// The memory of its records, decompressed.
    bytes: usize,
    /// How much more that is than was fetched.
    surplus_bytes: usize,
    /// As it was fetched.
    raw: Bytes,
}

/// Where a stretch ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum StretchEnd {
    /// The next fetch begins here.
    At(Offset),
    /// There is no whole batch; the first needs this many bytes.
    TooSmall(usize),
    /// The first batch cannot be read: nothing is fetched until the position has come to it.
    Unreadable,
    /// There is nothing at all.
    Empty,
}

impl Stretch {
    /// Takes the records of a fetch answer; says where they end, and how many there are. Only headers are looked at.
    pub(crate) fn new(
        token: Token,
        bytes: Bytes,
        aborted: Option<AbortedTransactions>,
        rules: ReadRules,
    ) -> (Self, StretchEnd, u64) {
        // The checksum is compared when a batch is opened: that error must know where the batch ends.
        let options =
            ReadOptions::default().check_crcs(false).max_decompressed_bytes(rules.max_decompressed_bytes);
        let batches = Batches::new(bytes, options);
        let (end, records) = end_of(batches.clone(), rules.keeps_control_records);
        (Self { token, batches, aborted, pending: None, open: None, rules }, end, records)
    }

    /// The memory that it holds.
    pub(crate) fn bytes(&self) -> usize {
        let pending = self.pending.as_ref().map_or(0, |batch| batch.header().size_bytes);
        let open = self.open.as_ref().map_or(0, |open| open.bytes);
        self.batches.remaining_bytes() + pending + open
    }

    /// Whether nothing of it is left.
    pub(crate) fn is_used_up(&self) -> bool {
        self.open.is_none() && self.pending.is_none() && self.batches.remaining_bytes() == 0
    }

    /// Hands out up to `max_records` records from `position` on, which moves behind them; fewer where decompressing needs
    /// much memory.
    ///
    /// # Errors
    /// A batch that cannot be read; what stands before it was handed out, and the position stands at it. It is an
    /// error again the next time.
    pub(crate) fn take(
        &mut self,
        partition: &TopicPartition,
        position: &mut Position,
        max_records: usize,
        scratch: &mut CompressionScratch,
        taken: &mut Taken,
    ) -> Result<(), Error> {
        while taken.has_room(max_records, &self.rules) {
            if self.open.is_none() && !self.open_next(partition, position, scratch)? {
                break;
            }
            let Some(open) = &mut self.open else { continue };
            let slice = open.take(partition, self.token, position, max_records - taken.records)?;
            if slice.count > 0 {
                taken.records += slice.count;
                taken.surplus_bytes += open.surplus_bytes;
                taken.slices.push(slice);
            }
            if *position == open.end {
                taken.bytes += open.bytes;
                self.open = None;
            }
        }
        Ok(())
    }

    /// Opens the next batch that has something to hand out; false at the end. Batches without go by.
    fn open_next(
        &mut self,
        partition: &TopicPartition,
        position: &mut Position,
        scratch: &mut CompressionScratch,
    ) -> Result<bool, Error> {
        loop {
            if self.pending.is_none() {
                self.pending = match self.batches.next() {
                    None => return Ok(false),
                    Some(Ok(batch)) => Some(batch),
                    Some(Err(error)) => {
                        let (raw, end) = first_of(self.batches.unreadable());
                        let end = end.filter(|end| *end > position.offset);
                        return Err(corrupt(partition, *position, end, raw, error));
                    }
                };
            }
            let Some(batch) = self.pending.clone() else { return Ok(false) };
            let header = *batch.header();
            let end = Position::after(Offset(header.last_offset.0.saturating_add(1)), header.leader_epoch);
            // A fetch answers with whole batches: the first ones may lie before the position.
            if end.offset <= position.offset {
                self.pending = None;
                continue;
            }
            let failed =
                |error| corrupt(partition, *position, Some(end.offset), batch.bytes().clone(), error);
            if self.rules.check_crcs {
                batch.check_crc().map_err(failed)?;
            }
            let is_control = header.attributes.is_control();
            // What was aborted is not even decompressed. (Asking twice for a batch that then fails changes nothing.)
            if !is_control && self.leaves_out(&header, None) {
                (self.pending, *position) = (None, end);
                continue;
            }
            let records = batch.records(scratch).map_err(failed)?;
            if is_control {
                self.leaves_out(&header, Some(&records));
                if !self.rules.keeps_control_records {
                    (self.pending, *position) = (None, end);
                    continue;
                }
            }
            self.pending = None;
            let bytes = records.body().len();
            let surplus_bytes = bytes.saturating_sub(header.size_bytes);
            let raw = batch.bytes().clone();
            self.open = Some(Open { records, mark: RecordMark::default(), end, bytes, surplus_bytes, raw });
            return Ok(true);
        }
    }
}

impl Stretch {
    /// Whether `read_committed` leaves the batch out; `marker` holds the record of a control batch.
    fn leaves_out(&mut self, header: &BatchHeader, marker: Option<&BatchRecords>) -> bool {
        let Some(aborted) = &mut self.aborted else { return false };
        let control = marker
            .and_then(|records| records.iter().next()?.ok())
            .and_then(|record| ControlRecord::parse(&record));
        aborted.leaves_out(BatchOrigin {
            last_offset: header.last_offset,
            producer_id: header.producer_id,
            transactional: header.attributes.is_transactional(),
            abort_marker: matches!(control, Some(ControlRecord::Abort { .. })),
        })
    }
}

impl Open {
    fn take(
        &mut self,
        partition: &TopicPartition,
        token: Token,
        position: &mut Position,
        max: usize,
    ) -> Result<Slice, Error> {
        let mut slice = Slice {
            partition: partition.clone(),
            records: self.records.clone(),
            token,
            from: self.mark,
            count: 0,
            shared: OnceLock::new(),
        };
        let mut records = self.records.iter_from(self.mark);
        while slice.count < max {
            let before = records.mark(&self.records);
            match records.next() {
                Some(Ok(record)) if record.offset < position.offset && slice.count == 0 => {
                    slice.from = records.mark(&self.records);
                }
                Some(Ok(record)) => {
                    slice.count += 1;
                    *position =
                        Position::after(Offset(record.offset.0.saturating_add(1)), self.end.offset_epoch);
                }
                // What stands before a malformed record is good and goes first.
                Some(Err(_)) if slice.count > 0 => {
                    self.mark = before;
                    return Ok(slice);
                }
                Some(Err(error)) => {
                    let end = Some(self.end.offset);
                    return Err(corrupt(partition, *position, end, self.raw.clone(), error));
                }
                None => {
                    *position = self.end;
                    return Ok(slice);
                }
            }
        }
        self.mark = records.mark(&self.records);
        Ok(slice)
    }
}

/// The end of the last whole batch, and how many records there are, by headers alone.
fn end_of(mut batches: Batches, keeps_control_records: bool) -> (StretchEnd, u64) {
    let (mut end, mut records) = (StretchEnd::Empty, 0_u64);
    for batch in batches.by_ref() {
        // What cannot be read is an error when the position comes to it.
        let Ok(batch) = batch else {
            return (if end == StretchEnd::Empty { StretchEnd::Unreadable } else { end }, records);
        };
        let header = batch.header();
        end = StretchEnd::At(Offset(header.last_offset.0.saturating_add(1)));
        if keeps_control_records || !header.attributes.is_control() {
            records = records.saturating_add(u64::try_from(header.count).unwrap_or(0));
        }
    }
    match (end, batches.incomplete_batch_bytes()) {
        (StretchEnd::Empty, Some(size)) => (StretchEnd::TooSmall(size), records),
        (end, _) => (end, records),
    }
}

/// The first batch of these bytes, whose header cannot be, as far as its length can be believed, and the first offset of the
/// one behind it, where that was fetched as well.
fn first_of(bytes: &Bytes) -> (Bytes, Option<Offset>) {
    let length = bytes.get(8..LENGTH_END).and_then(|field| field.try_into().ok()).map(i32::from_be_bytes);
    let size = length
        .and_then(|length| usize::try_from(length).ok())
        .map(|length| length.saturating_add(LENGTH_END));
    let Some(size) = size.filter(|size| *size < bytes.len()) else { return (bytes.clone(), None) };
    let next = bytes.slice(size..).first_chunk().map(|field| Offset(i64::from_be_bytes(*field)));
    (bytes.slice(..size), next)
}

/// A batch begins with its base offset and the length of what follows.
const LENGTH_END: usize = 12;

/// The error for a batch that cannot be read; `end` is where the next one begins, where that is known.
fn corrupt(
    partition: &TopicPartition,
    position: Position,
    end: Option<Offset>,
    raw: Bytes,
    source: RecordError,
) -> Error {
    use courant_protocol::compression::CompressionError;
    let too_large =
        matches!(&source, RecordError::Compression { source: CompressionError::TooLarge { .. }, .. });
    let (kind, hint) = match too_large {
        true => (ErrorKind::RecordTooLarge, "raise max.decompressed.batch.bytes, or seek behind the batch"),
        false => (ErrorKind::CorruptRecord, "seek behind the batch to go on without it"),
    };
    let what = "a batch cannot be read";
    let error = Error::new(kind, what).at(partition).at_offset(position.offset).with_raw(raw);
    let error = error.hinting(hint).because(source);
    match end {
        Some(end) => error.resuming_at(end),
        None => error,
    }
}
