//! Groups under arbitrary requests and times: whatever members do, what Kafka promises of a group holds.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test panics")]
use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use courant_protocol::messages::join_group::{JoinGroupRequest, JoinGroupRequestProtocol};
use courant_protocol::messages::leave_group::MemberIdentity;
use courant_protocol::messages::sync_group::{SyncGroupRequest, SyncGroupRequestAssignment};
use courant_protocol::messages::{AnyResponse, HeartbeatRequest};
use courant_protocol::types::{NodeId, UnixMillis};
use proptest::prelude::*;

use super::classic::State;
use super::{Groups, Joining, Moment, Settings};
use crate::cluster::ConnectionId;
use crate::config::BrokerConfig;

const GROUP: &str = "g";
const NODE: NodeId = NodeId(1);

/// What a client does next; clients are numbered, those from 4 on are static.
#[derive(Clone, Debug)]
enum Step {
    Join(usize),
    Sync(usize),
    Heartbeat(usize),
    Leave(usize),
    /// It forgets who it was.
    Restart(usize),
    Wait(u64),
    MoveCoordinator,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (0_usize..6).prop_map(Step::Join),
        4 => (0_usize..6).prop_map(Step::Sync),
        2 => (0_usize..6).prop_map(Step::Heartbeat),
        1 => (0_usize..6).prop_map(Step::Leave),
        1 => (0_usize..6).prop_map(Step::Restart),
        4 => (1_u64..9000).prop_map(Step::Wait),
        1 => Just(Step::MoveCoordinator),
    ]
}

#[derive(Clone, Debug, Default)]
struct Client {
    member_id: String,
    generation: i32,
    /// Who is in its generation, if it leads.
    led: Vec<String>,
    waits: Option<Asked>,
}

/// A question, which a client that has started anew since hears the answer to as well.
#[derive(Clone, Copy, Debug)]
struct Asked {
    connection: ConnectionId,
    generation: i32,
}

struct World {
    groups: Groups,
    at: Moment,
    clients: Vec<Client>,
    next: u64,
    node: NodeId,
    generations: i32,
}

impl World {
    fn new() -> Self {
        let mut config = BrokerConfig::default();
        config.set("group.initial.rebalance.delay.ms", "500").unwrap();
        config.set("group.max.size", "4").unwrap();
        Self {
            groups: Groups::new(Settings::read(&config)),
            at: Moment { now: Instant::now(), unix: UnixMillis(0) },
            clients: vec![Client::default(); 6],
            next: 0,
            node: NODE,
            generations: 0,
        }
    }

    fn connection(&mut self, client: usize) -> ConnectionId {
        self.next += 1;
        let id = ConnectionId(self.next);
        let generation = self.clients[client].generation;
        self.clients[client].waits = Some(Asked { connection: id, generation });
        id
    }

    fn instance(client: usize) -> Option<courant_protocol::wire::Str> {
        (client >= 4).then(|| format!("i{client}").into())
    }

    fn run(&mut self, step: &Step) {
        match *step {
            Step::Join(client) if self.clients[client].waits.is_none() => self.join(client),
            Step::Sync(client) if self.clients[client].waits.is_none() => self.sync(client),
            Step::Heartbeat(client) => {
                let known = self.clients[client].clone();
                let request = HeartbeatRequest {
                    group_id: GROUP.into(),
                    generation_id: known.generation,
                    member_id: known.member_id.into(),
                    group_instance_id: Self::instance(client),
                };
                let _ = self.groups.heartbeat(self.at, &request);
            }
            Step::Leave(client) => {
                let member_id = self.clients[client].member_id.as_str().into();
                let identity =
                    MemberIdentity { member_id, group_instance_id: Self::instance(client), reason: None };
                self.groups.leave(self.at, GROUP, &[identity]);
            }
            Step::Restart(client) => {
                self.clients[client] = Client { waits: self.clients[client].waits, ..Default::default() };
            }
            Step::Wait(milliseconds) => self.wait(milliseconds),
            Step::MoveCoordinator => {
                self.node = NodeId(3 - self.node.0);
                let node = self.node;
                self.groups.relocate(self.at, |_| node);
            }
            Step::Join(_) | Step::Sync(_) => {}
        }
        self.take_answers();
        self.check();
    }

    fn join(&mut self, client: usize) {
        let connection = self.connection(client);
        let known = self.clients[client].member_id.clone();
        let protocol =
            |name: &str| JoinGroupRequestProtocol { name: name.into(), metadata: vec![0; 6].into() };
        let request = JoinGroupRequest {
            group_id: GROUP.into(),
            session_timeout_ms: 6000 + 1000 * i32::try_from(client).unwrap(),
            rebalance_timeout_ms: 4000,
            member_id: known.as_str().into(),
            group_instance_id: Self::instance(client),
            protocol_type: "consumer".into(),
            protocols: vec![protocol("range"), protocol("sticky")],
            reason: None,
        };
        let fresh = format!("{}", self.next);
        let joining = Joining { connection, version: 9, client_id: "c", request: &request, fresh };
        self.groups.join(self.at, self.node, &joining);
    }

    fn sync(&mut self, client: usize) {
        let connection = self.connection(client);
        let known = self.clients[client].clone();
        let assignment = |member: &String| SyncGroupRequestAssignment {
            member_id: member.as_str().into(),
            assignment: format!("{}:{member}", known.generation).into_bytes().into(),
        };
        let request = SyncGroupRequest {
            group_id: GROUP.into(),
            generation_id: known.generation,
            member_id: known.member_id.as_str().into(),
            group_instance_id: Self::instance(client),
            assignments: known.led.iter().map(assignment).collect(),
            ..Default::default()
        };
        self.groups.sync(self.at, connection, &request);
    }

    fn wait(&mut self, milliseconds: u64) {
        self.at.now += Duration::from_millis(milliseconds);
        self.at.unix = UnixMillis(self.at.unix.0 + i64::try_from(milliseconds).unwrap());
        self.groups.advance(self.at);
    }

    fn take_answers(&mut self) {
        while let Some((connection, response)) = self.groups.poll_answer() {
            let asked = |client: &mut Client| client.waits.take_if(|asked| asked.connection == connection);
            let found = self.clients.iter_mut().find_map(|client| Some((asked(client)?, client)));
            let (asked, client) = found.unwrap_or_else(|| panic!("nobody waits for {response:?}"));
            match response {
                AnyResponse::JoinGroup(answer) if answer.error_code == 0 => {
                    self.generations = self.generations.max(answer.generation_id);
                    client.generation = answer.generation_id;
                    client.member_id = answer.member_id.to_string();
                    client.led = answer.members.iter().map(|member| member.member_id.to_string()).collect();
                }
                AnyResponse::JoinGroup(answer) => client.member_id = answer.member_id.to_string(),
                AnyResponse::SyncGroup(answer) if !answer.assignment.is_empty() => {
                    // A static member that came back has its predecessor's assignment, of the same generation.
                    let text = String::from_utf8(answer.assignment.to_vec()).unwrap();
                    let (generation, _) = text.split_once(':').unwrap();
                    assert_eq!(
                        generation,
                        asked.generation.to_string(),
                        "an assignment of another generation"
                    );
                }
                _ => {}
            }
        }
    }

    /// What holds of a group at any time.
    fn check(&self) {
        let Some(group) = self.groups.groups.get(GROUP) else { return };
        if let Some(leader) = &group.leader {
            assert!(group.members.contains_key(leader), "{leader} leads and is no member");
        }
        assert_eq!(group.leader.is_none(), group.members.is_empty());
        assert_eq!(group.state == State::Empty, group.members.is_empty() && !gathers(group.state));
        let fixed: BTreeSet<_> = group.static_members.values().collect();
        let members = group.members.values().filter(|member| member.is_static());
        assert_eq!(fixed, members.map(|member| &member.id).collect());
        assert!(group.pending_sync.iter().all(|member| group.members.contains_key(member)));
        assert!(group.pending_join.iter().all(|member| !group.members.contains_key(member)));
        let is_completing = group.state == State::CompletingRebalance;
        assert!(is_completing || group.members.values().all(|member| member.syncing.is_none()));
        let is_preparing = gathers(group.state);
        assert!(is_preparing || group.members.values().all(|member| member.joining.is_none()));
    }
}

fn gathers(state: State) -> bool {
    matches!(state, State::PreparingRebalance { .. })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn whatever_members_do_every_question_is_answered_once_and_the_group_stays_whole(
        steps in prop::collection::vec(step(), 1..80),
    ) {
        let mut world = World::new();
        for step in &steps {
            world.run(step);
        }
        // Nobody waits for ever: a newcomer five minutes at most, everybody else for the others' time to join.
        for _ in 0..60 {
            world.run(&Step::Wait(10_000));
        }
        prop_assert!(world.clients.iter().all(|client| client.waits.is_none()), "{:?}", world.clients);
        let pending = world.groups.groups.get(GROUP).map_or(0, |group| group.pending_join.len());
        prop_assert_eq!(pending, 0);
        let left = world.groups.groups.get(GROUP).map(|group| group.state);
        prop_assert!(left.is_none_or(|state| state == State::Empty), "{left:?}");
        prop_assert_eq!(world.groups.next_deadline(), None);
    }
}
