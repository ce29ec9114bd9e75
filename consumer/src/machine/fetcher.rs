//! Who is fetched from, what for, and how much: one request per broker at a time, each broker on its own.
//!
//! The order in which it is asked: [`Fetcher::handle_answer`] or [`Fetcher::handle_broken`] ends a request,
//! [`Fetcher::poll_fetch`] begins the next one. Memory: whatever is parked, handed out or asked for counts against one
//! budget, of which each broker may take its share, so that a fast one does not starve the others.
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use bytes::Bytes;
use courant_protocol::error_code::ErrorCode;
use courant_protocol::types::{
    LeaderEpoch, NodeId, Offset, PartitionId, ProducerId, TopicId, TopicName, TopicPartition,
};

use super::buffer::Buffer;
use super::fetch_session::{FetchSession, FetchTarget, SessionRequest};
use super::partition::{PartitionState, Stage};
use super::position::Token;
use super::subscription::Subscription;

/// How much is fetched, and how long a broker waits for it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FetchLimits {
    pub(crate) min_bytes: i32,
    pub(crate) max_bytes: i32,
    pub(crate) max_partition_bytes: i32,
    pub(crate) max_wait: Duration,
    /// The budget for everything fetched and not finished.
    pub(crate) buffer_bytes: usize,
}

/// A request for the driver to send.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct FetchPlan {
    pub(crate) session: SessionRequest,
    pub(crate) max_wait: Duration,
    pub(crate) min_bytes: i32,
    pub(crate) max_bytes: i32,
}

/// How an answer names a topic: by id since Fetch 13, by name before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum TopicKey {
    Id(TopicId),
    Name(TopicName),
}

/// The answer to a fetch.
#[derive(Clone, Debug, Default)]
pub(crate) struct FetchAnswer {
    pub(crate) error: ErrorCode,
    pub(crate) session_id: i32,
    pub(crate) throttle_time_ms: i32,
    pub(crate) partitions: Vec<PartitionAnswer>,
}

/// What the answer says of one partition.
#[derive(Clone, Debug)]
pub(crate) struct PartitionAnswer {
    pub(crate) topic: TopicKey,
    pub(crate) partition: PartitionId,
    pub(crate) error: ErrorCode,
    pub(crate) high_watermark: Offset,
    pub(crate) last_stable_offset: Offset,
    pub(crate) log_start_offset: Offset,
    pub(crate) aborted: Vec<(ProducerId, Offset)>,
    pub(crate) preferred_replica: Option<NodeId>,
    /// Where the log parts from what the client has read (KIP-595).
    pub(crate) diverging: Option<(LeaderEpoch, Offset)>,
    /// Who leads now, where the asked broker does not (KIP-951).
    pub(crate) leader: Option<(NodeId, LeaderEpoch)>,
    pub(crate) records: Bytes,
}

/// One partition's part of an answer, with what was asked.
#[derive(Debug)]
pub(crate) struct Arrival {
    pub(crate) partition: TopicPartition,
    pub(crate) token: Token,
    pub(crate) offset: Offset,
    pub(crate) max_bytes: i32,
    pub(crate) answer: PartitionAnswer,
}

/// The fetches of all brokers.
#[derive(Debug)]
pub(crate) struct Fetcher {
    limits: FetchLimits,
    brokers: BTreeMap<NodeId, Broker>,
    /// Counts answers with records, for the rotation.
    served: u64,
    /// Whether a fetch was held back for want of room, so that the driver has to be told when some is free.
    pub(crate) starved: bool,
    last_served: BTreeMap<TopicPartition, u64>,
}

#[derive(Debug, Default)]
struct Broker {
    session: FetchSession,
    in_flight: Option<InFlight>,
    last_sent: Option<Instant>,
    not_before: Option<Instant>,
}

#[derive(Debug)]
struct InFlight {
    reserved_bytes: usize,
    asked: BTreeMap<TopicPartition, (Token, Offset, i32)>,
}

/// What the requests in flight may bring: all that they asked for, and what of that they would be given today, when others
/// are wanted as well.
#[derive(Clone, Copy, Debug, Default)]
struct Reserved {
    asked: usize,
    fair: usize,
}

/// What a broker could be asked for now.
#[derive(Debug, Default)]
struct Demand {
    targets: Vec<(u64, Token, FetchTarget)>,
    parked_bytes: usize,
    /// Partitions that wait until the application has taken what is parked.
    full: bool,
    by_id: bool,
}

/// How long a fetch for the rest is held back while a partition of the same broker is full.
///
/// A long poll without that partition could wait [`FetchLimits::max_wait`] although its room has become free at once.
const HOLD: Duration = Duration::from_millis(50);

impl Fetcher {
    pub(crate) fn new(limits: FetchLimits) -> Self {
        Self { limits, brokers: BTreeMap::new(), served: 0, starved: false, last_served: BTreeMap::new() }
    }

    /// The brokers that there is something to fetch from.
    pub(crate) fn wanted_nodes(&self, now: Instant, subscription: &Subscription) -> Vec<NodeId> {
        let fetching = subscription.iter().filter(|(_, state)| matches!(state.stage, Stage::Fetching(_)));
        let mut nodes: Vec<_> = fetching.filter_map(|(_, state)| state.fetch_from(now)).collect();
        nodes.sort_unstable();
        nodes.dedup();
        nodes
    }

    /// The next request to a broker; none while one is unanswered, nothing is wanted, or there is no room.
    ///
    /// `held_bytes` is what was handed out and not finished.
    pub(crate) fn poll_fetch(
        &mut self,
        now: Instant,
        node: NodeId,
        knows_ids: bool,
        subscription: &Subscription,
        buffer: &Buffer,
        held_bytes: usize,
    ) -> Option<FetchPlan> {
        let wanted = self.wanted_nodes(now, subscription);
        let share = self.limits.buffer_bytes / wanted.len().max(1);
        let reserved = self.reserved_bytes(&wanted, share);
        let broker = self.brokers.entry(node).or_default();
        if broker.in_flight.is_some() || broker.not_before.is_some_and(|at| at > now) {
            return None;
        }
        let demand = demand(now, node, knows_ids, subscription, buffer, &self.limits, &self.last_served);
        self.starved |= demand.full;
        if demand.targets.is_empty()
            || (demand.full && broker.last_sent.is_some_and(|sent| now < sent + HOLD))
        {
            return None;
        }
        let used = buffer.bytes() + held_bytes;
        let Some(max_bytes) = room(&self.limits, share, used, reserved, demand.parked_bytes) else {
            self.starved = true;
            return None;
        };
        let plan = broker.plan(demand, max_bytes, &self.limits);
        broker.last_sent = Some(now);
        Some(plan)
    }

    /// What the requests in flight may bring.
    fn reserved_bytes(&self, wanted: &[NodeId], share: usize) -> Reserved {
        let mut reserved = Reserved::default();
        for (node, broker) in &self.brokers {
            let Some(in_flight) = &broker.in_flight else { continue };
            reserved.asked += in_flight.reserved_bytes;
            if wanted.contains(node) {
                reserved.fair += in_flight.reserved_bytes.min(share);
            }
        }
        reserved
    }

    /// When a fetch that is held back may go.
    pub(crate) fn next_deadline(&self, now: Instant) -> Option<Instant> {
        let idle = self.brokers.values().filter(|broker| broker.in_flight.is_none());
        let times = idle.flat_map(|broker| [broker.not_before, broker.last_sent.map(|sent| sent + HOLD)]);
        times.flatten().filter(|at| *at > now).min()
    }

    /// When a broker was last asked.
    pub(crate) fn sent_at(&self, node: NodeId) -> Option<Instant> {
        self.brokers.get(&node)?.last_sent
    }

    /// Takes an answer; the arrivals are those partitions' parts that still match what was asked.
    pub(crate) fn handle_answer(&mut self, node: NodeId, answer: FetchAnswer) -> Vec<Arrival> {
        let Some(broker) = self.brokers.get_mut(&node) else { return Vec::new() };
        let Some(mut in_flight) = broker.in_flight.take() else { return Vec::new() };
        let by_id: BTreeMap<(TopicId, PartitionId), &TopicPartition> = broker.session.ids().collect();
        let named: Vec<Option<TopicPartition>> = answer
            .partitions
            .iter()
            .map(|one| match &one.topic {
                TopicKey::Id(id) => by_id.get(&(*id, one.partition)).map(|partition| (*partition).clone()),
                TopicKey::Name(name) => {
                    Some(TopicPartition { topic: name.clone(), partition: one.partition })
                }
            })
            .collect();
        let names = named.iter().map(Option::as_ref);
        if !broker.session.handle_answer(answer.error, answer.session_id, answer.throttle_time_ms > 0, names)
        {
            return Vec::new();
        }
        let mut arrivals = Vec::new();
        for (partition, answer) in named.into_iter().zip(answer.partitions) {
            let Some(partition) = partition else { continue };
            let Some((token, offset, max_bytes)) = in_flight.asked.remove(&partition) else { continue };
            if !answer.records.is_empty() {
                self.served += 1;
                self.last_served.insert(partition.clone(), self.served);
            }
            arrivals.push(Arrival { partition, token, offset, max_bytes, answer });
        }
        arrivals
    }

    /// The connection broke, or the answer could not be read.
    pub(crate) fn handle_broken(&mut self, node: NodeId) {
        if let Some(broker) = self.brokers.get_mut(&node) {
            broker.in_flight = None;
            broker.session.handle_broken();
        }
    }

    /// Holds fetches from a broker back until then.
    pub(crate) fn hold(&mut self, node: NodeId, until: Instant) {
        self.brokers.entry(node).or_default().not_before = Some(until);
    }

    /// The request that ends the session with a broker.
    pub(crate) fn closing(&self, node: NodeId) -> Option<SessionRequest> {
        self.brokers.get(&node)?.session.closing()
    }

    /// Forgets the turn of a partition that is no longer assigned.
    pub(crate) fn remove(&mut self, partition: &TopicPartition) {
        self.last_served.remove(partition);
    }
}

impl Broker {
    fn plan(&mut self, demand: Demand, max_bytes: i32, limits: &FetchLimits) -> FetchPlan {
        let asked = demand
            .targets
            .iter()
            .map(|(_, token, target)| (target.partition.clone(), (*token, target.offset, target.max_bytes)))
            .collect();
        let reserved_bytes = usize::try_from(max_bytes).unwrap_or(0);
        self.in_flight = Some(InFlight { reserved_bytes, asked });
        let wanted = demand.targets.into_iter().map(|(_, _, target)| target).collect();
        let max_wait = if demand.full { Duration::ZERO } else { limits.max_wait };
        FetchPlan {
            session: self.session.request(wanted, demand.by_id),
            max_wait,
            min_bytes: limits.min_bytes,
            max_bytes,
        }
    }
}

/// What `node` could be asked for: those that waited longest first (KIP-74).
fn demand(
    now: Instant,
    node: NodeId,
    knows_ids: bool,
    subscription: &Subscription,
    buffer: &Buffer,
    limits: &FetchLimits,
    last_served: &BTreeMap<TopicPartition, u64>,
) -> Demand {
    let mut demand = Demand { by_id: knows_ids, ..Demand::default() };
    for (partition, state) in subscription.iter() {
        if state.fetch_from(now) != Some(node) {
            continue;
        }
        let parked = buffer.bytes_of(partition);
        demand.parked_bytes += parked;
        if state.paused || !wants_fetch(state, now) {
            continue;
        }
        // Where the limit is zero, one batch at a time is fetched.
        if parked > 0 && parked >= usize::try_from(limits.max_partition_bytes).unwrap_or(usize::MAX) {
            demand.full = true;
            continue;
        }
        // One request names all topics in the same way: ids only where every topic has one (KIP-516).
        demand.by_id &= !state.topic_id.is_zero();
        let served = last_served.get(partition).copied().unwrap_or_default();
        demand.targets.push((served, state.token, target(partition, state, limits)));
    }
    demand.targets.sort_by_key(|(served, _, _)| *served);
    demand
}

fn wants_fetch(state: &PartitionState, now: Instant) -> bool {
    matches!(state.stage, Stage::Fetching(_))
        && state.next_fetch.is_some()
        && state.waits_until(now).is_none()
}

fn target(partition: &TopicPartition, state: &PartitionState, limits: &FetchLimits) -> FetchTarget {
    FetchTarget {
        partition: partition.clone(),
        topic_id: state.topic_id,
        offset: state.next_fetch,
        leader_epoch: state.leader_epoch,
        max_bytes: state.batch_needs_bytes.unwrap_or_default().max(limits.max_partition_bytes),
    }
}

/// What may be asked of one broker; none while too little is free.
///
/// A broker that took more than its share when it was alone, and is silent now, stops no other: that one gets the least
/// that is enough on top.
fn room(limits: &FetchLimits, share: usize, used: usize, reserved: Reserved, parked: usize) -> Option<i32> {
    let left = share.saturating_sub(parked);
    let free_beside = |reserved: usize| limits.buffer_bytes.saturating_sub(used + reserved).min(left);
    let enough = (share / 4).min(usize::try_from(limits.max_partition_bytes).unwrap_or(usize::MAX)).max(1);
    let free = match free_beside(reserved.asked) {
        free if free >= enough => free,
        _ if free_beside(reserved.fair) >= enough => enough,
        _ => return None,
    };
    Some(i32::try_from(free).unwrap_or(i32::MAX).min(limits.max_bytes))
}
