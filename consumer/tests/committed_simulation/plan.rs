//! What a run does; it follows from the seed.
use std::time::Duration;

use courant_sim::Sim;

#[derive(Clone, Debug)]
pub struct Plan {
    pub partitions: i32,
    pub writers: i64,
    /// Whether aborted transactions are listed in any order.
    pub shuffled: bool,
    /// Whether markers, which are younger than the records, begin segments.
    pub rolls: bool,
    /// Whether readers are sent to followers, which lag, instead of brokers dying.
    pub near: bool,
    pub max_poll_records: u32,
    pub max_partition_bytes: u32,
    /// How long the world is rough.
    pub rough: Duration,
}

impl Plan {
    pub fn of(sim: &Sim) -> Self {
        let mut rng = sim.rng("plan");
        let mut below = |end: u64| rng.below(end);
        Self {
            partitions: 1 + below(3) as i32,
            writers: 2 + below(4) as i64,
            shuffled: below(2) == 0,
            rolls: below(3) == 0,
            near: below(2) == 0,
            max_poll_records: [1, 7, 500][below(3) as usize],
            max_partition_bytes: [150, 1000, 1 << 20][below(3) as usize],
            rough: Duration::from_secs(10 + below(30)),
        }
    }
}
