//! The consumer as a member of a group: topics it subscribes to, events of rebalances, leaving.
use std::future::poll_fn;
use std::sync::{Arc, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use courant_protocol::types::{ConsumerGroupMetadata, TopicName};
use courant_runtime::moment_after;

use crate::consumer::{Consumer, late};
use crate::driver::FAREWELL;
use crate::error::Error;
#[cfg(doc)]
use crate::error::ErrorKind;
use crate::listener::Calling;
use crate::machine::group::{Departure, Group};
use crate::machine::pattern::TopicFilter;

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
    /// use courant_consumer::Consumer;
    ///
    /// let mut member = Consumer::builder(&kafka).group("billing").start().await?;
    /// member.subscribe(["orders"])?;
    /// # while member.assignment().is_empty() { tokio::time::timeout(std::time::Duration::from_secs(1), member.poll()).await.ok(); }
    /// assert_eq!(member.assignment().len(), 2);
    /// member.unsubscribe().await?;
    /// assert!(member.assignment().is_empty());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// # })?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn subscribe<T: Into<TopicName>>(&self, topics: impl IntoIterator<Item = T>) -> Result<(), Error> {
        let now = self.backing.now();
        self.command(|reading| reading.subscribe(now, topics.into_iter().map(Into::into).collect()))
    }

    /// Subscribes to all topics whose names pass the filter, instead of those before. They are looked for at once, and again
    /// every `metadata.max.age.ms`: topics that come later are found. Kafka's own are left out unless
    /// `exclude.internal.topics` says otherwise. The filter has to be quick; it must not call the consumer.
    ///
    /// # Errors
    /// As [`Consumer::subscribe`].
    pub fn subscribe_matching(
        &self,
        filter: impl Fn(&str) -> bool + Send + Sync + 'static,
    ) -> Result<(), Error> {
        let now = self.backing.now();
        self.command(|reading| reading.subscribe_matching(now, TopicFilter(Arc::new(filter))))
    }

    /// The topics that are subscribed to.
    pub fn subscription(&self) -> Vec<TopicName> {
        let reading = self.shared.reading();
        reading.group.iter().flat_map(|group| group.topics.iter().flatten().cloned()).collect()
    }

    /// Leaves the group and lets go of its partitions: the listener hears of it, and finished offsets are committed where
    /// auto-commit is on. Takes at most `default.api.timeout.ms`. Without a subscription it does nothing.
    ///
    /// # Errors
    /// [`ErrorKind::Closed`], [`ErrorKind::Listener`], or a timeout; the group is left nevertheless.
    ///
    /// # Cancel safety
    /// When the future is dropped the consumer goes on leaving in the background; a listener that was running is dropped.
    pub async fn unsubscribe(&mut self) -> Result<(), Error> {
        self.command(|_| Ok(()))?;
        self.begin_poll();
        let departure = Departure {
            farewell: self.is_dynamic(),
            reason: "the consumer unsubscribed from all topics",
            deadline: self.deadline(),
        };
        let leaving = Leaving { consumer: self, end: End::Unsubscribe(departure) };
        let told = self.tell_of_departure(departure.deadline).await;
        drop(leaving);
        let left = poll_fn(|cx| {
            self.shared
                .poll_until(cx, |reading| (reading.is_closed() || reading.has_departed()).then_some(()))
        });
        self.backing.before(departure.deadline, left, || late("the group was not left in time")).await?;
        told
    }

    /// This member as it stands in its group now, for a transaction that commits its offsets (KIP-447).
    ///
    /// # Errors
    /// [`ErrorKind::NoGroup`].
    pub fn group_metadata(&self) -> Result<ConsumerGroupMetadata, Error> {
        let group = self.settings.group.as_deref().ok_or_else(Error::no_group)?;
        let member = self.shared.reading().group.as_ref().map(Group::metadata);
        Ok(member.unwrap_or_else(|| ConsumerGroupMetadata::no_member(group)))
    }

    /// Makes the group rebalance although nothing that it knows of has changed (KIP-568); `reason` goes to the
    /// coordinator's log.
    ///
    /// # Errors
    /// [`ErrorKind::NoGroup`], [`ErrorKind::Closed`], and [`ErrorKind::InvalidUse`] without a subscription.
    pub fn enforce_rebalance(&self, reason: &str) -> Result<(), Error> {
        self.command(|reading| reading.enforce_rebalance(reason))
    }

    /// As [`Consumer::close`], and says whether the group is left.
    ///
    /// # Errors
    /// As [`Consumer::close`].
    ///
    /// # Cancel safety
    /// As [`Consumer::close`].
    pub async fn close_with(&self, options: CloseOptions) -> Result<(), Error> {
        let now = self.backing.now();
        let deadline = moment_after(now, options.timeout);
        let farewell = match options.leave {
            Leave::Default => self.leaves_by_default(),
            Leave::Leave => true,
            Leave::Remain => false,
        };
        // What comes before the farewell leaves time for it.
        let is_member = self.shared.reading().group.as_ref().is_some_and(Group::is_subscribed);
        let says_goodbye = farewell && is_member;
        let spared = if says_goodbye { FAREWELL.min(options.timeout / 8) } else { Duration::ZERO };
        let last = deadline.checked_sub(spared).unwrap_or(deadline);
        let leaving = Leaving { consumer: self, end: End::Close { deadline: last, farewell } };
        if self.is_for_listener {
            // Its own end would be waited for.
            return Ok(());
        }
        let told = self.tell_of_departure(last).await;
        drop(leaving);
        self.join(deadline).await.and(told)
    }

    /// Whether the end of the consumer is the end of its membership, unless a call says otherwise.
    pub(crate) fn leaves_by_default(&self) -> bool {
        self.is_dynamic() && self.settings.leaves_group
    }

    /// A static member stays in its group, so that it finds its partitions when it comes back (KIP-345).
    fn is_dynamic(&self) -> bool {
        self.settings.group_instance_id.is_none()
    }

    /// Commits what is finished, and lets the listener hear that all partitions go.
    async fn tell_of_departure(&self, deadline: Instant) -> Result<(), Error> {
        let begun = self.calling().take();
        let earlier = match begun {
            Some(calling) => self.hear_out(calling, deadline).await,
            None => Ok(()),
        };
        let going = {
            let mut reading = self.shared.reading();
            if reading.is_closed() {
                return earlier;
            }
            reading.begin_departure(deadline)
        };
        self.shared.kick_driver();
        let (Some((change, partitions)), Some(listener)) = (going, &self.listener) else { return earlier };
        let calling = Arc::clone(listener).call(self.for_listener(), change, partitions);
        earlier.and(self.hear_out(calling, deadline).await)
    }

    async fn hear_out(&self, calling: Calling, deadline: Instant) -> Result<(), Error> {
        let late = || late("the rebalance listener did not end in time");
        self.backing.before(deadline, calling, late).await?.map_err(Error::listener)
    }

    fn calling(&self) -> MutexGuard<'_, Option<Calling>> {
        self.calling.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What follows when the listener has heard that its partitions go.
#[derive(Clone, Copy)]
enum End {
    Unsubscribe(Departure),
    Close { deadline: Instant, farewell: bool },
}

/// A farewell that goes on when the future that began it is dropped.
struct Leaving<'a> {
    consumer: &'a Consumer,
    end: End,
}

impl Drop for Leaving<'_> {
    fn drop(&mut self) {
        let mut reading = self.consumer.shared.reading();
        match self.end {
            End::Unsubscribe(departure) => {
                let owned = reading.owned();
                reading.commit_acknowledged(&owned, departure.deadline);
                reading.depart_by(departure);
            }
            End::Close { deadline, farewell } => reading.close(deadline, farewell),
        }
        drop(reading);
        self.consumer.shared.kick_driver();
        self.consumer.shared.wake_application();
    }
}
