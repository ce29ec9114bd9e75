//! Producers whose transactions lie across each other, without a coordinator.
use courant_broker_mock::{MockCluster, ProducerIdAndEpoch, TransactionResult};
use courant_runtime::Rng;

use crate::batches::{Spec, unplaced};
use crate::plan::Plan;
use crate::story::TOPIC;

pub struct Writers<'r> {
    cluster: &'r MockCluster,
    plan: &'r Plan,
    rng: Rng,
    written: u64,
}

impl<'r> Writers<'r> {
    pub fn new(cluster: &'r MockCluster, plan: &'r Plan, rng: Rng) -> Self {
        Self { cluster, plan, rng, written: 0 }
    }

    /// One of them writes, commits or aborts, somewhere.
    pub fn step(&mut self) {
        let partition = self.rng.below(self.plan.partitions as u64) as i32;
        let id = self.rng.below(self.plan.writers as u64) as i64;
        match self.rng.below(10) {
            0 | 1 => self.end(id, partition, TransactionResult::Commit),
            2 | 3 => self.end(id, partition, TransactionResult::Abort),
            4 => self.write_plainly(id, partition),
            _ => self.write(id, partition),
        }
    }

    /// Every transaction ends.
    pub fn end_all(&mut self) {
        for partition in 0..self.plan.partitions {
            for id in 0..self.plan.writers {
                let commit = self.rng.chance(0.5);
                let result = if commit { TransactionResult::Commit } else { TransactionResult::Abort };
                self.end(id, partition, result);
            }
        }
    }

    fn end(&self, id: i64, partition: i32, result: TransactionResult) {
        self.cluster.append_marker(ProducerIdAndEpoch::new(id, 0), TOPIC, partition, result).unwrap();
    }

    fn write(&mut self, id: i64, partition: i32) {
        let values: Vec<String> = (0..=self.rng.below(3)).map(|_| self.value()).collect();
        let producer = ProducerIdAndEpoch::new(id, 0);
        self.cluster.append_transactional(producer, TOPIC, partition, &unplaced(values)).unwrap();
    }

    /// Outside any transaction, by somebody who may have one open.
    fn write_plainly(&mut self, id: i64, partition: i32) {
        let end = self.cluster.log_end(TOPIC, partition).unwrap().0;
        let mut batch = Spec::at(end).value(self.value());
        if self.rng.chance(0.5) {
            batch = batch.producer(id);
        }
        self.cluster.append_raw(TOPIC, partition, batch.bytes()).unwrap();
    }

    fn value(&mut self) -> String {
        self.written += 1;
        format!("record {}", self.written)
    }
}
