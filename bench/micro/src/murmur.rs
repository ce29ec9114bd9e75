//! The hash of keys.

use std::hint::black_box;

use anyhow::Result;

use crate::timing::{best, row};

pub(crate) fn measure() -> Result<()> {
    for size in [16, 19] {
        let keys: Vec<Vec<u8>> = (0..4096).map(|i| format!("{:0size$}", i * 7919).into_bytes()).collect();
        let millions = keys.len() as f64 / 1e6;
        let secs = best(|| {
            let all = black_box(&keys).iter().fold(0, |all, key| all ^ murmur2::murmur2(key, SEED));
            black_box(all);
        });
        row("murmur", "murmur2", size, millions / secs, "M keys/s");
        let secs = best(|| {
            let partition = |key: &[u8]| (murmur2::murmur2(key, SEED) & 0x7fff_ffff) % 6;
            let all = black_box(&keys).iter().fold(0, |all, key| all ^ partition(key));
            black_box(all);
        });
        row("murmur", "murmur2 and partition", size, millions / secs, "M keys/s");
    }
    Ok(())
}

/// Kafka's seed.
const SEED: u32 = 0x9747_b28c;
