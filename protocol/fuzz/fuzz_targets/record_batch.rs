//! Record batches of every magic and codec.
#![no_main]

#[path = "../src/record_batch.rs"]
mod record_batch;

use courant_protocol::compression::CompressionScratch;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    record_batch::run(bytes, 1 << 20, &mut CompressionScratch::new());
});
