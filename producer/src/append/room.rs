//! The append room: topics and their slots, and what all slots share.
//!
//! This is the only memory that the tasks of the application and the driver both touch. Locks are taken in one order,
//! topics, slot, then any of permits, outstanding, bell and buffers, and are never held across an `.await`.
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Instant;

use bytes::BytesMut;
use courant_protocol::types::{PartitionId, TopicId, TopicName, UnixMillis};
use hashbrown::HashMap;

use super::bell::Bell;
use super::open_batch::{Appended, Gate, Payload, Slot, SlotRefusal};
use super::outstanding::{Flush, Outstanding};
use super::permits::{Permit, Permits};
use crate::partitioner::{Load, Partitioner, Sticky, partition_for_key};
use crate::sync::{AtomicI64, Mutex, Ordering, PoisonError, RwLock};

/// What the room is built with.
pub(crate) struct RoomOptions {
    pub(crate) batch_size_bytes: usize,
    pub(crate) max_request_size_bytes: usize,
    pub(crate) buffer_memory_bytes: usize,
    pub(crate) partitioner: Partitioner,
    pub(crate) ignore_keys: bool,
    pub(crate) adaptive: bool,
    pub(crate) seed: u64,
    /// Read once per batch.
    pub(crate) clock: Box<dyn Fn() -> Moment + Send + Sync>,
}

/// A point in time on both clocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Moment {
    pub(crate) now: Instant,
    pub(crate) unix_millis: UnixMillis,
}

/// Topics, their partitions, and what they share.
pub(crate) struct Room {
    topics: RwLock<Topics>,
    pub(crate) supplies: Supplies,
    partitioner: Partitioner,
    ignore_keys: bool,
    adaptive: bool,
    seed: u64,
    max_request_size_bytes: usize,
}

struct Topics {
    by_name: HashMap<TopicName, Topic>,
    /// The gate of slots that are yet to be made.
    gate: Gate,
    slots: usize,
}

/// One incarnation of a topic.
struct Topic {
    id: TopicId,
    slots: Vec<Arc<Slot>>,
    sticky: Arc<Sticky>,
}

/// What every slot needs to take a record.
pub(crate) struct Supplies {
    pub(crate) permits: Arc<Permits>,
    pub(crate) outstanding: Arc<Outstanding>,
    pub(crate) bell: Bell,
    pub(crate) batch_size_bytes: usize,
    buffers: Mutex<Vec<BytesMut>>,
    clock: Box<dyn Fn() -> Moment + Send + Sync>,
    coarse: AtomicI64,
}

/// Where a record wants to go.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Destination<'a> {
    pub(crate) topic: &'a str,
    pub(crate) partition: Option<PartitionId>,
}

/// Why a record was not taken. Nothing has happened then, and the same record may be offered again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// The topic is not known here yet.
    UnknownTopic,
    /// The topic has so many partitions, and the one that was asked for is not among them.
    UnknownPartition(usize),
    /// So many bytes are needed and not free.
    NeedsBytes(usize),
    /// It has this size and may have at most that.
    TooLarge { size_bytes: usize, limit_bytes: usize, setting: &'static str },
    /// Its own timestamp lies before 1970, which the format has for "none".
    NegativeTimestamp,
    /// The producer was closed.
    Closed,
}

impl Room {
    pub(crate) fn new(options: RoomOptions) -> Arc<Self> {
        let start = (options.clock)();
        let supplies = Supplies {
            permits: Permits::new(options.buffer_memory_bytes),
            outstanding: Outstanding::new(),
            bell: Bell::default(),
            batch_size_bytes: options.batch_size_bytes,
            buffers: Mutex::new(Vec::new()),
            clock: options.clock,
            coarse: AtomicI64::new(start.unix_millis.0),
        };
        Arc::new(Self {
            topics: RwLock::new(Topics { by_name: HashMap::new(), gate: Gate::Open, slots: 0 }),
            supplies,
            partitioner: options.partitioner,
            ignore_keys: options.ignore_keys,
            adaptive: options.adaptive,
            seed: options.seed,
            max_request_size_bytes: options.max_request_size_bytes,
        })
    }

    /// Finds the record's partition and encodes it there, or says what is missing. `permit` may hold bytes that were
    /// waited for; they are used if a new batch has to be opened, and otherwise stay with the caller.
    pub(crate) fn append(
        &self,
        to: Destination<'_>,
        payload: &Payload<'_>,
        permit: &mut Option<Permit>,
    ) -> Result<Appended, Refusal> {
        if payload.timestamp.is_some_and(|timestamp| timestamp.0 < 0) {
            return Err(Refusal::NegativeTimestamp);
        }
        let size_bytes = self.check_size(payload)?;
        let topics = self.topics.read().unwrap_or_else(PoisonError::into_inner);
        if topics.gate == Gate::Closed || topics.gate == Gate::Aborting {
            return Err(Refusal::Closed);
        }
        let topic = topics.by_name.get(to.topic).ok_or(Refusal::UnknownTopic)?;
        match self.fixed_partition(topic, to, payload) {
            Some(partition) => {
                let slot = topic.slot(partition).ok_or(Refusal::UnknownPartition(topic.slots.len()))?;
                slot.append(payload, &self.supplies, permit, false).map_err(|refusal| self.refusal(refusal))
            }
            None => self.append_sticky(topic, payload, size_bytes, permit),
        }
    }

    /// The partition that the record itself decides: its own, a partitioner's, or its key's.
    fn fixed_partition(
        &self,
        topic: &Topic,
        to: Destination<'_>,
        payload: &Payload<'_>,
    ) -> Option<PartitionId> {
        let count = u32::try_from(topic.slots.len()).unwrap_or(u32::MAX);
        to.partition.or_else(|| self.partitioner.choose(to.topic, payload.key, count)).or_else(|| {
            let key = payload.key.filter(|_| !self.ignore_keys)?;
            NonZeroU32::new(count).map(|count| partition_for_key(key, count))
        })
    }

    fn append_sticky(
        &self,
        topic: &Topic,
        payload: &Payload<'_>,
        size_bytes: usize,
        permit: &mut Option<Permit>,
    ) -> Result<Appended, Refusal> {
        let count = u32::try_from(topic.slots.len()).unwrap_or(u32::MAX);
        let load = |partition| topic.load(partition);
        let mut partition = topic.sticky.current(count, load);
        let mut may_turn = count > 1 && topic.sticky.has_had_its_share();
        loop {
            let slot = topic.slots.get(partition as usize).ok_or(Refusal::UnknownPartition(0))?;
            match slot.append(payload, &self.supplies, permit, may_turn) {
                Ok(appended) => {
                    topic.sticky.produced(partition, size_bytes, count, load);
                    return Ok(appended);
                }
                Err(SlotRefusal::Turn) => {
                    partition = topic.sticky.turn(partition, count, load);
                    may_turn = false;
                }
                Err(refusal) => return Err(self.refusal(refusal)),
            }
        }
    }

    fn check_size(&self, payload: &Payload<'_>) -> Result<usize, Refusal> {
        let size_bytes = payload.size_upper_bound();
        if size_bytes > self.max_request_size_bytes {
            let limit_bytes = self.max_request_size_bytes;
            return Err(Refusal::TooLarge { size_bytes, limit_bytes, setting: "max.request.size" });
        }
        let limit_bytes = self.supplies.permits.total();
        if size_bytes > limit_bytes {
            return Err(Refusal::TooLarge { size_bytes, limit_bytes, setting: "buffer.memory" });
        }
        Ok(size_bytes)
    }

    fn refusal(&self, refusal: SlotRefusal) -> Refusal {
        match refusal {
            SlotRefusal::NeedsBytes(bytes) => Refusal::NeedsBytes(bytes),
            SlotRefusal::Closed => Refusal::Closed,
            SlotRefusal::TooLarge(size_bytes) => {
                let limit_bytes = self.max_request_size_bytes;
                Refusal::TooLarge { size_bytes, limit_bytes, setting: "max.request.size" }
            }
            // Only a partition that was chosen for want of a key is asked to turn.
            SlotRefusal::Turn => Refusal::UnknownTopic,
        }
    }

    /// Makes a topic's partitions known, or more of them; whether each has a leader is in `available`. A topic with
    /// another id is another topic: it gets slots of its own, and those of the old one take no more records.
    pub(crate) fn know_topic(&self, name: &TopicName, id: TopicId, available: &[bool]) {
        let mut topics = self.topics.write().unwrap_or_else(PoisonError::into_inner);
        let topics = &mut *topics;
        // A broker that is too old for ids says nothing against a topic that is known with one.
        let same = |topic: &Topic| topic.id == id || topic.id.is_zero() || id.is_zero();
        let known = topics.by_name.get(name).is_some_and(same);
        if !known {
            let seed = self.seed.wrapping_add(topics.slots as u64);
            let sticky = Arc::new(Sticky::new(self.supplies.batch_size_bytes, self.adaptive, seed));
            let old = topics.by_name.insert(name.clone(), Topic { id, slots: Vec::new(), sticky });
            for slot in old.iter().flat_map(|topic| &topic.slots) {
                slot.set_gate(Gate::Aborting, &self.supplies);
            }
        }
        let Some(topic) = topics.by_name.get_mut(name) else { return };
        while topic.slots.len() < available.len() {
            let partition = PartitionId(topic.slots.len() as i32);
            topic.slots.push(Slot::new(name.clone(), id, partition, topics.slots, topics.gate));
            topics.slots += 1;
        }
        for (slot, available) in topic.slots.iter().zip(available) {
            slot.set_available(*available);
        }
    }

    /// Closes an epoch: what was appended before stops lingering, and the flush waits for it alone.
    pub(crate) fn flush(&self) -> Flush {
        let flush = self.supplies.outstanding.flush();
        self.set_gate(Gate::Flushing(flush.epoch()));
        flush
    }

    /// Sets the gate of every slot, and of those to come.
    pub(crate) fn set_gate(&self, gate: Gate) {
        let mut topics = self.topics.write().unwrap_or_else(PoisonError::into_inner);
        match gate {
            Gate::Open | Gate::Flushing(_) => {}
            Gate::Aborting | Gate::Closed => topics.gate = gate,
        }
        let mut slots: Vec<&Arc<Slot>> = topics.by_name.values().flat_map(|topic| &topic.slots).collect();
        // The map has an order of its own, other than that of the run before; the driver must not see it.
        slots.sort_by_key(|slot| slot.number);
        for slot in slots {
            slot.set_gate(gate, &self.supplies);
        }
        self.supplies.bell.ring();
    }
}

impl Topic {
    fn slot(&self, partition: PartitionId) -> Option<&Arc<Slot>> {
        usize::try_from(partition.0).ok().and_then(|partition| self.slots.get(partition))
    }

    fn load(&self, partition: u32) -> Load {
        let slot = self.slots.get(partition as usize);
        Load {
            available: slot.is_some_and(|slot| slot.is_available()),
            waiting: slot.map_or(0, |slot| slot.waiting_batches()),
        }
    }
}

impl Supplies {
    /// What a batch that starts with a record of this size takes of the buffer: the room that it may fill.
    pub(crate) fn permit_for(&self, record_bytes: usize) -> usize {
        self.batch_size_bytes.max(record_bytes).min(self.permits.total())
    }

    /// The time as it was when a batch was last opened or the driver last looked: for a record's own timestamp.
    pub(crate) fn coarse_unix_millis(&self) -> UnixMillis {
        UnixMillis(self.coarse.load(Ordering::Relaxed))
    }

    /// The time now, which is then the coarse time too.
    pub(crate) fn look_at_clock(&self) -> Moment {
        let moment = (self.clock)();
        self.coarse.store(moment.unix_millis.0, Ordering::Relaxed);
        moment
    }

    /// An empty buffer, from the pool if it has one.
    pub(crate) fn take_buffer(&self) -> BytesMut {
        let pooled = self.buffers.lock().unwrap_or_else(PoisonError::into_inner).pop();
        pooled.unwrap_or_else(|| BytesMut::with_capacity(self.batch_size_bytes))
    }

    /// Takes a buffer back, unless it outgrew a batch or there are enough.
    pub(crate) fn return_buffer(&self, buffer: BytesMut) {
        let fits = (self.batch_size_bytes / 2..=self.batch_size_bytes.saturating_mul(2))
            .contains(&buffer.capacity());
        let mut buffers = self.buffers.lock().unwrap_or_else(PoisonError::into_inner);
        let enough = (buffers.len() + 1).saturating_mul(self.batch_size_bytes) > self.permits.total();
        if fits && !enough && buffers.len() < POOLED_BUFFERS {
            buffers.push(buffer);
        }
    }
}

/// How many empty buffers are kept at most.
const POOLED_BUFFERS: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;

    fn room() -> Arc<Room> {
        let now = Instant::now();
        Room::new(RoomOptions {
            batch_size_bytes: 1000,
            max_request_size_bytes: 1 << 20,
            buffer_memory_bytes: 10_000,
            partitioner: Partitioner::built_in(),
            ignore_keys: false,
            adaptive: true,
            seed: 1,
            clock: Box::new(move || Moment { now, unix_millis: UnixMillis(7) }),
        })
    }

    fn append(room: &Room, partition: i32) -> Result<Appended, Refusal> {
        let payload = Payload { key: None, value: Some(b"x"), headers: &[], timestamp: None };
        let to = Destination { topic: "t", partition: Some(PartitionId(partition)) };
        room.append(to, &payload, &mut None)
    }

    #[test]
    fn a_topic_grows_and_a_stale_view_takes_nothing_away() {
        let (room, topic) = (room(), TopicName::from("t"));
        assert!(matches!(append(&room, 0), Err(Refusal::UnknownTopic)));
        room.know_topic(&topic, TopicId([1; 16]), &[true; 3]);
        assert!(matches!(append(&room, 3), Err(Refusal::UnknownPartition(3))));
        room.know_topic(&topic, TopicId([1; 16]), &[true; 5]);
        assert_eq!(append(&room, 4).unwrap().index, 0);
        room.know_topic(&topic, TopicId([1; 16]), &[true; 3]);
        assert_eq!(append(&room, 4).unwrap().index, 1, "it goes on in the same batch");
    }

    #[test]
    fn a_topic_with_another_id_has_other_batches() {
        let (room, topic) = (room(), TopicName::from("t"));
        room.know_topic(&topic, TopicId([1; 16]), &[true]);
        let old = append(&room, 0).unwrap();
        room.know_topic(&topic, TopicId::ZERO, &[true]);
        assert_eq!(append(&room, 0).unwrap().index, 1, "a broker without ids says nothing against it");
        room.know_topic(&topic, TopicId([2; 16]), &[true]);
        let new = append(&room, 0).unwrap();
        assert_eq!(new.index, 0);
        assert!(!Arc::ptr_eq(&old.completion, &new.completion));
    }

    #[test]
    fn a_closed_gate_also_shuts_topics_that_come_later() {
        let room = room();
        room.set_gate(Gate::Closed);
        room.know_topic(&TopicName::from("t"), TopicId::ZERO, &[true]);
        assert!(matches!(append(&room, 0), Err(Refusal::Closed)));
    }
}
