//! What groups look like: their state and their members.
use bytes::Bytes;
use courant_client::{CoordinatorKind, ErrorKind};
use courant_protocol::embedded;
use courant_protocol::error_code::ErrorCode;
use courant_protocol::messages::{
    ConsumerGroupDescribeRequest, ConsumerGroupDescribeResponse, DescribeGroupsRequest,
    DescribeGroupsResponse, consumer_group_describe as newer, describe_groups as classic,
};
use courant_protocol::types::{NodeId, TopicName, TopicPartition};
use courant_protocol::wire::Str;

use crate::admin::Admin;
use crate::call::{Answer, Api, Route, coordinator_retries, run_within};
use crate::groups::{GroupState, GroupType};
use crate::results::Results;

/// A group and its members.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct GroupDescription {
    /// Its id.
    pub group_id: String,
    /// Which protocol its members speak.
    pub group_type: GroupType,
    /// What it is doing.
    pub state: GroupState,
    /// What its members are: `consumer`, `connect`; empty where it only has offsets.
    pub protocol_type: String,
    /// Which assignor (for other types, which protocol) its members have agreed on; empty while they have not.
    pub protocol: String,
    /// How often the group has changed, and for which of these changes its assignment was made (KIP-848).
    pub epochs: Option<GroupEpochs>,
    /// Its members.
    pub members: Vec<MemberDescription>,
    /// The broker that coordinates it.
    pub coordinator: Option<NodeId>,
}

/// Where a group of the newer protocol stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct GroupEpochs {
    /// How often the group has changed.
    pub group: i32,
    /// Which of its changes its assignment knows of.
    pub assignment: i32,
}

/// A member of a group.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct MemberDescription {
    /// Its id.
    pub member_id: String,
    /// Its name, if it is a static member (KIP-345).
    pub group_instance_id: Option<String>,
    /// The client id that it goes by.
    pub client_id: String,
    /// Where it connects from.
    pub client_host: String,
    /// The partitions that it has; empty where it is no consumer.
    pub assignment: Vec<TopicPartition>,
    /// The partitions that it is to have (KIP-848).
    pub target_assignment: Option<Vec<TopicPartition>>,
    /// The epoch that it is in (KIP-848).
    pub member_epoch: Option<i32>,
    /// What it said of itself when it joined, in the form of its protocol type (classic).
    pub metadata: Bytes,
    /// What it was assigned, in the form of its protocol type (classic).
    pub raw_assignment: Bytes,
}

impl Admin {
    /// Describes groups: classic ones of any protocol type, and consumers of the newer protocol.
    ///
    /// ```
    /// # use courant_broker_mock::MockCluster;
    /// # let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    /// # runtime.block_on(async {
    /// # let cluster = MockCluster::builder().brokers(3).topic("orders", 1).build()?;
    /// # let kafka = courant_client::Kafka::builder().bootstrap(cluster.bootstrap()).world(cluster.world()).connect().await?;
    /// use courant_admin::{Admin, ErrorKind, GroupState};
    ///
    /// let admin = Admin::new(&kafka);
    /// admin.alter_group_offsets("billing", [(("orders", 0), 0)]).await.all()?;
    /// let (_, billing) = admin.describe_groups(["billing"]).await.all()?.remove(0);
    /// assert_eq!((billing.state, billing.members.len()), (GroupState::Empty, 0));
    /// let error = admin.describe_groups(["nobody"]).await.all().unwrap_err();
    /// assert_eq!(error.kind(), ErrorKind::GroupNotFound);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// # }).map_err(|error| error.to_string())?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// Each group has its own: [`GroupNotFound`](crate::ErrorKind::GroupNotFound), a missing permission, or whatever kept
    /// the call from being answered in time.
    ///
    /// # Cancel safety
    /// Nothing is changed either way.
    pub async fn describe_groups<G: Into<String>>(
        &self,
        groups: impl IntoIterator<Item = G>,
    ) -> Results<String, GroupDescription> {
        let groups: Vec<String> = groups.into_iter().map(Into::into).collect();
        let policy = self.policy();
        let mut found = run_within(self, policy, &DescribeConsumerGroups, groups.clone()).await;
        // A broker before 3.7 does not know the newer API, and a classic group is none of it: those are asked for the old way.
        let classic: Vec<usize> =
            (0..).zip(&found).filter(|(_, found)| is_classic(found)).map(|(at, _)| at).collect();
        let ids = classic.iter().filter_map(|at| groups.get(*at)).cloned().collect();
        let described = run_within(self, policy, &DescribeClassicGroups, ids).await;
        for (at, described) in classic.into_iter().zip(described) {
            if let Some(place) = found.get_mut(at) {
                *place = described.and_then(|readable| readable);
            }
        }
        let coordinated = |(group, found): (String, Result<GroupDescription, courant_client::Error>)| {
            let coordinator = self.cluster().known_coordinator(CoordinatorKind::Group, &group);
            let found = found.map(|description| GroupDescription { coordinator, ..description });
            (group, found.map_err(Into::into))
        };
        Results::new(groups.into_iter().zip(found).map(coordinated).collect())
    }
}

fn is_classic(found: &Result<GroupDescription, courant_client::Error>) -> bool {
    found.as_ref().is_err_and(|error| {
        error.kind() == ErrorKind::UnsupportedVersion || error.code() == Some(ErrorCode::GROUP_ID_NOT_FOUND)
    })
}

/// Groups of the newer protocol (KIP-848).
struct DescribeConsumerGroups;

impl Api for DescribeConsumerGroups {
    type Item = String;
    type Value = GroupDescription;
    type Request = ConsumerGroupDescribeRequest;

    const WHAT: &'static str = "describe the group";

    fn route(&self, item: &String) -> Route {
        Route::Coordinator(item.clone())
    }

    fn is_retried(&self, code: ErrorCode) -> bool {
        coordinator_retries(code)
    }

    fn request(&self, items: &[String], _: i16, _: i32) -> ConsumerGroupDescribeRequest {
        ConsumerGroupDescribeRequest {
            group_ids: items.iter().map(|group| Str::from(group.as_str())).collect(),
            include_authorized_operations: false,
        }
    }

    fn throttle_ms(response: &ConsumerGroupDescribeResponse) -> i32 {
        response.throttle_time_ms
    }

    fn answers(
        &self,
        items: &[String],
        _: i16,
        response: ConsumerGroupDescribeResponse,
    ) -> Vec<Option<Answer<GroupDescription>>> {
        let answer = |item: &String| {
            let found = response.groups.iter().find(|group| *group.group_id == **item)?;
            let message = found.error_message.as_deref().map(str::to_owned);
            Some(match found.error_code {
                0 => Ok(newer_group(found)),
                code => Err((ErrorCode(code), message)),
            })
        };
        items.iter().map(answer).collect()
    }

    fn locate(&self, item: &String, error: courant_client::Error) -> courant_client::Error {
        error.at_group(item)
    }
}

fn newer_group(group: &newer::DescribedGroup) -> GroupDescription {
    GroupDescription {
        group_id: group.group_id.to_string(),
        group_type: GroupType::Consumer,
        state: GroupState::from_wire(&group.group_state),
        protocol_type: embedded::PROTOCOL_TYPE.to_owned(),
        protocol: group.assignor_name.to_string(),
        epochs: Some(GroupEpochs { group: group.group_epoch, assignment: group.assignment_epoch }),
        members: group.members.iter().map(newer_member).collect(),
        coordinator: None,
    }
}

fn newer_member(member: &newer::Member) -> MemberDescription {
    MemberDescription {
        member_id: member.member_id.to_string(),
        group_instance_id: member.instance_id.as_deref().map(str::to_owned),
        client_id: member.client_id.to_string(),
        client_host: member.client_host.to_string(),
        assignment: partitions(&member.assignment),
        target_assignment: Some(partitions(&member.target_assignment)),
        member_epoch: Some(member.member_epoch),
        metadata: Bytes::new(),
        raw_assignment: Bytes::new(),
    }
}

fn partitions(assignment: &newer::Assignment) -> Vec<TopicPartition> {
    let of = |topic: &newer::TopicPartitions| {
        let name = TopicName::from(&*topic.topic_name);
        let partition = |number: &i32| TopicPartition::new(&name, *number);
        topic.partitions.iter().map(partition).collect::<Vec<_>>()
    };
    assignment.topic_partitions.iter().flat_map(of).collect()
}

/// Classic groups, of consumers and of others.
struct DescribeClassicGroups;

/// A member's assignment is what another member wrote: it may be anything.
type Readable = Result<GroupDescription, courant_client::Error>;

impl Api for DescribeClassicGroups {
    type Item = String;
    type Value = Readable;
    type Request = DescribeGroupsRequest;

    const WHAT: &'static str = "describe the group";

    fn route(&self, item: &String) -> Route {
        Route::Coordinator(item.clone())
    }

    fn is_retried(&self, code: ErrorCode) -> bool {
        coordinator_retries(code)
    }

    fn request(&self, items: &[String], _: i16, _: i32) -> DescribeGroupsRequest {
        DescribeGroupsRequest {
            groups: items.iter().map(|group| Str::from(group.as_str())).collect(),
            include_authorized_operations: false,
        }
    }

    fn throttle_ms(response: &DescribeGroupsResponse) -> i32 {
        response.throttle_time_ms
    }

    fn answers(
        &self,
        items: &[String],
        version: i16,
        response: DescribeGroupsResponse,
    ) -> Vec<Option<Answer<Readable>>> {
        let answer = |item: &String| {
            let found = response.groups.iter().find(|group| *group.group_id == **item)?;
            let message = found.error_message.as_deref().map(str::to_owned);
            Some(match found.error_code {
                // Before version 6 a group that does not exist is described as dead (KIP-1043).
                0 if version < 6 && &*found.group_state == "Dead" => {
                    Err((ErrorCode::GROUP_ID_NOT_FOUND, None))
                }
                0 => Ok(classic_group(found).map_err(|error| self.locate(item, error))),
                code => Err((ErrorCode(code), message)),
            })
        };
        items.iter().map(answer).collect()
    }

    fn locate(&self, item: &String, error: courant_client::Error) -> courant_client::Error {
        error.at_group(item)
    }
}

fn classic_group(group: &classic::DescribedGroup) -> Readable {
    let is_consumer = &*group.protocol_type == embedded::PROTOCOL_TYPE;
    let members = group.members.iter().map(|member| classic_member(member, is_consumer));
    Ok(GroupDescription {
        group_id: group.group_id.to_string(),
        group_type: GroupType::Classic,
        state: GroupState::from_wire(&group.group_state),
        protocol_type: group.protocol_type.to_string(),
        protocol: group.protocol_data.to_string(),
        epochs: None,
        members: members.collect::<Result<_, _>>()?,
        coordinator: None,
    })
}

fn classic_member(
    member: &classic::DescribedGroupMember,
    is_consumer: bool,
) -> Result<MemberDescription, courant_client::Error> {
    // Members have no assignment while the group rebalances.
    let assignment = if is_consumer && !member.member_assignment.is_empty() {
        let read = embedded::Assignment::decode(member.member_assignment.clone());
        let unreadable = |error| {
            let what = format!("the assignment of member {} cannot be read", member.member_id);
            courant_client::Error::new(ErrorKind::Protocol, what).because(error)
        };
        read.map_err(unreadable)?.partitions
    } else {
        Vec::new()
    };
    Ok(MemberDescription {
        member_id: member.member_id.to_string(),
        group_instance_id: member.group_instance_id.as_deref().map(str::to_owned),
        client_id: member.client_id.to_string(),
        client_host: member.client_host.to_string(),
        assignment,
        target_assignment: None,
        member_epoch: None,
        metadata: member.member_metadata.clone(),
        raw_assignment: member.member_assignment.clone(),
    })
}
