//! The handle of a consumer: what applications hold.
use std::collections::BTreeMap;
use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use courant_client::Kafka;
use courant_client::config::CommonSettings;
use courant_protocol::compression::CompressionScratch;
use courant_protocol::types::{Offset, TopicPartition, UnixMillis};
use courant_runtime::{Task, World, moment_after};

use crate::backing::Backing;
use crate::builder::ConsumerBuilder;
use crate::config::ConsumerSettings;
use crate::driver::Driver;
use crate::error::{Error, ErrorKind};
use crate::group::CloseOptions;
use crate::interceptor::Interceptors;
use crate::listener::{Calling, Listen};
use crate::machine::commit::{CommitId, Offsets, Persistence};
use crate::machine::fetcher::FetchLimits;
use crate::machine::group::Group;
use crate::machine::reading::{Reading, ReadingSettings, SeekTo};
use crate::machine::reset::{EARLIEST, LATEST, OffsetReset};
use crate::machine::subscription::SubscriptionSettings;
use crate::offsets::{OffsetAndMetadata, OffsetAndTimestamp};
use crate::shared::Shared;

/// A consumer: records of its partitions, in order within each, fetched in the background from every broker at once.
///
/// Its partitions are those that it is given ([`ConsumerBuilder::assign`]), or those that its group divides among its
/// members ([`ConsumerBuilder::subscribe`]); heartbeats and joins go on in the background, whatever the application does.
///
/// A poll says that whatever earlier polls handed out is finished; what auto-commit commits follows from that, so a batch
/// in hand is never committed behind the application's back. [`Consumer::commit`] commits the batch in hand as well.
/// An application that works on many records at once says of each one when it is finished instead: [`Consumer::acks`].
///
/// ```
/// # let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
/// # runtime.block_on(async {
/// # let mock = courant_broker_mock::MockCluster::builder().brokers(3).topic("orders", 2).build()?;
/// # let mut writer = courant_protocol::record::BatchWriter::new(Default::default(), Default::default());
/// # writer.append(7.into(), Some(b"42"), Some(b"open"), courant_protocol::record::NO_HEADERS)?;
/// # writer.append(8.into(), Some(b"42"), Some(b"paid"), courant_protocol::record::NO_HEADERS)?;
/// # let sealed = writer.seal(Default::default(), None, &mut Default::default())?;
/// # mock.append_raw("orders", 0, sealed.to_bytes(&Default::default()))?;
/// # let kafka = courant_client::Kafka::builder().bootstrap(mock.bootstrap()).world(mock.world()).connect().await?;
/// use courant_consumer::Consumer;
/// use std::time::Duration;
///
/// let mut orders = Consumer::builder(&kafka)
///     .group("billing")
///     .assign([("orders", 0), ("orders", 1)])
///     .auto_offset_reset("earliest")
///     .start()
///     .await?;
/// while let Some(batch) = orders.poll().await? {
///     for record in &batch {
///         println!("{}@{}: {:?}", record.topic_partition(), record.offset(), record.value());
///     }
///     orders.commit().await?;
/// #   break;
/// }
/// orders.close(Duration::from_secs(5)).await?;
/// # assert_eq!(mock.committed("billing", "orders", 0), Some(2.into()));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// Dropping a consumer waits for nothing and commits nothing more: what was not committed is read again. In the background,
/// while its runtime lives, it leaves its group, so that the others need not wait until its session times out. Its listener
/// hears nothing. [`Consumer::close`] commits what is finished, tells the listener, and says how it went.
pub struct Consumer {
    pub(crate) shared: Arc<Shared>,
    pub(crate) backing: Backing,
    pub(crate) settings: Arc<ConsumerSettings>,
    /// Contexts and buffers of the codecs: batches are decompressed by the task that polls.
    pub(crate) scratch: CompressionScratch,
    driver: Arc<Mutex<Option<Task>>>,
    pub(crate) listener: Option<Arc<dyn Listen>>,
    /// The call of the listener that is under way; whoever polls next goes on with it.
    pub(crate) calling: Mutex<Option<Calling>>,
    /// What a listener is given is the same consumer, but not its end.
    pub(crate) is_for_listener: bool,
}

/// Who hears of records beside the application, and what finishes them.
pub(crate) struct Finishing {
    pub(crate) interceptors: Option<Interceptors>,
    pub(crate) acknowledges: bool,
}

impl Consumer {
    /// Starts the settings of a consumer.
    pub fn builder(kafka: &Kafka) -> ConsumerBuilder {
        ConsumerBuilder::new(Backing::Cluster(kafka.clone()))
    }

    /// The world that it runs in, for what works beside it: its clock and its timers. That of a mock consumer has the
    /// runtime's clock, by which nothing of the mock happens.
    pub fn world(&self) -> World {
        self.backing.world()
    }

    pub(crate) fn spawn(
        backing: Backing,
        settings: ConsumerSettings,
        assignment: Vec<TopicPartition>,
        group: Option<Group>,
        listener: Option<Arc<dyn Listen>>,
        finishing: Finishing,
    ) -> Self {
        let Finishing { interceptors, acknowledges } = finishing;
        let reading_settings = reading_settings(backing.settings(), &settings, acknowledges);
        let mut reading = Reading::new(backing.now(), reading_settings);
        reading.assign(assignment);
        reading.group = group;
        let (shared, settings) = (Shared::new(reading, interceptors), Arc::new(settings));
        let (shared, task) = match &backing {
            Backing::Cluster(kafka) => {
                let shared = Arc::new(shared);
                let driver = Driver::new(Arc::clone(&shared), kafka.clone(), Arc::clone(&settings));
                (shared, Some(kafka.world().spawn("courant-consumer", driver.run())))
            }
            #[cfg(feature = "mock")]
            Backing::Script(script) => (script.attach(shared), None),
        };
        Self {
            shared,
            backing,
            settings,
            scratch: CompressionScratch::new(),
            driver: Arc::new(Mutex::new(task)),
            listener,
            calling: Mutex::new(None),
            is_for_listener: false,
        }
    }

    /// The same consumer for a listener to work with.
    pub(crate) fn for_listener(&self) -> Self {
        Self {
            shared: Arc::clone(&self.shared),
            backing: self.backing.clone(),
            settings: Arc::clone(&self.settings),
            scratch: CompressionScratch::new(),
            driver: Arc::clone(&self.driver),
            listener: None,
            calling: Mutex::new(None),
            is_for_listener: true,
        }
    }
}

/// Which partitions, and where.
impl Consumer {
    /// Replaces the assignment. Partitions that stay go on where they are; what was fetched of the others is dropped.
    ///
    /// # Errors
    /// [`ErrorKind::Closed`], and [`ErrorKind::InvalidUse`] if the group assigns the partitions.
    pub fn assign<P: Into<TopicPartition>>(
        &self,
        partitions: impl IntoIterator<Item = P>,
    ) -> Result<(), Error> {
        self.command(|reading| {
            if reading.group.as_ref().is_some_and(Group::is_subscribed) {
                return Err(Error::mixed_assignment());
            }
            reading.assign(partitions.into_iter().map(Into::into).collect());
            Ok(())
        })
    }

    /// The assigned partitions.
    pub fn assignment(&self) -> Vec<TopicPartition> {
        self.shared.reading().subscription.iter().map(|(partition, _)| partition.clone()).collect()
    }

    /// The assigned partitions that are paused.
    pub fn paused(&self) -> Vec<TopicPartition> {
        let reading = self.shared.reading();
        reading
            .subscription
            .iter()
            .filter(|(_, state)| state.paused)
            .map(|(partition, _)| partition.clone())
            .collect()
    }

    /// Goes on at another offset. What was fetched of the partition is dropped; so is a reset that is under way.
    ///
    /// With an [`OffsetAndMetadata`] that carries a leader epoch the leader is first asked whether its log still holds what
    /// came before (KIP-320).
    ///
    /// # Errors
    /// [`ErrorKind::NotAssigned`], [`ErrorKind::Closed`], and [`ErrorKind::InvalidUse`] for a negative offset.
    ///
    /// ```
    /// # let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    /// # runtime.block_on(async {
    /// # let mock = courant_broker_mock::MockCluster::builder().brokers(3).topic("orders", 2).build()?;
    /// # let mut writer = courant_protocol::record::BatchWriter::new(Default::default(), Default::default());
    /// # writer.append(7.into(), Some(b"42"), Some(b"open"), courant_protocol::record::NO_HEADERS)?;
    /// # writer.append(8.into(), Some(b"42"), Some(b"paid"), courant_protocol::record::NO_HEADERS)?;
    /// # let sealed = writer.seal(Default::default(), None, &mut Default::default())?;
    /// # mock.append_raw("orders", 0, sealed.to_bytes(&Default::default()))?;
    /// # let kafka = courant_client::Kafka::builder().bootstrap(mock.bootstrap()).world(mock.world()).connect().await?;
    /// # use courant_consumer::Consumer;
    /// let mut orders = Consumer::builder(&kafka).assign([("orders", 0)]).start().await?;
    /// orders.seek(("orders", 0), 1)?;
    /// let batch = orders.poll().await?.ok_or("the consumer is open")?;
    /// assert_eq!(batch.iter().next().and_then(|record| record.value()), Some(&b"paid"[..]));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// # })?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn seek(
        &self,
        partition: impl Into<TopicPartition>,
        to: impl Into<OffsetAndMetadata>,
    ) -> Result<(), Error> {
        let (partition, to) = (partition.into(), to.into());
        if to.offset.0 < 0 {
            return Err(Error::negative_offset(&partition, to.offset));
        }
        self.seek_all([partition], SeekTo::Offset(to))
    }

    /// Goes on at the first record of each partition.
    ///
    /// # Errors
    /// [`ErrorKind::NotAssigned`] and [`ErrorKind::Closed`].
    pub fn seek_to_beginning<P: Into<TopicPartition>>(
        &self,
        partitions: impl IntoIterator<Item = P>,
    ) -> Result<(), Error> {
        self.seek_all(partitions, SeekTo::By(OffsetReset::Earliest))
    }

    /// Goes on with what comes after the last record of each partition.
    ///
    /// # Errors
    /// [`ErrorKind::NotAssigned`] and [`ErrorKind::Closed`].
    pub fn seek_to_end<P: Into<TopicPartition>>(
        &self,
        partitions: impl IntoIterator<Item = P>,
    ) -> Result<(), Error> {
        self.seek_all(partitions, SeekTo::By(OffsetReset::Latest))
    }

    fn seek_all<P: Into<TopicPartition>>(
        &self,
        partitions: impl IntoIterator<Item = P>,
        to: SeekTo,
    ) -> Result<(), Error> {
        self.command(|reading| {
            partitions.into_iter().try_for_each(|partition| reading.seek(&partition.into(), to.clone()))
        })
    }

    /// Goes on behind what stopped a partition: the first offset after a batch that cannot be read, or the last one that two
    /// diverging logs agree on ([`Error::resume_at`]).
    ///
    /// Other than after a seek, what was handed out of the partition before keeps its place where records are acknowledged:
    /// no commit passes it until it is finished.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidUse`] if the error says nothing of where to go on, [`ErrorKind::NotAssigned`] and
    /// [`ErrorKind::Closed`].
    pub fn pass_over(&self, error: &Error) -> Result<(), Error> {
        let (Some(partition), Some(to)) = (error.topic_partition(), error.resume_at()) else {
            let what = "the error does not say where reading could go on";
            return Err(Error::new(ErrorKind::InvalidUse, what).because(error.clone()));
        };
        self.command(|reading| reading.pass_over(partition, to))
    }

    /// Hands out nothing of these partitions until [`Consumer::resume`]. What was fetched of them is kept.
    ///
    /// # Errors
    /// [`ErrorKind::NotAssigned`] and [`ErrorKind::Closed`].
    pub fn pause<P: Into<TopicPartition>>(
        &self,
        partitions: impl IntoIterator<Item = P>,
    ) -> Result<(), Error> {
        self.command(|reading| {
            partitions.into_iter().try_for_each(|partition| reading.pause(&partition.into(), true))
        })
    }

    /// Hands out records of these partitions again.
    ///
    /// # Errors
    /// [`ErrorKind::NotAssigned`] and [`ErrorKind::Closed`].
    pub fn resume<P: Into<TopicPartition>>(
        &self,
        partitions: impl IntoIterator<Item = P>,
    ) -> Result<(), Error> {
        self.command(|reading| {
            partitions.into_iter().try_for_each(|partition| reading.pause(&partition.into(), false))
        })
    }

    pub(crate) fn command<T>(&self, run: impl FnOnce(&mut Reading) -> Result<T, Error>) -> Result<T, Error> {
        let mut reading = self.shared.reading();
        if reading.is_closed() {
            return Err(Error::closed());
        }
        let done = run(&mut reading);
        drop(reading);
        self.shared.kick_driver();
        self.shared.wake_application();
        done
    }

    /// Hands out nothing of a partition for now (`held`), because there is enough of it to work on, or does again. It is kept
    /// apart from [`Consumer::pause`], which is the application's, and ends with the assignment.
    ///
    /// # Errors
    /// [`ErrorKind::NotAssigned`] and [`ErrorKind::Closed`].
    pub fn hold(&self, partition: &TopicPartition, held: bool) -> Result<(), Error> {
        self.command(|reading| reading.hold(partition, held))
    }

    /// The offset of the next record that will be handed out; waits until it is known, up to `default.api.timeout.ms`.
    ///
    /// # Errors
    /// [`ErrorKind::NotAssigned`], [`ErrorKind::Closed`], what stopped the partition, or a timeout.
    ///
    /// # Cancel safety
    /// It changes nothing.
    pub async fn position(&self, partition: impl Into<TopicPartition>) -> Result<Offset, Error> {
        let partition = partition.into();
        let known = poll_fn(|cx| {
            self.shared.poll_until(cx, |reading| match reading.position(&partition) {
                _ if reading.is_closed() => Some(Err(Error::closed())),
                Ok(position) => position.map(|position| Ok(position.offset)),
                Err(error) => Some(Err(error)),
            })
        });
        self.backing
            .before(self.deadline(), known, || late("the position is not known").at(&partition))
            .await?
    }

    /// How many records lie between the position and the end of the partition, by what the last fetch said.
    pub fn current_lag(&self, partition: impl Into<TopicPartition>) -> Option<u64> {
        self.shared.reading().lag(&partition.into())
    }
}

/// Commits.
impl Consumer {
    /// Commits the positions of all partitions: everything handed out so far, the batch in hand included; where records are
    /// acknowledged ([`Consumer::acks`]), of each partition what comes before the first that is not. Tries until
    /// `default.api.timeout.ms`.
    ///
    /// # Errors
    /// [`ErrorKind::NoGroup`], [`ErrorKind::CommitFailed`], missing rights, or the last error when time is up.
    ///
    /// # Cancel safety
    /// A commit that was begun goes on when the future is dropped; commits reach the coordinator in the order of the calls.
    pub async fn commit(&self) -> Result<(), Error> {
        self.begin_commit(self.take_committable(), Persistence::Until(self.deadline()))?.await
    }

    /// Commits these offsets, each that of the next record to read; see [`Record::next_offset`](crate::Record::next_offset).
    ///
    /// # Errors
    /// As [`Consumer::commit`], and [`ErrorKind::InvalidUse`] for a negative offset.
    ///
    /// # Cancel safety
    /// As [`Consumer::commit`].
    pub async fn commit_offsets<P, O>(&self, offsets: impl IntoIterator<Item = (P, O)>) -> Result<(), Error>
    where
        P: Into<TopicPartition>,
        O: Into<OffsetAndMetadata>,
    {
        self.begin_commit(collect(offsets), Persistence::Until(self.deadline()))?.await
    }

    /// Begins to commit what [`Consumer::commit`] would, and returns at once. It is tried once: the next commit makes up for
    /// a failure. The future tells the result; dropping it changes nothing.
    ///
    /// # Errors
    /// [`ErrorKind::NoGroup`] and [`ErrorKind::Closed`].
    pub fn commit_async(&self) -> Result<Commit, Error> {
        self.begin_commit(self.take_committable(), Persistence::Once)
    }

    /// Begins to commit these offsets; as [`Consumer::commit_async`].
    ///
    /// # Errors
    /// [`ErrorKind::NoGroup`], [`ErrorKind::Closed`], and [`ErrorKind::InvalidUse`] for a negative offset.
    pub fn commit_offsets_async<P, O>(
        &self,
        offsets: impl IntoIterator<Item = (P, O)>,
    ) -> Result<Commit, Error>
    where
        P: Into<TopicPartition>,
        O: Into<OffsetAndMetadata>,
    {
        self.begin_commit(collect(offsets), Persistence::Once)
    }

    /// What a commit without offsets commits; all of it counts as finished from now on.
    fn take_committable(&self) -> Offsets {
        let mut reading = self.shared.reading();
        reading.finish_committed();
        reading.committable()
    }

    fn begin_commit(&self, offsets: Offsets, persistence: Persistence) -> Result<Commit, Error> {
        if self.settings.group.is_none() {
            return Err(Error::no_group());
        }
        if let Some((partition, negative)) = offsets.iter().find(|(_, offset)| offset.offset.0 < 0) {
            return Err(Error::negative_offset(partition, negative.offset));
        }
        let id = self.command(|reading| match reading.fenced() {
            Some(error) => Err(error),
            None => Ok(reading.commits.commit(offsets, persistence)),
        })?;
        Ok(Commit { shared: Arc::clone(&self.shared), id })
    }

    /// What the group has committed for these partitions, asked of the coordinator.
    ///
    /// # Errors
    /// [`ErrorKind::NoGroup`], missing rights, or the last error when `default.api.timeout.ms` is over.
    ///
    /// # Cancel safety
    /// It changes nothing.
    pub async fn committed<P: Into<TopicPartition>>(
        &self,
        partitions: impl IntoIterator<Item = P>,
    ) -> Result<BTreeMap<TopicPartition, Option<OffsetAndMetadata>>, Error> {
        let group = self.settings.group.as_deref().ok_or_else(Error::no_group)?;
        let partitions: Vec<TopicPartition> = partitions.into_iter().map(Into::into).collect();
        self.backing.committed(group, &partitions, self.deadline()).await
    }
}

/// Looking up.
impl Consumer {
    /// The offset of the first record of each partition, asked of its leader. They need not be assigned.
    ///
    /// # Errors
    /// [`ErrorKind::UnknownTopic`], missing rights, or the last error when `default.api.timeout.ms` is over.
    ///
    /// # Cancel safety
    /// It changes nothing.
    pub async fn beginning_offsets<P: Into<TopicPartition>>(
        &self,
        partitions: impl IntoIterator<Item = P>,
    ) -> Result<BTreeMap<TopicPartition, Offset>, Error> {
        self.offsets_at(partitions, EARLIEST).await
    }

    /// The offset after the last record of each partition; where only committed records are read, the last stable offset.
    ///
    /// # Errors
    /// As [`Consumer::beginning_offsets`].
    ///
    /// # Cancel safety
    /// It changes nothing.
    pub async fn end_offsets<P: Into<TopicPartition>>(
        &self,
        partitions: impl IntoIterator<Item = P>,
    ) -> Result<BTreeMap<TopicPartition, Offset>, Error> {
        self.offsets_at(partitions, LATEST).await
    }

    async fn offsets_at<P: Into<TopicPartition>>(
        &self,
        partitions: impl IntoIterator<Item = P>,
        timestamp: UnixMillis,
    ) -> Result<BTreeMap<TopicPartition, Offset>, Error> {
        let wanted = partitions.into_iter().map(|partition| (partition.into(), timestamp)).collect();
        let found = self.backing.offsets_by_time(&self.settings, wanted, self.deadline()).await?;
        let offsets = found.into_iter().filter_map(|(partition, listed)| Some((partition, listed?.offset)));
        Ok(offsets.collect())
    }

    /// The first record at or after a time, for each partition; `None` where there is none.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidUse`] for a time before 1970; else as [`Consumer::beginning_offsets`].
    ///
    /// # Cancel safety
    /// It changes nothing.
    ///
    /// ```
    /// # let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    /// # runtime.block_on(async {
    /// # let mock = courant_broker_mock::MockCluster::builder().brokers(3).topic("orders", 2).build()?;
    /// # let mut writer = courant_protocol::record::BatchWriter::new(Default::default(), Default::default());
    /// # writer.append(7.into(), Some(b"42"), Some(b"open"), courant_protocol::record::NO_HEADERS)?;
    /// # writer.append(8.into(), Some(b"42"), Some(b"paid"), courant_protocol::record::NO_HEADERS)?;
    /// # let sealed = writer.seal(Default::default(), None, &mut Default::default())?;
    /// # mock.append_raw("orders", 0, sealed.to_bytes(&Default::default()))?;
    /// # let kafka = courant_client::Kafka::builder().bootstrap(mock.bootstrap()).world(mock.world()).connect().await?;
    /// # use courant_consumer::Consumer;
    /// let orders = Consumer::builder(&kafka).assign([("orders", 0)]).start().await?;
    /// let found = orders.offsets_for_times([(("orders", 0), 8.into())]).await?;
    /// let paid = found.values().flatten().next().ok_or("a record that young")?;
    /// assert_eq!((paid.offset, paid.timestamp), (1.into(), 8.into()));
    /// orders.seek(("orders", 0), paid.offset)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// # })?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub async fn offsets_for_times<P: Into<TopicPartition>>(
        &self,
        times: impl IntoIterator<Item = (P, UnixMillis)>,
    ) -> Result<BTreeMap<TopicPartition, Option<OffsetAndTimestamp>>, Error> {
        // Negative ones mean ends of the log to a broker, and would be answered with another thing than was asked for.
        let time_of = |(partition, time): (P, UnixMillis)| match time.0 {
            0.. => Ok((partition.into(), time)),
            before => {
                let what = format!("the time {before} lies before 1970");
                Err(Error::new(ErrorKind::InvalidUse, what).at(&partition.into()))
            }
        };
        let wanted = times.into_iter().map(time_of).collect::<Result<_, _>>()?;
        let found = self.backing.offsets_by_time(&self.settings, wanted, self.deadline()).await?;
        let offsets = found.into_iter().map(|(partition, listed)| {
            let found = listed.map(|listed| OffsetAndTimestamp {
                offset: listed.offset,
                timestamp: listed.timestamp,
                leader_epoch: listed.leader_epoch,
            });
            (partition, found)
        });
        Ok(offsets.collect())
    }

    /// The partitions that a topic has now; more may come when it grows. The topic is never created by asking.
    ///
    /// # Errors
    /// [`ErrorKind::UnknownTopic`] if it does not exist within `default.api.timeout.ms`, or missing rights.
    ///
    /// # Cancel safety
    /// It changes nothing.
    pub async fn partitions_for(&self, topic: &str) -> Result<Vec<TopicPartition>, Error> {
        self.backing.partitions_for(topic, self.deadline()).await
    }

    pub(crate) fn deadline(&self) -> Instant {
        let now = self.backing.now();
        moment_after(now, api_timeout(self.backing.settings(), &self.settings))
    }
}

/// The end.
impl Consumer {
    /// Ends the consumer: pending commits, and with auto-commit what is finished, are committed, fetch sessions are closed.
    /// Takes at most `timeout`. From now on a poll gives `None`.
    ///
    /// Finished are the records of all polls but the last, and those of the last one too if the application went through its
    /// batch to the end and has dropped it. Where records are acknowledged, those that were are.
    ///
    /// A member of a group leaves it, unless it is a static one: its listener hears of it first. Called by a listener, it
    /// only begins to close.
    ///
    /// # Errors
    /// What became of the last commit, what the listener said, or a timeout; the consumer is closed nevertheless.
    ///
    /// # Cancel safety
    /// When the future is dropped the consumer goes on closing in the background; a listener that was running is dropped.
    pub async fn close(&self, timeout: Duration) -> Result<(), Error> {
        self.close_with(CloseOptions::within(timeout)).await
    }

    /// Waits until the driver has come to its end.
    pub(crate) async fn join(&self, deadline: Instant) -> Result<(), Error> {
        let ended = poll_fn(|cx| self.shared.poll_until(cx, Reading::close_result));
        let late = || late("the consumer was not closed in time");
        let result = self.backing.before(deadline, ended, late).await?;
        let task = self.driver.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(mut task) = task {
            // It has nothing left to do, so this does not wait; a panic in it was reported by the runtime.
            task.join().await.ok();
        }
        result
    }

    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }
}

impl Drop for Consumer {
    fn drop(&mut self) {
        if self.is_for_listener {
            return;
        }
        let now = self.backing.now();
        let deadline = moment_after(now, self.backing.settings().request_timeout);
        self.shared.reading().abandon(deadline, self.leaves_by_default());
        self.shared.kick_driver();
        #[cfg(feature = "mock")]
        if let Backing::Script(script) = &self.backing {
            script.play(&self.shared);
        }
    }
}

impl fmt::Debug for Consumer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("Consumer");
        shown
            .field("group", &self.settings.group)
            .field("assignment", &self.assignment())
            .finish_non_exhaustive()
    }
}

/// The result of a commit that was begun; dropping it leaves the commit alone.
#[derive(Debug)]
#[must_use = "drop it to say that the result does not matter"]
pub struct Commit {
    shared: Arc<Shared>,
    id: CommitId,
}

impl Future for Commit {
    type Output = Result<(), Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.shared.poll_until(cx, |reading| reading.commits.take_result(self.id))
    }
}

impl Drop for Commit {
    fn drop(&mut self) {
        self.shared.reading().commits.forget(self.id);
    }
}

fn collect<P, O>(offsets: impl IntoIterator<Item = (P, O)>) -> Offsets
where
    P: Into<TopicPartition>,
    O: Into<OffsetAndMetadata>,
{
    offsets.into_iter().map(|(partition, offset)| (partition.into(), offset.into())).collect()
}

pub(crate) fn late(what: &str) -> Error {
    let late = courant_client::Error::new(courant_client::ErrorKind::Timeout, what);
    Error::from(
        late.hinting("default.api.timeout.ms, or the time given for the call, sets how long is waited"),
    )
}

/// `default.api.timeout.ms`: the consumer's own, or that of its `Kafka`.
fn api_timeout(common: &CommonSettings, settings: &ConsumerSettings) -> Duration {
    settings.api_timeout.unwrap_or(common.default_api_timeout)
}

fn reading_settings(
    common: &CommonSettings,
    settings: &ConsumerSettings,
    acknowledges: bool,
) -> ReadingSettings {
    ReadingSettings {
        subscription: SubscriptionSettings {
            has_group: settings.group.is_some(),
            acknowledges,
            reset: settings.auto_offset_reset,
            backoff: common.retry_backoff,
            unknown_topic_patience: api_timeout(common, settings),
        },
        limits: FetchLimits {
            min_bytes: settings.fetch_min_bytes,
            max_bytes: settings.fetch_max_bytes,
            max_partition_bytes: settings.max_partition_fetch_bytes,
            max_wait: settings.fetch_max_wait,
            buffer_bytes: settings.fetch_buffer_bytes,
        },
        rules: settings.read_rules(),
        isolation: settings.isolation,
        auto_commit: settings.auto_commit_interval,
        replica_lease: common.metadata_max_age,
    }
}
