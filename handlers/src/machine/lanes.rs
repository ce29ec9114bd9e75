//! Lanes: the records of one key or one partition in their order, of which only the first is worked on.
//!
//! Cost: a lane is two indices and a record's place in it one more, in vectors that are used again. Once they have grown to
//! what is taken in at a time, nothing is allocated.
use std::collections::VecDeque;

use hashbrown::HashMap;
use hashbrown::hash_map::Entry as MapEntry;

/// Names a record that was taken in, until it is finished or dropped; then the number is given to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct RecordId(pub(crate) u32);

/// The records that have to be handled one after the other: those of an assignment of a partition that share a hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct LaneKey {
    /// The assignment of the partition.
    pub(crate) tenure: u32,
    /// Of the key; nought for all records of a partition. Two keys with the same hash share a lane, which costs them time
    /// and nothing else.
    pub(crate) hash: u64,
}

#[derive(Clone, Copy, Debug)]
struct Lane {
    key: Option<LaneKey>,
    head: RecordId,
    tail: RecordId,
}

/// Where a record stands.
#[derive(Clone, Copy, Debug, Default)]
struct Place {
    lane: u32,
    next: Option<RecordId>,
}

/// All lanes that hold records.
#[derive(Debug, Default)]
pub(crate) struct Lanes {
    lanes: Vec<Option<Lane>>,
    free: Vec<u32>,
    by_key: HashMap<LaneKey, u32, Unseeded>,
    /// By the record's number.
    places: Vec<Place>,
    /// The first records of lanes that nothing is done with, next one first.
    ready: VecDeque<RecordId>,
}

/// A hasher that is the same in every run, so that simulated runs replay.
pub(crate) type Unseeded = std::hash::BuildHasherDefault<std::hash::DefaultHasher>;

impl Lanes {
    /// Puts a record at the end of its lane; without a key it has one to itself.
    pub(crate) fn push(&mut self, record: RecordId, key: Option<LaneKey>) {
        let index = record.0 as usize;
        if self.places.len() <= index {
            self.places.resize(index + 1, Place::default());
        }
        let fresh = Lane { key, head: record, tail: record };
        let lane = match key.map(|key| self.by_key.entry(key)) {
            Some(MapEntry::Occupied(lane)) => {
                let lane = *lane.get();
                if let Some(Some(found)) = self.lanes.get_mut(lane as usize) {
                    if let Some(before) = self.places.get_mut(found.tail.0 as usize) {
                        before.next = Some(record);
                    }
                    found.tail = record;
                }
                self.places[index] = Place { lane, next: None };
                return;
            }
            Some(MapEntry::Vacant(vacant)) => *vacant.insert(open(&mut self.lanes, &mut self.free, fresh)),
            None => open(&mut self.lanes, &mut self.free, fresh),
        };
        self.places[index] = Place { lane, next: None };
        self.ready.push_back(record);
    }

    /// The next record that may be worked on. Its lane waits until [`Lanes::pop`] or [`Lanes::again`].
    pub(crate) fn take_ready(&mut self) -> Option<RecordId> {
        self.ready.pop_front()
    }

    /// The first record of a lane is to be worked on once more.
    pub(crate) fn again(&mut self, record: RecordId) {
        self.ready.push_back(record);
    }

    /// The first record of a lane is done with: the next one may be worked on.
    pub(crate) fn pop(&mut self, record: RecordId) {
        let Some(place) = self.places.get(record.0 as usize).copied() else { return };
        let Some(slot) = self.lanes.get_mut(place.lane as usize) else { return };
        let Some(lane) = slot.as_mut().filter(|lane| lane.head == record) else { return };
        match place.next {
            Some(next) => {
                lane.head = next;
                self.ready.push_back(next);
            }
            None => {
                if let Some(key) = lane.key {
                    self.by_key.remove(&key);
                }
                *slot = None;
                self.free.push(place.lane);
            }
        }
    }

    /// Takes out all records of which `goes` says so. Where a lane keeps any it keeps its first, which is being worked on.
    pub(crate) fn remove_all(&mut self, goes: impl Fn(RecordId) -> bool) {
        self.ready.retain(|record| !goes(*record));
        for index in 0..self.lanes.len() {
            let Some(lane) = self.lanes.get(index).copied().flatten() else { continue };
            let (mut kept, mut at): (Option<Lane>, _) = (None, Some(lane.head));
            while let Some(record) = at {
                let Some(place) = self.places.get_mut(record.0 as usize) else { break };
                at = place.next.take();
                if goes(record) {
                    continue;
                }
                match &mut kept {
                    Some(lane) => {
                        let before = std::mem::replace(&mut lane.tail, record);
                        if let Some(before) = self.places.get_mut(before.0 as usize) {
                            before.next = Some(record);
                        }
                    }
                    None => kept = Some(Lane { head: record, tail: record, ..lane }),
                }
            }
            if let (None, Some(key)) = (kept, lane.key) {
                self.by_key.remove(&key);
            }
            if kept.is_none() {
                self.free.push(u32::try_from(index).unwrap_or(u32::MAX));
            }
            self.lanes[index] = kept;
        }
    }
}

fn open(lanes: &mut Vec<Option<Lane>>, free: &mut Vec<u32>, lane: Lane) -> u32 {
    match free.pop() {
        Some(index) => {
            if let Some(slot) = lanes.get_mut(index as usize) {
                *slot = Some(lane);
            }
            index
        }
        None => {
            lanes.push(Some(lane));
            u32::try_from(lanes.len() - 1).unwrap_or(u32::MAX)
        }
    }
}
