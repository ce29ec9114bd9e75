//! A consumer without a broker, a network or a runtime, for unit tests of code that reads.
//!
//! The handle and the machines behind it are those of production; [`Script`] takes the place of the driver and of all
//! brokers, and plays its part whenever the application polls.
mod log;
mod mock_consumer;
mod record;
mod script;
mod seat;

pub use mock_consumer::MockConsumer;
pub use record::MockRecord;
pub(crate) use script::Script;
