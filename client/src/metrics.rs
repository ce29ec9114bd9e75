//! What clients count about themselves, in a form that costs next to nothing to keep.

/// Something that was measured again and again: how often, what it came to, and the most it ever was.
///
/// It counts from the start of its client. Two snapshots tell what was in between: the difference of their sums over the
/// difference of their counts.
///
/// ```
/// use courant_client::Measured;
///
/// let mut latency = Measured::default();
/// assert_eq!(latency.average(), None);
/// latency.record(2.0);
/// latency.record(6.0);
/// assert_eq!((latency.average(), latency.max()), (Some(4.0), Some(6.0)));
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Measured {
    count: u64,
    sum: f64,
    max: f64,
}

impl Measured {
    /// Adds a value, which is not negative.
    pub fn record(&mut self, value: f64) {
        self.count += 1;
        self.sum += value;
        self.max = self.max.max(value);
    }

    /// How often it was measured.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// All values together.
    pub fn sum(&self) -> f64 {
        self.sum
    }

    /// Their average, unless there is none.
    pub fn average(&self) -> Option<f64> {
        // Counts stay far below 2^53.
        (self.count > 0).then(|| self.sum / self.count as f64)
    }

    /// The largest of them, unless there is none.
    pub fn max(&self) -> Option<f64> {
        (self.count > 0).then_some(self.max)
    }
}
