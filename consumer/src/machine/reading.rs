//! The consumer's state as a whole: subscription, fetches, parked records and commits, and what moves between them.
//!
//! One lock guards it. The application's task takes records out and gives commands; the driver brings what the world
//! says and takes what is to be sent. Neither waits for I/O while it holds the lock, and decompression happens outside.
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::time::{Duration, Instant};

use courant_membership::classic::Standing;
use courant_protocol::error_code::ErrorCode;
use courant_protocol::types::{NodeId, Offset, TopicName, TopicPartition, UnixMillis};

use super::buffer::Buffer;
use super::commit::{CommitId, CommitRequest, Commits};
use super::counts::Counts;
use super::fetcher::{Arrival, FetchAnswer, FetchLimits, FetchPlan, Fetcher};
use super::group::{Departure, Group};
use super::isolation::{AbortedTransactions, IsolationLevel};
use super::partition::Stage;
use super::position::{Position, Token};
use super::reset::OffsetReset;
use super::stretch::{ReadRules, Slice, Stretch, StretchEnd};
use super::subscription::{Answer, Asked, Subscription, SubscriptionSettings, TopicView};
use crate::error::{Error, ErrorKind};
use crate::offsets::OffsetAndMetadata;

/// What the consumer's state is told once.
#[derive(Clone, Debug)]
pub(crate) struct ReadingSettings {
    pub(crate) subscription: SubscriptionSettings,
    pub(crate) limits: FetchLimits,
    pub(crate) rules: ReadRules,
    pub(crate) isolation: IsolationLevel,
    pub(crate) auto_commit: Option<Duration>,
    /// How long a follower that the leader named is fetched from (KIP-392).
    pub(crate) replica_lease: Duration,
}

/// The state of a consumer.
#[derive(Debug)]
pub(crate) struct Reading {
    settings: ReadingSettings,
    pub(crate) subscription: Subscription,
    pub(crate) fetcher: Fetcher,
    pub(crate) commits: Commits,
    pub(crate) counts: Counts,
    pub(super) buffer: Buffer,
    /// What the last poll handed out, with the origin of each partition, and how much memory it holds.
    pub(super) handed_out: Vec<(TopicPartition, Token, Position)>,
    held_bytes: usize,
    polls: u64,
    /// Where a stream stands inside the records that it holds; the rest of them counts as not handed out.
    pub(super) streaming: Option<(TopicPartition, Token, Position)>,
    wants_metadata: bool,
    next_refresh: Option<Instant>,
    refreshes: u32,
    pub(super) assignment_changed: bool,
    hints: Vec<LeaderHint>,
    last_commit: Option<CommitId>,
    /// The generation in which the commit in flight was sent.
    committing_as: i32,
    /// What the application has to be told although no partition of its own stopped, such as refused credentials.
    pub(crate) report: Option<Error>,
    /// The membership of a group, where there is a group.
    pub(crate) group: Option<Group>,
    end: End,
}

/// How far the end of the consumer has come.
#[derive(Debug)]
enum End {
    /// It runs.
    Open,
    /// The last commit is under way until then.
    Closing(Instant),
    /// It ended, with this result.
    Closed(Result<(), Error>),
}

/// A leader that a broker named instead of itself (KIP-951).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct LeaderHint {
    pub(crate) partition: TopicPartition,
    pub(crate) leader: NodeId,
    pub(crate) epoch: courant_protocol::types::LeaderEpoch,
}

/// The partition whose turn it is, taken out to be read outside the lock.
#[derive(Debug)]
pub(crate) struct Turn {
    pub(crate) partition: TopicPartition,
    pub(crate) token: Token,
    /// The token by which what is handed out of it counts.
    pub(crate) origin: Token,
    pub(crate) position: Position,
    pub(crate) stretch: Stretch,
}

impl Reading {
    /// Starts without partitions.
    pub(crate) fn new(now: Instant, settings: ReadingSettings) -> Self {
        let commits = Commits::new(now, settings.auto_commit, settings.subscription.backoff);
        Self {
            subscription: Subscription::new(settings.subscription.clone()),
            fetcher: Fetcher::new(settings.limits),
            commits,
            counts: Counts::default(),
            buffer: Buffer::default(),
            handed_out: Vec::new(),
            held_bytes: 0,
            polls: 0,
            streaming: None,
            wants_metadata: false,
            next_refresh: None,
            refreshes: 0,
            assignment_changed: false,
            hints: Vec::new(),
            last_commit: None,
            committing_as: -1,
            report: None,
            group: None,
            end: End::Open,
            settings,
        }
    }
}

/// The application's commands.
impl Reading {
    /// Replaces the assignment.
    pub(crate) fn assign(&mut self, partitions: Vec<TopicPartition>) {
        let before: BTreeSet<_> = self.subscription.iter().map(|(partition, _)| partition.clone()).collect();
        self.subscription.assign(partitions);
        for gone in before.iter().filter(|partition| self.subscription.state(partition).is_none()) {
            self.buffer.remove(gone);
            self.fetcher.remove(gone);
        }
        for (partition, _) in self.subscription.iter() {
            if !before.contains(partition) {
                self.commits.begin(partition);
            }
        }
        self.assignment_changed = true;
    }

    /// Moves a partition to an offset, its start or its end.
    pub(crate) fn seek(&mut self, partition: &TopicPartition, to: SeekTo) -> Result<(), Error> {
        let (stage, finished) = match to {
            SeekTo::Offset(offset) => {
                let position = Position::after(offset.offset, offset.leader_epoch);
                let stage = if offset.leader_epoch.is_some() {
                    Stage::Validate(position)
                } else {
                    Stage::Fetching(position)
                };
                (stage, Some(position))
            }
            SeekTo::By(reset) => (Stage::Reset(reset), None),
        };
        self.subscription.seek(partition, stage)?;
        let state = self.subscription.state_mut(partition)?;
        state.origin = state.token;
        state.finished = finished;
        if let Some(outstanding) = &mut state.outstanding {
            outstanding.void(finished);
        }
        self.buffer.discard(partition);
        Ok(())
    }

    /// Goes on at `to`, past or before what stopped the partition. What was handed out stays as it is, finished or not.
    pub(crate) fn pass_over(&mut self, partition: &TopicPartition, to: Offset) -> Result<(), Error> {
        self.subscription.seek(partition, Stage::Fetching(Position::at(to)))?;
        self.buffer.discard(partition);
        Ok(())
    }

    /// Suspends or resumes a partition; what is parked for it stays parked.
    pub(crate) fn pause(&mut self, partition: &TopicPartition, paused: bool) -> Result<(), Error> {
        let state = self.subscription.state_mut(partition)?;
        state.paused = paused;
        self.buffer.pause(partition, paused || state.held);
        Ok(())
    }

    /// The offset of the next record that the application gets.
    pub(crate) fn position(&self, partition: &TopicPartition) -> Result<Option<Position>, Error> {
        let state = self.subscription.state(partition).ok_or_else(|| Error::not_assigned(partition))?;
        match (&self.streaming, &state.stage) {
            (Some((streamed, origin, position)), _) if streamed == partition && *origin == state.origin => {
                Ok(Some(state.capped(*position)))
            }
            (_, Stage::Failed { error, .. }) => Err(error.clone()),
            _ => Ok(state.position()),
        }
    }

    /// How many records lie between the position and the end, by the last fetch.
    pub(crate) fn lag(&self, partition: &TopicPartition) -> Option<u64> {
        let log = self.subscription.state(partition)?.log;
        let end = match self.settings.isolation {
            IsolationLevel::ReadUncommitted => log.high_watermark,
            IsolationLevel::ReadCommitted => log.last_stable,
        };
        let position = self.position(partition).ok()??;
        Some(u64::try_from(end?.0.saturating_sub(position.offset.0)).unwrap_or(0))
    }

    /// How many records of the log lie before the position, by the last fetch.
    pub(crate) fn lead(&self, partition: &TopicPartition) -> Option<u64> {
        let start = self.subscription.state(partition)?.log.start?;
        let position = self.position(partition).ok()??;
        Some(u64::try_from(position.offset.0.saturating_sub(start.0)).unwrap_or(0))
    }

    /// The application commits everything that it was given: that is finished now, so that auto-commit does not go back
    /// behind it.
    pub(crate) fn finish_committed(&mut self) {
        for (partition, origin, position) in self.handed_out.iter().chain(&self.streaming) {
            if let Some(state) = self.subscription.since_mut(partition, *origin) {
                state.finish(*position);
            }
        }
    }

    /// Whether a partition has records to hand out.
    pub(crate) fn has_turn(&self) -> bool {
        self.buffer.has_turn()
    }

    /// What a commit without offsets commits.
    pub(crate) fn committable(&self) -> BTreeMap<TopicPartition, OffsetAndMetadata> {
        let mut offsets = self.subscription.committable();
        if let Some((partition, origin, position)) = &self.streaming
            && !self.acknowledges()
            && let Some(offset) = offsets.get_mut(partition)
            && let Some(state) = self.subscription.state(partition).filter(|state| state.origin == *origin)
        {
            let position = state.capped(*position);
            *offset = OffsetAndMetadata::after(position.offset, position.offset_epoch);
        }
        offsets
    }
}

/// Handing out.
impl Reading {
    /// A poll begins: what the one before handed out is finished, and its memory free.
    pub(crate) fn begin_poll(&mut self) -> u64 {
        self.finish();
        self.polls += 1;
        self.polls
    }

    /// What the last poll handed out is finished.
    fn finish(&mut self) {
        self.held_bytes = 0;
        for (partition, origin, position) in self.handed_out.drain(..) {
            if let Some(state) = self.subscription.since_mut(&partition, origin) {
                state.finish(position);
            }
        }
    }

    /// The application went through the batch of that poll and let go of it.
    pub(crate) fn finish_poll(&mut self, poll: u64) {
        if self.polls == poll {
            self.finish();
        }
    }

    /// The partition whose turn it is; ended by [`Reading::end_turn`].
    pub(crate) fn take_turn(&mut self) -> Option<Turn> {
        loop {
            let (partition, stretch) = self.buffer.take_turn()?;
            match self.subscription.state(&partition) {
                Some(state) if state.token == stretch.token => {
                    if let Stage::Fetching(position) = state.stage {
                        let (token, origin) = (state.token, state.origin);
                        return Some(Turn { partition, token, origin, position, stretch });
                    }
                }
                _ => {}
            }
            self.buffer.end_turn(&partition, None);
        }
    }

    /// Ends a turn: the position moves here and nowhere else. False means that the partition was moved meanwhile, so
    /// that what was read must not be handed out.
    pub(crate) fn end_turn(
        &mut self,
        turn: Turn,
        slices: &[Slice],
        held_bytes: usize,
        error: Option<Error>,
    ) -> bool {
        let Turn { partition, token, origin, position, stretch } = turn;
        let Some(state) = self.subscription.current_mut(&partition, token) else {
            self.buffer.end_turn(&partition, None);
            return false;
        };
        state.stage = Stage::Fetching(position);
        if let Some(outstanding) = &mut state.outstanding {
            for slice in slices {
                let epoch = slice.records.header().leader_epoch;
                slice.runs().for_each(|run| outstanding.hand_out(run, epoch, token));
            }
            outstanding.hand_out_to(position);
        }
        self.buffer.end_turn(&partition, (!stretch.is_used_up()).then_some(stretch));
        self.held_bytes += held_bytes;
        if let Some(error) = error {
            self.fail(&partition, error);
        }
        self.handed_out.push((partition, origin, position));
        true
    }

    /// Takes these for finished, where each record is acknowledged by itself; how many of them were outstanding.
    pub(crate) fn acknowledge_all(&mut self, slices: &[Slice]) -> u64 {
        let runs = slices.iter().flat_map(|slice| slice.runs().map(move |run| (slice, run)));
        runs.map(|(slice, run)| self.acknowledge(&slice.partition, run, slice.token)).sum()
    }

    /// The application has finished these records of a partition, which were handed out under `token`. How many of them
    /// were outstanding: none where the partition was moved or assigned anew since.
    pub(crate) fn acknowledge(
        &mut self,
        partition: &TopicPartition,
        records: Range<Offset>,
        token: Token,
    ) -> u64 {
        let state = self.subscription.state_mut(partition).ok();
        let outstanding = state.and_then(|state| state.outstanding.as_mut());
        outstanding.map_or(0, |outstanding| outstanding.acknowledge(records, token))
    }

    /// Hands out nothing of a partition for now, or does again; a pause is another matter.
    pub(crate) fn hold(&mut self, partition: &TopicPartition, held: bool) -> Result<(), Error> {
        let state = self.subscription.state_mut(partition)?;
        state.held = held;
        self.buffer.pause(partition, state.paused || held);
        Ok(())
    }

    /// Whether each record is finished by an acknowledgement of its own.
    pub(crate) fn acknowledges(&self) -> bool {
        self.settings.subscription.acknowledges
    }

    /// Commits what was acknowledged of partitions that are about to go, and until when that is tried.
    pub(crate) fn commit_acknowledged(&mut self, of: &[TopicPartition], deadline: Instant) {
        if self.commits.is_auto() && self.acknowledges() {
            let mut finished = self.subscription.finished();
            finished.retain(|partition, _| of.contains(partition));
            self.commits.commit_finished(finished, deadline);
        }
    }

    /// The next thing that a poll has to report as an error.
    pub(crate) fn poll_error(&mut self, now: Instant) -> Option<Error> {
        self.report.take().or_else(|| self.subscription.poll_error(now)).or_else(|| {
            let idle = !self.buffer.has_turn();
            if idle { self.subscription.poll_standstill() } else { None }
        })
    }
}

/// The driver: what the world says.
impl Reading {
    /// Takes a newer view of the assigned topics.
    pub(crate) fn handle_metadata(
        &mut self,
        now: Instant,
        views: &BTreeMap<TopicName, TopicView>,
        jitter: f64,
    ) {
        self.subscription.handle_metadata(now, views);
        if !self.subscription.lacks_leader() {
            (self.next_refresh, self.refreshes) = (None, 0);
        } else if self.next_refresh.is_none() {
            // A topic that is not there yet, or a leader that is being elected: another look is needed.
            self.next_refresh = Some(now + self.settings.subscription.backoff.delay(self.refreshes, jitter));
            self.refreshes = self.refreshes.saturating_add(1);
        }
    }

    /// The application has to be told of an error that concerns no partition alone.
    pub(crate) fn report(&mut self, error: Error) {
        self.report = Some(error);
    }

    /// The topics of the assignment, and those that a member has to know, if they have changed since the last time.
    pub(crate) fn take_assignment_change(&mut self) -> Option<Vec<TopicName>> {
        if !std::mem::take(&mut self.assignment_changed) {
            return None;
        }
        let mut topics = self.subscription.topics();
        if let Some(group) = &self.group {
            topics.extend(group.topics.iter().flatten().chain(&group.group_topics).cloned());
            topics.sort();
            topics.dedup();
        }
        Some(topics)
    }

    /// The questions that are to be asked now.
    pub(crate) fn poll_questions(&mut self, now: Instant, unix_now: UnixMillis) -> Vec<Asked> {
        self.subscription.poll_questions(now, unix_now)
    }

    /// Takes the answer to a question.
    pub(crate) fn handle_answer(&mut self, now: Instant, asked: &Asked, answer: Answer, jitter: f64) {
        self.wants_metadata |= self.subscription.handle_answer(now, asked, answer, jitter);
    }

    /// The next request to a broker.
    pub(crate) fn poll_fetch(&mut self, now: Instant, node: NodeId, knows_ids: bool) -> Option<FetchPlan> {
        let plan =
            self.fetcher.poll_fetch(now, node, knows_ids, &self.subscription, &self.buffer, self.held_bytes);
        if plan.is_some() || !self.fetcher.starved || self.buffer.has_turn() || self.held_bytes > 0 {
            return plan;
        }
        // All room is taken, and what takes it is paused: it is fetched again when it is resumed.
        for partition in self.buffer.parked_and_paused() {
            self.buffer.discard(&partition);
            if let Ok(state) = self.subscription.state_mut(&partition)
                && let Some(position) = state.position()
            {
                state.next_fetch = position.offset;
            }
        }
        self.fetcher.poll_fetch(now, node, knows_ids, &self.subscription, &self.buffer, self.held_bytes)
    }

    /// Takes the answer to a fetch.
    pub(crate) fn handle_fetch(&mut self, now: Instant, node: NodeId, answer: FetchAnswer, jitter: f64) {
        let error = answer.error;
        if error.is_err() && error != ErrorCode::FETCH_SESSION_ID_NOT_FOUND {
            self.fetcher.hold(node, now + self.settings.subscription.backoff.delay(0, jitter));
            self.wants_metadata |= error.refreshes_metadata();
        }
        let (throttle_time_ms, sent) = (answer.throttle_time_ms, self.fetcher.sent_at(node));
        let bytes = answer.partitions.iter().map(|one| one.records.len()).sum();
        for arrival in self.fetcher.handle_answer(node, answer) {
            self.handle_arrival(now, node, arrival, jitter);
        }
        if error == ErrorCode::NONE {
            self.counts.fetched(now, sent, bytes, throttle_time_ms);
        }
    }

    /// A fetch failed with its connection.
    pub(crate) fn handle_fetch_broken(&mut self, now: Instant, node: NodeId, jitter: f64) {
        self.fetcher.handle_broken(node);
        self.fetcher.hold(node, now + self.settings.subscription.backoff.delay(0, jitter));
        self.wants_metadata = true;
        // A follower that cannot be reached is not worth waiting for.
        let partitions: Vec<_> = self.subscription.iter().map(|(partition, _)| partition.clone()).collect();
        for partition in partitions {
            if let Ok(state) = self.subscription.state_mut(&partition) {
                state.leave_replica(node);
            }
        }
    }

    fn handle_arrival(&mut self, now: Instant, node: NodeId, arrival: Arrival, jitter: f64) {
        let Arrival { partition, token, offset, max_bytes, answer } = arrival;
        let current = self.subscription.current_mut(&partition, token);
        if current.is_none_or(|state| state.next_fetch != offset) {
            return;
        }
        if let Some((leader, epoch)) = answer.leader {
            self.subscription.handle_leader(&partition, Some(leader), epoch);
            self.hints.push(LeaderHint { partition: partition.clone(), leader, epoch });
        }
        if let Some(end) = answer.diverging {
            return self.handle_diverging(&partition, token, end);
        }
        match answer.error {
            ErrorCode::NONE => {}
            ErrorCode::OFFSET_OUT_OF_RANGE => {
                self.wants_metadata |=
                    self.subscription.handle_out_of_range(now, &partition, token, node, jitter);
                return;
            }
            code => {
                // A follower that refuses is not asked again: the leader knows better (KIP-392).
                if let Some(state) = self.subscription.current_mut(&partition, token) {
                    state.leave_replica(node);
                }
                self.wants_metadata |= self.subscription.handle_code(now, &partition, code, jitter);
                return;
            }
        }
        let until = now + self.settings.replica_lease;
        let Some(state) = self.subscription.current_mut(&partition, token) else { return };
        state.note_success();
        state.log.start = Some(answer.log_start_offset).filter(|offset| offset.is_some());
        state.log.high_watermark = Some(answer.high_watermark).filter(|offset| offset.is_some());
        state.log.last_stable = Some(answer.last_stable_offset).filter(|offset| offset.is_some());
        if let Some(replica) = answer.preferred_replica {
            // The leader answers without records: they are at the follower.
            state.preferred_replica = Some((replica, until));
            return;
        }
        let aborted = match self.settings.isolation {
            IsolationLevel::ReadUncommitted => None,
            IsolationLevel::ReadCommitted => Some(AbortedTransactions::new(answer.aborted)),
        };
        let (stretch, end, records) = Stretch::new(token, answer.records, aborted, self.settings.rules);
        self.counts.arrived(records);
        self.park(&partition, stretch, end, offset, max_bytes);
    }

    fn park(
        &mut self,
        partition: &TopicPartition,
        stretch: Stretch,
        end: StretchEnd,
        offset: Offset,
        asked: i32,
    ) {
        let Ok(state) = self.subscription.state_mut(partition) else { return };
        match end {
            StretchEnd::Empty => return,
            // The broker repeats what was read, and reading on would repeat it for ever.
            StretchEnd::At(end) if end <= offset => {
                let what = "the broker answers a fetch with records before the offset that was asked for";
                let error = Error::new(ErrorKind::Client(courant_client::ErrorKind::Protocol), what);
                self.fail(partition, error.at(partition).at_offset(offset).hinting("seek to try again"));
                return;
            }
            StretchEnd::At(end) => state.next_fetch = end,
            StretchEnd::Unreadable => state.next_fetch = Offset::NONE,
            StretchEnd::TooSmall(size) => {
                let needed = i32::try_from(size).unwrap_or(i32::MAX);
                if needed > asked {
                    state.batch_needs_bytes = Some(needed);
                } else {
                    let what = format!("a batch of {size} bytes was cut although {asked} were allowed");
                    let error = Error::new(ErrorKind::RecordTooLarge, what).at(partition).at_offset(offset);
                    self.fail(
                        partition,
                        error.hinting("raise max.partition.fetch.bytes, or seek behind the batch"),
                    );
                }
                return;
            }
        }
        state.batch_needs_bytes = None;
        self.buffer.park(partition, stretch);
    }

    fn handle_diverging(
        &mut self,
        partition: &TopicPartition,
        token: Token,
        end: (courant_protocol::types::LeaderEpoch, Offset),
    ) {
        let position = self.subscription.current_mut(partition, token).and_then(|state| state.position());
        if let Some(position) = position {
            self.buffer.discard(partition);
            self.subscription.handle_epoch_end(partition, position, Some(end));
        }
    }

    fn fail(&mut self, partition: &TopicPartition, error: Error) {
        self.subscription.fail(partition, error);
        self.buffer.discard(partition);
    }

    /// Sends what auto-commit has to say, if its time has come.
    pub(crate) fn poll_auto_commit(&mut self, now: Instant) {
        if !self.commits.auto_due(now) {
            return;
        }
        match self.commit_standing() {
            Standing::Member => self.commits.auto_commit(now, self.subscription.finished()),
            Standing::Rebalancing | Standing::Outside => self.commits.postpone_auto(now),
        }
    }

    /// What a commit can hope for; one that is no member of its group commits unless the group has members.
    fn commit_standing(&self) -> Standing {
        match &self.group {
            Some(group) if group.is_subscribed() => group.classic.standing(),
            _ => Standing::Member,
        }
    }

    /// The next commit to send.
    pub(crate) fn poll_commit(&mut self, now: Instant) -> Option<CommitRequest> {
        let subscription = &self.subscription;
        self.commits.refuse(|partition| subscription.recreated(partition));
        let standing = self.commit_standing();
        let closing = self.is_closed() && standing == Standing::Rebalancing;
        match standing {
            Standing::Outside => {
                let refusal = self.group.as_ref().and_then(|group| group.refusal.clone());
                self.commits.refuse_all(&refusal.unwrap_or_else(Error::not_a_member));
            }
            // The answer may come too late for a consumer that is closing: what it was before may still count.
            Standing::Member | Standing::Rebalancing => {
                self.commits.hold(standing == Standing::Rebalancing && !closing)
            }
        }
        let mut request = self.commits.poll_request(now)?;
        self.counts.commit_sent(now);
        request.member = self.group.as_ref().map(Group::metadata);
        self.committing_as = request.member.as_ref().map_or(-1, |member| member.generation_id);
        Some(request)
    }

    /// Takes what came of a commit.
    pub(crate) fn handle_commit(
        &mut self,
        now: Instant,
        answer: Result<BTreeMap<TopicPartition, ErrorCode>, Error>,
        jitter: f64,
    ) {
        self.counts.commit_answered(now);
        // A topic whose id the coordinator does not know may be another one by now.
        self.wants_metadata |=
            answer.iter().flat_map(BTreeMap::values).any(|code| *code == ErrorCode::UNKNOWN_TOPIC_ID);
        if let Some(group) = self.group.as_mut().filter(|group| group.is_subscribed()) {
            let mut codes: Vec<_> = answer.iter().flat_map(BTreeMap::values).copied().collect();
            codes.dedup();
            codes.into_iter().for_each(|code| group.classic.handle_commit_code(self.committing_as, code));
        }
        self.commits.handle_answer(now, answer, jitter);
    }

    /// Whether the view of the cluster has to be renewed; asking resets it.
    pub(crate) fn take_metadata_wish(&mut self, now: Instant) -> bool {
        let due = self.next_refresh.take_if(|at| *at <= now).is_some();
        std::mem::take(&mut self.wants_metadata) || due
    }

    /// The leaders that brokers named since the last time.
    pub(crate) fn take_hints(&mut self) -> Vec<LeaderHint> {
        std::mem::take(&mut self.hints)
    }

    /// When to look again, if nothing happens before.
    pub(crate) fn next_deadline(&self, now: Instant) -> Option<Instant> {
        let times = [
            self.subscription.next_deadline(now),
            self.fetcher.next_deadline(now),
            self.commits.next_deadline(),
            self.next_refresh,
            self.closing_until(),
            self.group.as_ref().and_then(|group| group.next_deadline(now)),
        ];
        times.into_iter().flatten().min()
    }
}

/// The end.
impl Reading {
    /// No record is handed out any more; commits may go on until `deadline`, and then the group is left, with a `farewell`
    /// or without.
    pub(crate) fn close(&mut self, deadline: Instant, farewell: bool) {
        if !matches!(self.end, End::Open) {
            return;
        }
        self.end = End::Closing(deadline);
        self.depart_by(Departure { farewell, reason: "the consumer is being closed", deadline });
        if self.commits.is_auto() {
            self.last_commit = Some(self.commits.commit_last(self.subscription.finished(), deadline));
            // Its timer would wake the driver again and again while the last commit is under way.
            self.commits.stop_auto();
        }
    }

    /// The application has let go of the consumer without closing it. What it had not committed stays so, since nobody says
    /// that it is finished; commits that it had begun go on until `deadline`, and so does the farewell to the group.
    pub(crate) fn abandon(&mut self, deadline: Instant, farewell: bool) {
        if !matches!(self.end, End::Open) {
            return;
        }
        self.end = End::Closing(deadline);
        self.commits.stop_auto();
        self.depart_by(Departure { farewell, reason: "the consumer was dropped", deadline });
    }

    /// The client below was closed, so nothing can be sent any more.
    pub(crate) fn end_with(&mut self, result: Result<(), Error>) {
        self.commits.close();
        if !matches!(self.end, End::Closed(_)) {
            self.end = End::Closed(result);
        }
    }

    /// What drives the consumer is gone although nobody closed it: the application is told so, once.
    pub(crate) fn end_untimely(&mut self) {
        if !matches!(self.end, End::Closed(_)) {
            let error = Error::new(ErrorKind::Closed, "the task behind the consumer has ended")
                .hinting("its runtime was shut down, or what it called panicked");
            self.report = Some(error.clone());
            self.end_with(Err(error));
        }
    }

    /// What a poll says once the consumer is closed: nothing, unless that came untimely.
    pub(crate) fn last_word(&mut self) -> Result<(), Error> {
        self.report.take_if(|error| error.kind() == ErrorKind::Closed).map_or(Ok(()), Err)
    }

    /// Nothing is left to wait for, or the time is over.
    pub(crate) fn finish_close(&mut self) {
        let late = || {
            let late = courant_client::Error::new(
                courant_client::ErrorKind::Timeout,
                "the last commit was not answered in time",
            );
            Error::from(late.hinting("give close() more time"))
        };
        let idle = self.commits.is_idle();
        let last = self.last_commit.take().and_then(|id| self.commits.take_result(id));
        self.end_with(if idle { last.unwrap_or(Ok(())) } else { Err(late()) });
    }

    /// The result of closing, once it has ended.
    pub(crate) fn close_result(&mut self) -> Option<Result<(), Error>> {
        match &self.end {
            End::Closed(result) => Some(result.clone()),
            End::Open | End::Closing(_) => None,
        }
    }

    /// Whether the consumer was closed, or is closing.
    pub(crate) fn is_closed(&self) -> bool {
        !matches!(self.end, End::Open)
    }

    /// Until when closing may go on, once it has begun.
    pub(crate) fn closing_until(&self) -> Option<Instant> {
        match self.end {
            End::Closing(deadline) => Some(deadline),
            End::Open | End::Closed(_) => None,
        }
    }

    /// Memory that is parked or handed out.
    pub(crate) fn buffered_bytes(&self) -> usize {
        self.buffer.bytes() + self.held_bytes
    }
}

/// Where to seek to.
#[derive(Clone, Debug)]
pub(crate) enum SeekTo {
    /// An offset.
    Offset(OffsetAndMetadata),
    /// The start or the end.
    By(OffsetReset),
}
