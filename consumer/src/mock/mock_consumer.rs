//! The test's side of a mock consumer.
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use courant_client::config::{CommonSettings, Properties};
use courant_protocol::error_code::ErrorCode;
use courant_protocol::types::{Offset, TopicName, TopicPartition, UnixMillis};

use super::record::MockRecord;
use super::script::{Script, State};
use crate::backing::Backing;
use crate::builder::ConsumerBuilder;
use crate::error::Error;
use crate::machine::reading::Reading;
use crate::offsets::OffsetAndMetadata;
use crate::shared::Shared;

/// The test's side of a [`Consumer`](crate::Consumer) whose other end is a script: nothing leaves the process, and no
/// runtime is needed.
///
/// Code under test takes a `Consumer`, as in production, or its builder. The machines behind it are those of production
/// too: batches are checked and decoded, positions move, resets, pauses and rebalances happen as ever. The test puts records
/// into partitions, gives the member its share of them, and reads what was committed.
///
/// Everything that is asked for is answered at once, and no time passes but by [`advance`](Self::advance), so that a future
/// of the consumer is ready by its first poll unless it waits for the test. Topics and partitions come into being when
/// somebody names them. It plays for one consumer at a time: one that is started after it goes on where that one has
/// committed.
///
/// ```
/// use courant_consumer::{Consumer, Error, MockConsumer, MockRecord};
/// use futures_util::FutureExt;
///
/// /// What is tested.
/// async fn count(consumer: &mut Consumer) -> Result<usize, Error> {
///     let Some(batch) = consumer.poll().await? else { return Ok(0) };
///     let paid = batch.iter().filter(|record| record.value() == Some(b"paid")).count();
///     consumer.commit().await?;
///     Ok(paid)
/// }
///
/// let mock = MockConsumer::new();
/// let start = mock.builder().group("billing").subscribe(["orders"]).auto_offset_reset("earliest").start();
/// let mut consumer = start.now_or_never().unwrap()?;
///
/// assert_eq!(count(&mut consumer).now_or_never().map(Result::ok), None); // it waits
/// mock.rebalance([("orders", 0)]);
/// mock.add(("orders", 0), MockRecord::new().value("open"));
/// mock.add(("orders", 0), MockRecord::new().value("paid"));
/// assert_eq!(count(&mut consumer).now_or_never().unwrap()?, 1);
/// assert_eq!(mock.committed(("orders", 0)).map(|committed| committed.offset), Some(2.into()));
/// # Ok::<(), Error>(())
/// ```
#[derive(Clone)]
pub struct MockConsumer {
    script: Arc<Script>,
}

impl MockConsumer {
    /// One without topics.
    pub fn new() -> Self {
        let mut properties = Properties::new();
        properties.set("bootstrap.servers", "mock:9092");
        #[expect(clippy::expect_used, reason = "the properties are these, and a test of the mock sets them")]
        let settings = CommonSettings::new(&properties).expect("an address is all that has to be given");
        Self { script: Arc::new(Script::new(settings)) }
    }

    /// Starts the settings of a consumer, as [`Consumer::builder`](crate::Consumer::builder) does.
    pub fn builder(&self) -> ConsumerBuilder {
        ConsumerBuilder::new(Backing::Script(Arc::clone(&self.script)))
    }

    /// Lets the script answer what the consumer has asked for by now, and looks at it, if there is one.
    fn look<T>(&self, look: impl FnOnce(&mut Reading) -> T) -> Option<T> {
        self.with(|shared, _| {
            self.script.play(shared);
            look(&mut shared.reading())
        })
    }

    fn with<T>(&self, run: impl FnOnce(&Shared, &Self) -> T) -> Option<T> {
        let attached = self.script.lock().attached.upgrade()?;
        Some(run(&attached, self))
    }

    /// Changes the script, and wakes whoever waits for that.
    fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        let (changed, attached) = {
            let mut state = self.script.lock();
            (change(&mut state), state.attached.upgrade())
        };
        if let Some(shared) = attached {
            shared.wake_application();
        }
        changed
    }
}

/// What there is to read.
impl MockConsumer {
    /// Makes a topic with so many partitions.
    pub fn create_topic(&self, name: impl Into<TopicName>, partitions: usize) {
        self.change(|state| state.topics.insert(name.into(), partitions));
    }

    /// Puts a record at the end of a partition; gives its offset. A consumer that waits for it is woken.
    pub fn add(&self, partition: impl Into<TopicPartition>, record: MockRecord) -> Offset {
        self.add_bytes(partition.into(), &record, |batch| batch)
    }

    /// Puts a record at the end of a partition whose checksum is wrong: reading it is an error of
    /// [`ErrorKind::CorruptRecord`](crate::ErrorKind::CorruptRecord).
    pub fn add_broken(&self, partition: impl Into<TopicPartition>) -> Offset {
        let record = MockRecord::new().value("broken");
        self.add_bytes(partition.into(), &record, |batch| {
            let mut bytes = batch.to_vec();
            if let Some(last) = bytes.last_mut() {
                *last ^= 0xff;
            }
            bytes.into()
        })
    }

    fn add_bytes(
        &self,
        partition: TopicPartition,
        record: &MockRecord,
        change: impl FnOnce(bytes::Bytes) -> bytes::Bytes,
    ) -> Offset {
        self.change(|state| {
            let time = record.time(state.unix_now);
            let log = state.log(&partition);
            let offset = Offset(log.end);
            if let Some(batch) = record.batch(offset, time) {
                log.push(time, change(batch));
            }
            offset
        })
    }

    /// Where the partition begins: records before it are gone.
    pub fn set_beginning(&self, partition: impl Into<TopicPartition>, offset: impl Into<Offset>) {
        self.change(|state| state.log(&partition.into()).set_beginning(offset.into().0));
    }

    /// Where the partition ends: records behind it are gone, and the next one that is added comes there.
    pub fn set_end(&self, partition: impl Into<TopicPartition>, offset: impl Into<Offset>) {
        self.change(|state| state.log(&partition.into()).set_end(offset.into().0));
    }
}

/// What happens.
impl MockConsumer {
    /// The group rebalances, and gives the member these partitions, as far as it has subscribed to their topics. The
    /// consumer's polls tell what is revoked and assigned by that, as the assignors' protocol has it.
    pub fn rebalance<P: Into<TopicPartition>>(&self, partitions: impl IntoIterator<Item = P>) {
        let share: Vec<TopicPartition> = partitions.into_iter().map(Into::into).collect();
        self.change(|state| match state.attached.upgrade() {
            Some(shared) => state.seat.give(share, &mut shared.reading()),
            None => state.seat.reserve(share),
        });
    }

    /// The group has gone on without the member, whose partitions are lost. It joins again, and waits for a
    /// [`rebalance`](Self::rebalance).
    pub fn lose_partitions(&self) {
        self.change(|state| {
            if let Some(shared) = state.attached.upgrade() {
                state.seat.expel(&mut shared.reading());
            }
        });
    }

    /// The next poll returns this error; see [`Error::scripted`].
    pub fn fail_next_poll(&self, error: impl Into<Error>) {
        self.look(|reading| reading.report(error.into()));
        self.change(|_| ());
    }

    /// The coordinator refuses the next commit with this code; called again, the one after it.
    pub fn fail_next_commit(&self, code: ErrorCode) {
        self.change(|state| state.refusals.push_back(code));
    }

    /// Time goes by: what is due by it happens, such as an auto-commit, or the loss of a membership whose application does
    /// not poll.
    pub fn advance(&self, time: Duration) {
        self.change(|state| {
            state.now += time;
            let millis = i64::try_from(time.as_millis()).unwrap_or(i64::MAX);
            state.unix_now = UnixMillis(state.unix_now.0.saturating_add(millis));
        });
        self.look(|_| ());
    }

    /// What time it is, for records without a time of their own and for resets by duration; 1970 until this is called.
    pub fn set_time(&self, now: impl Into<UnixMillis>) {
        self.change(|state| state.unix_now = now.into());
    }

    /// What the group has committed for a partition, before the consumer starts or by another's hand.
    pub fn set_committed(&self, partition: impl Into<TopicPartition>, offset: impl Into<OffsetAndMetadata>) {
        self.change(|state| state.committed.insert(partition.into(), offset.into()));
    }
}

/// What the consumer did.
impl MockConsumer {
    /// What is committed for a partition.
    pub fn committed(&self, partition: impl Into<TopicPartition>) -> Option<OffsetAndMetadata> {
        self.look(|_| ());
        self.script.lock().committed.get(&partition.into()).cloned()
    }

    /// Every commit that was taken, in order.
    pub fn commits(&self) -> Vec<BTreeMap<TopicPartition, OffsetAndMetadata>> {
        self.look(|_| ());
        self.script.lock().commits.clone()
    }

    /// The offset of the next record of a partition; `None` if it is not assigned, or not known.
    pub fn position(&self, partition: impl Into<TopicPartition>) -> Option<Offset> {
        let partition = partition.into();
        self.look(|reading| reading.position(&partition).ok().flatten())
            .flatten()
            .map(|position| position.offset)
    }

    /// The assigned partitions.
    pub fn assignment(&self) -> Vec<TopicPartition> {
        self.look(|reading| reading.owned()).unwrap_or_default()
    }

    /// The assigned partitions that are paused.
    pub fn paused(&self) -> Vec<TopicPartition> {
        let paused = |reading: &mut Reading| {
            let states = reading.subscription.iter().filter(|(_, state)| state.paused);
            states.map(|(partition, _)| partition.clone()).collect()
        };
        self.look(paused).unwrap_or_default()
    }

    /// The topics that are subscribed to.
    pub fn subscription(&self) -> Vec<TopicName> {
        let topics = |reading: &mut Reading| {
            let topics = reading.group.iter().flat_map(|group| group.topics.iter().flatten());
            topics.cloned().collect()
        };
        self.look(topics).unwrap_or_default()
    }

    /// Whether the consumer was closed or dropped, or none was started.
    pub fn is_closed(&self) -> bool {
        self.look(|reading| reading.is_closed()).unwrap_or(true)
    }
}

impl Default for MockConsumer {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for MockConsumer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MockConsumer").field("is_closed", &self.is_closed()).finish_non_exhaustive()
    }
}
