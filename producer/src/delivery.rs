//! The future of one record: its batch's completion, and its place in it.
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use courant_client::Error;
use courant_protocol::types::{TopicPartition, UnixMillis};

use crate::append::{Appended, Completion, Delivered};
use crate::{RecordMetadata, SendError};

/// Tells where a record was written, or why not.
///
/// Dropping it changes nothing for the record, which is on its way. It may be awaited long after the fact, and in any
/// order with others. Making one costs a reference count and no allocation, as all records of a batch share one
/// completion.
///
/// # Errors
/// [`SendError`] without the record, which was accepted and is encoded by now.
///
/// # Cancel safety
/// Cancel safe: a future that is dropped or polled anew loses nothing.
#[must_use = "only this tells whether the record was written; drop it explicitly if that does not matter"]
pub struct DeliveryFuture {
    completion: Arc<Completion>,
    index: u32,
    timestamp: UnixMillis,
    /// This future's registration among those that wait for the batch.
    waiter: Option<u64>,
}

impl DeliveryFuture {
    pub(crate) fn new(appended: Appended) -> Self {
        let Appended { completion, index, timestamp, .. } = appended;
        Self { completion, index, timestamp, waiter: None }
    }

    /// The result, if it is known already.
    pub fn now(&self) -> Option<Result<RecordMetadata, SendError>> {
        let (mut completion, mut index) = (Arc::clone(&self.completion), self.index);
        loop {
            match completion.now(index)? {
                Delivered::Moved(part, place) => (completion, index) = (part, place),
                delivered => return Some(self.result(delivered)),
            }
        }
    }

    fn result(&self, delivered: Delivered) -> Result<RecordMetadata, SendError> {
        match delivered {
            Delivered::At { offset, log_append_time } => Ok(RecordMetadata {
                topic_partition: TopicPartition {
                    topic: self.completion.topic.clone(),
                    partition: self.completion.partition,
                },
                offset,
                timestamp: log_append_time.unwrap_or(self.timestamp),
            }),
            Delivered::Failed(error) => Err(SendError::accepted(error)),
            Delivered::Moved(..) => {
                let what = "a record was lost when its batch was split";
                Err(SendError::accepted(Error::new(courant_client::ErrorKind::Internal, what)))
            }
        }
    }
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
                Poll::Ready(delivered) => return Poll::Ready(this.result(delivered)),
            }
        }
    }
}

impl Drop for DeliveryFuture {
    fn drop(&mut self) {
        if let Some(waiter) = self.waiter {
            self.completion.forget(waiter);
        }
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
