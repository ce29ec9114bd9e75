//! What holds committed state: bytes under keys, changed by whole batches.
use std::fmt;

use bytes::Bytes;

/// A keyspace: one store of a task, and for a window store one stretch of time, so that old windows go as a whole.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Space {
    /// The store's place in its task.
    pub(crate) store: usize,
    /// Which stretch of time; 0 for stores without windows.
    pub(crate) segment: i64,
}

/// One change of an engine: all of it or nothing.
#[derive(Debug, Default)]
pub(crate) struct WriteBatch {
    /// Values that are set (`Some`) or deleted.
    pub(crate) writes: Vec<(Space, Bytes, Option<Bytes>)>,
    /// Spaces that are emptied, before anything is written.
    pub(crate) emptied: Vec<Space>,
    /// For each store the changelog offset that a restore would begin at.
    pub(crate) offsets: Vec<(usize, i64)>,
}

/// Entries of a space in the order of their keys.
pub(crate) type Entries<'a> = Box<dyn Iterator<Item = Result<(Bytes, Bytes), EngineError>> + 'a>;

/// Holds the committed state of one task.
///
/// Engines are synchronous: a task never waits while it processes. Whoever has threads of its own for compaction keeps
/// them to itself.
pub(crate) trait Engine: Send {
    /// The value of a key.
    fn get(&self, space: Space, key: &[u8]) -> Result<Option<Bytes>, EngineError>;

    /// The entries from one key to another, both included; without the second, to the end.
    fn range<'a>(&'a self, space: Space, from: &[u8], to: Option<&[u8]>) -> Entries<'a>;

    /// Changes values and offsets at once.
    fn apply(&mut self, batch: WriteBatch) -> Result<(), EngineError>;

    /// The changelog offset that a store's restore begins at; `None` where nothing was ever restored or committed.
    fn offset(&self, store: usize) -> Option<i64>;

    /// The changelog offsets of all stores that have one.
    fn offsets(&self) -> Vec<(usize, i64)>;

    /// The spaces of a store that hold something, in order.
    fn spaces(&self, store: usize) -> Vec<Space>;

    /// Forgets a store whole, its offset included.
    fn wipe(&mut self, store: usize) -> Result<(), EngineError>;
}

/// An engine could not read or write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct EngineError(pub(crate) String);

impl fmt::Display for EngineError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the state engine failed: {}", self.0)
    }
}

impl std::error::Error for EngineError {}
