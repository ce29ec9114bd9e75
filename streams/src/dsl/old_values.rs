//! Whether a table hands on what a value was before.
//!
//! A filter wants to know, so that it need not delete what it never let pass. It gets to know where the table is kept in a
//! store anyhow: nothing is kept for its sake (`KTableImpl.enableSendingOldValues(false)`).
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::topology::{Graph, GraphId};

/// Whether a table hands old values on, decided while the program calls for more.
pub(crate) struct OldValues {
    wanted: AtomicBool,
    kept: Kept,
}

/// Where a table's old values can be looked up.
enum Kept {
    /// In its own store.
    Always,
    /// In the store of a table source, if it has one.
    Source(GraphId),
    /// Wherever its parent's are.
    Of(Arc<OldValues>),
}

impl OldValues {
    /// Of a table with a store of its own.
    pub(crate) fn kept() -> Arc<Self> {
        Self::new(Kept::Always)
    }

    /// Of a table source.
    pub(crate) fn of_source(node: GraphId) -> Arc<Self> {
        Self::new(Kept::Source(node))
    }

    /// Of a table that is made of another and not kept.
    pub(crate) fn of(parent: &Arc<Self>) -> Arc<Self> {
        Self::new(Kept::Of(Arc::clone(parent)))
    }

    fn new(kept: Kept) -> Arc<Self> {
        Arc::new(Self { wanted: AtomicBool::new(false), kept })
    }

    /// Asks for old values; whether they will come.
    pub(crate) fn ask(&self, graph: &Graph) -> bool {
        let can = match &self.kept {
            Kept::Always => true,
            Kept::Source(node) => graph.is_materialized(*node),
            Kept::Of(parent) => parent.ask(graph),
        };
        self.wanted.fetch_or(can, Ordering::Relaxed) || can
    }

    /// Whether old values are handed on.
    pub(crate) fn wanted(&self) -> bool {
        self.wanted.load(Ordering::Relaxed)
    }
}
