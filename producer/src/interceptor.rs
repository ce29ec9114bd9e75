//! Interceptors: code of the application's that sees each record before it is sent, and what became of it (KIP-42).
use std::borrow::Cow;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use courant_client::{Error, ErrorKind};

use crate::{DeliveryFuture, Record, RecordMetadata, RecordTopic};

/// Sees every record before it is partitioned and encoded, and hears of its outcome.
///
/// [`ProducerBuilder::interceptor`](crate::ProducerBuilder::interceptor) adds one; several are called in the order in
/// which they were added, each with what the one before has made of the record. A [`TypedProducer`](crate::TypedProducer)
/// encodes first, so that interceptors see bytes.
///
/// For every record that [`on_send`](Self::on_send) has seen, [`on_acknowledgement`](Self::on_acknowledgement) is called
/// once: when it was written, when it was given up, when it was not accepted in the first place, and when the future that
/// waited for its acceptance was dropped.
///
/// An interceptor that panics does not harm the producer: its change to the record is taken back, the panic is logged, and
/// the others are called as if it were not there.
///
/// ```
/// # let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
/// # runtime.block_on(async {
/// # let cluster = courant_broker_mock::MockCluster::builder().topic("orders", 3).build()?;
/// # let kafka = courant_client::Kafka::builder().bootstrap(cluster.bootstrap()).world(cluster.world()).connect().await?;
/// use courant_producer::{Acknowledgement, Interceptor, Producer, Record};
/// use std::sync::Arc;
/// use std::sync::atomic::{AtomicUsize, Ordering};
///
/// /// Names the sender in a header, and counts what was written.
/// #[derive(Default)]
/// struct Signed(AtomicUsize);
///
/// impl Interceptor for Signed {
///     fn on_send(&self, record: &mut Record) {
///         record.headers.push(("sent-by".into(), Some("billing".into())));
///     }
///
///     fn on_acknowledgement(&self, acknowledgement: &Acknowledgement<'_>) {
///         self.0.fetch_add(usize::from(acknowledgement.result.is_ok()), Ordering::Relaxed);
///     }
/// }
///
/// let signed = Arc::new(Signed::default());
/// let producer = Producer::builder(&kafka).interceptor(Arc::clone(&signed)).start().await?;
/// producer.send(Record::to("orders").value("two coffees")).await?;
/// assert_eq!(signed.0.load(Ordering::Relaxed), 1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub trait Interceptor: Send + Sync + 'static {
    /// May look at a record and change it, before a partition is found for it. It runs in the task that sends, once for
    /// each record, and should be quick.
    fn on_send(&self, record: &mut Record) {
        let _ = record;
    }

    /// Hears what became of a record. For what was accepted it mostly runs in the producer's driver, for the records of a
    /// batch one after the other: it must not block, as every partition would wait for it.
    fn on_acknowledgement(&self, acknowledgement: &Acknowledgement<'_>) {
        let _ = acknowledgement;
    }
}

impl<I: Interceptor + ?Sized> Interceptor for Arc<I> {
    fn on_send(&self, record: &mut Record) {
        (**self).on_send(record);
    }

    fn on_acknowledgement(&self, acknowledgement: &Acknowledgement<'_>) {
        (**self).on_acknowledgement(acknowledgement);
    }
}

/// What became of one record, as an [`Interceptor`] is told it.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Acknowledgement<'a> {
    /// The topic that the record went to.
    pub topic: &'a str,
    /// The record's headers, after all interceptors (KIP-512).
    pub headers: &'a [(Cow<'static, str>, Option<Bytes>)],
    /// Where it was written, or why not.
    pub result: Result<&'a RecordMetadata, &'a Error>,
}

/// The interceptors of one producer, in their order.
pub(crate) struct Interceptors {
    all: Vec<Box<dyn Interceptor>>,
    panics: AtomicU64,
}

impl Interceptors {
    /// None if there is none, so that nothing is done for a record then.
    pub(crate) fn new(all: Vec<Box<dyn Interceptor>>) -> Option<Arc<Self>> {
        (!all.is_empty()).then(|| Arc::new(Self { all, panics: AtomicU64::new(0) }))
    }

    /// Lets all of them see and change the record. What comes back is told the outcome, or tells that there is none.
    pub(crate) fn on_send(self: &Arc<Self>, record: &mut Record) -> Intercepted {
        for interceptor in &self.all {
            let before = record.clone();
            if self.guard(|| interceptor.on_send(record)) {
                *record = before;
            }
        }
        let (topic, headers) = (record.topic.clone(), record.headers.clone());
        Intercepted(Some(Seen { interceptors: Arc::clone(self), topic, headers }))
    }

    /// Whether it panicked.
    fn guard(&self, call: impl FnOnce()) -> bool {
        let panicked = catch_unwind(AssertUnwindSafe(call)).is_err();
        if panicked && self.panics.fetch_add(1, Ordering::Relaxed).is_power_of_two() {
            let panics = self.panics.load(Ordering::Relaxed);
            tracing::error!(target: "courant::producer", panics, "an interceptor panicked, and was passed over");
        }
        panicked
    }
}

impl fmt::Debug for Interceptors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Interceptors").field("count", &self.all.len()).finish_non_exhaustive()
    }
}

/// A record that interceptors have seen and whose outcome they have not heard. Dropped, it tells them that the record was
/// not accepted because nobody waited for it any more.
pub(crate) struct Intercepted(Option<Seen>);

struct Seen {
    interceptors: Arc<Interceptors>,
    topic: RecordTopic,
    headers: Vec<(Cow<'static, str>, Option<Bytes>)>,
}

impl Intercepted {
    /// The record was accepted: its outcome comes with the delivery's.
    pub(crate) fn accepted(mut self, delivery: &DeliveryFuture) {
        if let Some(seen) = self.0.take() {
            delivery.watch(move |result| seen.tell(result.as_ref().map_err(|failed| &failed.error)));
        }
    }

    /// The record was not accepted.
    pub(crate) fn refused(mut self, error: &Error) {
        if let Some(seen) = self.0.take() {
            seen.tell(Err(error));
        }
    }
}

impl Drop for Intercepted {
    fn drop(&mut self) {
        if let Some(seen) = self.0.take() {
            let what = "the record was not accepted before its future was dropped";
            let error = Error::new(ErrorKind::Cancelled, what).at_topic(seen.topic.as_str());
            seen.tell(Err(&error));
        }
    }
}

impl Seen {
    fn tell(&self, result: Result<&RecordMetadata, &Error>) {
        let told = Acknowledgement { topic: self.topic.as_str(), headers: &self.headers, result };
        for interceptor in &self.interceptors.all {
            self.interceptors.guard(|| interceptor.on_acknowledgement(&told));
        }
    }
}
