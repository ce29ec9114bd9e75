//! Windows of one size, aligned to 1970: tumbling and hopping.
use std::time::Duration;

use super::{Window, WindowCodec};

/// Windows of one size that follow each other without a gap: `[0, size)`, `[size, 2·size)`, …
///
/// They close when stream time reaches their end; [`TimeWindows::grace`] keeps them open for longer.
pub fn tumbling(size: Duration) -> TimeWindows {
    let size_ms = millis(size);
    TimeWindows { size_ms, advance_ms: size_ms, grace_ms: 0 }
}

/// Windows of one size that begin every `advance`, so that they overlap: `[0, size)`, `[advance, advance + size)`, …
pub fn hopping(size: Duration, advance: Duration) -> TimeWindows {
    TimeWindows { advance_ms: millis(advance), ..tumbling(size) }
}

/// Which windows an event falls into, and for how long they take late events (Java's `TimeWindows`).
///
/// ```
/// use std::time::Duration;
/// use courant_streams::{hopping, tumbling};
///
/// let day = tumbling(Duration::from_secs(86_400)).grace(Duration::from_secs(3_600));
/// assert_eq!(day.windows_for(90_000_000).count(), 1);
/// let minutes = hopping(Duration::from_secs(60), Duration::from_secs(20));
/// assert_eq!(minutes.windows_for(70_000).map(|window| window.start_ms).collect::<Vec<_>>(), [20_000, 40_000, 60_000]);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimeWindows {
    size_ms: i64,
    advance_ms: i64,
    grace_ms: i64,
}

impl TimeWindows {
    /// Lets a window take events until stream time is so far behind its end.
    #[must_use]
    pub fn grace(mut self, grace: Duration) -> Self {
        self.grace_ms = millis(grace);
        self
    }

    /// How long a window is, in milliseconds.
    pub fn size_ms(&self) -> i64 {
        self.size_ms
    }

    /// How long a window is open after its end, in milliseconds.
    pub fn grace_ms(&self) -> i64 {
        self.grace_ms
    }

    /// The windows into which a time falls, earliest first; none begins before 1970.
    pub fn windows_for(&self, timestamp: i64) -> impl Iterator<Item = Window> + use<> {
        let Self { size_ms, advance_ms, .. } = *self;
        let advance_ms = advance_ms.max(1);
        let earliest = timestamp.saturating_sub(size_ms).saturating_add(advance_ms).max(0);
        let mut start_ms = earliest / advance_ms * advance_ms;
        std::iter::from_fn(move || {
            (start_ms <= timestamp).then(|| {
                let window = Window { start_ms, end_ms: start_ms.saturating_add(size_ms) };
                start_ms = start_ms.saturating_add(advance_ms);
                window
            })
        })
    }

    /// The codec of keys in these windows.
    pub fn codec<C>(&self, key: C) -> WindowCodec<C> {
        WindowCodec::of_millis(key, self.size_ms)
    }

    /// What is wrong with them.
    pub(crate) fn problem(&self) -> Option<String> {
        let Self { size_ms, advance_ms, .. } = *self;
        if size_ms <= 0 {
            return Some("its size is below a millisecond".to_owned());
        }
        (advance_ms <= 0 || advance_ms > size_ms).then(|| {
            format!("it advances by {advance_ms} ms, which must be from 1 to its size of {size_ms} ms")
        })
    }
}

/// Milliseconds; what is too long for them is as long as can be.
pub(crate) fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn starts(windows: TimeWindows, timestamp: i64) -> Vec<i64> {
        windows.windows_for(timestamp).map(|window| window.start_ms).collect()
    }

    #[test]
    fn a_time_falls_into_one_tumbling_window_whose_end_is_outside() {
        let windows = tumbling(Duration::from_millis(10));
        assert_eq!(starts(windows, 9), [0]);
        assert_eq!(starts(windows, 10), [10]);
    }

    #[test]
    fn hopping_windows_begin_at_multiples_of_the_advance_and_never_before_1970() {
        let windows = hopping(Duration::from_millis(12), Duration::from_millis(5));
        assert_eq!(starts(windows, 0), [0]);
        assert_eq!(starts(windows, 11), [0, 5, 10]);
        assert_eq!(starts(windows, 12), [5, 10]);
    }

    #[test]
    fn sizes_and_advances_that_make_no_windows_are_found() {
        assert!(tumbling(Duration::ZERO).problem().is_some());
        assert!(hopping(Duration::from_millis(5), Duration::from_millis(6)).problem().is_some());
        assert!(hopping(Duration::from_millis(5), Duration::ZERO).problem().is_some());
        assert_eq!(hopping(Duration::from_millis(5), Duration::from_millis(5)).problem(), None);
    }
}
