//! A member of a group as small as can be, spoken for frame by frame.
use std::time::Duration;

use courant_broker_mock::{MockCluster, MockGroup};
use courant_protocol::error_code::ErrorCode;
use courant_protocol::messages::*;
use courant_protocol::wire::Str;

use super::{Client, virtual_world};

pub(crate) const GROUP: &str = "billing";

/// Three brokers, and no delay for the first members.
pub(crate) fn cluster() -> MockCluster {
    cluster_with(&[])
}

/// As [`cluster`], with properties.
pub(crate) fn cluster_with(properties: &[(&str, &str)]) -> MockCluster {
    let mut builder = MockCluster::builder()
        .brokers(3)
        .topic("orders", 4)
        .topic("returns", 1)
        .config("group.initial.rebalance.delay.ms", "0")
        .world(virtual_world());
    for (name, value) in properties {
        builder = builder.config(*name, *value);
    }
    builder.build().unwrap()
}

/// A member as small as can be.
pub(crate) struct Member {
    pub(crate) client: Client,
    pub(crate) join: JoinGroupRequest,
    pub(crate) generation: i32,
}

impl Member {
    pub(crate) async fn new(cluster: &MockCluster) -> Self {
        let join = JoinGroupRequest {
            group_id: GROUP.into(),
            session_timeout_ms: 10_000,
            rebalance_timeout_ms: 60_000,
            protocol_type: "consumer".into(),
            protocols: vec![join_group::JoinGroupRequestProtocol {
                name: "range".into(),
                metadata: vec![0, 0, 0, 0, 0, 1, 0, 6, b'o', b'r', b'd', b'e', b'r', b's', 0, 0, 0, 0].into(),
            }],
            ..Default::default()
        };
        let node = cluster.coordinator(GROUP).unwrap();
        Self { client: Client::connect(cluster, node.0).await, join, generation: -1 }
    }

    pub(crate) async fn fixed(cluster: &MockCluster, instance: &str) -> Self {
        let mut member = Self::new(cluster).await;
        member.join.group_instance_id = Some(instance.into());
        member
    }

    /// Takes an id without joining.
    pub(crate) async fn ask_for_id(&mut self) {
        let answer = self.client.call(&self.join, 9).await;
        assert_eq!(answer.error_code, ErrorCode::MEMBER_ID_REQUIRED.0);
        self.join.member_id = answer.member_id;
    }

    pub(crate) async fn send_join(&mut self) {
        self.client.send(&self.join, 9).await;
    }

    pub(crate) async fn joined(&mut self) -> JoinGroupResponse {
        let answer = self.client.receive::<JoinGroupRequest>(9).await.unwrap();
        if answer.error_code == 0 {
            self.generation = answer.generation_id;
            self.join.member_id = answer.member_id.clone();
        }
        answer
    }

    pub(crate) async fn join(&mut self) -> JoinGroupResponse {
        self.send_join().await;
        self.joined().await
    }

    pub(crate) fn sync_request(&self, assignments: &[(&str, &[u8])]) -> SyncGroupRequest {
        let assignments = assignments.iter().map(|(member, bytes)| sync_group::SyncGroupRequestAssignment {
            member_id: (*member).into(),
            assignment: bytes.to_vec().into(),
        });
        SyncGroupRequest {
            group_id: GROUP.into(),
            generation_id: self.generation,
            member_id: self.join.member_id.clone(),
            group_instance_id: self.join.group_instance_id.clone(),
            protocol_type: Some("consumer".into()),
            protocol_name: Some("range".into()),
            assignments: assignments.collect(),
        }
    }

    pub(crate) async fn sync(&mut self, assignments: &[(&str, &[u8])]) -> SyncGroupResponse {
        let request = self.sync_request(assignments);
        self.client.call(&request, 5).await
    }

    /// Joins a group of which it is the only member, and assigns itself.
    pub(crate) async fn alone(&mut self) {
        if self.join.group_instance_id.is_none() && self.join.member_id.is_empty() {
            self.ask_for_id().await;
        }
        assert_eq!(self.join().await.error_code, 0);
        let id = self.id();
        assert_eq!(self.sync(&[(&id, b"all")]).await.assignment, "all");
    }

    pub(crate) async fn heartbeat(&mut self) -> i16 {
        let request = HeartbeatRequest {
            group_id: GROUP.into(),
            generation_id: self.generation,
            member_id: self.join.member_id.clone(),
            group_instance_id: self.join.group_instance_id.clone(),
        };
        self.client.call(&request, 4).await.error_code
    }

    pub(crate) async fn leave(&mut self) -> LeaveGroupResponse {
        let identity = leave_group::MemberIdentity {
            member_id: self.join.member_id.clone(),
            group_instance_id: self.join.group_instance_id.clone(),
            reason: None,
        };
        let request =
            LeaveGroupRequest { group_id: GROUP.into(), members: vec![identity], ..Default::default() };
        self.client.call(&request, 5).await
    }

    pub(crate) async fn commit(&mut self, offset: i64) -> i16 {
        let partition = offset_commit::OffsetCommitRequestPartition {
            committed_offset: offset,
            committed_metadata: Some(Str::new()),
            ..Default::default()
        };
        let topic = offset_commit::OffsetCommitRequestTopic {
            name: "orders".into(),
            partitions: vec![partition],
            ..Default::default()
        };
        let request = OffsetCommitRequest {
            group_id: GROUP.into(),
            generation_id_or_member_epoch: self.generation,
            member_id: self.join.member_id.clone(),
            group_instance_id: self.join.group_instance_id.clone(),
            topics: vec![topic],
            ..Default::default()
        };
        self.client.call(&request, 9).await.topics[0].partitions[0].error_code
    }

    pub(crate) fn id(&self) -> String {
        self.join.member_id.to_string()
    }
}

pub(crate) async fn wait(seconds: u64) {
    tokio::time::sleep(Duration::from_secs(seconds)).await;
}

pub(crate) fn state(cluster: &MockCluster) -> &'static str {
    cluster.group(GROUP).map_or("none", |group| group.state)
}

pub(crate) fn group(cluster: &MockCluster) -> MockGroup {
    cluster.group(GROUP).unwrap()
}

/// Makes the first member lead and the second follow, in generation 2 of a fresh group.
pub(crate) async fn settle(leader: &mut Member, follower: &mut Member) {
    leader.alone().await;
    if follower.join.group_instance_id.is_none() {
        follower.ask_for_id().await;
    }
    follower.send_join().await;
    leader.join().await;
    follower.joined().await;
    let request = follower.sync_request(&[]);
    follower.client.send(&request, 5).await;
    let (one, two) = (leader.id(), follower.id());
    assert_eq!(leader.sync(&[(&one, b"a"), (&two, b"b")]).await.assignment, "a");
    assert_eq!(follower.client.receive::<SyncGroupRequest>(5).await.unwrap().assignment, "b");
}
