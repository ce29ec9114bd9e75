//! The metadata machine, fed by hand with exact time.
use std::time::{Duration, Instant};

use courant_protocol::error_code::ErrorCode;
use courant_protocol::messages::metadata::{
    MetadataResponse, MetadataResponseBroker, MetadataResponsePartition, MetadataResponseTopic,
};
use courant_protocol::types::{LeaderEpoch, NodeId, PartitionId, TopicId, TopicName};
use courant_runtime::{Address, World};

use super::metadata::{MetadataEvent, MetadataMachine, MetadataOptions, Question};
use crate::cluster::metadata::Partition;
use crate::connection::Peer;
use crate::error::{Error, ErrorKind};
use crate::retry::Backoff;

const MS: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);

/// A machine and its clock.
struct Case {
    now: Instant,
    machine: MetadataMachine,
}

impl Case {
    fn new() -> Self {
        Self::with(|_| {})
    }

    fn with(change: impl FnOnce(&mut MetadataOptions)) -> Self {
        let now = Instant::now();
        let mut options = MetadataOptions {
            bootstrap: 2,
            max_age: SECOND * 300,
            backoff: Backoff { jitter: 0.0, ..Backoff::new(MS * 100, SECOND) },
            rebootstrap: true,
            rebootstrap_trigger: SECOND * 300,
        };
        change(&mut options);
        Self { now, machine: MetadataMachine::new(options, World::builder().seed(3).build().rng("metadata")) }
    }

    /// A machine that knows topic `orders` with these (leader, epoch) per partition.
    fn knowing(partitions: &[(i32, i32)]) -> Self {
        let mut case = Self::new();
        case.machine.lease(case.now, "orders", true);
        case.answer(answer(vec![topic(1, partitions)]));
        case.now += SECOND;
        case
    }

    fn ask(&mut self) -> Option<Question> {
        self.machine.poll_question(self.now)
    }

    /// Asks and answers.
    fn answer(&mut self, answer: MetadataResponse) -> Vec<MetadataEvent> {
        let question = self.ask().expect("a question is due");
        self.machine.handle_answer(self.now, question.peer, &answer).unwrap()
    }

    /// Brings the next question about by saying that something is wrong.
    fn refreshed(&mut self, with: MetadataResponse) -> Vec<MetadataEvent> {
        self.machine.want_refresh();
        self.now += SECOND;
        self.answer(with)
    }

    fn fail(&mut self) -> Peer {
        let question = self.ask().expect("a question is due");
        let error = Error::new(ErrorKind::Transport, "refused");
        self.machine.handle_failure(self.now, question.peer, error);
        question.peer
    }

    fn partition(&self, index: usize) -> Partition {
        self.machine.snapshot().topic("orders").expect("orders is known").partitions[index].clone()
    }

    fn leader(&self, index: usize) -> (Option<i32>, i32) {
        let partition = self.partition(index);
        (partition.leader.map(|leader| leader.0), partition.leader_epoch.0)
    }
}

fn answer(topics: Vec<MetadataResponseTopic>) -> MetadataResponse {
    let broker = |node_id| MetadataResponseBroker {
        node_id,
        host: "mock".into(),
        port: 9092 + node_id,
        ..Default::default()
    };
    MetadataResponse {
        brokers: [1, 2, 3].map(broker).into(),
        cluster_id: Some("cluster-a".into()),
        controller_id: 1,
        topics,
        ..Default::default()
    }
}

fn topic(id: u8, partitions: &[(i32, i32)]) -> MetadataResponseTopic {
    let partition = |(index, (leader_id, leader_epoch)): (i32, &(i32, i32))| MetadataResponsePartition {
        partition_index: index,
        leader_id: *leader_id,
        leader_epoch: *leader_epoch,
        replica_nodes: vec![1, 2, 3],
        isr_nodes: vec![1, 2, 3],
        ..Default::default()
    };
    MetadataResponseTopic {
        name: Some("orders".into()),
        topic_id: TopicId([id; 16]),
        partitions: (0..).zip(partitions).map(partition).collect(),
        ..Default::default()
    }
}

fn failing(code: ErrorCode) -> MetadataResponseTopic {
    MetadataResponseTopic { error_code: code.0, ..topic(0, &[]) }
}

/// Trap 28: brokers learn of a new leader one after the other; an older view must not bring the old leader back.
#[test]
fn an_older_leader_epoch_is_never_accepted() {
    let mut case = Case::knowing(&[(1, 5), (2, 5)]);
    case.refreshed(answer(vec![topic(1, &[(3, 4), (3, 6)])]));
    assert_eq!(case.leader(0), (Some(1), 5), "epoch 4 is older");
    assert_eq!(case.leader(1), (Some(3), 6), "epoch 6 is newer");
    case.refreshed(answer(vec![topic(1, &[(-1, 5), (3, 6)])]));
    assert_eq!(case.leader(0), (None, 5), "the same epoch may lose its leader");
}

#[test]
fn a_broker_too_old_for_epochs_is_believed() {
    let mut case = Case::knowing(&[(1, -1)]);
    case.refreshed(answer(vec![topic(1, &[(2, -1)])]));
    assert_eq!(case.leader(0), (Some(2), -1));
}

/// Trap 54: another id is another topic; its epochs begin anew, and a broker that has not heard of it is not believed.
#[test]
fn a_recreated_topic_is_another_topic_with_an_event() {
    let mut case = Case::knowing(&[(1, 9), (1, 9)]);
    let events = case.refreshed(answer(vec![topic(2, &[(2, 0)])]));
    let (name, old, new) = (TopicName::from("orders"), TopicId([1; 16]), TopicId([2; 16]));
    assert_eq!(events, [MetadataEvent::TopicRecreated { name, old, new }]);
    let snapshot = case.machine.snapshot().clone();
    let orders = snapshot.topic("orders").unwrap();
    assert_eq!((orders.id, orders.former_id, orders.partition_count()), (new, Some(old), 1));
    assert_eq!(case.leader(0), (Some(2), 0));
    assert!(snapshot.topic_by_id(old).is_none() && snapshot.topic_by_id(new).is_some());

    assert_eq!(case.refreshed(answer(vec![topic(1, &[(1, 9), (1, 9)])])), []);
    assert_eq!(case.leader(0), (Some(2), 0), "the stale broker still speaks of the old topic");
    assert_eq!(case.machine.snapshot().topic("orders").unwrap().id, new);
}

/// Trap 55: partitions are only added, so a view with fewer of them is an old one.
#[test]
fn new_partitions_stay_although_a_stale_broker_omits_them() {
    let mut case = Case::knowing(&[(1, 0), (2, 0)]);
    let events = case.refreshed(answer(vec![topic(1, &[(1, 0), (2, 0), (3, 0)])]));
    assert_eq!(events, [MetadataEvent::PartitionsAdded { name: TopicName::from("orders"), from: 2, to: 3 }]);
    assert_eq!(case.refreshed(answer(vec![topic(1, &[(1, 0), (2, 1)])])), []);
    assert_eq!(case.machine.snapshot().topic("orders").unwrap().partition_count(), 3);
    assert_eq!((case.leader(1), case.leader(2)), ((Some(2), 1), (Some(3), 0)));
}

#[test]
fn an_error_about_a_topic_keeps_what_was_known() {
    let mut case = Case::knowing(&[(1, 5)]);
    case.refreshed(answer(vec![failing(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION)]));
    let snapshot = case.machine.snapshot().clone();
    let orders = snapshot.topic("orders").unwrap();
    assert_eq!(orders.error, Some(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION));
    assert_eq!((orders.id, orders.partition_count()), (TopicId([1; 16]), 1));
    case.refreshed(answer(vec![topic(1, &[(2, 6)])]));
    assert_eq!(case.machine.snapshot().topic("orders").unwrap().error, None);
}

#[test]
fn the_partitions_of_an_answer_must_be_complete() {
    let mut case = Case::knowing(&[(1, 5)]);
    for indexes in [[0, 2], [1, 1], [0, i32::MAX], [-1, 0]] {
        let mut broken = topic(1, &[(1, 5), (1, 5)]);
        broken.partitions.iter_mut().zip(indexes).for_each(|(p, index)| p.partition_index = index);
        case.machine.want_refresh();
        case.now += SECOND * 10;
        let question = case.ask().unwrap();
        let error = case.machine.handle_answer(case.now, question.peer, &answer(vec![broken])).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Protocol);
    }
    assert_eq!(case.leader(0), (Some(1), 5));
}

#[test]
fn one_request_is_under_way_and_what_is_wanted_meanwhile_makes_one_more() {
    let mut case = Case::new();
    let first = case.ask().expect("the first is due at once");
    assert_eq!(case.machine.next_timeout(case.now), None);
    for name in ["a", "b", "c"] {
        case.machine.lease(case.now, name, true);
    }
    assert_eq!(case.ask(), None, "single flight");
    case.machine.handle_answer(case.now, first.peer, &answer(vec![])).unwrap();
    let second = case.ask().expect("a new topic does not wait");
    assert_eq!(second.topics, ["a", "b", "c"].map(TopicName::from));
    case.machine.handle_answer(case.now, second.peer, &answer(vec![])).unwrap();
    assert_eq!(case.ask(), None);
    assert_eq!(case.machine.next_timeout(case.now), Some(case.now + SECOND * 300));
}

#[test]
fn refreshes_that_bring_nothing_new_are_spaced_wider_and_wider() {
    let mut case = Case::knowing(&[(1, 5)]);
    case.refreshed(answer(vec![topic(1, &[(1, 5)])]));
    for wait in [100, 200, 400, 800, 1000, 1000] {
        case.machine.want_refresh();
        assert_eq!(case.machine.next_timeout(case.now), Some(case.now + MS * wait));
        case.now += MS * wait;
        case.answer(answer(vec![topic(1, &[(1, 5)])]));
    }
    case.machine.want_refresh();
    assert_eq!(case.machine.next_timeout(case.now), Some(case.now + SECOND));
    case.now += SECOND;
    case.answer(answer(vec![topic(1, &[(2, 6)])]));
    case.machine.want_refresh();
    assert_eq!(case.machine.next_timeout(case.now), Some(case.now + MS * 100), "news reset the wait");
}

#[test]
fn without_need_metadata_is_asked_for_when_it_is_old() {
    let mut case = Case::knowing(&[(1, 5)]);
    let due = case.machine.next_timeout(case.now).unwrap();
    assert_eq!(due, case.now + SECOND * 299);
    case.now = due - MS;
    assert_eq!(case.ask(), None);
    case.now = due;
    assert!(case.ask().is_some());
}

#[test]
fn every_peer_is_asked_before_one_is_asked_again_and_then_there_is_a_wait() {
    let mut case = Case::new();
    let mut asked = [case.fail(), case.fail()];
    asked.sort();
    assert_eq!(asked, [Peer::Bootstrap(0), Peer::Bootstrap(1)]);
    assert_eq!(case.ask(), None);
    assert_eq!(case.machine.next_timeout(case.now), Some(case.now + MS * 100));
    case.now += MS * 100;
    case.fail();
    case.fail();
    assert_eq!(case.machine.next_timeout(case.now), Some(case.now + MS * 200), "the wait doubles");
    let failures: Vec<_> = case.machine.failures().map(|(peer, count, _)| (peer, count)).collect();
    assert_eq!(failures, [(Peer::Bootstrap(0), 2), (Peer::Bootstrap(1), 2)]);
}

/// Trap 51: when all brokers have moved, the names in bootstrap.servers lead to them again (KIP-899).
#[test]
fn when_no_known_broker_answers_the_bootstrap_addresses_are_asked_again() {
    let mut case = Case::knowing(&[(1, 5)]);
    case.machine.want_refresh();
    let mut asked: Vec<_> = (0..5).map(|_| case.fail()).collect();
    assert!(asked[..3].iter().all(|peer| matches!(peer, Peer::Node(_))), "{asked:?}");
    asked.sort();
    let nodes = [1, 2, 3].map(|id| Peer::Node(NodeId(id)));
    assert_eq!(asked, [&[Peer::Bootstrap(0), Peer::Bootstrap(1)], &nodes[..]].concat());
    assert_eq!(case.leader(0), (Some(1), 5), "what was known stays until something better is");
}

#[test]
fn without_rebootstrap_only_known_brokers_are_asked() {
    let mut case = Case::with(|options| options.rebootstrap = false);
    case.answer(answer(vec![]));
    case.machine.want_refresh();
    case.now += SECOND;
    for _ in 0..3 {
        assert!(matches!(case.fail(), Peer::Node(_)));
    }
    case.now += SECOND;
    assert!(matches!(case.fail(), Peer::Node(_)));
}

#[test]
fn a_broker_may_demand_a_start_from_bootstrap() {
    let mut case = Case::knowing(&[(1, 5)]);
    case.machine.want_refresh();
    let question = case.ask().unwrap();
    let refusal = MetadataResponse { error_code: ErrorCode::REBOOTSTRAP_REQUIRED.0, ..answer(vec![]) };
    case.machine.handle_answer(case.now, question.peer, &refusal).unwrap_err();
    case.now += SECOND;
    assert!(matches!(case.ask().unwrap().peer, Peer::Bootstrap(_)));
}

#[test]
fn trying_in_vain_for_long_leads_back_to_bootstrap_but_having_no_need_does_not() {
    let mut case = Case::knowing(&[(1, 5)]);
    case.now += SECOND * 3_000;
    assert!(matches!(case.fail(), Peer::Node(_)), "nothing was tried for long, so nothing was in vain");
    case.now += SECOND * 299;
    assert!(matches!(case.fail(), Peer::Node(_)));
    case.now += SECOND;
    assert!(matches!(case.fail(), Peer::Bootstrap(_)), "five minutes in vain (KIP-1102)");
}

#[test]
fn a_partition_without_a_leader_is_asked_about_again_soon() {
    let mut case = Case::knowing(&[(1, 5), (-1, 6)]);
    let due = case.machine.next_timeout(case.now).unwrap();
    assert!(due <= case.now, "the backoff is over");
    case.answer(answer(vec![topic(1, &[(1, 5), (2, 7)])]));
    assert_eq!(case.machine.next_timeout(case.now), Some(case.now + SECOND * 300));
}

#[test]
fn another_cluster_behind_the_same_address_is_refused_loudly() {
    let mut case = Case::knowing(&[(1, 5)]);
    case.machine.want_refresh();
    let question = case.ask().unwrap();
    let other =
        MetadataResponse { cluster_id: Some("cluster-b".into()), ..answer(vec![topic(1, &[(3, 9)])]) };
    let error = case.machine.handle_answer(case.now, question.peer, &other).unwrap_err();
    assert!(error.to_string().contains("cluster-b") && error.to_string().contains("cluster-a"), "{error}");
    assert_eq!(case.leader(0), (Some(1), 5));
    assert_eq!(case.machine.snapshot().cluster_id(), Some("cluster-a"));
}

#[test]
fn a_broker_that_knows_no_broker_yet_is_not_believed() {
    let mut case = Case::new();
    let question = case.ask().unwrap();
    let empty = MetadataResponse { brokers: vec![], ..answer(vec![]) };
    assert!(case.machine.handle_answer(case.now, question.peer, &empty).unwrap_err().is_retriable());
    assert_eq!(case.machine.snapshot().version(), 0);
}

#[test]
fn a_leader_hint_is_taken_if_its_epoch_is_newer() {
    let mut case = Case::knowing(&[(1, 5)]);
    let hint = |case: &mut Case, leader, epoch, address: Option<Address>| {
        let (leader, epoch) = (NodeId(leader), LeaderEpoch(epoch));
        case.machine.handle_leader_hint("orders", PartitionId(0), leader, epoch, address)
    };
    assert!(!hint(&mut case, 2, 5, None) && !hint(&mut case, 2, 4, None));
    assert_eq!(case.leader(0), (Some(1), 5));
    assert!(!hint(&mut case, 7, 6, None), "nobody knows where broker 7 is");
    assert!(hint(&mut case, 2, 6, None));
    assert_eq!(case.leader(0), (Some(2), 6));
    assert!(hint(&mut case, 7, 7, Some(Address::new("new", 9092))));
    assert_eq!(case.machine.snapshot().broker(NodeId(7)).unwrap().address.host, "new");
    case.refreshed(answer(vec![topic(1, &[(2, 6)])]));
    assert_eq!(case.leader(0), (Some(7), 7), "the hint was newer than this broker's view");
}

#[test]
fn topics_that_may_be_created_and_topics_that_must_not_take_turns() {
    let mut case = Case::new();
    case.machine.lease(case.now, "create", true);
    case.machine.lease(case.now, "keep-out", false);
    let mut asked = Vec::new();
    for _ in 0..2 {
        let question = case.ask().unwrap();
        asked.push((question.allow_auto_topic_creation, question.topics.clone()));
        case.machine.handle_answer(case.now, question.peer, &answer(vec![])).unwrap();
        case.now += SECOND;
    }
    asked.sort();
    assert_eq!(asked, [(false, vec![TopicName::from("keep-out")]), (true, vec![TopicName::from("create")])]);
}

#[test]
fn a_known_topic_that_must_not_be_created_is_named_in_no_request_that_creates() {
    let mut case = Case::new();
    case.machine.lease(case.now, "orders", false);
    case.answer(answer(vec![topic(1, &[(1, 5)])]));
    case.machine.lease(case.now, "create", true);
    let (mut creating, mut looking) = (Vec::new(), Vec::new());
    for _ in 0..4 {
        // By now it may have been deleted: who asks for it with the wrong word has it made again.
        case.machine.want_refresh();
        case.now += SECOND;
        let question = case.ask().unwrap();
        let asked = if question.allow_auto_topic_creation { &mut creating } else { &mut looking };
        asked.extend(question.topics.clone());
        case.machine.handle_answer(case.now, question.peer, &answer(vec![])).unwrap();
    }
    assert!(!creating.is_empty() && creating.iter().all(|topic| topic == "create"), "{creating:?}");
    assert!(!looking.is_empty() && looking.iter().all(|topic| topic == "orders"), "{looking:?}");
}

#[test]
fn a_request_before_version_4_cannot_forbid_creation() {
    let question = Question { peer: Peer::Bootstrap(0), topics: vec![], allow_auto_topic_creation: false };
    assert!(question.request(3).allow_auto_topic_creation && !question.request(4).allow_auto_topic_creation);
}

#[test]
fn a_topic_that_nobody_wants_any_more_is_forgotten_after_five_minutes() {
    let mut case = Case::knowing(&[(1, 5)]);
    case.machine.release(case.now, "orders");
    case.now += SECOND * 299;
    case.answer(answer(vec![topic(1, &[(1, 5)])]));
    assert!(case.machine.snapshot().topic("orders").is_some());
    case.now += SECOND * 300;
    case.answer(answer(vec![topic(1, &[(1, 5)])]));
    assert!(case.machine.snapshot().topic("orders").is_none());
}

/// KIP-526: a client of many topics must not ask for all of them whenever there is one more.
#[test]
fn a_new_topic_alone_is_asked_for_while_the_rest_is_good() {
    let mut case = Case::knowing(&[(1, 5)]);
    case.machine.lease(case.now, "new", true);
    let question = case.ask().unwrap();
    assert_eq!(question.topics, [TopicName::from("new")]);
    case.machine.handle_answer(case.now, question.peer, &answer(vec![])).unwrap();
    assert!(case.machine.snapshot().topic("orders").is_some(), "what was not asked for stays");
    assert_eq!(
        case.machine.next_timeout(case.now),
        Some(case.now + SECOND * 299),
        "the rest is as old as it was"
    );

    case.now += SECOND;
    case.machine.want_refresh();
    case.machine.lease(case.now, "another", true);
    let everything = ["another", "new", "orders"].map(TopicName::from);
    assert_eq!(case.ask().unwrap().topics, everything, "something known is wrong as well");
}

#[test]
fn a_question_about_a_new_topic_that_failed_becomes_one_about_everything() {
    let mut case = Case::knowing(&[(1, 5)]);
    case.machine.lease(case.now, "new", true);
    case.fail();
    assert_eq!(case.ask().unwrap().topics, ["new", "orders"].map(TopicName::from));
}

#[test]
fn a_topic_that_is_forgotten_is_left_out_at_once_unless_another_holds_it() {
    let mut case = Case::knowing(&[(1, 5)]);
    case.machine.lease(case.now, "orders", true);
    case.machine.forget(case.now, "orders");
    case.refreshed(answer(vec![topic(1, &[(1, 5)])]));
    assert!(case.machine.snapshot().topic("orders").is_some());
    case.machine.forget(case.now, "orders");
    assert_eq!(case.refreshed(answer(vec![])), []);
    assert!(case.machine.snapshot().topic("orders").is_none());
}

#[test]
fn only_the_topics_that_changed_are_told_as_changed() {
    let mut case = Case::knowing(&[(1, 5)]);
    let named = |name: &str, id, partitions: &[(i32, i32)]| MetadataResponseTopic {
        name: Some(name.into()),
        ..topic(id, partitions)
    };
    ["a", "z"].iter().for_each(|name| case.machine.lease(case.now, name, true));
    case.answer(answer(vec![named("a", 2, &[(1, 0)]), named("z", 3, &[(1, 0)])]));
    let before = case.machine.snapshot().clone();
    case.machine.lease(case.now, "m", true);
    case.answer(answer(vec![named("m", 4, &[(1, 0)])]));
    case.refreshed(answer(vec![named("a", 2, &[(1, 0)]), named("z", 3, &[(2, 1)]), topic(1, &[(1, 5)])]));
    let after = case.machine.snapshot().clone();
    let changed: Vec<&str> = after.topics_changed_since(&before).map(|topic| &*topic.name).collect();
    assert_eq!(changed, ["m", "z"]);
    assert_eq!(before.topics_changed_since(&after).map(|topic| &*topic.name).collect::<Vec<_>>(), ["z"]);
}
