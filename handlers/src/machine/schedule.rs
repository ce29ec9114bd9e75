//! Which record is worked on next, and what follows from how that went.
//!
//! Order of calls: what the world says first (`handle_…`), then [`Schedule::poll_drained`], [`Schedule::poll_start`] and
//! [`Schedule::poll_slow`] until they have nothing more, then [`Schedule::wants`] and [`Schedule::next_deadline`].
//!
//! A record is in exactly one stage from when it is taken in until it is finished or dropped. Everything that is taken in is
//! counted; the count is what bounds memory.
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use courant_protocol::types::{Offset, TopicPartition};
use courant_runtime::moment_after;

use super::lanes::{LaneKey, Lanes, RecordId};
use super::policy::{LastResort, Rules};

/// A record on its way in.
#[derive(Debug)]
pub(crate) struct Arrived<R> {
    pub(crate) record: R,
    pub(crate) partition: TopicPartition,
    pub(crate) offset: Offset,
    /// Who waits for whom: records with the same one; none waits for nobody.
    pub(crate) lane: Option<u64>,
    pub(crate) bytes: usize,
}

/// How a handler, or the writing of a dead letter, ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Done,
    /// The handler failed; whether it may be tried again.
    Failed {
        retriable: bool,
    },
    /// The dead letter was not written.
    LetterFailed,
}

/// What is to be done after a record was worked on.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum After<R> {
    /// It is finished: acknowledge it.
    Acknowledge(R),
    /// It is finished, though its handler failed: acknowledge it and say so.
    Skip(R),
    /// It waits to be tried again.
    Retry,
    /// Write its dead letter, and tell how that went.
    DeadLetter,
    /// The runner stops: the record stays unfinished, and what comes after it in its lane is not started.
    Stop,
    /// Its partition is going, or the runner is: it stays unfinished.
    Drop,
}

/// What the runner asks its consumer for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wants {
    /// Records and changes of the assignment.
    Records,
    /// Changes alone: there is enough to work on.
    Changes,
    /// Records of partitions that stay: what is being revoked is not over, and to ask for more is to say that it is.
    Retained,
    /// Nothing: the same, and there is enough to work on.
    Nothing,
}

/// A handler that has not returned for long.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Slow {
    pub(crate) partition: TopicPartition,
    pub(crate) offset: Offset,
    pub(crate) since: Duration,
    /// How many more there are of which nothing is said.
    pub(crate) others: usize,
}

#[derive(Debug)]
struct Entry<R> {
    record: R,
    tenure: u32,
    offset: Offset,
    bytes: usize,
    attempts: u32,
    stage: Stage,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// It stands in its lane.
    Waiting,
    /// It is worked on; when it will be called slow.
    Running { since: Instant, slow_at: Instant },
    /// It is tried again then.
    Backoff(Instant),
    /// It has stopped the runner.
    Stuck,
}

/// One assignment of a partition.
#[derive(Debug)]
struct Tenure {
    partition: TopicPartition,
    /// It is being revoked: nothing new is started.
    ends: bool,
    /// Its records that were taken in and are not finished.
    records: usize,
    /// It has more than its share of them: no more are wanted of it.
    held: bool,
}

/// What is taken in, and how far it is.
#[derive(Debug)]
pub(crate) struct Schedule<R> {
    rules: Rules,
    entries: Vec<Option<Entry<R>>>,
    free: Vec<RecordId>,
    lanes: Lanes,
    tenures: BTreeMap<u32, Tenure>,
    by_partition: BTreeMap<TopicPartition, u32>,
    /// How many partitions are assigned, so what the share of one is.
    partitions: usize,
    /// Which of them the consumer is to hold back, or not any more.
    holds: Vec<(TopicPartition, bool)>,
    next_tenure: u32,
    records: usize,
    bytes: usize,
    running: usize,
    backoffs: BTreeSet<(Instant, RecordId)>,
    /// When running handlers are looked at for slow ones.
    look_at: Option<Instant>,
    /// Until when handlers of revoked partitions may go on.
    drain_until: Option<Instant>,
    stopped: bool,
    closing: bool,
}

impl<R> Schedule<R> {
    /// Starts without partitions.
    pub(crate) fn new(rules: Rules) -> Self {
        Self {
            rules,
            entries: Vec::new(),
            free: Vec::new(),
            lanes: Lanes::default(),
            tenures: BTreeMap::new(),
            by_partition: BTreeMap::new(),
            partitions: 1,
            holds: Vec::new(),
            next_tenure: 0,
            records: 0,
            bytes: 0,
            running: 0,
            backoffs: BTreeSet::new(),
            look_at: None,
            drain_until: None,
            stopped: false,
            closing: false,
        }
    }

    /// The record of a number that [`Schedule::poll_start`] gave.
    pub(crate) fn record(&self, id: RecordId) -> Option<&R> {
        self.entries.get(id.0 as usize)?.as_ref().map(|entry| &entry.record)
    }

    /// How often a record's handler was called.
    pub(crate) fn attempts(&self, id: RecordId) -> u32 {
        self.entry(id).map_or(0, |entry| entry.attempts)
    }

    /// Takes a record in. Those of a partition come in the order of their offsets.
    pub(crate) fn handle_record(&mut self, arrived: Arrived<R>) {
        let Arrived { record, partition, offset, lane, bytes } = arrived;
        let tenure = self.tenure(partition);
        self.count_in(tenure);
        let entry = Entry { record, tenure, offset, bytes, attempts: 0, stage: Stage::Waiting };
        self.records += 1;
        self.bytes += bytes;
        let id = match self.free.pop() {
            Some(id) => {
                if let Some(slot) = self.entries.get_mut(id.0 as usize) {
                    *slot = Some(entry);
                }
                id
            }
            None => {
                self.entries.push(Some(entry));
                RecordId(u32::try_from(self.entries.len() - 1).unwrap_or(u32::MAX))
            }
        };
        self.lanes.push(id, lane.map(|hash| LaneKey { tenure, hash }));
    }

    fn tenure(&mut self, partition: TopicPartition) -> u32 {
        if let Some(tenure) = self.by_partition.get(&partition) {
            return *tenure;
        }
        let tenure = self.next_tenure;
        self.next_tenure = tenure.wrapping_add(1);
        self.by_partition.insert(partition.clone(), tenure);
        self.tenures.insert(tenure, Tenure { partition, ends: false, records: 0, held: false });
        tenure
    }

    /// So many partitions are assigned now.
    pub(crate) fn handle_assignment(&mut self, partitions: usize) {
        self.partitions = partitions.max(1);
    }

    /// What one partition may have taken in while others wait: else the first one that is fetched takes all room.
    fn share(&self) -> usize {
        (self.rules.max_records / self.partitions).max(1)
    }

    fn count_in(&mut self, tenure: u32) {
        let share = self.share();
        let Some(tenure) = self.tenures.get_mut(&tenure) else { return };
        tenure.records += 1;
        if tenure.records >= share && !tenure.held {
            tenure.held = true;
            self.holds.push((tenure.partition.clone(), true));
        }
    }

    fn count_out(&mut self, tenure: u32) {
        let share = self.share();
        let Some(tenure) = self.tenures.get_mut(&tenure) else { return };
        tenure.records -= 1;
        if tenure.held && !tenure.ends && tenure.records <= share / 2 {
            tenure.held = false;
            self.holds.push((tenure.partition.clone(), false));
        }
    }

    /// Whether [`Schedule::poll_hold`] has something.
    pub(crate) fn has_hold(&self) -> bool {
        !self.holds.is_empty()
    }

    /// The next partition that the consumer is to hold back, or not any more.
    pub(crate) fn poll_hold(&mut self) -> Option<(TopicPartition, bool)> {
        if self.holds.is_empty() { None } else { Some(self.holds.remove(0)) }
    }

    /// These partitions go, but not before their running handlers have returned, or time is up. What waits is dropped.
    pub(crate) fn handle_revoked(&mut self, now: Instant, partitions: &[TopicPartition]) {
        self.end(partitions);
        self.drain_until = Some(moment_after(now, self.rules.drain_timeout));
    }

    /// These partitions are gone, and perhaps read by others already: nothing of them goes on. Gives what is to be cancelled.
    pub(crate) fn handle_lost(&mut self, partitions: &[TopicPartition]) -> Vec<RecordId> {
        self.end(partitions);
        self.end_tenures()
    }

    fn end(&mut self, partitions: &[TopicPartition]) {
        for partition in partitions {
            let tenure = self.by_partition.get(partition).and_then(|tenure| self.tenures.get_mut(tenure));
            if let Some(tenure) = tenure {
                tenure.ends = true;
            }
        }
        self.drop_idle();
    }

    /// Revoked partitions may go now; gives what of them is still running and is to be cancelled. None while they are waited
    /// for, or if there are none.
    pub(crate) fn poll_drained(&mut self, now: Instant) -> Option<Vec<RecordId>> {
        let until = self.drain_until?;
        if now < until && self.is_draining() {
            return None;
        }
        self.drain_until = None;
        Some(self.end_tenures())
    }

    /// Whether anything of partitions that are being revoked is worked on; all else of them was dropped.
    fn is_draining(&self) -> bool {
        self.entries.iter().flatten().any(|entry| self.ends(entry.tenure))
    }

    /// Drops what is not being worked on of partitions that end, or everything if the runner does.
    fn drop_idle(&mut self) {
        let mut lanes = std::mem::take(&mut self.lanes);
        lanes.remove_all(|id| self.is_dropped(id));
        self.lanes = lanes;
        let gone: Vec<RecordId> = self.ids().filter(|id| self.is_dropped(*id)).collect();
        gone.into_iter().for_each(|id| drop(self.remove(id)));
    }

    fn is_dropped(&self, id: RecordId) -> bool {
        self.entry(id).is_some_and(|entry| {
            let ends = self.closing || self.ends(entry.tenure);
            ends && !matches!(entry.stage, Stage::Running { .. })
        })
    }

    fn ends(&self, tenure: u32) -> bool {
        self.tenures.get(&tenure).is_none_or(|tenure| tenure.ends)
    }

    fn ids(&self) -> impl Iterator<Item = RecordId> + use<R> {
        (0..u32::try_from(self.entries.len()).unwrap_or(u32::MAX)).map(RecordId)
    }

    /// Ends the partitions that are to end, with all that still runs of them.
    fn end_tenures(&mut self) -> Vec<RecordId> {
        let ended: BTreeSet<u32> =
            self.tenures.iter().filter(|(_, tenure)| tenure.ends).map(|(number, _)| *number).collect();
        let left: Vec<RecordId> = self
            .ids()
            .filter(|id| self.entry(*id).is_some_and(|entry| ended.contains(&entry.tenure)))
            .collect();
        for id in &left {
            self.lanes.pop(*id);
            self.remove(*id);
        }
        self.tenures.retain(|number, _| !ended.contains(number));
        self.by_partition.retain(|_, number| !ended.contains(number));
        left
    }

    /// The next record to work on.
    pub(crate) fn poll_start(&mut self, now: Instant) -> Option<RecordId> {
        while let Some((_, id)) = self.backoffs.first().copied().filter(|(at, _)| *at <= now) {
            self.backoffs.pop_first();
            if let Some(entry) = self.entry_mut(id) {
                entry.stage = Stage::Waiting;
                self.lanes.again(id);
            }
        }
        if self.stopped || self.closing || self.running >= self.rules.concurrency {
            return None;
        }
        let id = self.lanes.take_ready()?;
        let slow_at = moment_after(now, self.rules.slow_after);
        let entry = self.entry_mut(id)?;
        entry.attempts = entry.attempts.saturating_add(1);
        entry.stage = Stage::Running { since: now, slow_at };
        self.running += 1;
        self.look_at = self.look_at.or(Some(slow_at));
        Some(id)
    }

    /// A record was worked on.
    pub(crate) fn handle_outcome(
        &mut self,
        now: Instant,
        id: RecordId,
        outcome: Outcome,
        jitter: f64,
    ) -> After<R> {
        let Some(entry) = self.entry(id) else { return After::Drop };
        let (goes, attempts) = (self.ends(entry.tenure), entry.attempts);
        match outcome {
            Outcome::Done => self.finish(id).map_or(After::Drop, After::Acknowledge),
            Outcome::LetterFailed => self.stop(id),
            Outcome::Failed { retriable } => {
                let again = self.rules.retry.next_attempt(now, attempts, jitter).filter(|_| retriable);
                match (again, self.rules.last_resort) {
                    (Some(_), _) if goes || self.closing => self.give_up(id),
                    (Some(at), _) => self.wait(id, at),
                    // Whoever reads the partition next comes to the record again.
                    (None, LastResort::Stop) if goes => self.give_up(id),
                    (None, LastResort::Stop) => self.stop(id),
                    (None, LastResort::Skip) => self.finish(id).map_or(After::Drop, After::Skip),
                    // It stays in its place, running, until the letter is written.
                    (None, LastResort::DeadLetter) => After::DeadLetter,
                }
            }
        }
    }

    fn give_up(&mut self, id: RecordId) -> After<R> {
        drop(self.finish(id));
        After::Drop
    }

    fn wait(&mut self, id: RecordId, at: Instant) -> After<R> {
        self.running -= 1;
        if let Some(entry) = self.entry_mut(id) {
            entry.stage = Stage::Backoff(at);
        }
        self.backoffs.insert((at, id));
        After::Retry
    }

    fn stop(&mut self, id: RecordId) -> After<R> {
        self.running -= 1;
        self.stopped = true;
        if let Some(entry) = self.entry_mut(id) {
            entry.stage = Stage::Stuck;
        }
        After::Stop
    }

    /// Takes a record out of the front of its lane.
    fn finish(&mut self, id: RecordId) -> Option<R> {
        self.lanes.pop(id);
        self.remove(id)
    }

    fn remove(&mut self, id: RecordId) -> Option<R> {
        let entry = self.entries.get_mut(id.0 as usize)?.take()?;
        self.free.push(id);
        self.records -= 1;
        self.bytes -= entry.bytes;
        self.count_out(entry.tenure);
        match entry.stage {
            Stage::Running { .. } => self.running -= 1,
            Stage::Backoff(at) => drop(self.backoffs.remove(&(at, id))),
            Stage::Waiting | Stage::Stuck => {}
        }
        Some(entry.record)
    }

    /// No record is started any more, and those that wait are dropped.
    pub(crate) fn close(&mut self) {
        self.closing = true;
        self.drop_idle();
    }

    /// Everything that still runs is dropped; its numbers and places.
    pub(crate) fn abandon(&mut self) -> Vec<(RecordId, TopicPartition, Offset)> {
        let left: Vec<_> = self
            .ids()
            .filter_map(|id| {
                let entry = self.entry(id)?;
                let partition = self.tenures.get(&entry.tenure)?.partition.clone();
                Some((id, partition, entry.offset))
            })
            .collect();
        for (id, _, _) in &left {
            drop(self.finish(*id));
        }
        left
    }

    /// The handlers that have not returned for long; each is named again after twice the time.
    pub(crate) fn poll_slow(&mut self, now: Instant) -> Vec<Slow> {
        if self.look_at.is_none_or(|at| at > now) {
            return Vec::new();
        }
        let Self { entries, tenures, rules, .. } = self;
        let (mut slow, mut others, mut next): (Vec<Slow>, usize, Option<Instant>) = (Vec::new(), 0, None);
        for entry in entries.iter_mut().flatten() {
            let Stage::Running { since, slow_at } = &mut entry.stage else { continue };
            if *slow_at <= now {
                let lasts = now.saturating_duration_since(*since);
                *slow_at = moment_after(now, lasts.max(rules.slow_after));
                match tenures.get(&entry.tenure).filter(|_| slow.len() < NAMED_MAX) {
                    Some(Tenure { partition, .. }) => {
                        let (partition, offset) = (partition.clone(), entry.offset);
                        slow.push(Slow { partition, offset, since: lasts, others: 0 });
                    }
                    None => others += 1,
                }
            }
            next = Some(next.map_or(*slow_at, |next| next.min(*slow_at)));
        }
        if let Some(last) = slow.last_mut() {
            last.others = others;
        }
        // Not at every moment at which one of many may be late.
        let soonest = moment_after(now, rules.slow_after / 8);
        self.look_at = next.map(|next| next.max(soonest));
        slow
    }

    /// What the consumer is to be asked for.
    pub(crate) fn wants(&self) -> Wants {
        match (self.drain_until, self.closing || self.is_full()) {
            (None, false) => Wants::Records,
            (None, true) => Wants::Changes,
            (Some(_), false) => Wants::Retained,
            (Some(_), true) => Wants::Nothing,
        }
    }

    fn is_full(&self) -> bool {
        self.records >= self.rules.max_records || self.bytes >= self.rules.max_bytes
    }

    /// Whether nothing runs any more in a runner that closes.
    pub(crate) fn is_closed(&self) -> bool {
        self.closing && self.running == 0
    }

    /// How many records are worked on.
    pub(crate) fn running(&self) -> usize {
        self.running
    }

    /// Records that were taken in and are not finished.
    pub(crate) fn in_flight(&self) -> usize {
        self.records
    }

    /// When to look again, if nothing happens before.
    pub(crate) fn next_deadline(&self) -> Option<Instant> {
        let again = self.backoffs.first().map(|(at, _)| *at).filter(|_| !self.stopped);
        let look = self.look_at.filter(|_| self.running > 0);
        [again, look, self.drain_until].into_iter().flatten().min()
    }

    fn entry(&self, id: RecordId) -> Option<&Entry<R>> {
        self.entries.get(id.0 as usize)?.as_ref()
    }

    fn entry_mut(&mut self, id: RecordId) -> Option<&mut Entry<R>> {
        self.entries.get_mut(id.0 as usize)?.as_mut()
    }
}

/// How many slow handlers are named at a time.
const NAMED_MAX: usize = 8;
