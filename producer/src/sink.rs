//! Records into a producer by `futures::Sink`.
use std::collections::VecDeque;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};

use courant_runtime::BoxFuture;
use futures_sink::Sink;

use crate::append::{Claim, Flush};
use crate::{DeliveryFuture, Producer, Record, SendError};

/// A [`Sink`] of records; [`Producer::sink`] makes one.
///
/// It is ready while the record before has been accepted, so that a full buffer holds the sink up, in the order of asking
/// among all who wait for space. Flushing it waits until everything that the producer accepted before is delivered or has
/// failed, and ends lingering, as [`Producer::flush`] does. Closing it flushes, and leaves the producer open.
///
/// Each record that failed is reported once, with its own [`SendError`]: by the next call of any kind, and if there are
/// several, by one call each. The sink may be used on after an error; `send_all` and `forward` stop at the first.
///
/// A sink that is dropped drops the one record that still waits to be accepted; what was accepted is sent.
///
/// ```
/// # let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
/// # runtime.block_on(async {
/// # let cluster = courant_broker_mock::MockCluster::builder().topic("orders", 1).build()?;
/// # let kafka = courant_client::Kafka::builder().bootstrap(cluster.bootstrap()).world(cluster.world()).connect().await?;
/// use courant_producer::{Producer, Record};
/// use futures_util::{SinkExt, StreamExt, stream};
///
/// let producer = Producer::builder(&kafka).start().await?;
/// let orders = stream::iter(0..100).map(|n| Ok(Record::to("orders").value(n.to_string())));
/// orders.forward(producer.sink()).await?; // `forward` closes the sink, which flushes
/// assert_eq!(cluster.log_end("orders", 0), Some(100.into()));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use = "a sink does nothing until records are sent into it"]
pub struct RecordSink {
    producer: Producer,
    /// The record that waits to be accepted.
    entering: Option<BoxFuture<'static, Result<DeliveryFuture, SendError>>>,
    flushing: Option<Flush>,
    failures: Arc<Failures>,
}

/// What was not delivered and not reported yet. It grows no further than what was on its way at the first failure, as
/// nothing is taken while there is something to report.
#[derive(Default)]
struct Failures(Mutex<VecDeque<SendError>>);

impl Failures {
    fn watch(self: &Arc<Self>, delivery: &DeliveryFuture) {
        let failures = Arc::clone(self);
        delivery.watch(move |result| {
            if let Err(failed) = result {
                failures.0.lock().unwrap_or_else(PoisonError::into_inner).push_back(failed);
            }
        });
    }

    fn report(&self) -> Result<(), SendError> {
        match self.0.lock().unwrap_or_else(PoisonError::into_inner).pop_front() {
            Some(failed) => Err(failed),
            None => Ok(()),
        }
    }
}

impl Producer {
    /// A [`Sink`] that sends records with this producer.
    pub fn sink(&self) -> RecordSink {
        RecordSink { producer: self.clone(), entering: None, flushing: None, failures: Arc::default() }
    }
}

impl RecordSink {
    fn poll_entered(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), SendError>> {
        if let Some(entering) = &mut self.entering {
            let entered = ready!(entering.as_mut().poll(cx));
            self.entering = None;
            self.failures.watch(&entered?);
        }
        Poll::Ready(self.failures.report())
    }
}

impl Sink<Record> for RecordSink {
    type Error = SendError;

    fn poll_ready(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), SendError>> {
        self.poll_entered(cx)
    }

    fn start_send(mut self: Pin<&mut Self>, record: Record) -> Result<(), SendError> {
        // It would overtake the one that waits.
        debug_assert!(self.entering.is_none(), "start_send comes after poll_ready");
        let mut claim = Claim::default();
        match self.producer.accept_at_once(&record, &mut claim) {
            Some(delivery) => self.failures.watch(&delivery),
            None => {
                let producer = self.producer.clone();
                self.entering = Some(Box::pin(async move { producer.enqueue_slowly(record, claim).await }));
            }
        }
        Ok(())
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), SendError>> {
        ready!(self.poll_entered(cx))?;
        if self.flushing.is_none() {
            self.flushing =
                Some(self.producer.start_flush().map_err(|error| SendError { error, record: None })?);
        }
        if let Some(flushing) = &mut self.flushing {
            // What failed of others' records is theirs to hear of.
            let _ = ready!(Pin::new(flushing).poll(cx));
        }
        self.flushing = None;
        Poll::Ready(self.failures.report())
    }

    fn poll_close(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), SendError>> {
        self.poll_flush(cx)
    }
}

impl fmt::Debug for RecordSink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RecordSink").field("waits", &self.entering.is_some()).finish_non_exhaustive()
    }
}
