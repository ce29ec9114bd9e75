//! The settings of a runner before it starts.
use std::fmt;
use std::future::Future;
use std::time::Duration;

use courant_client::codec::Codec;
use courant_client::retry::Backoff;
use courant_consumer::{Consumer, ConsumerBuilder, ConsumerRecord, Decoder, TypedConsumerRecord};
use courant_producer::Producer;
use courant_protocol::types::TopicName;

use crate::dead_letter::Letters;
use crate::engine::EngineSettings;
use crate::error::{Error, ErrorKind};
use crate::failure::Failure;
use crate::handler::{Handler, Plain, Typed};
use crate::machine::policy::{LastResort, RetryRules, Rules};
use crate::runner::Runner;

/// What is to be read, and what is done about records that fail; then, which function is called for each.
///
/// ```
/// # let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build()?;
/// # runtime.block_on(async {
/// # let mock = courant_broker_mock::MockCluster::builder().brokers(3).topic("orders", 2).topic("orders.dead", 1).build()?;
/// # let mut writer = courant_protocol::record::BatchWriter::new(Default::default(), Default::default());
/// # writer.append(7.into(), Some(b"42"), Some(b"12"), courant_protocol::record::NO_HEADERS)?;
/// # writer.append(8.into(), Some(b"42"), Some(b"twelve"), courant_protocol::record::NO_HEADERS)?;
/// # let sealed = writer.seal(Default::default(), None, &mut Default::default())?;
/// # mock.append_raw("orders", 0, sealed.to_bytes(&Default::default()))?;
/// # let kafka = courant_client::Kafka::builder().bootstrap(mock.bootstrap()).world(mock.world()).connect().await?;
/// use courant_consumer::Consumer;
/// use courant_handlers::{Backoff, Failure, Handlers};
/// use courant_producer::Producer;
/// use std::time::Duration;
///
/// let producer = Producer::builder(&kafka).start().await?;
/// let orders = Consumer::builder(&kafka).group("billing").subscribe(["orders"]).auto_offset_reset("earliest");
/// let mut billing = Handlers::new(orders)
///     .retry(5, Backoff::new(Duration::from_millis(100), Duration::from_secs(10)))
///     .dead_letters(&producer, "orders.dead")
///     .for_each_per_partition(async |record| {
///         let text = std::str::from_utf8(record.value().unwrap_or_default()).map_err(Failure::permanent)?;
///         let _euros: i64 = text.parse().map_err(Failure::permanent)?;
///         Ok::<(), Failure>(())
///     })
///     .await?;
/// tokio::time::timeout(Duration::from_secs(10), billing.run()).await.ok();
/// billing.close(Duration::from_secs(10)).await?;
/// assert_eq!(mock.committed("billing", "orders", 0), Some(2.into()));
/// assert_eq!(mock.log_end("orders.dead", 0), Some(1.into()));
/// # producer.close(Duration::from_secs(5)).await?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
#[must_use = "say what is to be done for each record"]
pub struct Handlers {
    consumer: ConsumerBuilder,
    retry: RetryRules,
    last_resort: LastResort,
    letters: Option<Letters>,
    max_records: usize,
    max_bytes: usize,
    drain_timeout: Duration,
    slow_after: Duration,
}

impl Handlers {
    /// Handlers for what this consumer reads. It has to have a group: what is finished is committed for it, every
    /// `auto.commit.interval.ms`, when partitions are revoked, and at the end. `enable.auto.commit` is set to true.
    pub fn new(consumer: ConsumerBuilder) -> Self {
        Self {
            consumer: consumer.auto_commit(true).explicit_acks(),
            retry: RetryRules {
                attempts: 10,
                backoff: Backoff::new(Duration::from_millis(100), Duration::from_secs(10)),
            },
            last_resort: LastResort::Stop,
            letters: None,
            max_records: 1_000,
            max_bytes: 32 << 20,
            drain_timeout: Duration::from_secs(30),
            slow_after: Duration::from_secs(60),
        }
    }

    /// How often a handler is called with one record at most, from 1, and how long it is waited in between; 10 times, and
    /// from 100 ms doubling to 10 s. Later records of the same key, or partition, wait too; all others go on.
    pub fn retry(mut self, attempts: u32, backoff: Backoff) -> Self {
        self.retry = RetryRules { attempts: attempts.max(1), backoff };
        self
    }

    /// A record that fails for good, or that a codec cannot read, is written to this topic, and is finished when it is there.
    ///
    /// The letter has the record's key, value and headers, and behind these `__handlers.errors.topic`, `.partition`,
    /// `.offset`, `.timestamp` (of the record, in milliseconds), `.stage` (`handler` or `decode`), `.exception.message` and
    /// `.attempts`, all as text. They are named as Connect names its own (`__connect.errors.…`, KIP-298), so that what reads
    /// one can read the other, and another way at the front, since who wrote the letter is another. A record that fails
    /// again, as a record of the dead-letter topic read by others, keeps the headers of before; the last of a name counts.
    pub fn dead_letters(mut self, producer: &Producer, topic: impl Into<TopicName>) -> Self {
        self.letters = Some(Letters { producer: producer.clone(), topic: topic.into() });
        self.last_resort = LastResort::DeadLetter;
        self
    }

    /// A record that fails for good, or that a codec cannot read, is passed over with a warning. Without this and without a
    /// dead-letter topic the runner stops.
    pub fn skip_failed(mut self) -> Self {
        (self.last_resort, self.letters) = (LastResort::Skip, None);
        self
    }

    /// So many records may be taken in and not finished before no more are; 1,000, and never fewer than are handled at a
    /// time. One poll more than that may be there (`max.poll.records`). Each partition has its share of them, and more of one
    /// are not taken in while others wait.
    pub fn max_in_flight(mut self, records: usize) -> Self {
        self.max_records = records.max(1);
        self
    }

    /// The same in bytes of keys, values and headers; 32 MiB. Each record keeps the memory of the batch that it came in.
    pub fn max_in_flight_bytes(mut self, bytes: usize) -> Self {
        self.max_bytes = bytes.max(1);
        self
    }

    /// When partitions are revoked, how long calls for their records may go on before they are dropped; 30 s. The group waits
    /// for it, up to `max.poll.interval.ms`, which has to be longer.
    pub fn drain_timeout(mut self, timeout: Duration) -> Self {
        self.drain_timeout = timeout;
        self
    }

    /// After this time, and then each time it has doubled, a handler that has not returned is named by a warning with topic,
    /// partition and offset; 60 s.
    pub fn slow_after(mut self, time: Duration) -> Self {
        self.slow_after = time.max(Duration::from_millis(1));
        self
    }

    /// The same for handlers of typed records: a codec for their keys and one for their values. A record that they cannot
    /// read fails for good.
    pub fn typed<K: 'static, V: 'static>(
        self,
        key: impl Codec<K>,
        value: impl Codec<V>,
    ) -> TypedHandlers<K, V> {
        TypedHandlers { handlers: self, decoder: Decoder::new(key, value) }
    }

    /// Calls `handler` for each record, `concurrency` at a time. Records of one key and partition are handled one after the
    /// other, in their order; records without a key need not wait for each other. Joins the group.
    ///
    /// # Errors
    /// Those of [`ConsumerBuilder::start`], and [`ErrorKind::InvalidUse`] for no concurrency at all, or if the topic for dead
    /// letters is among those that are read.
    ///
    /// # Cancel safety
    /// Either the runner is there or nothing was begun; the future never waits.
    pub async fn for_each_per_key<F, Fut, E>(
        self,
        concurrency: usize,
        handler: F,
    ) -> Result<Runner<impl Handler<Error = E, Running = Fut> + use<F, Fut, E>>, Error>
    where
        F: Fn(ConsumerRecord) -> Fut,
        Fut: Future<Output = Result<(), E>>,
        E: Into<Failure>,
    {
        self.start(Some(concurrency), Plain(handler)).await
    }

    /// Calls `handler` for each record, for all partitions at once. Records of one partition are handled one after the other,
    /// in their order. Joins the group.
    ///
    /// # Errors
    /// As [`Handlers::for_each_per_key`].
    ///
    /// # Cancel safety
    /// Either the runner is there or nothing was begun; the future never waits.
    pub async fn for_each_per_partition<F, Fut, E>(
        self,
        handler: F,
    ) -> Result<Runner<impl Handler<Error = E, Running = Fut> + use<F, Fut, E>>, Error>
    where
        F: Fn(ConsumerRecord) -> Fut,
        Fut: Future<Output = Result<(), E>>,
        E: Into<Failure>,
    {
        self.start(None, Plain(handler)).await
    }

    /// Per key with so much concurrency, or per partition.
    async fn start<H: Handler>(self, concurrency: Option<usize>, handler: H) -> Result<Runner<H>, Error> {
        if concurrency == Some(0) {
            return Err(Error::new(
                ErrorKind::InvalidUse,
                "no record can be handled with a concurrency of 0",
            ));
        }
        let consumer = self.consumer.start().await?;
        if let Some(letters) = self.letters.as_ref().filter(|letters| reads(&consumer, &letters.topic)) {
            let what = format!("dead letters would go to {}, which is read", letters.topic);
            return Err(Error::new(ErrorKind::InvalidUse, what).hinting("choose another topic for them"));
        }
        let rules = Rules {
            concurrency: concurrency.unwrap_or(usize::MAX),
            max_records: self.max_records.max(concurrency.unwrap_or(1)),
            max_bytes: self.max_bytes,
            retry: self.retry,
            last_resort: self.last_resort,
            drain_timeout: self.drain_timeout,
            slow_after: self.slow_after,
        };
        let settings = EngineSettings { rules, by_partition: concurrency.is_none(), letters: self.letters };
        Runner::new(consumer, handler, settings)
    }
}

/// Whether a topic is among those that are subscribed to, or assigned, by name.
fn reads(consumer: &Consumer, topic: &str) -> bool {
    let assigned = consumer.assignment();
    consumer.subscription().iter().any(|name| &**name == topic)
        || assigned.iter().any(|partition| &*partition.topic == topic)
}

/// [`Handlers`] of typed records; made by [`Handlers::typed`].
#[derive(Clone)]
#[must_use = "say what is to be done for each record"]
pub struct TypedHandlers<K, V> {
    handlers: Handlers,
    decoder: Decoder<K, V>,
}

impl<K, V> TypedHandlers<K, V> {
    /// As [`Handlers::for_each_per_key`]; a record is decoded anew for each attempt.
    ///
    /// # Errors
    /// As [`Handlers::for_each_per_key`].
    ///
    /// # Cancel safety
    /// Either the runner is there or nothing was begun; the future never waits.
    pub async fn for_each_per_key<F, Fut, E>(
        self,
        concurrency: usize,
        handler: F,
    ) -> Result<Runner<impl Handler<Error = E, Running = Fut> + use<K, V, F, Fut, E>>, Error>
    where
        F: Fn(TypedConsumerRecord<K, V>) -> Fut,
        Fut: Future<Output = Result<(), E>>,
        E: Into<Failure>,
    {
        let Self { handlers, decoder } = self;
        handlers.start(Some(concurrency), Typed { decoder, call: handler }).await
    }

    /// As [`Handlers::for_each_per_partition`]; a record is decoded anew for each attempt.
    ///
    /// # Errors
    /// As [`Handlers::for_each_per_key`].
    ///
    /// # Cancel safety
    /// Either the runner is there or nothing was begun; the future never waits.
    pub async fn for_each_per_partition<F, Fut, E>(
        self,
        handler: F,
    ) -> Result<Runner<impl Handler<Error = E, Running = Fut> + use<K, V, F, Fut, E>>, Error>
    where
        F: Fn(TypedConsumerRecord<K, V>) -> Fut,
        Fut: Future<Output = Result<(), E>>,
        E: Into<Failure>,
    {
        let Self { handlers, decoder } = self;
        handlers.start(None, Typed { decoder, call: handler }).await
    }
}

impl fmt::Debug for Handlers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let letters = self.letters.as_ref().map(|letters| &letters.topic);
        f.debug_struct("Handlers").field("dead_letters", &letters).finish_non_exhaustive()
    }
}

impl<K, V> fmt::Debug for TypedHandlers<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TypedHandlers").field("handlers", &self.handlers).finish_non_exhaustive()
    }
}
