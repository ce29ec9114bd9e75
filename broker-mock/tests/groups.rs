//! Groups over the wire: members join, agree, commit, fall silent and leave, in virtual time.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::needless_update,
    reason = "a test panics; messages grow"
)]
mod support;

use std::time::Duration;

use courant_broker_mock::{Fault, MockCluster};
use courant_protocol::api::ApiKey;
use courant_protocol::error_code::ErrorCode;
use courant_protocol::messages::*;
use courant_protocol::types::{NodeId, Offset};
use courant_protocol::wire::Str;
use support::{Client, virtual_world};

const GROUP: &str = "billing";

fn cluster() -> MockCluster {
    MockCluster::builder()
        .brokers(3)
        .topic("orders", 4)
        .config("group.initial.rebalance.delay.ms", "0")
        .world(virtual_world())
        .build()
        .unwrap()
}

/// A member as small as can be.
struct Member {
    client: Client,
    join: JoinGroupRequest,
    generation: i32,
}

impl Member {
    async fn new(cluster: &MockCluster) -> Self {
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

    async fn fixed(cluster: &MockCluster, instance: &str) -> Self {
        let mut member = Self::new(cluster).await;
        member.join.group_instance_id = Some(instance.into());
        member
    }

    /// Takes an id without joining.
    async fn ask_for_id(&mut self) {
        let answer = self.client.call(&self.join, 9).await;
        assert_eq!(answer.error_code, ErrorCode::MEMBER_ID_REQUIRED.0);
        self.join.member_id = answer.member_id;
    }

    async fn send_join(&mut self) {
        self.client.send(&self.join, 9).await;
    }

    async fn joined(&mut self) -> JoinGroupResponse {
        let answer = self.client.receive::<JoinGroupRequest>(9).await.unwrap();
        if answer.error_code == 0 {
            self.generation = answer.generation_id;
            self.join.member_id = answer.member_id.clone();
        }
        answer
    }

    async fn join(&mut self) -> JoinGroupResponse {
        self.send_join().await;
        self.joined().await
    }

    fn sync_request(&self, assignments: &[(&str, &[u8])]) -> SyncGroupRequest {
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

    async fn sync(&mut self, assignments: &[(&str, &[u8])]) -> SyncGroupResponse {
        let request = self.sync_request(assignments);
        self.client.call(&request, 5).await
    }

    /// Joins a group of which it is the only member, and assigns itself.
    async fn alone(&mut self) {
        if self.join.group_instance_id.is_none() && self.join.member_id.is_empty() {
            self.ask_for_id().await;
        }
        assert_eq!(self.join().await.error_code, 0);
        let id = self.id();
        assert_eq!(self.sync(&[(&id, b"all")]).await.assignment, "all");
    }

    async fn heartbeat(&mut self) -> i16 {
        let request = HeartbeatRequest {
            group_id: GROUP.into(),
            generation_id: self.generation,
            member_id: self.join.member_id.clone(),
            group_instance_id: self.join.group_instance_id.clone(),
        };
        self.client.call(&request, 4).await.error_code
    }

    async fn leave(&mut self) -> LeaveGroupResponse {
        let identity = leave_group::MemberIdentity {
            member_id: self.join.member_id.clone(),
            group_instance_id: self.join.group_instance_id.clone(),
            reason: None,
        };
        let request =
            LeaveGroupRequest { group_id: GROUP.into(), members: vec![identity], ..Default::default() };
        self.client.call(&request, 5).await
    }

    async fn commit(&mut self, offset: i64) -> i16 {
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

    fn id(&self) -> String {
        self.join.member_id.to_string()
    }
}

async fn wait(seconds: u64) {
    tokio::time::sleep(Duration::from_secs(seconds)).await;
}

fn state(cluster: &MockCluster) -> &'static str {
    cluster.group(GROUP).map_or("none", |group| group.state)
}

#[tokio::test(start_paused = true)]
async fn two_members_share_what_the_leader_assigns() {
    let cluster = cluster();
    let (mut first, mut second) = (Member::new(&cluster).await, Member::new(&cluster).await);
    first.alone().await;
    assert_eq!((first.generation, state(&cluster)), (1, "Stable"));
    second.ask_for_id().await;
    second.send_join().await;
    assert_eq!(first.heartbeat().await, ErrorCode::REBALANCE_IN_PROGRESS.0);
    let led = first.join().await;
    let followed = second.joined().await;
    assert_eq!((led.generation_id, followed.generation_id), (2, 2));
    assert_eq!(led.leader, first.id());
    assert_eq!((led.members.len(), followed.members.len()), (2, 0));
    let request = second.sync_request(&[]);
    second.client.send(&request, 5).await;
    assert_eq!(state(&cluster), "CompletingRebalance");
    assert_eq!(first.commit(1).await, ErrorCode::REBALANCE_IN_PROGRESS.0);
    let (one, two) = (first.id(), second.id());
    assert_eq!(first.sync(&[(&one, b"a"), (&two, b"b")]).await.assignment, "a");
    assert_eq!(second.client.receive::<SyncGroupRequest>(5).await.unwrap().assignment, "b");
    assert_eq!((first.heartbeat().await, second.heartbeat().await), (0, 0));
    assert_eq!(second.commit(7).await, 0);
    assert_eq!(cluster.committed(GROUP, "orders", 0), Some(Offset(7)));
    assert_eq!(second.leave().await.members[0].error_code, 0);
    assert_eq!(first.heartbeat().await, ErrorCode::REBALANCE_IN_PROGRESS.0);
    first.alone().await;
    assert_eq!((first.generation, cluster.group(GROUP).unwrap().members.len()), (3, 1));
}
