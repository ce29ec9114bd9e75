//! The place of a mock consumer in its group: the test says what its share is.
use std::time::Instant;

use courant_membership::classic::{ClassicRequest, Ticket};
use courant_protocol::embedded::{Assignment, PROTOCOL_TYPE, VERSION};
use courant_protocol::error_code::ErrorCode;
use courant_protocol::messages::{HeartbeatResponse, JoinGroupResponse, SyncGroupResponse};
use courant_protocol::types::TopicPartition;
use courant_protocol::wire::Str;

use crate::machine::reading::Reading;

/// A coordinator of one member that another leads.
#[derive(Debug, Default)]
pub(super) struct Seat {
    generation: i32,
    /// What the member gets when it joins; until the test has said so, the group waits.
    share: Option<Vec<TopicPartition>>,
    /// A JoinGroup that waits, and the protocol that it offers first.
    joining: Option<(Ticket, Str)>,
}

impl Seat {
    /// The group gives the member this share, in a rebalance.
    pub(super) fn give(&mut self, share: Vec<TopicPartition>, reading: &mut Reading) {
        self.share = Some(share);
        if self.joining.is_none() {
            // Without a subscription there is nothing to rebalance: what comes to subscribe gets the share.
            reading.enforce_rebalance("the test says so").ok();
        }
    }

    /// Another member takes the place.
    pub(super) fn sit_down(&mut self) {
        self.joining = None;
    }

    /// What the next member gets when it joins.
    pub(super) fn reserve(&mut self, share: Vec<TopicPartition>) {
        self.share = Some(share);
    }

    /// The group has gone on without the member.
    pub(super) fn expel(&mut self, reading: &mut Reading) {
        self.share = None;
        if let Some(group) = reading.group.as_mut().filter(|group| group.is_subscribed()) {
            let generation = group.classic.member().generation_id;
            group.classic.handle_commit_code(generation, ErrorCode::UNKNOWN_MEMBER_ID);
        }
    }

    /// Answers what the member has to say; true if it said something.
    pub(super) fn play(&mut self, now: Instant, reading: &mut Reading) -> bool {
        let mut moved = false;
        while let Some(request) = reading.poll_membership(now) {
            self.answer(now, reading, request);
            moved = true;
        }
        if self.share.is_some()
            && let Some((ticket, protocol)) = self.joining.take()
        {
            self.generation += 1;
            let response = JoinGroupResponse {
                generation_id: self.generation,
                protocol_type: Some(Str::from(PROTOCOL_TYPE)),
                protocol_name: Some(protocol),
                leader: Str::from("another"),
                member_id: Str::from("mock"),
                ..JoinGroupResponse::default()
            };
            if let Some(group) = &mut reading.group {
                group.classic.handle_join(now, ticket, Ok(response), 0.5);
            }
            moved = true;
        }
        moved
    }

    fn answer(&mut self, now: Instant, reading: &mut Reading, request: ClassicRequest) {
        let share = self.share_of(reading);
        let Some(group) = &mut reading.group else { return };
        match request {
            ClassicRequest::Join(ticket, request, _) => {
                let first = request.protocols.first().map(|protocol| protocol.name.clone());
                self.joining = Some((ticket, first.unwrap_or_default()));
            }
            ClassicRequest::Sync(ticket, request, _) => {
                let assignment = Assignment { partitions: share, user_data: None };
                let response = SyncGroupResponse {
                    protocol_type: request.protocol_type.clone(),
                    protocol_name: request.protocol_name.clone(),
                    // Only a name that no topic can have cannot be written.
                    assignment: assignment.encode(VERSION).unwrap_or_default(),
                    ..SyncGroupResponse::default()
                };
                group.classic.handle_sync(now, ticket, Ok(response), 0.5);
            }
            ClassicRequest::Heartbeat(ticket, ..) => {
                group.classic.handle_heartbeat(now, ticket, Ok(HeartbeatResponse::default()), 0.5);
            }
            ClassicRequest::Leave(..) => {
                self.share = None;
                group.classic.handle_left();
            }
        }
    }

    /// What the member gets: of the topics that it has not subscribed to, nothing.
    fn share_of(&self, reading: &Reading) -> Vec<TopicPartition> {
        let group = reading.group.as_ref();
        let wanted = |partition: &&TopicPartition| {
            group
                .and_then(|group| group.topics.as_ref())
                .is_some_and(|topics| topics.contains(&partition.topic))
        };
        self.share.iter().flatten().filter(wanted).cloned().collect()
    }
}
