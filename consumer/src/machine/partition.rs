//! What the consumer knows of one assigned partition.
use std::time::Instant;

use courant_client::retry::Backoff;
use courant_protocol::types::{LeaderEpoch, NodeId, Offset, TopicId, UnixMillis};

use super::acks::Outstanding;
use super::position::{Position, Token};
use super::reset::OffsetReset;
use crate::error::Error;

/// What a partition needs before the next record can be handed out.
#[derive(Clone, Debug)]
pub(crate) enum Stage {
    /// The group's committed offset.
    Committed,
    /// The offset that a reset policy, or a seek to the start or the end, points to.
    Reset(OffsetReset),
    /// The word of a new leader that its log still holds what was read (KIP-320).
    Validate(Position),
    /// Nothing: it is being fetched.
    Fetching(Position),
    /// The application: it goes on after a seek.
    Failed {
        /// What is the matter.
        error: Error,
        /// Where it stood.
        position: Option<Position>,
        /// Whether a poll has returned the error.
        reported: bool,
    },
}

/// Why a partition makes no progress although it is tried again and again.
#[derive(Clone, Debug)]
pub(crate) struct Trouble {
    pub(crate) since: Instant,
    pub(crate) error: Error,
    /// Whether a poll has returned the error.
    pub(crate) reported: bool,
}

/// One assigned partition.
#[derive(Debug)]
pub(crate) struct PartitionState {
    pub(crate) token: Token,
    /// The token of its assignment, or of the last time the application put it elsewhere: what was handed out since then
    /// counts, wherever a new leader or a reset has moved it meanwhile.
    pub(crate) origin: Token,
    pub(crate) stage: Stage,
    pub(crate) paused: bool,
    /// Nothing is handed out of it for now, for a reason that is not the application's pause.
    pub(crate) held: bool,
    pub(crate) leader: Option<NodeId>,
    pub(crate) leader_epoch: LeaderEpoch,
    /// The incarnation of the topic that the position belongs to; zero until it is known.
    pub(crate) topic_id: TopicId,
    /// Where the next fetch begins: behind everything that is parked.
    pub(crate) next_fetch: Offset,
    /// What the last fetch said of the log.
    pub(crate) log: LogEnds,
    /// Everything before it is finished by the application: auto-commit commits it.
    pub(crate) finished: Option<Position>,
    /// Where records are acknowledged one by one: what is outstanding. It decides then, and [`Self::finished`] does not.
    pub(crate) outstanding: Option<Outstanding>,
    /// A follower to fetch from instead of the leader, until then (KIP-392).
    pub(crate) preferred_replica: Option<(NodeId, Instant)>,
    /// A size that one batch is known to need, above the usual limit.
    pub(crate) batch_needs_bytes: Option<i32>,
    pub(crate) trouble: Option<Trouble>,
    /// Whether a question about it is out, under the present token.
    pub(crate) asked: bool,
    failures: u32,
    not_before: Option<Instant>,
}

/// The ends of a partition's log, as the last fetch reported them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct LogEnds {
    pub(crate) start: Option<Offset>,
    pub(crate) high_watermark: Option<Offset>,
    pub(crate) last_stable: Option<Offset>,
}

impl PartitionState {
    pub(crate) fn new(token: Token, stage: Stage) -> Self {
        Self {
            token,
            origin: token,
            stage,
            paused: false,
            held: false,
            leader: None,
            leader_epoch: LeaderEpoch::NONE,
            topic_id: TopicId::ZERO,
            next_fetch: Offset::NONE,
            log: LogEnds::default(),
            finished: None,
            outstanding: None,
            preferred_replica: None,
            batch_needs_bytes: None,
            trouble: None,
            asked: false,
            failures: 0,
            not_before: None,
        }
    }

    /// Where it stands, where that is known.
    pub(crate) fn position(&self) -> Option<Position> {
        match &self.stage {
            Stage::Fetching(position) | Stage::Validate(position) => Some(*position),
            Stage::Failed { position, .. } => *position,
            Stage::Committed | Stage::Reset(_) => None,
        }
    }

    /// What is left of a position that was handed out, where the log was truncated since: records behind the partition's own
    /// position are other ones now.
    pub(crate) fn capped(&self, handed_out: Position) -> Position {
        self.position().filter(|own| own.offset < handed_out.offset).unwrap_or(handed_out)
    }

    /// Takes what was handed out for finished.
    pub(crate) fn finish(&mut self, handed_out: Position) {
        self.finished = Some(self.capped(handed_out));
    }

    /// Behind what the application has finished: what auto-commit commits.
    pub(crate) fn finished(&self) -> Option<Position> {
        match &self.outstanding {
            Some(outstanding) => outstanding.finished(),
            None => self.finished.map(|finished| self.capped(finished)),
        }
    }

    /// What a commit without offsets commits.
    pub(crate) fn committable(&self) -> Option<Position> {
        match &self.outstanding {
            Some(outstanding) => outstanding.committable(),
            None => self.position(),
        }
    }

    /// Moves to another stage under a new token: whatever was asked or fetched before is void.
    pub(crate) fn restart(&mut self, token: Token, stage: Stage) {
        if let Stage::Fetching(position) | Stage::Validate(position) = &stage {
            self.next_fetch = position.offset;
        }
        self.token = token;
        self.stage = stage;
        if let Some(outstanding) = &mut self.outstanding {
            match &self.stage {
                Stage::Fetching(position) | Stage::Validate(position) => outstanding.move_to(Some(*position)),
                Stage::Committed | Stage::Reset(_) => outstanding.move_to(None),
                // It stands where it stood.
                Stage::Failed { .. } => {}
            }
        }
        self.asked = false;
        self.batch_needs_bytes = None;
        self.note_success();
    }

    /// Something worked: waiting times start small again.
    pub(crate) fn note_success(&mut self) {
        self.failures = 0;
        self.not_before = None;
        self.trouble = None;
    }

    /// Something that may pass went wrong: the next attempt waits.
    pub(crate) fn note_failure(&mut self, now: Instant, backoff: &Backoff, jitter: f64) {
        self.not_before = Some(now + backoff.delay(self.failures, jitter));
        self.failures = self.failures.saturating_add(1);
        self.asked = false;
    }

    /// Remembers what keeps it from progress; the time of the first one counts.
    pub(crate) fn note_trouble(&mut self, now: Instant, error: Error) {
        match &mut self.trouble {
            Some(trouble) if trouble.error.kind() == error.kind() => trouble.error = error,
            _ => self.trouble = Some(Trouble { since: now, error, reported: false }),
        }
    }

    /// When the next attempt may be made, where it has to wait.
    pub(crate) fn waits_until(&self, now: Instant) -> Option<Instant> {
        self.not_before.filter(|at| *at > now)
    }

    /// The broker to fetch from.
    pub(crate) fn fetch_from(&self, now: Instant) -> Option<NodeId> {
        match self.preferred_replica {
            Some((replica, until)) if now < until => Some(replica),
            _ => self.leader,
        }
    }

    /// Goes back to the leader, where `replica` was fetched from instead.
    pub(crate) fn leave_replica(&mut self, replica: NodeId) {
        self.preferred_replica = self.preferred_replica.filter(|(preferred, _)| *preferred != replica);
    }

    /// The question that its stage needs answered, if it may be asked now.
    pub(crate) fn question(&self, now: Instant, unix_now: UnixMillis) -> Option<Question> {
        if self.asked || self.waits_until(now).is_some() {
            return None;
        }
        match &self.stage {
            // Asked once the topic's id is known, so that the offsets of a topic that is gone are not taken for its own.
            Stage::Committed => self.leader.map(|_| Question::Committed),
            Stage::Reset(reset) => Some(Question::OffsetAt(self.leader?, reset.timestamp(unix_now)?)),
            Stage::Validate(position) => Some(Question::EpochEnd(self.leader?, position.offset_epoch)),
            Stage::Fetching(_) | Stage::Failed { .. } => None,
        }
    }
}

/// What a partition needs to know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Question {
    /// What the group committed.
    Committed,
    /// Which offset a timestamp stands at, by the leader (ListOffsets).
    OffsetAt(NodeId, UnixMillis),
    /// Where an epoch ends in the leader's log (OffsetForLeaderEpoch).
    EpochEnd(NodeId, LeaderEpoch),
}
