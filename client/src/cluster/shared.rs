//! What the handles of a client and its tasks share.
use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arc_swap::ArcSwap;
use courant_protocol::types::NodeId;
use courant_runtime::{Address, World};
use tokio::sync::Notify;

use super::coordinator::CoordinatorKind;
use super::machine::MetadataMachine;
use super::metadata::Metadata;
use super::watch::Watchers;
use crate::config::CommonSettings;
use crate::connection::{Connections, Peer};
use crate::error::{Error, ErrorKind};
use crate::log::Repeats;

/// Locks are held for a few instructions and never across an `await`.
pub(super) struct Shared {
    pub(super) world: World,
    pub(super) settings: CommonSettings,
    pub(super) connections: Arc<Connections>,
    pub(super) snapshot: ArcSwap<Metadata>,
    pub(super) watchers: Arc<Watchers>,
    pub(super) wake: Notify,
    pub(super) coordinators: Mutex<Coordinators>,
    pub(super) machine: Mutex<MetadataMachine>,
    pub(super) repeats: Mutex<Repeats>,
    /// Numbers the connections that members join over.
    pub(super) next_member: AtomicU64,
}

/// Who coordinates what, as far as somebody asked.
#[derive(Debug, Default)]
pub(super) struct Coordinators {
    pub(super) known: BTreeMap<(CoordinatorKind, String), NodeId>,
    /// Where they are, for the time until the metadata lists them as well.
    pub(super) addresses: BTreeMap<NodeId, Address>,
}

impl Shared {
    pub(super) fn machine(&self) -> MutexGuard<'_, MetadataMachine> {
        self.machine.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn coordinators(&self) -> MutexGuard<'_, Coordinators> {
        self.coordinators.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn repeats(&self) -> MutexGuard<'_, Repeats> {
        self.repeats.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes the machine's snapshot the one that everybody sees, and wakes those who wait. Called under the machine's lock, so
    /// that a newer snapshot is never replaced by an older one.
    pub(super) fn publish(&self, machine: &MetadataMachine) {
        self.snapshot.store(Arc::clone(machine.snapshot()));
        self.watchers.notify();
    }

    pub(super) fn address_of(&self, peer: Peer) -> Option<Address> {
        match peer {
            Peer::Bootstrap(index) => self.settings.bootstrap.get(index).cloned(),
            Peer::Node(node) => {
                let listed = self.snapshot.load().broker(node).map(|broker| broker.address.clone());
                listed.or_else(|| self.coordinators().addresses.get(&node).cloned())
            }
        }
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared").field("connections", &self.connections).finish_non_exhaustive()
    }
}

pub(super) fn unknown_broker(peer: Peer) -> Error {
    let what = match peer {
        Peer::Node(node) => format!("the cluster's metadata has no broker {node}"),
        Peer::Bootstrap(index) => {
            format!("bootstrap.servers has no address number {}", index.saturating_add(1))
        }
    };
    Error::new(ErrorKind::NoBroker, what)
}
