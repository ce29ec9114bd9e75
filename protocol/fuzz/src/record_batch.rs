//! Everything that a reader of record batches does with bytes from a peer.
//!
//! The fuzz target runs it on what the fuzzer makes up; a test of the crate runs it on the corpus.
use courant_protocol::compression::CompressionScratch;
use courant_protocol::record::control::ControlRecord;
use courant_protocol::record::{BatchHeader, BatchRecords, Batches, ReadOptions};

/// Reads `bytes` as batches, with unchecked checksums, so that mutated bytes get past them, and gives how many
/// records there were.
pub(crate) fn run(bytes: &[u8], max_decompressed_bytes: usize, scratch: &mut CompressionScratch) -> usize {
    let _ = BatchHeader::parse(bytes);
    let options = ReadOptions::default().check_crcs(false).max_decompressed_bytes(max_decompressed_bytes);
    let mut seen = 0;
    for batch in Batches::new(bytes.to_vec(), options).flatten() {
        let _ = batch.check_crc();
        let header = batch.header();
        let _ = (header.next_offset(), header.last_sequence(), header.delete_horizon());
        if let Ok(records) = batch.records(scratch) {
            let _ = records.validate();
            seen += read(&records);
        }
    }
    seen
}

fn read(records: &BatchRecords) -> usize {
    let mut seen = 0;
    for record in records.iter().flatten() {
        let again = records.view(&records.span(&record));
        assert_eq!((again.key, again.value), (record.key, record.value));
        assert!(again.headers().eq(record.headers()));
        let _ = (ControlRecord::parse(&record), records.header().sequence_of(record.offset));
        seen += 1;
    }
    seen
}
