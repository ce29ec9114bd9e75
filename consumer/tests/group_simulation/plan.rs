//! What a run does; it follows from the seed.
use std::time::Duration;

use courant_consumer::assignor::Assignor;
use courant_sim::Sim;

#[derive(Clone, Debug)]
pub struct Plan {
    pub members: usize,
    pub partitions: usize,
    /// Partitions that the topic gets while the group is at work.
    pub growth: usize,
    pub assignors: &'static [Assignor],
    /// Whether members have names that outlive them (KIP-345).
    pub are_static: bool,
    pub auto_commit: bool,
    pub max_poll_interval: Duration,
    /// How long the world is rough.
    pub chaos: Duration,
}

const ASSIGNORS: [&[Assignor]; 5] = [
    &[Assignor::Range],
    &[Assignor::RoundRobin],
    &[Assignor::Sticky],
    &[Assignor::CooperativeSticky],
    &Assignor::DEFAULT,
];

impl Plan {
    pub fn of(sim: &Sim) -> Self {
        let mut rng = sim.rng("plan");
        let mut below = |end: u64| rng.below(end) as usize;
        Self {
            members: 2 + below(3),
            partitions: 2 + below(5),
            growth: [0, 0, 2][below(3)],
            // Half of the groups are cooperative.
            assignors: ASSIGNORS[[0, 1, 2, 3, 3, 3, 4][below(7)]],
            are_static: below(3) == 0,
            auto_commit: below(2) == 0,
            max_poll_interval: Duration::from_secs([15, 300][below(2)]),
            chaos: Duration::from_secs([40, 90][below(2)]),
        }
    }

    pub fn names(&self) -> Vec<String> {
        (0..self.members).map(|number| format!("member-{number}")).collect()
    }
}
