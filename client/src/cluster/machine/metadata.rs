//! The machine that keeps the snapshot of the cluster up to date.
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use courant_protocol::error_code::ErrorCode;
use courant_protocol::messages::metadata::{MetadataRequest, MetadataRequestTopic, MetadataResponse};
use courant_protocol::types::{LeaderEpoch, NodeId, PartitionId, TopicId, TopicName};
use courant_protocol::wire::Str;
use courant_runtime::{Address, Rng};

use super::merge::{Retired, apply_hint, merge};
use super::peers::Peers;
use super::refresh::{Refresh, Scope};
use crate::cluster::metadata::{Metadata, Topic};
use crate::connection::Peer;
use crate::error::{Error, ErrorKind};
use crate::retry::Backoff;

/// What a [`MetadataMachine`] goes by.
#[derive(Clone, Copy, Debug)]
pub(crate) struct MetadataOptions {
    /// How many addresses `bootstrap.servers` has.
    pub(crate) bootstrap: usize,
    /// `metadata.max.age.ms`
    pub(crate) max_age: Duration,
    /// `retry.backoff.ms` and its maximum.
    pub(crate) backoff: Backoff,
    /// `metadata.recovery.strategy`: whether to go back to the bootstrap addresses.
    pub(crate) rebootstrap: bool,
    /// `metadata.recovery.rebootstrap.trigger.ms`
    pub(crate) rebootstrap_trigger: Duration,
}

/// The longest name of a topic, in bytes, that a request can carry. Kafka takes far shorter ones, and says so itself.
pub(crate) const LONGEST_NAME: usize = i16::MAX.unsigned_abs() as usize;

/// A request to send.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Question {
    pub(crate) peer: Peer,
    pub(crate) topics: Vec<TopicName>,
    pub(crate) allow_auto_topic_creation: bool,
}

impl Question {
    /// The request in this version; before version 4 a broker always creates topics, if it does at all.
    pub(crate) fn request(&self, version: i16) -> MetadataRequest {
        let topic = |name: &TopicName| MetadataRequestTopic {
            name: Some(Str::from(&**name)),
            ..MetadataRequestTopic::default()
        };
        MetadataRequest {
            topics: Some(self.topics.iter().map(topic).collect()),
            allow_auto_topic_creation: self.allow_auto_topic_creation || version < 4,
            ..MetadataRequest::default()
        }
    }
}

/// Something in an answer that whoever works with the topic must not miss.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum MetadataEvent {
    /// The topic was deleted and created again.
    TopicRecreated {
        /// Its name, which stayed.
        name: TopicName,
        /// The id that it had.
        old: TopicId,
        /// The id that it has.
        new: TopicId,
    },
    /// The topic got more partitions.
    PartitionsAdded {
        /// Its name.
        name: TopicName,
        /// How many it had.
        from: i32,
        /// How many it has.
        to: i32,
    },
}

/// Keeps the snapshot up to date.
///
/// Its driver takes [`Self::poll_question`], reports with [`Self::handle_answer`] or [`Self::handle_failure`], publishes
/// [`Self::snapshot`], and waits until [`Self::next_timeout`] when there is no question.
#[derive(Debug)]
pub(crate) struct MetadataMachine {
    options: MetadataOptions,
    snapshot: Arc<Metadata>,
    wanted: BTreeMap<TopicName, Wanted>,
    /// Those of them that no broker was asked about yet.
    new: BTreeSet<TopicName>,
    retired: Retired,
    refresh: Refresh,
    peers: Peers,
    rng: Rng,
    creating: bool,
}

/// Who wants a topic.
#[derive(Debug)]
struct Wanted {
    leases: u32,
    last_wanted: Instant,
    create: bool,
}

impl MetadataMachine {
    pub(crate) fn new(options: MetadataOptions, mut rng: Rng) -> Self {
        let offset = usize::try_from(rng.below(u64::from(u32::MAX))).unwrap_or(0);
        Self {
            snapshot: Arc::default(),
            wanted: BTreeMap::new(),
            new: BTreeSet::new(),
            retired: Retired::default(),
            refresh: Refresh::new(options.max_age, options.backoff),
            peers: Peers::new(options.bootstrap, options.rebootstrap, offset),
            rng,
            creating: true,
            options,
        }
    }

    /// What is known now.
    pub(crate) fn snapshot(&self) -> &Arc<Metadata> {
        &self.snapshot
    }

    /// Keeps a topic in the answers until [`Self::release`]. `create` lets the broker create it if it does not exist.
    pub(crate) fn lease(&mut self, now: Instant, name: &str, create: bool) {
        if let Some(wanted) = self.want(now, name, create) {
            wanted.leases = wanted.leases.saturating_add(1);
        }
    }

    /// Keeps a topic in the answers for some minutes.
    pub(crate) fn touch(&mut self, now: Instant, name: &str, create: bool) {
        self.want(now, name, create);
    }

    /// Gives a lease back; the topic stays for some minutes, because whoever comes next often wants it again.
    pub(crate) fn release(&mut self, now: Instant, name: &str) {
        if let Some(wanted) = self.wanted.get_mut(name) {
            wanted.leases = wanted.leases.saturating_sub(1);
            wanted.last_wanted = now;
        }
    }

    /// Gives a lease back, and unless somebody else has one the topic is left out of the next answers.
    pub(crate) fn forget(&mut self, now: Instant, name: &str) {
        self.release(now, name);
        if self.wanted.get(name).is_some_and(|wanted| wanted.leases == 0) {
            self.wanted.remove(name);
            self.new.remove(name);
        }
    }

    /// Something that is known turned out to be wrong.
    pub(crate) fn want_refresh(&mut self) {
        self.refresh.want_soon();
    }

    /// Takes over a newer leader (KIP-951) and says whether it was newer.
    pub(crate) fn handle_leader_hint(
        &mut self,
        topic: &str,
        partition: PartitionId,
        leader: NodeId,
        epoch: LeaderEpoch,
        address: Option<Address>,
    ) -> bool {
        match apply_hint(&self.snapshot, topic, partition, leader, epoch, address) {
            Some(next) => {
                self.publish(next);
                true
            }
            None => false,
        }
    }

    /// The next request to send, if one is due; the answer is awaited before there is another.
    pub(crate) fn poll_question(&mut self, now: Instant) -> Option<Question> {
        if self.refresh.due(now).is_none_or(|due| due > now) {
            return None;
        }
        if self.refresh.trying_for(now) >= self.options.rebootstrap_trigger {
            self.peers.start_from_bootstrap();
        }
        let peer = self.peers.next(self.snapshot.brokers.keys().copied())?;
        let scope = self.refresh.handle_asked(now);
        let (topics, allow_auto_topic_creation) = self.topics_to_ask(scope);
        Some(Question { peer, topics, allow_auto_topic_creation })
    }

    /// When [`Self::poll_question`] next has something to say; none while an answer is awaited.
    pub(crate) fn next_timeout(&self, now: Instant) -> Option<Instant> {
        self.refresh.due(now)
    }

    /// An answer came. An error means that it cannot be used; the machine has noted that already.
    pub(crate) fn handle_answer(
        &mut self,
        now: Instant,
        peer: Peer,
        answer: &MetadataResponse,
    ) -> Result<Vec<MetadataEvent>, Error> {
        let code = ErrorCode(answer.error_code);
        let merged = match code {
            ErrorCode::NONE if answer.brokers.is_empty() => {
                // A broker that has just started knows of no broker yet, not even of itself.
                Err(Error::new(ErrorKind::NoBroker, "the broker that answered knows of no broker yet"))
            }
            ErrorCode::NONE => {
                let mut events = Vec::new();
                merge(&self.snapshot, answer, &mut self.retired, &mut events).map(|next| (next, events))
            }
            ErrorCode::REBOOTSTRAP_REQUIRED => {
                self.peers.start_from_bootstrap();
                Err(Error::from_code(code, "the broker asks to start from bootstrap.servers"))
            }
            code => Err(Error::from_code(code, "no metadata")),
        };
        let (mut next, events) = match merged {
            Ok(merged) => merged,
            Err(error) => {
                self.handle_failure(now, peer, error.clone());
                return Err(error);
            }
        };
        self.forget_idle_topics(now, &mut next);
        let changed = next.differs_from(&self.snapshot);
        self.publish(next);
        self.peers.handle_answer(peer);
        self.refresh.handle_answer(now, changed, &mut self.rng);
        if self.waits_for_a_leader() {
            self.refresh.want_soon();
        }
        Ok(events)
    }

    /// A peer did not answer.
    pub(crate) fn handle_failure(&mut self, now: Instant, peer: Peer, error: Error) {
        let nodes = self.snapshot.brokers.keys().copied();
        let left = self.peers.handle_failure(peer, error, nodes);
        self.refresh.handle_failure(now, left, &mut self.rng);
    }

    /// Failures since the last answer: how many, and the last, per peer.
    pub(crate) fn failures(&self) -> impl Iterator<Item = (Peer, u32, &Error)> {
        self.peers.failures()
    }

    /// None for a name that no request can carry: all that are wanted share one.
    fn want(&mut self, now: Instant, name: &str, create: bool) -> Option<&mut Wanted> {
        if name.len() > LONGEST_NAME {
            return None;
        }
        let known = self.wanted.contains_key(name);
        if !known {
            self.new.insert(TopicName::from(name));
            self.refresh.want_new();
        } else if self.snapshot.topic(name).is_none_or(|topic| topic.error.is_some()) {
            self.refresh.want_soon();
        }
        let wanted = self.wanted.entry(TopicName::from(name)).or_insert(Wanted {
            leases: 0,
            last_wanted: now,
            create: false,
        });
        wanted.last_wanted = now;
        wanted.create |= create;
        Some(wanted)
    }

    /// A request either creates topics or does not, so that while one is wanted that is to be created, those take turns with
    /// topics that must not be: also with such as are known, since they may have been deleted meanwhile.
    fn topics_to_ask(&mut self, scope: Scope) -> (Vec<TopicName>, bool) {
        let unknown =
            |name: &TopicName| self.snapshot.topics.get(name).is_none_or(|t| t.partitions.is_empty());
        let in_scope = |name: &TopicName| scope == Scope::All || self.new.contains(name);
        let candidates: Vec<(&TopicName, bool, bool)> = self
            .wanted
            .iter()
            .filter(|(name, _)| in_scope(name))
            .map(|(name, wanted)| (name, wanted.create, unknown(name)))
            .collect();
        let missing = candidates.iter().any(|(_, may_create, unknown)| *may_create && *unknown);
        let both = missing && candidates.iter().any(|(_, may_create, _)| !may_create);
        let create = if both { self.creating } else { missing };
        let asked = |(_, may_create, unknown): &&(&TopicName, bool, bool)| match create {
            true => *may_create,
            // One that is to be created waits for its turn.
            false => !(*may_create && *unknown),
        };
        let topics: Vec<TopicName> =
            candidates.iter().filter(asked).map(|(name, ..)| (*name).clone()).collect();
        for name in &topics {
            self.new.remove(name);
        }
        if both {
            self.creating = !self.creating;
            self.refresh.want_soon();
        }
        (topics, create)
    }

    /// Whether a leased topic has a partition without a leader, or no partitions yet: elections end soon, and nobody tells
    /// the client.
    fn waits_for_a_leader(&self) -> bool {
        let leased = self.wanted.iter().filter(|(_, wanted)| wanted.leases > 0);
        let mut known = leased.filter_map(|(name, _)| self.snapshot.topics.get(name));
        known.any(|topic| {
            topic.error.is_some_and(ErrorCode::refreshes_metadata)
                || topic.partitions.iter().any(|partition| partition.leader.is_none())
        })
    }

    fn forget_idle_topics(&mut self, now: Instant, next: &mut Metadata) {
        self.wanted.retain(|_, wanted| {
            wanted.leases > 0 || now.saturating_duration_since(wanted.last_wanted) < TOPIC_IDLE
        });
        self.new.retain(|name| self.wanted.contains_key(name));
        next.topics.retain(|name, _| self.wanted.contains_key(name));
        next.index_names();
    }

    fn publish(&mut self, next: Metadata) {
        self.snapshot = Arc::new(Metadata { version: self.snapshot.version + 1, ..next });
    }
}

impl Metadata {
    fn differs_from(&self, other: &Self) -> bool {
        let same = |a: &Arc<Topic>, b: &Arc<Topic>| Arc::ptr_eq(a, b);
        self.brokers != other.brokers
            || self.controller != other.controller
            || self.topics.len() != other.topics.len()
            || self
                .topics
                .iter()
                .any(|(name, topic)| other.topics.get(name).is_none_or(|old| !same(topic, old)))
    }
}

/// How long a topic stays in the answers after nobody wants it any more (Java's `metadata.max.idle.ms`).
const TOPIC_IDLE: Duration = Duration::from_secs(300);
