//! What the clients of a run did and saw, and what must be true of it.
//!
//! A test notes events while it runs, adds at its end what the brokers' logs hold, and asks for all checks at once:
//!
//! | check | what must be true |
//! |---|---|
//! | nothing lost | every acknowledged record is in the log at its offset |
//! | nothing doubled | no record is in the logs twice, or comes to a consumer twice |
//! | nothing invented | a record that failed for sure is not in the log; what a consumer gets is in the log, at its offset |
//! | order | the records of one producer are in each partition in the order in which they were sent |
//! | offsets | a log's offsets have no gaps, and no offset ever stands for two records |
//! | read to the end | a consumer that says so has got everything in the log |
//! | commits | a committed offset is not beyond what the consumer was given |
//! | every future ends | each call that began has ended |
//!
//! ```
//! use courant_protocol::types::TopicPartition;
//! use courant_sim::History;
//!
//! let history = History::new();
//! let orders = TopicPartition::new("orders", 0);
//! let call = history.call("send a");
//! history.sent("producer-1", "a");
//! history.acknowledged("a", &orders, 0);
//! call.ended();
//! let lost = history.check().unwrap_err(); // the log is empty
//! assert_eq!(lost.to_string(), "1 violation:\n  lost: `a` was acknowledged at orders-0@0, and the log has nothing there");
//!
//! history.logged(&orders, 0, "a");
//! history.check()?;
//! # Ok::<(), courant_sim::history::Violations>(())
//! ```
mod check;

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

/// Something that happened. Records go by an id that the test puts into them.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// A producer was given a record.
    Sent {
        /// Who sends; order is kept per producer.
        producer: String,
        /// The record.
        id: String,
    },
    /// A record was acknowledged.
    Acknowledged {
        /// The record.
        id: String,
        /// Its partition.
        partition: TopicPartition,
        /// Its offset.
        offset: Offset,
    },
    /// A send failed.
    Failed {
        /// The record.
        id: String,
        /// Whether the error says that it may have been written.
        possibly_written: bool,
    },
    /// A consumer was given a record.
    Delivered {
        /// Who reads.
        consumer: String,
        /// Its partition.
        partition: TopicPartition,
        /// Its offset.
        offset: Offset,
        /// The record.
        id: String,
    },
    /// A consumer has committed a position, which is the offset after the last record that it counts as done.
    Committed {
        /// Who reads.
        consumer: String,
        /// The partition.
        partition: TopicPartition,
        /// The position.
        offset: Offset,
    },
    /// A consumer has read everything that is in the logs.
    ReadToTheEnd {
        /// Who reads.
        consumer: String,
    },
    /// A record in a broker's log, in the log's order.
    Logged {
        /// The partition.
        partition: TopicPartition,
        /// Its offset.
        offset: Offset,
        /// The record.
        id: String,
    },
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
        let record = self.record();
        let mut found = check::all(&record.events);
        found.extend(record.open.iter().map(|(_, what)| format!("never ended: {what}")));
        if found.is_empty() { Ok(()) } else { Err(Violations { found }) }
    }

    fn push(&self, event: Event) {
        self.record().events.push(event);
    }

    fn record(&self) -> MutexGuard<'_, Record> {
        self.record.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A call under way.
#[derive(Debug)]
#[must_use = "say how the call ended"]
pub struct Call {
    history: History,
    key: (u64, String),
}

impl Call {
    /// The call's future was ready.
    pub fn ended(self) {}
}

impl Drop for Call {
    fn drop(&mut self) {
        self.history.record().open.remove(&self.key);
    }
}

/// What a history violates.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violations {
    found: Vec<String>,
}

impl Violations {
    /// Each violation, in a sentence.
    pub fn found(&self) -> &[String] {
        &self.found
    }
}

impl fmt::Display for Violations {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plural = if self.found.len() == 1 { "" } else { "s" };
        write!(f, "{} violation{plural}:", self.found.len())?;
        for violation in self.found.iter().take(SHOWN) {
            write!(f, "\n  {violation}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Violations {}

/// How many violations a message shows.
const SHOWN: usize = 20;

#[cfg(test)]
mod tests;
