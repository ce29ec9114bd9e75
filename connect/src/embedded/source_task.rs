//! The loop of a source task: read, send, wait for acknowledgements, store offsets.
//!
//! One future of the author's `next_batch` lives across acknowledgements and flushes; it is dropped only to pause, to stop,
//! or to tell the task what was stored. Polling order: control, acknowledgements, the offsets being written, the flush
//! timer, the source.
use std::collections::BTreeMap;
use std::future::{Future, pending, poll_fn};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::{Duration, Instant};

use courant_runtime::World;
use serde_json::Value;

use crate::api::{BadInput, Batch, Item, Source, SourceRecord, SourceTask};
use crate::embedded::control::{ControlReceiver, until};
use crate::embedded::crash_points::{
    CrashPoints, SOURCE_ACKNOWLEDGED, SOURCE_READ, SOURCE_SENT, SOURCE_STORED,
};
use crate::embedded::in_flight::Landed;
use crate::embedded::offsets_topic::OffsetsTopic;
use crate::embedded::outlet::{BadLetter, Outlet, Sent, TARGET, unit};
use crate::embedded::status::{State, StatusCell};
use crate::error::{Error, Result, Stage};
use crate::worker::{Decision, PendingOffsets, Retries, SubmittedRecords, Ticket};

/// What a source task is made of, beside the author's part.
pub(crate) struct SourceParts {
    pub(crate) outlet: Outlet,
    pub(crate) offsets: Arc<OffsetsTopic>,
    pub(crate) control: ControlReceiver,
    pub(crate) status: StatusCell,
    pub(crate) flush_interval: Duration,
    pub(crate) flush_timeout: Duration,
    pub(crate) crash_points: CrashPoints,
}

/// Runs a task until it is stopped, and drains it.
///
/// # Errors
/// What the task fails with; what was safe by then is stored.
pub(crate) async fn run<S: Source>(mut task: S::Task, parts: SourceParts) -> Result<()> {
    let mut running = Running::<S>::new(parts);
    let mut batch = Batch::new(running.parts.outlet.settings.batch_max_records);
    let ended = running.run(&mut task, &mut batch).await;
    let world = running.world().clone();
    let stop_by = running.parts.control.stop_by();
    let deadline = stop_by.unwrap_or_else(|| world.now() + running.parts.flush_timeout);
    let drained = running.drain(&mut task, deadline).await;
    if until(&world, deadline, task.close()).await.is_none() {
        tracing::warn!(target: TARGET, connector = %running.name(), "the task was not closed in time");
    }
    let left = deadline.saturating_duration_since(world.now());
    let closed = running.parts.outlet.producer.close(left).await;
    ended.and(drained).and(closed.map_err(Error::from))
}

struct Running<S: Source> {
    parts: SourceParts,
    submitted: SubmittedRecords<S::Partition, S::Offset>,
    pending: PendingOffsets<S::Partition, S::Offset>,
    storing: Option<Storing>,
    /// Stored, and not yet told to the task.
    stored: BTreeMap<S::Partition, S::Offset>,
    flush_at: Instant,
    /// Not to be stored before this time, after a failure.
    store_from: Option<Instant>,
    flushes_seen: u64,
    /// When to ask the source again, after it gave nothing or failed.
    ask_at: Option<Instant>,
    /// The source gave nothing when it was asked last.
    at_end: bool,
    retries: Retries,
}

type Storing = Pin<Box<dyn Future<Output = Result<()>> + Send>>;

/// Why a round ended.
enum Round {
    Read(Result<()>),
    /// Something else is to be looked at first.
    Interrupted,
    Landed(Vec<Landed>),
    Stored(Result<()>),
    Flush,
}

/// Whether the source may be asked.
enum Gate {
    Open,
    Until(Instant),
    Closed,
}

impl<S: Source> Running<S> {
    fn new(parts: SourceParts) -> Self {
        let now = parts.outlet.world.now();
        Self {
            flush_at: now + parts.flush_interval,
            parts,
            submitted: SubmittedRecords::new(),
            pending: PendingOffsets::new(),
            storing: None,
            stored: BTreeMap::new(),
            store_from: None,
            flushes_seen: 0,
            ask_at: None,
            at_end: false,
            retries: Retries::default(),
        }
    }

    fn world(&self) -> &World {
        &self.parts.outlet.world
    }

    fn name(&self) -> &str {
        &self.parts.outlet.settings.name
    }

    async fn run(&mut self, task: &mut S::Task, batch: &mut Batch<S::Partition, S::Offset>) -> Result<()> {
        while self.parts.control.stop_by().is_none() {
            if !self.stored.is_empty() {
                self.tell(task).await?;
            }
            self.read_round(task, batch).await?;
            self.store_if_settled()?;
            self.publish();
        }
        Ok(())
    }

    /// Asks the source once, and deals with everything else until it has answered.
    async fn read_round(
        &mut self,
        task: &mut S::Task,
        batch: &mut Batch<S::Partition, S::Offset>,
    ) -> Result<()> {
        let (gate, world) = (self.gate(), self.world().clone());
        let result = {
            let mut reading = pin!(async {
                match gate {
                    Gate::Open => return task.next_batch(batch).await,
                    Gate::Until(at) => world.sleep_until(at).await,
                    Gate::Closed => pending().await,
                }
                Ok(())
            });
            loop {
                match self.next(reading.as_mut()).await {
                    Round::Read(result) => break result,
                    Round::Interrupted => return Ok(()),
                    Round::Landed(landed) => self.landed(landed).await?,
                    Round::Stored(result) => self.end_storing(result),
                    Round::Flush => self.begin_storing()?,
                }
                self.store_if_settled()?;
                self.publish();
                if !self.stored.is_empty() || matches!(gate, Gate::Closed) && !self.must_wait() {
                    return Ok(());
                }
            }
        };
        match gate {
            Gate::Open => self.answered(result, batch).await,
            _ => {
                self.ask_at = None;
                Ok(())
            }
        }
    }

    fn gate(&self) -> Gate {
        match self.ask_at {
            _ if self.must_wait() => Gate::Closed,
            Some(at) if at > self.world().now() => Gate::Until(at),
            _ => Gate::Open,
        }
    }

    fn must_wait(&self) -> bool {
        self.parts.control.is_paused() || self.parts.outlet.in_flight.len() >= IN_FLIGHT_MAX
    }

    /// The next thing that happens, in the order that the module's doc gives.
    async fn next(&mut self, reading: Pin<&mut impl Future<Output = Result<()>>>) -> Round {
        let Self { parts, storing, flush_at, .. } = self;
        let SourceParts { outlet, control, .. } = parts;
        let world = outlet.world.clone();
        let stored = async {
            match storing {
                Some(storing) => storing.await,
                None => pending().await,
            }
        };
        tokio::select! {
            biased;
            () = control.changed() => Round::Interrupted,
            landed = poll_fn(|cx| outlet.poll_landed(cx)) => Round::Landed(landed),
            result = stored => Round::Stored(result),
            () = world.sleep_until(*flush_at) => Round::Flush,
            result = reading => Round::Read(result),
        }
    }

    /// Deals with the source's answer.
    async fn answered(
        &mut self,
        result: Result<()>,
        batch: &mut Batch<S::Partition, S::Offset>,
    ) -> Result<()> {
        let items = std::mem::take(&mut batch.items);
        self.at_end = items.is_empty() && result.is_ok();
        if !items.is_empty() {
            self.parts.crash_points.pass(SOURCE_READ).await;
        }
        let sent = !items.is_empty();
        for item in items {
            if !self.submit(item).await? {
                // What was not sent is read again: no offset moves past it.
                return Ok(());
            }
        }
        if sent {
            self.parts.crash_points.pass(SOURCE_SENT).await;
        }
        let now = self.world().now();
        match result {
            Ok(()) => {
                self.retries = Retries::default();
                self.ask_at = self.at_end.then(|| now + self.parts.outlet.settings.poll_interval);
                self.note_retrying(None);
                Ok(())
            }
            Err(error) => {
                let jitter = unit(&mut self.parts.outlet.rng);
                let policy = &self.parts.outlet.settings.policy;
                match policy.decide(now, Stage::TaskPoll, &error, &mut self.retries, jitter) {
                    Decision::RetryAt(at) => {
                        tracing::warn!(target: TARGET, connector = %self.name(), %error, "the source will be asked again");
                        self.ask_at = Some(at);
                        self.note_retrying(Some(error));
                        Ok(())
                    }
                    _ => Err(error.stage(Stage::TaskPoll)),
                }
            }
        }
    }

    /// Sends one thing that was read; false if the task is to stop.
    async fn submit(&mut self, item: Item<S::Partition, S::Offset>) -> Result<bool> {
        let SourceParts { outlet, control, .. } = &mut self.parts;
        let (ticket, sent) = match item {
            Item::Record(SourceRecord { source_partition, source_offset, record }) => {
                let ticket = self.submitted.submit(source_partition, source_offset);
                (ticket, outlet.send(ticket, record, control).await?)
            }
            Item::Bad(BadInput { source_partition, source_offset, raw, error, headers }) => {
                let ticket = self.submitted.submit(source_partition, source_offset);
                let headers = headers.into_iter().collect();
                (ticket, outlet.bad(ticket, BadLetter { raw, error, headers }).await?)
            }
        };
        let Sent::Flights(flights) = sent else { return Ok(false) };
        outlet.progress.read += 1;
        self.submitted.expect(ticket, flights);
        Ok(true)
    }

    async fn landed(&mut self, landed: Vec<Landed>) -> Result<()> {
        let mut first = Ok(());
        for landed in landed {
            let ticket: Ticket = landed.ticket;
            match self.parts.outlet.landed(landed).await {
                Ok(true) => self.submitted.done(ticket),
                Ok(false) => {}
                Err(error) => first = first.and(Err(error)),
            }
        }
        self.pending.add(self.submitted.take_committable());
        self.parts.crash_points.pass(SOURCE_ACKNOWLEDGED).await;
        first
    }

    /// At the end of the input, or on request, offsets are stored at once: somebody may be waiting for it.
    fn store_if_settled(&mut self) -> Result<()> {
        self.pending.add(self.submitted.take_committable());
        let asked = self.parts.control.now().flushes > self.flushes_seen;
        let settled = self.at_end && self.submitted.open() == 0;
        let may = self.store_from.is_none_or(|from| from <= self.world().now());
        if (asked || settled) && may && self.storing.is_none() && !self.pending.is_empty() {
            self.begin_storing()?;
        }
        if asked && self.pending.is_empty() && self.submitted.open() == 0 {
            self.flushes_seen = self.parts.control.now().flushes;
        }
        Ok(())
    }

    fn begin_storing(&mut self) -> Result<()> {
        self.flush_at = self.world().now() + self.parts.flush_interval;
        let SourceParts { outlet, offsets, flush_timeout, .. } = &self.parts;
        let Some(writing) = self.pending.begin() else { return Ok(()) };
        let mut plain = Vec::with_capacity(writing.len());
        for (partition, offset) in writing {
            plain.push((to_json("partition", partition)?, Some(to_json("offset", offset)?)));
        }
        let records = offsets.records(&outlet.settings.name, &plain)?;
        let write = Arc::clone(offsets).write(records, outlet.producer.clone(), *flush_timeout);
        self.storing = Some(Box::pin(write));
        Ok(())
    }

    fn end_storing(&mut self, result: Result<()>) {
        self.storing = None;
        match result {
            Ok(()) => self.stored.extend(self.pending.written()),
            Err(error) => {
                tracing::warn!(target: TARGET, connector = %self.name(), %error, "offsets were not stored, and will be later");
                self.pending.failed();
                self.flush_at = self.world().now() + STORE_AGAIN;
                self.store_from = Some(self.flush_at);
            }
        }
    }

    /// Tells the task what is safe.
    async fn tell(&mut self, task: &mut S::Task) -> Result<()> {
        self.parts.crash_points.pass(SOURCE_STORED).await;
        let stored: Vec<_> = std::mem::take(&mut self.stored).into_iter().collect();
        match task.committed(&stored).await {
            Err(error) if !error.is_retriable() => Err(error),
            Err(error) => {
                tracing::warn!(target: TARGET, connector = %self.name(), %error, "the source did not take note of stored offsets");
                Ok(())
            }
            Ok(()) => Ok(()),
        }
    }

    /// Waits for what is on its way, and stores how far it came.
    async fn drain(&mut self, task: &mut S::Task, deadline: Instant) -> Result<()> {
        let (world, mut ended) = (self.world().clone(), Ok(()));
        while self.parts.outlet.in_flight.len() > 0 {
            let landed = until(&world, deadline, poll_fn(|cx| self.parts.outlet.poll_landed(cx))).await;
            let Some(landed) = landed else {
                tracing::warn!(target: TARGET, connector = %self.name(), left = self.parts.outlet.in_flight.len(),
                    "records were not acknowledged in time; they are read again");
                break;
            };
            ended = ended.and(self.landed(landed).await);
        }
        // One write may be under way; what came since needs another.
        for _ in 0..2 {
            if self.storing.is_none() {
                self.begin_storing()?;
            }
            if let Some(storing) = self.storing.take() {
                let late = || Err(Error::retriable("the time to stop was over"));
                self.end_storing_last(until(&world, deadline, storing).await.unwrap_or_else(late))?;
            }
        }
        if !self.stored.is_empty() && world.now() < deadline {
            until(&world, deadline, self.tell(task)).await.unwrap_or(Ok(()))?;
        }
        self.publish();
        ended
    }

    fn end_storing_last(&mut self, result: Result<()>) -> Result<()> {
        let failed = result.as_ref().err().cloned();
        self.end_storing(result);
        failed.map_or(Ok(()), Err)
    }

    fn publish(&mut self) {
        let settled = self.submitted.open() == 0 && self.pending.is_empty();
        self.parts.outlet.progress.caught_up = self.at_end && settled;
        let state = if self.parts.control.is_paused() { State::Paused } else { State::Running };
        self.parts.status.publish(state, &self.parts.outlet.progress);
    }

    fn note_retrying(&self, error: Option<Error>) {
        self.parts.status.retrying(error);
    }
}

fn to_json<T: serde::Serialize>(what: &str, value: &T) -> Result<Value> {
    serde_json::to_value(value)
        .map_err(|error| Error::fatal(format!("the source {what} cannot be written as JSON")).because(error))
}

/// How many records may wait for their acknowledgement.
const IN_FLIGHT_MAX: usize = 50_000;
/// When to store offsets again after a failure.
const STORE_AGAIN: Duration = Duration::from_secs(1);
