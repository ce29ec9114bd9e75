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
///
/// ```
/// # let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build()?;
/// # runtime.block_on(async {
/// # let mock = courant_broker_mock::MockCluster::builder().brokers(3).topic("orders", 2).build()?;
/// # let mut writer = courant_protocol::record::BatchWriter::new(Default::default(), Default::default());
/// # writer.append(7.into(), Some(b"42"), Some(b"open"), courant_protocol::record::NO_HEADERS)?;
/// # writer.append(8.into(), Some(b"42"), Some(b"paid"), courant_protocol::record::NO_HEADERS)?;
/// # let sealed = writer.seal(Default::default(), None, &mut Default::default())?;
/// # mock.append_raw("orders", 0, sealed.to_bytes(&Default::default()))?;
/// # let kafka = courant_client::Kafka::builder().bootstrap(mock.bootstrap()).world(mock.world()).connect().await?;
/// use courant_consumer::{Consumer, ListenerError, RebalanceListener};
/// use courant_protocol::types::TopicPartition;
///
/// struct FromMyDatabase;
///
/// impl RebalanceListener for FromMyDatabase {
///     async fn assigned(&self, consumer: &Consumer, partitions: &[TopicPartition]) -> Result<(), ListenerError> {
///         for partition in partitions {
///             // Ask the database, which may take its time, and go on where it is.
///             consumer.seek(partition.clone(), 1)?;
///         }
///         Ok(())
///     }
/// }
///
/// let mut orders = Consumer::builder(&kafka)
///     .group("billing")
///     .subscribe(["orders"])
///     .rebalance_listener(FromMyDatabase)
///     .start()
///     .await?;
/// let batch = orders.poll().await?.ok_or("the consumer is open")?;
/// assert_eq!(batch.iter().next().and_then(|record| record.value()), Some(&b"paid"[..]));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
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
