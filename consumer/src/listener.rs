//! Callbacks for changes of the assignment.
use std::error::Error as StdError;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use courant_protocol::types::TopicPartition;

use crate::consumer::Consumer;

/// What a listener fails with: any error; the poll that called it returns it with
/// [`ErrorKind::Listener`](crate::ErrorKind::Listener).
pub type ListenerError = Box<dyn StdError + Send + Sync>;

/// Hears of changes of the assignment (Java's `ConsumerRebalanceListener`, KIP-429).
///
/// Its functions run inside [`Consumer::poll`], a stream, [`Consumer::unsubscribe`] or [`Consumer::close`], in the task
/// that called it, one at a time. They may await whatever they like: heartbeats go on meanwhile, and no lock is held. Each
/// is given the consumer, to commit, seek or pause with. If the poll is dropped while one runs, the next poll goes on
/// with it.
pub trait RebalanceListener: Send + Sync + 'static {
    /// These partitions are now this member's as well, perhaps none. No record of them was handed out yet.
    ///
    /// # Errors
    /// Whatever the application wants the poll to return.
    fn assigned(
        &self,
        consumer: &Consumer,
        partitions: &[TopicPartition],
    ) -> impl Future<Output = Result<(), ListenerError>> + Send {
        let _ = (consumer, partitions);
        async { Ok(()) }
    }

    /// These partitions will go to other members once this returns; until then offsets can be committed for them.
    ///
    /// # Errors
    /// Whatever the application wants the poll to return; the partitions are given up nevertheless.
    fn revoked(
        &self,
        consumer: &Consumer,
        partitions: &[TopicPartition],
    ) -> impl Future<Output = Result<(), ListenerError>> + Send {
        let _ = (consumer, partitions);
        async { Ok(()) }
    }

    /// These partitions are gone, and nothing can be committed for them. Unlike Java's default this does not call
    /// [`Self::revoked`].
    ///
    /// # Errors
    /// Whatever the application wants the poll to return.
    fn lost(
        &self,
        consumer: &Consumer,
        partitions: &[TopicPartition],
    ) -> impl Future<Output = Result<(), ListenerError>> + Send {
        let _ = (consumer, partitions);
        async { Ok(()) }
    }
}

/// What changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    Assigned,
    Revoked,
    Lost,
}

/// A call of a listener that runs on its own: it owns all it needs.
pub(crate) type Calling = Pin<Box<dyn Future<Output = Result<(), ListenerError>> + Send>>;

/// A listener whose type nobody needs to know.
pub(crate) trait Listen: Send + Sync {
    fn call(self: Arc<Self>, consumer: Consumer, change: Change, partitions: Vec<TopicPartition>) -> Calling;
}

impl<L: RebalanceListener> Listen for L {
    fn call(self: Arc<Self>, consumer: Consumer, change: Change, partitions: Vec<TopicPartition>) -> Calling {
        Box::pin(async move {
            match change {
                Change::Assigned => self.assigned(&consumer, &partitions).await,
                Change::Revoked => self.revoked(&consumer, &partitions).await,
                Change::Lost => self.lost(&consumer, &partitions).await,
            }
        })
    }
}
