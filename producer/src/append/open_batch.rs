//! A partition's open batch: the one short lock under which tasks encode their records in place.
//!
//! Per record of 100 bytes: one lock, one copy of key and value, one reference count for its delivery; no allocation,
//! no clock, no channel. Per batch: one permit, one buffer from the pool, one completion object, one look at the
//! clock, one ring of the driver's bell.
use std::borrow::Cow;
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use courant_protocol::record::{AppendError, BatchWriter, record_size_upper_bound};
use courant_protocol::types::{PartitionId, UnixMillis};

use super::completion::Completion;
use super::incarnation::{Incarnation, TopicCounts};
use super::outstanding::Token;
use super::permits::Permit;
use super::room::{Claim, Supplies};
use crate::sync::{AtomicUsize, Mutex, MutexGuard, Ordering, PoisonError};

/// What may be appended now; read under the same lock as the batch, so that no record slips past a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Gate {
    /// Records are taken, and linger.
    Open,
    /// A flush has passed: a batch of this epoch or before is closed to new records and must not linger. The next
    /// record, which the flush does not wait for, opens the gate again with a batch of its own.
    Flushing(u64),
    /// Nothing is taken, and what is open will be failed.
    Aborting,
    /// Nothing is taken, but what is open will be sent.
    Closed,
}

/// One partition of one incarnation of a topic: a topic that was deleted and created again has other slots.
pub(crate) struct Slot {
    pub(crate) topic: Arc<Incarnation>,
    pub(crate) partition: PartitionId,
    /// Its place among all slots of the producer, never reused.
    pub(crate) number: usize,
    waiting: AtomicUsize,
    state: Mutex<OpenBatch>,
}

struct OpenBatch {
    gate: Gate,
    filling: Option<ClosedBatch>,
    /// Full ones, which the driver has not taken yet.
    closed: VecDeque<ClosedBatch>,
    /// The driver was told of this slot, and has not come yet.
    announced: bool,
}

/// A batch on its way from the tasks to the driver; moved once, by value.
pub(crate) struct ClosedBatch {
    pub(crate) writer: BatchWriter,
    pub(crate) completion: Arc<Completion>,
    pub(crate) hold: Hold,
    /// When its first record was appended: linger and delivery timeout count from here.
    pub(crate) opened_at: Instant,
}

/// What a batch occupies until its outcome is known: bytes of the buffer, and a place among the outstanding ones.
pub(crate) struct Hold {
    permit: Permit,
    /// Gone once the outcome was given; the bytes stay until no request names them.
    token: Option<Token>,
    slot: Arc<Slot>,
    /// Whether the batch counts among those that wait to be sent.
    is_waiting: bool,
}

impl Hold {
    fn new(permit: Permit, token: Token, slot: &Arc<Slot>) -> Self {
        slot.waiting.fetch_add(1, Ordering::Relaxed);
        Self { permit, token: Some(token), slot: Arc::clone(slot), is_waiting: true }
    }

    /// The part of it that belongs to a part of the batch, after a split.
    pub(crate) fn split_off(&mut self, bytes: usize) -> Self {
        self.slot.waiting.fetch_add(1, Ordering::Relaxed);
        let permit = self.permit.split_off(bytes);
        Self { permit, token: self.token.clone(), slot: Arc::clone(&self.slot), is_waiting: true }
    }

    /// The batch goes out, or comes back to be sent again.
    pub(crate) fn set_waiting(&mut self, is_waiting: bool) {
        match (self.is_waiting, is_waiting) {
            (true, false) => drop(self.slot.waiting.fetch_sub(1, Ordering::Relaxed)),
            (false, true) => drop(self.slot.waiting.fetch_add(1, Ordering::Relaxed)),
            _ => {}
        }
        self.is_waiting = is_waiting;
    }

    /// The outcome of the batch was given: flushes wait for it no longer, and hear of the records that failed.
    pub(crate) fn settle(&mut self, failed: Option<(usize, &courant_client::Error)>) {
        if let (Some(token), Some((records, error))) = (self.token.take(), failed) {
            token.note_failure(records, error);
            self.topic_counts().records_failed += records as u64;
        }
    }

    /// What was counted of the batch's topic.
    pub(crate) fn topic_counts(&self) -> MutexGuard<'_, TopicCounts> {
        self.slot.topic.counts()
    }
}

impl Hold {
    /// The flush epoch of the batch.
    fn epoch(&self) -> u64 {
        self.token.as_ref().map_or(0, Token::epoch)
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        self.set_waiting(false);
    }
}

/// What of a record is encoded.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Payload<'a> {
    pub(crate) key: Option<&'a [u8]>,
    pub(crate) value: Option<&'a [u8]>,
    pub(crate) headers: &'a [(Cow<'static, str>, Option<Bytes>)],
    pub(crate) timestamp: Option<UnixMillis>,
}

impl Payload<'_> {
    /// The size of a batch with this record alone, at most.
    pub(crate) fn size_upper_bound(&self) -> usize {
        record_size_upper_bound(self.key, self.value, self.encoded_headers())
    }

    fn encoded_headers(&self) -> impl Iterator<Item = (&[u8], Option<&[u8]>)> + Clone {
        self.headers.iter().map(|(name, value)| (name.as_bytes(), value.as_deref()))
    }
}

/// Where a record was put.
#[derive(Debug)]
pub(crate) struct Appended {
    pub(crate) completion: Arc<Completion>,
    pub(crate) index: u32,
    pub(crate) timestamp: UnixMillis,
    /// How much the batch grew.
    pub(crate) bytes: usize,
}

/// Why a slot did not take a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SlotRefusal {
    /// A new batch is needed, and so many bytes for it are not free.
    NeedsBytes(usize),
    /// A new batch is needed, and may be another partition's.
    Turn,
    /// A new batch is needed, and the clock cannot be trusted from here.
    NeedsClock,
    /// The gate is closed.
    Closed,
    /// No batch can hold it.
    TooLarge(usize),
}

/// What a visit of the driver found still open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct StillOpen {
    pub(crate) opened_at: Instant,
    /// A flush or a close waits for it: it must not linger.
    pub(crate) hurry: bool,
}

impl Slot {
    pub(crate) fn new(
        topic: Arc<Incarnation>,
        partition: PartitionId,
        number: usize,
        gate: Gate,
    ) -> Arc<Self> {
        let state = OpenBatch { gate, filling: None, closed: VecDeque::new(), announced: false };
        Arc::new(Self { topic, partition, number, waiting: AtomicUsize::new(0), state: Mutex::new(state) })
    }

    /// Encodes a record into the open batch, or into a new one for which `permit` or free bytes must be at hand.
    /// `may_turn` says that a new batch may be another partition's.
    ///
    /// This much of it is what nearly every record takes, and is compiled into the caller: a result that is handed on
    /// through memory costs as much as encoding the record.
    #[inline(always)]
    pub(crate) fn append(
        self: &Arc<Self>,
        payload: &Payload<'_>,
        supplies: &Supplies,
        claim: &mut Claim,
        may_turn: bool,
    ) -> Result<Appended, SlotRefusal> {
        let mut state = self.lock();
        if state.gate == Gate::Open
            && let Some(filling) = &mut state.filling
            && let Ok(appended) = filling.append(payload, supplies.coarse_unix_millis())
        {
            if filling.is_full(supplies) {
                self.close_filling(&mut state, supplies);
            }
            return Ok(appended);
        }
        self.append_anew(&mut state, payload, supplies, claim, may_turn)
    }

    /// What the open batch did not take goes into a new one, unless it is the gate that keeps it out.
    #[inline(never)]
    fn append_anew(
        self: &Arc<Self>,
        state: &mut OpenBatch,
        payload: &Payload<'_>,
        supplies: &Supplies,
        claim: &mut Claim,
        may_turn: bool,
    ) -> Result<Appended, SlotRefusal> {
        state.pass_gate()?;
        if let Some(filling) = &mut state.filling {
            match filling.append_seldom(payload, supplies.coarse_unix_millis()) {
                // The gate was that of a flush which this batch is behind.
                Ok(appended) => {
                    if filling.is_full(supplies) {
                        self.close_filling(state, supplies);
                    }
                    return Ok(appended);
                }
                Err(AppendError::TooLarge { size_bytes }) => return Err(SlotRefusal::TooLarge(size_bytes)),
                Err(_) => self.close_filling(state, supplies),
            }
        }
        if may_turn {
            return Err(SlotRefusal::Turn);
        }
        self.open(state, payload, supplies, claim)
    }

    fn open(
        self: &Arc<Self>,
        state: &mut OpenBatch,
        payload: &Payload<'_>,
        supplies: &Supplies,
        claim: &mut Claim,
    ) -> Result<Appended, SlotRefusal> {
        if claim.may_look_at_clock.is_some_and(|may_look| !may_look()) {
            return Err(SlotRefusal::NeedsClock);
        }
        let bytes = supplies.permit_for(payload.size_upper_bound());
        let permit = match claim.permit.take().or_else(|| supplies.permits.try_acquire(bytes)) {
            Some(permit) => permit,
            None => return Err(SlotRefusal::NeedsBytes(bytes)),
        };
        let moment = supplies.look_at_clock();
        let mut batch = ClosedBatch {
            writer: BatchWriter::new(supplies.take_buffer(), supplies.writer_options),
            completion: Completion::new(self.topic.name.clone(), self.partition),
            hold: Hold::new(permit, supplies.outstanding.open(), self),
            opened_at: moment.now,
        };
        let appended = batch.append_seldom(payload, moment.unix_millis).map_err(|error| match error {
            AppendError::TooLarge { size_bytes } => SlotRefusal::TooLarge(size_bytes),
            _ => SlotRefusal::TooLarge(payload.size_upper_bound()),
        })?;
        let full = batch.is_full(supplies);
        state.filling = Some(batch);
        if full {
            self.close_filling(state, supplies);
        } else {
            self.announce(state, supplies, Some(moment.now + supplies.patience));
        }
        Ok(appended)
    }

    #[inline(never)]
    fn close_filling(self: &Arc<Self>, state: &mut OpenBatch, supplies: &Supplies) {
        if let Some(full) = state.filling.take() {
            state.closed.push_back(full);
            self.announce(state, supplies, None);
        }
    }

    /// Has the driver come, at `by` or at once.
    fn announce(self: &Arc<Self>, state: &mut OpenBatch, supplies: &Supplies, by: Option<Instant>) {
        let is_news = !std::mem::replace(&mut state.announced, true);
        if is_news || by.is_none() {
            supplies.bell.announce(is_news.then_some(self), by);
        }
    }

    /// Sets the gate, and says whether there is something that now must not linger.
    pub(crate) fn set_gate(self: &Arc<Self>, gate: Gate, supplies: &Supplies) {
        let mut state = self.lock();
        // A gate that closed stays closed; closing may still turn into aborting.
        let shut = matches!(state.gate, Gate::Closed | Gate::Aborting);
        if !shut || gate == Gate::Aborting {
            state.gate = gate;
        }
        if state.filling.is_some() {
            self.announce(&mut state, supplies, None);
        }
    }

    /// Moves the full batches into `taken`, and tells about the one that is still open.
    pub(crate) fn visit(&self, taken: &mut Vec<ClosedBatch>) -> Option<StillOpen> {
        let mut state = self.lock();
        state.announced = false;
        state.take_closed(taken);
        let hurry = state.must_hurry();
        state.filling.as_ref().map(|filling| StillOpen { opened_at: filling.opened_at, hurry })
    }

    /// Moves everything into `taken`, the open batch last.
    pub(crate) fn take_all(&self, taken: &mut Vec<ClosedBatch>) {
        let mut state = self.lock();
        let filling = state.filling.take();
        state.take_closed(taken);
        taken.extend(filling);
        if matches!(state.gate, Gate::Flushing(_)) {
            state.gate = Gate::Open;
        }
    }

    /// Whether a batch of it is here, or the driver still has to come for it.
    pub(crate) fn is_in_use(&self) -> bool {
        let state = self.lock();
        state.announced || state.filling.is_some() || !state.closed.is_empty()
    }

    /// How many of its batches wait to be sent, or to be sent again.
    pub(crate) fn waiting_batches(&self) -> usize {
        self.waiting.load(Ordering::Relaxed)
    }

    fn lock(&self) -> MutexGuard<'_, OpenBatch> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl OpenBatch {
    /// Lets a record through, or not; a flush that has passed gets its batch out of the record's way.
    fn pass_gate(&mut self) -> Result<(), SlotRefusal> {
        match self.gate {
            Gate::Open => Ok(()),
            Gate::Flushing(_) => {
                if self.must_hurry() {
                    self.closed.extend(self.filling.take());
                }
                self.gate = Gate::Open;
                Ok(())
            }
            Gate::Aborting | Gate::Closed => Err(SlotRefusal::Closed),
        }
    }

    /// Moves the full batches out. A slot that may be idle from here on keeps no room for a queue of them.
    fn take_closed(&mut self, taken: &mut Vec<ClosedBatch>) {
        taken.extend(self.closed.drain(..));
        if self.filling.is_none() {
            self.closed = VecDeque::new();
        }
    }

    fn must_hurry(&self) -> bool {
        match (self.gate, &self.filling) {
            (_, None) | (Gate::Open, _) => false,
            (Gate::Flushing(epoch), Some(filling)) => filling.hold.epoch() <= epoch,
            (Gate::Aborting | Gate::Closed, Some(_)) => true,
        }
    }
}

impl ClosedBatch {
    /// Whether it has its size, so that nobody needs to try another record on it.
    #[inline]
    fn is_full(&self, supplies: &Supplies) -> bool {
        self.writer.len() >= supplies.batch_size_bytes
    }

    /// As [`Self::append`] where no record depends on a call.
    #[inline(never)]
    fn append_seldom(&mut self, payload: &Payload<'_>, now: UnixMillis) -> Result<Appended, AppendError> {
        self.append(payload, now)
    }

    #[inline(always)]
    fn append(&mut self, payload: &Payload<'_>, now: UnixMillis) -> Result<Appended, AppendError> {
        let timestamp = payload.timestamp.unwrap_or(now);
        let before = if self.writer.is_empty() { 0 } else { self.writer.len() };
        let index = self.writer.append(timestamp, payload.key, payload.value, payload.encoded_headers())?;
        let bytes = self.writer.len() - before;
        Ok(Appended { completion: Arc::clone(&self.completion), index, timestamp, bytes })
    }
}
