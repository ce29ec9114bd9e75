//! Values and keys, made before anything is measured.

use crate::Parameters;

/// The values and keys of a run. Their numbers are powers of two.
#[derive(Clone, Debug)]
pub struct Pool {
    values: Vec<Vec<u8>>,
    keys: Vec<Vec<u8>>,
}

impl Pool {
    /// Makes them.
    pub fn new(parameters: &Parameters) -> Self {
        // More distinct bytes per partition than lz4's window of 64 KiB.
        let values = if parameters.value_size < 512 { 8192 } else { 1024 };
        Self {
            values: (0..values).map(|index| json_value(index, parameters.value_size)).collect(),
            keys: (0..KEYS).map(|index| key(index, parameters.key_size)).collect(),
        }
    }

    /// The values as something else, made once.
    pub fn values<T: From<Vec<u8>>>(&self) -> Ring<T> {
        Ring(self.values.iter().cloned().map(T::from).collect())
    }

    /// The keys as something else, made once.
    pub fn keys<T: From<Vec<u8>>>(&self) -> Ring<T> {
        Ring(self.keys.iter().cloned().map(T::from).collect())
    }
}

/// Things that are used in turn.
#[derive(Clone, Debug)]
pub struct Ring<T>(Vec<T>);

impl<T> Ring<T> {
    /// The one whose turn it is.
    #[inline]
    pub fn at(&self, index: usize) -> &T {
        // A power of two, so that finding one costs next to nothing.
        &self.0[index & (self.0.len() - 1)]
    }
}

/// JSON of exactly `size` bytes, deterministic, and as compressible as logs are.
pub fn json_value(index: usize, size: usize) -> Vec<u8> {
    use std::fmt::Write;

    let i = index as u64;
    let event = ["click", "view", "purchase", "refund"][index % 4];
    let mut text = format!(
        "{{\"id\":{i},\"user\":\"user-{:05}\",\"event\":\"{event}\",\"ts\":{},\"amount\":{}.{:02},\"tags\":[",
        (i * 7919) % 20011,
        1_700_000_000_000 + i * 37,
        (i * 31) % 997,
        (i * 17) % 100
    );
    let mut random = i.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    while text.len() < size {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        let word = ["alpha", "beta", "gamma", "delta"][(random & 3) as usize];
        // Writing into a string does not fail.
        let _ = write!(text, "\"{word}-{:x}\",", (random >> 8) & 0xffff);
    }
    text.truncate(size);
    text.into_bytes()
}

/// A key of digits.
fn key(index: u64, size: usize) -> Vec<u8> {
    format!("{:0size$}", index.wrapping_mul(2_654_435_761) % 1_000_000_007).into_bytes()
}

/// How many keys there are.
const KEYS: u64 = 4096;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_have_the_size_and_the_bytes_that_every_driver_writes() {
        let value = json_value(5, 100);
        assert_eq!(
            String::from_utf8_lossy(&value),
            "{\"id\":5,\"user\":\"user-19584\",\"event\":\"view\",\"ts\":1700000000185,\"amount\":155.85,\"tags\":[\"beta-f8be\",\"a"
        );
        assert_eq!(json_value(1023, 1024).len(), 1024);
    }

    #[test]
    fn keys_have_the_size() {
        assert_eq!(key(4095, 16).len(), 16);
    }
}
