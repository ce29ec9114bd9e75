//! A seeded run of bad luck: leaders move, brokers crash and return, links are cut, blocked and healed.
use crate::Sim;
use courant_broker_mock::MockCluster;
use courant_protocol::types::NodeId;
use courant_runtime::Rng;
use std::collections::BTreeMap;
use std::time::Duration;

/// Troubles a mock cluster and the links to it, one random event after the other, until its time is over; then all is
/// repaired.
///
/// ```
/// use courant_broker_mock::MockCluster;
/// use courant_sim::{Chaos, Sim};
/// use std::time::Duration;
///
/// let sim = Sim::new(3);
/// let cluster = MockCluster::builder().brokers(3).topic("orders", 4).world(sim.world("brokers")).build()?;
/// sim.serve(cluster.transport());
/// let chaos = Chaos::new(&sim, &cluster).hosts(["app"]);
/// sim.run(chaos.run_for(Duration::from_secs(60)))?;
/// assert!(sim.trace().contains("chaos: broker"), "{}", sim.trace());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
#[must_use = "call run_for()"]
pub struct Chaos {
    sim: Sim,
    cluster: MockCluster,
    hosts: Vec<String>,
    rng: Rng,
    pause_max: Duration,
    repair_max: Duration,
    /// What is broken and when it is repaired, in order of time and then of appearance.
    repairs: BTreeMap<(Duration, u64), Repair>,
    count: u64,
}

#[derive(Debug)]
enum Repair {
    Restart(NodeId),
    Refresh(NodeId),
    Heal(String, String),
}

impl Chaos {
    /// Bad luck for `cluster`, which [`Sim::serve`] serves.
    pub fn new(sim: &Sim, cluster: &MockCluster) -> Self {
        Self {
            sim: sim.clone(),
            cluster: cluster.clone(),
            hosts: Vec::new(),
            rng: sim.rng("chaos"),
            pause_max: Duration::from_secs(2),
            repair_max: Duration::from_secs(8),
            repairs: BTreeMap::new(),
            count: 0,
        }
    }

    /// The hosts whose links to the brokers suffer.
    pub fn hosts<S: Into<String>>(mut self, names: impl IntoIterator<Item = S>) -> Self {
        self.hosts = names.into_iter().map(Into::into).collect();
        self
    }

    /// The longest pause between two events; 2 s if this is not called.
    pub fn pause_max(mut self, pause: Duration) -> Self {
        self.pause_max = pause;
        self
    }

    /// The longest time that something stays broken; 8 s if this is not called.
    pub fn repair_max(mut self, time: Duration) -> Self {
        self.repair_max = time;
        self
    }

    /// Troubles for `duration`, then repairs everything: all brokers up and well informed, all links fast and whole.
    ///
    /// # Cancel safety
    /// A dropped future leaves broken what is broken.
    pub async fn run_for(mut self, duration: Duration) {
        let end = self.sim.elapsed() + duration;
        while self.sim.elapsed() < end {
            let next = self.sim.elapsed() + self.rng.duration(Duration::from_millis(1), self.pause_max);
            self.repair_until(next.min(end)).await;
            if self.sim.elapsed() < end {
                self.strike();
            }
        }
        for (_, repair) in std::mem::take(&mut self.repairs) {
            self.repair(repair);
        }
        self.sim.calm();
    }

    async fn repair_until(&mut self, until: Duration) {
        while let Some(first) = self.repairs.first_entry().filter(|first| first.key().0 <= until) {
            let ((at, _), repair) = first.remove_entry();
            tokio::time::sleep(at.saturating_sub(self.sim.elapsed())).await;
            self.repair(repair);
        }
        tokio::time::sleep(until.saturating_sub(self.sim.elapsed())).await;
    }

    fn repair(&mut self, repair: Repair) {
        let _ = match repair {
            Repair::Restart(node) => {
                self.sim.note(format_args!("chaos: broker {node} returns"));
                self.cluster.restart(node)
            }
            Repair::Refresh(node) => self.cluster.fresh_metadata(node),
            Repair::Heal(a, b) => {
                self.sim.heal(&a, &b);
                Ok(())
            }
        };
    }

    fn later(&mut self, repair: Repair) {
        let at = self.sim.elapsed() + self.rng.duration(Duration::from_millis(1), self.repair_max);
        self.count += 1;
        self.repairs.insert((at, self.count), repair);
    }

    fn strike(&mut self) {
        let Some(node) = self.pick(&self.cluster.nodes()) else { return };
        let broker = format!("mock-{node}");
        let host = self.pick(&self.hosts.clone());
        match (self.rng.below(7), host) {
            (0 | 1, _) => self.move_a_leader(node),
            (2, _) => self.crash(node),
            (3, _) => {
                let _ = self.cluster.stale_metadata(node);
                self.sim.note(format_args!("chaos: broker {node} hears no news"));
                self.later(Repair::Refresh(node));
            }
            (4, Some(host)) => {
                self.sim.note(format_args!("chaos: {host} is cut from broker {node}"));
                self.sim.cut(&host, &broker);
            }
            (5, Some(host)) => {
                self.sim.partition(&host, &broker);
                self.later(Repair::Heal(host, broker));
            }
            (_, Some(host)) => {
                let (from, to) = if self.rng.chance(0.5) { (&host, &broker) } else { (&broker, &host) };
                self.sim.block(from, to);
                self.later(Repair::Heal(host, broker));
            }
            (_, None) => {}
        }
    }

    fn move_a_leader(&mut self, node: NodeId) {
        let Some(topic) = self.pick(&self.cluster.topics()) else { return };
        let count = self.cluster.partition_count(&topic).unwrap_or_default();
        let Ok(partition) = i32::try_from(self.rng.below(count as u64)) else { return };
        if self.cluster.move_leader(&topic, partition, node).is_ok() {
            self.sim.note(format_args!("chaos: broker {node} leads {topic}-{partition}"));
        }
    }

    /// Never the last broker: a cluster without any has nothing to test.
    fn crash(&mut self, node: NodeId) {
        let down = self.repairs.values().filter(|repair| matches!(repair, Repair::Restart(_))).count();
        let is_down =
            self.repairs.values().any(|repair| matches!(repair, Repair::Restart(down) if *down == node));
        if is_down || down + 1 >= self.cluster.nodes().len() {
            return;
        }
        self.sim.note(format_args!("chaos: broker {node} crashes"));
        let _ = self.cluster.crash(node);
        self.later(Repair::Restart(node));
    }

    fn pick<T: Clone>(&mut self, from: &[T]) -> Option<T> {
        let index = usize::try_from(self.rng.below(from.len() as u64)).ok()?;
        from.get(index).cloned()
    }
}
