//! A source's records into Kafka: transforms, converters, producer; and what is done about those that fail.
use std::collections::BTreeSet;
use std::sync::Arc;
use std::task::{Context, Poll};

use courant_admin::{Admin, NewTopic};
use courant_client::Kafka;
use courant_producer::{Producer, Record, SendError};
use courant_runtime::{Rng, World};

use crate::api::ConnectRecord;
use crate::embedded::control::ControlReceiver;
use crate::embedded::conversion::{Conversion, StageError};
use crate::embedded::in_flight::{InFlight, Kept, Landed};
use crate::embedded::letters::Letters;
use crate::embedded::settings::ConnectorSettings;
use crate::embedded::status::Progress;
use crate::error::{Error, ErrorKind, Result, Stage};
use crate::worker::{Decision, Failure, Origin, RawRecord, Retries, Ticket};

/// Where a source task's records go out.
pub(crate) struct Outlet {
    pub(crate) kafka: Kafka,
    pub(crate) world: World,
    pub(crate) settings: Arc<ConnectorSettings>,
    pub(crate) task: usize,
    pub(crate) conversion: Conversion,
    pub(crate) producer: Producer,
    pub(crate) letters: Letters,
    pub(crate) in_flight: InFlight,
    pub(crate) progress: Progress,
    pub(crate) rng: Rng,
    /// Topics that were created, or found to exist.
    pub(crate) topics: BTreeSet<String>,
}

/// What became of one thing that was read.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Sent {
    /// So many records are on their way for it.
    Flights(usize),
    /// The task is to stop; it was left alone.
    Stopped,
}

/// Input that a source could not make a record of.
pub(crate) struct BadLetter {
    pub(crate) raw: bytes::Bytes,
    pub(crate) error: Error,
    pub(crate) headers: Vec<(String, bytes::Bytes)>,
}

impl Outlet {
    /// Sends what becomes of a record.
    ///
    /// # Errors
    /// What the task fails with.
    pub(crate) async fn send(
        &mut self,
        ticket: Ticket,
        record: ConnectRecord,
        control: &ControlReceiver,
    ) -> Result<Sent> {
        let records = match self.transformed(ticket, record, control).await? {
            Step::Done(records) => records,
            Step::PassedOver(flights) => return Ok(Sent::Flights(flights)),
            Step::Stopped => return Ok(Sent::Stopped),
        };
        if records.is_empty() {
            self.progress.dropped += 1;
        }
        let mut flights = 0;
        for record in records {
            flights += match self.encoded(ticket, &record, control).await? {
                Step::Done(raw) => match self.produce(ticket, &record, raw, control).await? {
                    Sent::Flights(flights) => flights,
                    Sent::Stopped => return Ok(Sent::Stopped),
                },
                Step::PassedOver(flights) => flights,
                Step::Stopped => return Ok(Sent::Stopped),
            };
        }
        Ok(Sent::Flights(flights))
    }

    async fn transformed(
        &mut self,
        ticket: Ticket,
        record: ConnectRecord,
        control: &ControlReceiver,
    ) -> Result<Step<Vec<ConnectRecord>>> {
        if !self.conversion.has_transforms() {
            return Ok(Step::Done(vec![record]));
        }
        let mut retries = Retries::default();
        loop {
            let failed = match self.conversion.transform(record.clone()) {
                Ok(records) => return Ok(Step::Done(records)),
                Err(failed) => failed,
            };
            match self.after(failed, &record, &mut retries, ticket, control).await? {
                After::Again => {}
                After::PassedOver(flights) => return Ok(Step::PassedOver(flights)),
                After::Stopped => return Ok(Step::Stopped),
            }
        }
    }

    async fn encoded(
        &mut self,
        ticket: Ticket,
        record: &ConnectRecord,
        control: &ControlReceiver,
    ) -> Result<Step<RawRecord>> {
        let mut retries = Retries::default();
        loop {
            let failed = match self.conversion.encode(record) {
                Ok(raw) => return Ok(Step::Done(raw)),
                Err(failed) => failed,
            };
            match self.after(failed, record, &mut retries, ticket, control).await? {
                After::Again => {}
                After::PassedOver(flights) => return Ok(Step::PassedOver(flights)),
                After::Stopped => return Ok(Step::Stopped),
            }
        }
    }

    /// What comes after a failed transform or converter.
    async fn after(
        &mut self,
        failed: StageError,
        record: &ConnectRecord,
        retries: &mut Retries,
        ticket: Ticket,
        control: &ControlReceiver,
    ) -> Result<After> {
        let StageError { stage, class, error } = failed;
        let decision = self.decide(stage, &error, retries);
        if let Decision::RetryAt(at) = decision {
            let goes_on = control.sleep_until(&self.world, at).await;
            return Ok(if goes_on { After::Again } else { After::Stopped });
        }
        let origin = Origin::Bound(&record.topic, record.partition);
        let raw = self.conversion.encode_what_can_be(record);
        let flights =
            self.report(ticket, raw, Report { stage, class: &class, error: &error, origin }).await?;
        match decision {
            Decision::PassOver => Ok(After::PassedOver(flights)),
            _ => Err(error.stage(stage)),
        }
    }

    fn decide(&mut self, stage: Stage, error: &Error, retries: &mut Retries) -> Decision {
        self.settings.policy.decide(self.world.now(), stage, error, retries, unit(&mut self.rng))
    }

    /// Hands a record to the producer; waits for space as long as it takes.
    async fn produce(
        &mut self,
        ticket: Ticket,
        record: &ConnectRecord,
        raw: RawRecord,
        control: &ControlReceiver,
    ) -> Result<Sent> {
        self.create_topic(&record.topic).await?;
        let kept = self.letters.are_sent().then(|| Kept::new((record.topic.clone(), raw.clone())));
        let mut out = to_producer(&record.topic, raw);
        if let Some(partition) = record.partition {
            out = out.partition(partition);
        }
        let mut retries = Retries::default();
        loop {
            let enqueued = control.unless_stopped(self.producer.enqueue(out)).await;
            let error = match enqueued {
                None => return Ok(Sent::Stopped),
                Some(Ok(delivery)) => {
                    self.in_flight.push(ticket, delivery, false, kept);
                    return Ok(Sent::Flights(1));
                }
                Some(Err(SendError { error, record: Some(back), .. })) if is_an_outage(&error) => {
                    out = *back;
                    error
                }
                Some(Err(refused)) => return self.refused(ticket, kept, refused).await.map(Sent::Flights),
            };
            // The brokers are away for longer than the producer waits; a source waits for as long as it takes.
            tracing::warn!(target: TARGET, connector = %self.settings.name, %error, "cannot send yet");
            let error = Error::retriable("").because(error);
            let Decision::RetryAt(at) = self.decide(Stage::TaskPoll, &error, &mut retries) else {
                return Err(error.stage(Stage::KafkaProduce));
            };
            if !control.sleep_until(&self.world, at).await {
                return Ok(Sent::Stopped);
            }
        }
    }

    /// What comes of a record that Kafka, or the producer, does not take.
    async fn refused(&mut self, ticket: Ticket, kept: Option<Kept>, refused: SendError) -> Result<usize> {
        use courant_client::ErrorKind as Client;
        let lasting = refused.is_fatal()
            || matches!(refused.kind(), Client::Closed | Client::UnknownTopic | Client::Authentication);
        let kind = if lasting { ErrorKind::Kafka } else { ErrorKind::Data };
        let error = Error::new(kind, "the record was not written").because(refused.error);
        let (stage, class) = (Stage::KafkaProduce, "org.apache.kafka.clients.producer.KafkaProducer");
        let decision = self.decide(stage, &error, &mut Retries::default());
        let flights = match kept.map(|kept| *kept) {
            Some((topic, raw)) => {
                let origin = Origin::Bound(&topic, None);
                self.report(ticket, raw, Report { stage, class, error: &error, origin }).await?
            }
            None => {
                self.note_failure(stage, &error);
                0
            }
        };
        if decision == Decision::PassOver { Ok(flights) } else { Err(error.stage(stage)) }
    }

    /// Input that is no record: a dead letter or the end of the task.
    ///
    /// # Errors
    /// What the task fails with.
    pub(crate) async fn bad(&mut self, ticket: Ticket, bad: BadLetter) -> Result<Sent> {
        let BadLetter { raw, error, headers } = bad;
        let decision = self.decide(Stage::TaskPoll, &error, &mut Retries::default());
        let headers = headers.into_iter().map(|(name, value)| (name, Some(value))).collect();
        let raw = RawRecord { value: Some(raw), headers, ..RawRecord::default() };
        let name = self.settings.name.clone();
        let report = Report { stage: Stage::TaskPoll, class: &name, error: &error, origin: Origin::Outside };
        let flights = self.report(ticket, raw, report).await?;
        if decision == Decision::PassOver {
            Ok(Sent::Flights(flights))
        } else {
            Err(error.stage(Stage::TaskPoll))
        }
    }

    /// Logs a failure and sends the dead letter. It is sent even if the task stops for it, as Connect does.
    async fn report(&mut self, ticket: Ticket, raw: RawRecord, report: Report<'_>) -> Result<usize> {
        let Report { stage, class, error, origin } = report;
        self.note_failure(stage, error);
        let settings = Arc::clone(&self.settings);
        let failure = Failure { connector: &settings.name, task: self.task, stage, class, error, origin };
        match self.letters.send(&self.producer, &failure, raw).await? {
            None => Ok(0),
            Some(delivery) => {
                self.in_flight.push(ticket, delivery, true, None);
                Ok(1)
            }
        }
    }

    fn note_failure(&mut self, stage: Stage, error: &Error) {
        self.progress.passed_over += 1;
        if self.settings.log_errors {
            tracing::error!(target: TARGET, connector = %self.settings.name, task = self.task, %stage, %error);
        }
    }

    /// What has landed, if anything has.
    pub(crate) fn poll_landed(&mut self, cx: &mut Context<'_>) -> Poll<Vec<Landed>> {
        self.in_flight.poll_landed(cx)
    }

    /// Takes note of a record that has landed; gives whether its ticket is done by it.
    ///
    /// # Errors
    /// What the task fails with.
    pub(crate) async fn landed(&mut self, landed: Landed) -> Result<bool> {
        match landed.result {
            Ok(at) => {
                if !landed.is_letter {
                    self.progress.written += 1;
                    self.progress.partitions.entry(at.topic_partition).or_default().note(at.offset);
                }
                Ok(true)
            }
            Err(lost) if landed.is_letter => {
                let what = "a dead letter was not written; its record is given again after a restart";
                Err(Error::new(ErrorKind::Kafka, what).because(lost.error).stage(Stage::KafkaProduce))
            }
            // The letter flies under the same ticket, which is done when that has landed.
            Err(refused) => Ok(self.refused(landed.ticket, landed.kept, refused).await? == 0),
        }
    }

    /// Creates a topic once, if the connector says how (KIP-158).
    async fn create_topic(&mut self, topic: &str) -> Result<()> {
        let Some(creation) = &self.settings.topic_creation else { return Ok(()) };
        if self.topics.contains(topic) {
            return Ok(());
        }
        let new = NewTopic::new(topic)
            .partitions(creation.partitions)
            .replication_factor(creation.replication_factor);
        let new = creation.configs.iter().fold(new, |new, (name, value)| new.config(name.clone(), value));
        create(&self.kafka, new).await?;
        self.topics.insert(topic.to_owned());
        Ok(())
    }
}

/// Creates a topic; one that exists is used as it is.
///
/// # Errors
/// Whatever else kept it from being created.
pub(crate) async fn create(kafka: &Kafka, topic: NewTopic) -> Result<()> {
    for (name, created) in Admin::new(kafka).create_topics([topic]).await {
        match created {
            Ok(_) => {}
            Err(error) if error.kind() == courant_admin::ErrorKind::TopicExists => {}
            Err(error) => {
                let what = format!("cannot create topic {name}");
                return Err(Error::new(ErrorKind::Kafka, what).because(error));
            }
        }
    }
    Ok(())
}

/// Whether the brokers are away, which passes; a topic that does not exist, and may not be created, is no outage.
fn is_an_outage(error: &courant_client::Error) -> bool {
    error.is_retriable() && error.kind() != courant_client::ErrorKind::UnknownTopic
}

/// A random number from 0 to 1.
pub(crate) fn unit(rng: &mut Rng) -> f64 {
    rng.below(1 << 20) as f64 / f64::from(1 << 20)
}

pub(crate) fn to_producer(topic: &courant_protocol::types::TopicName, raw: RawRecord) -> Record {
    let mut out = Record::to(topic);
    if let Some(key) = raw.key {
        out = out.key(key);
    }
    if let Some(value) = raw.value {
        out = out.value(value);
    }
    if let Some(timestamp) = raw.timestamp {
        out = out.timestamp(timestamp);
    }
    for (name, value) in raw.headers {
        out = match value {
            Some(value) => out.header(name, value),
            None => out.null_header(name),
        };
    }
    out
}

enum Step<T> {
    Done(T),
    PassedOver(usize),
    Stopped,
}

enum After {
    Again,
    PassedOver(usize),
    Stopped,
}

struct Report<'a> {
    stage: Stage,
    class: &'a str,
    error: &'a Error,
    origin: Origin<'a>,
}

/// The target of this crate's events.
pub(crate) const TARGET: &str = "courant::connect";
