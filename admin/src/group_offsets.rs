//! The offsets that groups have committed: listed, altered, deleted.
use std::collections::BTreeMap;

use courant_client::ErrorKind;
use courant_protocol::error_code::ErrorCode;
use courant_protocol::messages::offset_commit::{OffsetCommitRequestPartition, OffsetCommitRequestTopic};
use courant_protocol::messages::offset_delete::{OffsetDeleteRequestPartition, OffsetDeleteRequestTopic};
use courant_protocol::messages::offset_fetch::{
    OffsetFetchRequestGroup, OffsetFetchRequestTopic, OffsetFetchRequestTopics,
};
use courant_protocol::messages::{
    OffsetCommitRequest, OffsetCommitResponse, OffsetDeleteRequest, OffsetDeleteResponse, OffsetFetchRequest,
    OffsetFetchResponse,
};
use courant_protocol::types::{LeaderEpoch, Offset, OffsetAndMetadata, TopicName, TopicPartition};
use courant_protocol::wire::Str;

use crate::admin::Admin;
use crate::call::{Answer, Api, Route, coordinator_retries, run};
use crate::error::Error;
use crate::results::Results;

/// Which offsets of a group are listed.
///
/// ```
/// use courant_admin::GroupOffsets;
/// let all = GroupOffsets::of("billing");
/// let some = GroupOffsets::of("shipping").partitions([("orders", 0), ("orders", 1)]).require_stable();
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use = "it does nothing until Admin::list_group_offsets"]
pub struct GroupOffsets {
    group: String,
    partitions: Option<Vec<TopicPartition>>,
    require_stable: bool,
}

impl GroupOffsets {
    /// Every offset that the group has committed.
    pub fn of(group: impl Into<String>) -> Self {
        Self { group: group.into(), partitions: None, require_stable: false }
    }

    /// Those of these partitions.
    pub fn partitions<P: Into<TopicPartition>>(mut self, partitions: impl IntoIterator<Item = P>) -> Self {
        self.partitions.get_or_insert_default().extend(partitions.into_iter().map(Into::into));
        self
    }

    /// Waits for transactions that are about to commit offsets (KIP-447; brokers from 2.5 on).
    pub fn require_stable(mut self) -> Self {
        self.require_stable = true;
        self
    }
}

impl<G: Into<String>> From<G> for GroupOffsets {
    fn from(group: G) -> Self {
        Self::of(group)
    }
}

/// The offsets of one group, by partition; `None` where it has committed none.
pub type CommittedOffsets = Results<TopicPartition, Option<OffsetAndMetadata>>;

impl Admin {
    /// Lists the offsets that groups have committed.
    ///
    /// ```
    /// # use courant_broker_mock::MockCluster;
    /// # let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    /// # runtime.block_on(async {
    /// # let cluster = MockCluster::builder().brokers(3).topic("orders", 2).build()?;
    /// # let kafka = courant_client::Kafka::builder().bootstrap(cluster.bootstrap()).world(cluster.world()).connect().await?;
    /// use courant_admin::Admin;
    ///
    /// let admin = Admin::new(&kafka);
    /// admin.alter_group_offsets("billing", [(("orders", 0), 7)]).await.all()?;
    /// for (group, offsets) in admin.list_group_offsets(["billing"]).await.all()? {
    ///     for (partition, committed) in offsets.all()? {
    ///         println!("{group} {partition}: {committed:?}");
    /// #       assert_eq!(committed.map(|committed| committed.offset), Some(7.into()));
    ///     }
    /// }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// # }).map_err(|error| error.to_string())?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// A group that does not exist has committed nothing.
    ///
    /// # Errors
    /// Each group has its own: a missing permission, a version that its coordinator lacks, or whatever kept the call from
    /// being answered in time. Within a group each partition has its own.
    ///
    /// # Cancel safety
    /// Nothing is changed either way.
    pub async fn list_group_offsets<G: Into<GroupOffsets>>(
        &self,
        groups: impl IntoIterator<Item = G>,
    ) -> Results<String, CommittedOffsets> {
        let items: Vec<GroupOffsets> = groups.into_iter().map(Into::into).collect();
        let results = run(self, &ListGroupOffsets, items.clone()).await;
        Results::new(items.into_iter().map(|item| item.group).zip(results).collect())
    }

    /// Sets the offsets that a group goes on from. The group must not have members.
    ///
    /// # Errors
    /// Each partition has its own: [`UnknownMember`](crate::ErrorKind::UnknownMember) where the group has members,
    /// [`UnknownTopic`](crate::ErrorKind::UnknownTopic), a missing permission, or whatever kept the call from being answered
    /// in time.
    ///
    /// # Cancel safety
    /// When the future is dropped the offsets may be set nevertheless: the request may be on its way.
    pub async fn alter_group_offsets<P: Into<TopicPartition>, O: Into<OffsetAndMetadata>>(
        &self,
        group: impl Into<String>,
        offsets: impl IntoIterator<Item = (P, O)>,
    ) -> Results<TopicPartition, ()> {
        let items = offsets.into_iter().map(|(partition, offset)| (partition.into(), offset.into()));
        let items: Vec<(TopicPartition, OffsetAndMetadata)> = items.collect();
        let results = run(self, &AlterGroupOffsets { group: group.into() }, items.clone()).await;
        Results::new(items.into_iter().map(|(partition, _)| partition).zip(results).collect())
    }

    /// Deletes the offsets that a group has committed for partitions. Nobody in the group may be subscribed to their topics.
    ///
    /// # Errors
    /// Each partition has its own: [`GroupSubscribed`](crate::ErrorKind::GroupSubscribed) where a member is subscribed to its
    /// topic, [`NonEmptyGroup`](crate::ErrorKind::NonEmptyGroup) where the group's members are no consumers,
    /// [`GroupNotFound`](crate::ErrorKind::GroupNotFound), [`UnknownTopic`](crate::ErrorKind::UnknownTopic), a missing
    /// permission, or whatever kept the call from being answered in time.
    ///
    /// # Cancel safety
    /// When the future is dropped the offsets may be deleted nevertheless: the request may be on its way.
    pub async fn delete_group_offsets<P: Into<TopicPartition>>(
        &self,
        group: impl Into<String>,
        partitions: impl IntoIterator<Item = P>,
    ) -> Results<TopicPartition, ()> {
        let partitions: Vec<TopicPartition> = partitions.into_iter().map(Into::into).collect();
        let results = run(self, &DeleteGroupOffsets { group: group.into() }, partitions.clone()).await;
        Results::new(partitions.into_iter().zip(results).collect())
    }
}

/// The partitions by topic, as requests have them.
fn by_topic<'a, T>(
    partitions: impl IntoIterator<Item = (&'a TopicPartition, T)>,
) -> impl Iterator<Item = (Str, Vec<T>)> {
    let mut topics: BTreeMap<&TopicName, Vec<T>> = BTreeMap::new();
    for (partition, value) in partitions {
        topics.entry(&partition.topic).or_default().push(value);
    }
    topics.into_iter().map(|(topic, partitions)| (Str::from(&**topic), partitions))
}

struct ListGroupOffsets;

impl ListGroupOffsets {
    /// Why a group cannot be asked for in this version.
    fn refusal(item: &GroupOffsets, version: i16) -> Option<ErrorCode> {
        let lacks = (item.partitions.is_none() && version < 2) || (item.require_stable && version < 7);
        lacks.then_some(ErrorCode::UNSUPPORTED_VERSION)
    }
}

impl Api for ListGroupOffsets {
    type Item = GroupOffsets;
    type Value = CommittedOffsets;
    type Request = OffsetFetchRequest;

    const WHAT: &'static str = "list the group's offsets";
    /// From version 10 on topics go by id, and offsets of topics that are gone could not be listed.
    const MAX_VERSION: i16 = 9;

    fn route(&self, item: &GroupOffsets) -> Route {
        Route::Coordinator(item.group.clone())
    }

    fn is_retried(&self, code: ErrorCode) -> bool {
        coordinator_retries(code) || code == ErrorCode::UNSTABLE_OFFSET_COMMIT
    }

    fn max_items(&self, version: i16) -> usize {
        // Several groups in a request are a matter of KIP-709.
        if version >= 8 { usize::MAX } else { 1 }
    }

    fn request(&self, items: &[GroupOffsets], version: i16, _: i32) -> OffsetFetchRequest {
        let partitions = |item: &GroupOffsets| {
            let numbers = |partition: &TopicPartition| partition.partition.0;
            let wanted = item.partitions.as_ref()?;
            Some(by_topic(wanted.iter().map(|partition| (partition, numbers(partition)))).collect::<Vec<_>>())
        };
        // The request says it once for all of its groups; waiting harms none of them.
        let require_stable = version >= 7 && items.iter().any(|item| item.require_stable);
        if version >= 8 {
            let topics = |(name, partition_indexes)| OffsetFetchRequestTopics {
                name,
                partition_indexes,
                ..Default::default()
            };
            let group = |item: &GroupOffsets| OffsetFetchRequestGroup {
                group_id: Str::from(item.group.as_str()),
                topics: partitions(item).map(|wanted| wanted.into_iter().map(topics).collect()),
                ..Default::default()
            };
            return OffsetFetchRequest {
                groups: items.iter().map(group).collect(),
                require_stable,
                ..Default::default()
            };
        }
        let topic = |(name, partition_indexes)| OffsetFetchRequestTopic { name, partition_indexes };
        let item = items.first();
        let wanted = item.and_then(partitions).map(|wanted| wanted.into_iter().map(topic).collect());
        OffsetFetchRequest {
            group_id: item.map_or_else(Str::default, |item| Str::from(item.group.as_str())),
            topics: if version < 2 { Some(wanted.unwrap_or_default()) } else { wanted },
            require_stable,
            ..Default::default()
        }
    }

    fn throttle_ms(response: &OffsetFetchResponse) -> i32 {
        response.throttle_time_ms
    }

    fn answers(
        &self,
        items: &[GroupOffsets],
        version: i16,
        response: OffsetFetchResponse,
    ) -> Vec<Option<Answer<CommittedOffsets>>> {
        let answer = |item: &GroupOffsets| {
            if let Some(code) = Self::refusal(item, version) {
                return Some(Err((code, None)));
            }
            let (code, found) = group_answer(item, version, &response)?;
            let stable = |found: &Found| found.2.is_ok() || found.2 != Err(ErrorCode::UNSTABLE_OFFSET_COMMIT);
            Some(match (code, found.iter().all(stable)) {
                (ErrorCode(0), true) => Ok(committed(item, found)),
                (ErrorCode(0), false) => Err((ErrorCode::UNSTABLE_OFFSET_COMMIT, None)),
                (code, _) => Err((code, None)),
            })
        };
        items.iter().map(answer).collect()
    }

    fn locate(&self, item: &GroupOffsets, error: courant_client::Error) -> courant_client::Error {
        error.at_group(&item.group)
    }
}

/// Topic, partition, and what is committed there.
type Found = (TopicName, i32, Result<Option<OffsetAndMetadata>, ErrorCode>);

/// What the response has of a group, whichever form it has.
fn group_answer(
    item: &GroupOffsets,
    version: i16,
    response: &OffsetFetchResponse,
) -> Option<(ErrorCode, Vec<Found>)> {
    let mut found = Vec::new();
    if version >= 8 {
        let group = response.groups.iter().find(|group| *group.group_id == *item.group)?;
        for topic in &group.topics {
            let name = TopicName::from(&*topic.name);
            for at in &topic.partitions {
                let offset = offset(at.committed_offset, at.committed_leader_epoch, at.metadata.as_deref());
                found.push((
                    name.clone(),
                    at.partition_index,
                    ErrorCode(at.error_code).into_result().map(|()| offset),
                ));
            }
        }
        return Some((ErrorCode(group.error_code), found));
    }
    for topic in &response.topics {
        let name = TopicName::from(&*topic.name);
        for at in &topic.partitions {
            let offset = offset(at.committed_offset, at.committed_leader_epoch, at.metadata.as_deref());
            found.push((
                name.clone(),
                at.partition_index,
                ErrorCode(at.error_code).into_result().map(|()| offset),
            ));
        }
    }
    // Version 1 has no error of the group: its partitions carry it.
    let of_group =
        |code: &ErrorCode| coordinator_retries(*code) || *code == ErrorCode::GROUP_AUTHORIZATION_FAILED;
    let carried = found.iter().filter_map(|(_, _, result)| result.as_ref().err().copied()).find(of_group);
    Some((if version >= 2 { ErrorCode(response.error_code) } else { carried.unwrap_or(ErrorCode(0)) }, found))
}

fn offset(offset: i64, leader_epoch: i32, metadata: Option<&str>) -> Option<OffsetAndMetadata> {
    let committed = OffsetAndMetadata::after(Offset(offset), LeaderEpoch(leader_epoch));
    (offset >= 0).then(|| committed.with_metadata(metadata.unwrap_or_default()))
}

/// The partitions in the order asked for, or all that there are in their own order.
fn committed(item: &GroupOffsets, found: Vec<Found>) -> CommittedOffsets {
    let found: BTreeMap<TopicPartition, _> = found
        .into_iter()
        .map(|(topic, partition, result)| (TopicPartition::new(&topic, partition), result))
        .collect();
    let wanted = item.partitions.clone().unwrap_or_else(|| found.keys().cloned().collect());
    let left_out = || courant_client::Error::new(ErrorKind::Protocol, "the broker left a partition out");
    let result = |partition: TopicPartition| {
        let result = match found.get(&partition) {
            Some(Ok(offset)) => Ok(offset.clone()),
            Some(Err(code)) => Err(Error::refused(*code, "list the group's offset", None)),
            None => Err(left_out()),
        };
        let located = |error: courant_client::Error| {
            error.at_partition(partition.topic.clone(), partition.partition).at_group(&item.group)
        };
        let result = result.map_err(|error| located(error).into());
        (partition, result)
    };
    Results::new(wanted.into_iter().map(result).collect())
}

struct AlterGroupOffsets {
    group: String,
}

impl Api for AlterGroupOffsets {
    type Item = (TopicPartition, OffsetAndMetadata);
    type Value = ();
    type Request = OffsetCommitRequest;

    const WHAT: &'static str = "alter the group's offset";
    /// From version 10 on topics go by id.
    const MAX_VERSION: i16 = 9;

    fn route(&self, _: &Self::Item) -> Route {
        Route::Coordinator(self.group.clone())
    }

    fn is_retried(&self, code: ErrorCode) -> bool {
        coordinator_retries(code) || code == ErrorCode::REBALANCE_IN_PROGRESS
    }

    fn request(&self, items: &[Self::Item], _: i16, _: i32) -> OffsetCommitRequest {
        let partition = |(partition, offset): &Self::Item| OffsetCommitRequestPartition {
            partition_index: partition.partition.0,
            committed_offset: offset.offset.0,
            committed_leader_epoch: offset.leader_epoch.0,
            committed_metadata: Some(Str::from(offset.metadata.as_str())),
            ..Default::default()
        };
        let topic = |(name, partitions)| OffsetCommitRequestTopic { name, partitions, ..Default::default() };
        let topics = by_topic(items.iter().map(|item| (&item.0, partition(item))));
        OffsetCommitRequest {
            group_id: Str::from(self.group.as_str()),
            topics: topics.map(topic).collect(),
            ..Default::default()
        }
    }

    fn throttle_ms(response: &OffsetCommitResponse) -> i32 {
        response.throttle_time_ms
    }

    fn answers(
        &self,
        items: &[Self::Item],
        _: i16,
        response: OffsetCommitResponse,
    ) -> Vec<Option<Answer<()>>> {
        let answer = |(partition, _): &Self::Item| {
            let topic = response.topics.iter().find(|topic| *topic.name == *partition.topic)?;
            let found = topic.partitions.iter().find(|at| at.partition_index == partition.partition.0)?;
            Some(ErrorCode(found.error_code).into_result().map_err(|code| (code, None)))
        };
        items.iter().map(answer).collect()
    }

    fn locate(&self, item: &Self::Item, error: courant_client::Error) -> courant_client::Error {
        let error = error.at_partition(item.0.topic.clone(), item.0.partition).at_group(&self.group);
        match error.code() {
            // To the coordinator, whoever is no member of a group that has members is an unknown one.
            Some(ErrorCode::UNKNOWN_MEMBER_ID) => {
                error.hinting("the group has members: close them, or remove them, before its offsets are set")
            }
            _ => error,
        }
    }
}

struct DeleteGroupOffsets {
    group: String,
}

impl Api for DeleteGroupOffsets {
    type Item = TopicPartition;
    type Value = ();
    type Request = OffsetDeleteRequest;

    const WHAT: &'static str = "delete the group's offset";

    fn route(&self, _: &TopicPartition) -> Route {
        Route::Coordinator(self.group.clone())
    }

    fn is_retried(&self, code: ErrorCode) -> bool {
        coordinator_retries(code)
    }

    fn request(&self, items: &[TopicPartition], _: i16, _: i32) -> OffsetDeleteRequest {
        let partition =
            |item: &TopicPartition| OffsetDeleteRequestPartition { partition_index: item.partition.0 };
        let topics = by_topic(items.iter().map(|item| (item, partition(item))));
        OffsetDeleteRequest {
            group_id: Str::from(self.group.as_str()),
            topics: topics.map(|(name, partitions)| OffsetDeleteRequestTopic { name, partitions }).collect(),
        }
    }

    fn throttle_ms(response: &OffsetDeleteResponse) -> i32 {
        response.throttle_time_ms
    }

    fn answers(
        &self,
        items: &[TopicPartition],
        _: i16,
        response: OffsetDeleteResponse,
    ) -> Vec<Option<Answer<()>>> {
        let answer = |item: &TopicPartition| {
            if response.error_code != 0 {
                return Some(Err((ErrorCode(response.error_code), None)));
            }
            let topic = response.topics.iter().find(|topic| *topic.name == *item.topic)?;
            let found = topic.partitions.iter().find(|at| at.partition_index == item.partition.0)?;
            Some(ErrorCode(found.error_code).into_result().map_err(|code| (code, None)))
        };
        items.iter().map(answer).collect()
    }

    fn locate(&self, item: &TopicPartition, error: courant_client::Error) -> courant_client::Error {
        error.at_partition(item.topic.clone(), item.partition).at_group(&self.group)
    }
}
