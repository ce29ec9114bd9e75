//! Who writes the records: plain writers, or producers whose transactions lie across each other, without a coordinator.
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use courant_broker_mock::{MockCluster, ProducerIdAndEpoch, TransactionResult};
use courant_runtime::Rng;

use crate::ledger::{Ledger, Place, TOPIC};
use crate::plan::Plan;
use crate::world;

/// A producer's id, and a partition.
type Seat = (i64, i32);

pub struct Writers {
    cluster: MockCluster,
    plan: Plan,
    ledger: Arc<Mutex<Ledger>>,
    /// The records of each open transaction.
    open: BTreeMap<Seat, Vec<Place>>,
}

impl Writers {
    pub fn new(cluster: &MockCluster, plan: &Plan, ledger: &Arc<Mutex<Ledger>>) -> Self {
        cluster.shuffle_aborted_transactions(plan.transactional);
        Self {
            cluster: cluster.clone(),
            plan: plan.clone(),
            ledger: Arc::clone(ledger),
            open: BTreeMap::new(),
        }
    }

    /// So many records at the end of each partition; one in twenty is poison.
    pub fn write(&mut self, rng: &mut Rng, count: u64) {
        for partition in 0..i32::try_from(self.plan.partitions).unwrap() {
            let keys: Vec<String> =
                (0..count).map(|_| format!("key-{}", rng.below(self.plan.keys))).collect();
            let pair = |key| (Some(key), if rng.chance(0.05) { "poison" } else { "work" });
            let records: Vec<_> = keys.iter().map(String::as_str).map(pair).collect();
            if self.plan.transactional {
                self.write_inside(rng, partition, &records);
            } else {
                world::write(&self.cluster, partition, &records);
            }
        }
    }

    /// Inside the transaction of some producer, which it may end.
    fn write_inside(&mut self, rng: &mut Rng, partition: i32, records: &[(Option<&str>, &str)]) {
        let id = rng.below(PRODUCERS) as i64;
        let batch = world::sealed(records);
        let producer = ProducerIdAndEpoch::new(id, 0);
        let base = self.cluster.append_transactional(producer, TOPIC, partition, &batch).unwrap().0;
        let places = (base..).take(records.len()).map(|offset| (partition, offset));
        self.open.entry((id, partition)).or_default().extend(places);
        // Mostly soon, so that what stands behind it is not held up for long.
        if rng.chance(0.7) {
            self.end(rng, (id, partition));
        }
    }

    fn end(&mut self, rng: &mut Rng, seat: Seat) {
        let Some(places) = self.open.remove(&seat) else { return };
        let (id, partition) = seat;
        let aborts = rng.chance(0.3);
        if aborts {
            self.ledger.lock().unwrap().exempt(places);
        }
        let result = if aborts { TransactionResult::Abort } else { TransactionResult::Commit };
        let producer = ProducerIdAndEpoch::new(id, 0);
        let marker = self.cluster.append_marker(producer, TOPIC, partition, result).unwrap();
        self.ledger.lock().unwrap().exempt([(partition, marker.0)]);
    }

    /// Every transaction ends.
    pub fn end_all(&mut self, rng: &mut Rng) {
        let seats: Vec<Seat> = self.open.keys().copied().collect();
        seats.into_iter().for_each(|seat| self.end(rng, seat));
    }
}

/// How many producers there are.
const PRODUCERS: u64 = 3;
