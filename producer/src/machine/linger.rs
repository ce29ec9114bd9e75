//! How long open batches wait for more records (`linger.ms`).
//!
//! A batch is due when it has lingered, or at once when a flush, a close or a full buffer hurries it. A due batch that
//! could not be sent anyway stays open and fills up further, until it would time out.
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

/// The open batches, by the slot that they stand in.
pub(crate) struct Linger {
    linger: Duration,
    delivery_timeout: Duration,
    open: BTreeMap<usize, Open>,
    lingering: BTreeSet<(Instant, usize)>,
    due: BTreeSet<usize>,
}

#[derive(Clone, Copy)]
struct Open {
    due_at: Instant,
    expires_at: Instant,
}

impl Linger {
    pub(crate) fn new(linger: Duration, delivery_timeout: Duration) -> Self {
        let (open, lingering, due) = (BTreeMap::new(), BTreeSet::new(), BTreeSet::new());
        Self { linger, delivery_timeout, open, lingering, due }
    }

    /// A slot has an open batch, of which the first record came at `opened_at`.
    pub(crate) fn handle_open(&mut self, slot: usize, opened_at: Instant, hurry: bool) {
        self.handle_taken(slot);
        let open = Open { due_at: opened_at + self.linger, expires_at: opened_at + self.delivery_timeout };
        self.open.insert(slot, open);
        match hurry {
            true => drop(self.due.insert(slot)),
            false => drop(self.lingering.insert((open.due_at, slot))),
        }
    }

    /// The slot's open batch was taken.
    pub(crate) fn handle_taken(&mut self, slot: usize) {
        if let Some(open) = self.open.remove(&slot) {
            self.lingering.remove(&(open.due_at, slot));
            self.due.remove(&slot);
        }
    }

    /// Nothing lingers any more: somebody waits for the buffer.
    pub(crate) fn hurry_all(&mut self) {
        self.lingering.clear();
        self.due.extend(self.open.keys());
    }

    /// The slots whose open batch is due at `now`; those that are past their delivery timeout have `true` beside them.
    pub(crate) fn poll_due(&mut self, now: Instant) -> impl Iterator<Item = (usize, bool)> + '_ {
        while let Some((due_at, slot)) = self.lingering.first().copied().filter(|(due_at, _)| *due_at <= now)
        {
            self.lingering.remove(&(due_at, slot));
            self.due.insert(slot);
        }
        let Self { open, due, .. } = self;
        due.iter().map(move |slot| (*slot, open.get(slot).is_some_and(|open| open.expires_at <= now)))
    }

    /// Whether any batch is open.
    pub(crate) fn is_empty(&self) -> bool {
        self.open.is_empty()
    }

    /// Whether a batch is still lingering; `None` if none is open.
    pub(crate) fn is_lingering(&self) -> Option<bool> {
        (!self.open.is_empty()).then_some(!self.lingering.is_empty())
    }

    /// When the next batch becomes due, or a due one times out.
    pub(crate) fn next_wake(&self) -> Option<Instant> {
        let lingers = self.lingering.first().map(|(due_at, _)| *due_at);
        let expires =
            self.due.iter().filter_map(|slot| self.open.get(slot)).map(|open| open.expires_at).min();
        lingers.into_iter().chain(expires).min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINGER: Duration = Duration::from_millis(5);

    fn due(linger: &mut Linger, now: Instant) -> Vec<(usize, bool)> {
        linger.poll_due(now).collect()
    }

    #[test]
    fn a_batch_is_due_when_its_first_record_has_lingered() {
        let start = Instant::now();
        let mut linger = Linger::new(LINGER, Duration::from_secs(120));
        linger.handle_open(3, start, false);
        assert_eq!(linger.next_wake(), Some(start + LINGER));
        assert_eq!(due(&mut linger, start + LINGER - Duration::from_nanos(1)), []);
        assert_eq!(due(&mut linger, start + LINGER), [(3, false)]);
        assert_eq!(linger.next_wake(), Some(start + Duration::from_secs(120)));
        assert_eq!(due(&mut linger, start + Duration::from_secs(120)), [(3, true)]);
        linger.handle_taken(3);
        assert!(linger.is_empty());
        assert_eq!(linger.next_wake(), None);
    }

    #[test]
    fn a_hurried_batch_does_not_linger() {
        let start = Instant::now();
        let mut linger = Linger::new(LINGER, Duration::from_secs(120));
        linger.handle_open(1, start, true);
        linger.handle_open(2, start, false);
        assert_eq!(due(&mut linger, start), [(1, false)]);
        linger.hurry_all();
        assert_eq!(due(&mut linger, start), [(1, false), (2, false)]);
    }
}
