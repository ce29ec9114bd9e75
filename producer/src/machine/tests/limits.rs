//! Limits: sizes, splitting, timeouts, retries, what one request may hold, and who is told.
use courant_protocol::messages::produce::{BatchIndexAndErrorMessage, LeaderIdAndEpoch};

use super::*;
use crate::machine::Notice;

#[test]
fn a_batch_that_is_too_large_is_split_without_gap_or_double() {
    let mut scene = Scene::confirmed(SenderSettings { batch_size_bytes: 200, ..settings() }, 1);
    scene.push(0, 20);
    let whole = scene.request().unwrap();
    scene.push(0, 1);
    scene.answer(&whole, |_| refused(ErrorCode::MESSAGE_TOO_LARGE));
    let mut broker = ModelBroker::default();
    let mut expected = 1;
    while let Some(part) = scene.request() {
        assert_eq!(stamps(&part)[&0], (0, expected));
        let records = only_records(&part);
        let header = BatchHeader::parse(&records.clone().into_bytes()).unwrap();
        expected += header.count;
        assert!(header.size_bytes <= 200);
        // The model starts with an empty memory, which takes any sequence first.
        let answer = broker.append(records);
        scene.answer(&part, |_| answer.clone());
    }
    assert_eq!(expected, 22);
    let numbers: Vec<u32> = broker.log.iter().map(|value| value.parse().unwrap()).collect();
    assert_eq!(numbers, (1..22).collect::<Vec<_>>());
    let places: Vec<i64> = (0..20).map(|index| follow(&scene.completions[0], index).0).collect();
    assert_eq!(places, (0..20).collect::<Vec<_>>());
}

/// The offset of a record whose batch was split, perhaps more than once.
fn follow(completion: &Arc<Completion>, index: u32) -> Offset {
    match completion.now(index) {
        Some(Delivered::Moved(part, index)) => follow(&part, index),
        other => offset(other),
    }
}

#[test]
fn a_batch_of_one_record_cannot_be_split() {
    let mut scene = Scene::confirmed(settings(), 1);
    scene.push(0, 1);
    let request = scene.request().unwrap();
    scene.answer(&request, |_| refused(ErrorCode::MESSAGE_TOO_LARGE));
    assert_eq!(scene.failure(0).kind(), ErrorKind::Broker(ErrorCode::MESSAGE_TOO_LARGE));
}

#[test]
fn one_request_holds_a_batch_of_each_partition_within_its_size() {
    let mut scene = Scene::confirmed(SenderSettings { max_request_size_bytes: 1000, ..settings() }, 6);
    for number in 0..6 {
        scene.push(number, 10);
    }
    let first = scene.request().unwrap();
    let second = scene.request().unwrap();
    let (first, second) = (stamps(&first), stamps(&second));
    assert_eq!(first.keys().copied().collect::<Vec<_>>(), [0, 1, 2]);
    assert_eq!(second.keys().copied().collect::<Vec<_>>(), [3, 4, 5]);
}

#[test]
fn five_requests_to_a_broker_are_not_answered_at_a_time() {
    let mut scene = Scene::confirmed(settings(), 6);
    let mut requests = Vec::new();
    for number in 0..6 {
        scene.push(number, 1);
        requests.extend(scene.request());
    }
    assert_eq!(requests.len(), 5);
    assert!(!scene.sender.wants(0));
    scene.answer(&requests[0], |_| ok(1));
    assert!(scene.request().is_some());
}

#[test]
fn a_record_that_was_never_sent_times_out_as_not_written() {
    let mut scene = Scene::new(settings(), 1);
    scene.sender.handle_leader(0, None, LeaderEpoch(1));
    scene.push(0, 1);
    assert_eq!(scene.sender.next_wake(scene.now, true), Some(scene.now + 120 * SECOND));
    scene.wait(120 * SECOND - Duration::from_nanos(1));
    assert!(scene.outcome(0).is_none());
    scene.wait(Duration::from_nanos(1));
    let error = scene.failure(0);
    assert_eq!((error.kind(), error.possibly_written()), (ErrorKind::Timeout, false));
    assert!(scene.sender.is_idle());
}

#[test]
fn metadata_is_asked_for_while_a_partition_with_records_has_no_leader() {
    let mut scene = Scene::confirmed(settings(), 2);
    scene.sender.handle_leader(0, None, LeaderEpoch(1));
    assert!(!scene.sender.poll_leader_search(scene.now, [1].into_iter()));
    assert!(scene.sender.poll_leader_search(scene.now, [0].into_iter()), "an open batch is due there");
    assert!(!scene.sender.poll_leader_search(scene.now, [0].into_iter()));
    assert_eq!(scene.sender.next_wake(scene.now, true), Some(scene.now + SECOND / 10));
    scene.push(0, 1);
    scene.wait(SECOND / 10);
    assert!(scene.sender.poll_leader_search(scene.now, std::iter::empty()), "a queued one is");
    scene.sender.handle_leader(0, Some(NODE), LeaderEpoch(2));
    scene.wait(SECOND);
    assert!(!scene.sender.poll_leader_search(scene.now, std::iter::empty()));
}

#[test]
fn a_retry_backs_off_and_a_new_leader_ends_the_wait() {
    let mut scene = Scene::confirmed(settings(), 1);
    scene.push(0, 1);
    let request = scene.request().unwrap();
    scene.answer(&request, |_| refused(ErrorCode::NOT_LEADER_OR_FOLLOWER));
    assert!(scene.request().is_none());
    assert_eq!(scene.sender.next_wake(scene.now, true), Some(scene.now + SECOND / 10));
    scene.sender.handle_leader(0, Some(NodeId(2)), LeaderEpoch(1));
    assert!(scene.sender.poll_request(scene.now, NodeId(2)).is_some());
}

#[test]
fn a_newer_leader_in_the_answer_is_followed_at_once() {
    let mut scene = Scene::confirmed(settings(), 1);
    scene.push(0, 1);
    let request = scene.request().unwrap();
    let hint = |leader_epoch| PartitionProduceResponse {
        current_leader: LeaderIdAndEpoch { leader_id: 3, leader_epoch },
        ..refused(ErrorCode::NOT_LEADER_OR_FOLLOWER)
    };
    scene.answer(&request, |_| hint(4));
    let notices: Vec<Notice> = std::iter::from_fn(|| scene.sender.poll_notice()).collect();
    assert!(notices.iter().any(|notice| matches!(notice, Notice::LeaderHint { leader: NodeId(3), .. })));
    let request = scene.sender.poll_request(scene.now, NodeId(3)).unwrap();
    scene.answer(&request, |_| PartitionProduceResponse {
        current_leader: LeaderIdAndEpoch { leader_id: 1, leader_epoch: 3 },
        ..hint(3)
    });
    scene.wait(SECOND);
    assert!(scene.sender.poll_request(scene.now, NODE).is_none(), "an older epoch is no news");
}

/// What becomes of the three records of a batch of which the broker refuses these (KIP-467).
fn refused_records(at_fault: &[(i32, Option<&str>)]) -> Vec<Error> {
    let mut scene = Scene::confirmed(settings(), 1);
    scene.push(0, 3);
    let request = scene.request().unwrap();
    let record_errors = at_fault.iter().map(|(batch_index, message)| BatchIndexAndErrorMessage {
        batch_index: *batch_index,
        batch_index_error_message: message.map(Into::into),
    });
    let record_errors: Vec<_> = record_errors.collect();
    scene.answer(&request, |_| PartitionProduceResponse {
        record_errors: record_errors.clone(),
        error_message: Some("all of it".into()),
        ..refused(ErrorCode::INVALID_TIMESTAMP)
    });
    let failure = |index| match scene.completions[0].now(index) {
        Some(Delivered::Failed { error, undelivered }) => {
            let record = undelivered.unwrap();
            assert_eq!(record.record(index).unwrap().1.value, Some(format!("{:0>20}", index + 1).as_bytes()));
            error
        }
        other => panic!("{other:?}"),
    };
    (0..3).map(failure).collect()
}

#[test]
fn the_broker_names_the_record_at_fault_and_its_neighbours_may_be_sent_again() {
    let errors = refused_records(&[(1, Some("no key"))]);
    assert_eq!(errors[1].kind(), ErrorKind::Broker(ErrorCode::INVALID_TIMESTAMP));
    assert!(errors[1].to_string().contains("no key") && !errors[1].is_retriable(), "{}", errors[1]);
    for neighbour in [&errors[0], &errors[2]] {
        assert_eq!(neighbour.kind(), ErrorKind::NeighbourRefused);
        assert!(neighbour.is_retriable() && neighbour.to_string().contains("another record"), "{neighbour}");
    }
}

#[test]
fn of_several_records_at_fault_nobody_knows_which_has_the_code() {
    let errors = refused_records(&[(2, None), (0, Some("no key"))]);
    let kinds: Vec<ErrorKind> = errors.iter().map(Error::kind).collect();
    let invalid = ErrorKind::Broker(ErrorCode::INVALID_RECORD);
    assert_eq!(kinds, [invalid, ErrorKind::NeighbourRefused, invalid]);
    assert!(errors[0].to_string().contains("no key"), "{}", errors[0]);
    assert!(errors[2].to_string().contains("all of it"), "the words for the batch stand in: {}", errors[2]);
}

#[test]
fn without_acknowledgements_a_record_is_done_when_it_is_written() {
    let mut scene = Scene::new(SenderSettings { idempotent: false, acks: 0, ..settings() }, 1);
    scene.push(0, 2);
    let request = scene.request().unwrap();
    assert_eq!(stamps(&request)[&0], (-1, -1));
    scene.sender.handle_written(request.id);
    assert_eq!(offset(scene.outcome(0)), Offset::NONE);
    assert!(scene.sender.is_idle());
}

#[test]
fn retries_are_counted() {
    let mut scene = Scene::confirmed(SenderSettings { retries: 2, ..settings() }, 1);
    scene.push(0, 1);
    for _ in 0..3 {
        assert!(scene.outcome(0).is_none());
        let request = scene.request().unwrap();
        scene.answer(&request, |_| refused(ErrorCode::NOT_LEADER_OR_FOLLOWER));
        scene.wait(SECOND);
    }
    assert_eq!(scene.failure(0).kind(), ErrorKind::Broker(ErrorCode::NOT_LEADER_OR_FOLLOWER));
}

#[test]
fn without_permission_everything_fails_at_once() {
    let mut scene = Scene::confirmed(settings(), 2);
    scene.push(0, 1);
    let request = scene.request().unwrap();
    scene.push(1, 1);
    scene.answer(&request, |_| refused(ErrorCode::CLUSTER_AUTHORIZATION_FAILED));
    scene.push(1, 1);
    for nth in 0..3 {
        assert_eq!(scene.failure(nth).kind(), ErrorKind::Authorization);
        assert!(scene.failure(nth).is_fatal(), "batch {nth}");
    }
}

#[test]
fn a_refused_producer_id_fails_what_waits_for_it_and_is_asked_for_again() {
    let mut scene = Scene::new(settings(), 1);
    scene.sender = Sender::new(settings(), scene.now, Rng::new(1, "test"));
    scene.sender.handle_place(place(0));
    scene.sender.handle_leader(0, Some(NODE), LeaderEpoch(0));
    scene.push(0, 3);
    assert!(scene.sender.poll_identity(scene.now));
    let refused = Error::from_code(ErrorCode::CLUSTER_AUTHORIZATION_FAILED, "no producer id was given");
    scene.sender.handle_identity(scene.now, Err(refused));
    let error = scene.failure(0);
    assert_eq!((error.kind(), error.possibly_written()), (ErrorKind::Authorization, false));
    assert!(!error.is_fatal(), "permission may be given");
    scene.push(0, 3);
    assert!(!scene.sender.poll_identity(scene.now), "not at once");
    scene.wait(SECOND);
    assert!(scene.sender.poll_identity(scene.now));
    scene.sender.handle_identity(scene.now, Ok(producer(0)));
    let request = scene.request().unwrap();
    assert_eq!(stamps(&request)[&0], (0, 0));
    scene.answer(&request, |_| ok(0));
    assert!(scene.is_delivered(1));
}

/// Epochs were used up, so that the partition's batches wait for another id; another partition has what it needs.
#[test]
fn a_refused_producer_id_leaves_partitions_alone_that_have_one() {
    let mut scene = Scene::new(settings(), 0);
    scene.sender = Sender::new(settings(), scene.now, Rng::new(1, "test"));
    for number in [0, 1] {
        scene.sender.handle_place(place(number));
        scene.sender.handle_leader(number, Some(NODE), LeaderEpoch(0));
    }
    assert!(scene.sender.poll_identity(scene.now));
    scene.sender.handle_identity(scene.now, Ok(producer(i16::MAX)));
    scene.push(0, 1);
    scene.push(1, 1);
    let request = scene.request().unwrap();
    scene.answer(&request, |partition| match partition {
        0 => refused(ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER),
        _ => ok(0),
    });
    assert!(scene.request().is_none());
    assert!(scene.sender.poll_identity(scene.now));
    let denied = Error::from_code(ErrorCode::CLUSTER_AUTHORIZATION_FAILED, "no producer id was given");
    scene.push(1, 1);
    scene.sender.handle_identity(scene.now, Err(denied));
    assert_eq!(scene.failure(0).kind(), ErrorKind::Authorization);
    let healthy = scene.request().unwrap();
    assert_eq!(stamps(&healthy), BTreeMap::from([(1, (i16::MAX, 1))]));
}

#[test]
fn a_partition_whose_topic_is_gone_is_given_up() {
    let mut scene = Scene::confirmed(settings(), 2);
    scene.push(0, 1);
    let sent = scene.request().unwrap();
    scene.push(0, 1);
    scene.push(1, 1);
    scene.sender.give_up_partition(0, &Error::new(ErrorKind::TopicRecreated, "gone"));
    assert!(scene.failure(0).possibly_written());
    assert!(!scene.failure(1).possibly_written());
    scene.answer(&sent, |_| ok(1));
    let other = scene.request().unwrap();
    scene.answer(&other, |_| ok(1));
    assert!(scene.is_delivered(2) && scene.sender.is_idle());
}

#[test]
fn one_topic_without_an_id_has_the_whole_request_go_by_names() {
    let ids = [TopicId([7; 16]), TopicId::ZERO];
    let mut scene = Scene::new(settings(), 0);
    for (number, (topic, topic_id)) in ["with", "without"].into_iter().zip(ids).enumerate() {
        scene.sender.handle_place(Place { topic: TopicName::from(topic), topic_id, ..place(number) });
        scene.sender.handle_leader(number, Some(NODE), LeaderEpoch(0));
        scene.push(number, 1);
    }
    let outgoing = scene.request().unwrap();
    assert!(!outgoing.has_topic_ids);
    let named = outgoing.request.topic_data.iter().map(|topic| (&*topic.name, topic.topic_id));
    assert_eq!(named.collect::<Vec<_>>(), [("with", ids[0]), ("without", ids[1])]);
}
