//! The mean of a value per key and window.
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

use anyhow::Context;

/// Sums by key and window.
pub(crate) struct Windows {
    length_ms: i64,
    sums: BTreeMap<(String, i64), Sum>,
}

#[derive(Clone, Copy, Default)]
pub(crate) struct Sum {
    pub(crate) count: u64,
    total: f64,
}

impl Sum {
    pub(crate) fn mean(self) -> f64 {
        self.total / self.count as f64
    }
}

impl Windows {
    pub(crate) fn of_length(length_ms: i64) -> Self {
        Self { length_ms, sums: BTreeMap::new() }
    }

    /// Adds a value to its window; windows are aligned to 1970-01-01T00:00:00Z.
    pub(crate) fn add(&mut self, key: &str, time_ms: i64, value: f64) {
        let start = time_ms.div_euclid(self.length_ms) * self.length_ms;
        let sum = self.sums.entry((key.to_owned(), start)).or_default();
        sum.count += 1;
        sum.total += value;
    }

    pub(crate) fn len(&self) -> usize {
        self.sums.len()
    }

    /// Key, window start in milliseconds, and sum, by key and time.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, i64, Sum)> {
        self.sums.iter().map(|((key, start), sum)| (key.as_str(), *start, *sum))
    }

    /// Writes one line of JSON a window.
    pub(crate) fn write_to(&self, path: &Path) -> anyhow::Result<()> {
        let write = || -> anyhow::Result<()> {
            let mut out = BufWriter::new(File::create(path)?);
            for (key, start, sum) in self.iter() {
                let line = serde_json::json!({
                    "key": key,
                    "window_start": rfc3339(start)?,
                    "window_end": rfc3339(start.saturating_add(self.length_ms))?,
                    "count": sum.count,
                    "mean": sum.mean(),
                });
                writeln!(out, "{line}")?;
            }
            Ok(out.flush()?)
        };
        write().with_context(|| format!("cannot write {}", path.display()))
    }
}

pub(crate) fn rfc3339(ms: i64) -> anyhow::Result<String> {
    Ok(jiff::Timestamp::from_millisecond(ms)?.to_string())
}
