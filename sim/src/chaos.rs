//! A seeded run of bad luck: leaders move, brokers and hosts crash and return, replicas fall behind, links are cut and
//! blocked.
use crate::{Host, Sim};
use courant_broker_mock::MockCluster;
use courant_protocol::types::NodeId;
use courant_runtime::Rng;
use std::collections::BTreeMap;
use std::time::Duration;

/// Troubles a mock cluster, the links to it and the hosts of its clients, one random event after the other, until its time
/// is over; then all is repaired.
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
    victims: Vec<Host>,
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
    Boot(Host),
    JoinIsr { topic: String, partition: i32, replica: NodeId },
    Heal(String, String),
}

impl Chaos {
    /// Bad luck for `cluster`, which [`Sim::serve`] serves.
    pub fn new(sim: &Sim, cluster: &MockCluster) -> Self {
        Self {
            sim: sim.clone(),
            cluster: cluster.clone(),
            hosts: Vec::new(),
            victims: Vec::new(),
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

    /// Hosts that crash and come back, with the programs that they were given.
    pub fn victims(mut self, hosts: impl IntoIterator<Item = Host>) -> Self {
        self.victims = hosts.into_iter().collect();
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
            Repair::Boot(host) => {
                host.restart();
                Ok(())
            }
            Repair::JoinIsr { topic, partition, replica } => {
                self.cluster.set_in_sync(&topic, partition, replica, true)
            }
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
        let host = self.pick(&self.hosts.clone());
        match self.rng.below(9) {
            0 | 1 => self.move_a_leader(node),
            2 => self.crash(node),
            3 => {
                let _ = self.cluster.stale_metadata(node);
                self.sim.note(format_args!("chaos: broker {node} hears no news"));
                self.later(Repair::Refresh(node));
            }
            4 => self.shrink_isr(node),
            5 => self.crash_host(),
            kind => {
                if let Some(host) = host {
                    self.trouble_link(kind, host, node);
                }
            }
        }
    }

    fn trouble_link(&mut self, kind: u64, host: String, node: NodeId) {
        let broker = format!("mock-{node}");
        match kind {
            6 => {
                self.sim.note(format_args!("chaos: {host} is cut from broker {node}"));
                self.sim.cut(&host, &broker);
                return;
            }
            7 => self.sim.partition(&host, &broker),
            _ if self.rng.chance(0.5) => self.sim.block(&host, &broker),
            _ => self.sim.block(&broker, &host),
        }
        self.later(Repair::Heal(host, broker));
    }

    fn crash_host(&mut self) {
        let up: Vec<Host> = self.victims.iter().filter(|host| host.is_up()).cloned().collect();
        if let Some(host) = self.pick(&up) {
            host.crash();
            self.later(Repair::Boot(host));
        }
    }

    fn shrink_isr(&mut self, replica: NodeId) {
        let Some((topic, partition)) = self.pick_partition() else { return };
        if self.cluster.leader(&topic, partition) != Some(replica)
            && self.cluster.set_in_sync(&topic, partition, replica, false).is_ok()
        {
            self.sim.note(format_args!("chaos: replica {replica} of {topic}-{partition} falls behind"));
            self.later(Repair::JoinIsr { topic, partition, replica });
        }
    }

    fn pick_partition(&mut self) -> Option<(String, i32)> {
        let topic = self.pick(&self.cluster.topics())?;
        let count = self.cluster.partition_count(&topic).unwrap_or_default();
        let partition = i32::try_from(self.rng.below(count as u64)).ok()?;
        Some((topic, partition))
    }

    fn move_a_leader(&mut self, node: NodeId) {
        let Some((topic, partition)) = self.pick_partition() else { return };
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
