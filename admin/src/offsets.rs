//! Looking up offsets: the ends of a partition, and the first record from a time on.
use std::collections::BTreeMap;

use courant_protocol::error_code::ErrorCode;
use courant_protocol::messages::list_offsets::{ListOffsetsPartition, ListOffsetsTopic};
use courant_protocol::messages::{ListOffsetsRequest, ListOffsetsResponse};
use courant_protocol::types::{LeaderEpoch, Offset, TopicName, TopicPartition, UnixMillis};
use courant_protocol::wire::Str;

use crate::admin::Admin;
use crate::call::{Answer, Api, Route, run};
use crate::results::Results;

/// Which offset of a partition is looked up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum OffsetSpec {
    /// That of the first record there is.
    Earliest,
    /// The one that the next record gets; with [`IsolationLevel::ReadCommitted`] the first of an open transaction.
    Latest,
    /// That of the record with the largest timestamp (KIP-734).
    MaxTimestamp,
    /// That of the first record on the broker's own disk (KIP-405).
    EarliestLocal,
    /// That of the last record in remote storage (KIP-1005).
    LatestTiered,
    /// That of the first record whose timestamp is this or later.
    ForTimestamp(UnixMillis),
}

impl OffsetSpec {
    /// What stands for it in the timestamp field, and the first version that knows it.
    fn to_wire(self) -> (i64, i16) {
        match self {
            Self::Earliest => (-2, 0),
            Self::Latest => (-1, 0),
            Self::MaxTimestamp => (-3, 7),
            Self::EarliestLocal => (-4, 8),
            Self::LatestTiered => (-5, 9),
            Self::ForTimestamp(timestamp) => (timestamp.0, 0),
        }
    }
}

/// Which records count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum IsolationLevel {
    /// All of them.
    #[default]
    ReadUncommitted,
    /// Those before the first open transaction.
    ReadCommitted,
}

/// The offset that was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ListedOffset {
    /// The offset; none where no record answers the question.
    pub offset: Option<Offset>,
    /// The timestamp of the record there, where one was looked up by time.
    pub timestamp: Option<UnixMillis>,
    /// The epoch of the leader that wrote the record there.
    pub leader_epoch: Option<LeaderEpoch>,
}

impl Admin {
    /// Looks up an offset of each partition; a partition may come several times, for its two ends, say.
    ///
    /// ```
    /// # use courant_broker_mock::MockCluster;
    /// # let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    /// # runtime.block_on(async {
    /// # let cluster = MockCluster::builder().topic("orders", 2).build()?;
    /// # let kafka = courant_client::Kafka::builder().bootstrap(cluster.bootstrap()).world(cluster.world()).connect().await?;
    /// use courant_admin::{Admin, IsolationLevel, OffsetSpec};
    ///
    /// let ends = [(("orders", 0), OffsetSpec::Latest), (("orders", 1), OffsetSpec::Earliest)];
    /// let found = Admin::new(&kafka).list_offsets(ends, IsolationLevel::ReadUncommitted).await.all()?;
    /// assert_eq!(found[0].1.offset, Some(0.into()));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// # }).map_err(|error| error.to_string())?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// Each partition has its own: a missing permission, a version that the broker lacks,
    /// [`UnknownTopic`](crate::ErrorKind::UnknownTopic) when it is still not there once the time is up.
    ///
    /// # Cancel safety
    /// Nothing is changed either way.
    pub async fn list_offsets<P: Into<TopicPartition>>(
        &self,
        partitions: impl IntoIterator<Item = (P, OffsetSpec)>,
        isolation_level: IsolationLevel,
    ) -> Results<TopicPartition, ListedOffset> {
        let items: Vec<_> =
            partitions.into_iter().map(|(partition, spec)| (partition.into(), spec)).collect();
        let mut found = BTreeMap::new();
        for round in rounds(&items) {
            let asked = round.iter().filter_map(|index| items.get(*index)).cloned().collect();
            let results = run(self, &ListOffsets { isolation_level }, asked).await;
            found.extend(round.into_iter().zip(results));
        }
        let partitions = items.into_iter().map(|(partition, _)| partition);
        Results::new(partitions.zip(found.into_values()).collect())
    }
}

/// The places of the items, such that no partition comes twice in a round: a broker refuses it in one request.
fn rounds(items: &[(TopicPartition, OffsetSpec)]) -> Vec<Vec<usize>> {
    let mut seen: BTreeMap<&TopicPartition, usize> = BTreeMap::new();
    let mut rounds: Vec<Vec<usize>> = Vec::new();
    for (index, (partition, _)) in items.iter().enumerate() {
        let turn = seen.entry(partition).or_default();
        match rounds.get_mut(*turn) {
            Some(round) => round.push(index),
            None => rounds.push(vec![index]),
        }
        *turn += 1;
    }
    rounds
}

struct ListOffsets {
    isolation_level: IsolationLevel,
}

impl Api for ListOffsets {
    type Item = (TopicPartition, OffsetSpec);
    type Value = ListedOffset;
    type Request = ListOffsetsRequest;

    const WHAT: &'static str = "look up the partition's offset";

    fn route(&self, item: &Self::Item) -> Route {
        Route::Leader(item.0.clone())
    }

    fn is_retried(&self, code: ErrorCode) -> bool {
        code.is_retriable()
    }

    fn request(&self, items: &[Self::Item], version: i16, timeout_ms: i32) -> ListOffsetsRequest {
        let mut topics: BTreeMap<&TopicName, Vec<ListOffsetsPartition>> = BTreeMap::new();
        for (partition, spec) in items {
            let (timestamp, from) = spec.to_wire();
            if from <= version {
                topics.entry(&partition.topic).or_default().push(ListOffsetsPartition {
                    partition_index: partition.partition.0,
                    current_leader_epoch: -1,
                    timestamp,
                    ..Default::default()
                });
            }
        }
        let topic =
            |(name, partitions): (&TopicName, _)| ListOffsetsTopic { name: Str::from(&**name), partitions };
        ListOffsetsRequest {
            replica_id: -1,
            isolation_level: i8::from(self.isolation_level == IsolationLevel::ReadCommitted),
            topics: topics.into_iter().map(topic).collect(),
            // Older versions have no such field, and the encoder would not leave it out silently.
            timeout_ms: if version >= 10 { timeout_ms } else { 0 },
        }
    }

    fn throttle_ms(response: &ListOffsetsResponse) -> i32 {
        response.throttle_time_ms
    }

    fn answers(
        &self,
        items: &[Self::Item],
        version: i16,
        response: ListOffsetsResponse,
    ) -> Vec<Option<Answer<ListedOffset>>> {
        let answer = |(partition, spec): &Self::Item| {
            if spec.to_wire().1 > version {
                return Some(Err((ErrorCode::UNSUPPORTED_VERSION, None)));
            }
            let topic = response.topics.iter().find(|topic| *topic.name == *partition.topic)?;
            let found =
                topic.partitions.iter().find(|found| found.partition_index == partition.partition.0)?;
            if found.error_code != 0 {
                return Some(Err((ErrorCode(found.error_code), None)));
            }
            Some(Ok(ListedOffset {
                offset: Some(Offset(found.offset)).filter(|offset| offset.is_some()),
                timestamp: Some(UnixMillis(found.timestamp)).filter(|timestamp| timestamp.is_some()),
                leader_epoch: Some(LeaderEpoch(found.leader_epoch)).filter(|epoch| epoch.is_some()),
            }))
        };
        items.iter().map(answer).collect()
    }

    fn locate(&self, item: &Self::Item, error: courant_client::Error) -> courant_client::Error {
        error.at_partition(item.0.topic.clone(), item.0.partition)
    }
}
