//! Operators: one file each, with what the user calls, what it does to records, and an example that is run.
//!
//! An operator takes a batch of typed records, handles one after the other, and pushes what comes of it along its typed
//! edge. It reads no clock and awaits nothing.
mod aggregate;
mod context;
mod count;
mod edge;
mod error;
mod filter;
mod flat_map;
mod flat_map_values;
mod for_each;
mod group_by;
mod group_by_key;
mod map;
mod map_values;
mod merge;
mod peek;
mod reduce;
pub(crate) mod repartition;
mod select_key;
mod sink;
mod source;
mod split;
mod stream_table_join;
mod table_filter;
mod table_map_values;
mod table_source;
mod to_stream;
mod typed_store;
mod windowed_aggregate;

pub(crate) use self::context::{Context, Dropped, Run, SinkPartition, SinkRecord, ValueAndTimestamp};
pub(crate) use self::edge::{AnyEdge, Duplicate, Edge, Push};
pub use self::error::{ProcessError, ProcessErrorKind};
pub(crate) use self::source::stream_source;
pub use self::split::BranchedKStream;
pub(crate) use self::table_source::table_source;
pub(crate) use self::typed_store::{KeyValueStore, WindowStore};
