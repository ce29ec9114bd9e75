//! Records without a key: stay with one partition until it got its batch, then draw the next (KIP-480, KIP-794).
//!
//! Filling one batch at a time gives full batches at a low linger. The next partition is drawn at random among those
//! with a leader, and a partition where few batches wait is drawn more often than one whose broker lags behind.
use super::standing::Standing;
use crate::sync::{AtomicU32, AtomicUsize, Mutex, Ordering, PoisonError};

/// What the choice depends on: one partition of the topic.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Load {
    /// Its leader, as far as is known.
    pub(crate) standing: Standing,
    /// How many batches of it wait to be sent.
    pub(crate) waiting: usize,
}

/// The partition that a topic's records without a key go to now. Shared by all that enqueue.
pub(crate) struct Sticky {
    current: AtomicU32,
    produced: AtomicUsize,
    batch_size_bytes: usize,
    adaptive: bool,
    seed: u64,
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
            seed,
            draws: Mutex::new(0),
        }
    }

    /// The partition to use now; `load` tells about partition 0, 1, … `count - 1`.
    pub(crate) fn current(&self, count: u32, load: impl Fn(u32) -> Load) -> u32 {
        let current = self.current.load(Ordering::Relaxed);
        let has_leader = |partition| load(partition).standing.leader.is_some();
        // Where no partition has a leader, turning away would only spread a few records over many batches.
        if current < count && (has_leader(current) || !(0..count).any(has_leader)) {
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
        if current != from && current < count && load(current).standing.leader.is_some() {
            return current;
        }
        let next = choose(count, self.adaptive, mix(self.seed, *draws), load);
        *draws += 1;
        self.current.store(next, Ordering::Relaxed);
        self.produced.store(0, Ordering::Relaxed);
        next
    }
}

/// Picks a partition for a random `draw`, as Java's `BuiltInPartitioner` does: of the best there are, each weighs
/// `1 + longest queue - its queue`, so that all weigh the same where the queues are equal.
pub(crate) fn choose(count: u32, adaptive: bool, draw: u64, load: impl Fn(u32) -> Load) -> u32 {
    let class = |partition: u32| Class::of(&load(partition).standing, adaptive);
    let best = (0..count).map(class).min().unwrap_or(Class::Leaderless);
    let candidates = || (0..count).filter(|partition| class(*partition) == best);
    // Where all brokers are slow or away, queues tell nothing, and each candidate weighs the same.
    let weighs = adaptive && best <= Class::Far;
    let longest = candidates().map(|partition| load(partition).waiting).max().unwrap_or(0);
    let weight = |partition: u32| match weighs {
        true => 1 + longest.saturating_sub(load(partition).waiting) as u64,
        false => 1,
    };
    let total: u64 = candidates().map(weight).sum();
    let mut rest = draw % total.max(1);
    for partition in candidates() {
        let weight = weight(partition);
        if rest < weight {
            return partition;
        }
        rest -= weight;
    }
    0
}

/// Which partitions are chosen from as long as there are any; the first is the best. Racks come second to brokers that
/// take nothing, as in Java (KIP-1123); without a rack of one's own, all are far.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Class {
    Near,
    Far,
    NearButSlow,
    FarAndSlow,
    Leaderless,
}

impl Class {
    /// Java heeds slow brokers only when it adapts to load.
    fn of(standing: &Standing, adaptive: bool) -> Self {
        match (standing.leader, standing.is_near, standing.is_slow && adaptive) {
            (None, ..) => Self::Leaderless,
            (Some(_), true, false) => Self::Near,
            (Some(_), false, false) => Self::Far,
            (Some(_), true, true) => Self::NearButSlow,
            (Some(_), false, true) => Self::FarAndSlow,
        }
    }
}

/// SplitMix64: the `n`-th draw from a seed.
pub(super) fn mix(seed: u64, n: u64) -> u64 {
    let mut z = seed.wrapping_add(n.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// No partition was drawn yet.
const UNDRAWN: u32 = u32::MAX;

#[cfg(test)]
mod tests {
    use super::*;

    fn led(partition: u32, waiting: usize) -> Load {
        Load { standing: Standing::led_by(partition as i32), waiting }
    }

    fn idle(partition: u32) -> Load {
        led(partition, 0)
    }

    /// How often each partition comes in as many draws as the weights sum up to.
    fn drawn(draws: u64, adaptive: bool, loads: &[Load]) -> Vec<usize> {
        let mut times = vec![0; loads.len()];
        for draw in 0..draws {
            times[choose(loads.len() as u32, adaptive, draw, |p| loads[p as usize]) as usize] += 1;
        }
        times
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
    fn it_leaves_a_partition_that_lost_its_leader_unless_none_has_one() {
        let sticky = Sticky::new(1000, true, 1);
        let first = sticky.current(4, idle);
        let nobody = |_| Load::default();
        assert!((0..20).all(|_| sticky.current(4, nobody) == first), "one batch is filled all the same");
        let others = |partition| if partition == first { Load::default() } else { idle(partition) };
        assert_ne!(sticky.current(4, others), first);
    }

    #[test]
    fn a_partition_without_leader_is_left_out_unless_none_has_one() {
        assert_eq!(drawn(8, true, &[Load::default(), idle(1), Load::default(), idle(3)]), [0, 4, 0, 4]);
        assert_eq!(drawn(8, true, &[Load::default(); 4]), [2, 2, 2, 2]);
    }

    #[test]
    fn weights_are_those_of_javas_own_test() {
        // `BuiltInPartitionerTest.adaptivePartitionsTest`: queues 5, 0, 3, 0, 1 weigh 1, 6, 3, 6, 5.
        let queues = [5, 0, 3, 0, 1].map(|waiting| led(0, waiting));
        assert_eq!(drawn(21, true, &queues), [1, 6, 3, 6, 5]);
        assert_eq!(drawn(20, false, &queues), [4, 4, 4, 4, 4], "queues do not count without adapting");
        assert_eq!(drawn(20, true, &[led(0, 7); 5]), [4, 4, 4, 4, 4], "equal queues weigh the same");
    }

    #[test]
    fn the_queue_of_a_partition_that_is_left_out_weighs_nothing() {
        let stuck = Load { waiting: 100, ..Load::default() };
        assert_eq!(drawn(5, true, &[stuck, led(1, 3), led(2, 0)]), [0, 1, 4]);
    }

    #[test]
    fn a_slow_broker_is_left_out_unless_all_are_slow() {
        let slow = |waiting| {
            let standing = Standing { is_slow: true, ..Standing::led_by(9) };
            Load { standing, waiting }
        };
        assert_eq!(drawn(4, true, &[slow(0), led(1, 0), slow(0)]), [0, 4, 0]);
        assert_eq!(drawn(5, true, &[slow(50), led(1, 3), led(2, 0)]), [0, 1, 4]);
        assert_eq!(drawn(6, true, &[slow(5), slow(0), Load::default()]), [3, 3, 0], "none weighs more");
        assert_eq!(drawn(6, false, &[slow(5), led(1, 0), led(2, 0)]), [2, 2, 2], "Java heeds it only then");
    }

    #[test]
    fn ones_own_rack_comes_first_if_its_brokers_keep_up() {
        let near = |waiting, is_slow| Load {
            standing: Standing { is_near: true, is_slow, ..Standing::led_by(7) },
            waiting,
        };
        assert_eq!(
            drawn(5, true, &[near(3, false), idle(1), near(0, false)]),
            [1, 0, 4],
            "only near queues weigh"
        );
        assert_eq!(drawn(4, true, &[near(0, true), led(1, 9), led(2, 9)]), [0, 2, 2]);
        let near_but_away = Load { standing: Standing::default(), waiting: 0 };
        assert_eq!(drawn(4, true, &[near_but_away, idle(1), idle(2)]), [0, 2, 2]);
        assert_eq!(drawn(4, false, &[near(0, false), idle(1)]), [4, 0], "also without adapting to load");
    }
}
