//! Whatever happens in whatever order: lanes stay in order, counts add up, and nothing of a partition outlives it.
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use courant_protocol::types::{Offset, TopicPartition};
use proptest::prelude::*;

use super::scheduling::rules;
use crate::machine::lanes::RecordId;
use crate::machine::policy::{LastResort, Rules};
use crate::machine::schedule::{After, Arrived, Outcome, Schedule};

#[derive(Clone, Debug)]
enum Step {
    Arrive(i32, Option<u64>),
    Start,
    /// One of those that run, counted from the first.
    End(usize, u8),
    Pass(u64),
    Revoke(i32),
    Lose(i32),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (0..3_i32, prop::option::weighted(0.8, 0..3_u64)).prop_map(|(at, lane)| Step::Arrive(at, lane)),
        4 => Just(Step::Start),
        6 => (0..8_usize, 0..6_u8).prop_map(|(which, how)| Step::End(which, how)),
        2 => (0..5_u64).prop_map(Step::Pass),
        1 => (0..3_i32).prop_map(Step::Revoke),
        1 => (0..3_i32).prop_map(Step::Lose),
    ]
}

/// Partition, offset, lane.
type Record = (i32, i64, Option<u64>);

#[derive(Default)]
struct Model {
    next_offset: i64,
    /// Taken in and neither finished nor dropped.
    held: BTreeSet<Record>,
    running: BTreeMap<RecordId, Record>,
    revoking: Option<i32>,
}

impl Model {
    fn drop_partition(&mut self, partition: i32) {
        self.held.retain(|record| record.0 != partition);
        self.running.retain(|_, record| record.0 != partition);
    }

    fn arrive(&mut self, schedule: &mut Schedule<Record>, partition: i32, lane: Option<u64>) {
        let record = (partition, self.next_offset, lane);
        self.next_offset += 1;
        self.held.insert(record);
        let (partition, offset) = (at(partition), Offset(record.1));
        schedule.handle_record(Arrived { record, partition, offset, lane, bytes: 3 });
    }

    fn start(&mut self, schedule: &mut Schedule<Record>, now: Instant) -> Result<(), TestCaseError> {
        while let Some(id) = schedule.poll_start(now) {
            let record = *schedule.record(id).unwrap();
            prop_assert!(self.held.contains(&record), "{record:?} is gone");
            prop_assert!(self.revoking != Some(record.0), "{record:?} goes");
            let of_lane = |other: &&Record| record.2.is_some() && (other.0, other.2) == (record.0, record.2);
            let before = self.held.range(..record).find(of_lane);
            prop_assert_eq!(before, None, "{:?} was not its turn", record);
            prop_assert!(!self.running.values().any(|other| *other == record));
            self.running.insert(id, record);
        }
        prop_assert!(self.running.len() <= 4);
        Ok(())
    }

    fn end(
        &mut self,
        schedule: &mut Schedule<Record>,
        now: Instant,
        which: usize,
        how: u8,
    ) -> Result<(), TestCaseError> {
        let Some((&id, &record)) = self.running.iter().nth(which) else { return Ok(()) };
        let outcome = match how {
            0 => Outcome::Failed { retriable: false },
            1 | 2 => Outcome::Failed { retriable: true },
            _ => Outcome::Done,
        };
        self.running.remove(&id);
        match schedule.handle_outcome(now, id, outcome, 0.5) {
            After::Acknowledge(finished) | After::Skip(finished) => {
                prop_assert_eq!(finished, record);
                self.held.remove(&record);
            }
            After::Drop => {
                prop_assert_eq!(self.revoking, Some(record.0));
                self.held.remove(&record);
            }
            After::Retry => {}
            other => prop_assert!(false, "{other:?}"),
        }
        Ok(())
    }

    fn revoke(&mut self, schedule: &mut Schedule<Record>, now: Instant, partition: i32) {
        schedule.handle_revoked(now, &[at(partition)]);
        let running: Vec<Record> = self.running.values().copied().collect();
        self.held.retain(|record| record.0 != partition || running.contains(record));
        self.revoking = Some(partition);
    }

    fn lose(&mut self, schedule: &mut Schedule<Record>, partition: i32) -> Result<(), TestCaseError> {
        let gone = schedule.handle_lost(&[at(partition)]);
        let ran = self.running.iter().filter(|(_, record)| record.0 == partition).map(|(id, _)| *id);
        prop_assert_eq!(gone, ran.collect::<Vec<_>>());
        self.drop_partition(partition);
        Ok(())
    }

    fn drained(&mut self, gone: &[RecordId]) -> Result<(), TestCaseError> {
        let partition = self.revoking.take().unwrap();
        let of_it = |id: &RecordId| self.running.get(id).is_some_and(|record| record.0 == partition);
        prop_assert!(gone.iter().all(of_it));
        self.drop_partition(partition);
        Ok(())
    }
}

fn at(partition: i32) -> TopicPartition {
    TopicPartition::new("a", partition)
}

proptest! {
    #[test]
    fn lanes_stay_in_order_and_nothing_outlives_its_partition(steps in prop::collection::vec(step(), 1..200)) {
        let mut schedule: Schedule<Record> = Schedule::new(Rules { last_resort: LastResort::Skip, ..rules() });
        let (mut now, mut model) = (Instant::now(), Model::default());
        for step in steps {
            match step {
                // Of a partition that is being revoked nothing comes.
                Step::Arrive(partition, _) if model.revoking == Some(partition) => {}
                Step::Arrive(partition, lane) => model.arrive(&mut schedule, partition, lane),
                Step::Start => model.start(&mut schedule, now)?,
                Step::End(which, how) => model.end(&mut schedule, now, which, how)?,
                Step::Pass(seconds) => now += Duration::from_secs(seconds),
                Step::Revoke(_) | Step::Lose(_) if model.revoking.is_some() => {}
                Step::Revoke(partition) => model.revoke(&mut schedule, now, partition),
                Step::Lose(partition) => model.lose(&mut schedule, partition)?,
            }
            if let Some(gone) = schedule.poll_drained(now) {
                model.drained(&gone)?;
            }
            prop_assert_eq!(schedule.in_flight(), model.held.len());
            prop_assert_eq!(schedule.running(), model.running.len());
        }
    }
}
