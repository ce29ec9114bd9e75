//! Where the engines of tasks wait that are not running here at the moment.
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use super::engine::Engine;
use super::memory::MemoryEngine;
use crate::task::TaskId;

/// The committed state of an application's tasks in this process, shared by its workers.
///
/// A task that closes leaves its engine here, and takes it up again if it comes back: only what others wrote meanwhile is
/// restored. An engine is in one place at a time, so that no two tasks ever write to it.
#[derive(Clone, Default)]
pub(crate) struct StateDirectory {
    engines: Arc<Mutex<BTreeMap<TaskId, Box<dyn Engine>>>>,
}

impl StateDirectory {
    /// The engine of a task, or a new one.
    pub(crate) fn take(&self, task: TaskId) -> Box<dyn Engine> {
        let mut engines = self.engines.lock().unwrap_or_else(PoisonError::into_inner);
        engines.remove(&task).unwrap_or_else(|| Box::new(MemoryEngine::default()))
    }

    /// Leaves the engine of a task that closes.
    pub(crate) fn put_back(&self, task: TaskId, engine: Box<dyn Engine>) {
        self.engines.lock().unwrap_or_else(PoisonError::into_inner).insert(task, engine);
    }

    /// The changelog offsets that a waiting engine goes up to, added up; `None` if that is not known.
    pub(crate) fn offset_sum(&self, task: TaskId) -> Option<i64> {
        let engines = self.engines.lock().unwrap_or_else(PoisonError::into_inner);
        engines.get(&task)?.offsets().into_iter().map(|(_, offset)| offset).reduce(i64::saturating_add)
    }

    /// The tasks whose engines wait here.
    pub(crate) fn tasks(&self) -> Vec<TaskId> {
        self.engines.lock().unwrap_or_else(PoisonError::into_inner).keys().copied().collect()
    }
}
