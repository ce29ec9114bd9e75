//! What handles and driver tell each other beside records: wishes, the end, and what became of it.
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use courant_client::{Error, ErrorKind};
use courant_protocol::types::{NodeId, TopicName};
use courant_runtime::Task;
use courant_runtime::watch;

use crate::append::{Gate, Room};
use crate::machine::Counts;
use crate::metrics::NodeMetrics;
use crate::unknown::UnknownTopics;

/// Shared by the handles of one producer and its driver.
pub(crate) struct Control {
    state: Mutex<State>,
    unknown: Mutex<UnknownTopics>,
    counts: Mutex<Counts>,
    nodes: Mutex<BTreeMap<NodeId, NodeMetrics>>,
    /// Whether anything more is accepted.
    is_open: watch::Sender<bool>,
    ended: watch::Sender<Option<Result<(), Error>>>,
    task: tokio::sync::Mutex<Option<Task>>,
}

#[derive(Default)]
struct State {
    closing: Option<Closing>,
    wanted: BTreeSet<TopicName>,
}

/// The producer accepts nothing any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Closing {
    /// All handles are gone: what was accepted is sent, within its own delivery timeout.
    Abandoned,
    /// What is not delivered by then is given up.
    Until(Instant),
}

impl Control {
    pub(crate) fn new(max_block: Duration) -> Arc<Self> {
        Arc::new(Self {
            state: Mutex::default(),
            unknown: Mutex::new(UnknownTopics::new(max_block)),
            counts: Mutex::default(),
            nodes: Mutex::default(),
            is_open: watch::Sender::new(true),
            ended: watch::Sender::new(None),
            task: tokio::sync::Mutex::new(None),
        })
    }

    /// Keeps the driver's task, which closing waits for.
    pub(crate) fn spawned(&self, task: Task) {
        if let Ok(mut slot) = self.task.try_lock() {
            *slot = Some(task);
        }
    }

    /// What the driver has counted, as of its last turn that changed something.
    pub(crate) fn counts(&self) -> MutexGuard<'_, Counts> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What the driver has counted of each broker.
    pub(crate) fn nodes(&self) -> MutexGuard<'_, BTreeMap<NodeId, NodeMetrics>> {
        self.nodes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The topics that records wait for.
    pub(crate) fn unknown(&self) -> MutexGuard<'_, UnknownTopics> {
        self.unknown.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Asks the driver to keep a topic's metadata until it is idle.
    pub(crate) fn want_topic(&self, name: &str, room: &Room) {
        self.lock().wanted.insert(TopicName::from(name));
        room.supplies.bell.ring();
    }

    /// The topics that were asked for since the last call.
    pub(crate) fn take_wanted(&self) -> BTreeSet<TopicName> {
        std::mem::take(&mut self.lock().wanted)
    }

    /// Closes the gate and asks the driver to end; of several deadlines the earliest counts.
    pub(crate) fn close(&self, deadline: Option<Instant>, room: &Room) {
        room.set_gate(Gate::Closed);
        let mut state = self.lock();
        state.closing = Some(match (state.closing, deadline) {
            (Some(Closing::Until(known)), Some(deadline)) => Closing::Until(known.min(deadline)),
            (_, Some(deadline)) => Closing::Until(deadline),
            (known, None) => known.unwrap_or(Closing::Abandoned),
        });
        drop(state);
        self.is_open.send_replace(false);
        room.supplies.bell.ring();
    }

    /// Waits until the producer accepts nothing any more.
    pub(crate) async fn closes(&self) {
        let mut is_open = self.is_open.subscribe();
        let _closed = is_open.wait_for(|is_open| !is_open).await;
    }

    pub(crate) fn closing(&self) -> Option<Closing> {
        self.lock().closing
    }

    pub(crate) fn is_closing(&self) -> bool {
        self.closing().is_some()
    }

    /// The driver has ended, and this is what became of the last records.
    pub(crate) fn end(&self, outcome: Result<(), Error>) {
        self.ended.send_replace(Some(outcome));
    }

    /// Waits until the driver has ended and its task is joined.
    pub(crate) async fn ended(&self) -> Result<(), Error> {
        let mut ended = self.ended.subscribe();
        let mut task = self.task.lock().await;
        if let Some(running) = task.as_mut() {
            // The driver reports before it ends; one that was aborted or panicked has nothing to report.
            let join = running.join().await;
            *task = None;
            if let (Err(failure), None) = (join, &*ended.borrow()) {
                let what = "the producer's task ended before its records did";
                return Err(Error::new(ErrorKind::Internal, what).because(failure));
            }
        }
        let outcome = ended.borrow_and_update().clone();
        outcome.unwrap_or(Ok(()))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
