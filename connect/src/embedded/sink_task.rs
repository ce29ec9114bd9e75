//! The loop of a sink task: read, write, flush, commit.
//!
//! The consumer's membership must outlive a write that takes long or is tried again: then all partitions are paused and the
//! consumer is polled beside it (`alive`). A change of the assignment that comes meanwhile waits until the call is over.
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::future::{Future, pending, poll_fn};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;
use std::time::{Duration, Instant};

use courant_consumer::{Batch, Consumer, ConsumerRecord, Event};
use courant_producer::{DeliveryFuture, Producer};
use courant_protocol::types::{Offset, TopicPartition};
use courant_runtime::{Rng, World};

use crate::api::{SinkCommand, SinkCommands, SinkRecord, SinkTask};
use crate::embedded::control::{ControlReceiver, until};
use crate::embedded::conversion::{Conversion, StageError, raw};
use crate::embedded::crash_points::{CrashPoints, SINK_COMMITTED, SINK_FLUSHED, SINK_READ, SINK_WRITTEN};
use crate::embedded::letters::Letters;
use crate::embedded::outlet::{TARGET, unit};
use crate::embedded::settings::ConnectorSettings;
use crate::embedded::status::{Progress, State, StatusCell};
use crate::error::{Error, ErrorKind, Result, Stage};
use crate::worker::{Decision, Failure, Origin, Retries, SinkOffsets, Tolerance};

/// What a sink task is made of, beside the author's part.
pub(crate) struct SinkParts {
    pub(crate) world: World,
    pub(crate) settings: Arc<ConnectorSettings>,
    pub(crate) task: usize,
    pub(crate) conversion: Conversion,
    pub(crate) consumer: Consumer,
    pub(crate) letters: Letters,
    /// For dead letters; there is one if there are letters.
    pub(crate) producer: Option<Producer>,
    pub(crate) commands: SinkCommands,
    pub(crate) control: ControlReceiver,
    pub(crate) status: StatusCell,
    pub(crate) flush_interval: Duration,
    pub(crate) flush_timeout: Duration,
    pub(crate) rng: Rng,
    pub(crate) crash_points: CrashPoints,
}

/// Runs a task until it is stopped, and drains it.
///
/// # Errors
/// What the task fails with; what was accepted by then is flushed and committed as far as possible.
pub(crate) async fn run<T: SinkTask>(mut task: T, parts: SinkParts) -> Result<()> {
    let mut running = Running::new(parts);
    let ended = running.run(&mut task).await;
    let world = running.parts.world.clone();
    let stop_by = running.parts.control.stop_by();
    let deadline = stop_by.unwrap_or_else(|| world.now() + running.parts.flush_timeout);
    let late = || Err(Error::new(ErrorKind::Timeout, "the sink was not flushed in time"));
    let drained = until(&world, deadline, running.drain(&mut task)).await.unwrap_or_else(late);
    if until(&world, deadline, task.close()).await.is_none() {
        tracing::warn!(target: TARGET, connector = %running.parts.settings.name, "the task was not closed in time");
    }
    let left = |now: Instant| deadline.saturating_duration_since(now);
    let closed = running.parts.consumer.close(left(world.now())).await.map_err(Error::from);
    if let Some(producer) = &running.parts.producer {
        producer.close(left(world.now())).await.ok();
    }
    ended.and(drained).and(closed)
}

struct Running {
    parts: SinkParts,
    offsets: SinkOffsets,
    /// Dead letters that are not acknowledged: nothing of their partitions is committed before they are.
    letters: Vec<(TopicPartition, DeliveryFuture)>,
    progress: Progress,
    /// What the consumer said while a call of the task ran.
    stashed: VecDeque<Heard>,
    paused_by_task: BTreeSet<TopicPartition>,
    /// Paused at the consumer, for whatever reason.
    paused: BTreeSet<TopicPartition>,
    flush_at: Instant,
    /// Not to be flushed out of turn before this time, after a failure.
    flush_from: Option<Instant>,
    flushes_seen: u64,
    flush_asked: bool,
    /// Between a revocation and the next event, when the consumer must not be polled.
    revoking: bool,
}

/// What the consumer says.
type Heard = Result<Option<Event>, courant_consumer::Error>;

/// Records on their way into the sink.
#[derive(Default)]
struct Pending {
    records: Vec<SinkRecord>,
    /// For each record, the one it came from.
    raws: Vec<ConsumerRecord>,
}

/// How a write ended.
#[derive(PartialEq, Eq)]
enum Written {
    Done,
    /// One of the records is bad, and the sink does not know which.
    OneByOne,
    Stopped,
}

impl Running {
    fn new(parts: SinkParts) -> Self {
        let flush_at = parts.world.now() + parts.flush_interval;
        Self {
            parts,
            offsets: SinkOffsets::default(),
            letters: Vec::new(),
            progress: Progress::default(),
            stashed: VecDeque::new(),
            paused_by_task: BTreeSet::new(),
            paused: BTreeSet::new(),
            flush_at,
            flush_from: None,
            flushes_seen: 0,
            flush_asked: false,
            revoking: false,
        }
    }

    fn name(&self) -> &str {
        &self.parts.settings.name
    }

    async fn run<T: SinkTask>(&mut self, task: &mut T) -> Result<()> {
        while self.parts.control.stop_by().is_none() {
            self.obey()?;
            if self.flush_is_due() {
                self.flush(task, None).await?;
            }
            self.publish();
            let event = match self.stashed.pop_front() {
                Some(event) => Some(event),
                None => self.next().await,
            };
            self.revoking = false;
            match event {
                Some(Ok(event)) => self.handle(task, event).await?,
                Some(Err(error)) => self.consumer_failed(error)?,
                None => self.note_positions().await?,
            }
        }
        Ok(())
    }

    /// The next event; `None` if something else is to be looked at.
    async fn next(&mut self) -> Option<Heard> {
        let waits_for_end = !self.unreached().is_empty();
        let SinkParts { world, consumer, control, .. } = &mut self.parts;
        let look = async {
            match waits_for_end {
                true => world.sleep(LOOK_AGAIN).await,
                false => pending().await,
            }
        };
        tokio::select! {
            biased;
            () = control.changed() => None,
            () = world.sleep_until(self.flush_at) => {
                self.flush_asked = true;
                None
            }
            event = consumer.next_event() => Some(event),
            () = look => None,
        }
    }

    async fn handle<T: SinkTask>(&mut self, task: &mut T, event: Option<Event>) -> Result<()> {
        match event {
            Some(Event::Batch(batch)) => self.take(task, batch).await,
            Some(change) => self.change(task, change).await,
            None => Err(Error::new(ErrorKind::Stopped, "the consumer was closed")),
        }
    }
}

/// Trouble with Kafka.
impl Running {
    /// What the consumer goes on trying is shown; a record that cannot be read is passed over where that is tolerated.
    fn consumer_failed(&mut self, error: courant_consumer::Error) -> Result<()> {
        let unknown = error.kind() == courant_consumer::ErrorKind::UnknownTopic;
        if (error.is_retriable() || unknown) && !error.is_fatal() {
            tracing::warn!(target: TARGET, connector = %self.name(), %error, "cannot read yet");
            self.note_retrying(Some(Error::from(error)));
            return Ok(());
        }
        let all = self.parts.settings.policy.tolerance == Tolerance::All;
        if let (true, Some(partition), Some(next)) = (all, error.topic_partition(), error.resume_at()) {
            tracing::error!(target: TARGET, connector = %self.name(), %error, "records that cannot be read are passed over");
            self.progress.passed_over += 1;
            self.parts.consumer.seek(partition.clone(), next)?;
            return Ok(());
        }
        Err(Error::from(error).stage(Stage::KafkaConsume))
    }
}

/// Changes of the assignment.
impl Running {
    async fn change<T: SinkTask>(&mut self, task: &mut T, change: Event) -> Result<()> {
        match change {
            Event::Assigned(partitions) => self.assigned(task, partitions).await,
            Event::Revoked(partitions) => self.revoked(task, partitions).await,
            Event::Lost(partitions) => self.lost(task, partitions).await,
            _ => Ok(()),
        }
    }

    async fn assigned<T: SinkTask>(&mut self, task: &mut T, partitions: Vec<TopicPartition>) -> Result<()> {
        for partition in &partitions {
            let position = self.parts.consumer.position(partition.clone()).await?;
            self.offsets.assign(partition.clone(), position);
            self.progress.partitions.entry(partition.clone()).or_default().committed = Some(position);
        }
        task.assigned(&partitions).await?;
        self.obey()
    }

    async fn revoked<T: SinkTask>(&mut self, task: &mut T, partitions: Vec<TopicPartition>) -> Result<()> {
        self.revoking = true;
        self.flush(task, Some(&partitions)).await?;
        task.revoked(&partitions, false).await?;
        self.forget(&partitions);
        Ok(())
    }

    /// Others may be reading these partitions: whatever is not committed is theirs, dead letters included.
    async fn lost<T: SinkTask>(&mut self, task: &mut T, partitions: Vec<TopicPartition>) -> Result<()> {
        self.forget(&partitions);
        task.revoked(&partitions, true).await
    }

    fn forget(&mut self, partitions: &[TopicPartition]) {
        self.letters.retain(|(partition, _)| !partitions.contains(partition));
        for partition in partitions {
            self.offsets.remove(partition);
            self.paused_by_task.remove(partition);
            self.paused.remove(partition);
        }
    }

    /// Does what the task has asked for, and pauses what is to be paused.
    fn obey(&mut self) -> Result<()> {
        for command in self.parts.commands.take() {
            match command {
                SinkCommand::Rewind(partition, offset) if self.offsets.holds(&partition) => {
                    self.parts.consumer.seek(partition.clone(), offset)?;
                    self.offsets.rewind(&partition, offset);
                }
                SinkCommand::Rewind(partition, _) => {
                    tracing::warn!(target: TARGET, connector = %self.name(), %partition, "cannot rewind: not assigned");
                }
                SinkCommand::Pause(partitions) => self.paused_by_task.extend(partitions),
                SinkCommand::Resume(partitions) => {
                    self.paused_by_task.retain(|partition| !partitions.contains(partition));
                }
                SinkCommand::Commit => self.flush_asked = true,
            }
        }
        let paused = self.parts.control.is_paused();
        self.pause_where(|running, partition| paused || running.paused_by_task.contains(partition));
        Ok(())
    }

    /// Pauses the partitions of which `paused` says so, and resumes the others.
    fn pause_where(&mut self, paused: impl Fn(&Self, &TopicPartition) -> bool) {
        let wanted: BTreeSet<TopicPartition> =
            self.offsets.partitions().filter(|partition| paused(self, partition)).cloned().collect();
        // A partition that has just gone needs neither, so a refusal says nothing.
        for partition in wanted.difference(&self.paused) {
            self.parts.consumer.pause([partition.clone()]).ok();
        }
        for partition in self.paused.difference(&wanted) {
            self.parts.consumer.resume([partition.clone()]).ok();
        }
        self.paused = wanted;
    }

    /// Waits for a call of the task, and keeps the membership alive if that takes long.
    async fn alive<F: Future>(&mut self, call: F) -> F::Output {
        let mut call = pin!(call);
        if self.revoking {
            return call.await;
        }
        let world = self.parts.world.clone();
        if let Some(output) = until(&world, world.now() + PATIENCE, call.as_mut()).await {
            return output;
        }
        self.pause_where(|_, _| true);
        match self.beside(call.as_mut()).await {
            Some(output) => output,
            None => call.await,
        }
    }

    /// Polls the consumer beside a call until that is over; `None` if the consumer has said something meanwhile.
    async fn beside<F: Future + Unpin>(&mut self, mut call: F) -> Option<F::Output> {
        if !self.stashed.is_empty() {
            return None;
        }
        let mut event = pin!(self.parts.consumer.next_event());
        let done = poll_fn(|cx| match Pin::new(&mut call).poll(cx) {
            Poll::Ready(output) => Poll::Ready(Ok(output)),
            Poll::Pending => event.as_mut().poll(cx).map(Err),
        });
        match done.await {
            Ok(output) => Some(output),
            Err(event) => {
                self.stashed.push_back(event);
                None
            }
        }
    }
}

/// Writing.
impl Running {
    /// Takes a batch through converters and transforms into the sink.
    async fn take<T: SinkTask>(&mut self, task: &mut T, batch: Batch) -> Result<()> {
        let mut pending = Pending::default();
        for record in &batch {
            let record = record.to_owned();
            self.progress.read += 1;
            let partition = self.progress.partitions.entry(record.topic_partition().clone()).or_default();
            partition.note(record.offset());
            if !self.convert(record, &mut pending).await? {
                return Ok(());
            }
        }
        let next: Vec<_> = batch.next_offsets().collect();
        drop(batch);
        self.parts.crash_points.pass(SINK_READ).await;
        match self.write(task, &mut pending).await? {
            Written::Done => {}
            Written::Stopped => return Ok(()),
            Written::OneByOne => {
                let Pending { records, raws } = pending;
                for (record, raw) in records.into_iter().zip(raws) {
                    let mut one = Pending { records: vec![record], raws: vec![raw] };
                    if self.write(task, &mut one).await? == Written::Stopped {
                        return Ok(());
                    }
                }
            }
        }
        self.parts.crash_points.pass(SINK_WRITTEN).await;
        for (partition, next) in next {
            self.offsets.advance(&partition, next.offset);
        }
        Ok(())
    }

    /// Converts a record and puts what becomes of it into `pending`; false if the task is to stop.
    async fn convert(&mut self, raw: ConsumerRecord, pending: &mut Pending) -> Result<bool> {
        let mut retries = Retries::default();
        loop {
            let conversion = &mut self.parts.conversion;
            let converted = conversion.decode(&raw).and_then(|record| conversion.transform(record));
            let StageError { stage, class, error } = match converted {
                Ok(records) => {
                    if records.is_empty() {
                        self.progress.dropped += 1;
                    }
                    for record in records {
                        let origin = raw.topic_partition().clone();
                        pending.records.push(SinkRecord::new(origin, raw.offset(), record));
                        pending.raws.push(raw.clone());
                    }
                    return Ok(true);
                }
                Err(failed) => failed,
            };
            match self.decide(stage, &error, &mut retries) {
                Decision::RetryAt(at) => {
                    if !self.wait_until(at).await {
                        return Ok(false);
                    }
                }
                decision => {
                    self.pass_over(stage, &class, &error, &raw).await?;
                    if decision == Decision::Fail {
                        return Err(located(error, &raw).stage(stage));
                    }
                    return Ok(true);
                }
            }
        }
    }

    /// Hands records to the sink until it has taken them.
    async fn write<T: SinkTask>(&mut self, task: &mut T, pending: &mut Pending) -> Result<Written> {
        let mut retries = Retries::default();
        while !pending.records.is_empty() {
            let records = std::mem::take(&mut pending.records);
            let result = self.alive(task.write(&records)).await;
            pending.records = records;
            let error = match result {
                Ok(verdicts) => {
                    self.note_retrying(None);
                    return self.judge(verdicts.failed(), pending).await;
                }
                Err(error) => error,
            };
            if error.kind() == ErrorKind::Data && pending.records.len() > 1 {
                return Ok(Written::OneByOne);
            }
            match self.decide(Stage::TaskPut, &error, &mut retries) {
                Decision::RetryAt(at) => {
                    tracing::warn!(target: TARGET, connector = %self.name(), %error, "the sink will be given the records again");
                    self.note_retrying(Some(error));
                    while self.parts.world.now() < at {
                        if !self.wait_until(at).await {
                            return Ok(Written::Stopped);
                        }
                        self.rebalance(task, pending).await?;
                    }
                }
                Decision::PassOver => return self.judge(&[(0, error)], pending).await,
                Decision::Fail => {
                    // All that was given is in doubt: the task goes on with the first of it.
                    let error = match pending.raws.first() {
                        Some(raw) => located(error, raw),
                        None => error,
                    };
                    return Err(error.stage(Stage::TaskPut));
                }
            }
        }
        Ok(Written::Done)
    }

    /// Deals with the changes of the assignment that came while records were tried again, and leaves out those of
    /// partitions that are gone: they are another task's now.
    async fn rebalance<T: SinkTask>(&mut self, task: &mut T, pending: &mut Pending) -> Result<()> {
        while let Some(event) = self.stashed.pop_front() {
            match event {
                Ok(Some(change @ (Event::Assigned(_) | Event::Revoked(_) | Event::Lost(_)))) => {
                    self.change(task, change).await?;
                }
                other => {
                    self.stashed.push_front(other);
                    break;
                }
            }
        }
        self.revoking = false;
        let held: Vec<bool> =
            pending.records.iter().map(|record| self.offsets.holds(&record.origin)).collect();
        let mut keep = held.iter();
        pending.records.retain(|_| keep.next().copied().unwrap_or(true));
        let mut keep = held.iter();
        pending.raws.retain(|_| keep.next().copied().unwrap_or(true));
        Ok(())
    }

    /// Deals with what the sink said of each record.
    async fn judge(&mut self, failed: &[(usize, Error)], pending: &Pending) -> Result<Written> {
        let mut bad = BTreeSet::new();
        for (index, error) in failed {
            let Some(raw) = pending.raws.get(*index).filter(|_| bad.insert(*index)) else { continue };
            let class = self.name().to_owned();
            self.pass_over(Stage::TaskPut, &class, error, raw).await?;
            if self.decide_bad(error) == Decision::Fail {
                return Err(located(error.clone(), raw).stage(Stage::TaskPut));
            }
        }
        self.progress.written += (pending.records.len() - bad.len()) as u64;
        Ok(Written::Done)
    }

    /// A verdict is about one record, whatever the kind of its error; it is not tried again alone.
    fn decide_bad(&mut self, error: &Error) -> Decision {
        let data =
            if error.kind() == ErrorKind::Fatal { error.clone() } else { Error::data(error.message()) };
        self.decide(Stage::TaskPut, &data, &mut Retries::default())
    }

    fn decide(&mut self, stage: Stage, error: &Error, retries: &mut Retries) -> Decision {
        let SinkParts { settings, world, rng, .. } = &mut self.parts;
        settings.policy.decide(world.now(), stage, error, retries, unit(rng))
    }

    /// Reports a record that is bad: a log line, a dead letter. It is reported even if the task stops for it.
    async fn pass_over(
        &mut self,
        stage: Stage,
        class: &str,
        error: &Error,
        record: &ConsumerRecord,
    ) -> Result<()> {
        self.progress.passed_over += 1;
        let SinkParts { settings, task, letters, producer, .. } = &self.parts;
        if settings.log_errors {
            let (partition, offset) = (record.topic_partition(), record.offset());
            tracing::error!(target: TARGET, connector = %settings.name, task, %partition, %offset, %stage, %error);
        }
        let Some(producer) = producer else { return Ok(()) };
        let origin = Origin::Kafka(record.topic_partition(), record.offset());
        let failure = Failure { connector: &settings.name, task: *task, stage, class, error, origin };
        if let Some(delivery) = letters.send(producer, &failure, raw(record)).await? {
            self.letters.push((record.topic_partition().clone(), delivery));
        }
        Ok(())
    }

    /// Waits, and polls the consumer meanwhile; ends early when that says something. False if the task is to stop.
    async fn wait_until(&mut self, at: Instant) -> bool {
        let (control, world) = (self.parts.control.another(), self.parts.world.clone());
        self.pause_where(|_, _| true);
        let mut slept = pin!(control.sleep_until(&world, at));
        match self.beside(slept.as_mut()).await {
            Some(goes_on) => goes_on,
            None => control.stop_by().is_none(),
        }
    }
}

/// Flushing and committing.
impl Running {
    /// What somebody waits for and is not committed.
    fn unreached(&self) -> Vec<(TopicPartition, Offset)> {
        let wanted = self.parts.control.now().wanted;
        let open = |(partition, end): &(TopicPartition, Offset)| {
            self.offsets.committed_offset(partition).is_some_and(|committed| committed < *end)
        };
        wanted.into_iter().filter(open).collect()
    }

    fn flush_is_due(&mut self) -> bool {
        let flushes = self.parts.control.now().flushes;
        if flushes > self.flushes_seen {
            self.flushes_seen = flushes;
            self.flush_asked = true;
        }
        if self.flush_asked {
            return true;
        }
        let may = self.flush_from.is_none_or(|from| from <= self.parts.world.now());
        may && self
            .unreached()
            .iter()
            .any(|(partition, end)| self.offsets.done_offset(partition).is_some_and(|done| done >= *end))
    }

    /// Positions move without records over what compaction and transactions leave in a log.
    async fn note_positions(&mut self) -> Result<()> {
        for (partition, _) in self.unreached() {
            let position = self.parts.consumer.position(partition.clone()).await?;
            self.offsets.advance(&partition, position);
        }
        Ok(())
    }

    /// Makes durable what was accepted and commits it; `only` these partitions, if given.
    async fn flush<T: SinkTask>(&mut self, task: &mut T, only: Option<&[TopicPartition]>) -> Result<()> {
        self.flush_asked = false;
        let now = self.parts.world.now();
        self.flush_at = now + self.parts.flush_interval;
        if !self.offsets.is_dirty() && self.letters.is_empty() {
            return Ok(());
        }
        let flushed = match self.alive(task.flush()).await {
            Ok(flushed) => flushed,
            Err(error) if error.is_retriable() => return self.flush_failed(error).await,
            Err(error) => return Err(self.located_before_commit(error).stage(Stage::TaskPut)),
        };
        self.land_letters(only).await?;
        self.parts.crash_points.pass(SINK_FLUSHED).await;
        let commit = self.offsets.commit(&flushed, only);
        for (partition, offset) in commit.ignored {
            tracing::warn!(target: TARGET, connector = %self.name(), %partition, %offset,
                "the sink names an offset that it was not given, or a partition that it does not have; it is ignored");
        }
        if !commit.offsets.is_empty() {
            match self.parts.consumer.commit_offsets(commit.offsets.clone()).await {
                Ok(()) => {
                    self.parts.crash_points.pass(SINK_COMMITTED).await;
                    self.committed(&commit.offsets);
                }
                Err(error) => {
                    // What is not committed now will be later, or the partitions are gone and the consumer says so next.
                    tracing::warn!(target: TARGET, connector = %self.name(), %error, "offsets were not committed");
                    self.flush_from = Some(now + COMMIT_AGAIN);
                    self.flush_at = self.flush_at.min(now + COMMIT_AGAIN);
                }
            }
        }
        self.publish();
        Ok(())
    }

    /// Names the first record that was accepted and is not committed: the task goes on there.
    fn located_before_commit(&self, error: Error) -> Error {
        match self.offsets.first_open() {
            Some((partition, offset)) => error.at(partition.clone(), offset),
            None => error,
        }
    }

    fn committed(&mut self, offsets: &BTreeMap<TopicPartition, Offset>) {
        self.offsets.committed(offsets);
        for (partition, offset) in offsets {
            self.progress.partitions.entry(partition.clone()).or_default().committed = Some(*offset);
        }
    }

    /// What was accepted is in doubt: it comes again, from the offsets that were committed last.
    async fn flush_failed(&mut self, error: Error) -> Result<()> {
        tracing::warn!(target: TARGET, connector = %self.name(), %error, "the sink could not flush; it gets the records again");
        for (partition, offset) in self.offsets.rewind_to_committed() {
            self.parts.consumer.seek(partition, offset)?;
        }
        let pause = error.retry_after().unwrap_or(COMMIT_AGAIN);
        self.note_retrying(Some(error));
        self.wait_until(self.parts.world.now() + pause).await;
        Ok(())
    }

    /// Nothing is committed before its dead letters are safe.
    async fn land_letters(&mut self, only: Option<&[TopicPartition]>) -> Result<()> {
        let wanted = |partition: &TopicPartition| only.is_none_or(|only| only.contains(partition));
        let (now, later): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.letters).into_iter().partition(|(partition, _)| wanted(partition));
        self.letters = later;
        for (partition, letter) in now {
            if let Err(lost) = letter.await {
                let what = format!("a dead letter of {partition} was not written");
                return Err(Error::new(ErrorKind::Kafka, what)
                    .because(lost.error)
                    .stage(Stage::KafkaProduce));
            }
        }
        Ok(())
    }

    async fn drain<T: SinkTask>(&mut self, task: &mut T) -> Result<()> {
        self.revoking = true; // The consumer is not polled any more.
        self.flush(task, None).await?;
        let held: Vec<_> = self.offsets.partitions().cloned().collect();
        task.revoked(&held, false).await?;
        self.publish();
        Ok(())
    }

    fn publish(&mut self) {
        self.progress.caught_up = !self.offsets.is_dirty() && self.letters.is_empty();
        let state = if self.parts.control.is_paused() { State::Paused } else { State::Running };
        self.parts.status.publish(state, &self.progress);
    }

    fn note_retrying(&self, error: Option<Error>) {
        self.parts.status.retrying(error);
    }
}

fn located(error: Error, record: &ConsumerRecord) -> Error {
    error.at(record.topic_partition().clone(), record.offset())
}

/// How long a call of the task may take before the consumer is polled beside it.
const PATIENCE: Duration = Duration::from_secs(3);
/// When to commit again after a failure.
const COMMIT_AGAIN: Duration = Duration::from_secs(1);
/// How often positions are looked at while somebody waits for an end that no record may reach.
const LOOK_AGAIN: Duration = Duration::from_millis(100);
