//! The checks that a batch passes before it is appended, in the order of Kafka's `UnifiedLog` and `LogValidator`.
use bytes::{Bytes, BytesMut};
use courant_protocol::compression::CompressionScratch;
use courant_protocol::error_code::ErrorCode;
use courant_protocol::record::{Batch, BatchHeader, patch_log_append_time};
use courant_protocol::types::{LeaderEpoch, Offset, UnixMillis};

use super::segments::SegmentLimits;

/// What the topic and the moment say about an append.
#[derive(Clone, Debug)]
pub(crate) struct AppendContext {
    /// The broker's clock.
    pub(crate) now: UnixMillis,
    /// The epoch in which the leader writes.
    pub(crate) leader_epoch: LeaderEpoch,
    /// `max.message.bytes`.
    pub(crate) max_message_bytes: usize,
    /// `message.timestamp.type=LogAppendTime`.
    pub(crate) log_append_time: bool,
    /// `message.timestamp.before.max.ms`.
    pub(crate) before_max_ms: i64,
    /// `message.timestamp.after.max.ms`.
    pub(crate) after_max_ms: i64,
    /// When the segment that is written to is closed.
    pub(crate) segments: SegmentLimits,
    /// Whether `cleanup.policy` names `compact`, so that every record needs a key.
    pub(crate) compacted: bool,
}

/// Where a batch lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Appended {
    pub(crate) base_offset: Offset,
    /// The broker's time where it stamped the batch.
    pub(crate) log_append_time: UnixMillis,
    /// Whether it lay there before.
    pub(crate) is_duplicate: bool,
}

/// Why a batch was not appended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) error: ErrorCode,
    pub(crate) message: Option<String>,
    /// The records at fault by their place in the batch, with what is wrong with each (KIP-467).
    pub(crate) records: Vec<(i32, String)>,
}

impl Refusal {
    pub(crate) fn new(error: ErrorCode, message: impl Into<String>) -> Self {
        Self { error, message: Some(message.into()), records: Vec::new() }
    }

    /// An error that says all by itself.
    pub(crate) fn unexplained(error: ErrorCode) -> Self {
        Self { error, message: None, records: Vec::new() }
    }
}

/// Checks a batch that a client sent; gives its bytes as they are to be stored, with their header.
pub(super) fn admit(batch: &Batch, context: &AppendContext) -> Result<(BatchHeader, Bytes), Refusal> {
    let header = *batch.header();
    if header.base_offset != Offset(0) {
        return Err(invalid(format!(
            "The baseOffset of the record batch should be 0, but it is {}",
            header.base_offset
        )));
    }
    if header.size_bytes > context.max_message_bytes {
        return Err(Refusal::new(
            ErrorCode::MESSAGE_TOO_LARGE,
            format!(
                "The record batch size is {} bytes which exceeds the maximum configured value of {}.",
                header.size_bytes, context.max_message_bytes
            ),
        ));
    }
    if batch.check_crc().is_err() {
        return Err(Refusal::unexplained(ErrorCode::CORRUPT_MESSAGE));
    }
    check_header(&header)?;
    if context.compacted {
        check_keys(batch)?;
    }
    if context.log_append_time {
        return stamped(batch, context.now);
    }
    check_time(batch, context)?;
    Ok((header, batch.bytes().clone()))
}

fn invalid(message: impl Into<String>) -> Refusal {
    Refusal::new(ErrorCode::INVALID_RECORD, message)
}

fn check_header(header: &BatchHeader) -> Result<(), Refusal> {
    let span = header.last_offset.0 - header.base_offset.0 + 1;
    if span != i64::from(header.count) {
        return Err(invalid(format!(
            "Inconsistent batch offset range: {} records over {span} offsets",
            header.count
        )));
    }
    if header.attributes.is_control() {
        return Err(invalid("Clients are not allowed to write control records"));
    }
    if header.producer_id.is_some() && !header.base_sequence.is_some() {
        return Err(invalid(format!("Invalid sequence number {} in record batch", header.base_sequence)));
    }
    match header.attributes.codec() {
        Ok(_) => Ok(()),
        Err(error) => Err(invalid(error.to_string())),
    }
}

/// Compaction keeps the last record of each key, so each needs one.
fn check_keys(batch: &Batch) -> Result<(), Refusal> {
    let mut refusal = invalid("One or more records have been rejected");
    let missing = "Compacted topic cannot accept message without key".to_owned();
    for_each_record(batch, |index, key, _| {
        if key.is_none() {
            refusal.records.push((index, missing.clone()));
        }
    })?;
    if refusal.records.is_empty() {
        return Ok(());
    }
    refusal.message = Some(format!(
        "One or more records have been rejected due to {} record errors in total",
        refusal.records.len()
    ));
    Err(refusal)
}

/// Records from too far ahead or behind are refused; a look at the header settles the usual case.
fn check_time(batch: &Batch, context: &AppendContext) -> Result<(), Refusal> {
    let earliest = context.now.0.saturating_sub(context.before_max_ms);
    let latest = context.now.0.saturating_add(context.after_max_ms);
    let header = batch.header();
    if header.max_timestamp.0 <= latest && context.before_max_ms >= context.now.0 {
        return Ok(());
    }
    let mut refusal = Refusal::unexplained(ErrorCode::INVALID_TIMESTAMP);
    for_each_record(batch, |index, _, timestamp| {
        if timestamp.is_some() && !(earliest..=latest).contains(&timestamp.0) {
            refusal
                .records
                .push((index, format!("Timestamp {timestamp} is out of range {earliest} to {latest}")));
        }
    })?;
    if refusal.records.is_empty() {
        return Ok(());
    }
    refusal.message = Some(format!(
        "One or more records have been rejected due to {} record errors in total",
        refusal.records.len()
    ));
    Err(refusal)
}

/// What a check sees of a record: its place in the batch, its key, its time.
type Check<'a> = dyn FnMut(i32, Option<&[u8]>, UnixMillis) + 'a;

fn for_each_record(
    batch: &Batch,
    mut check: impl FnMut(i32, Option<&[u8]>, UnixMillis),
) -> Result<(), Refusal> {
    let check: &mut Check<'_> = &mut check;
    let unreadable = |error: courant_protocol::record::RecordError| invalid(error.to_string());
    let records = batch.records(&mut CompressionScratch::new()).map_err(unreadable)?;
    for (index, record) in (0..).zip(&records) {
        let record = record.map_err(unreadable)?;
        check(index, record.key, record.timestamp);
    }
    Ok(())
}

/// The batch with the broker's time in its header (`message.timestamp.type=LogAppendTime`).
fn stamped(batch: &Batch, now: UnixMillis) -> Result<(BatchHeader, Bytes), Refusal> {
    let mut bytes = BytesMut::from(batch.bytes().as_ref());
    patch_log_append_time(&mut bytes, now);
    let header = BatchHeader::parse(&bytes).map_err(|error| invalid(error.to_string()))?;
    Ok((header, bytes.freeze()))
}
