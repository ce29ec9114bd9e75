//! Commits as the coordinator sees them: which offsets, in which order, with which epoch.
mod batches;
mod world;

use batches::{Spec, log};
use courant_broker_mock::Fault;
use courant_consumer::{Consumer, ErrorKind, OffsetAndMetadata};
use courant_protocol::api::ApiKey;
use courant_protocol::error_code::ErrorCode;
use courant_protocol::messages::AnyRequest;
use courant_protocol::types::{LeaderEpoch, NodeId, Offset, TopicPartition};
use world::{cluster, commits, connect, ms, poll, reader, run};

fn offsets(requests: &[courant_protocol::messages::OffsetCommitRequest]) -> Vec<(i64, i32)> {
    let partitions = requests.iter().flat_map(|request| &request.topics).flat_map(|topic| &topic.partitions);
    partitions.map(|partition| (partition.committed_offset, partition.committed_leader_epoch)).collect()
}

#[test]
fn a_commit_takes_the_batch_in_hand_with_its_epoch_and_the_next_reader_goes_on_there() {
    run(async {
        let cluster = cluster(|builder| builder);
        cluster.move_leader("a", 0, NodeId(2)).unwrap();
        cluster.append_raw("a", 0, Spec::at(0).records(10).bytes()).unwrap();
        let kafka = connect(&cluster).await;
        let mut consumer = reader(&kafka).group("g").max_poll_records(4).start().await.unwrap();
        poll(&mut consumer).await.unwrap();
        consumer.commit().await.unwrap();
        let epoch = cluster.leader_epoch("a", 0).unwrap();
        assert_eq!(offsets(&commits(&cluster)), [(4, epoch.0)]);
        let committed = consumer.committed([("a", 0)]).await.unwrap();
        let committed = committed[&TopicPartition::new("a", 0)].clone().unwrap();
        assert_eq!((committed.offset, committed.leader_epoch), (Offset(4), epoch));

        let mut next = reader(&kafka).group("g").start().await.unwrap();
        assert_eq!(poll(&mut next).await.unwrap(), [4, 5, 6, 7, 8, 9]);
    });
}

#[test]
fn offsets_of_the_applications_choice_travel_with_their_text() {
    run(async {
        let cluster = cluster(|builder| builder);
        cluster.append_raw("a", 0, Spec::at(0).records(10).bytes()).unwrap();
        let kafka = connect(&cluster).await;
        let mut consumer = reader(&kafka).group("g").start().await.unwrap();
        let batch = consumer.poll().await.unwrap().unwrap();
        let third = batch.iter().nth(2).unwrap().next_offset().with_metadata("half way");
        consumer.commit_offsets([(("a", 0), third)]).await.unwrap();
        let committed = consumer.committed([("a", 0), ("a", 1)]).await.unwrap();
        let first = committed[&TopicPartition::new("a", 0)].clone().unwrap();
        assert_eq!(
            (first.offset, first.metadata.as_str(), first.leader_epoch),
            (Offset(3), "half way", LeaderEpoch(0))
        );
        assert_eq!(committed[&TopicPartition::new("a", 1)], None);
        let next: Vec<_> = batch.next_offsets().collect();
        assert_eq!(next, [(TopicPartition::new("a", 0), batch.iter().last().unwrap().next_offset())]);
    });
}

#[test]
fn a_commit_that_arrives_after_it_was_given_up_does_not_have_the_last_word() {
    run(async {
        let cluster = cluster(|builder| builder);
        cluster.append_raw("a", 0, Spec::at(0).records(10).bytes()).unwrap();
        cluster.inject(Fault::on(ApiKey::OffsetCommit).cut_before());
        let kafka = connect(&cluster).await;
        let given_up = reader(&kafka).group("g").start().await.unwrap();
        let reader = reader(&kafka).group("g").max_poll_records(4).auto_commit(true);
        let mut consumer = reader.auto_commit_interval(ms(10_000)).start().await.unwrap();
        poll(&mut consumer).await.unwrap();
        assert_eq!(poll(&mut consumer).await.unwrap(), [4, 5, 6, 7]);
        kafka.world().sleep(ms(11_000)).await;
        assert_eq!(poll(&mut consumer).await.unwrap(), [8, 9]);
        kafka.world().sleep(ms(10_000)).await;
        assert_eq!(cluster.committed("g", "a", 0), Some(Offset(10)));
        // TCP sends again what was lost, also of a connection that its client has closed: here is what was cut.
        given_up.commit_offsets([(("a", 0), 8)]).await.unwrap();
        consumer.close(ms(5_000)).await.unwrap();
        assert_eq!(cluster.committed("g", "a", 0), Some(Offset(10)));
    });
}

#[test]
fn offsets_that_a_transaction_is_about_to_commit_are_waited_for() {
    run(async {
        let cluster = cluster(|builder| builder);
        cluster.append_raw("a", 0, Spec::at(0).records(10).bytes()).unwrap();
        let kafka = connect(&cluster).await;
        let earlier = reader(&kafka).group("g").start().await.unwrap();
        earlier.commit_offsets([(("a", 0), 6)]).await.unwrap();
        cluster.inject(Fault::on(ApiKey::OffsetFetch).times(3).error(ErrorCode::UNSTABLE_OFFSET_COMMIT));
        let mut consumer = reader(&kafka).group("g").start().await.unwrap();
        assert_eq!(poll(&mut consumer).await.unwrap(), [6, 7, 8, 9], "neither an error nor a reset");
        cluster.inject(Fault::on(ApiKey::OffsetFetch).error(ErrorCode::UNSTABLE_OFFSET_COMMIT));
        let committed = consumer.committed([("a", 0)]).await.unwrap();
        assert_eq!(committed[&TopicPartition::new("a", 0)].clone().unwrap().offset, Offset(6));
    });
}

#[test]
fn only_stable_offsets_are_asked_for_whatever_is_read() {
    run(async {
        let cluster = cluster(|builder| builder);
        cluster.append_raw("a", 0, Spec::at(0).records(10).bytes()).unwrap();
        let kafka = connect(&cluster).await;
        let mut consumer = reader(&kafka).group("g").start().await.unwrap();
        poll(&mut consumer).await.unwrap();
        consumer.committed([("a", 0)]).await.unwrap();
        let stable: Vec<bool> = cluster
            .request_log()
            .iter()
            .filter_map(|logged| match &*logged.request {
                AnyRequest::OffsetFetch(request) => Some(request.require_stable),
                _ => None,
            })
            .collect();
        assert_eq!(stable, [true, true]);
    });
}

#[test]
fn a_slow_older_commit_is_never_overtaken() {
    run(async {
        let cluster = cluster(|builder| builder);
        cluster.inject(Fault::on(ApiKey::OffsetCommit).delay(ms(3000)));
        let kafka = connect(&cluster).await;
        let consumer = reader(&kafka).group("g").start().await.unwrap();
        let first = consumer.commit_offsets_async([(("a", 0), 1)]).unwrap();
        kafka.world().sleep(ms(100)).await;
        let second = consumer.commit_offsets_async([(("a", 0), 2)]).unwrap();
        let third = consumer.commit_offsets_async([(("a", 0), 3)]).unwrap();
        third.await.unwrap();
        first.await.unwrap();
        second.await.unwrap();
        assert_eq!(offsets(&commits(&cluster)), [(1, -1), (3, -1)]);
        assert_eq!(cluster.committed("g", "a", 0), Some(Offset(3)));
    });
}

#[test]
fn a_commit_follows_its_coordinator_and_a_cut_is_tried_again() {
    run(async {
        let cluster = cluster(|builder| builder);
        let kafka = connect(&cluster).await;
        let consumer = reader(&kafka).group("g").start().await.unwrap();
        consumer.commit_offsets([(("a", 0), 1)]).await.unwrap();
        let before = cluster.coordinator("g").unwrap();
        cluster.move_coordinator("g", NodeId(before.0 % 3 + 1)).unwrap();
        consumer.commit_offsets([(("a", 0), 2)]).await.unwrap();
        cluster.inject(Fault::on(ApiKey::OffsetCommit).cut_before());
        consumer.commit_offsets([(("a", 0), 3)]).await.unwrap();
        cluster.inject(Fault::on(ApiKey::OffsetCommit).error(ErrorCode::COORDINATOR_LOAD_IN_PROGRESS));
        consumer.commit_offsets([(("a", 0), 4)]).await.unwrap();
        assert_eq!(cluster.committed("g", "a", 0), Some(Offset(4)));
    });
}

#[test]
fn who_waits_for_a_commit_hears_when_its_time_is_over() {
    run(async {
        let cluster = cluster(|builder| builder);
        let kafka = connect(&cluster).await;
        let quiet = reader(&kafka).group("g").fetch_max_wait(ms(20_000));
        let consumer = quiet.set("default.api.timeout.ms", 1100).start().await.unwrap();
        let loading = ErrorCode::COORDINATOR_LOAD_IN_PROGRESS;
        cluster.inject(Fault::on(ApiKey::OffsetCommit).always().error(loading));
        kafka.world().sleep(ms(3_000)).await;
        let started = kafka.world().now();
        let error = consumer.commit_offsets([(("a", 0), 6)]).await.unwrap_err();
        assert_eq!(error.code(), Some(loading), "the last word");
        assert!(kafka.world().now() <= started + ms(1101));
    });
}

#[test]
fn what_cannot_be_committed_is_told_with_its_kind() {
    run(async {
        let cluster = cluster(|builder| builder);
        let kafka = connect(&cluster).await;
        let lonely = reader(&kafka).start().await.unwrap();
        assert_eq!(lonely.commit().await.unwrap_err().kind(), ErrorKind::NoGroup);
        assert_eq!(lonely.committed([("a", 0)]).await.unwrap_err().kind(), ErrorKind::NoGroup);

        let consumer = reader(&kafka).group("g").start().await.unwrap();
        let text = OffsetAndMetadata::new(1).with_metadata("x".repeat(5000));
        let error = consumer.commit_offsets([(("a", 0), text)]).await.unwrap_err();
        assert_eq!(
            (error.kind(), error.code()),
            (ErrorKind::CommitFailed, Some(ErrorCode::OFFSET_METADATA_TOO_LARGE))
        );
        cluster.inject(Fault::on(ApiKey::OffsetCommit).error(ErrorCode::UNKNOWN_MEMBER_ID));
        let error = consumer.commit_offsets([(("a", 0), 1)]).await.unwrap_err();
        assert_eq!((error.kind(), error.is_retriable()), (ErrorKind::CommitFailed, false));
    });
}

#[test]
fn auto_commit_commits_what_was_handed_out_before_the_current_poll() {
    run(async {
        let cluster = cluster(|builder| builder);
        cluster.append_raw("a", 0, Spec::at(0).records(10).bytes()).unwrap();
        let kafka = connect(&cluster).await;
        let mut consumer = reader(&kafka).group("g").max_poll_records(4).start().await.unwrap();
        let in_hand = consumer.poll().await.unwrap().unwrap();
        kafka.world().sleep(ms(6000)).await;
        assert!(cluster.committed("g", "a", 0).is_none_or(|offset| offset == Offset(0)));
        let second = consumer.poll().await.unwrap().unwrap();
        kafka.world().sleep(ms(6000)).await;
        assert_eq!(cluster.committed("g", "a", 0), Some(Offset(4)));
        drop((in_hand, second));
    });
}

#[test]
fn closing_commits_finished_records_and_not_a_batch_that_was_left_half_way() {
    run(async {
        let cluster = cluster(|builder| builder);
        cluster.append_raw("a", 0, log([Spec::at(0).records(10).bytes()])).unwrap();
        let kafka = connect(&cluster).await;

        let mut half_way = reader(&kafka).group("half").max_poll_records(4).start().await.unwrap();
        half_way.poll().await.unwrap().unwrap().iter().for_each(drop);
        let batch = half_way.poll().await.unwrap().unwrap();
        assert!(batch.iter().next().is_some());
        drop(batch);
        half_way.close(ms(5000)).await.unwrap();
        assert_eq!(cluster.committed("half", "a", 0), Some(Offset(4)));

        let mut whole = reader(&kafka).group("whole").max_poll_records(4).start().await.unwrap();
        for record in &whole.poll().await.unwrap().unwrap() {
            assert!(record.value().is_some());
        }
        whole.close(ms(5000)).await.unwrap();
        assert_eq!(cluster.committed("whole", "a", 0), Some(Offset(4)));
    });
}

#[test]
fn closing_says_its_last_commit_once_and_tells_what_became_of_it() {
    run(async {
        let cluster = cluster(|builder| builder);
        cluster.append_raw("a", 0, Spec::at(0).records(10).bytes()).unwrap();
        let kafka = connect(&cluster).await;
        for by_hand in [true, false] {
            let group = if by_hand { "hand" } else { "member" };
            let builder = Consumer::builder(&kafka).group(group).auto_offset_reset("earliest");
            let builder = if by_hand { builder.assign([("a", 0)]) } else { builder.subscribe(["a"]) };
            let mut consumer = builder.start().await.unwrap();
            assert_eq!(poll(&mut consumer).await.unwrap().len(), 10);
            let before = commits(&cluster).len();
            consumer.close(ms(5_000)).await.unwrap();
            let told = offsets(&commits(&cluster)[before..]);
            assert_eq!(told.iter().filter(|(offset, _)| *offset == 10).count(), 1, "{told:?}");
            assert_eq!(cluster.committed(group, "a", 0), Some(Offset(10)));
        }

        cluster.inject(Fault::on(ApiKey::OffsetCommit).always().error(ErrorCode::GROUP_AUTHORIZATION_FAILED));
        let mut refused = reader(&kafka).group("refused").start().await.unwrap();
        poll(&mut refused).await.unwrap();
        let error = refused.close(ms(5_000)).await.unwrap_err();
        assert_eq!(error.code(), Some(ErrorCode::GROUP_AUTHORIZATION_FAILED));
    });
}

#[test]
fn closing_ends_in_time_although_the_coordinator_is_silent() {
    run(async {
        let cluster = cluster(|builder| builder);
        cluster.append_raw("a", 0, Spec::at(0).records(4).bytes()).unwrap();
        let kafka = connect(&cluster).await;
        let mut consumer = reader(&kafka).group("g").start().await.unwrap();
        consumer.poll().await.unwrap().unwrap().iter().for_each(drop);
        cluster.inject(Fault::on(ApiKey::OffsetCommit).always().silence());
        // The time of auto-commit comes while closing waits: it must not keep the driver busy.
        kafka.world().sleep(ms(4500)).await;
        let started = kafka.world().now();
        let error = consumer.close(ms(2000)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Client(courant_client::ErrorKind::Timeout));
        assert_eq!(kafka.world().now(), started + ms(2000));
        assert!(consumer.poll().await.unwrap().is_none());
        assert_eq!(consumer.pause([("a", 0)]).unwrap_err().kind(), ErrorKind::Closed);
    });
}

#[test]
fn closing_does_not_wait_for_a_fetch_that_waits_long() {
    run(async {
        let cluster = cluster(|builder| builder);
        let kafka = connect(&cluster).await;
        let consumer = reader(&kafka).fetch_max_wait(ms(30_000)).start().await.unwrap();
        kafka.world().sleep(ms(5000)).await;
        let started = kafka.world().now();
        consumer.close(ms(20_000)).await.unwrap();
        assert!(kafka.world().now() <= started + ms(1000));
    });
}

#[test]
fn old_brokers_without_topic_ids_are_spoken_to_by_name() {
    run(async {
        let cluster = cluster(|builder| builder);
        for (api, max) in [
            (ApiKey::Fetch, 11),
            (ApiKey::OffsetCommit, 5),
            (ApiKey::OffsetFetch, 5),
            (ApiKey::ListOffsets, 3),
            (ApiKey::Metadata, 8),
            (ApiKey::OffsetForLeaderEpoch, 2),
        ] {
            cluster.cap_version(api, max);
        }
        cluster.append_raw("a", 0, Spec::at(0).records(10).bytes()).unwrap();
        let kafka = connect(&cluster).await;
        let mut consumer: Consumer = reader(&kafka).group("g").max_poll_records(4).start().await.unwrap();
        assert_eq!(poll(&mut consumer).await.unwrap(), [0, 1, 2, 3]);
        consumer.commit().await.unwrap();
        let mut next = reader(&kafka).group("g").start().await.unwrap();
        assert_eq!(poll(&mut next).await.unwrap(), [4, 5, 6, 7, 8, 9]);
    });
}
