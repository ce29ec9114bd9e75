//! The assigned partitions: which there are, where each stands, and what each waits for.
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use courant_client::retry::Backoff;
use courant_protocol::error_code::ErrorCode;
use courant_protocol::types::{LeaderEpoch, NodeId, Offset, TopicId, TopicName, TopicPartition, UnixMillis};

use super::acks::Outstanding;
use super::partition::{PartitionState, Question, Stage};
use super::position::{Position, Token};
use super::reset::OffsetReset;
use crate::error::{Error, ErrorKind};
use crate::offsets::OffsetAndMetadata;

/// What metadata say of a topic.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct TopicView {
    pub(crate) id: TopicId,
    pub(crate) error: Option<ErrorCode>,
    /// Leader and epoch; partition `n` stands at index `n`.
    pub(crate) partitions: Vec<(Option<NodeId>, LeaderEpoch)>,
}

/// What a subscription is told once.
#[derive(Clone, Debug)]
pub(crate) struct SubscriptionSettings {
    pub(crate) has_group: bool,
    /// Whether each record is finished by an acknowledgement of its own.
    pub(crate) acknowledges: bool,
    pub(crate) reset: OffsetReset,
    pub(crate) backoff: Backoff,
    /// How long a topic may be unknown before a poll says so; it is looked for further on.
    pub(crate) unknown_topic_patience: Duration,
}

/// One partition of a question, with the token that the answer must bring back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Asked {
    pub(crate) partition: TopicPartition,
    pub(crate) token: Token,
    pub(crate) question: Question,
    /// The leader epoch that the client knows.
    pub(crate) leader_epoch: LeaderEpoch,
}

/// What became of a question.
#[derive(Clone, Debug)]
pub(crate) enum Answer {
    /// The group's offset, if there is one.
    Committed(Option<OffsetAndMetadata>),
    /// An offset; none where no record is that young.
    OffsetAt(Option<(Offset, LeaderEpoch)>),
    /// The largest epoch up to the one asked for, and its end; none where the leader cannot tell.
    EpochEnd(Option<(LeaderEpoch, Offset)>),
    /// A broker's error code.
    Code(ErrorCode),
    /// No answer.
    Error(Error),
}

/// The assigned partitions.
#[derive(Debug)]
pub(crate) struct Subscription {
    pub(crate) settings: SubscriptionSettings,
    partitions: BTreeMap<TopicPartition, PartitionState>,
    last_token: u64,
}

impl Subscription {
    /// Starts without partitions.
    pub(crate) fn new(settings: SubscriptionSettings) -> Self {
        Self { settings, partitions: BTreeMap::new(), last_token: 0 }
    }

    /// A token that nothing has seen before.
    pub(crate) fn new_token(&mut self) -> Token {
        self.last_token += 1;
        Token(self.last_token)
    }

    /// Replaces the assignment; partitions that stay keep their state.
    pub(crate) fn assign(&mut self, partitions: impl IntoIterator<Item = TopicPartition>) {
        let mut before = std::mem::take(&mut self.partitions);
        for partition in partitions {
            let state = before.remove(&partition).unwrap_or_else(|| {
                let stage = self.first_stage(&partition);
                let mut state = PartitionState::new(self.new_token(), stage);
                state.outstanding = self.settings.acknowledges.then(Outstanding::default);
                state
            });
            self.partitions.insert(partition, state);
        }
    }

    fn first_stage(&self, partition: &TopicPartition) -> Stage {
        if self.settings.has_group {
            Stage::Committed
        } else {
            self.by_policy(partition, ErrorKind::NoOffset, None)
        }
    }

    /// What the reset policy makes of a partition without a valid offset.
    fn by_policy(&self, partition: &TopicPartition, kind: ErrorKind, position: Option<Position>) -> Stage {
        if self.settings.reset != OffsetReset::None {
            return Stage::Reset(self.settings.reset);
        }
        let error = match (kind, position) {
            (ErrorKind::OffsetOutOfRange, Some(position)) => {
                Error::new(kind, "the position is outside the partition's log").at_offset(position.offset)
            }
            _ => Error::new(kind, "there is no offset to start from"),
        };
        let error = error.at(partition).hinting("seek, or set auto.offset.reset to earliest or latest");
        Stage::Failed { error, position, reported: false }
    }

    /// All assigned partitions.
    pub(crate) fn iter(&self) -> impl ExactSizeIterator<Item = (&TopicPartition, &PartitionState)> {
        self.partitions.iter()
    }

    /// One partition's state.
    pub(crate) fn state(&self, partition: &TopicPartition) -> Option<&PartitionState> {
        self.partitions.get(partition)
    }

    /// One partition's state, or the error that says that it is not assigned.
    pub(crate) fn state_mut(&mut self, partition: &TopicPartition) -> Result<&mut PartitionState, Error> {
        self.partitions.get_mut(partition).ok_or_else(|| Error::not_assigned(partition))
    }

    /// One partition's state, if `token` is still its token.
    pub(crate) fn current_mut(
        &mut self,
        partition: &TopicPartition,
        token: Token,
    ) -> Option<&mut PartitionState> {
        self.partitions.get_mut(partition).filter(|state| state.token == token)
    }

    /// One partition's state, if the application has not put it elsewhere since `origin`.
    pub(crate) fn since_mut(
        &mut self,
        partition: &TopicPartition,
        origin: Token,
    ) -> Option<&mut PartitionState> {
        self.partitions.get_mut(partition).filter(|state| state.origin == origin)
    }

    /// The names of the topics that partitions are assigned of.
    pub(crate) fn topics(&self) -> Vec<TopicName> {
        let mut topics: Vec<_> = self.partitions.keys().map(|partition| partition.topic.clone()).collect();
        topics.dedup();
        topics
    }

    /// Puts a partition somewhere else by the application's word. Whatever was asked or fetched is void, also a failure.
    pub(crate) fn seek(&mut self, partition: &TopicPartition, stage: Stage) -> Result<(), Error> {
        let token = self.new_token();
        let state = self.state_mut(partition)?;
        // The application has seen what is the matter, so what it seeks in is the topic as it is now.
        if matches!(&state.stage, Stage::Failed { error, .. } if error.kind() == ErrorKind::TopicRecreated) {
            state.topic_id = TopicId::ZERO;
            state.leader_epoch = LeaderEpoch::NONE;
        }
        state.restart(token, stage);
        Ok(())
    }

    /// The broker says that the position is not in its log. From a follower that proves nothing: the leader decides
    /// (KIP-392). And a leader of an older epoch than the position's may be none any more (KIP-320).
    ///
    /// True means that the client's view of leaders is out of date.
    pub(crate) fn handle_out_of_range(
        &mut self,
        now: Instant,
        partition: &TopicPartition,
        token: Token,
        from: NodeId,
        jitter: f64,
    ) -> bool {
        let (backoff, patience) = (self.settings.backoff, self.settings.unknown_topic_patience);
        let Some(state) = self.current_mut(partition, token) else { return false };
        if state.preferred_replica.take().is_some_and(|(replica, _)| replica == from)
            && state.leader != Some(from)
        {
            return false;
        }
        let position = state.position();
        // What is parked is still good: only when it is used up is the position itself out of range.
        if position.is_some_and(|position| position.offset != state.next_fetch) {
            state.note_failure(now, &backoff, jitter);
            return false;
        }
        if position.is_some_and(|position| position.offset_epoch > state.leader_epoch)
            && state.trouble.as_ref().is_none_or(|trouble| now < trouble.since + patience)
        {
            // A restored log may have lost that epoch for good: only so long.
            let what = "the leader that is known is older than the position; a newer one is looked for";
            state.note_failure(now, &backoff, jitter);
            state.note_trouble(now, Error::from_code(ErrorCode::UNKNOWN_LEADER_EPOCH, what).at(partition));
            return true;
        }
        let stage = self.by_policy(partition, ErrorKind::OffsetOutOfRange, position);
        self.restart(partition, stage);
        false
    }

    /// Ends a partition's progress until the application seeks.
    pub(crate) fn fail(&mut self, partition: &TopicPartition, error: Error) {
        let token = self.new_token();
        if let Some(state) = self.partitions.get_mut(partition) {
            let position = state.position();
            state.restart(token, Stage::Failed { error, position, reported: false });
        }
    }

    /// Takes a newer view of the topics; true where a leader or an epoch is missing, so that another look is needed.
    pub(crate) fn handle_metadata(&mut self, now: Instant, views: &BTreeMap<TopicName, TopicView>) {
        let names: Vec<TopicPartition> = self.partitions.keys().cloned().collect();
        for partition in names {
            match views.get(&partition.topic) {
                Some(view) => self.handle_topic(now, &partition, view),
                None => self.handle_unknown(now, &partition, ErrorCode::UNKNOWN_TOPIC_OR_PARTITION),
            }
        }
    }

    fn handle_topic(&mut self, now: Instant, partition: &TopicPartition, view: &TopicView) {
        let Some(state) = self.partitions.get_mut(partition) else { return };
        let index = usize::try_from(partition.partition.0).unwrap_or(usize::MAX);
        if !view.id.is_zero() && !state.topic_id.is_zero() && view.id != state.topic_id {
            if !matches!(&state.stage, Stage::Failed { error, .. } if error.kind() == ErrorKind::TopicRecreated)
            {
                let error = recreated(partition, state.topic_id, view.id);
                self.fail(partition, error);
            }
            return;
        }
        match (view.partitions.get(index), view.error) {
            (Some(&(leader, epoch)), _) => {
                state.topic_id = if view.id.is_zero() { state.topic_id } else { view.id };
                self.handle_leader(partition, leader, epoch);
            }
            (None, Some(code)) => self.handle_unknown(now, partition, code),
            // The topic may have grown, and this broker has not heard of it.
            (None, None) => self.handle_unknown(now, partition, ErrorCode::UNKNOWN_TOPIC_OR_PARTITION),
        }
    }

    fn handle_unknown(&mut self, now: Instant, partition: &TopicPartition, code: ErrorCode) {
        let Some(state) = self.partitions.get_mut(partition) else { return };
        let what = match code {
            ErrorCode::UNKNOWN_TOPIC_OR_PARTITION => {
                "the partition is not there; it is looked for further on"
            }
            _ => "the topic's metadata cannot be had",
        };
        state.note_trouble(now, Error::from_code(code, what).at(partition));
    }

    /// A leader is named, by metadata or by a broker that is none (KIP-951). Older news than known are dropped.
    pub(crate) fn handle_leader(
        &mut self,
        partition: &TopicPartition,
        leader: Option<NodeId>,
        epoch: LeaderEpoch,
    ) {
        let token = self.new_token();
        let Some(state) = self.partitions.get_mut(partition) else { return };
        if epoch.is_some() && epoch < state.leader_epoch {
            return;
        }
        let newer = epoch > state.leader_epoch && state.leader_epoch.is_some();
        if state.leader != leader || newer {
            state.preferred_replica = None;
        }
        (state.leader, state.leader_epoch) = (leader, epoch.max(state.leader_epoch));
        match state.stage {
            // What is parked came from a log that the new leader may not have: it is fetched again once the new one
            // has confirmed the position.
            Stage::Fetching(position) if newer && position.offset_epoch.is_some() => {
                state.restart(token, Stage::Validate(position));
            }
            Stage::Validate(position) if newer => state.restart(token, Stage::Validate(position)),
            _ => {}
        }
    }

    /// The questions that may be asked now; they count as asked.
    pub(crate) fn poll_questions(&mut self, now: Instant, unix_now: UnixMillis) -> Vec<Asked> {
        let mut asked = Vec::new();
        for (partition, state) in &mut self.partitions {
            let Some(question) = state.question(now, unix_now) else { continue };
            state.asked = true;
            let (token, leader_epoch) = (state.token, state.leader_epoch);
            asked.push(Asked { partition: partition.clone(), token, question, leader_epoch });
        }
        asked
    }

    /// Takes an answer. One that comes after a seek finds another token and is dropped.
    ///
    /// True means that the client's view of leaders is out of date.
    pub(crate) fn handle_answer(&mut self, now: Instant, asked: &Asked, answer: Answer, jitter: f64) -> bool {
        let partition = &asked.partition;
        let Some(state) = self.current_mut(partition, asked.token) else { return false };
        state.asked = false;
        match (answer, state.stage.clone()) {
            (Answer::Committed(Some(committed)), Stage::Committed) => {
                let position = Position::after(committed.offset, committed.leader_epoch);
                self.place(partition, position);
                false
            }
            (Answer::Committed(None), Stage::Committed) => {
                let stage = self.by_policy(partition, ErrorKind::NoOffset, None);
                self.restart(partition, stage);
                false
            }
            (Answer::OffsetAt(Some((offset, _))), Stage::Reset(_)) => {
                self.restart(partition, Stage::Fetching(Position::at(offset)));
                false
            }
            // No record is that young: whatever comes next is.
            (Answer::OffsetAt(None), Stage::Reset(_)) => {
                self.restart(partition, Stage::Reset(OffsetReset::Latest));
                false
            }
            (Answer::EpochEnd(end), Stage::Validate(position)) => {
                self.handle_epoch_end(partition, position, end);
                false
            }
            // A broker that cannot be asked is older than the check: there is nothing to wait for.
            (Answer::Error(error), Stage::Validate(position))
                if error.kind() == ErrorKind::Client(courant_client::ErrorKind::UnsupportedVersion) =>
            {
                self.restart(partition, Stage::Fetching(position));
                false
            }
            (Answer::Code(code), _) => self.handle_code(now, partition, code, jitter),
            (Answer::Error(error), _) => self.handle_error(now, partition, error, jitter),
            _ => false,
        }
    }

    /// A position from elsewhere (a commit, a seek): what the leader's log holds of it is checked where an epoch is known.
    pub(crate) fn place(&mut self, partition: &TopicPartition, position: Position) {
        let stage = if position.offset_epoch.is_some() {
            Stage::Validate(position)
        } else {
            Stage::Fetching(position)
        };
        self.restart(partition, stage);
    }

    fn restart(&mut self, partition: &TopicPartition, stage: Stage) {
        let token = self.new_token();
        if let Some(state) = self.partitions.get_mut(partition) {
            state.restart(token, stage);
        }
    }

    /// Compares where the epoch of the last record read ends in the leader's log with the position.
    pub(crate) fn handle_epoch_end(
        &mut self,
        partition: &TopicPartition,
        position: Position,
        end: Option<(LeaderEpoch, Offset)>,
    ) {
        let stage = match end {
            // The leader does not know the epoch (its log may begin later): no proof of a loss. The fetch will tell.
            None => Stage::Fetching(position),
            Some((_, end)) if end >= position.offset => Stage::Fetching(position),
            Some((_, end)) if self.settings.reset == OffsetReset::None => {
                let error = truncated(partition, position.offset, end);
                Stage::Failed { error, position: Some(position), reported: false }
            }
            // The records behind the point where the logs agree are other ones now: they are read.
            Some((epoch, end)) => {
                tracing::warn!(
                    target: "courant::consumer", %partition, position = position.offset.0, agreed = end.0,
                    "the log was truncated behind the position; reading on where the logs agree"
                );
                Stage::Fetching(Position::after(end, epoch))
            }
        };
        self.restart(partition, stage);
    }

    /// A broker refused to answer for one partition.
    pub(crate) fn handle_code(
        &mut self,
        now: Instant,
        partition: &TopicPartition,
        code: ErrorCode,
        jitter: f64,
    ) -> bool {
        let backoff = self.settings.backoff;
        let Some(state) = self.partitions.get_mut(partition) else { return false };
        state.note_failure(now, &backoff, jitter);
        let stale_view = code.refreshes_metadata() || code == ErrorCode::UNKNOWN_LEADER_EPOCH;
        // A change of leader is everyday life; what lasts, or what waiting does not mend, is told.
        if !stale_view || matches!(code, ErrorCode::UNKNOWN_TOPIC_OR_PARTITION | ErrorCode::UNKNOWN_TOPIC_ID)
        {
            state.note_trouble(now, Error::from_code(code, "the partition cannot be read").at(partition));
        }
        stale_view
    }

    fn handle_error(&mut self, now: Instant, partition: &TopicPartition, error: Error, jitter: f64) -> bool {
        let backoff = self.settings.backoff;
        let Some(state) = self.partitions.get_mut(partition) else { return false };
        state.note_failure(now, &backoff, jitter);
        let stale_view = error.is_retriable();
        if !stale_view {
            state.note_trouble(now, error.at(partition));
        }
        stale_view
    }

    /// The next error for a poll to return: a partition that failed, or one that has been in trouble for long.
    pub(crate) fn poll_error(&mut self, now: Instant) -> Option<Error> {
        let patience = self.settings.unknown_topic_patience;
        self.partitions.values_mut().find_map(|state| {
            if let Stage::Failed { error, reported, .. } = &mut state.stage {
                return (!std::mem::replace(reported, true)).then(|| error.clone());
            }
            let trouble = state.trouble.as_mut().filter(|trouble| !trouble.reported)?;
            let waits = trouble.error.kind() == ErrorKind::UnknownTopic || trouble.error.is_retriable();
            if waits && now < trouble.since + patience {
                return None;
            }
            trouble.reported = true;
            Some(trouble.error.clone())
        })
    }

    /// The error of a failed partition, where no partition is left that could ever bring a record.
    pub(crate) fn poll_standstill(&self) -> Option<Error> {
        let mut first = None;
        for state in self.partitions.values() {
            match &state.stage {
                Stage::Failed { error, .. } => first = first.or(Some(error)),
                _ => return None,
            }
        }
        first.cloned()
    }

    /// When a partition may be tried again, or its trouble is to be told.
    pub(crate) fn next_deadline(&self, now: Instant) -> Option<Instant> {
        let patience = self.settings.unknown_topic_patience;
        let times = self.partitions.values().flat_map(|state| {
            let trouble = state.trouble.as_ref().filter(|trouble| !trouble.reported);
            [state.waits_until(now), trouble.map(|trouble| trouble.since + patience)]
        });
        times.flatten().filter(|at| *at > now).min()
    }

    /// Whether anything is known to be missing or out of date in the view of the cluster.
    pub(crate) fn lacks_leader(&self) -> bool {
        self.partitions.values().any(|state| state.leader.is_none())
    }

    /// The group went on without this member: nothing that was handed out can be finished any more.
    pub(crate) fn void_outstanding(&mut self) {
        for outstanding in self.partitions.values_mut().filter_map(|state| state.outstanding.as_mut()) {
            outstanding.void(None);
        }
    }

    /// The error of a partition whose topic was deleted and created again.
    pub(crate) fn recreated(&self, partition: &TopicPartition) -> Option<Error> {
        match &self.partitions.get(partition)?.stage {
            Stage::Failed { error, .. } if error.kind() == ErrorKind::TopicRecreated => Some(error.clone()),
            _ => None,
        }
    }

    /// The positions of all partitions that can be committed.
    ///
    /// A recreated topic is left out: its offsets belong to the topic that is gone.
    pub(crate) fn committable(&self) -> BTreeMap<TopicPartition, OffsetAndMetadata> {
        self.offsets(PartitionState::committable)
    }

    /// What the application has finished.
    pub(crate) fn finished(&self) -> BTreeMap<TopicPartition, OffsetAndMetadata> {
        self.offsets(PartitionState::finished)
    }

    fn offsets(
        &self,
        of: impl Fn(&PartitionState) -> Option<Position>,
    ) -> BTreeMap<TopicPartition, OffsetAndMetadata> {
        let pairs = self.partitions.iter().filter_map(|(partition, state)| {
            if self.recreated(partition).is_some() {
                return None;
            }
            let position = of(state)?;
            Some((partition.clone(), OffsetAndMetadata::after(position.offset, position.offset_epoch)))
        });
        pairs.collect()
    }
}

fn recreated(partition: &TopicPartition, old: TopicId, new: TopicId) -> Error {
    let what = format!("the topic was deleted and created again: its id was {old} and is {new}");
    Error::new(ErrorKind::TopicRecreated, what).at(partition).hinting(
        "seek (to the beginning, say) to read the new topic; offsets of the old one were not committed to it",
    )
}

fn truncated(partition: &TopicPartition, position: Offset, agreed: Offset) -> Error {
    let what = format!("the log was truncated behind what was read: both logs agree up to offset {agreed}");
    Error::new(ErrorKind::LogTruncated, what)
        .at(partition)
        .at_offset(position)
        .resuming_at(agreed)
        .hinting("seek to go on, or set auto.offset.reset to go on by itself")
}
