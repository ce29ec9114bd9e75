//! The future of one record: its batch's completion, and its place in it.
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use courant_client::Error;
use courant_protocol::types::{TopicPartition, UnixMillis};

use crate::append::{Appended, Completion, Delivered, Undelivered, Waiter, Watcher};
use crate::{Record, RecordMetadata, SendError};

/// Tells where a record was written, or why not.
///
/// Dropping it changes nothing for the record, which is on its way. It may be awaited long after the fact, and in any
/// order with others. Making one costs a reference count and no allocation, as all records of a batch share one
/// completion.
///
/// # Errors
/// [`SendError`] with the record, read back from its batch, if it is certain that it is in no log; without it if that is
/// not certain ([`SendError::possibly_written`]).
///
/// # Cancel safety
/// Cancel safe: a future that is dropped or polled anew loses nothing.
#[must_use = "only this tells whether the record was written; drop it explicitly if that does not matter"]
pub struct DeliveryFuture {
    completion: Arc<Completion>,
    timestamp: UnixMillis,
    index: u32,
    /// This future's registration among those that wait for the batch.
    waiter: Waiter,
}

impl DeliveryFuture {
    #[inline]
    pub(crate) fn new(appended: Appended) -> Self {
        let Appended { completion, index, timestamp, .. } = appended;
        Self { completion, timestamp, index, waiter: Waiter::default() }
    }

    /// The result, if it is known already.
    pub fn now(&self) -> Option<Result<RecordMetadata, SendError>> {
        let (mut completion, mut index) = (Arc::clone(&self.completion), self.index);
        loop {
            match completion.now(index)? {
                Delivered::Moved(part, place) => (completion, index) = (part, place),
                delivered => return Some(result(&completion, delivered, index, self.timestamp)),
            }
        }
    }

    /// The time that the record was given.
    pub(crate) fn timestamp(&self) -> UnixMillis {
        self.timestamp
    }

    /// Whether this record stands so many places behind `first`, in the same batch.
    pub(crate) fn comes_after(&self, first: &Self, places: usize) -> bool {
        Arc::ptr_eq(&self.completion, &first.completion)
            && self.index as usize == first.index as usize + places
    }

    /// The delivery of the record that stands so many places behind this one, in the same batch.
    pub(crate) fn neighbour(&self, places: u32, timestamp: UnixMillis) -> Self {
        let completion = Arc::clone(&self.completion);
        Self { completion, timestamp, index: self.index + places, waiter: Waiter::default() }
    }

    /// Has the outcome told without anybody awaiting it: by the driver, or at once if it is known.
    pub(crate) fn watch(&self, told: impl FnOnce(Result<RecordMetadata, SendError>) + Send + 'static) {
        let timestamp = self.timestamp;
        let watcher: Watcher = Box::new(move |completion, index| {
            if let Some(delivered) = completion.now(index) {
                told(result(completion, delivered, index, timestamp));
            }
        });
        self.completion.watch(self.index, watcher);
    }
}

/// The outcome of the record at `index` of the batch that had it.
#[inline(always)]
fn result(
    completion: &Completion,
    delivered: Delivered,
    index: u32,
    timestamp: UnixMillis,
) -> Result<RecordMetadata, SendError> {
    match delivered {
        Delivered::At { offset, log_append_time } => Ok(RecordMetadata {
            topic_partition: TopicPartition {
                topic: completion.topic.clone(),
                partition: completion.partition,
            },
            offset,
            timestamp: log_append_time.unwrap_or(timestamp),
        }),
        Delivered::Failed { error, undelivered } => {
            let record = undelivered.and_then(|undelivered| give_back(completion, index, &undelivered));
            Err(SendError { error, record })
        }
        Delivered::Moved(..) => {
            let what = "a record was lost when its batch was split";
            Err(SendError { error: Error::new(courant_client::ErrorKind::Internal, what), record: None })
        }
    }
}

/// The record as it was encoded, bound for the partition and the time that it was given.
#[cold]
fn give_back(completion: &Completion, index: u32, undelivered: &Undelivered) -> Option<Box<Record>> {
    let (batch, read) = undelivered.record(index)?;
    let mut record = Record::to(&completion.topic).partition(completion.partition);
    record.timestamp = Some(read.timestamp);
    record.key = read.key.map(|key| batch.share(key));
    record.value = read.value.map(|value| batch.share(value));
    let headers = read.headers().map(|header| {
        let name = String::from_utf8_lossy(header.key).into_owned();
        (name.into(), header.value.map(Bytes::copy_from_slice))
    });
    record.headers = headers.collect();
    Some(Box::new(record))
}

impl Future for DeliveryFuture {
    type Output = Result<RecordMetadata, SendError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        loop {
            match this.completion.poll_record(cx, this.index, &mut this.waiter) {
                Poll::Pending => return Poll::Pending,
                // The batch was split; its part has another completion, for which nobody waits yet.
                Poll::Ready(Delivered::Moved(part, index)) => (this.completion, this.index) = (part, index),
                Poll::Ready(delivered) => {
                    return Poll::Ready(result(&this.completion, delivered, this.index, this.timestamp));
                }
            }
        }
    }
}

impl Drop for DeliveryFuture {
    fn drop(&mut self) {
        self.completion.forget(&mut self.waiter);
    }
}

impl fmt::Debug for DeliveryFuture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DeliveryFuture")
            .field("topic", &self.completion.topic)
            .field("partition", &self.completion.partition)
            .field("index", &self.index)
            .finish_non_exhaustive()
    }
}
