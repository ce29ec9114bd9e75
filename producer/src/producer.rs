//! The handle that applications hold: it puts records into the append room and waits for what comes of them.
#![cfg_attr(
    not(feature = "mock"),
    expect(
        clippy::infallible_destructuring_match,
        reason = "without the mock there is nothing but a cluster"
    )
)]
use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;
use std::time::{Duration, Instant};

use courant_client::{Error, ErrorKind, Kafka};
use courant_protocol::compression::Codec;
use courant_runtime::moment_after;

use crate::accepting::{EnqueueFuture, SendFuture};
use crate::append::{Claim, Flush, Moment, Permit, Refusal, Room, RoomOptions};
use crate::config::ProducerSettings;
use crate::control::Control;
use crate::driver::{CLOCK_TICK, Driver};
use crate::interceptor::{Intercepted, Interceptors};
use crate::{DeliveryFuture, Partitioner, ProducerBuilder, ProducerMetrics, Record, SendError};

/// Writes records to topics, in batches, in order and without duplicates.
///
/// Cloning is cheap, and all clones are one producer. With `enable.idempotence` (the default), records that one task
/// enqueues one after the other for the same partition are written in that order, whatever fails and is retried in
/// between, and none is written twice. Without it (set to `false`, or given up for `acks` other than `all`), a retry may
/// write a record twice, and behind later ones unless `max.in.flight.requests.per.connection` is 1.
///
/// ```
/// # let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
/// # runtime.block_on(async {
/// # let cluster = courant_broker_mock::MockCluster::builder().topic("orders", 3).build()?;
/// # let kafka = Kafka::builder().bootstrap(cluster.bootstrap()).world(cluster.world()).connect().await?;
/// use courant_client::Kafka;
/// use courant_producer::{Producer, Record};
/// use std::time::Duration;
///
/// let producer = Producer::builder(&kafka).linger(Duration::from_millis(1)).start().await?;
///
/// let at = producer.send(Record::to("orders").key("42").value("open")).await?;
/// println!("written to {at}");
///
/// let mut deliveries = Vec::new();
/// for total in 0..100 {
///     deliveries.push(producer.enqueue(Record::to("orders").key("42").value(total.to_string())).await?);
/// }
/// for (delivery, offset) in deliveries.into_iter().zip(1..) {
///     assert_eq!(delivery.await?.offset, offset);
/// }
/// producer.close(Duration::from_secs(5)).await?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// When the last clone is dropped, what was enqueued is still sent in the background, as long as the runtime lives;
/// [`Producer::close`] waits for it.
#[derive(Clone)]
pub struct Producer {
    shared: Arc<Shared>,
}

/// What stands behind the handle.
pub(crate) enum Backing {
    Cluster(Kafka),
    #[cfg(feature = "mock")]
    Script(Arc<crate::mock::Script>),
}

pub(crate) struct Shared {
    pub(crate) backing: Backing,
    pub(crate) room: Arc<Room>,
    pub(crate) control: Arc<Control>,
    pub(crate) interceptors: Option<Arc<Interceptors>>,
    pub(crate) max_block: Duration,
}

impl Producer {
    /// Collects the settings of a producer that shares `kafka`'s connections and metadata.
    pub fn builder(kafka: &Kafka) -> ProducerBuilder {
        ProducerBuilder::new(kafka)
    }

    pub(crate) fn start(
        kafka: Kafka,
        settings: ProducerSettings,
        partitioner: Partitioner,
        interceptors: Option<Arc<Interceptors>>,
    ) -> Self {
        let world = kafka.world().clone();
        let clock = world.clone();
        let room = Room::new(RoomOptions {
            batch_size_bytes: settings.batch_size_bytes,
            compressed: settings.codec != Codec::None,
            max_request_size_bytes: settings.max_request_size_bytes,
            buffer_memory_bytes: settings.buffer_memory_bytes,
            partitioner,
            ignore_keys: settings.ignore_keys,
            adaptive: settings.adaptive,
            rack: settings.rack.clone(),
            seed: world.rng("producer.partitioner").next_u64(),
            patience: settings.linger.min(CLOCK_TICK),
            clock: Box::new(move || Moment { now: clock.now(), unix_millis: clock.unix_millis() }),
        });
        let max_block = settings.max_block;
        let control = Control::new(max_block);
        let driver = Driver::new(kafka.clone(), &settings, Arc::clone(&room), Arc::clone(&control));
        control.spawned(world.spawn("producer", driver.run()));
        let backing = Backing::Cluster(kafka);
        Self { shared: Arc::new(Shared { backing, room, control, interceptors, max_block }) }
    }

    /// One that no driver stands behind.
    #[cfg(feature = "mock")]
    pub(crate) fn scripted(
        script: Arc<crate::mock::Script>,
        room: Arc<Room>,
        interceptors: Option<Arc<Interceptors>>,
    ) -> Self {
        let (backing, max_block) = (Backing::Script(script), Duration::ZERO);
        let control = Control::new(max_block);
        Self { shared: Arc::new(Shared { backing, room, control, interceptors, max_block }) }
    }

    /// Sends a record and waits until the brokers have it.
    ///
    /// One record at a time makes small batches; for throughput, send from many tasks, keep many of these futures at a time,
    /// or [`enqueue`](Self::enqueue) many and await their deliveries.
    ///
    /// The call itself, inside a runtime, accepts the record, as Java's does, if nothing stands in its way. Else it waits
    /// from the first poll on for its topic's metadata and for buffer space, up to `max.block.ms` for both. Those that wait
    /// are accepted in the order of their first polls, whether or not they are polled meanwhile; only a
    /// [`CustomPartitioner`](crate::CustomPartitioner), which is asked by the task that sends, has one wait for a poll once
    /// its topic is known.
    ///
    /// # Errors
    /// [`SendError`]: with the record if it was not accepted (as for [`enqueue`](Self::enqueue)), or not delivered within
    /// `delivery.timeout.ms`, or refused by the broker; without it only if a broker may have it after all.
    ///
    /// # Cancel safety
    /// Of a dropped future the record was either not accepted, and then nothing of it is sent, or it was, perhaps before the
    /// first poll, and then it is sent like any other. To know which, use [`enqueue`](Self::enqueue), whose completion is
    /// acceptance.
    #[inline]
    pub fn send(&self, record: Record) -> SendFuture<'_> {
        SendFuture::new(self, record)
    }

    /// Accepts a record; waits only for metadata of its topic and for buffer space, up to `max.block.ms` for both.
    ///
    /// Who waits for buffer space is served in the order of asking. The future that comes back tells where the record
    /// was written.
    ///
    /// # Errors
    /// [`SendError`] with the record: [`ErrorKind::Timeout`] if there was no space, [`ErrorKind::UnknownTopic`] if the
    /// topic did not turn up, [`ErrorKind::InvalidInput`] if the record is too large or names a partition that does not
    /// exist, [`ErrorKind::Closed`] after [`close`](Self::close).
    ///
    /// # Cancel safety
    /// Cancel safe: a record is accepted in the same poll that returns, so a dropped future has accepted nothing.
    #[inline]
    pub fn enqueue(&self, record: Record) -> EnqueueFuture<'_> {
        EnqueueFuture::new(self, record)
    }

    /// Deals with what stands in a record's way. Few records meet anything, so this is boxed wherever it is awaited, and
    /// the future of a record that does not wait stays small.
    pub(crate) async fn enqueue_slowly(
        &self,
        mut record: Record,
        claim: Claim,
    ) -> Result<DeliveryFuture, SendError> {
        let Some(interceptors) = &self.shared.interceptors else { return self.accept(record, claim).await };
        let original = record.clone();
        let intercepted = interceptors.on_send(&mut record);
        settle(intercepted, original, self.accept(record, claim).await)
    }

    async fn accept(&self, record: Record, mut claim: Claim) -> Result<DeliveryFuture, SendError> {
        let kafka = match &self.shared.backing {
            Backing::Cluster(kafka) => kafka,
            #[cfg(feature = "mock")]
            Backing::Script(script) => return script.accept(self, record),
        };
        let mut refusal = match self.offer(&record, &mut claim) {
            Ok(delivery) => return Ok(delivery),
            Err(refusal) => refusal,
        };
        let deadline = moment_after(kafka.world().now(), self.shared.max_block);
        loop {
            let waited = self.wait_for(kafka, &record, refusal, deadline, &mut claim);
            if let Err(error) = waited.await {
                return Err(SendError::refused(error, record));
            }
            match self.offer(&record, &mut claim) {
                Ok(delivery) => return Ok(delivery),
                Err(next) => refusal = next,
            }
        }
    }

    /// Accepts a record if that needs no waiting.
    ///
    /// # Errors
    /// As for [`enqueue`](Self::enqueue), at once. [`ErrorKind::Timeout`] means that it would have to wait: for buffer
    /// space, or for metadata, which is then fetched in the background.
    pub fn try_enqueue(&self, mut record: Record) -> Result<DeliveryFuture, SendError> {
        let Some(interceptors) = &self.shared.interceptors else { return self.try_accept(record) };
        let original = record.clone();
        let intercepted = interceptors.on_send(&mut record);
        settle(intercepted, original, self.try_accept(record))
    }

    fn try_accept(&self, record: Record) -> Result<DeliveryFuture, SendError> {
        let kafka = match &self.shared.backing {
            Backing::Cluster(kafka) => kafka,
            #[cfg(feature = "mock")]
            Backing::Script(script) => return script.accept(self, record),
        };
        let refusal = match self.offer(&record, &mut Claim::default()) {
            Ok(delivery) => return Ok(delivery),
            Err(refusal) => refusal,
        };
        let would_wait = |what: &str| Error::new(ErrorKind::Timeout, what).at_topic(record.topic());
        let error = match refusal {
            Refusal::UnknownTopic => {
                let shared = &self.shared;
                match shared.control.unknown().admit(record.topic(), kafka.world().now()) {
                    Err(too_many) => return Err(SendError::refused(too_many, record)),
                    Ok(()) => shared.control.want_topic(record.topic(), &shared.room),
                }
                would_wait("the record would have to wait for its topic's metadata")
            }
            Refusal::NeedsBytes(_) => {
                self.shared.room.hurry();
                would_wait("the record would have to wait for buffer space")
                    .hinting("buffer.memory sets how many bytes may be on their way")
            }
            Refusal::UnknownPartition(count) => unknown_partition(&record, count),
            refusal => refused(&record, refusal),
        };
        Err(SendError::refused(error, record))
    }

    /// Waits until every record that was accepted before this call is delivered or has failed. They do not linger;
    /// records that are accepted during the flush neither delay it nor are hurried by it.
    ///
    /// # Errors
    /// The first failure among those records that failed during the call, with their number; each record's own error
    /// is in its [`DeliveryFuture`].
    ///
    /// # Cancel safety
    /// Cancel safe: what was hurried is sent all the same.
    pub async fn flush(&self) -> Result<(), Error> {
        let failures = self.start_flush()?.await;
        match failures.first {
            None => Ok(()),
            Some(error) if failures.records == 1 => Err(error),
            Some(error) => {
                let what = format!("{} records were not delivered; the first error", failures.records);
                let summary = Error::new(error.kind(), what).maybe_fatal(error.is_fatal());
                Err(summary.maybe_written(error.possibly_written()).because(error))
            }
        }
    }

    /// Accepts no more records, sends what was accepted, and ends the producer; what is not delivered within `timeout`
    /// fails. A timeout of zero gives up at once. It closes all clones.
    ///
    /// # Errors
    /// [`ErrorKind::Timeout`] if records had to be given up, with their number for each partition.
    ///
    /// # Cancel safety
    /// Dropping the future does not stop the closing, which goes on within its timeout; the call may be repeated.
    pub async fn close(&self, timeout: Duration) -> Result<(), Error> {
        let Shared { backing, room, control, .. } = &*self.shared;
        match backing {
            Backing::Cluster(kafka) => {
                control.close(Some(moment_after(kafka.world().now(), timeout)), room);
                control.ended().await
            }
            #[cfg(feature = "mock")]
            Backing::Script(script) => {
                control.close(None, room);
                script.close(timeout)
            }
        }
    }

    /// Accepts a record if nothing stands in the way; what does is for [`enqueue`](Self::enqueue) to say.
    #[inline(always)]
    pub(crate) fn accept_at_once(&self, record: &Record, claim: &mut Claim) -> Option<DeliveryFuture> {
        match (&self.shared.interceptors, &self.shared.backing) {
            (None, Backing::Cluster(_)) => self.offer(record, claim).ok(),
            _ => None,
        }
    }

    /// Ends lingering; what comes back waits for everything that was accepted before.
    ///
    /// # Errors
    /// Only those of a script.
    pub(crate) fn start_flush(&self) -> Result<Flush, Error> {
        #[cfg(feature = "mock")]
        if let Backing::Script(script) = &self.shared.backing {
            script.flush()?;
        }
        Ok(self.shared.room.flush())
    }

    /// What the producer has counted since it was started.
    pub fn metrics(&self) -> ProducerMetrics {
        ProducerMetrics::take(&self.shared.room, &self.shared.control)
    }

    #[inline(always)]
    pub(crate) fn offer(&self, record: &Record, claim: &mut Claim) -> Result<DeliveryFuture, Refusal> {
        self.shared.room.append(record.destination(), &record.payload(), claim).map(DeliveryFuture::new)
    }

    /// The cluster, unless a script stands in for it.
    pub(crate) fn kafka(&self) -> Option<&Kafka> {
        match &self.shared.backing {
            Backing::Cluster(kafka) => Some(kafka),
            #[cfg(feature = "mock")]
            Backing::Script(_) => None,
        }
    }

    pub(crate) fn shared(&self) -> &Shared {
        &self.shared
    }

    /// Waits until what was missing is there.
    pub(crate) async fn wait_for(
        &self,
        kafka: &Kafka,
        record: &Record,
        refusal: Refusal,
        deadline: Instant,
        claim: &mut Claim,
    ) -> Result<(), Error> {
        match refusal {
            Refusal::UnknownTopic => {
                self.unless_closed(record, self.learn_topic(kafka, record.topic(), deadline)).await
            }
            Refusal::UnknownPartition(count) => {
                self.unless_closed(record, self.learn_partition(kafka, record, count, deadline)).await
            }
            Refusal::NeedsBytes(bytes) => match self.wait_for_bytes(kafka, bytes, deadline).await {
                Some(granted) => {
                    claim.permit = Some(granted);
                    Ok(())
                }
                None if self.shared.control.is_closing() => Err(refused(record, Refusal::Closed)),
                None => Err(no_space(record, self.shared.max_block)),
            },
            refusal => Err(refused(record, refusal)),
        }
    }

    /// Waits for what a record lacks, but no longer than the producer is open.
    async fn unless_closed(
        &self,
        record: &Record,
        learning: impl Future<Output = Result<(), Error>>,
    ) -> Result<(), Error> {
        let (mut learning, mut closed) = (pin!(learning), pin!(self.shared.control.closes()));
        poll_fn(|cx| match learning.as_mut().poll(cx) {
            Poll::Pending => closed.as_mut().poll(cx).map(|()| Err(refused(record, Refusal::Closed))),
            learnt => learnt,
        })
        .await
    }

    pub(crate) async fn learn_topic(
        &self,
        kafka: &Kafka,
        name: &str,
        deadline: Instant,
    ) -> Result<(), Error> {
        let Shared { room, control, .. } = &*self.shared;
        control.unknown().admit(name, kafka.world().now())?;
        control.want_topic(name, room);
        let topic = kafka.cluster().topic(name, deadline).await?;
        room.learn(&topic, &kafka.cluster().snapshot());
        control.unknown().handle_known(name);
        control.want_topic(name, room);
        Ok(())
    }

    /// Waits for a partition that metadata does not show yet, as after the topic was grown.
    async fn learn_partition(
        &self,
        kafka: &Kafka,
        record: &Record,
        count: usize,
        deadline: Instant,
    ) -> Result<(), Error> {
        let (cluster, world) = (kafka.cluster(), kafka.world());
        let wanted = record.partition.and_then(|partition| usize::try_from(partition.0).ok());
        let Some(wanted) = wanted else { return Err(unknown_partition(record, count)) };
        let mut watch = cluster.watch();
        let mut timeout = world.sleep_until(deadline);
        let mut ask_again = world.sleep(Duration::ZERO);
        poll_fn(|cx| {
            loop {
                let known =
                    cluster.snapshot().topic(record.topic()).map_or(0, |topic| topic.partitions.len());
                if known > wanted {
                    return Poll::Ready(Ok(()));
                }
                if Pin::new(&mut timeout).poll(cx).is_ready() {
                    return Poll::Ready(Err(unknown_partition(record, known)));
                }
                if Pin::new(&mut ask_again).poll(cx).is_ready() {
                    cluster.refresh("a record names a partition that is not known");
                    ask_again = world.sleep(PARTITION_POLL);
                } else if watch.poll_changed(cx).is_pending() {
                    return Poll::Pending;
                }
            }
        })
        .await?;
        self.learn_topic(kafka, record.topic(), deadline).await
    }

    /// As [`Self::acquire`], and counts how long it took.
    async fn wait_for_bytes(&self, kafka: &Kafka, bytes: usize, deadline: Instant) -> Option<Permit> {
        let since = kafka.world().now();
        let permit = self.acquire(kafka, bytes, deadline).await;
        let waited = kafka.world().now().saturating_duration_since(since);
        let in_vain = permit.is_none() && !self.shared.control.is_closing();
        self.shared.room.supplies.permits.note_wait(waited, !in_vain);
        permit
    }

    /// Waits for buffer space; `None` if there was none in time, or the producer was closed.
    async fn acquire(&self, kafka: &Kafka, bytes: usize, deadline: Instant) -> Option<Permit> {
        let shared = &self.shared;
        let mut acquire = pin!(shared.room.supplies.permits.acquire(bytes));
        let mut timeout = kafka.world().sleep_until(deadline);
        let mut asked = false;
        poll_fn(|cx| {
            if let Poll::Ready(permit) = acquire.as_mut().poll(cx) {
                return Poll::Ready(Some(permit));
            }
            // Who closes the producer wakes those who wait.
            if shared.control.is_closing() {
                return Poll::Ready(None);
            }
            // Who waits must not wait for batches to linger: the driver closes them all.
            if !std::mem::replace(&mut asked, true) {
                shared.room.supplies.bell.ring();
            }
            match Pin::new(&mut timeout).poll(cx) {
                Poll::Ready(()) => Poll::Ready(None),
                Poll::Pending => Poll::Pending,
            }
        })
        .await
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        self.control.close(None, &self.room);
    }
}

impl fmt::Debug for Producer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Producer").finish_non_exhaustive()
    }
}

/// Tells interceptors what came of a record, which goes back to the caller as it came.
fn settle(
    intercepted: Intercepted,
    original: Record,
    accepted: Result<DeliveryFuture, SendError>,
) -> Result<DeliveryFuture, SendError> {
    match accepted {
        Ok(delivery) => {
            intercepted.accepted(&delivery);
            Ok(delivery)
        }
        Err(refused) => {
            intercepted.refused(&refused.error);
            Err(SendError::refused(refused.error, original))
        }
    }
}

// tidy: one match
pub(crate) fn refused(record: &Record, refusal: Refusal) -> Error {
    match refusal {
        Refusal::TooLarge { size_bytes, limit_bytes, setting } => {
            let what = format!("the record takes {size_bytes} bytes and may take {limit_bytes}");
            Error::new(ErrorKind::InvalidInput, what)
                .at_topic(record.topic())
                .hinting(format!("{setting} sets the limit"))
        }
        Refusal::NegativeTimestamp => {
            Error::new(ErrorKind::InvalidInput, "the record's timestamp is negative").at_topic(record.topic())
        }
        Refusal::Closed => Error::new(ErrorKind::Closed, "the producer was closed").at_topic(record.topic()),
        Refusal::UnknownTopic => {
            Error::new(ErrorKind::UnknownTopic, "the topic is not known").at_topic(record.topic())
        }
        Refusal::UnknownPartition(count) => unknown_partition(record, count),
        Refusal::NeedsBytes(_) => no_space(record, Duration::ZERO),
    }
}

fn unknown_partition(record: &Record, count: usize) -> Error {
    let (who, place) = match record.partition {
        Some(partition) => ("the record names", Some(partition)),
        None => ("the partitioner chose", None),
    };
    let what = format!("{who} a partition that does not exist; the topic has {count}");
    let error = Error::new(ErrorKind::InvalidInput, what);
    match place {
        Some(partition) => error.at_partition(record.topic(), partition),
        None => error.at_topic(record.topic()),
    }
}

pub(crate) fn no_space(record: &Record, waited: Duration) -> Error {
    Error::new(ErrorKind::Timeout, "there was no buffer space for the record")
        .at_topic(record.topic())
        .after(waited)
        .hinting("buffer.memory sets the space, max.block.ms how long to wait for it")
}

/// How often metadata is asked again for a partition that is not there.
const PARTITION_POLL: Duration = Duration::from_secs(1);
