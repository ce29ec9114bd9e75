//! A member of a group that speaks frame by frame, in any version: what no client of ours would send, and when.
use std::sync::atomic::{AtomicU32, Ordering};

use bytes::BytesMut;
use courant::TopicName;
use courant::runtime::{Address, Duplex};
use courant_protocol::api::Request;
use courant_protocol::error_code::ErrorCode;
use courant_protocol::frame::{decode_response, encode_request};
use courant_protocol::messages::find_coordinator::FindCoordinatorRequest;
use courant_protocol::messages::join_group::JoinGroupRequestProtocol;
use courant_protocol::messages::leave_group::MemberIdentity;
use courant_protocol::messages::offset_commit::{OffsetCommitRequestPartition, OffsetCommitRequestTopic};
use courant_protocol::messages::sync_group::SyncGroupRequestAssignment;
use courant_protocol::messages::{
    ApiVersionsRequest, HeartbeatRequest, HeartbeatResponse, JoinGroupRequest, JoinGroupResponse,
    LeaveGroupRequest, LeaveGroupResponse, OffsetCommitRequest, SyncGroupRequest, SyncGroupResponse,
};
use courant_protocol::wire::Str;

use super::world::{PATIENCE, Subject, fresh};

/// The newest versions of JoinGroup, SyncGroup, Heartbeat, LeaveGroup.
const JOIN: i16 = 9;
const SYNC: i16 = 5;
const HEARTBEAT: i16 = 4;
const LEAVE: i16 = 5;
/// The newest OffsetCommit that names topics.
const COMMIT: i16 = 9;

/// The topic of members that read nothing.
pub(super) const NO_TOPIC: &str = "t";

/// A connection over which requests are sent one by one.
pub(super) struct Wire {
    duplex: Box<dyn Duplex>,
    incoming: BytesMut,
    correlation: i32,
}

impl Wire {
    /// Connects to one address.
    pub(super) async fn connect(subject: &Subject, address: &str) -> Self {
        let address: Address = address.parse().expect("an address");
        let duplex = subject.world.connect(&address).await.expect("the broker answers");
        Self { duplex, incoming: BytesMut::new(), correlation: 0 }
    }

    /// Connects to the coordinator of a group, once there is one.
    pub(super) async fn coordinator(subject: &Subject, group: &str) -> Self {
        let first = subject.bootstrap.split(',').next().unwrap_or_default();
        let mut wire = Self::connect(subject, first).await;
        loop {
            let request =
                FindCoordinatorRequest { coordinator_keys: vec![group.into()], ..Default::default() };
            let found = wire.call(&request, 4).await.coordinators.remove(0);
            if found.error_code == 0 {
                let mut wire = Self::connect(subject, &format!("{}:{}", found.host, found.port)).await;
                // A coordinator that was just made hears of it and loads its part of the offsets first.
                while wire.describe_error(group).await != 0 {
                    tokio::task::yield_now().await;
                }
                return wire;
            }
            assert!(ErrorCode(found.error_code).is_retriable(), "{}", ErrorCode(found.error_code));
            tokio::task::yield_now().await;
        }
    }

    async fn describe_error(&mut self, group: &str) -> i16 {
        let request = courant_protocol::messages::DescribeGroupsRequest {
            groups: vec![group.into()],
            include_authorized_operations: false,
        };
        self.call(&request, 5).await.groups.remove(0).error_code
    }

    /// The newest version of a request that the broker speaks.
    pub(super) async fn newest<R: Request>(&mut self) -> i16 {
        let announced = self.call(&ApiVersionsRequest::default(), 0).await.api_keys;
        let api = announced.iter().find(|api| api.api_key == i16::from(R::KEY));
        api.map_or(-1, |api| api.max_version)
    }

    /// Sends without waiting.
    pub(super) async fn send<R: Request>(&mut self, request: &R, version: i16) {
        self.correlation += 1;
        let frame = encode_request(request, version, self.correlation, Some("conformance"));
        let frame = frame.expect("the request fits the version").into_bytes();
        self.duplex.write_all(&frame).await.expect("sent");
    }

    /// The answer to what was sent.
    pub(super) async fn receive<R: Request>(&mut self, version: i16) -> R::Response {
        let frame = async {
            loop {
                if let Some(prefix) = self.incoming.first_chunk::<4>() {
                    let size = u32::from_be_bytes(*prefix) as usize;
                    if self.incoming.len() >= 4 + size {
                        return self.incoming.split_to(4 + size).freeze().slice(4..);
                    }
                }
                let read = self.duplex.read(&mut self.incoming).await.expect("read");
                assert!(read > 0, "{} version {version}: the broker closed the connection", R::KEY);
            }
        };
        let frame = tokio::time::timeout(PATIENCE, frame).await;
        let frame = frame.unwrap_or_else(|_| panic!("{} version {version}: no answer", R::KEY));
        decode_response::<R>(frame, version).expect("the answer is of its version").1
    }

    /// Sends and waits.
    pub(super) async fn call<R: Request>(&mut self, request: &R, version: i16) -> R::Response {
        self.send(request, version).await;
        self.receive::<R>(version).await
    }
}

/// The metadata of a consumer that subscribes to a topic, version 0.
fn subscription(topic: &str) -> Vec<u8> {
    let mut bytes = vec![0, 0, 0, 0, 0, 1];
    bytes.extend_from_slice(&u16::try_from(topic.len()).unwrap_or_default().to_be_bytes());
    bytes.extend_from_slice(topic.as_bytes());
    bytes.extend_from_slice(&[0, 0, 0, 0]);
    bytes
}

/// A name for a group that nobody has used.
pub(super) fn fresh_group(stem: &str) -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    format!("{}-g{}", fresh(stem), NEXT.fetch_add(1, Ordering::Relaxed))
}

/// A member with its connection.
pub(super) struct Member {
    pub(super) wire: Wire,
    pub(super) join: JoinGroupRequest,
    pub(super) generation: i32,
}

impl Member {
    /// A member to be: a consumer of `topic` that offers `range`.
    pub(super) async fn new(subject: &Subject, group: &str, topic: &str) -> Self {
        let join = JoinGroupRequest {
            group_id: group.into(),
            session_timeout_ms: 20_000,
            rebalance_timeout_ms: 20_000,
            protocol_type: "consumer".into(),
            protocols: vec![JoinGroupRequestProtocol {
                name: "range".into(),
                metadata: subscription(topic).into(),
            }],
            ..Default::default()
        };
        let mut member = Self { wire: Wire::coordinator(subject, group).await, join, generation: -1 };
        if topic != NO_TOPIC {
            member.knows(topic).await;
        }
        member
    }

    /// A static member.
    pub(super) async fn fixed(subject: &Subject, group: &str, instance: &str) -> Self {
        let mut member = Self::new(subject, group, NO_TOPIC).await;
        member.join.group_instance_id = Some(instance.into());
        member
    }

    pub(super) fn id(&self) -> String {
        self.join.member_id.to_string()
    }

    /// Asks for an id, as newcomers do.
    pub(super) async fn ask_for_id(&mut self) {
        let answer = self.wire.call(&self.join, JOIN).await;
        assert_eq!(ErrorCode(answer.error_code), ErrorCode::MEMBER_ID_REQUIRED);
        assert!(!answer.member_id.is_empty());
        self.join.member_id = answer.member_id;
    }

    pub(super) async fn send_join(&mut self) {
        self.wire.send(&self.join, JOIN).await;
    }

    pub(super) async fn joined(&mut self) -> JoinGroupResponse {
        let answer = self.wire.receive::<JoinGroupRequest>(JOIN).await;
        if answer.error_code == 0 {
            self.generation = answer.generation_id;
            self.join.member_id = answer.member_id.clone();
        }
        answer
    }

    pub(super) async fn join(&mut self) -> JoinGroupResponse {
        self.send_join().await;
        self.joined().await
    }

    pub(super) fn sync_request(&self, assignments: &[(&str, &str)]) -> SyncGroupRequest {
        let assignment = |(member, bytes): &(&str, &str)| SyncGroupRequestAssignment {
            member_id: (*member).into(),
            assignment: bytes.as_bytes().to_vec().into(),
        };
        SyncGroupRequest {
            group_id: self.join.group_id.clone(),
            generation_id: self.generation,
            member_id: self.join.member_id.clone(),
            group_instance_id: self.join.group_instance_id.clone(),
            protocol_type: Some("consumer".into()),
            protocol_name: Some(self.join.protocols[0].name.clone()),
            assignments: assignments.iter().map(assignment).collect(),
        }
    }

    pub(super) async fn send_sync(&mut self) {
        let request = self.sync_request(&[]);
        self.wire.send(&request, SYNC).await;
    }

    pub(super) async fn synced(&mut self) -> SyncGroupResponse {
        self.wire.receive::<SyncGroupRequest>(SYNC).await
    }

    pub(super) async fn sync(&mut self, assignments: &[(&str, &str)]) -> SyncGroupResponse {
        let request = self.sync_request(assignments);
        self.wire.call(&request, SYNC).await
    }

    /// Joins a group in which nobody else is, and assigns itself `all`.
    pub(super) async fn alone(&mut self) {
        if self.join.group_instance_id.is_none() && self.join.member_id.is_empty() {
            self.ask_for_id().await;
        }
        assert_eq!(ErrorCode(self.join().await.error_code), ErrorCode::NONE);
        let id = self.id();
        assert_eq!(self.sync(&[(&id, "all")]).await.assignment, "all");
    }

    pub(super) async fn heartbeat(&mut self) -> ErrorCode {
        let request = HeartbeatRequest {
            group_id: self.join.group_id.clone(),
            generation_id: self.generation,
            member_id: self.join.member_id.clone(),
            group_instance_id: self.join.group_instance_id.clone(),
        };
        let answer: HeartbeatResponse = self.wire.call(&request, HEARTBEAT).await;
        ErrorCode(answer.error_code)
    }

    /// Sends heartbeats until the answer is another.
    pub(super) async fn heartbeats_while(&mut self, subject: &Subject, same: ErrorCode) -> ErrorCode {
        loop {
            let code = self.heartbeat().await;
            if code != same {
                return code;
            }
            subject.world.sleep(std::time::Duration::from_millis(20)).await;
        }
    }

    pub(super) async fn leave(&mut self) -> LeaveGroupResponse {
        let identity = MemberIdentity {
            member_id: self.join.member_id.clone(),
            group_instance_id: self.join.group_instance_id.clone(),
            reason: None,
        };
        let request = LeaveGroupRequest {
            group_id: self.join.group_id.clone(),
            members: vec![identity],
            ..Default::default()
        };
        self.wire.call(&request, LEAVE).await
    }

    /// Commits an offset of partition 0.
    pub(super) async fn commit(&mut self, topic: &TopicName, offset: i64) -> ErrorCode {
        let request = self.commit_request(topic, offset);
        let answer = self.wire.call(&request, COMMIT).await;
        ErrorCode(answer.topics[0].partitions[0].error_code)
    }

    /// Waits until the coordinator has heard of a topic that was just made: by commits that no group would take.
    pub(super) async fn knows(&mut self, topic: &str) {
        let mut request = self.commit_request(topic, 0);
        (request.generation_id_or_member_epoch, request.member_id) = (99, "nobody".into());
        loop {
            let answer = self.wire.call(&request, COMMIT).await;
            if answer.topics[0].partitions[0].error_code != ErrorCode::UNKNOWN_TOPIC_OR_PARTITION.0 {
                return;
            }
            tokio::task::yield_now().await;
        }
    }

    pub(super) fn commit_request(&self, topic: &str, offset: i64) -> OffsetCommitRequest {
        let partition = OffsetCommitRequestPartition {
            committed_offset: offset,
            committed_metadata: Some(Str::new()),
            ..Default::default()
        };
        let topic = OffsetCommitRequestTopic {
            name: topic.into(),
            partitions: vec![partition],
            ..Default::default()
        };
        OffsetCommitRequest {
            group_id: self.join.group_id.clone(),
            generation_id_or_member_epoch: self.generation,
            member_id: self.join.member_id.clone(),
            group_instance_id: self.join.group_instance_id.clone(),
            topics: vec![topic],
            ..Default::default()
        }
    }
}

/// Makes the first member lead and the second follow: they are assigned `a` and `b`.
pub(super) async fn settle(leader: &mut Member, follower: &mut Member) {
    leader.alone().await;
    if follower.join.group_instance_id.is_none() {
        follower.ask_for_id().await;
    }
    follower.send_join().await;
    // The follower's request may be under way still; a leader that joins begins the rebalance in any case.
    let mut answer = leader.join().await;
    while answer.members.len() < 2 {
        answer = leader.join().await;
    }
    follower.joined().await;
    follower.send_sync().await;
    let (one, two) = (leader.id(), follower.id());
    assert_eq!(leader.sync(&[(&one, "a"), (&two, "b")]).await.assignment, "a");
    assert_eq!(follower.synced().await.assignment, "b");
}
