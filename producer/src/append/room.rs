//! The append room: topics and their slots, and what all slots share.
//!
//! This is the only memory that the tasks of the application and the driver both touch. Locks are taken in one order,
//! topics, slot, then any of permits, outstanding, bell and buffers, and are never held across an `.await`.
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::BytesMut;
use courant_client::{Metadata, Topic as KnownTopic};
use courant_protocol::record::WriterOptions;
use courant_protocol::types::{NodeId, PartitionId, TopicId, TopicName, UnixMillis};
use hashbrown::HashMap;

use super::arrivals::Arrivals;
use super::bell::Bell;
use super::incarnation::{Incarnation, TopicCounts};
use super::open_batch::{Appended, Gate, Payload, Slot, SlotRefusal};
use super::outstanding::{Flush, Outstanding};
use super::permits::{Permit, Permits};
use crate::partitioner::{
    CustomPartitioner, Load, Partitioner, Standing, Sticky, Turns, Unplaced, standings,
};
use crate::sync::{AtomicI64, Mutex, Ordering, PoisonError, RwLock};

/// What the room is built with.
pub(crate) struct RoomOptions {
    pub(crate) batch_size_bytes: usize,
    /// Whether batches will be compressed when they are sealed.
    pub(crate) compressed: bool,
    pub(crate) max_request_size_bytes: usize,
    pub(crate) buffer_memory_bytes: usize,
    pub(crate) partitioner: Partitioner,
    pub(crate) ignore_keys: bool,
    pub(crate) adaptive: bool,
    /// The rack of this client, if leaders there are preferred.
    pub(crate) rack: Option<String>,
    pub(crate) seed: u64,
    /// How long the driver may leave a batch alone that was opened.
    pub(crate) patience: Duration,
    /// Read once per batch.
    pub(crate) clock: Box<dyn Fn() -> Moment + Send + Sync>,
}

#[cfg(test)]
impl RoomOptions {
    /// A buffer of ten small batches, and a clock that stands still.
    pub(crate) fn small() -> Self {
        let now = Instant::now();
        Self {
            batch_size_bytes: 1000,
            compressed: false,
            max_request_size_bytes: 1 << 20,
            buffer_memory_bytes: 10_000,
            partitioner: Partitioner::built_in(),
            ignore_keys: false,
            adaptive: true,
            rack: None,
            seed: 1,
            patience: Duration::ZERO,
            clock: Box::new(move || Moment { now, unix_millis: UnixMillis(7) }),
        }
    }
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
    pub(crate) arrivals: Arc<Arrivals>,
    pub(crate) supplies: Supplies,
    partitioner: Partitioner,
    ignore_keys: bool,
    adaptive: bool,
    rack: Option<String>,
    seed: u64,
    max_request_size_bytes: usize,
}

struct Topics {
    by_name: HashMap<TopicName, Topic>,
    /// The gate of slots that are yet to be made.
    gate: Gate,
    slots: usize,
    /// The brokers that take nothing although there is something for them.
    slow: BTreeSet<NodeId>,
}

/// A topic as it is now.
struct Topic {
    incarnation: Arc<Incarnation>,
    slots: Vec<Arc<Slot>>,
    /// Of each slot's leader.
    standings: Vec<Standing>,
    /// The partitions that have a leader, in order.
    available: Arc<[PartitionId]>,
    sticky: Arc<Sticky>,
    turns: Turns,
}

/// What every slot needs to take a record.
pub(crate) struct Supplies {
    pub(crate) permits: Arc<Permits>,
    pub(crate) outstanding: Arc<Outstanding>,
    pub(crate) bell: Bell,
    pub(crate) batch_size_bytes: usize,
    pub(super) patience: Duration,
    pub(crate) writer_options: WriterOptions,
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

/// What a record that was refused brings along the next time.
#[derive(Default)]
pub(crate) struct Claim {
    /// Bytes that were waited for; used if a new batch has to be opened, and else left here.
    pub(crate) permit: Option<Permit>,
    /// What the partitioner said, so that it is not asked again.
    pub(crate) chosen: Option<Chosen>,
    /// Whether the clock can be trusted where the record is offered, if that is not certain. It is asked only where a batch
    /// has to be opened.
    pub(crate) may_look_at_clock: Option<fn() -> bool>,
}

/// Where a partitioner wants a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Chosen {
    At(PartitionId),
    /// Anywhere, that is, where the records without a key go now.
    Anywhere,
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
            patience: options.patience,
            writer_options: WriterOptions::max_bytes(options.batch_size_bytes)
                .uncompressed(!options.compressed),
            buffers: Mutex::new(Vec::new()),
            clock: options.clock,
            coarse: AtomicI64::new(start.unix_millis.0),
        };
        Arc::new(Self {
            topics: RwLock::new(Topics {
                by_name: HashMap::new(),
                gate: Gate::Open,
                slots: 0,
                slow: BTreeSet::new(),
            }),
            arrivals: Arc::default(),
            supplies,
            partitioner: options.partitioner,
            ignore_keys: options.ignore_keys,
            adaptive: options.adaptive,
            rack: options.rack,
            seed: options.seed,
            max_request_size_bytes: options.max_request_size_bytes,
        })
    }

    /// Finds the record's partition and encodes it there, or says what is missing. A record without a permit does not
    /// overtake those that wait.
    #[inline(always)]
    pub(crate) fn append(
        &self,
        to: Destination<'_>,
        payload: &Payload<'_>,
        claim: &mut Claim,
    ) -> Result<Appended, Refusal> {
        if payload.timestamp.is_some_and(|timestamp| timestamp.0 < 0) {
            return Err(Refusal::NegativeTimestamp);
        }
        self.check_size(payload)?;
        if claim.permit.is_none() && (self.supplies.permits.has_line() || self.arrivals.are_any()) {
            self.come_behind(to, payload, claim)?;
        }
        self.append_in_turn(to, payload, claim)
    }

    /// Sees to it that a record does not overtake those that wait.
    #[inline(never)]
    fn come_behind(
        &self,
        to: Destination<'_>,
        payload: &Payload<'_>,
        claim: &mut Claim,
    ) -> Result<(), Refusal> {
        self.with_topic(to.topic, |_| Ok(()))?;
        if self.arrivals.has(to.topic) {
            self.let_in(to.topic);
        }
        if !self.supplies.permits.has_line() {
            return Ok(());
        }
        if let Some(own) = self.own_to_ask(to, claim) {
            let chosen = self.with_unplaced(to, payload, |record| own.partition(record))?;
            claim.chosen = Some(chosen.map_or(Chosen::Anywhere, Chosen::At));
        }
        Err(Refusal::NeedsBytes(self.supplies.permit_for(payload.size_upper_bound())))
    }

    /// The program's own partitioner, if it still has to be asked about a record.
    #[inline(always)]
    fn own_to_ask(&self, to: Destination<'_>, claim: &Claim) -> Option<&dyn CustomPartitioner> {
        match (to.partition, claim.chosen) {
            (None, None) => self.partitioner.own(),
            _ => None,
        }
    }

    /// Whether a record cannot be put anywhere without asking the program's own partitioner.
    pub(crate) fn has_to_ask(&self, to: Destination<'_>, claim: &Claim) -> bool {
        self.own_to_ask(to, claim).is_some()
    }

    /// As [`Self::append`] for a record that was refused and whose turn has come.
    #[inline(always)]
    pub(crate) fn append_in_turn(
        &self,
        to: Destination<'_>,
        payload: &Payload<'_>,
        claim: &mut Claim,
    ) -> Result<Appended, Refusal> {
        if let Some(own) = self.own_to_ask(to, claim) {
            return self.append_by(own, to, payload, claim);
        }
        // No closure from here on: what a record comes to is handed on in registers as long as all of it is one function.
        let topics = self.topics.read().unwrap_or_else(PoisonError::into_inner);
        let topic = topics.find(to.topic)?;
        let partition = match (to.partition, claim.chosen) {
            (Some(partition), _) | (None, Some(Chosen::At(partition))) => Some(partition),
            (None, Some(Chosen::Anywhere)) => None,
            (None, None) => {
                let record = topic.unplaced(to.topic, payload, &topic.available);
                self.partitioner.place(&record, self.ignore_keys, &topic.turns)
            }
        };
        match partition {
            Some(partition) => self.append_at(topic, partition, payload, claim),
            None => self.append_sticky(topic, payload, claim),
        }
    }

    /// Shows a record to a program's own partitioner, without a lock: it may take its time, or use the producer itself.
    fn with_unplaced<T>(
        &self,
        to: Destination<'_>,
        payload: &Payload<'_>,
        ask: impl FnOnce(&Unplaced<'_>) -> T,
    ) -> Result<T, Refusal> {
        let available = self.with_topic(to.topic, |topic| Ok(Arc::clone(&topic.available)))?;
        let record = self.with_topic(to.topic, |topic| Ok(topic.unplaced(to.topic, payload, &available)))?;
        Ok(ask(&record))
    }

    /// Lets a program's own partitioner find the place.
    #[inline(never)]
    fn append_by(
        &self,
        own: &dyn CustomPartitioner,
        to: Destination<'_>,
        payload: &Payload<'_>,
        claim: &mut Claim,
    ) -> Result<Appended, Refusal> {
        self.with_unplaced(to, payload, |record| {
            let Some(chosen) = own.partition(record) else {
                claim.chosen = Some(Chosen::Anywhere);
                return self.with_topic(to.topic, |topic| self.append_sticky(topic, payload, claim));
            };
            let tried = self.with_topic(to.topic, |topic| {
                Ok(topic.slot(chosen)?.append(payload, &self.supplies, claim, true))
            })?;
            match tried {
                Err(SlotRefusal::Turn) => {
                    let next = own.on_new_batch(record, chosen);
                    self.with_topic(to.topic, |topic| self.append_at(topic, next, payload, claim))
                }
                outcome => outcome.map_err(|refusal| self.refusal_at(chosen, refusal, claim)),
            }
        })?
    }

    #[inline(always)]
    fn with_topic<T>(
        &self,
        name: &str,
        with: impl FnOnce(&Topic) -> Result<T, Refusal>,
    ) -> Result<T, Refusal> {
        let topics = self.topics.read().unwrap_or_else(PoisonError::into_inner);
        with(topics.find(name)?)
    }

    #[inline(always)]
    fn append_at(
        &self,
        topic: &Topic,
        partition: PartitionId,
        payload: &Payload<'_>,
        claim: &mut Claim,
    ) -> Result<Appended, Refusal> {
        match topic.slot(partition)?.append(payload, &self.supplies, claim, false) {
            Ok(appended) => Ok(appended),
            Err(refusal) => Err(self.refusal_at(partition, refusal, claim)),
        }
    }

    #[inline(always)]
    fn append_sticky(
        &self,
        topic: &Topic,
        payload: &Payload<'_>,
        claim: &mut Claim,
    ) -> Result<Appended, Refusal> {
        let count = topic.partition_count();
        let load = |partition| topic.load(partition);
        let mut partition = topic.sticky.current(count, load);
        let mut may_turn = count > 1 && topic.sticky.has_had_its_share();
        loop {
            let slot = topic.slot(PartitionId(partition as i32))?;
            match slot.append(payload, &self.supplies, claim, may_turn) {
                Ok(appended) => {
                    topic.sticky.produced(partition, appended.bytes, count, load);
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

    #[inline]
    fn check_size(&self, payload: &Payload<'_>) -> Result<(), Refusal> {
        let size_bytes = payload.size_upper_bound();
        if size_bytes > self.max_request_size_bytes {
            let limit_bytes = self.max_request_size_bytes;
            return Err(Refusal::TooLarge { size_bytes, limit_bytes, setting: "max.request.size" });
        }
        let limit_bytes = self.supplies.permits.total();
        if size_bytes > limit_bytes {
            return Err(Refusal::TooLarge { size_bytes, limit_bytes, setting: "buffer.memory" });
        }
        Ok(())
    }

    /// The place that was chosen for a record stays its own while it waits for space there.
    #[inline(never)]
    fn refusal_at(&self, partition: PartitionId, refusal: SlotRefusal, claim: &mut Claim) -> Refusal {
        let comes_again = matches!(refusal, SlotRefusal::NeedsBytes(_) | SlotRefusal::NeedsClock);
        claim.chosen = comes_again.then_some(Chosen::At(partition));
        self.refusal(refusal)
    }

    #[inline(never)]
    fn refusal(&self, refusal: SlotRefusal) -> Refusal {
        match refusal {
            SlotRefusal::NeedsBytes(bytes) => Refusal::NeedsBytes(bytes),
            SlotRefusal::Closed => Refusal::Closed,
            SlotRefusal::TooLarge(size_bytes) => {
                let limit_bytes = self.max_request_size_bytes;
                Refusal::TooLarge { size_bytes, limit_bytes, setting: "max.request.size" }
            }
            // Whoever lets a slot ask for a turn answers it, and who asks about the clock offers the record again.
            SlotRefusal::Turn | SlotRefusal::NeedsClock => Refusal::UnknownTopic,
        }
    }

    /// Makes a topic known as a snapshot shows it, and lets in what waited for that.
    pub(crate) fn learn(&self, topic: &KnownTopic, metadata: &Metadata) {
        self.know_topic(&topic.name, topic.id, standings(topic, metadata, self.rack.as_deref()));
        self.let_in(&topic.name);
    }

    /// Makes a topic's partitions known, or more of them, and who leads each. A topic with another id is another topic:
    /// it gets slots of its own, and those of the old one take no more records.
    pub(crate) fn know_topic(&self, name: &TopicName, id: TopicId, standings: Vec<Standing>) {
        let mut topics = self.topics.write().unwrap_or_else(PoisonError::into_inner);
        let topics = &mut *topics;
        // A broker that is too old for ids says nothing against a topic that is known with one.
        let same =
            |topic: &Topic| topic.incarnation.id == id || topic.incarnation.id.is_zero() || id.is_zero();
        let known = topics.by_name.get(name).is_some_and(same);
        if !known {
            let seed = self.seed.wrapping_add(topics.slots as u64);
            let sticky = Arc::new(Sticky::new(self.supplies.batch_size_bytes, self.adaptive, seed));
            let incarnation = Incarnation::new(name.clone(), id);
            let old = topics.by_name.insert(name.clone(), Topic::new(incarnation, sticky, Turns::new(seed)));
            for slot in old.iter().flat_map(|topic| &topic.slots) {
                slot.set_gate(Gate::Aborting, &self.supplies);
            }
        }
        let Some(topic) = topics.by_name.get_mut(name) else { return };
        while topic.slots.len() < standings.len() {
            let partition = PartitionId(topic.slots.len() as i32);
            topic.slots.push(Slot::new(Arc::clone(&topic.incarnation), partition, topics.slots, topics.gate));
            topics.slots += 1;
        }
        topic.set_standings(standings, &topics.slow);
    }

    /// Says which brokers take nothing although there is something for them; the next choice leaves them out.
    pub(crate) fn set_slow(&self, slow: &BTreeSet<NodeId>) {
        let mut topics = self.topics.write().unwrap_or_else(PoisonError::into_inner);
        topics.slow.clone_from(slow);
        for topic in topics.by_name.values_mut() {
            topic.set_slow(slow);
        }
    }

    /// What was counted of each topic that is known, in no order.
    pub(crate) fn topic_counts(&self) -> Vec<(TopicName, TopicCounts)> {
        let topics = self.topics.read().unwrap_or_else(PoisonError::into_inner);
        let incarnations = topics.by_name.values().map(|topic| &topic.incarnation);
        incarnations.map(|of| (of.name.clone(), *of.counts())).collect()
    }

    /// Somebody who does not wait found no space: nothing lingers any more, so that there is some soon.
    pub(crate) fn hurry(&self) {
        self.supplies.permits.note_refused();
        self.supplies.bell.ring();
    }

    /// Whether records for the topic find their partitions.
    pub(crate) fn knows(&self, name: &str) -> bool {
        self.topics.read().unwrap_or_else(PoisonError::into_inner).by_name.contains_key(name)
    }

    /// Takes a topic away of which no batch is here, and says whether it is away. Nobody appends meanwhile: a task
    /// appends under the same lock, and the next one finds that it has to ask for the topic.
    pub(crate) fn forget_topic(&self, name: &TopicName) -> bool {
        let mut topics = self.topics.write().unwrap_or_else(PoisonError::into_inner);
        if topics.by_name.get(name).is_some_and(|topic| topic.slots.iter().any(|slot| slot.is_in_use())) {
            return false;
        }
        topics.by_name.remove(name);
        true
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

impl Topics {
    /// A topic that takes records.
    #[inline(always)]
    fn find(&self, name: &str) -> Result<&Topic, Refusal> {
        if self.gate == Gate::Closed || self.gate == Gate::Aborting {
            return Err(Refusal::Closed);
        }
        self.by_name.get(name).ok_or(Refusal::UnknownTopic)
    }
}

impl Topic {
    fn new(incarnation: Arc<Incarnation>, sticky: Arc<Sticky>, turns: Turns) -> Self {
        Self { incarnation, slots: Vec::new(), standings: Vec::new(), available: Arc::new([]), sticky, turns }
    }

    fn slot(&self, partition: PartitionId) -> Result<&Arc<Slot>, Refusal> {
        let slot = usize::try_from(partition.0).ok().and_then(|partition| self.slots.get(partition));
        slot.ok_or(Refusal::UnknownPartition(self.slots.len()))
    }

    fn partition_count(&self) -> u32 {
        u32::try_from(self.slots.len()).unwrap_or(u32::MAX)
    }

    fn unplaced<'a>(
        &self,
        topic: &'a str,
        payload: &Payload<'a>,
        available: &'a [PartitionId],
    ) -> Unplaced<'a> {
        let (key, value) = (payload.key, payload.value);
        Unplaced { topic, key, value, partition_count: self.partition_count(), available }
    }

    fn load(&self, partition: u32) -> Load {
        let partition = partition as usize;
        Load {
            standing: self.standings.get(partition).copied().unwrap_or_default(),
            waiting: self.slots.get(partition).map_or(0, |slot| slot.waiting_batches()),
        }
    }

    /// A view with fewer partitions is older: those that it lacks keep their leaders.
    fn set_standings(&mut self, mut standings: Vec<Standing>, slow: &BTreeSet<NodeId>) {
        standings.extend(self.standings.iter().skip(standings.len()));
        self.standings = standings;
        let partitions = (0..).map(PartitionId).zip(&self.standings);
        self.available = partitions.filter(|(_, s)| s.leader.is_some()).map(|(id, _)| id).collect();
        self.set_slow(slow);
    }

    fn set_slow(&mut self, slow: &BTreeSet<NodeId>) {
        for standing in &mut self.standings {
            standing.is_slow = standing.leader.is_some_and(|leader| slow.contains(&leader));
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
        // The driver looks more often than the time goes on, and a store takes the line away from those who append.
        if self.coarse.load(Ordering::Relaxed) != moment.unix_millis.0 {
            self.coarse.store(moment.unix_millis.0, Ordering::Relaxed);
        }
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
        room_with(Partitioner::built_in())
    }

    fn room_with(partitioner: Partitioner) -> Arc<Room> {
        Room::new(RoomOptions { partitioner, ..RoomOptions::small() })
    }

    fn append(room: &Room, partition: i32) -> Result<Appended, Refusal> {
        let payload = Payload { key: None, value: Some(b"x"), headers: &[], timestamp: None };
        let to = Destination { topic: "t", partition: Some(PartitionId(partition)) };
        room.append(to, &payload, &mut Claim::default())
    }

    #[test]
    fn a_topic_grows_and_a_stale_view_takes_nothing_away() {
        let (room, topic) = (room(), TopicName::from("t"));
        assert!(matches!(append(&room, 0), Err(Refusal::UnknownTopic)));
        room.know_topic(&topic, TopicId([1; 16]), vec![Standing::led_by(0); 3]);
        assert!(matches!(append(&room, 3), Err(Refusal::UnknownPartition(3))));
        room.know_topic(&topic, TopicId([1; 16]), vec![Standing::led_by(0); 5]);
        assert_eq!(append(&room, 4).unwrap().index, 0);
        room.know_topic(&topic, TopicId([1; 16]), vec![Standing::led_by(0); 3]);
        assert_eq!(append(&room, 4).unwrap().index, 1, "it goes on in the same batch");
    }

    #[test]
    fn a_topic_with_another_id_has_other_batches() {
        let (room, topic) = (room(), TopicName::from("t"));
        room.know_topic(&topic, TopicId([1; 16]), vec![Standing::led_by(0)]);
        let old = append(&room, 0).unwrap();
        room.know_topic(&topic, TopicId::ZERO, vec![Standing::led_by(0)]);
        assert_eq!(append(&room, 0).unwrap().index, 1, "a broker without ids says nothing against it");
        room.know_topic(&topic, TopicId([2; 16]), vec![Standing::led_by(0)]);
        let new = append(&room, 0).unwrap();
        assert_eq!(new.index, 0);
        assert!(!Arc::ptr_eq(&old.completion, &new.completion));
    }

    #[test]
    fn a_closed_gate_also_shuts_topics_that_come_later() {
        let room = room();
        room.set_gate(Gate::Closed);
        room.know_topic(&TopicName::from("t"), TopicId::ZERO, vec![Standing::led_by(0)]);
        assert!(matches!(append(&room, 0), Err(Refusal::Closed)));
    }

    #[test]
    fn a_sticky_partition_counts_what_its_batch_grew_by() {
        let room = room();
        room.know_topic(&TopicName::from("t"), TopicId::ZERO, vec![Standing::led_by(0); 50]);
        let payload = Payload { key: None, value: Some(b"x"), headers: &[], timestamp: None };
        let to = Destination { topic: "t", partition: None };
        let at = |appended: Appended| (appended.completion.partition, appended.index);
        let (first, _) = at(room.append(to, &payload, &mut Claim::default()).unwrap());
        // 111 records fill a batch of 1000 bytes but for 9, so that a second one follows, as in Java, and fills up too.
        for expected in (1..111).chain(0..111) {
            assert_eq!(at(room.append(to, &payload, &mut Claim::default()).unwrap()), (first, expected));
        }
        let (next, index) = at(room.append(to, &payload, &mut Claim::default()).unwrap());
        assert!(next != first && index == 0, "{next} {index}");
    }

    /// Makes its topic grow while it is asked, which needs the lock that appending takes.
    struct Grows(std::sync::OnceLock<std::sync::Weak<Room>>);

    impl Grows {
        fn grow(&self, to: usize) {
            let room = self.0.get().and_then(std::sync::Weak::upgrade).unwrap();
            room.know_topic(&TopicName::from("t"), TopicId::ZERO, vec![Standing::led_by(0); to]);
        }
    }

    impl CustomPartitioner for Arc<Grows> {
        fn partition(&self, _: &Unplaced<'_>) -> Option<PartitionId> {
            self.grow(2);
            Some(PartitionId(1))
        }

        fn on_new_batch(&self, _: &Unplaced<'_>, _: PartitionId) -> PartitionId {
            self.grow(3);
            PartitionId(2)
        }
    }

    #[test]
    fn a_partitioner_is_asked_without_a_lock() {
        let grows = Arc::new(Grows(std::sync::OnceLock::new()));
        let room = room_with(Partitioner::implemented_by(Arc::clone(&grows)));
        grows.0.set(Arc::downgrade(&room)).unwrap();
        grows.grow(1);
        let payload = Payload { key: None, value: Some(b"x"), headers: &[], timestamp: None };
        let to = Destination { topic: "t", partition: None };
        let appended = room.append(to, &payload, &mut Claim::default()).unwrap();
        assert_eq!(appended.completion.partition, PartitionId(2));
    }

    #[test]
    fn a_queue_is_what_waits_to_be_sent() {
        let room = room();
        room.know_topic(&TopicName::from("t"), TopicId::ZERO, vec![Standing::led_by(0)]);
        append(&room, 0).unwrap();
        let load = || room.with_topic("t", |topic| Ok(topic.load(0).waiting)).unwrap();
        assert_eq!(load(), 1, "the open batch");
        let mut taken = Vec::new();
        let slot = room.with_topic("t", |topic| topic.slot(PartitionId(0)).cloned()).unwrap();
        slot.take_all(&mut taken);
        let mut hold = taken.pop().unwrap().hold;
        hold.set_waiting(false);
        assert_eq!(load(), 0, "what is on its way");
        hold.set_waiting(true);
        let part = hold.split_off(1);
        assert_eq!(load(), 2, "both parts of what came back");
        drop((hold, part));
        assert_eq!(load(), 0);
    }
}
