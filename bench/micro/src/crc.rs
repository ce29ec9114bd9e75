//! Checksums, and the copy that they are compared with.

use std::hint::black_box;

use anyhow::{Result, ensure};
use crc_fast::{CrcAlgorithm, checksum};

use crate::timing::{best, row};

pub(crate) fn measure() -> Result<()> {
    // The last does not fit into a cache.
    for size in [1024, 4 << 10, 16 << 10, 128 << 10, 1 << 20, 64 << 20] {
        let data: Vec<u8> = (0..size).map(|i| (i * 31 + i / 7) as u8).collect();
        let (ours, other) = (checksum(CrcAlgorithm::Crc32Iscsi, &data), crc32c::crc32c(&data));
        ensure!(ours == u64::from(other), "the two CRC-32C differ");
        let rate = |seconds: f64| size as f64 / seconds / 1e9;
        let secs = best(|| {
            black_box(crc32c::crc32c(black_box(&data)));
        });
        row("crc", "crc32c", size, rate(secs), "GB/s");
        let secs = best(|| {
            black_box(checksum(CrcAlgorithm::Crc32Iscsi, black_box(&data)));
        });
        row("crc", "crc-fast", size, rate(secs), "GB/s");
        let secs = best(|| {
            black_box(crc32fast::hash(black_box(&data)));
        });
        row("crc", "crc32fast (IEEE)", size, rate(secs), "GB/s");
        let mut copy = vec![0; size];
        let secs = best(|| {
            copy.copy_from_slice(black_box(&data));
            black_box(&mut copy);
        });
        row("crc", "memcpy", size, rate(secs), "GB/s");
    }
    Ok(())
}
