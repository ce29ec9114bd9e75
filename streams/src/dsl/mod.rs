//! What a program writes down: streams and tables, what they are read from and what is done with them.
//!
//! The handles are here; what can be done with them stands beside each operator in `operator/`. Combinators consume their
//! handle, so that a line of operators moves its records; a stream that two want is cloned, and only then its records are.
//!
//! A key or a value may be missing, as in Kafka. Functions of the user never see a missing value: no predicate is true of it,
//! mapping leaves it missing, and what needs a value (a new key, an aggregate, a join) leaves the record out and counts it. A
//! stream whose nulls are values in their own right is read with the [`Nullable`](crate::codec::Nullable) codec.
mod builder;
mod consumed;
mod graph;
mod grouped;
mod old_values;
mod produced;
mod repartitioned;
mod store;
mod stream;
mod table;
mod windowed;

pub use self::builder::StreamsBuilder;
pub use self::consumed::Consumed;
pub(crate) use self::graph::{SharedGraph, Sources, operator};
pub use self::grouped::{Grouped, KGroupedStream};
pub(crate) use self::old_values::OldValues;
pub use self::produced::Produced;
pub use self::repartitioned::Repartitioned;
pub use self::store::Store;
pub use self::stream::KStream;
pub use self::table::KTable;
pub(crate) use self::table::{StoreView, TableView, ValueGetter};
pub use self::windowed::TimeWindowedKStream;
