//! All partitions' batches on their way to the brokers.
mod giving_up;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::{Duration, Instant};

use bytes::BytesMut;
use courant_client::retry::Backoff;
use courant_client::{Error, ErrorKind};
use courant_protocol::compression::{Codec, CompressionScratch};
use courant_protocol::messages::produce::{PartitionProduceData, TopicProduceData};
use courant_protocol::messages::{ProduceRequest, ProduceResponse};
use courant_protocol::types::{LeaderEpoch, NodeId, Offset};
use courant_runtime::Rng;

use self::giving_up::{abandoned, expired};
use super::answer::PartitionAnswer;
use super::batch::Batch;
use super::counts::Counts;
use super::identity::{Bump, Facts, Identity, Producer, Verdict, bump, judge, refuses_the_bytes};
use super::partition::{Continuity, Partition, Place};

/// What the sender is built with; all of it comes from properties.
#[derive(Clone, Debug)]
pub(crate) struct SenderSettings {
    pub(crate) idempotent: bool,
    /// -1, 0 or 1.
    pub(crate) acks: i16,
    pub(crate) max_in_flight: usize,
    pub(crate) max_request_size_bytes: usize,
    pub(crate) batch_size_bytes: usize,
    pub(crate) compression_level: Option<i32>,
    pub(crate) request_timeout: Duration,
    pub(crate) delivery_timeout: Duration,
    pub(crate) retries: u32,
    pub(crate) retry_backoff: Backoff,
}

/// A produce request that is on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct RequestId(u64);

/// A produce request to be sent to `node`.
#[derive(Debug)]
pub(crate) struct Outgoing {
    pub(crate) id: RequestId,
    pub(crate) request: ProduceRequest,
    /// Whether every topic in it has an id, as Produce v13 demands (KIP-516).
    pub(crate) has_topic_ids: bool,
}

/// What happened that somebody else has to act on, or to hear of.
#[derive(Clone, Debug)]
pub(crate) enum Notice {
    /// The metadata of a topic is out of date.
    StaleMetadata(Place),
    /// A broker said who leads the partition now (KIP-951).
    LeaderHint { place: Place, leader: NodeId, leader_epoch: LeaderEpoch },
    /// A batch goes out again.
    Retried { place: Place, attempts: u32, why: String },
    /// A partition's sequences start anew.
    Restarting { place: Place, why: String },
    /// A batch was too large for the broker.
    Split { place: Place, parts: usize },
    /// A broker does not know a codec, and the batch goes out in another.
    CodecRefused { refused: Codec, next: Codec },
    /// A batch was given up.
    Failed { place: Place, records: u32, error: Error },
}

struct InFlight {
    node: NodeId,
    sent_at: Instant,
    batches: Vec<(usize, Batch)>,
}

/// The queues of all partitions and the requests that are on their way.
///
/// Polling order: `handle_*` everything that came in, then [`Sender::handle_timeout`], then [`Sender::poll_request`] for
/// each ready node until it gives none, then [`Sender::poll_notice`], then arm a timer for [`Sender::next_wake`].
pub(crate) struct Sender {
    settings: SenderSettings,
    identity: Identity,
    partitions: BTreeMap<usize, Partition>,
    /// Those that have batches.
    active: BTreeSet<usize>,
    requests: BTreeMap<RequestId, InFlight>,
    requests_by_node: BTreeMap<NodeId, usize>,
    next_request: u64,
    /// Where the next request starts to look, so that no partition is left out of full requests for ever.
    next_first: usize,
    /// No batch times out before.
    next_expiry: Option<Instant>,
    /// When metadata is asked for next while a partition with records has no leader, and how often it was.
    leader_search: Option<(Instant, u32)>,
    notices: VecDeque<Notice>,
    counts: Counts,
    spare_buffers: Vec<BytesMut>,
    scratch: CompressionScratch,
    jitter: Rng,
}

impl Sender {
    pub(crate) fn new(settings: SenderSettings, now: Instant, jitter: Rng) -> Self {
        let identity = match settings.idempotent {
            true => Identity::Wanted { not_before: now, attempts: 0 },
            false => Identity::Anonymous,
        };
        Self {
            settings,
            identity,
            partitions: BTreeMap::new(),
            active: BTreeSet::new(),
            requests: BTreeMap::new(),
            requests_by_node: BTreeMap::new(),
            next_request: 0,
            next_first: 0,
            next_expiry: None,
            leader_search: None,
            notices: VecDeque::new(),
            counts: Counts::default(),
            spare_buffers: Vec::new(),
            scratch: CompressionScratch::new(),
            jitter,
        }
    }

    // What comes in.

    /// Makes a partition known; its leader comes with [`Sender::handle_leader`].
    pub(crate) fn handle_place(&mut self, place: Place) {
        self.partitions.entry(place.number).or_insert_with(|| Partition::new(place));
    }

    /// Metadata says who leads a partition. A new leader is tried at once.
    pub(crate) fn handle_leader(&mut self, number: usize, leader: Option<NodeId>, leader_epoch: LeaderEpoch) {
        let Some(partition) = self.partitions.get_mut(&number) else { return };
        if leader_epoch < partition.leader_epoch {
            return;
        }
        if leader.is_some() && partition.leader != leader && leader_epoch > partition.leader_epoch {
            partition.retry_at = None;
        }
        partition.leader = leader;
        partition.leader_epoch = leader_epoch;
    }

    /// A sealed batch for a known partition.
    pub(crate) fn handle_batch(&mut self, number: usize, mut batch: Batch) {
        if let Identity::Refused(error) = &self.identity {
            batch.fail(error.clone(), Vec::new());
            return;
        }
        let Some(partition) = self.partitions.get_mut(&number) else {
            batch.fail(
                Error::new(ErrorKind::Internal, "a batch came for a partition that nobody announced"),
                Vec::new(),
            );
            return;
        };
        let expires = batch.opened_at + self.settings.delivery_timeout;
        self.next_expiry = Some(self.next_expiry.map_or(expires, |next| next.min(expires)));
        partition.push(batch);
        self.active.insert(number);
    }

    /// The broker's answer to InitProducerId.
    pub(crate) fn handle_identity(&mut self, now: Instant, answer: Result<Producer, Error>) {
        let Identity::Asked { attempts } = self.identity else { return };
        match answer {
            Ok(producer) => self.identity = Identity::Known(producer),
            // Permission may be given at any time, so that it is asked for again (Java: an abortable error). What waits for
            // the id hears of it now.
            Err(error) if error.is_retriable() || error.kind() == ErrorKind::Authorization => {
                if !error.is_retriable() {
                    self.give_up_what_needs_identity(&error);
                }
                let not_before = now + self.backoff(attempts + 1);
                self.identity = Identity::Wanted { not_before, attempts: attempts + 1 };
            }
            Err(error) => self.refuse_everything(error),
        }
    }

    /// The answer to a request.
    pub(crate) fn handle_response(&mut self, now: Instant, id: RequestId, response: &ProduceResponse) {
        let Some(InFlight { node, batches, sent_at }) = self.remove_request(id) else { return };
        self.counts.count_answer(now, sent_at, response.throttle_time_ms);
        for (number, batch) in batches {
            let answer = self.partitions.get(&number).and_then(|p| PartitionAnswer::find(response, &p.place));
            match answer {
                Some(answer) => self.handle_answer(now, number, batch, node, &answer),
                None => {
                    let what = "the broker's answer to a produce request left a partition out";
                    self.retry_unknown(now, number, batch, &Error::new(ErrorKind::Protocol, what));
                }
            }
            self.after_answer(number);
        }
    }

    /// A request with `acks=0` was written to the socket, and nothing more will be heard of it.
    pub(crate) fn handle_written(&mut self, id: RequestId) {
        let Some(InFlight { node, batches, .. }) = self.remove_request(id) else { return };
        for (number, mut batch) in batches {
            if let Some(partition) = self.partitions.get_mut(&number) {
                partition.in_flight.remove(&batch.order);
                partition.acknowledge(&mut batch, node, Offset::NONE, None);
            }
            self.recycle(batch);
            self.after_answer(number);
        }
    }

    /// Nothing of the request left the client. It is tried again, unless the broker speaks no version of it.
    pub(crate) fn handle_unsent(&mut self, now: Instant, id: RequestId, error: &Error) {
        let Some(InFlight { batches, .. }) = self.remove_request(id) else { return };
        for (number, batch) in batches {
            match error.kind() {
                ErrorKind::UnsupportedVersion => self.give_up(number, batch, error.clone()),
                _ => self.retry(now, number, batch, error, false),
            }
            self.after_answer(number);
        }
    }

    /// The connection broke or the answer did not come in time: whether it was written, nobody knows.
    pub(crate) fn handle_lost(&mut self, now: Instant, id: RequestId, error: &Error) {
        let Some(InFlight { batches, .. }) = self.remove_request(id) else { return };
        for (number, batch) in batches {
            self.retry_unknown(now, number, batch, error);
            self.after_answer(number);
        }
    }

    /// Gives up what is past its delivery timeout (KIP-91).
    pub(crate) fn handle_timeout(&mut self, now: Instant) {
        if self.next_expiry.is_none_or(|at| at > now) {
            return;
        }
        for number in self.active.clone() {
            self.expire_queued(now, number);
            self.after_answer(number);
        }
        let timeout = self.settings.delivery_timeout;
        let in_flight = self.requests.values_mut().flat_map(|request| &mut request.batches);
        for (number, batch) in in_flight.filter(|(_, b)| b.is_undecided() && b.opened_at + timeout <= now) {
            // It stays on its way: only its answer tells whether a sequence is missing.
            batch.possibly_written = true;
            if let Some(partition) = self.partitions.get(number) {
                let error = expired(partition, batch, timeout);
                self.notices.push_back(failed(&partition.place, batch, &error));
                batch.fail(error, Vec::new());
            }
        }
        let active = self.active.iter().filter_map(|number| self.partitions.get(number));
        let queued = active.flat_map(|partition| &partition.queue);
        let in_flight = self.requests.values().flat_map(|request| &request.batches).map(|(_, batch)| batch);
        let undecided = queued.chain(in_flight).filter(|batch| batch.is_undecided());
        self.next_expiry = undecided.map(|batch| batch.opened_at + timeout).min();
    }

    /// A broker could not be reached. Its partitions' batches wait; if they time out, they tell why.
    pub(crate) fn handle_unreachable(&mut self, node: NodeId, error: &Error) {
        // The client was closed under the producer: there will never be a connection again.
        if error.kind() == ErrorKind::Closed {
            return self.refuse_everything(error.clone());
        }
        for number in &self.active {
            if let Some(partition) = self.partitions.get_mut(number).filter(|p| p.leader == Some(node)) {
                partition.trouble = Some(error.clone());
            }
        }
    }

    // What goes out.

    /// Whether a producer id is to be asked for now; the answer comes with [`Sender::handle_identity`].
    pub(crate) fn poll_identity(&mut self, now: Instant) -> bool {
        match self.identity {
            Identity::Wanted { not_before, attempts } if not_before <= now => {
                self.identity = Identity::Asked { attempts };
                true
            }
            _ => false,
        }
    }

    /// The brokers that have something to get now.
    pub(crate) fn ready_nodes(&self, now: Instant) -> BTreeSet<NodeId> {
        let partitions = self.active.iter().filter_map(|number| self.partitions.get(number));
        let ready = partitions.filter(|p| p.is_ready(now, &self.identity, self.settings.max_in_flight));
        ready.filter_map(|partition| partition.leader).filter(|node| self.has_room(*node)).collect()
    }

    /// The brokers for which batches wait that could go out but for them: queued ones, and those that are `due`.
    pub(crate) fn waiting_nodes(&self, now: Instant, due: impl Iterator<Item = usize>) -> BTreeSet<NodeId> {
        let queued = self.active.iter().copied().filter(|number| {
            let partition = self.partitions.get(number);
            partition.is_some_and(|p| !p.queue.is_empty() && p.retry_at.is_none_or(|at| at <= now))
        });
        queued.chain(due).filter_map(|number| self.partitions.get(&number)?.leader).collect()
    }

    /// The next request for a broker: one batch of each of its partitions that is ready, as long as they fit.
    pub(crate) fn poll_request(&mut self, now: Instant, node: NodeId) -> Option<Outgoing> {
        if !self.has_room(node) {
            return None;
        }
        let first = self.next_first;
        let order: Vec<usize> =
            self.active.range(first..).chain(self.active.range(..first)).copied().collect();
        let mut batches: Vec<(usize, Batch)> = Vec::new();
        let mut size_bytes = 0;
        for number in order {
            let Some(partition) = self.partitions.get_mut(&number).filter(|p| p.leader == Some(node)) else {
                continue;
            };
            if !partition.is_ready(now, &self.identity, self.settings.max_in_flight) {
                continue;
            }
            let next_bytes = partition.queue.front().map_or(0, |batch| batch.sealed.len());
            if !batches.is_empty() && size_bytes + next_bytes > self.settings.max_request_size_bytes {
                self.next_first = number;
                break;
            }
            if let Some(batch) = partition.take(&mut self.identity, now) {
                size_bytes += next_bytes;
                batches.push((number, batch));
            }
            let doubtful = std::mem::take(&mut partition.abandoned);
            for mut batch in doubtful {
                let error = abandoned(partition, &batch);
                self.notices.push_back(failed(&partition.place, &batch, &error));
                batch.fail(error, Vec::new());
            }
            let is_idle = partition.is_idle();
            if is_idle {
                self.active.remove(&number);
            }
        }
        (!batches.is_empty()).then(|| self.dispatch(now, node, batches))
    }

    /// Whether a batch that is still open should be closed and handed over: it would be sent, or fail, at once.
    pub(crate) fn wants(&self, number: usize) -> bool {
        if matches!(self.identity, Identity::Refused(_)) {
            return true;
        }
        let Some(partition) = self.partitions.get(&number) else { return false };
        let can_send = partition.leader.is_some_and(|node| self.has_room(node));
        let limit = self.settings.max_in_flight;
        let free = partition.queue.is_empty() && partition.in_flight.len() < limit;
        can_send && free && partition.takes_new(&self.identity)
    }

    /// Whether metadata is to be asked for now, because a partition with queued batches, or with one that is `due`, has
    /// no leader. It is asked for again and again, with backoff, as nobody says when there is one.
    pub(crate) fn poll_leader_search(&mut self, now: Instant, due: impl Iterator<Item = usize>) -> bool {
        let lacks = |number: &usize| self.partitions.get(number).is_some_and(|p| p.leader.is_none());
        if !due.chain(self.active.iter().copied()).any(|number| lacks(&number)) {
            self.leader_search = None;
            return false;
        }
        let (at, attempts) = self.leader_search.unwrap_or((now, 0));
        if at > now {
            return false;
        }
        self.leader_search = Some((now + self.backoff(attempts + 1), attempts + 1));
        true
    }

    /// What happened since the last call.
    pub(crate) fn poll_notice(&mut self) -> Option<Notice> {
        self.notices.pop_front()
    }

    /// What was counted so far.
    pub(crate) fn counts(&self) -> Counts {
        Counts { requests_in_flight: self.requests.len(), ..self.counts }
    }

    /// A buffer that is free for the next batch.
    pub(crate) fn poll_spare_buffer(&mut self) -> Option<BytesMut> {
        self.spare_buffers.pop()
    }

    /// When something is to be done though nothing comes in; `needs_identity` says whether anything waits for a producer
    /// id. What was due before `now` waits for something else, as a broker that is away, and that wakes by itself.
    pub(crate) fn next_wake(&self, now: Instant, needs_identity: bool) -> Option<Instant> {
        let partitions = self.active.iter().filter_map(|number| self.partitions.get(number));
        let retries = partitions.filter(|p| !p.queue.is_empty()).filter_map(|partition| partition.retry_at);
        let identity = match &self.identity {
            Identity::Wanted { not_before, .. } if needs_identity => Some((*not_before).max(now)),
            _ => None,
        };
        let search = self.leader_search.map(|(at, _)| at);
        retries.chain(identity).chain(search).chain(self.next_expiry).filter(|at| *at >= now).min()
    }

    /// Whether every batch has had its outcome and no answer is awaited.
    pub(crate) fn is_idle(&self) -> bool {
        self.active.is_empty()
    }

    /// Whether a batch of the partition waits or is on its way.
    pub(crate) fn is_active(&self, number: usize) -> bool {
        self.active.contains(&number)
    }

    /// The partition with this number.
    pub(crate) fn place(&self, number: usize) -> Option<&Place> {
        self.partitions.get(&number).map(|partition| &partition.place)
    }

    // User commands.

    /// Forgets a partition of which nothing is anywhere. If it comes back, it starts under a younger epoch than it had: its
    /// sequences would otherwise begin anew where the broker has them already. One epoch serves all that were forgotten
    /// before it was used. (Java never forgets a partition's sequences, and grows with every one it has ever written to.)
    pub(crate) fn forget_partition(&mut self, now: Instant, number: usize) {
        if self.is_active(number) {
            return;
        }
        if let Some(partition) = self.partitions.remove(&number)
            && let Identity::Known(newest) = self.identity
            && partition.has_used(newest)
        {
            self.identity = match bump(Some(newest), newest) {
                Bump::To(next) => Identity::Known(next),
                Bump::NewId => Identity::Wanted { not_before: now, attempts: 0 },
            };
        }
    }
}

impl Sender {
    fn has_room(&self, node: NodeId) -> bool {
        self.requests_by_node.get(&node).is_none_or(|count| *count < self.settings.max_in_flight)
    }

    fn dispatch(&mut self, now: Instant, node: NodeId, batches: Vec<(usize, Batch)>) -> Outgoing {
        let mut request = ProduceRequest {
            acks: self.settings.acks,
            timeout_ms: i32::try_from(self.settings.request_timeout.as_millis()).unwrap_or(i32::MAX),
            ..ProduceRequest::default()
        };
        let mut has_topic_ids = true;
        for (number, batch) in &batches {
            let Some(partition) = self.partitions.get(number) else { continue };
            has_topic_ids &= !partition.place.topic_id.is_zero();
            let data =
                PartitionProduceData { index: partition.place.partition.0, records: Some(batch.records()) };
            // Batches come in the order of the partitions' numbers, so those of a topic mostly follow each other.
            let same = |topic: &&mut TopicProduceData| {
                topic.topic_id == partition.place.topic_id && topic.name == partition.topic
            };
            match request.topic_data.iter_mut().find(same) {
                Some(topic) => topic.partition_data.push(data),
                None => request.topic_data.push(TopicProduceData {
                    name: partition.topic.clone(),
                    topic_id: partition.place.topic_id,
                    partition_data: vec![data],
                }),
            }
        }
        let id = RequestId(self.next_request);
        self.next_request += 1;
        self.counts.count_request(now, batches.iter().map(|(_, batch)| batch));
        self.requests.insert(id, InFlight { node, sent_at: now, batches });
        *self.requests_by_node.entry(node).or_default() += 1;
        Outgoing { id, request, has_topic_ids }
    }

    fn remove_request(&mut self, id: RequestId) -> Option<InFlight> {
        let request = self.requests.remove(&id)?;
        if let Some(count) = self.requests_by_node.get_mut(&request.node) {
            *count = count.saturating_sub(1);
        }
        Some(request)
    }

    fn handle_answer(
        &mut self,
        now: Instant,
        number: usize,
        mut batch: Batch,
        node: NodeId,
        answer: &PartitionAnswer,
    ) {
        let Some(partition) = self.partitions.get_mut(&number) else { return };
        partition.in_flight.remove(&batch.order);
        if answer.code.is_ok() {
            partition.acknowledge(&mut batch, node, answer.base_offset, answer.log_append_time);
            return self.recycle(batch);
        }
        // A leader that appended the batch and lost its leadership before enough replicas had it refuses it with the
        // offset that it gave it (Kafka's `DelayedProduce`); what was refused before it was appended has none.
        batch.possibly_written |= answer.base_offset.is_some();
        let facts = Facts {
            code: answer.code,
            stamped: batch.stamp.is_some(),
            transactional: batch.transaction_epoch.is_some(),
            is_next: partition.is_next(&batch),
            unresolved: partition.continuity == Continuity::Unresolved,
            restamped: batch.restamped,
            last_acked_offset: partition.last_acked_offset,
            log_start_offset: answer.log_start_offset,
            records: batch.sealed.count(),
            compressed: batch.sealed.codec() != Codec::None,
        };
        let hinted = self.follow_hint(number, answer);
        match judge(&facts) {
            Verdict::Written => self.accept_duplicate(number, batch, node),
            Verdict::Split => self.split(number, batch, answer),
            Verdict::Recode => self.recode(now, number, batch, answer),
            Verdict::Retry => self.retry(now, number, batch, &answer.error(), hinted),
            Verdict::RetryUnknown => self.retry_unknown(now, number, batch, &answer.error()),
            Verdict::RetryRestarted => self.retry_restarted(now, number, batch, answer),
            Verdict::Fail => self.fail(number, batch, answer.error(), answer),
            Verdict::FailAll => {
                self.fail(number, batch, answer.error().maybe_fatal(true), answer);
                self.refuse_everything(answer.error());
            }
        }
    }

    fn accept_duplicate(&mut self, number: usize, mut batch: Batch, node: NodeId) {
        if let Some(partition) = self.partitions.get_mut(&number) {
            partition.acknowledge(&mut batch, node, Offset::NONE, None);
        }
        self.recycle(batch);
    }

    /// Takes the leader from the answer, if it is newer than the one that is known (KIP-951).
    fn follow_hint(&mut self, number: usize, answer: &PartitionAnswer) -> bool {
        let Some(partition) = self.partitions.get_mut(&number) else { return false };
        if answer.code.refreshes_metadata() {
            self.notices.push_back(Notice::StaleMetadata(partition.place.clone()));
        }
        let Some((leader, leader_epoch)) = answer.leader.filter(|(_, epoch)| *epoch > partition.leader_epoch)
        else {
            return false;
        };
        let place = partition.place.clone();
        self.notices.push_back(Notice::LeaderHint { place, leader, leader_epoch });
        self.handle_leader(number, Some(leader), leader_epoch);
        true
    }

    /// Queues a batch again. `at_once` where the reason is gone already: another broker leads.
    fn retry(&mut self, now: Instant, number: usize, mut batch: Batch, error: &Error, at_once: bool) {
        let backoff = if at_once { Duration::ZERO } else { self.backoff(batch.attempts) };
        let retries = self.settings.retries;
        let Some(partition) = self.partitions.get_mut(&number) else { return };
        partition.in_flight.remove(&batch.order);
        partition.trouble = Some(error.clone());
        if !batch.is_undecided() {
            return partition.note_given_up(&batch);
        }
        if batch.attempts > retries {
            partition.note_given_up(&batch);
            let possibly = batch.possibly_written;
            let error = error.clone().maybe_written(possibly).after_attempts(batch.attempts);
            let error = error.at_partition(partition.place.topic.clone(), partition.place.partition);
            self.notices.push_back(failed(&partition.place, &batch, &error));
            return batch.fail(error, Vec::new());
        }
        self.counts.records_retried += u64::from(batch.sealed.count());
        batch.count_retried();
        let (place, attempts) = (partition.place.clone(), batch.attempts);
        self.notices.push_back(Notice::Retried { place, attempts, why: error.to_string() });
        let retry_at = now + backoff;
        partition.retry_at = Some(partition.retry_at.map_or(retry_at, |at| at.max(retry_at)));
        partition.reinsert(batch);
    }

    fn retry_unknown(&mut self, now: Instant, number: usize, mut batch: Batch, error: &Error) {
        batch.possibly_written = true;
        if let Some(partition) = self.partitions.get(&number) {
            self.notices.push_back(Notice::StaleMetadata(partition.place.clone()));
        }
        self.retry(now, number, batch, error, false);
    }

    fn retry_restarted(&mut self, now: Instant, number: usize, batch: Batch, answer: &PartitionAnswer) {
        if let Some(partition) = self.partitions.get_mut(&number) {
            partition.gap_may_close |= partition.continuity == Continuity::Unresolved;
            partition.note_gap(batch.order);
            let (place, why) = (partition.place.clone(), answer.error().to_string());
            self.notices.push_back(Notice::Restarting { place, why });
        }
        self.retry(now, number, batch, &answer.error(), true);
    }

    fn split(&mut self, number: usize, mut batch: Batch, answer: &PartitionAnswer) {
        // A batch that was refused although it was no larger than the goal is cut in half instead (KIP-126).
        let size_bytes = batch.sealed.uncompressed_bytes();
        let goal = match size_bytes > self.settings.batch_size_bytes {
            true => self.settings.batch_size_bytes,
            false => size_bytes.div_ceil(2),
        };
        let Some(partition) = self.partitions.get_mut(&number) else { return };
        if !batch.is_undecided() {
            // It timed out on its way. Nobody waits for its parts, and without them its sequences are missing.
            batch.possibly_written = false;
            return partition.note_given_up(&batch);
        }
        match batch.split(goal, self.settings.compression_level, &mut self.scratch) {
            Ok(parts) => {
                self.counts.batches_split += 1;
                self.notices.push_back(Notice::Split { place: partition.place.clone(), parts: parts.len() });
                parts.into_iter().for_each(|part| partition.reinsert(part));
            }
            Err((batch, unreadable)) => self.fail(number, batch, answer.error().because(unreadable), answer),
        }
    }

    /// Sends the records again in a codec that more brokers know; the batch is the same to the broker by its sequence.
    fn recode(&mut self, now: Instant, number: usize, mut batch: Batch, answer: &PartitionAnswer) {
        let refused = batch.sealed.codec();
        let next = refused.fallback();
        // The level belongs to the codec that was set.
        self.settings.compression_level = None;
        match batch.sealed.recompress(next, &mut self.scratch) {
            Ok(sealed) => {
                batch.sealed = sealed;
                self.notices.push_back(Notice::CodecRefused { refused, next });
                self.retry(now, number, batch, &answer.error(), true);
            }
            Err(unreadable) => self.fail(number, batch, answer.error().because(unreadable), answer),
        }
    }

    /// Gives a batch up for a reason of this side.
    fn give_up(&mut self, number: usize, mut batch: Batch, error: Error) {
        let Some(partition) = self.partitions.get_mut(&number) else { return };
        partition.in_flight.remove(&batch.order);
        partition.note_given_up(&batch);
        let place = &partition.place;
        let error =
            error.at_partition(place.topic.clone(), place.partition).maybe_written(batch.possibly_written);
        self.notices.push_back(failed(place, &batch, &error));
        batch.fail(error, Vec::new());
    }

    fn fail(&mut self, number: usize, mut batch: Batch, error: Error, answer: &PartitionAnswer) {
        let Some(partition) = self.partitions.get_mut(&number) else { return };
        // This attempt is not in the log. An earlier one may be, unless it was of no use either: what a broker refuses
        // for other reasons, as after a change of an ACL, it may have taken before.
        batch.possibly_written &= !refuses_the_bytes(answer.code);
        partition.note_given_up(&batch);
        let place = &partition.place;
        let error =
            error.at_partition(place.topic.clone(), place.partition).maybe_written(batch.possibly_written);
        self.notices.push_back(failed(place, &batch, &error));
        let (error, record_errors) = answer.share_among_records(error);
        batch.fail(error, record_errors);
    }

    fn after_answer(&mut self, number: usize) {
        let Some(partition) = self.partitions.get_mut(&number) else { return };
        partition.resolve();
        if partition.is_idle() {
            partition.rest();
            self.active.remove(&number);
        } else {
            self.active.insert(number);
        }
    }

    fn recycle(&mut self, batch: Batch) {
        if self.spare_buffers.len() < SPARE_BUFFERS {
            self.spare_buffers.extend(batch.into_buffer());
        }
    }

    /// Exponential from `retry.backoff.ms` to `retry.backoff.max.ms`, give or take 20 % (KIP-580).
    fn backoff(&mut self, attempts: u32) -> Duration {
        self.settings.retry_backoff.delay(attempts.saturating_sub(1), self.jitter.unit_f64())
    }

    /// The partition's own state, for tests.
    #[cfg(test)]
    pub(super) fn partition_mut(&mut self, number: usize) -> &mut Partition {
        self.partitions.get_mut(&number).unwrap()
    }
}

fn failed(place: &Place, batch: &Batch, error: &Error) -> Notice {
    Notice::Failed { place: place.clone(), records: batch.sealed.count(), error: error.clone() }
}

/// How many free buffers wait to be fetched at most.
const SPARE_BUFFERS: usize = 64;
