//! Noting what happens.
use super::{Call, Event, Violations, check};
use courant_protocol::types::{Offset, TopicPartition};
use std::collections::BTreeSet;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The history of one run; cloning it shares it.
#[derive(Clone, Debug, Default)]
pub struct History {
    record: Arc<Mutex<Record>>,
}

#[derive(Debug, Default)]
struct Record {
    events: Vec<Event>,
    calls: u64,
    open: BTreeSet<(u64, String)>,
}

impl History {
    /// An empty history.
    pub fn new() -> Self {
        Self::default()
    }

    /// Notes that a producer is given a record. Call it in the order of the sends, before each.
    pub fn sent(&self, producer: &str, id: impl fmt::Display) {
        self.push(Event::Sent { producer: producer.to_owned(), id: id.to_string() });
    }

    /// Notes an acknowledgement.
    pub fn acknowledged(&self, id: impl fmt::Display, partition: &TopicPartition, offset: impl Into<Offset>) {
        self.push(Event::Acknowledged {
            id: id.to_string(),
            partition: partition.clone(),
            offset: offset.into(),
        });
    }

    /// Notes a send that failed, and whether its error says that the record may have been written.
    pub fn failed(&self, id: impl fmt::Display, possibly_written: bool) {
        self.push(Event::Failed { id: id.to_string(), possibly_written });
    }

    /// Notes a record that a consumer was given.
    pub fn delivered(
        &self,
        consumer: &str,
        partition: &TopicPartition,
        offset: impl Into<Offset>,
        id: impl fmt::Display,
    ) {
        let (consumer, partition, offset) = (consumer.to_owned(), partition.clone(), offset.into());
        self.push(Event::Delivered { consumer, partition, offset, id: id.to_string() });
    }

    /// Notes a commit that succeeded.
    pub fn committed(&self, consumer: &str, partition: &TopicPartition, offset: impl Into<Offset>) {
        let (consumer, partition, offset) = (consumer.to_owned(), partition.clone(), offset.into());
        self.push(Event::Committed { consumer, partition, offset });
    }

    /// Notes a seek: the next record of the partition must be the one at this offset, and what follows may come again.
    pub fn sought(&self, consumer: &str, partition: &TopicPartition, offset: impl Into<Offset>) {
        let (consumer, partition, offset) = (consumer.to_owned(), partition.clone(), offset.into());
        self.push(Event::Sought { consumer, partition, offset });
    }

    /// Says that a consumer goes on where `predecessor` stopped: what that one got counts as read by this one too.
    pub fn continues(&self, consumer: &str, predecessor: &str) {
        let (consumer, predecessor) = (consumer.to_owned(), predecessor.to_owned());
        self.push(Event::Continues { consumer, predecessor });
    }

    /// Says that a consumer has read everything: what the logs hold more is a violation.
    pub fn read_to_the_end(&self, consumer: &str) {
        self.push(Event::ReadToTheEnd { consumer: consumer.to_owned() });
    }

    /// Adds a record of a broker's log. Call it at the end of the run, in the log's order.
    pub fn logged(&self, partition: &TopicPartition, offset: impl Into<Offset>, id: impl fmt::Display) {
        self.push(Event::Logged { partition: partition.clone(), offset: offset.into(), id: id.to_string() });
    }

    /// Notes that a call begins. [`Call::ended`] says that its future was ready; dropping the [`Call`] says that the
    /// future was dropped. One that does neither is a violation.
    pub fn call(&self, what: impl fmt::Display) -> Call {
        let mut record = self.record();
        record.calls += 1;
        let key = (record.calls, what.to_string());
        record.open.insert(key.clone());
        Call { history: self.clone(), key }
    }

    /// Everything noted so far.
    pub fn events(&self) -> Vec<Event> {
        self.record().events.clone()
    }

    /// How many records were acknowledged: a test that wants work done asks for this too.
    pub fn acknowledgements(&self) -> usize {
        self.record().events.iter().filter(|event| matches!(event, Event::Acknowledged { .. })).count()
    }

    /// Runs every check.
    ///
    /// # Errors
    /// All that was found.
    pub fn check(&self) -> Result<(), Violations> {
        self.judge(check::all)
    }

    /// Runs the checks that hold without idempotence, where a retry may write a record twice and behind later ones.
    ///
    /// # Errors
    /// All that was found.
    pub fn check_at_least_once(&self) -> Result<(), Violations> {
        self.judge(check::at_least_once)
    }

    fn judge(&self, checks: impl Fn(&[Event]) -> Vec<String>) -> Result<(), Violations> {
        let record = self.record();
        let mut found = checks(&record.events);
        found.extend(record.open.iter().map(|(_, what)| format!("never ended: {what}")));
        if found.is_empty() { Ok(()) } else { Err(Violations { found }) }
    }

    pub(super) fn close(&self, call: &(u64, String)) {
        self.record().open.remove(call);
    }

    fn push(&self, event: Event) {
        self.record().events.push(event);
    }

    fn record(&self) -> MutexGuard<'_, Record> {
        self.record.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
