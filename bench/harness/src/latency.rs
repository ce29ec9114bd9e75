//! Ages of records, end to end: the value begins with the time at which it was made.

use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result};

use crate::Parameters;

/// A value of `size` bytes, eight at least, that says when it was made.
pub fn stamped(size: usize) -> Vec<u8> {
    let mut value = vec![b'x'; size.max(STAMP_BYTES)];
    if let Some(stamp) = value.first_chunk_mut::<STAMP_BYTES>() {
        *stamp = now_nanos().to_le_bytes();
    }
    value
}

/// How long ago a value was made.
///
/// # Errors
/// It is shorter than a stamp.
pub fn age_micros(value: Option<&[u8]>) -> Result<f64> {
    let stamp =
        value.and_then(|value| value.first_chunk::<STAMP_BYTES>()).context("a value without a stamp")?;
    Ok(now_nanos().saturating_sub(u64::from_le_bytes(*stamp)) as f64 / 1e3)
}

/// Collects the ages that count.
#[derive(Debug)]
pub struct Latencies {
    skip: u64,
    wanted: u64,
    ages: Vec<f64>,
}

impl Latencies {
    /// Leaves out the warm-up and the record that made the connections.
    pub fn new(parameters: &Parameters) -> Self {
        Self { skip: parameters.warmup + 1, wanted: parameters.records, ages: Vec::new() }
    }

    /// Takes a record; whether more are wanted.
    ///
    /// # Errors
    /// The value has no stamp.
    pub fn take(&mut self, value: Option<&[u8]>) -> Result<bool> {
        let age = age_micros(value)?;
        match self.skip.checked_sub(1) {
            Some(left) => self.skip = left,
            None => self.ages.push(age),
        }
        Ok(self.more())
    }

    /// Whether more records are wanted.
    pub fn more(&self) -> bool {
        (self.ages.len() as u64) < self.wanted
    }

    /// The ages in microseconds.
    pub fn finish(self) -> Vec<f64> {
        self.ages
    }
}

fn now_nanos() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_nanos() as u64)
}

const STAMP_BYTES: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[test]
    fn the_warm_up_and_the_first_record_do_not_count() -> Result<()> {
        let parameters = Parameters::parse_from([
            "driver",
            "--client",
            "a",
            "--brokers",
            "b",
            "--records",
            "2",
            "--warmup",
            "1",
        ]);
        let mut latencies = Latencies::new(&parameters);
        let value = stamped(3);
        let more = (0..4).map(|_| latencies.take(Some(&value))).collect::<Result<Vec<_>>>()?;
        assert_eq!(more, [true, true, true, false]);
        assert_eq!(latencies.finish().len(), 2);
        Ok(())
    }

    #[test]
    fn a_value_without_a_stamp_is_an_error() {
        assert!(age_micros(None).is_err());
        assert!(age_micros(Some(b"1234567")).is_err());
    }
}
