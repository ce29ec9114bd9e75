//! Whom metadata is asked of: whoever answered last, then the other brokers, then the bootstrap addresses.
use std::collections::{BTreeMap, BTreeSet};

use courant_protocol::types::NodeId;

use crate::connection::Peer;
use crate::error::Error;

/// The order in which peers are asked.
///
/// In one round each peer is asked at most once. The brokers of the last answer come first; the bootstrap addresses follow
/// when none of them answers (KIP-899), unless `metadata.recovery.strategy=none` forbids it. After a round without an answer
/// the next one begins.
#[derive(Debug)]
pub(super) struct Peers {
    bootstrap: usize,
    rebootstrap: bool,
    bootstrap_first: bool,
    offset: usize,
    last_good: Option<Peer>,
    failed: BTreeSet<Peer>,
    failures: BTreeMap<Peer, (u32, Error)>,
}

impl Peers {
    /// `offset` spreads clients over the brokers; it decides who is asked first.
    pub(super) fn new(bootstrap: usize, rebootstrap: bool, offset: usize) -> Self {
        Self {
            bootstrap,
            rebootstrap,
            bootstrap_first: false,
            offset,
            last_good: None,
            failed: BTreeSet::new(),
            failures: BTreeMap::new(),
        }
    }

    /// The next peer of this round; none when the round is over.
    pub(super) fn next(&self, nodes: impl ExactSizeIterator<Item = NodeId>) -> Option<Peer> {
        let nodes: Vec<Peer> = nodes.map(Peer::Node).collect();
        let seeds: Vec<Peer> = (0..self.bootstrap).map(Peer::Bootstrap).collect();
        let seeds_allowed = self.rebootstrap || nodes.is_empty();
        let open = |peer: &Peer| !self.failed.contains(peer);
        let rotated = |peers: &[Peer]| {
            let start = self.offset.checked_rem(peers.len()).unwrap_or(0);
            let (tail, head) = peers.split_at(start);
            head.iter().chain(tail).copied().find(open)
        };
        let known = || {
            let last = self.last_good.filter(|peer| nodes.contains(peer)).filter(open);
            last.or_else(|| rotated(&nodes))
        };
        let seed = || if seeds_allowed { rotated(&seeds) } else { None };
        if self.bootstrap_first { seed().or_else(known) } else { known().or_else(seed) }
    }

    /// This peer answered.
    pub(super) fn handle_answer(&mut self, peer: Peer) {
        self.last_good = Some(peer);
        self.bootstrap_first = false;
        self.failed.clear();
        self.failures.clear();
    }

    /// This peer did not answer. Says whether the round has somebody left.
    pub(super) fn handle_failure(
        &mut self,
        peer: Peer,
        error: Error,
        nodes: impl ExactSizeIterator<Item = NodeId>,
    ) -> bool {
        self.failed.insert(peer);
        let count = self.failures.get(&peer).map_or(0, |(count, _)| *count);
        self.failures.insert(peer, (count.saturating_add(1), error));
        let left = self.next(nodes).is_some();
        if !left {
            self.failed.clear();
            self.offset = self.offset.wrapping_add(1);
        }
        left
    }

    /// The brokers that are known are no longer to be believed (REBOOTSTRAP_REQUIRED, or no answer for too long; KIP-1102).
    pub(super) fn start_from_bootstrap(&mut self) {
        self.bootstrap_first = self.rebootstrap;
    }

    /// Failures since the last answer: how many, and the last, per peer.
    pub(super) fn failures(&self) -> impl Iterator<Item = (Peer, u32, &Error)> {
        self.failures.iter().map(|(peer, (count, error))| (*peer, *count, error))
    }
}
