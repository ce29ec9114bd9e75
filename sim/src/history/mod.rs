//! What the clients of a run did and saw, and what must be true of it.
//!
//! A test notes events while it runs, adds at its end what the brokers' logs hold, and asks for all checks at once:
//!
//! | check | what must be true |
//! |---|---|
//! | nothing lost | every acknowledged record is in the log at its offset |
//! | nothing doubled | no record is in the logs twice |
//! | in turn | a consumer gets a partition's records one after the other, none twice and none left out, but for seeks |
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
mod call;
mod check;
mod event;
mod record;
#[cfg(test)]
mod tests;
mod violations;

pub use call::Call;
pub use event::Event;
pub use record::History;
pub use violations::Violations;
