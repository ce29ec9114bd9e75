//! Commits, strictly one after the other: the next one is sent when the one before was answered or given up.
//!
//! A commit that somebody waits for is tried until its deadline; one that nobody waits for is tried once, since the
//! next one replaces it anyway (Kafka's `commitAsync`). All go through one queue with one request in flight, so the
//! order of the calls is the order at the coordinator.
//!
//! A commit that was given up without an answer may still be under way on its old connection, and set the group back when
//! it arrives. Nothing in the protocol takes it back before the next generation, so what auto-commit has to say of its
//! partitions is said again, at each turn and at the end, though nothing has changed; Java's consumer always does so.
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::{Duration, Instant};

use courant_client::retry::Backoff;
use courant_protocol::error_code::ErrorCode;
use courant_protocol::types::{ConsumerGroupMetadata, TopicPartition};

use crate::error::Error;
use crate::offsets::OffsetAndMetadata;

/// Names one call of commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct CommitId(u64);

/// The offsets of one commit.
pub(crate) type Offsets = BTreeMap<TopicPartition, OffsetAndMetadata>;

/// How long a commit is tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Persistence {
    /// Until this moment.
    Until(Instant),
    /// Until this moment, for partitions that go: those that the coordinator does not know are soon given up, so that a
    /// deleted topic holds up neither a rebalance nor the end.
    Parting(Instant),
    /// Once.
    Once,
    /// Once, by the timer of auto-commit; a failure is only traced.
    Auto,
}

impl Persistence {
    fn deadline(self) -> Option<Instant> {
        match self {
            Self::Until(deadline) | Self::Parting(deadline) => Some(deadline),
            Self::Once | Self::Auto => None,
        }
    }
}

/// How often a coordinator is told offsets of partitions that go and that it does not know; it may not have heard of them yet.
const PARTING_ATTEMPTS: u32 = 4;

/// A request for the driver to send.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct CommitRequest {
    pub(crate) offsets: Offsets,
    /// When the answer is of no more use.
    pub(crate) deadline: Option<Instant>,
    /// Who commits; none where there is no group.
    pub(crate) member: Option<ConsumerGroupMetadata>,
}

#[derive(Debug)]
struct Job {
    /// Who waits for it; several where calls without retries were merged.
    callers: Vec<CommitId>,
    offsets: Offsets,
    persistence: Persistence,
    attempts: u32,
    not_before: Option<Instant>,
    /// Why a part of it was given up.
    refused: Option<Error>,
    /// What the coordinator said to the last attempt.
    answered: Option<Error>,
}

/// The commits of one consumer.
#[derive(Debug)]
pub(crate) struct Commits {
    next_id: u64,
    queue: VecDeque<Job>,
    in_flight: Option<Job>,
    results: BTreeMap<CommitId, Option<Result<(), Error>>>,
    /// There is a result since [`Commits::take_told`] was last asked.
    told: bool,
    /// The last offset that the coordinator took for each partition.
    committed: Offsets,
    /// Partitions of which a commit was not answered: it may come late, over what was committed since.
    unanswered: BTreeSet<TopicPartition>,
    auto: Option<Auto>,
    backoff: Backoff,
    /// The group rebalances: nothing is sent until that is over.
    held: bool,
    /// What the coordinator has taken and nobody was told of yet, where somebody wants to be.
    taken: Option<Vec<Offsets>>,
}

/// The timer of auto-commit.
#[derive(Debug)]
struct Auto {
    interval: Duration,
    due: Instant,
    /// How many in a row have failed.
    failures: u32,
}

impl Commits {
    /// Starts without any; `auto_interval` is given where offsets are committed by time.
    pub(crate) fn new(now: Instant, auto_interval: Option<Duration>, backoff: Backoff) -> Self {
        Self {
            next_id: 0,
            queue: VecDeque::new(),
            in_flight: None,
            results: BTreeMap::new(),
            told: false,
            committed: Offsets::new(),
            unanswered: BTreeSet::new(),
            auto: auto_interval.map(|interval| Auto { interval, due: now + interval, failures: 0 }),
            backoff,
            held: false,
            taken: None,
        }
    }

    /// Keeps what the coordinator takes for [`Commits::take_taken`].
    pub(crate) fn keep_taken(&mut self) {
        self.taken = Some(Vec::new());
    }

    /// What the coordinator has taken since the last time, one commit after the other.
    pub(crate) fn take_taken(&mut self) -> Vec<Offsets> {
        self.taken.as_mut().map(std::mem::take).unwrap_or_default()
    }

    /// Takes a commit; its result is fetched by [`Commits::take_result`].
    pub(crate) fn commit(&mut self, offsets: Offsets, persistence: Persistence) -> CommitId {
        let id = CommitId(self.next_id);
        self.next_id += 1;
        self.results.insert(id, None);
        if offsets.is_empty() && self.is_idle() {
            self.results.insert(id, Some(Ok(())));
            return id;
        }
        match self.queue.back_mut() {
            // Nobody has sent the earlier one yet, and the later one holds all that it would have said.
            Some(last) if last.persistence == Persistence::Once && persistence == Persistence::Once => {
                last.offsets.extend(offsets);
                last.callers.push(id);
            }
            _ => self.push(vec![id], offsets, persistence),
        }
        id
    }

    /// Takes what a consumer that closes has to say. What is on its way already, and is tried until it is answered, is not
    /// said twice.
    pub(crate) fn commit_last(&mut self, finished: Offsets, deadline: Instant) -> CommitId {
        let news = self.news(finished);
        let pending = self.queue.iter_mut().rev().chain(self.in_flight.as_mut());
        // The newest that speaks of any of it: an older one does not have the last word.
        let newest =
            pending.into_iter().find(|job| news.keys().any(|partition| job.offsets.contains_key(partition)));
        let says_all = |job: &&mut Job| {
            job.persistence.deadline().is_some()
                && news.iter().all(|(partition, offset)| job.offsets.get(partition) == Some(offset))
        };
        if let Some(job) = newest.filter(says_all) {
            let id = CommitId(self.next_id);
            self.next_id += 1;
            self.results.insert(id, None);
            job.callers.push(id);
            return id;
        }
        self.commit(news, Persistence::Parting(deadline))
    }

    fn push(&mut self, callers: Vec<CommitId>, offsets: Offsets, persistence: Persistence) {
        self.queue.push_back(Job {
            callers,
            offsets,
            persistence,
            attempts: 0,
            not_before: None,
            refused: None,
            answered: None,
        });
    }

    /// Whether auto-commit is on and its time has come; the caller then calls [`Commits::auto_commit`].
    pub(crate) fn auto_due(&self, now: Instant) -> bool {
        self.auto.as_ref().is_some_and(|auto| auto.due <= now)
    }

    /// Ends auto-commit.
    pub(crate) fn stop_auto(&mut self) {
        self.auto = None;
    }

    /// Whether offsets are committed by time.
    pub(crate) fn is_auto(&self) -> bool {
        self.auto.is_some()
    }

    /// The offsets that the coordinator does not have yet, as far as that is known.
    pub(crate) fn news(&self, finished: Offsets) -> Offsets {
        let is_known = |(at, offset): &(TopicPartition, OffsetAndMetadata)| {
            self.committed.get(at) == Some(offset) && !self.unanswered.contains(at)
        };
        finished.into_iter().filter(|pair| !is_known(pair)).collect()
    }

    /// A partition is assigned anew: others may have committed since it was here before, and what is still under way from
    /// then bears an older generation, which the coordinator refuses.
    pub(crate) fn begin(&mut self, partition: &TopicPartition) {
        self.committed.remove(partition);
        self.unanswered.remove(partition);
    }

    /// Commits what the application has finished, as far as it was not committed already.
    pub(crate) fn auto_commit(&mut self, now: Instant, finished: Offsets) {
        let news = self.news(finished);
        let Some(auto) = &mut self.auto else { return };
        auto.due = now + auto.interval;
        let pending =
            self.queue.iter().chain(&self.in_flight).any(|job| job.persistence == Persistence::Auto);
        if !pending && !news.is_empty() {
            self.push(Vec::new(), news, Persistence::Auto);
        }
    }

    /// Auto-commit has to wait for its next turn, because nothing can be committed now.
    pub(crate) fn postpone_auto(&mut self, now: Instant) {
        if let Some(auto) = &mut self.auto {
            auto.due = now + auto.interval.max(Duration::from_millis(1));
        }
    }

    /// Commits what the application has finished of partitions that it gives up; tried until `deadline`.
    pub(crate) fn commit_finished(&mut self, finished: Offsets, deadline: Instant) {
        let news = self.news(finished);
        if !news.is_empty() {
            self.push(Vec::new(), news, Persistence::Parting(deadline));
        }
    }

    /// Holds commits back while the group rebalances, or lets them go.
    pub(crate) fn hold(&mut self, held: bool) {
        self.held = held;
    }

    /// The group went on without this member: what it wanted to commit is not sent, and not sent again, since others may
    /// have gone further.
    pub(crate) fn refuse_all(&mut self, why: &Error) {
        while let Some(job) = self.queue.pop_front() {
            self.finish(job, &Err(why.clone()));
        }
        if let Some(job) = self.in_flight.as_mut().filter(|job| job.persistence != Persistence::Auto) {
            job.persistence = Persistence::Once;
        }
    }

    /// The next request, where none is in flight.
    pub(crate) fn poll_request(&mut self, now: Instant) -> Option<CommitRequest> {
        self.expire(now);
        if self.in_flight.is_some() || self.held {
            return None;
        }
        while self.queue.front().is_some_and(|job| job.offsets.is_empty()) {
            let job = self.queue.pop_front()?;
            self.finish(job, &Ok(()));
        }
        if self.queue.front()?.not_before.is_some_and(|at| at > now) {
            return None;
        }
        let mut job = self.queue.pop_front()?;
        job.attempts += 1;
        let deadline = job.persistence.deadline();
        let request = CommitRequest { offsets: job.offsets.clone(), deadline, member: None };
        self.in_flight = Some(job);
        Some(request)
    }

    /// Takes what came of the request in flight: a code for each partition, or an error for all.
    pub(crate) fn handle_answer(
        &mut self,
        now: Instant,
        answer: Result<BTreeMap<TopicPartition, ErrorCode>, Error>,
        jitter: f64,
    ) {
        let Some(mut job) = self.in_flight.take() else { return };
        let error = match answer {
            Ok(codes) => self.settle(&mut job, &codes),
            Err(error) => {
                self.unanswered.extend(job.offsets.keys().cloned());
                Some(error)
            }
        };
        match (error, job.persistence) {
            (None, persistence) => {
                if let Some(auto) = self.auto.as_mut().filter(|_| persistence == Persistence::Auto) {
                    auto.failures = 0;
                }
                self.finish(job, &Ok(()));
            }
            (Some(error), Persistence::Until(deadline) | Persistence::Parting(deadline))
                if retries(&error) && now < deadline =>
            {
                job.not_before = Some(now + self.backoff.delay(job.attempts.saturating_sub(1), jitter));
                job.answered = error.code().is_some().then_some(error);
                self.queue.push_front(job);
            }
            (Some(error), Persistence::Auto) => {
                let Some(auto) = &mut self.auto else { return };
                if auto.failures == 0 {
                    tracing::warn!(target: "courant::consumer", %error, "auto-commit failed; the next one tries again");
                } else {
                    tracing::debug!(target: "courant::consumer", %error, "auto-commit has failed again");
                }
                if error.is_retriable() {
                    auto.due = auto.due.min(now + self.backoff.delay(auto.failures, jitter));
                }
                auto.failures = auto.failures.saturating_add(1);
            }
            (Some(error), _) => self.finish(job, &Err(error)),
        }
    }

    /// Notes what was taken and gives up what is gone, leaves in the job what is neither; the worst error of the rest.
    fn settle(&mut self, job: &mut Job, codes: &BTreeMap<TopicPartition, ErrorCode>) -> Option<Error> {
        let mut worst: Option<Error> = None;
        let offsets = std::mem::take(&mut job.offsets);
        let mut taken = Offsets::new();
        let parts = matches!(job.persistence, Persistence::Parting(_)) && job.attempts >= PARTING_ATTEMPTS;
        for (partition, offset) in offsets {
            let error = match codes.get(&partition) {
                Some(&ErrorCode::NONE) => {
                    if self.taken.is_some() {
                        taken.insert(partition.clone(), offset.clone());
                    }
                    self.committed.insert(partition, offset);
                    continue;
                }
                Some(&code) => {
                    Error::from_code(code, format!("cannot commit offset {}", offset.offset)).at(&partition)
                }
                None => Error::new(
                    crate::ErrorKind::Client(courant_client::ErrorKind::Protocol),
                    format!("the coordinator did not say what became of offset {}", offset.offset),
                )
                .at(&partition),
            };
            if parts && is_unknown(&error) {
                tracing::warn!(target: "courant::consumer", %error, "an offset is given up");
                job.refused = Some(error);
                continue;
            }
            if worst.as_ref().is_none_or(|before| retries(before) && !retries(&error)) {
                worst = Some(error);
            }
            job.offsets.insert(partition, offset);
        }
        if let Some(all) = self.taken.as_mut().filter(|_| !taken.is_empty()) {
            all.push(taken);
        }
        worst
    }

    /// Gives up the partitions of a commit that is tried again for which `why` has a reason.
    pub(crate) fn refuse(&mut self, why: impl Fn(&TopicPartition) -> Option<Error>) {
        let Some(job) = self.queue.front_mut().filter(|job| job.attempts > 0) else { return };
        let refused = &mut job.refused;
        job.offsets.retain(|partition, _| match why(partition) {
            Some(error) => {
                *refused = Some(error);
                false
            }
            None => true,
        });
    }

    fn finish(&mut self, job: Job, result: &Result<(), Error>) {
        let refused = job.refused.map(Err);
        let result = refused.as_ref().unwrap_or(result);
        for caller in job.callers {
            // A caller that no longer waits has taken its slot with it.
            if let Some(slot) = self.results.get_mut(&caller) {
                *slot = Some(result.clone());
                self.told = true;
            }
        }
    }

    /// Fails the queued ones whose time is over.
    pub(crate) fn expire(&mut self, now: Instant) {
        let is_late = |job: &Job| job.persistence.deadline().is_some_and(|deadline| deadline <= now);
        if !self.queue.iter().any(is_late) {
            return;
        }
        let (late, queue) = std::mem::take(&mut self.queue).into_iter().partition::<VecDeque<_>, _>(is_late);
        self.queue = queue;
        for mut job in late {
            let late = courant_client::Error::new(
                courant_client::ErrorKind::Timeout,
                "the commit was not answered in time",
            )
            .after_attempts(job.attempts)
            .hinting("default.api.timeout.ms sets the time");
            let error = job.answered.take().unwrap_or_else(|| late.into());
            self.finish(job, &Err(error));
        }
    }

    /// Whether somebody who waits for a result is to be woken; asking resets it.
    pub(crate) fn take_told(&mut self) -> bool {
        std::mem::take(&mut self.told)
    }

    /// The result of a commit, once there is one.
    pub(crate) fn take_result(&mut self, id: CommitId) -> Option<Result<(), Error>> {
        let ready = self.results.get_mut(&id)?.take()?;
        self.results.remove(&id);
        Some(ready)
    }

    /// Nobody waits for the result any more; the commit itself goes on.
    pub(crate) fn forget(&mut self, id: CommitId) {
        self.results.remove(&id);
    }

    /// Whether nothing is queued or in flight.
    pub(crate) fn is_idle(&self) -> bool {
        self.queue.is_empty() && self.in_flight.is_none()
    }

    /// When to look again.
    pub(crate) fn next_deadline(&self) -> Option<Instant> {
        let auto = self.auto.as_ref().map(|auto| auto.due);
        let front = self.queue.front().filter(|_| self.in_flight.is_none() && !self.held);
        let retry = front.and_then(|job| job.not_before);
        let late = self.queue.iter().filter_map(|job| job.persistence.deadline()).min();
        [auto, retry, late].into_iter().flatten().min()
    }

    /// Ends auto-commit and answers everything that still waits.
    pub(crate) fn close(&mut self) {
        self.auto = None;
        let jobs: Vec<Job> = self.in_flight.take().into_iter().chain(self.queue.drain(..)).collect();
        for job in jobs {
            self.finish(job, &Err(Error::closed()));
        }
    }
}

/// Whether a commit that somebody waits for is tried again.
fn retries(error: &Error) -> bool {
    // The id of a topic may be newer than the coordinator's or the client's view; metadata catches up.
    // A rebalance ends, and what is still owned then can be committed.
    error.is_retriable()
        || error.code() == Some(ErrorCode::UNKNOWN_TOPIC_ID)
        || error.kind() == crate::ErrorKind::RebalanceInProgress
}

/// Whether the coordinator has no such partition.
fn is_unknown(error: &Error) -> bool {
    [ErrorCode::UNKNOWN_TOPIC_OR_PARTITION, ErrorCode::UNKNOWN_TOPIC_ID].map(Some).contains(&error.code())
}

#[cfg(test)]
mod tests;
