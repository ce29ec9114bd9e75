//! Where partitions start and go on: committed offsets, resets, leaders, truncation, recreated topics.
use courant_protocol::error_code::ErrorCode;
use courant_protocol::types::{LeaderEpoch, NodeId, Offset, TopicId};

use super::batches::Spec;
use super::world::{ID, World, a, ms, nothing, records, refusal};
use crate::ErrorKind;
use crate::machine::fetcher::{FetchAnswer, PartitionAnswer};
use crate::machine::partition::Question;
use crate::machine::reading::SeekTo;
use crate::machine::reset::OffsetReset;
use crate::machine::subscription::Answer;
use crate::offsets::OffsetAndMetadata;

/// Has read offsets 0 to 9, written in epoch 3.
fn ten_read(reset: OffsetReset) -> World {
    let mut world = World::reading(1, |settings| settings.subscription.reset = reset);
    world.reading.seek(&a(0), SeekTo::Offset(OffsetAndMetadata::new(0))).unwrap();
    world.fetch_and_deliver(vec![records(0, Spec::at(0).records(10).epoch(3).bytes())]);
    assert_eq!(world.poll_offsets().len(), 10);
    world
}

#[test]
fn a_group_goes_on_where_it_committed_and_resets_where_it_did_not() {
    let mut world = World::new(|settings| settings.subscription.has_group = true);
    world.reading.assign(vec![a(0), a(1)]);
    assert_eq!(world.questions(), []);
    world.metadata(ID, &[(1, 3), (1, 3)]);
    let asked = world.questions();
    assert!(asked.iter().all(|asked| asked.question == Question::Committed));
    let committed = OffsetAndMetadata::after(Offset(5), LeaderEpoch(3));
    world.reading.handle_answer(world.now, &asked[0], Answer::Committed(Some(committed)), 0.5);
    world.reading.handle_answer(world.now, &asked[1], Answer::Committed(None), 0.5);
    // The epoch that was committed is checked against the leader's log before anything is fetched.
    let asked = world.questions();
    assert_eq!(asked[0].question, Question::EpochEnd(NodeId(1), LeaderEpoch(3)));
    assert_eq!(asked[1].question, Question::OffsetAt(NodeId(1), (-2).into()));
}

#[test]
fn a_reset_that_is_answered_after_a_seek_changes_nothing() {
    let mut world = World::new(|_| {});
    world.reading.assign(vec![a(0)]);
    world.metadata(ID, &[(1, 3)]);
    let asked = world.questions();
    world.reading.seek(&a(0), SeekTo::Offset(OffsetAndMetadata::new(5))).unwrap();
    world.reading.handle_answer(
        world.now,
        &asked[0],
        Answer::OffsetAt(Some((Offset(0), LeaderEpoch(3)))),
        0.5,
    );
    assert_eq!(world.position(0), Some(5));
    assert_eq!(world.fetched_offsets(), [(0, 5)]);
}

#[test]
fn without_a_policy_a_missing_offset_is_an_error_until_a_seek() {
    let mut world = World::new(|settings| settings.subscription.reset = OffsetReset::None);
    world.reading.assign(vec![a(0)]);
    world.metadata(ID, &[(1, 3)]);
    let error = world.poll().unwrap_err();
    assert_eq!((error.kind(), error.topic_partition()), (ErrorKind::NoOffset, Some(&a(0))));
    world.reading.seek(&a(0), SeekTo::Offset(OffsetAndMetadata::new(5))).unwrap();
    assert_eq!(world.poll().unwrap(), []);
    assert_eq!(world.fetched_offsets(), [(0, 5)]);
}

#[test]
fn a_duration_without_a_record_that_young_leads_to_the_end() {
    let mut world = World::new(|settings| settings.subscription.reset = OffsetReset::ByDuration(ms(1000)));
    world.reading.assign(vec![a(0)]);
    world.metadata(ID, &[(1, 3)]);
    let asked = world.questions();
    assert_eq!(asked[0].question, Question::OffsetAt(NodeId(1), 999_000.into()));
    world.reading.handle_answer(world.now, &asked[0], Answer::OffsetAt(None), 0.5);
    assert_eq!(world.questions()[0].question, Question::OffsetAt(NodeId(1), (-1).into()));
}

#[test]
fn an_offset_out_of_range_resets_by_policy() {
    let mut world = ten_read(OffsetReset::Earliest);
    world.fetch_and_deliver(vec![refusal(0, ErrorCode::OFFSET_OUT_OF_RANGE)]);
    assert_eq!(world.questions()[0].question, Question::OffsetAt(NodeId(1), (-2).into()));

    let mut world = ten_read(OffsetReset::None);
    world.fetch_and_deliver(vec![refusal(0, ErrorCode::OFFSET_OUT_OF_RANGE)]);
    let error = world.poll().unwrap_err();
    assert_eq!((error.kind(), error.offset()), (ErrorKind::OffsetOutOfRange, Some(Offset(10))));
}

#[test]
fn out_of_range_at_a_follower_is_asked_again_at_the_leader() {
    let mut world = World::reading(1, |_| {});
    world.fetch_and_deliver(vec![PartitionAnswer { preferred_replica: Some(NodeId(2)), ..nothing(0) }]);
    assert_eq!(world.wanted_nodes(), [NodeId(2)]);
    world.reading.poll_fetch(world.now, NodeId(2), true).unwrap();
    let partitions = vec![refusal(0, ErrorCode::OFFSET_OUT_OF_RANGE)];
    let answer = FetchAnswer { session_id: 3, partitions, ..Default::default() };
    world.reading.handle_fetch(world.now, NodeId(2), answer, 0.5);
    assert_eq!(world.questions(), []);
    assert_eq!(world.wanted_nodes(), [NodeId(1)]);
}

#[test]
fn a_follower_that_refuses_is_left_for_the_leader() {
    for refused in [
        refusal(0, ErrorCode::KAFKA_STORAGE_ERROR),
        refusal(0, ErrorCode::NOT_LEADER_OR_FOLLOWER),
        refusal(0, ErrorCode::UNKNOWN_TOPIC_ID),
    ] {
        let mut world = World::reading(1, |_| {});
        world.fetch_and_deliver(vec![PartitionAnswer { preferred_replica: Some(NodeId(2)), ..nothing(0) }]);
        world.reading.poll_fetch(world.now, NodeId(2), true).unwrap();
        let answer = FetchAnswer { session_id: 3, partitions: vec![refused], ..Default::default() };
        world.reading.handle_fetch(world.now, NodeId(2), answer, 0.5);
        assert_eq!(world.wanted_nodes(), [NodeId(1)]);
    }
}

#[test]
fn a_new_epoch_of_the_same_leader_ends_the_word_that_it_gave_before() {
    let mut world = World::reading(1, |_| {});
    world.fetch_and_deliver(vec![PartitionAnswer { preferred_replica: Some(NodeId(2)), ..nothing(0) }]);
    assert_eq!(world.wanted_nodes(), [NodeId(2)]);
    world.metadata(ID, &[(1, 4)]);
    assert_eq!(world.wanted_nodes(), [NodeId(1)]);
}

#[test]
fn out_of_range_behind_what_is_parked_is_asked_again_after_a_while() {
    let mut world = World::reading(1, |_| {});
    world.fetch_and_deliver(vec![records(0, Spec::at(0).records(10).bytes())]);
    world.fetch_and_deliver(vec![refusal(0, ErrorCode::OFFSET_OUT_OF_RANGE)]);
    assert_eq!(world.fetch(), None, "at once it would be answered the same");
    world.now += ms(100);
    assert!(world.fetch().is_some());
    world.deliver(vec![refusal(0, ErrorCode::OFFSET_OUT_OF_RANGE)]);
    assert_eq!(world.poll_offsets().len(), 10, "what is parked is good");
    world.now += ms(100);
    world.fetch_and_deliver(vec![refusal(0, ErrorCode::OFFSET_OUT_OF_RANGE)]);
    assert_eq!(world.questions()[0].question, Question::OffsetAt(NodeId(1), (-2).into()));
}

#[test]
fn a_leader_older_than_the_position_does_not_make_it_start_anew() {
    let committed = OffsetAndMetadata::after(Offset(100), LeaderEpoch(6));
    let ahead = || {
        let mut world = World::reading(1, |_| {});
        world.reading.seek(&a(0), SeekTo::Offset(committed.clone())).unwrap();
        // This leader of epoch 3 has not heard of its successor.
        world.answer_all(|_| Answer::EpochEnd(None));
        world.fetch_and_deliver(vec![refusal(0, ErrorCode::OFFSET_OUT_OF_RANGE)]);
        assert_eq!((world.questions(), world.position(0)), (vec![], Some(100)));
        assert!(world.reading.take_metadata_wish(world.now));
        world
    };
    let mut world = ahead();
    world.metadata(ID, &[(2, 6)]);
    world.answer_all(|_| Answer::EpochEnd(Some((LeaderEpoch(6), Offset(100)))));
    world.now += ms(100);
    assert!(world.reading.poll_fetch(world.now, NodeId(2), true).is_some());
    assert_eq!(world.position(0), Some(100));

    // A log that was restored has lost the epoch for good.
    let mut world = ahead();
    world.now += ms(60_000);
    world.fetch_and_deliver(vec![refusal(0, ErrorCode::OFFSET_OUT_OF_RANGE)]);
    assert_eq!(world.questions()[0].question, Question::OffsetAt(NodeId(1), (-2).into()));
}

#[test]
fn an_older_epoch_never_replaces_a_newer_leader() {
    let mut world = World::reading(1, |_| {});
    world.metadata(ID, &[(2, 5)]);
    world.metadata(ID, &[(1, 4)]);
    assert_eq!(world.wanted_nodes(), [NodeId(2)]);
    let state = world.reading.subscription.state(&a(0)).unwrap();
    assert_eq!(state.leader_epoch, LeaderEpoch(5));
}

#[test]
fn a_new_leader_confirms_the_position_before_the_next_fetch() {
    let mut world = ten_read(OffsetReset::Earliest);
    world.metadata(ID, &[(2, 4)]);
    assert_eq!(world.reading.poll_fetch(world.now, NodeId(2), true), None);
    let asked = world.questions();
    assert_eq!(asked[0].question, Question::EpochEnd(NodeId(2), LeaderEpoch(3)));
    assert_eq!(asked[0].leader_epoch, LeaderEpoch(4));
    let end = Some((LeaderEpoch(3), Offset(10)));
    world.reading.handle_answer(world.now, &asked[0], Answer::EpochEnd(end), 0.5);
    assert!(world.reading.poll_fetch(world.now, NodeId(2), true).is_some());
}

#[test]
fn a_truncated_log_is_read_on_where_it_agrees_or_told() {
    let mut world = ten_read(OffsetReset::Earliest);
    world.metadata(ID, &[(2, 4)]);
    world.answer_all(|_| Answer::EpochEnd(Some((LeaderEpoch(3), Offset(6)))));
    assert_eq!(world.position(0), Some(6));

    let mut world = ten_read(OffsetReset::None);
    world.metadata(ID, &[(2, 4)]);
    world.answer_all(|_| Answer::EpochEnd(Some((LeaderEpoch(3), Offset(6)))));
    let error = world.poll().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::LogTruncated);
    assert_eq!((error.offset(), error.resume_at()), (Some(Offset(10)), Some(Offset(6))));
}

#[test]
fn a_leader_that_does_not_know_the_epoch_proves_no_loss() {
    let mut world = ten_read(OffsetReset::None);
    world.metadata(ID, &[(2, 4)]);
    world.answer_all(|_| Answer::EpochEnd(None));
    assert_eq!(world.position(0), Some(10));
    assert_eq!(world.poll().unwrap(), []);
}

#[test]
fn a_broker_too_old_to_be_asked_about_epochs_is_read_on_from() {
    let mut world = ten_read(OffsetReset::Earliest);
    world.metadata(ID, &[(2, 4)]);
    let old = courant_client::Error::new(courant_client::ErrorKind::UnsupportedVersion, "too old");
    world.answer_all(|_| Answer::Error(old.clone().into()));
    assert!(world.reading.poll_fetch(world.now, NodeId(2), true).is_some());
}

#[test]
fn trouble_while_asking_about_an_epoch_never_resets() {
    let mut world = ten_read(OffsetReset::Earliest);
    world.metadata(ID, &[(2, 4)]);
    world.answer_all(|_| Answer::Code(ErrorCode::TOPIC_AUTHORIZATION_FAILED));
    assert_eq!(world.position(0), Some(10));
    let error = world.poll().unwrap_err();
    assert_eq!(error.code(), Some(ErrorCode::TOPIC_AUTHORIZATION_FAILED));
    assert_eq!(world.poll().unwrap(), [], "it is told once");
    world.now += ms(100);
    assert_eq!(world.questions().len(), 1, "and asked again");
}

#[test]
fn a_recreated_topic_is_told_and_neither_read_nor_committed_to_until_a_seek() {
    let mut world = ten_read(OffsetReset::Earliest);
    let new = TopicId([8; 16]);
    world.metadata(new, &[(1, 0)]);
    let error = world.poll().unwrap_err();
    assert_eq!((error.kind(), error.topic_partition()), (ErrorKind::TopicRecreated, Some(&a(0))));
    assert_eq!(world.fetch(), None);
    assert!(world.reading.committable().is_empty() && world.reading.subscription.finished().is_empty());

    world.reading.seek(&a(0), SeekTo::By(OffsetReset::Earliest)).unwrap();
    world.metadata(new, &[(1, 0)]);
    world.answer_all(|_| Answer::OffsetAt(Some((Offset(0), LeaderEpoch(0)))));
    let plan = world.fetch().unwrap();
    assert_eq!(plan.session.send.first().map(|target| target.topic_id), Some(new));
}

#[test]
fn a_partition_that_is_not_there_yet_is_waited_for_and_told_after_a_while() {
    let mut world = World::new(|_| {});
    world.reading.assign(vec![a(0), a(3)]);
    // The topic has grown, but this broker has not heard of it.
    world.metadata(ID, &[(1, 3)]);
    world.answer_all(|_| Answer::OffsetAt(Some((Offset(0), LeaderEpoch(3)))));
    assert_eq!(world.poll().unwrap(), []);
    assert!(!world.reading.take_metadata_wish(world.now));
    assert!(world.reading.take_metadata_wish(world.now + ms(100)));
    world.now += ms(60_000);
    let error = world.poll().unwrap_err();
    assert_eq!((error.kind(), error.topic_partition()), (ErrorKind::UnknownTopic, Some(&a(3))));
    world.metadata(ID, &[(1, 3), (1, 3), (1, 3), (1, 3)]);
    assert_eq!(world.questions().len(), 1);
}
