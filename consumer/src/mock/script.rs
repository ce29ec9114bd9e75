//! What plays the driver and the brokers of a mock consumer.
use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Instant;

use courant_client::config::CommonSettings;
use courant_protocol::error_code::ErrorCode;
use courant_protocol::types::{LeaderEpoch, NodeId, TopicId, TopicName, TopicPartition, UnixMillis};

use super::log::Log;
use super::seat::Seat;
use crate::error::{Error, ErrorKind};
use crate::machine::commit::Offsets;
use crate::machine::fetcher::FetchAnswer;
use crate::machine::partition::Question;
use crate::machine::reading::Reading;
use crate::machine::subscription::{Answer, TopicView};
use crate::offsets::OffsetAndMetadata;
use crate::requests::ListedOffset;
use crate::shared::Shared;

/// The other end of a [`MockConsumer`](super::MockConsumer).
pub(crate) struct Script {
    settings: CommonSettings,
    state: Mutex<State>,
}

/// What it goes by. Its lock is taken before that of a consumer's state.
pub(super) struct State {
    pub(super) now: Instant,
    pub(super) unix_now: UnixMillis,
    /// The consumer that was started last.
    pub(super) attached: Weak<Shared>,
    pub(super) topics: BTreeMap<TopicName, usize>,
    pub(super) logs: BTreeMap<TopicPartition, Log>,
    pub(super) committed: Offsets,
    pub(super) commits: Vec<Offsets>,
    pub(super) refusals: VecDeque<ErrorCode>,
    pub(super) seat: Seat,
}

/// How often one step leads to another at most before the application has its turn.
const TURNS: usize = 100;

/// The only broker.
const BROKER: NodeId = NodeId(0);

impl Script {
    pub(super) fn new(settings: CommonSettings) -> Self {
        let state = State {
            now: Instant::now(),
            unix_now: UnixMillis(0),
            attached: Weak::new(),
            topics: BTreeMap::new(),
            logs: BTreeMap::new(),
            committed: Offsets::new(),
            commits: Vec::new(),
            refusals: VecDeque::new(),
            seat: Seat::default(),
        };
        Self { settings, state: Mutex::new(state) }
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn now(&self) -> Instant {
        self.lock().now
    }

    pub(crate) fn settings(&self) -> &CommonSettings {
        &self.settings
    }

    /// From now on it plays for this consumer.
    pub(crate) fn attach(self: &Arc<Self>, mut shared: Shared) -> Arc<Shared> {
        shared.script = Some(Arc::clone(self));
        let shared = Arc::new(shared);
        let mut state = self.lock();
        state.attached = Arc::downgrade(&shared);
        state.seat.sit_down();
        shared
    }

    /// Answers everything that the consumer asks for, until it asks for nothing more.
    pub(crate) fn play(&self, shared: &Shared) {
        let mut moved = false;
        for _ in 0..TURNS {
            let (again, taken, ended) = self.turn(shared);
            if let Some(interceptors) = &shared.interceptors {
                taken.iter().for_each(|offsets| interceptors.on_commit(offsets));
                if ended {
                    interceptors.close();
                }
            }
            moved |= again;
            if !again {
                break;
            }
        }
        if moved {
            shared.wake_application();
        }
    }

    /// One step: whether something moved, what was committed, and whether the consumer came to its end by it.
    fn turn(&self, shared: &Shared) -> (bool, Vec<Offsets>, bool) {
        let mut state = self.lock();
        let mut reading = shared.reading();
        if !std::ptr::eq(state.attached.as_ptr(), shared) {
            // Another consumer was started after it.
            reading.end_with(Ok(()));
            return (false, Vec::new(), false);
        }
        let now = state.now;
        reading.poll_group(now);
        let mut moved = state.tell_topics(&mut reading);
        moved |= state.answer_questions(&mut reading);
        if !reading.is_closed() {
            reading.poll_auto_commit(now);
        }
        moved |= state.take_commit(&mut reading);
        moved |= state.seat.play(now, &mut reading);
        let ended = end(&mut reading);
        if !reading.is_closed() {
            moved |= state.answer_fetch(&mut reading);
        }
        (moved || ended, reading.commits.take_taken(), ended)
    }

    pub(crate) fn committed(
        &self,
        partitions: &[TopicPartition],
    ) -> BTreeMap<TopicPartition, Option<OffsetAndMetadata>> {
        let state = self.lock();
        let of = |partition: &TopicPartition| (partition.clone(), state.committed.get(partition).cloned());
        partitions.iter().map(of).collect()
    }

    pub(crate) fn offsets_by_time(
        &self,
        wanted: BTreeMap<TopicPartition, UnixMillis>,
    ) -> BTreeMap<TopicPartition, Option<ListedOffset>> {
        let mut state = self.lock();
        wanted
            .into_iter()
            .map(|(partition, time)| {
                let found = state.log(&partition).offset_at(time);
                (partition, found)
            })
            .collect()
    }

    pub(crate) fn partitions_for(&self, topic: &str) -> Result<Vec<TopicPartition>, Error> {
        let state = self.lock();
        let Some(count) = state.topics.get(&TopicName::from(topic)) else {
            return Err(Error::new(ErrorKind::UnknownTopic, format!("topic {topic} does not exist")));
        };
        let numbers = 0..i32::try_from(*count).unwrap_or(i32::MAX);
        Ok(numbers.map(|number| TopicPartition::new(topic, number)).collect())
    }
}

impl fmt::Debug for Script {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Script").finish_non_exhaustive()
    }
}

/// Brings a consumer that is closing to its end, once nothing is left to wait for.
fn end(reading: &mut Reading) -> bool {
    let may_end = reading.closing_until().is_some() && reading.commits.is_idle() && reading.has_departed();
    if may_end {
        reading.finish_close();
    }
    may_end
}

impl State {
    /// A partition's records; a partition comes into being with the first word of it.
    pub(super) fn log(&mut self, partition: &TopicPartition) -> &mut Log {
        let number = usize::try_from(partition.partition.0).unwrap_or(0);
        let count = self.topics.entry(partition.topic.clone()).or_default();
        *count = (*count).max(number + 1);
        self.logs.entry(partition.clone()).or_default()
    }

    fn tell_topics(&mut self, reading: &mut Reading) -> bool {
        let now = self.now;
        let listed = reading.poll_listing(now);
        if listed {
            reading.handle_listing(now, Ok(self.topics.keys().cloned().collect()), 0.5);
        }
        let changed = reading.take_assignment_change().is_some();
        if changed {
            let assigned: Vec<_> =
                reading.subscription.iter().map(|(partition, _)| partition.clone()).collect();
            for partition in &assigned {
                self.log(partition);
            }
            let view = |count: usize| TopicView {
                id: TopicId::ZERO,
                error: None,
                partitions: vec![(Some(BROKER), LeaderEpoch(0)); count],
            };
            let views = self.topics.iter().map(|(name, count)| (name.clone(), view(*count))).collect();
            reading.handle_metadata(now, &views, 0.5);
        }
        listed || changed
    }

    fn answer_questions(&mut self, reading: &mut Reading) -> bool {
        let questions = reading.poll_questions(self.now, self.unix_now);
        for asked in &questions {
            let answer = match asked.question {
                Question::Committed => Answer::Committed(self.committed.get(&asked.partition).cloned()),
                Question::OffsetAt(_, time) => {
                    let listed = self.log(&asked.partition).offset_at(time);
                    Answer::OffsetAt(listed.map(|listed| (listed.offset, listed.leader_epoch)))
                }
                Question::EpochEnd(_, epoch) => {
                    let end = self.log(&asked.partition).end;
                    Answer::EpochEnd(Some((epoch, courant_protocol::types::Offset(end))))
                }
            };
            reading.handle_answer(self.now, asked, answer, 0.5);
        }
        !questions.is_empty()
    }

    fn take_commit(&mut self, reading: &mut Reading) -> bool {
        let Some(request) = reading.poll_commit(self.now) else { return false };
        let code = self.refusals.pop_front().unwrap_or(ErrorCode::NONE);
        let codes = request.offsets.keys().map(|partition| (partition.clone(), code)).collect();
        if code == ErrorCode::NONE {
            self.committed.extend(request.offsets.clone());
            self.commits.push(request.offsets);
        }
        reading.handle_commit(self.now, Ok(codes), 0.5);
        true
    }

    /// True where the answer holds records, or an error that moves a position.
    fn answer_fetch(&mut self, reading: &mut Reading) -> bool {
        let Some(plan) = reading.poll_fetch(self.now, BROKER, false) else { return false };
        let partitions: Vec<_> =
            plan.session.send.iter().map(|target| self.log(&target.partition).answer(target)).collect();
        let moved = partitions.iter().any(|one| !one.records.is_empty() || one.error.is_err());
        // No session: every request names everything.
        let answer = FetchAnswer { partitions, ..FetchAnswer::default() };
        reading.handle_fetch(self.now, BROKER, answer, 0.5);
        moved
    }
}
