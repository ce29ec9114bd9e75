//! The thin shell around the schedule: starts calls, polls them, and does what their ends ask for.
use std::fmt;
use std::future::Future;
use std::hash::{DefaultHasher, Hasher};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Instant;

use courant_consumer::{Acks, Batch, ConsumerRecord};
use courant_protocol::types::{Offset, TopicPartition};
use courant_runtime::{Rng, Sleep, World};

use crate::dead_letter::{Letters, Reason};
use crate::error::{Error, ErrorKind};
use crate::failure::Failure;
use crate::handler::Handler;
use crate::machine::lanes::RecordId;
use crate::machine::policy::Rules;
use crate::machine::schedule::{After, Arrived, Outcome, Schedule, Wants};
use crate::slots::{Ended, Slots, text_of};

/// What a runner is told once, besides its handler.
pub(crate) struct EngineSettings {
    pub(crate) rules: Rules,
    /// Records of one partition wait for each other; else those of one key.
    pub(crate) by_partition: bool,
    pub(crate) letters: Option<Letters>,
}

/// Everything of a runner but its consumer.
pub(crate) struct Engine<H: Handler> {
    handler: H,
    by_partition: bool,
    letters: Option<Letters>,
    schedule: Schedule<ConsumerRecord>,
    slots: Slots<H::Running>,
    acks: Acks,
    world: World,
    rng: Rng,
    timer: Sleep,
}

impl<H: Handler> Engine<H> {
    pub(crate) fn new(handler: H, settings: EngineSettings, acks: Acks, world: World) -> Self {
        Self {
            handler,
            by_partition: settings.by_partition,
            letters: settings.letters,
            schedule: Schedule::new(settings.rules),
            slots: Slots::new(),
            acks,
            rng: world.rng("handlers"),
            timer: world.sleep_until(world.now()),
            world,
        }
    }

    /// What the consumer is to be asked for.
    pub(crate) fn wants(&self) -> Wants {
        self.schedule.wants()
    }

    /// How many records are worked on.
    pub(crate) fn running(&self) -> usize {
        self.schedule.running()
    }

    /// Records that were taken in and are not finished.
    pub(crate) fn in_flight(&self) -> usize {
        self.schedule.in_flight()
    }

    /// Takes records in.
    pub(crate) fn take_in(&mut self, batch: &Batch) {
        for record in batch {
            let lane = if self.by_partition { Some(0) } else { record.key().map(hash_of) };
            self.schedule.handle_record(Arrived {
                partition: record.topic_partition().clone(),
                offset: record.offset(),
                lane,
                bytes: size_of(&record),
                record: record.to_owned(),
            });
        }
    }

    /// So many partitions are assigned now.
    pub(crate) fn assign(&mut self, partitions: usize) {
        self.schedule.handle_assignment(partitions);
    }

    /// The next partition that the consumer is to hold back, or not any more.
    pub(crate) fn next_hold(&mut self) -> Option<(TopicPartition, bool)> {
        self.schedule.poll_hold()
    }

    /// These partitions are going.
    pub(crate) fn revoke(&mut self, partitions: &[TopicPartition]) {
        self.schedule.handle_revoked(self.world.now(), partitions);
    }

    /// These partitions are gone.
    pub(crate) fn lose(&mut self, partitions: &[TopicPartition]) {
        let gone = self.schedule.handle_lost(partitions);
        self.slots.cancel(&gone);
    }

    /// Nothing is started any more.
    pub(crate) fn close(&mut self) {
        self.schedule.close();
    }

    /// Cancels what still runs; the records that stay unfinished.
    pub(crate) fn abandon(&mut self) -> Vec<(TopicPartition, Offset)> {
        let left = self.schedule.abandon();
        let ids: Vec<RecordId> = left.iter().map(|(id, _, _)| *id).collect();
        self.slots.cancel(&ids);
        left.into_iter().map(|(_, partition, offset)| (partition, offset)).collect()
    }

    /// Works until the consumer is to be asked for something else than `wants`, or nothing runs any more in a runner that
    /// closes.
    ///
    /// Calls are polled in the order of their wake-ups, so many at a time; then it comes back by itself, so that neither the
    /// consumer nor other tasks wait for handlers that are always ready.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>, wants: Wants) -> Poll<Result<(), Error>> {
        self.slots.register(cx.waker());
        let mut budget = POLLS_MAX;
        loop {
            let now = self.world.now();
            self.poll_time(now);
            while let Some(id) = self.schedule.poll_start(now) {
                self.start(now, id)?;
            }
            match self.slots.poll_ended(&mut budget) {
                Some((id, ended)) => self.handle_ended(now, id, ended)?,
                None if budget == 0 => {
                    cx.waker().wake_by_ref();
                    return if self.has_changed(wants) { Poll::Ready(Ok(())) } else { Poll::Pending };
                }
                None if self.has_changed(wants) => return Poll::Ready(Ok(())),
                None => match self.schedule.next_deadline() {
                    Some(at) => {
                        self.timer.reset(at);
                        if Pin::new(&mut self.timer).poll(cx).is_pending() {
                            return Poll::Pending;
                        }
                        budget -= 1;
                    }
                    None => return Poll::Pending,
                },
            }
        }
    }

    fn has_changed(&self, wants: Wants) -> bool {
        self.wants() != wants || self.schedule.has_hold() || self.schedule.is_closed()
    }

    fn poll_time(&mut self, now: Instant) {
        if let Some(gone) = self.schedule.poll_drained(now) {
            self.slots.cancel(&gone);
        }
        for slow in self.schedule.poll_slow(now) {
            tracing::warn!(
                target: TARGET, topic = %slow.partition.topic, partition = slow.partition.partition.0,
                offset = slow.offset.0, seconds = slow.since.as_secs(), others = slow.others,
                "a handler has not returned; nothing is committed past its record"
            );
        }
    }

    fn start(&mut self, now: Instant, id: RecordId) -> Result<(), Error> {
        let Some(record) = self.schedule.record(id) else { return Ok(()) };
        let begun = catch_unwind(AssertUnwindSafe(|| self.handler.start(record)));
        match begun {
            Ok(Ok(call)) => {
                self.slots.start(id, call);
                Ok(())
            }
            Ok(Err(undecodable)) => {
                let failure = Failure::permanent(undecodable);
                self.handle_failure(now, id, ErrorKind::Undecodable, failure)
            }
            Err(panic) => self.handle_panic(now, id, text_of(&*panic)),
        }
    }

    fn handle_ended(
        &mut self,
        now: Instant,
        id: RecordId,
        ended: Ended<Result<(), H::Error>>,
    ) -> Result<(), Error> {
        match ended {
            Ended::Call(Ok(())) | Ended::Letter(Ok(())) => {
                if let After::Acknowledge(record) = self.schedule.handle_outcome(now, id, Outcome::Done, 0.0)
                {
                    self.acks.ack(&record.receipt());
                }
                Ok(())
            }
            Ended::Call(Err(error)) => self.handle_failure(now, id, ErrorKind::Handler, error.into()),
            Ended::Panicked(text) => self.handle_panic(now, id, text),
            Ended::Letter(Err(error)) => {
                let told = self.error(id, ErrorKind::DeadLetter, "the dead letter was not written");
                self.schedule.handle_outcome(now, id, Outcome::LetterFailed, 0.0);
                Err(told.because(error))
            }
        }
    }

    fn handle_panic(&mut self, now: Instant, id: RecordId, text: String) -> Result<(), Error> {
        let failure = Failure::permanent(format!("the handler panicked: {text}"));
        self.handle_failure(now, id, ErrorKind::Panicked, failure)
    }

    fn handle_failure(
        &mut self,
        now: Instant,
        id: RecordId,
        kind: ErrorKind,
        failure: Failure,
    ) -> Result<(), Error> {
        let outcome = Outcome::Failed { retriable: failure.is_retriable() };
        let message = failure.to_string();
        let error = self.error(id, kind, what_of(kind)).because(failure.into_source());
        match self.schedule.handle_outcome(now, id, outcome, self.rng.unit_f64()) {
            After::Skip(record) => {
                tracing::warn!(target: TARGET, %error, "the record is passed over");
                self.acks.ack(&record.receipt());
                Ok(())
            }
            After::Retry => {
                tracing::debug!(target: TARGET, %error, "the record is tried again");
                Ok(())
            }
            After::DeadLetter => self.send_letter(now, id, &message, error),
            After::Stop => Err(error.hinting(HINT)),
            After::Acknowledge(_) | After::Drop => Ok(()),
        }
    }

    fn send_letter(&mut self, now: Instant, id: RecordId, message: &str, error: Error) -> Result<(), Error> {
        let (Some(letters), Some(record)) = (&self.letters, self.schedule.record(id)) else { return Ok(()) };
        if record.topic() == &*letters.topic {
            // Its letter would come back as a record, and so on for ever.
            let what = "a record of the dead-letter topic itself failed";
            let told = self.error(id, ErrorKind::DeadLetter, what).because(error);
            self.schedule.handle_outcome(now, id, Outcome::LetterFailed, 0.0);
            return Err(told.hinting("do not subscribe to the topic that dead letters go to"));
        }
        tracing::warn!(target: TARGET, %error, topic = %letters.topic, "the record becomes a dead letter");
        let stage = if error.kind() == ErrorKind::Undecodable { "decode" } else { "handler" };
        let reason = Reason { stage, message, attempts: self.schedule.attempts(id) };
        let letter = letters.letter(record, reason);
        let producer = letters.producer.clone();
        self.slots.send(id, Box::pin(async move { producer.send(letter).await }));
        Ok(())
    }

    fn error(&self, id: RecordId, kind: ErrorKind, what: &str) -> Error {
        let error = Error::new(kind, what).after_attempts(self.schedule.attempts(id));
        match self.schedule.record(id) {
            Some(record) => error.at(record.topic_partition(), record.offset()),
            None => error,
        }
    }
}

/// What a failure says of itself, without its cause.
fn what_of(kind: ErrorKind) -> &'static str {
    match kind {
        ErrorKind::Undecodable => "a record cannot be decoded",
        _ => "the handler of a record failed",
    }
}

/// How a record is told from those that need not wait for it. The same in every run and process.
fn hash_of(key: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    hasher.write(key);
    hasher.finish()
}

/// What a record counts for while it is taken in.
fn size_of(record: &courant_consumer::Record<'_>) -> usize {
    let headers = record.headers().map(|header| header.key.len() + header.value.map_or(0, <[u8]>::len));
    record.key().map_or(0, <[u8]>::len) + record.value().map_or(0, <[u8]>::len) + headers.sum::<usize>()
}

impl<H: Handler> fmt::Debug for Engine<H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Engine").field("in_flight", &self.in_flight()).finish_non_exhaustive()
    }
}

/// How many calls are polled before the consumer and other tasks have their turn.
const POLLS_MAX: usize = 64;
const TARGET: &str = "courant::handlers";
const HINT: &str = "give the runner a dead-letter topic, or let it skip what fails for good";
