//! Records without a key: stay with one partition until it got its batch, then draw the next (KIP-480, KIP-794).
//!
//! Filling one batch at a time gives full batches at a low linger. The next partition is drawn at random among those
//! with a leader, and a partition where few batches wait is drawn more often than one whose broker lags behind.
use crate::sync::{AtomicU32, AtomicUsize, Mutex, Ordering, PoisonError};

/// What the choice depends on: one partition of the topic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Load {
    /// Whether a leader is known.
    pub(crate) available: bool,
    /// How many batches of it are not delivered yet.
    pub(crate) waiting: usize,
}

/// The partition that a topic's records without a key go to now. Shared by all that enqueue.
pub(crate) struct Sticky {
    current: AtomicU32,
    produced: AtomicUsize,
    batch_size_bytes: usize,
    adaptive: bool,
    draws: Mutex<u64>,
}

impl Sticky {
    /// Starts at a partition drawn with `seed` at the first record.
    pub(crate) fn new(batch_size_bytes: usize, adaptive: bool, seed: u64) -> Self {
        Self {
            current: AtomicU32::new(UNDRAWN),
            produced: AtomicUsize::new(0),
            batch_size_bytes,
            adaptive,
            draws: Mutex::new(seed),
        }
    }

    /// The partition to use now; `load` tells about partition 0, 1, … `count - 1`.
    pub(crate) fn current(&self, count: u32, load: impl Fn(u32) -> Load) -> u32 {
        let current = self.current.load(Ordering::Relaxed);
        if current < count && load(current).available {
            return current;
        }
        self.turn(current, count, load)
    }

    /// Whether the partition has had its share, so that the next batch belongs to another one.
    pub(crate) fn has_had_its_share(&self) -> bool {
        self.produced.load(Ordering::Relaxed) >= self.batch_size_bytes
    }

    /// Counts what went to `partition`, and moves on once that is twice a batch, whatever is still open there.
    pub(crate) fn produced(&self, partition: u32, bytes: usize, count: u32, load: impl Fn(u32) -> Load) {
        if self.current.load(Ordering::Relaxed) != partition {
            return;
        }
        let produced = self.produced.fetch_add(bytes, Ordering::Relaxed) + bytes;
        if produced >= self.batch_size_bytes.saturating_mul(2) {
            self.turn(partition, count, load);
        }
    }

    /// Draws the next partition, unless another task has moved on from `from` already.
    pub(crate) fn turn(&self, from: u32, count: u32, load: impl Fn(u32) -> Load) -> u32 {
        let mut draws = self.draws.lock().unwrap_or_else(PoisonError::into_inner);
        let current = self.current.load(Ordering::Relaxed);
        if current != from && current < count && load(current).available {
            return current;
        }
        let next = choose(count, self.adaptive, next_draw(&mut draws), load);
        self.current.store(next, Ordering::Relaxed);
        self.produced.store(0, Ordering::Relaxed);
        next
    }
}

/// Picks a partition for a random `draw`: each available one weighs `1 + longest queue - its queue`, so that all weigh
/// the same where the queues are equal. Without any available partition, all of them count.
pub(crate) fn choose(count: u32, adaptive: bool, draw: u64, load: impl Fn(u32) -> Load) -> u32 {
    let all: u64 = (0..count).map(|partition| u64::from(load(partition).available)).sum();
    let longest = (0..count).map(|partition| load(partition).waiting).max().unwrap_or(0);
    let weight = |partition: u32| {
        let load = load(partition);
        match (all == 0 || load.available, adaptive) {
            (false, _) => 0,
            (true, false) => 1,
            (true, true) => 1 + longest.saturating_sub(load.waiting) as u64,
        }
    };
    let total: u64 = (0..count).map(weight).sum();
    let mut rest = draw % total.max(1);
    for partition in 0..count {
        let weight = weight(partition);
        if rest < weight {
            return partition;
        }
        rest -= weight;
    }
    0
}

/// SplitMix64: one addition and three mixes for each draw, seeded by the world.
fn next_draw(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut z = *state;
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// No partition was drawn yet.
const UNDRAWN: u32 = u32::MAX;

#[cfg(test)]
mod tests {
    use super::*;

    fn idle(_: u32) -> Load {
        Load { available: true, waiting: 0 }
    }

    #[test]
    fn it_stays_until_two_batches_went_there() {
        let sticky = Sticky::new(1000, true, 7);
        let first = sticky.current(8, idle);
        sticky.produced(first, 999, 8, idle);
        assert!(!sticky.has_had_its_share());
        sticky.produced(first, 1, 8, idle);
        assert!(sticky.has_had_its_share());
        assert_eq!(sticky.current(8, idle), first);
        sticky.produced(first, 1000, 8, idle);
        assert!(!sticky.has_had_its_share());
    }

    #[test]
    fn all_partitions_get_their_turn() {
        let sticky = Sticky::new(1000, true, 1);
        let mut seen = [0; 4];
        for _ in 0..400 {
            let now = sticky.current(4, idle);
            seen[now as usize] += 1;
            sticky.turn(now, 4, idle);
        }
        assert!(seen.iter().all(|times| (50..150).contains(times)), "{seen:?}");
    }

    #[test]
    fn a_partition_without_leader_is_left_out_unless_none_has_one() {
        let leaderless = |partition| Load { available: partition == 2, waiting: 0 };
        assert!((0..50).all(|draw| choose(4, true, draw, leaderless) == 2));
        let none = |_| Load { available: false, waiting: 0 };
        assert_eq!((0..4).map(|draw| choose(4, true, draw, none)).collect::<Vec<_>>(), [0, 1, 2, 3]);
    }

    #[test]
    fn a_long_queue_is_drawn_less_often() {
        let queues = |partition| Load { available: true, waiting: [0, 3, 1][partition as usize] };
        let drawn = |of| (0..8).filter(|draw| choose(3, true, *draw, queues) == of).count();
        assert_eq!([drawn(0), drawn(1), drawn(2)], [4, 1, 3]);
    }
}
