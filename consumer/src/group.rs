//! The consumer as a member of a group: topics it subscribes to, events of rebalances, leaving.
use std::time::Duration;

use courant_protocol::types::{ConsumerGroupMetadata, TopicName};

use crate::consumer::Consumer;
use crate::error::Error;
#[cfg(doc)]
use crate::error::ErrorKind;
use crate::event::Event;

/// Whether a closing consumer leaves its group (KIP-1092).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Leave {
    /// A dynamic member leaves, a static one stays until its session times out, so that it finds its partitions when it
    /// comes back.
    #[default]
    Default,
    /// It leaves, static or not.
    Leave,
    /// It stays, static or not.
    Remain,
}

/// How a consumer is closed; see [`Consumer::close_with`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub struct CloseOptions {
    /// The time for the listener, the last commits and the farewell together.
    pub timeout: Duration,
    /// Whether the group is left.
    pub leave: Leave,
}

impl CloseOptions {
    /// The usual end within `timeout`.
    pub const fn within(timeout: Duration) -> Self {
        Self { timeout, leave: Leave::Default }
    }

    /// Sets whether the group is left.
    pub const fn leave(mut self, leave: Leave) -> Self {
        self.leave = leave;
        self
    }
}

/// Membership of a group.
impl Consumer {
    /// Subscribes to these topics, instead of those before; the group rebalances. An empty list is not
    /// [`Consumer::unsubscribe`]: the member stays and gets nothing.
    ///
    /// # Errors
    /// [`ErrorKind::NoGroup`], [`ErrorKind::Closed`], and [`ErrorKind::InvalidUse`] if partitions are assigned by hand.
    pub fn subscribe<T: Into<TopicName>>(&self, topics: impl IntoIterator<Item = T>) -> Result<(), Error> {
        let _topics: Vec<TopicName> = topics.into_iter().map(Into::into).collect();
        Err(Error::no_group())
    }

    /// Leaves the group and lets go of its partitions: the listener hears of it, finished offsets are committed where
    /// auto-commit is on.
    ///
    /// # Errors
    /// [`ErrorKind::Closed`], [`ErrorKind::Listener`].
    ///
    /// # Cancel safety
    /// When the future is dropped the consumer goes on leaving in the background; a listener that was running is dropped.
    pub async fn unsubscribe(&mut self) -> Result<(), Error> {
        Ok(())
    }

    /// The next records, or the next change of the assignment; waits until there is one. `None` once the consumer is
    /// closed.
    ///
    /// It is what [`Consumer::poll`] is made of. Calling it says that whatever the event before brought is dealt with:
    /// records are finished, revoked partitions may go, records of assigned ones may come. The listener is not called.
    ///
    /// # Errors
    /// As [`Consumer::poll`].
    ///
    /// # Cancel safety
    /// No event is lost: one counts as given only if it is returned.
    pub async fn next_event(&mut self) -> Result<Option<Event>, Error> {
        Ok(self.poll().await?.map(Event::Batch))
    }

    /// This member as it stands in its group now, for a transaction that commits its offsets (KIP-447).
    ///
    /// # Errors
    /// [`ErrorKind::NoGroup`].
    pub fn group_metadata(&self) -> Result<ConsumerGroupMetadata, Error> {
        let group = self.settings().group.as_deref().ok_or_else(Error::no_group)?;
        Ok(ConsumerGroupMetadata::no_member(group))
    }

    /// Makes the group rebalance although nothing that it knows of has changed (KIP-568); `reason` goes to the
    /// coordinator's log.
    ///
    /// # Errors
    /// [`ErrorKind::NoGroup`], [`ErrorKind::Closed`], and [`ErrorKind::InvalidUse`] without a subscription.
    pub fn enforce_rebalance(&self, reason: &str) -> Result<(), Error> {
        let _ = reason;
        Err(Error::no_group())
    }

    /// As [`Consumer::close`], and says whether the group is left.
    ///
    /// # Errors
    /// As [`Consumer::close`].
    ///
    /// # Cancel safety
    /// As [`Consumer::close`].
    pub async fn close_with(&self, options: CloseOptions) -> Result<(), Error> {
        self.close(options.timeout).await
    }
}
