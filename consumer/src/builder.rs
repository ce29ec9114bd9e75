//! The settings of a consumer before it starts.
use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use courant_client::config::{CommonSettings, Properties};
use courant_membership::classic::ClassicSettings;
use courant_protocol::embedded::PROTOCOL_TYPE;
use courant_protocol::types::{TopicName, TopicPartition};

use crate::assignor::{Assignor, PartitionAssignor};
use crate::backing::Backing;
use crate::config::ConsumerSettings;
use crate::consumer::{Consumer, Finishing};
use crate::error::{Error, ErrorKind};
use crate::interceptor::{ConsumerInterceptor, Interceptors};
use crate::listener::{Listen, RebalanceListener};
use crate::machine::group::{Group, GroupSettings};
use crate::machine::isolation::IsolationLevel;
use crate::machine::pattern::TopicFilter;
use crate::machine::reset::OffsetReset;

/// Settings for a [`Consumer`], by Kafka's property names or by methods; made by [`Consumer::builder`].
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
///
/// let strict = Consumer::builder(&kafka).set("max.pol.records", 100).start().await;
/// let error = strict.err().ok_or("the name is misspelt")?;
/// assert!(error.to_string().contains("did you mean `max.poll.records`?"));
///
/// let orders = Consumer::builder(&kafka)
///     .assign([("orders", 0)])
///     .set("isolation.level", "read_committed")
///     .max_poll_records(100)
///     .start()
///     .await?;
/// assert_eq!(orders.assignment().len(), 1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
#[must_use = "call start()"]
pub struct ConsumerBuilder {
    backing: Backing,
    properties: Properties,
    assignment: Vec<TopicPartition>,
    topics: Option<Vec<TopicName>>,
    filter: Option<TopicFilter>,
    assignors: Vec<Arc<dyn PartitionAssignor>>,
    listener: Option<Arc<dyn Listen>>,
    interceptors: Vec<Arc<dyn ConsumerInterceptor>>,
    acknowledges: bool,
    failed: Option<Error>,
}

impl ConsumerBuilder {
    pub(crate) fn new(backing: Backing) -> Self {
        Self {
            backing,
            properties: Properties::new(),
            assignment: Vec::new(),
            topics: None,
            filter: None,
            assignors: Vec::new(),
            listener: None,
            interceptors: Vec::new(),
            acknowledges: false,
            failed: None,
        }
    }

    /// `group.id`: the group that offsets are committed for, and that reading goes on from.
    pub fn group(self, group: impl Into<String>) -> Self {
        self.set("group.id", group.into())
    }

    /// The partitions to read: `[("orders", 0), ("orders", 1)]`.
    pub fn assign<P: Into<TopicPartition>>(mut self, partitions: impl IntoIterator<Item = P>) -> Self {
        self.assignment.extend(partitions.into_iter().map(Into::into));
        self
    }

    /// The topics to read as a member of the group, which divides their partitions among its members. It cannot be combined
    /// with [`Self::assign`].
    pub fn subscribe<T: Into<TopicName>>(mut self, topics: impl IntoIterator<Item = T>) -> Self {
        self.topics.get_or_insert_default().extend(topics.into_iter().map(Into::into));
        self
    }

    /// Subscribes to all topics whose names pass the filter, those too that come later; see
    /// [`Consumer::subscribe_matching`].
    pub fn subscribe_matching(mut self, filter: impl Fn(&str) -> bool + Send + Sync + 'static) -> Self {
        self.filter = Some(TopicFilter(Arc::new(filter)));
        self
    }

    /// `partition.assignment.strategy`: the strategies that this member offers, best first. The default is
    /// [`Assignor::DEFAULT`].
    pub fn assignors(mut self, assignors: impl IntoIterator<Item = Assignor>) -> Self {
        let assignors =
            assignors.into_iter().map(|assignor| Arc::new(assignor) as Arc<dyn PartitionAssignor>);
        self.assignors.extend(assignors);
        self
    }

    /// Offers a strategy of the application's own, after those given before.
    pub fn assignor(mut self, assignor: Arc<dyn PartitionAssignor>) -> Self {
        self.assignors.push(assignor);
        self
    }

    /// `group.instance.id`: makes this a static member, which gets its partitions back when it returns within the session
    /// timeout (KIP-345).
    pub fn group_instance_id(self, id: impl Into<String>) -> Self {
        self.set("group.instance.id", id.into())
    }

    /// Who hears of changes of the assignment.
    pub fn rebalance_listener(mut self, listener: impl RebalanceListener) -> Self {
        self.listener = Some(Arc::new(listener));
        self
    }

    /// Who sees records before the application does, and hears what was committed; those that were added first are called
    /// first.
    pub fn interceptor(mut self, interceptor: impl ConsumerInterceptor) -> Self {
        self.interceptors.push(Arc::new(interceptor));
        self
    }

    /// Each record is finished by an acknowledgement of its own instead of by the next poll; see [`Consumer::acks`]. Every
    /// record that is handed out then has to be acknowledged: no commit passes one that is not.
    pub fn explicit_acks(mut self) -> Self {
        self.acknowledges = true;
        self
    }

    /// `session.timeout.ms`: after this time without a heartbeat the coordinator takes the member for dead.
    pub fn session_timeout(mut self, timeout: Duration) -> Self {
        self.properties.set_millis("session.timeout.ms", timeout);
        self
    }

    /// `heartbeat.interval.ms`: how often a heartbeat is sent.
    pub fn heartbeat_interval(mut self, interval: Duration) -> Self {
        self.properties.set_millis("heartbeat.interval.ms", interval);
        self
    }

    /// `max.poll.interval.ms`: how long the application may take between polls, and the group waits for it in a rebalance.
    pub fn max_poll_interval(mut self, interval: Duration) -> Self {
        self.properties.set_millis("max.poll.interval.ms", interval);
        self
    }

    /// `auto.offset.reset`: where to start without a committed offset; also as text (`"earliest"`, `"by_duration:PT1H"`).
    pub fn auto_offset_reset(self, reset: impl fmt::Display) -> Self {
        self.set("auto.offset.reset", reset)
    }

    /// Where to start without a committed offset.
    pub fn offset_reset(self, reset: OffsetReset) -> Self {
        self.set("auto.offset.reset", reset)
    }

    /// `isolation.level`: whether records of open and aborted transactions are handed out.
    pub fn isolation_level(self, level: IsolationLevel) -> Self {
        let word = match level {
            IsolationLevel::ReadUncommitted => "read_uncommitted",
            IsolationLevel::ReadCommitted => "read_committed",
        };
        self.set("isolation.level", word)
    }

    /// `enable.auto.commit`: whether finished offsets are committed in the background.
    pub fn auto_commit(self, on: bool) -> Self {
        self.set("enable.auto.commit", on)
    }

    /// `auto.commit.interval.ms`: how often.
    pub fn auto_commit_interval(mut self, interval: Duration) -> Self {
        self.properties.set_millis("auto.commit.interval.ms", interval);
        self
    }

    /// `max.poll.records`: how many records a poll hands out at most, from 1.
    pub fn max_poll_records(self, records: u32) -> Self {
        self.set("max.poll.records", records)
    }

    /// `fetch.max.wait.ms`: how long a broker waits for `fetch.min.bytes`.
    pub fn fetch_max_wait(mut self, wait: Duration) -> Self {
        self.properties.set_millis("fetch.max.wait.ms", wait);
        self
    }

    /// `fetch.min.bytes`: how much a broker waits for.
    pub fn fetch_min_bytes(self, bytes: u32) -> Self {
        self.set("fetch.min.bytes", bytes)
    }

    /// `fetch.max.bytes`: the most that one fetch brings.
    pub fn fetch_max_bytes(self, bytes: u32) -> Self {
        self.set("fetch.max.bytes", bytes)
    }

    /// `max.partition.fetch.bytes`: the most that one fetch brings of a partition.
    pub fn max_partition_fetch_bytes(self, bytes: u32) -> Self {
        self.set("max.partition.fetch.bytes", bytes)
    }

    /// `fetch.buffer.bytes`: the memory for everything fetched and not finished, decompressed bytes included. Courant's own.
    ///
    /// A poll hands out fewer records than `max.poll.records` where decompressing more would need over a sixteenth of it,
    /// but always one batch's, however large.
    pub fn fetch_buffer_bytes(self, bytes: u64) -> Self {
        self.set("fetch.buffer.bytes", bytes)
    }

    /// `keep.control.records`: whether the records by which brokers end transactions are handed out among the others, for
    /// tools that copy or show a log; [`Record::control`](crate::Record::control) tells them from the others. Courant's own.
    ///
    /// With `read_committed` the records of aborted transactions stay out, and the marker that aborts them is there.
    pub fn keep_control_records(self, keep: bool) -> Self {
        self.set("keep.control.records", keep)
    }

    /// `client.rack`: where this client is, so that a close replica can be read from (KIP-392).
    pub fn client_rack(self, rack: impl Into<String>) -> Self {
        self.set("client.rack", rack.into())
    }

    /// Sets a property by Kafka's name; [`Self::start`] says if there is no such one.
    pub fn set(mut self, name: impl Into<String>, value: impl fmt::Display) -> Self {
        self.properties.set(name, value);
        self
    }

    /// Takes over properties, on top of those set before. Those of other clients are passed over if they came from a file.
    pub fn properties(mut self, properties: &Properties) -> Self {
        self.properties.merge(properties);
        self
    }

    /// Takes over a `.properties` file, on top of those set before; [`Self::start`] says if it cannot be read.
    pub fn properties_file(mut self, path: impl AsRef<Path>) -> Self {
        match Properties::read(path) {
            Ok(properties) => {
                self.properties.merge(&properties);
            }
            Err(error) => self.failed = Some(courant_client::Error::from(error).into()),
        }
        self
    }

    /// Starts to fetch in the background.
    ///
    /// # Errors
    /// A property that is unknown, refused, or has a value that it does not take; [`ErrorKind::InvalidUse`] where topics and
    /// partitions were given, [`ErrorKind::NoGroup`] where topics were given without a group. No broker is asked for anything yet:
    /// what they have against it is told by the first [`Consumer::poll`].
    ///
    /// # Cancel safety
    /// Either the consumer is there or nothing was begun; the future never waits.
    pub async fn start(self) -> Result<Consumer, Error> {
        if let Some(error) = self.failed {
            return Err(error);
        }
        let settings = ConsumerSettings::new(&self.properties).map_err(courant_client::Error::from)?;
        let now = self.backing.now();
        let group = group_settings(self.backing.settings(), &settings, self.assignors);
        let protocol = group.as_ref().and_then(GroupSettings::rebalance_protocol);
        let group = group.zip(protocol).map(|(group, protocol)| Group::new(now, group, protocol));
        if self.topics.is_some() || self.filter.is_some() {
            if !self.assignment.is_empty() {
                return Err(Error::mixed_assignment());
            }
            if settings.group.is_some() && group.is_none() {
                let what = "the assignors have no rebalance protocol in common";
                return Err(Error::new(ErrorKind::InvalidUse, what).hinting(
                    "partition.assignment.strategy lists them; eager and cooperative ones do not mix",
                ));
            }
        }
        let finishing =
            Finishing { interceptors: Interceptors::new(self.interceptors), acknowledges: self.acknowledges };
        let consumer =
            Consumer::spawn(self.backing, settings, self.assignment, group, self.listener, finishing);
        if let Some(topics) = self.topics {
            consumer.subscribe(topics)?;
        }
        if let Some(filter) = self.filter {
            consumer.command(|reading| reading.subscribe_matching(now, filter))?;
        }
        Ok(consumer)
    }
}

/// What membership of a group goes by, where there is a group.
fn group_settings(
    common: &CommonSettings,
    settings: &ConsumerSettings,
    given: Vec<Arc<dyn PartitionAssignor>>,
) -> Option<GroupSettings> {
    let configured =
        settings.assignors.iter().map(|assignor| Arc::new(*assignor) as Arc<dyn PartitionAssignor>);
    Some(GroupSettings {
        classic: ClassicSettings {
            group_id: settings.group.clone()?,
            group_instance_id: settings.group_instance_id.clone(),
            protocol_type: PROTOCOL_TYPE.to_owned(),
            session_timeout: settings.session_timeout,
            // As in Java: a rebalance waits for a member as long as the member may be silent.
            rebalance_timeout: settings.max_poll_interval,
            heartbeat_interval: settings.heartbeat_interval,
            request_timeout: common.request_timeout,
            backoff: common.retry_backoff,
        },
        assignors: if given.is_empty() { configured.collect() } else { given },
        rack: Some(settings.rack.clone()).filter(|rack| !rack.is_empty()),
        max_poll_interval: settings.max_poll_interval,
        listing_interval: common.metadata_max_age,
    })
}

impl fmt::Debug for ConsumerBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConsumerBuilder")
            .field("properties", &self.properties)
            .field("assignment", &self.assignment)
            .field("topics", &self.topics)
            .field("assignors", &self.assignors)
            .finish_non_exhaustive()
    }
}
