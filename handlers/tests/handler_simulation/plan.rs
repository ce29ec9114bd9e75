//! What a run does; it follows from the seed.
use std::time::Duration;

use courant_consumer::assignor::Assignor;
use courant_sim::Sim;

#[derive(Clone, Debug)]
pub struct Plan {
    pub members: usize,
    pub partitions: usize,
    pub keys: u64,
    pub assignors: &'static [Assignor],
    /// Whether members have names that outlive them (KIP-345).
    pub are_static: bool,
    /// Whether the writers use transactions, of which the group reads what is committed.
    pub transactional: bool,
    /// Per key, so many at once; else per partition.
    pub concurrency: Option<usize>,
    pub max_in_flight: usize,
    pub drain_timeout: Duration,
    /// How long a call takes at most.
    pub takes: Duration,
    pub max_poll_interval: Duration,
    /// How long the world is rough.
    pub chaos: Duration,
}

const ASSIGNORS: [&[Assignor]; 4] =
    [&[Assignor::Range], &[Assignor::Sticky], &[Assignor::CooperativeSticky], &Assignor::DEFAULT];

impl Plan {
    pub fn of(sim: &Sim) -> Self {
        let mut rng = sim.rng("plan");
        let mut below = |end: u64| rng.below(end) as usize;
        Self {
            members: 2 + below(3),
            partitions: 2 + below(3),
            keys: 1 + below(6) as u64,
            // Half of the groups are cooperative.
            assignors: ASSIGNORS[[0, 1, 2, 2, 2, 3][below(6)]],
            are_static: below(3) == 0,
            transactional: below(2) == 0,
            concurrency: [None, Some(1), Some(4), Some(32)][below(4)],
            max_in_flight: [1, 5, 200][below(3)],
            drain_timeout: Duration::from_secs([0, 2, 8][below(3)]),
            takes: Duration::from_millis([20, 150, 800][below(3)]),
            max_poll_interval: Duration::from_secs([15, 300][below(2)]),
            chaos: Duration::from_secs([20, 40][below(2)]),
        }
    }

    pub fn names(&self) -> Vec<String> {
        (0..self.members).map(|number| format!("member-{number}")).collect()
    }
}
