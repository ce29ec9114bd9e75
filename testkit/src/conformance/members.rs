//! A member of a group by bare requests, for functions that look at groups from outside.
use courant::client::{CoordinatorKind, Target};
use courant::{Kafka, TopicName};
use courant_protocol::api::Request;
use courant_protocol::embedded::{Assignment, Subscription};
use courant_protocol::error_code::ErrorCode;
use courant_protocol::messages::join_group::JoinGroupRequestProtocol;
use courant_protocol::messages::leave_group::MemberIdentity;
use courant_protocol::messages::sync_group::SyncGroupRequestAssignment;
use courant_protocol::messages::{JoinGroupRequest, LeaveGroupRequest, SyncGroupRequest};

use super::world::PATIENCE;

/// The only member of its group.
pub(super) struct Member {
    /// Its id.
    pub(super) id: String,
    /// Its group.
    pub(super) group: String,
}

/// Sends a request to the coordinator of the group until it is not busy with something else.
async fn ask<R: Request + Clone>(
    kafka: &Kafka,
    group: &str,
    request: R,
    code: impl Fn(&R::Response) -> i16,
) -> R::Response {
    loop {
        let target = Target::Coordinator(CoordinatorKind::Group, group.to_owned());
        let deadline = kafka.world().now() + PATIENCE;
        let response = kafka.cluster().call(target, request.clone(), deadline).await.expect("answered").0;
        let code = ErrorCode(code(&response));
        if code.refreshes_coordinator() {
            kafka.cluster().forget_coordinator(CoordinatorKind::Group, group);
        } else if code != ErrorCode::COORDINATOR_LOAD_IN_PROGRESS {
            return response;
        }
        tokio::task::yield_now().await;
    }
}

/// Joins a group as a consumer of `topic`, static if it has a name, and takes the topic's partition 0.
pub(super) async fn join(kafka: &Kafka, group: &str, instance: Option<&str>, topic: &TopicName) -> Member {
    let metadata = Subscription::new([topic.clone()]).encode(3).expect("encoded");
    let mut request = JoinGroupRequest {
        group_id: group.into(),
        session_timeout_ms: 60_000,
        rebalance_timeout_ms: 60_000,
        group_instance_id: instance.map(Into::into),
        protocol_type: "consumer".into(),
        protocols: vec![JoinGroupRequestProtocol { name: "range".into(), metadata }],
        ..Default::default()
    };
    let mut joined = ask(kafka, group, request.clone(), |response| response.error_code).await;
    if joined.error_code == ErrorCode::MEMBER_ID_REQUIRED.0 {
        request.member_id = joined.member_id.clone();
        joined = ask(kafka, group, request, |response| response.error_code).await;
    }
    assert_eq!(ErrorCode(joined.error_code), ErrorCode(0), "joined");
    let assignment = Assignment::new([(topic, 0)]).encode(3).expect("encoded");
    let sync = SyncGroupRequest {
        group_id: group.into(),
        generation_id: joined.generation_id,
        member_id: joined.member_id.clone(),
        group_instance_id: instance.map(Into::into),
        protocol_type: Some("consumer".into()),
        protocol_name: Some("range".into()),
        assignments: vec![SyncGroupRequestAssignment { member_id: joined.member_id.clone(), assignment }],
    };
    let synced = ask(kafka, group, sync, |response| response.error_code).await;
    assert_eq!(ErrorCode(synced.error_code), ErrorCode(0), "synced");
    Member { id: joined.member_id.to_string(), group: group.to_owned() }
}

impl Member {
    /// Leaves the group.
    pub(super) async fn leave(self, kafka: &Kafka) {
        let member = MemberIdentity { member_id: self.id.as_str().into(), ..Default::default() };
        let request = LeaveGroupRequest {
            group_id: self.group.as_str().into(),
            members: vec![member],
            ..Default::default()
        };
        let left = ask(kafka, &self.group, request, |response| response.error_code).await;
        assert_eq!(ErrorCode(left.error_code), ErrorCode(0), "left");
    }
}
