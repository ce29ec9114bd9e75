//! Stream processing on Apache Kafka: tables, windows, joins and state stores.
//!
//! ```text
//! dsl/ StreamsBuilder ─► topology/ Topology ─► one graph of operator/* per task
//!
//! a record:  source ─► operator/*.rs chain ─► state/* (changelog) ─► sink
//! ```
//! The names are Kafka Streams' own, and so are those of its topics, its text form and what it computes: an application can
//! be swapped for one in Java, and the other way round, on the same topics.

// The topologies of the golden tests name the crate as everybody else does.
#[cfg(test)]
extern crate self as courant_streams;

mod assignment;
mod codecs;
mod dsl;
mod operator;
mod record;
mod runtime;
mod state;
mod task;
#[cfg(feature = "test-driver")]
mod test_driver;
mod timestamp;
mod topology;
mod windows;

pub use self::dsl::{
    Consumed, Grouped, KGroupedStream, KStream, KTable, Produced, Repartitioned, Store, StreamsBuilder,
    TimeWindowedKStream,
};
pub use self::operator::{BranchedKStream, ProcessError, ProcessErrorKind};
pub use self::record::{Header, Headers};
pub use self::runtime::{Error, ErrorKind, STREAMS, State, States, StreamsApp, StreamsAppBuilder};
pub use self::task::{ErrorHandler, Verdict};
#[cfg(feature = "test-driver")]
pub use self::test_driver::{TestDriver, TestDriverBuilder, TestError, TestInput, TestOutput, TestRecord};
pub use self::timestamp::{SourceRecord, TimestampExtractor};
pub use self::topology::{OffsetReset, Topology, TopologyError, TopologyProblem};
pub use self::windows::{TimeWindows, Window, WindowCodec, Windowed, hopping, tumbling};
#[doc(no_inline)]
pub use courant_client::codec;
