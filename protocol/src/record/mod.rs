//! Record batches: what a partition's log, a Produce request and a Fetch response are made of.
//!
//! ```text
//! write:  BatchWriter::append ×n ─► seal (compress once, CRC of the body) ─► SealedBatch ─► header(Stamp) + body
//! read:   Batches(bytes) ─► Batch (header, CRC checked) ─► records(scratch) ─► BatchRecords ─► RecordView, borrowed
//! ```
//!
//! The layout of a batch, magic 2 (KIP-98), in big-endian:
//!
//! | at | field | type | covered by the CRC |
//! |---|---|---|---|
//! | 0 | base offset | i64 | no |
//! | 8 | length of what follows | i32 | no |
//! | 12 | partition leader epoch | i32 | no |
//! | 16 | magic | i8 | no |
//! | 17 | CRC-32C of what follows | u32 | no |
//! | 21 | attributes: codec 0–2, LogAppendTime 3, transactional 4, control 5, delete horizon 6 | i16 | yes |
//! | 23 | last offset delta | i32 | yes |
//! | 27 | base timestamp, or the delete horizon | i64 | yes |
//! | 35 | max timestamp | i64 | yes |
//! | 43 | producer id | i64 | yes |
//! | 51 | producer epoch | i16 | yes |
//! | 53 | base sequence | i32 | yes |
//! | 57 | number of records | i32 | yes |
//! | 61 | records, compressed as a whole | | yes |
//!
//! Appending costs one copy of key and value and no allocation. A sealed batch keeps its body and the body's CRC;
//! the 61 bytes of the header are made for each attempt, so a retry with another epoch or sequence neither touches
//! nor copies the body. Reading borrows: a record is a view of the batch's bytes, decompressed once per batch.
mod batch;
mod batch_reader;
mod batch_writer;
mod compaction;
pub mod control;
mod crc;
mod error;
mod header;
mod legacy;
mod sealed;
mod span;
mod varint;
mod view;

pub use batch::{Batch, BatchRecords, RecordIter, RecordMark};
pub use batch_reader::{Batches, ReadOptions};
pub use batch_writer::{
    AppendError, BatchWriter, NO_HEADERS, SealError, WriterOptions, record_size_upper_bound,
};
pub use error::RecordError;
pub use header::{
    Attributes, BATCH_OVERHEAD, BatchHeader, patch_base_offset_and_epoch, patch_log_append_time,
};
pub use sealed::{SealedBatch, Stamp};
pub use span::RecordSpan;
pub use view::{Header, Headers, RecordView};
