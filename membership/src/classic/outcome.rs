//! What the coordinator's answers do to a member (Java's `AbstractCoordinator` and its response handlers).
use std::collections::BTreeMap;
use std::time::Instant;

use courant_client::{Error, ErrorKind};
use courant_protocol::error_code::ErrorCode;
use courant_protocol::messages::{HeartbeatResponse, JoinGroupResponse, SyncGroupResponse};

use super::machine::{Call, Classic, Fenced, Stage};
use super::member::{Election, ElectionMember, Member};
use super::request::Ticket;
use crate::event::{Assigned, MembershipEvent};

impl Classic {
    /// Takes the answer to a JoinGroup.
    pub fn handle_join(
        &mut self,
        now: Instant,
        ticket: Ticket,
        answer: Result<JoinGroupResponse, Error>,
        jitter: f64,
    ) {
        if !matches!(self.stage, Stage::Joining(Call::Sent(sent)) if sent == ticket) {
            return;
        }
        let response = match answer {
            Ok(response) => response,
            Err(error) => return self.handle_no_answer(now, error, jitter),
        };
        match ErrorCode(response.error_code) {
            ErrorCode::NONE => self.handle_joined(now, response),
            // The first half of joining, not a failure (KIP-394): the second is to come with the id that was given.
            ErrorCode::MEMBER_ID_REQUIRED => {
                let member_id = response.member_id.to_string();
                let reason = format!("need to re-join with the given member-id: {member_id}");
                self.member = Member { member_id, ..Member::NONE };
                self.join_at_once(now, &reason);
            }
            ErrorCode::UNKNOWN_MEMBER_ID => {
                self.lose("encountered UNKNOWN_MEMBER_ID from JOIN_GROUP response", true);
            }
            ErrorCode::COORDINATOR_NOT_AVAILABLE | ErrorCode::NOT_COORDINATOR => {
                self.doubt_coordinator();
                self.try_again(now, jitter);
            }
            ErrorCode::COORDINATOR_LOAD_IN_PROGRESS | ErrorCode::REBALANCE_IN_PROGRESS => {
                self.try_again(now, jitter);
            }
            code => self.refuse(code, "cannot join"),
        }
    }

    fn handle_joined(&mut self, now: Instant, response: JoinGroupResponse) {
        if response.protocol_type.as_deref().is_some_and(|told| told != self.settings.protocol_type) {
            return self.refuse(ErrorCode::INCONSISTENT_GROUP_PROTOCOL, "cannot join");
        }
        let name = response.protocol_name.as_deref().unwrap_or_default().to_owned();
        if !self.offered.contains(&name) || response.generation_id < 0 || response.member_id.is_empty() {
            let what =
                format!("the coordinator of group {} chose what was not offered", self.settings.group_id);
            return self.fail(Error::new(ErrorKind::Protocol, what), Fenced::No);
        }
        self.member = Member {
            generation_id: response.generation_id,
            member_id: response.member_id.to_string(),
            protocol_name: Some(name.clone()),
        };
        self.heartbeat.reset(now);
        if response.leader != response.member_id {
            self.stage = Stage::Syncing(BTreeMap::new(), Call::At(now));
            return;
        }
        self.stage = Stage::Electing;
        let members = response.members.into_iter().map(|member| ElectionMember {
            member_id: member.member_id.to_string(),
            group_instance_id: member.group_instance_id.map(|id| id.to_string()),
            metadata: member.metadata,
        });
        self.tell(MembershipEvent::Elect(Election {
            protocol_name: name,
            generation_id: response.generation_id,
            leader_id: response.leader.to_string(),
            members: members.collect(),
            skip_assignment: response.skip_assignment,
        }));
    }

    /// Takes the answer to a SyncGroup.
    pub fn handle_sync(
        &mut self,
        now: Instant,
        ticket: Ticket,
        answer: Result<SyncGroupResponse, Error>,
        jitter: f64,
    ) {
        if !matches!(self.stage, Stage::Syncing(_, Call::Sent(sent)) if sent == ticket) {
            return;
        }
        let response = match answer {
            Ok(response) => response,
            Err(error) => return self.handle_no_answer(now, error, jitter),
        };
        match ErrorCode(response.error_code) {
            ErrorCode::NONE => self.handle_synced(response),
            // Somebody came or went meanwhile: the next round begins, and what is owned stays owned.
            ErrorCode::REBALANCE_IN_PROGRESS => {
                self.join_at_once(now, "rebalance failed due to RebalanceInProgressException");
            }
            ErrorCode::UNKNOWN_MEMBER_ID => {
                self.lose("encountered UNKNOWN_MEMBER_ID from SYNC_GROUP response", true);
            }
            ErrorCode::ILLEGAL_GENERATION => {
                self.lose("encountered ILLEGAL_GENERATION from SYNC_GROUP response", false);
            }
            ErrorCode::COORDINATOR_NOT_AVAILABLE | ErrorCode::NOT_COORDINATOR => {
                self.doubt_coordinator();
                self.try_again(now, jitter);
            }
            ErrorCode::COORDINATOR_LOAD_IN_PROGRESS => self.try_again(now, jitter),
            code => self.refuse(code, "cannot get the assignment of"),
        }
    }

    fn handle_synced(&mut self, response: SyncGroupResponse) {
        let type_differs =
            response.protocol_type.as_deref().is_some_and(|told| told != self.settings.protocol_type);
        let name = self.member.protocol_name.clone().unwrap_or_default();
        if type_differs || response.protocol_name.as_deref().is_some_and(|told| told != name) {
            return self.refuse(ErrorCode::INCONSISTENT_GROUP_PROTOCOL, "cannot get the assignment of");
        }
        self.finish_round();
        self.tell(MembershipEvent::Assign(Assigned {
            assignment: response.assignment,
            generation_id: self.member.generation_id,
            protocol_name: name,
        }));
    }

    /// Takes the answer to a heartbeat.
    pub fn handle_heartbeat(
        &mut self,
        now: Instant,
        ticket: Ticket,
        answer: Result<HeartbeatResponse, Error>,
        jitter: f64,
    ) {
        let Some(sent) = self.heartbeat.answered(ticket) else { return };
        let code = match answer {
            Ok(response) => ErrorCode(response.error_code),
            Err(error) => {
                if error.is_retriable() {
                    self.doubt_coordinator();
                }
                return self.handle_unheard(now, error, jitter);
            }
        };
        match code {
            ErrorCode::NONE => self.heartbeat.succeeded(now),
            ErrorCode::REBALANCE_IN_PROGRESS => {
                // The coordinator has counted the member in, and waits for it to join again.
                self.heartbeat.succeeded(now);
                if matches!(self.stage, Stage::Stable | Stage::Assigning) {
                    self.request_rejoin("group is already rebalancing");
                }
            }
            ErrorCode::COORDINATOR_NOT_AVAILABLE | ErrorCode::NOT_COORDINATOR => {
                self.doubt_coordinator();
                self.heartbeat.failed(now, jitter);
            }
            ErrorCode::UNKNOWN_MEMBER_ID | ErrorCode::ILLEGAL_GENERATION | ErrorCode::FENCED_INSTANCE_ID => {
                self.handle_expelled(&sent, code, "HEARTBEAT");
            }
            code => self.handle_unheard(now, self.refusal(code, "cannot keep its place in"), jitter),
        }
    }

    /// A heartbeat has failed; the owner hears of it where further ones would as well.
    fn handle_unheard(&mut self, now: Instant, error: Error, jitter: f64) {
        self.heartbeat.failed(now, jitter);
        if !error.is_retriable() && self.heartbeat.is_first_refusal() {
            self.tell(MembershipEvent::Unheard(error));
        }
    }

    /// Takes what a coordinator had against a commit of the member in `generation_id`.
    pub fn handle_commit_code(&mut self, generation_id: i32, code: ErrorCode) {
        let sent = Member { generation_id, ..self.member.clone() };
        match code {
            ErrorCode::REBALANCE_IN_PROGRESS if matches!(self.stage, Stage::Stable | Stage::Assigning) => {
                self.request_rejoin("offset commit failed since group is already rebalancing");
            }
            ErrorCode::UNKNOWN_MEMBER_ID | ErrorCode::ILLEGAL_GENERATION | ErrorCode::FENCED_INSTANCE_ID => {
                self.handle_expelled(&sent, code, "OFFSET_COMMIT");
            }
            _ => {}
        }
    }

    /// The coordinator does not know the member as whom a request was sent. An answer to somebody that the member no longer
    /// is says nothing; neither does a stale generation while the answer to a JoinGroup brings a new one.
    fn handle_expelled(&mut self, sent: &Member, code: ErrorCode, request: &str) {
        let joining = matches!(self.stage, Stage::Joining(_));
        let stands_still = matches!(self.stage, Stage::Out | Stage::Failed(Fenced::Yes));
        if *sent != self.member || stands_still || (joining && code == ErrorCode::ILLEGAL_GENERATION) {
            return;
        }
        let name = code.name().unwrap_or("an error");
        // The id may still be good where only the generation is not; with it the coordinator need not wait for the old one.
        self.lose(
            &format!("encountered {name} from {request} response"),
            code != ErrorCode::ILLEGAL_GENERATION,
        );
        if code == ErrorCode::FENCED_INSTANCE_ID {
            self.fail(self.refusal(code, "is no longer a member of"), Fenced::Yes);
        }
    }

    fn handle_no_answer(&mut self, now: Instant, error: Error, jitter: f64) {
        if error.is_retriable() {
            self.doubt_coordinator();
            self.try_again(now, jitter);
        } else {
            self.fail(error, Fenced::No);
        }
    }

    fn refuse(&mut self, code: ErrorCode, what: &str) {
        let error = self.refusal(code, what);
        if code == ErrorCode::FENCED_INSTANCE_ID {
            self.lose("encountered FENCED_INSTANCE_ID", true);
            return self.fail(error, Fenced::Yes);
        }
        self.fail(error, Fenced::No);
    }

    fn refusal(&self, code: ErrorCode, what: &str) -> Error {
        let error = Error::from_code(code, format!("the member {what} group {}", self.settings.group_id));
        match hint(code) {
            Some(hint) => error.hinting(hint),
            None => error,
        }
    }
}

fn hint(code: ErrorCode) -> Option<&'static str> {
    Some(match code {
        ErrorCode::INCONSISTENT_GROUP_PROTOCOL => {
            "all members of a group need a strategy in common (partition.assignment.strategy), and be of one kind"
        }
        ErrorCode::INVALID_SESSION_TIMEOUT => {
            "session.timeout.ms has to lie between the brokers' group.min.session.timeout.ms and group.max.session.timeout.ms"
        }
        ErrorCode::GROUP_MAX_SIZE_REACHED => "the brokers' group.max.size limits the members of a group",
        ErrorCode::FENCED_INSTANCE_ID => {
            "another member with the same group.instance.id has taken its place; give each member a name of its own"
        }
        _ => return None,
    })
}
