//! A worker: one loop that owns a consumer, a producer, and the tasks of the partitions that it was given.
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use courant_consumer::{Batch, Consumer, Event};
use courant_producer::Producer;
use courant_protocol::types::{Offset, TopicPartition};
use tokio::sync::mpsc::UnboundedReceiver;

use super::commit::{COMMIT_BACKOFF, note};
use super::error::Error;
use super::outbox::Outbox;
use super::purge::Purge;
use super::restore::Restorer;
use super::shared::{Command, PartitionLags, Shared, StoreEntry};
use crate::assignment::{MemberState, StreamsPartitionAssignor};
use crate::record::{Headers, RawRecord};
use crate::task::{StreamTask, TaskId};
use crate::topology::OffsetReset;

/// One of an application's workers.
pub(super) struct Worker {
    pub(super) number: usize,
    pub(super) shared: Arc<Shared>,
    pub(super) consumer: Consumer,
    pub(super) outbox: Outbox,
    pub(super) tasks: BTreeMap<TaskId, StreamTask>,
    /// The task of each partition that is assigned.
    owners: BTreeMap<TopicPartition, TaskId>,
    restorer: Restorer,
    member: MemberState,
    /// Partitions that are paused because too much of them is buffered.
    full: BTreeSet<TopicPartition>,
    /// What was committed, for the purge of repartition topics.
    pub(super) committed: BTreeMap<TopicPartition, Offset>,
    pub(super) committed_at: Instant,
    /// Whether something was processed since the last commit.
    pub(super) is_behind: bool,
    purge: Purge,
    /// Whether restored records go first when the next events are waited for.
    restores_first: bool,
}

/// What a worker wakes up for.
enum Next {
    Command(Option<Command>),
    Event(Result<Option<Event>, courant_consumer::Error>),
    Restored(Result<Option<Batch>, Error>),
    Time,
}

/// How a round of processing went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Progress {
    /// Nothing is buffered.
    Idle,
    /// Something is buffered and waits for records of another partition.
    Waiting,
    /// Records were processed, and there may be more.
    Worked,
}

impl Worker {
    /// Starts the clients of a worker.
    pub(super) async fn start(number: usize, shared: Arc<Shared>) -> Result<Self, Error> {
        let (kafka, settings) = (&shared.kafka, &shared.settings);
        let member = MemberState::default();
        let assignor =
            StreamsPartitionAssignor::new(shared.sub_topology_topics(), shared.process, member.clone());
        let mut properties = settings.consumer.clone();
        // Each worker is a member of its own, and comes back under its own name (`StreamsConfig.getMainConsumerConfigs`).
        if let Some(id) = settings.consumer.value("group.instance.id") {
            properties.set("group.instance.id", format!("{id}-{}", number + 1));
        }
        let consumer = Consumer::builder(kafka)
            .properties(&properties)
            .group(&*shared.application_id)
            .auto_commit(false)
            .assignor(Arc::new(assignor))
            .subscribe(shared.topics())
            .start()
            .await?;
        let producer = Producer::builder(kafka).properties(&settings.producer).start().await?;
        let now = kafka.world().now();
        Ok(Self {
            number,
            outbox: Outbox::new(producer, kafka.clone()),
            restorer: Restorer::new(kafka.clone(), settings.restore_consumer.clone()),
            purge: Purge::new(now, settings.purge_interval),
            committed_at: now,
            consumer,
            member,
            shared,
            tasks: BTreeMap::new(),
            owners: BTreeMap::new(),
            full: BTreeSet::new(),
            committed: BTreeMap::new(),
            is_behind: false,
            restores_first: false,
        })
    }

    pub(super) fn now(&self) -> Instant {
        self.shared.kafka.world().now()
    }

    /// Works until it is told to end; then ends by the time that it was told.
    pub(super) async fn run(mut self, mut commands: UnboundedReceiver<Command>) -> Result<(), Error> {
        match self.work(&mut commands).await {
            Ok(Some(deadline)) => self.shut_down(deadline).await,
            Ok(None) => {
                self.abandon().await;
                Ok(())
            }
            Err(error) => {
                self.abandon().await;
                Err(error)
            }
        }
    }

    /// Works until it is told to end; gives the time by which it has to, or nothing if the application's handle is gone.
    async fn work(&mut self, commands: &mut UnboundedReceiver<Command>) -> Result<Option<Instant>, Error> {
        loop {
            let progress = self.process().await?;
            if self.commit_is_due() {
                self.commit().await?;
            }
            self.purge_if_due();
            match self.next(commands, self.wake_at(progress)).await {
                Next::Command(None) => return Ok(None),
                Next::Command(Some(Command::Close(deadline))) => return Ok(Some(deadline)),
                Next::Command(Some(command)) => self.answer(command).await?,
                Next::Event(Ok(Some(event))) => self.handle_event(event).await?,
                Next::Event(Ok(None)) => return Ok(None),
                Next::Event(Err(error)) if error.is_retriable() => {
                    tracing::warn!(target: "courant::streams", worker = self.number, %error, "reading goes on after an error");
                }
                Next::Event(Err(error)) => return Err(error.into()),
                Next::Restored(batch) => self.handle_restored(batch?).await?,
                Next::Time => {}
            }
        }
    }

    /// Waits for whatever comes first. Restored records and events take turns in going first, so that neither starves.
    async fn next(&mut self, commands: &mut UnboundedReceiver<Command>, wake_at: Instant) -> Next {
        let sleep = self.shared.kafka.world().sleep_until(wake_at);
        let Self { consumer, restorer, .. } = self;
        self.restores_first = !self.restores_first && restorer.is_busy();
        if self.restores_first {
            tokio::select! {
                biased;
                command = commands.recv() => Next::Command(command),
                batch = restorer.next() => Next::Restored(batch),
                event = consumer.next_event() => Next::Event(event),
                () = sleep => Next::Time,
            }
        } else {
            tokio::select! {
                biased;
                command = commands.recv() => Next::Command(command),
                event = consumer.next_event() => Next::Event(event),
                batch = restorer.next(), if restorer.is_busy() => Next::Restored(batch),
                () = sleep => Next::Time,
            }
        }
    }

    /// When there is something to do even if nothing comes.
    fn wake_at(&self, progress: Progress) -> Instant {
        let now = self.now();
        let mut wake_at = match progress {
            Progress::Worked => return now,
            Progress::Waiting => now + LOOK_AGAIN,
            Progress::Idle => now + AT_LEAST,
        };
        if self.is_behind {
            wake_at = wake_at.min(self.committed_at + self.shared.settings.commit_interval);
        }
        wake_at.min(self.purge.due()).max(now)
    }
}

/// Records.
impl Worker {
    /// Lets every task that may process some of its records.
    async fn process(&mut self) -> Result<Progress, Error> {
        let (now, max_idle) = (self.now(), self.shared.settings.max_task_idle);
        let mut progress = Progress::Idle;
        let Self { tasks, restorer, consumer, .. } = self;
        for (id, task) in tasks.iter_mut().filter(|(id, _)| !restorer.restores(**id)) {
            if !task.is_ready(now, max_idle, |partition| consumer.current_lag(partition.clone())) {
                let waits = if task.buffered() > 0 { Progress::Waiting } else { Progress::Idle };
                progress = progress.max(waits);
                continue;
            }
            task.process(RECORDS_AT_A_TIME).inspect_err(|error| {
                tracing::error!(target: "courant::streams", task = %id, %error, "a task failed");
            })?;
            progress = Progress::Worked;
        }
        if progress == Progress::Worked {
            self.is_behind = true;
            self.send_outgoing().await?;
            self.read_on()?;
        }
        Ok(progress)
    }

    /// Hands what tasks have written to the producer.
    pub(super) async fn send_outgoing(&mut self) -> Result<(), Error> {
        let Self { tasks, outbox, shared, .. } = self;
        for (id, task) in tasks.iter_mut() {
            while let Some(record) = task.take_outgoing() {
                outbox.send(*id, record, &shared.handlers).await?;
            }
        }
        outbox.take_answers(|logged| note(tasks, logged))
    }

    /// Buffers records with their tasks.
    fn buffer(&mut self, batch: &Batch) -> Result<(), Error> {
        let records: Vec<_> = batch.iter().collect();
        let limit = self.shared.settings.buffered_records_per_partition;
        for run in records.chunk_by(|one, other| one.topic_partition() == other.topic_partition()) {
            let Some(partition) = run.first().map(|record| record.topic_partition()) else { continue };
            let owner = self.owners.get(partition);
            let Some(task) = owner.and_then(|id| self.tasks.get_mut(id)) else { continue };
            for record in run {
                let epoch = record.leader_epoch();
                let record = record.to_owned();
                let headers = record.headers().map(|header| {
                    let name = String::from_utf8_lossy(header.key).into_owned();
                    (Cow::Owned(name), header.value.map(Bytes::copy_from_slice))
                });
                let raw = RawRecord {
                    offset: record.offset().0,
                    timestamp: record.timestamp().0,
                    headers: headers.collect::<Headers>(),
                    key: record.key_bytes(),
                    value: record.value_bytes(),
                };
                task.add(partition, raw, epoch)?;
            }
            if task.buffered_of(partition) > limit && self.full.insert(partition.clone()) {
                self.consumer.pause([partition.clone()])?;
            }
        }
        Ok(())
    }

    /// Resumes partitions of which less is buffered now.
    fn read_on(&mut self) -> Result<(), Error> {
        let limit = self.shared.settings.buffered_records_per_partition;
        let has_room = |partition: &&TopicPartition| {
            let task = self.owners.get(*partition).and_then(|id| self.tasks.get(id));
            task.is_none_or(|task| task.buffered_of(partition) <= limit)
        };
        let resumed: Vec<TopicPartition> = self.full.iter().filter(has_room).cloned().collect();
        for partition in resumed {
            self.full.remove(&partition);
            if self.owners.contains_key(&partition) {
                self.consumer.resume([partition])?;
            }
        }
        Ok(())
    }

    fn commit_is_due(&self) -> bool {
        let settings = &self.shared.settings;
        let uncommitted = || self.tasks.values().map(|task| task.stores().uncommitted_bytes()).sum::<usize>();
        self.is_behind
            && (self.now() >= self.committed_at + settings.commit_interval
                || uncommitted() > settings.uncommitted_max_bytes)
    }

    /// A commit met a rebalance: it comes again in a moment.
    pub(super) fn retry_commit_soon(&mut self) {
        let interval = self.shared.settings.commit_interval;
        let waited = interval.saturating_sub(COMMIT_BACKOFF);
        self.committed_at = self.now().checked_sub(waited).unwrap_or(self.committed_at);
    }

    fn purge_if_due(&mut self) {
        let now = self.now();
        if now >= self.purge.due() {
            let shared = &self.shared;
            let internal =
                self.committed.iter().filter(|(partition, _)| shared.is_internal(&partition.topic));
            self.purge.run(
                now,
                &shared.kafka,
                internal.map(|(partition, offset)| (partition.clone(), *offset)),
            );
        }
    }
}

/// Partitions that come and go.
impl Worker {
    async fn handle_event(&mut self, event: Event) -> Result<(), Error> {
        match event {
            Event::Batch(batch) => self.buffer(&batch)?,
            Event::Assigned(partitions) => self.handle_assigned(partitions).await?,
            Event::Revoked(partitions) => {
                self.shared.worker_runs(self.number, false);
                self.commit().await?;
                self.give_up(&partitions)?;
            }
            Event::Lost(partitions) => {
                self.shared.worker_runs(self.number, false);
                self.give_up(&partitions)?;
            }
            _ => {}
        }
        Ok(())
    }

    /// Makes the tasks of new partitions, and begins to restore their stores.
    pub(super) async fn handle_assigned(&mut self, partitions: Vec<TopicPartition>) -> Result<(), Error> {
        let mut new: BTreeMap<TaskId, Vec<TopicPartition>> = BTreeMap::new();
        for partition in partitions {
            if let Some(task) = self.shared.task_of(&partition) {
                new.entry(task).or_default().push(partition);
            }
        }
        self.start_at(new.values().flatten()).await?;
        let committed = match new.is_empty() {
            true => BTreeMap::new(),
            false => self.consumer.committed(new.values().flatten().cloned()).await?,
        };
        for (id, partitions) in &new {
            let mut task = self.shared.task(*id, partitions)?;
            for partition in partitions {
                self.owners.insert(partition.clone(), *id);
                if let Some(Some(committed)) = committed.get(partition) {
                    task.restore_time(partition, &committed.metadata);
                }
            }
            self.tasks.insert(*id, task);
        }
        let made = self.tasks.iter_mut().filter(|(id, _)| new.contains_key(id)).map(|(_, task)| task);
        self.restorer.begin(made.collect()).await?;
        let waiting = new.iter().filter(|(id, _)| self.restorer.restores(**id));
        self.consumer.pause(waiting.flat_map(|(_, partitions)| partitions.clone()))?;
        self.tell_group();
        Ok(())
    }

    /// Where a source says so, reading begins elsewhere than the application's reset policy has it.
    async fn start_at(&mut self, partitions: impl Iterator<Item = &TopicPartition>) -> Result<(), Error> {
        let shared = Arc::clone(&self.shared);
        let reset = |partition: &TopicPartition| shared.reset_of(&partition.topic);
        let special: Vec<&TopicPartition> =
            partitions.filter(|partition| reset(partition).is_some()).collect();
        if special.is_empty() {
            return Ok(());
        }
        let committed = self.consumer.committed(special.iter().copied().cloned()).await?;
        for partition in special {
            if committed.get(partition).is_some_and(Option::is_some) {
                continue;
            }
            match reset(partition) {
                Some(OffsetReset::Earliest) => self.consumer.seek_to_beginning([partition.clone()])?,
                Some(OffsetReset::Latest) => self.consumer.seek_to_end([partition.clone()])?,
                Some(OffsetReset::None) => {
                    let what =
                        format!("nothing is committed for {partition}, and its source has no reset policy");
                    return Err(Error::new(super::ErrorKind::Consumer, what));
                }
                None => {}
            }
        }
        Ok(())
    }

    async fn handle_restored(&mut self, batch: Option<Batch>) -> Result<(), Error> {
        let whole = self.restorer.apply(batch, &mut self.tasks).await?;
        for id in &whole {
            tracing::info!(target: "courant::streams", task = %id, "restore ends");
            let Some(task) = self.tasks.get(id) else { continue };
            self.consumer.resume(task.partitions().cloned())?;
        }
        if !whole.is_empty() {
            self.tell_group();
        }
        Ok(())
    }

    /// Ends the tasks of partitions that go: what they did since the last commit is forgotten here.
    fn give_up(&mut self, partitions: &[TopicPartition]) -> Result<(), Error> {
        let gone: BTreeSet<TaskId> =
            partitions.iter().filter_map(|partition| self.owners.get(partition).copied()).collect();
        for id in gone {
            self.restorer.forget(id)?;
            self.owners.retain(|_, owner| *owner != id);
            if let Some(task) = self.tasks.remove(&id) {
                self.shared.directory.put_back(id, task.close());
            }
        }
        for partition in partitions {
            self.committed.remove(partition);
            self.full.remove(partition);
        }
        self.tell_group();
        Ok(())
    }

    /// Says which tasks are here, for the next time that the group is joined, and whether all of them run.
    fn tell_group(&self) {
        self.shared.tell_member_state(&self.member, self.tasks.keys().copied());
        if !self.restorer.is_busy() {
            self.shared.worker_runs(self.number, true);
        }
    }
}

/// Questions, and the end.
impl Worker {
    /// Answers a question; who asked may be gone, which changes nothing.
    async fn answer(&mut self, command: Command) -> Result<(), Error> {
        match command {
            Command::ReadStore(name, reply) => reply.send(self.read_store(&name)?).ok().unwrap_or_default(),
            Command::Lag(reply) => reply.send(self.lag().await?).ok().unwrap_or_default(),
            Command::LagElsewhere(partitions, reply) => {
                reply.send(self.lag_elsewhere(partitions).await?).ok().unwrap_or_default();
            }
            Command::Close(_) => {}
        }
        Ok(())
    }

    fn read_store(&self, name: &str) -> Result<Vec<StoreEntry>, Error> {
        let mut entries = Vec::new();
        for task in self.tasks.values() {
            let stores = task.stores();
            let found = stores.layouts().position(|layout| layout.name == name);
            for (key, window_start, value) in
                found.map(|store| stores.read(store)).transpose()?.into_iter().flatten()
            {
                let (value, timestamp) = (value.value, value.timestamp);
                entries.push(StoreEntry { key, window_start, value, timestamp });
            }
        }
        Ok(entries)
    }

    /// How many records of the tasks' partitions are not processed and committed.
    async fn lag(&mut self) -> Result<PartitionLags, Error> {
        let is_committed = self.commit().await?;
        let ends = self.consumer.end_offsets(self.owners.keys().cloned()).await?;
        let mut lags = BTreeMap::new();
        for (partition, id) in &self.owners {
            let end = ends.get(partition).map_or(0, |offset| offset.0);
            let buffered = self.tasks.get(id).map_or(0, |task| task.buffered_of(partition)) as u64;
            // What is being restored has not begun to read.
            let position = match self.restorer.restores(*id) {
                true => self.committed.get(partition).map_or(0, |offset| offset.0),
                false => self.consumer.position(partition.clone()).await?.0,
            };
            let unread = u64::try_from(end.saturating_sub(position)).unwrap_or(0);
            lags.insert(partition.clone(), unread + buffered + u64::from(!is_committed));
        }
        Ok(lags)
    }

    /// How many records of partitions that nobody reads here are not committed.
    async fn lag_elsewhere(&mut self, partitions: Vec<TopicPartition>) -> Result<u64, Error> {
        let committed = self.consumer.committed(partitions.iter().cloned()).await?;
        let begins = self.consumer.beginning_offsets(partitions.iter().cloned()).await?;
        let ends = self.consumer.end_offsets(partitions.iter().cloned()).await?;
        let lag = |partition: &TopicPartition| {
            let begin = begins.get(partition).map_or(0, |offset| offset.0);
            let committed = committed.get(partition).and_then(Option::as_ref);
            let from = committed.map_or(begin, |committed| committed.offset.0.max(begin));
            let end = ends.get(partition).map_or(0, |offset| offset.0);
            u64::try_from(end.saturating_sub(from)).unwrap_or(0)
        };
        Ok(partitions.iter().map(lag).sum())
    }

    /// The end as it should be: everything processed is committed, partitions are given up, clients closed.
    async fn shut_down(mut self, deadline: Instant) -> Result<(), Error> {
        let world = self.shared.kafka.world().clone();
        let committed = tokio::select! {
            biased;
            committed = self.commit() => committed.map(drop),
            () = world.sleep_until(deadline) => Err(Error::new(
                super::ErrorKind::Client(courant_client::ErrorKind::Timeout),
                "the last commit was not done in time; what came after the one before is processed again",
            )),
        };
        let left = deadline.saturating_duration_since(self.now()).max(A_MOMENT);
        self.purge.close().await;
        for (id, task) in std::mem::take(&mut self.tasks) {
            self.shared.directory.put_back(id, task.close());
        }
        self.restorer.close(left).await;
        let consumer = self.consumer.close(left).await;
        let left = deadline.saturating_duration_since(self.now()).max(A_MOMENT);
        let producer = self.outbox.producer().close(left).await;
        committed.and(consumer.map_err(Error::from)).and(producer.map_err(Error::from))
    }

    /// The end after a failure, or of an application that nobody holds any more: nothing more is committed.
    async fn abandon(mut self) {
        for (id, task) in std::mem::take(&mut self.tasks) {
            self.shared.directory.put_back(id, task.close());
        }
        self.purge.close().await;
        self.restorer.close(A_MOMENT).await;
        // The failure that led here is what counts.
        self.outbox.producer().close(Duration::ZERO).await.ok();
        self.consumer.close(A_MOMENT).await.ok();
    }
}

/// How many records of a task are processed before others have their turn.
const RECORDS_AT_A_TIME: usize = 500;
/// How long to wait before looking again whether a partition has nothing more.
const LOOK_AGAIN: Duration = Duration::from_millis(10);
/// The longest sleep.
const AT_LEAST: Duration = Duration::from_secs(60);
/// What clients get to say farewell when no time is left.
const A_MOMENT: Duration = Duration::from_millis(500);
