//! Interceptors: code of the application's that sees records before it is handed them, and offsets that were committed (KIP-42).
use std::collections::BTreeMap;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use courant_protocol::types::TopicPartition;

use crate::machine::stretch::Taken;
use crate::offsets::OffsetAndMetadata;
use crate::record::Batch;

/// Sees what a consumer hands out, and hears what was committed.
///
/// [`ConsumerBuilder::interceptor`](crate::ConsumerBuilder::interceptor) adds one; several are called in the order in which
/// they were added, each with what the one before has left. They see bytes: a [`TypedConsumer`](crate::TypedConsumer)
/// decodes afterwards.
///
/// Records are borrowed from what brokers sent, so an interceptor can look at them and leave some out, and not write other
/// ones; what is to be changed about a record is a matter of the [`Codec`](courant_client::codec::Codec) that reads it,
/// which is shown its bytes and headers.
///
/// An interceptor that panics does not harm the consumer: what it left out is put back, the panic is logged, and the others
/// are called as if it were not there.
///
/// ```
/// # let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
/// # runtime.block_on(async {
/// # let mock = courant_broker_mock::MockCluster::builder().brokers(3).topic("orders", 2).build()?;
/// # let mut writer = courant_protocol::record::BatchWriter::new(Default::default(), Default::default());
/// # writer.append(7.into(), Some(b"42"), Some(b"open"), [("test", Some(&b"yes"[..]))])?;
/// # writer.append(8.into(), Some(b"42"), Some(b"paid"), courant_protocol::record::NO_HEADERS)?;
/// # let sealed = writer.seal(Default::default(), None, &mut Default::default())?;
/// # mock.append_raw("orders", 0, sealed.to_bytes(&Default::default()))?;
/// # let kafka = courant_client::Kafka::builder().bootstrap(mock.bootstrap()).world(mock.world()).connect().await?;
/// use courant_consumer::{Batch, Consumer, ConsumerInterceptor};
///
/// /// Keeps records of tests from the application.
/// struct NoTests;
///
/// impl ConsumerInterceptor for NoTests {
///     fn on_consume(&self, records: &mut Batch) {
///         records.retain(|record| record.last_header("test").is_none());
///     }
/// }
///
/// let mut orders = Consumer::builder(&kafka)
///     .assign([("orders", 0)])
///     .auto_offset_reset("earliest")
///     .interceptor(NoTests)
///     .start()
///     .await?;
/// let batch = orders.poll().await?.ok_or("the consumer is open")?;
/// assert_eq!(batch.iter().map(|record| record.offset().0).collect::<Vec<_>>(), [1]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub trait ConsumerInterceptor: Send + Sync + 'static {
    /// Sees the records of a poll, and may leave some out with [`Batch::retain`]. They count as handed out nevertheless:
    /// positions and commits pass them. Where none is left the poll waits for the next ones.
    ///
    /// It runs in the task that polls, once for every record but those that a stream gave back, which are seen again, and
    /// should be quick.
    fn on_consume(&self, records: &mut Batch) {
        let _ = records;
    }

    /// Hears of offsets that the coordinator has taken, of a commit by hand or by time; of those of a transaction it does
    /// not hear. It runs in the consumer's driver and must not block, as everything would wait for it.
    fn on_commit(&self, offsets: &BTreeMap<TopicPartition, OffsetAndMetadata>) {
        let _ = offsets;
    }

    /// The consumer has come to its end: nothing more will be told. It runs once, in the consumer's driver.
    fn close(&self) {}
}

impl<I: ConsumerInterceptor + ?Sized> ConsumerInterceptor for Arc<I> {
    fn on_consume(&self, records: &mut Batch) {
        (**self).on_consume(records);
    }

    fn on_commit(&self, offsets: &BTreeMap<TopicPartition, OffsetAndMetadata>) {
        (**self).on_commit(offsets);
    }

    fn close(&self) {
        (**self).close();
    }
}

/// The interceptors of one consumer, in their order.
pub(crate) struct Interceptors {
    all: Vec<Arc<dyn ConsumerInterceptor>>,
    panics: AtomicU64,
}

impl Interceptors {
    /// None if there is none, so that a poll does nothing for them.
    pub(crate) fn new(all: Vec<Arc<dyn ConsumerInterceptor>>) -> Option<Self> {
        (!all.is_empty()).then(|| Self { all, panics: AtomicU64::new(0) })
    }

    /// Lets all of them see what is to be handed out, and leave records out.
    pub(crate) fn on_consume(&self, taken: &mut Taken) {
        for interceptor in &self.all {
            // Without a receipt: that an interceptor has gone through it does not say that the application has.
            let mut batch = Batch::new(taken.slices.clone(), taken.records, None);
            if !self.guard(|| interceptor.on_consume(&mut batch)) {
                batch.hand_back(taken);
            }
            if taken.records == 0 {
                break;
            }
        }
    }

    pub(crate) fn on_commit(&self, offsets: &BTreeMap<TopicPartition, OffsetAndMetadata>) {
        for interceptor in &self.all {
            self.guard(|| interceptor.on_commit(offsets));
        }
    }

    pub(crate) fn close(&self) {
        for interceptor in &self.all {
            self.guard(|| interceptor.close());
        }
    }

    /// Whether it panicked.
    fn guard(&self, call: impl FnOnce()) -> bool {
        let panicked = catch_unwind(AssertUnwindSafe(call)).is_err();
        if panicked && self.panics.fetch_add(1, Ordering::Relaxed).is_power_of_two() {
            let panics = self.panics.load(Ordering::Relaxed);
            tracing::error!(target: "courant::consumer", panics, "an interceptor panicked, and was passed over");
        }
        panicked
    }
}

impl fmt::Debug for Interceptors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Interceptors").field("count", &self.all.len()).finish_non_exhaustive()
    }
}
