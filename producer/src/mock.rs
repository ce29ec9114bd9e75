//! A producer without a broker, a network or a runtime, for unit tests of code that sends.
use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use courant_client::{Error, ErrorKind};
use courant_protocol::compression::{Codec, CompressionScratch};
use courant_protocol::types::{NodeId, Offset, TopicId, TopicName, TopicPartition, UnixMillis};

use crate::append::{Claim, ClosedBatch, Moment, Refusal, Room, RoomOptions};
use crate::interceptor::Interceptors;
use crate::machine::Batch;
use crate::partitioner::Standing;
use crate::producer::refused;
use crate::{DeliveryFuture, Interceptor, Partitioner, Producer, Record, SendError};

/// A [`Producer`] whose other end is a script: nothing leaves the process, and no runtime is needed.
///
/// Code under test takes `&Producer`, as in production. Records are checked, partitioned, encoded and, if they fail, given
/// back as ever; the test reads the [`history`](Self::history) and decides what becomes of each record. Every topic exists,
/// with one partition, unless the builder says otherwise.
///
/// Nothing of it ever waits: `enqueue` and `flush` are ready at once. `flush` and `close` bring what is pending to a good
/// end first, as a cluster in good health would; `close` with no time fails it.
///
/// ```
/// use courant_producer::{MockProducer, Producer, Record, SendError};
/// use courant_client::{Error, ErrorKind};
/// use futures_util::FutureExt;
///
/// /// What is tested.
/// async fn order(producer: &Producer, what: &'static str) -> Result<i64, SendError> {
///     Ok(producer.send(Record::to("orders").key("table 7").value(what)).await?.offset.0)
/// }
///
/// let mock = MockProducer::new();
/// assert_eq!(order(mock.producer(), "coffee").now_or_never().unwrap().unwrap(), 0);
/// assert_eq!(mock.history(), [Record::to("orders").key("table 7").value("coffee")]);
///
/// let mock = MockProducer::builder().manual().build();
/// let mut ordered = Box::pin(order(mock.producer(), "tea"));
/// assert!((&mut ordered).now_or_never().is_none());
/// assert!(mock.error_next(Error::new(ErrorKind::Timeout, "too late")));
/// assert_eq!(ordered.now_or_never().unwrap().unwrap_err().to_string(), "too late");
/// ```
#[derive(Clone)]
pub struct MockProducer {
    producer: Producer,
    script: Arc<Script>,
}

impl MockProducer {
    /// One that acknowledges each record as it is sent.
    pub fn new() -> Self {
        Self::builder().build()
    }

    /// Collects settings.
    pub fn builder() -> MockProducerBuilder {
        MockProducerBuilder {
            topics: BTreeMap::new(),
            strict: false,
            manual: false,
            time: UnixMillis(0),
            partitioner: Partitioner::built_in(),
            interceptors: Vec::new(),
        }
    }

    /// The producer to hand to the code under test. Clones of it are the same producer.
    pub fn producer(&self) -> &Producer {
        &self.producer
    }

    /// Every record that was accepted, in order, as it was after the interceptors.
    pub fn history(&self) -> Vec<Record> {
        self.script.lock().history.iter().map(|(record, _)| record.clone()).collect()
    }

    /// The partition that each record of the [`history`](Self::history) went to.
    pub fn destinations(&self) -> Vec<TopicPartition> {
        self.script.lock().history.iter().map(|(_, place)| place.clone()).collect()
    }

    /// Forgets the history; what is pending stays.
    pub fn clear(&self) {
        self.script.lock().history.clear();
    }

    /// How many records were accepted and have no outcome yet.
    pub fn pending(&self) -> usize {
        self.script.lock().pending.len()
    }

    /// Acknowledges the record that has waited longest; `false` if none waits.
    pub fn complete_next(&self) -> bool {
        self.script.complete_next()
    }

    /// Fails the record that has waited longest; `false` if none waits. Unless the error is
    /// [`possibly_written`](Error::possibly_written), the record comes back with it.
    pub fn error_next(&self, error: Error) -> bool {
        let pending = self.script.lock().pending.pop_front();
        match pending {
            Some((_, mut batch)) => {
                batch.possibly_written = error.possibly_written();
                batch.fail(error, Vec::new());
                true
            }
            None => false,
        }
    }

    /// Has the next record refused, which comes back; called again, the one after it.
    pub fn refuse_next(&self, error: Error) {
        self.script.lock().refusals.push_back(error);
    }

    /// Has the next flush fail, before it has completed anything.
    pub fn fail_flush(&self, error: Error) {
        self.script.lock().flush_failure = Some(error);
    }

    /// Has the next close fail, after it has closed the producer and before it has completed anything.
    pub fn fail_close(&self, error: Error) {
        self.script.lock().close_failure = Some(error);
    }
}

impl Default for MockProducer {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for MockProducer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MockProducer").field("pending", &self.pending()).finish_non_exhaustive()
    }
}

/// Collects the settings of a [`MockProducer`].
#[must_use = "call build()"]
pub struct MockProducerBuilder {
    topics: BTreeMap<String, usize>,
    strict: bool,
    manual: bool,
    time: UnixMillis,
    partitioner: Partitioner,
    interceptors: Vec<Box<dyn Interceptor>>,
}

impl MockProducerBuilder {
    /// A topic with so many partitions.
    pub fn topic(mut self, name: impl Into<String>, partitions: usize) -> Self {
        self.topics.insert(name.into(), partitions);
        self
    }

    /// Topics that [`topic`](Self::topic) did not name do not exist.
    pub fn only_these_topics(mut self) -> Self {
        self.strict = true;
        self
    }

    /// Records wait for [`MockProducer::complete_next`] or [`MockProducer::error_next`].
    pub fn manual(mut self) -> Self {
        self.manual = true;
        self
    }

    /// What time it is, for records without a time of their own; 1970 if this is not called.
    pub fn time(mut self, now: impl Into<UnixMillis>) -> Self {
        self.time = now.into();
        self
    }

    /// As [`ProducerBuilder::partitioner`](crate::ProducerBuilder::partitioner).
    pub fn partitioner(mut self, partitioner: Partitioner) -> Self {
        self.partitioner = partitioner;
        self
    }

    /// As [`ProducerBuilder::interceptor`](crate::ProducerBuilder::interceptor).
    pub fn interceptor(mut self, interceptor: impl Interceptor) -> Self {
        self.interceptors.push(Box::new(interceptor));
        self
    }

    /// The producer.
    pub fn build(self) -> MockProducer {
        let moment = Moment { now: Instant::now(), unix_millis: self.time };
        let room = Room::new(RoomOptions {
            // Each record has a batch of its own, and so an outcome of its own.
            batch_size_bytes: 0,
            compressed: false,
            max_request_size_bytes: MAX_REQUEST_SIZE_BYTES,
            buffer_memory_bytes: usize::MAX,
            partitioner: self.partitioner,
            ignore_keys: false,
            adaptive: false,
            rack: None,
            seed: 0,
            patience: Duration::ZERO,
            clock: Box::new(move || moment),
        });
        let state =
            State { topics: self.topics, strict: self.strict, manual: self.manual, ..State::default() };
        let script = Arc::new(Script { room: Arc::clone(&room), state: Mutex::new(state) });
        let interceptors = Interceptors::new(self.interceptors);
        let producer = Producer::scripted(Arc::clone(&script), room, interceptors);
        MockProducer { producer, script }
    }
}

impl fmt::Debug for MockProducerBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MockProducerBuilder").field("topics", &self.topics).finish_non_exhaustive()
    }
}

/// The other end of a [`MockProducer`].
pub(crate) struct Script {
    room: Arc<Room>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    topics: BTreeMap<String, usize>,
    strict: bool,
    manual: bool,
    history: Vec<(Record, TopicPartition)>,
    pending: VecDeque<(TopicPartition, Batch)>,
    ends: BTreeMap<TopicPartition, i64>,
    refusals: VecDeque<Error>,
    flush_failure: Option<Error>,
    close_failure: Option<Error>,
}

impl Script {
    /// Lets the record into the room, or says why not; it does what a cluster would have to be waited for.
    pub(crate) fn accept(&self, producer: &Producer, record: Record) -> Result<DeliveryFuture, SendError> {
        if let Some(error) = self.lock().refusals.pop_front() {
            return Err(SendError::refused(error, record));
        }
        let mut accepted = producer.offer(&record, &mut Claim::default());
        if matches!(accepted, Err(Refusal::UnknownTopic)) && self.learn(record.topic()) {
            accepted = producer.offer(&record, &mut Claim::default());
        }
        match accepted {
            Ok(delivery) => {
                self.take(record);
                Ok(delivery)
            }
            Err(refusal) => Err(SendError::refused(refused(&record, refusal), record)),
        }
    }

    pub(crate) fn flush(&self) -> Result<(), Error> {
        if let Some(error) = self.lock().flush_failure.take() {
            return Err(error);
        }
        while self.complete_next() {}
        Ok(())
    }

    pub(crate) fn close(&self, timeout: Duration) -> Result<(), Error> {
        if let Some(error) = self.lock().close_failure.take() {
            return Err(error);
        }
        if !timeout.is_zero() {
            while self.complete_next() {}
            return Ok(());
        }
        let pending = std::mem::take(&mut self.lock().pending);
        let records = pending.len();
        let closed = Error::new(ErrorKind::Closed, "the producer was closed before the record was delivered");
        for (place, mut batch) in pending {
            batch.fail(closed.clone().at_partition(place.topic, place.partition), Vec::new());
        }
        match records {
            0 => Ok(()),
            _ => Err(Error::new(ErrorKind::Timeout, format!("closed with {records} records not delivered"))),
        }
    }

    fn learn(&self, name: &str) -> bool {
        let state = self.lock();
        let partitions = match state.topics.get(name) {
            Some(partitions) => *partitions,
            None if state.strict => return false,
            None => 1,
        };
        drop(state);
        let standing = Standing { leader: Some(NodeId(0)), ..Standing::default() };
        self.room.know_topic(&TopicName::from(name), TopicId::ZERO, vec![standing; partitions]);
        true
    }

    /// Takes over what was appended, which is one batch with this record.
    fn take(&self, record: Record) {
        let (mut slots, mut taken) = (Vec::new(), Vec::new());
        self.room.supplies.bell.hear(&mut slots);
        let mut state = self.lock();
        for slot in slots {
            slot.visit(&mut taken);
            let place = TopicPartition { topic: slot.topic.name.clone(), partition: slot.partition };
            state.pending.extend(taken.drain(..).filter_map(seal).map(|batch| (place.clone(), batch)));
            state.history.push((record.clone(), place));
        }
        let manual = state.manual;
        drop(state);
        if !manual {
            while self.complete_next() {}
        }
    }

    fn complete_next(&self) -> bool {
        let mut state = self.lock();
        let Some((place, mut batch)) = state.pending.pop_front() else { return false };
        let end = state.ends.entry(place).or_default();
        let offset = Offset(*end);
        *end += 1;
        // Whoever waits may come back at once.
        drop(state);
        batch.deliver(offset, None);
        true
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn seal(closed: ClosedBatch) -> Option<Batch> {
    Batch::seal(closed, Codec::None, None, &mut CompressionScratch::new())
}

/// `max.request.size`, as it is by default.
const MAX_REQUEST_SIZE_BYTES: usize = 1 << 20;
