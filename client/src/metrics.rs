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

    /// Adds a time, in milliseconds.
    pub fn record_millis(&mut self, time: std::time::Duration) {
        self.record(time.as_secs_f64() * 1000.0);
    }

    /// What was measured elsewhere counts as measured here.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self { count: self.count + other.count, sum: self.sum + other.sum, max: self.max.max(other.max) }
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

/// What went over a connection, from its first request on.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Traffic {
    /// Bytes of a request, with its size; those of a request count once it is queued.
    pub request_size: Measured,
    /// Responses that have come.
    pub response_total: u64,
    /// Their bytes, with their sizes.
    pub response_bytes_total: u64,
}

impl Traffic {
    pub(crate) fn note_request(&mut self, bytes: usize) {
        self.request_size.record(bytes as f64);
    }

    pub(crate) fn note_response(&mut self, bytes: usize) {
        self.response_total += 1;
        self.response_bytes_total += bytes as u64;
    }

    /// Both together: that of an earlier connection to the same broker, and of this one.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self {
            request_size: self.request_size.and(other.request_size),
            response_total: self.response_total + other.response_total,
            response_bytes_total: self.response_bytes_total + other.response_bytes_total,
        }
    }
}
