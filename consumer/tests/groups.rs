//! Members of groups on the mock cluster, in virtual time: who gets what when members come, go and fall silent.
#![allow(clippy::unwrap_used)]
mod batches;
mod seat;
mod world;

use courant_broker_mock::Fault;
use courant_consumer::assignor::Assignor;
use courant_consumer::{CloseOptions, Consumer, ErrorKind, Leave};
use courant_protocol::api::ApiKey;
use courant_protocol::error_code::ErrorCode;
use seat::{Seat, Told, a, member, together, written};
use world::{cluster, commits, connect, ms, requests_of, run};

#[test]
fn a_lone_member_gets_everything_and_reads_it() {
    run(async {
        let cluster = cluster(|builder| builder);
        written(&cluster);
        let kafka = connect(&cluster).await;
        let mut seat = Seat::take(member(&kafka)).await;
        seat.run(ms(5_000)).await;
        assert_eq!(seat.told, [Told::Assigned(a(0..3))]);
        assert_eq!(seat.records.len(), 30);
        let metadata = seat.consumer.group_metadata().unwrap();
        assert_eq!(metadata.generation_id, 1);
        assert!(!metadata.member_id.is_empty());
        seat.consumer.commit().await.unwrap();
        seat.consumer.close(ms(5_000)).await.unwrap();
        assert_eq!(cluster.committed("g", "a", 2), Some(10.into()));
        assert_eq!(cluster.group("g").unwrap().members, []);
    });
}

#[test]
fn eager_members_give_everything_up_and_share() {
    run(async {
        let cluster = cluster(|builder| builder);
        written(&cluster);
        let kafka = connect(&cluster).await;
        let mut first = Seat::take(member(&kafka).assignors([Assignor::Range])).await;
        first.run(ms(5_000)).await;
        let mut second = Seat::take(member(&kafka).assignors([Assignor::Range])).await;
        together([&mut first, &mut second], ms(10_000)).await;
        let mut shared = [first.owns(), second.owns()].concat();
        shared.sort_unstable();
        assert_eq!(shared, [0, 1, 2]);
        assert!(!first.owned.is_empty() && !second.owned.is_empty());
        assert_eq!(first.told[..2], [Told::Assigned(a(0..3)), Told::Revoked(a(0..3))]);

        // The second one says goodbye, so nobody waits for its session to end.
        second.consumer.close(ms(5_000)).await.unwrap();
        first.run(ms(5_000)).await;
        assert_eq!(first.owns(), [0, 1, 2]);
        assert_eq!(first.errors.len() + second.errors.len(), 0);
    });
}

#[test]
fn cooperative_members_keep_what_stays_theirs() {
    run(async {
        let cluster = cluster(|builder| builder);
        written(&cluster);
        let kafka = connect(&cluster).await;
        let cooperative = || member(&kafka).assignors([Assignor::CooperativeSticky]);
        let mut first = Seat::take(cooperative()).await;
        first.run(ms(5_000)).await;
        let mut second = Seat::take(cooperative()).await;
        together([&mut first, &mut second], ms(15_000)).await;
        assert_eq!((first.owns().len(), second.owns().len()), (2, 1));
        let moved = a(second.owns());
        // First it hears what goes, then that it got nothing new; nothing else was ever taken from it.
        let nothing = || Told::Assigned(Vec::new());
        assert_eq!(first.told[0], Told::Assigned(a(0..3)));
        assert_eq!(first.told[1], Told::Revoked(moved.clone()));
        assert!(first.told[2..].iter().all(|told| *told == nothing()), "{:?}", first.told);
        // The one that came got nothing in the first round, since somebody still had it.
        assert_eq!(second.told, [nothing(), Told::Assigned(moved)]);
    });
}

#[test]
fn what_is_kept_in_a_cooperative_rebalance_stays_paused_and_what_is_new_is_not() {
    run(async {
        let cluster = cluster(|builder| builder);
        let kafka = connect(&cluster).await;
        let cooperative = || member(&kafka).assignors([Assignor::CooperativeSticky]);
        let mut first = Seat::take(cooperative()).await;
        let mut second = Seat::take(cooperative()).await;
        together([&mut first, &mut second], ms(15_000)).await;
        let (kept, came) = (a(first.owns()), a(second.owns()));
        first.consumer.pause(kept.clone()).unwrap();
        second.consumer.close(ms(5_000)).await.unwrap();
        first.run(ms(10_000)).await;
        assert_eq!((first.owns().len(), first.consumer.paused()), (3, kept));
        written(&cluster);
        first.run(ms(10_000)).await;
        let mut read: Vec<_> = first.records.iter().map(|(partition, _)| *partition).collect();
        read.dedup();
        assert_eq!(a(read), came);
    });
}

#[test]
fn a_member_whose_session_ended_hears_that_all_is_lost_and_commits_nothing() {
    run(async {
        let cluster = cluster(|builder| builder);
        written(&cluster);
        let kafka = connect(&cluster).await;
        let mut seat = Seat::take(member(&kafka)).await;
        seat.run(ms(5_000)).await;
        let id = seat.consumer.group_metadata().unwrap().member_id;
        cluster.expire_member("g", &id).unwrap();
        // The next heartbeat finds out.
        kafka.world().sleep(ms(4_000)).await;
        let before = requests_of(&cluster, ApiKey::OffsetCommit);
        let error = seat.consumer.commit().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::CommitFailed);
        assert_eq!(requests_of(&cluster, ApiKey::OffsetCommit), before, "it is not even sent");

        seat.run(ms(5_000)).await;
        assert_eq!(seat.told[1..], [Told::Lost(a(0..3)), Told::Assigned(a(0..3))]);
        assert_ne!(seat.consumer.group_metadata().unwrap().member_id, id);
        seat.consumer.commit().await.unwrap();
    });
}

#[test]
fn an_application_that_does_not_poll_leaves_its_group_until_it_is_back() {
    run(async {
        let cluster = cluster(|builder| builder);
        written(&cluster);
        let kafka = connect(&cluster).await;
        let mut slow = Seat::take(member(&kafka).max_poll_interval(ms(20_000))).await;
        slow.run(ms(5_000)).await;
        kafka.world().sleep(ms(19_000)).await;
        assert_eq!(cluster.group("g").unwrap().members.len(), 1);
        kafka.world().sleep(ms(2_000)).await;
        assert_eq!(cluster.group("g").unwrap().members.len(), 0, "it says so, and its session need not end");
        assert_eq!(slow.consumer.commit().await.unwrap_err().kind(), ErrorKind::CommitFailed);
        kafka.world().sleep(ms(60_000)).await;
        assert_eq!(cluster.group("g").unwrap().members.len(), 0);
        slow.run(ms(5_000)).await;
        assert_eq!(slow.told[1..], [Told::Lost(a(0..3)), Told::Assigned(a(0..3))]);
    });
}

#[test]
fn what_was_told_as_lost_is_not_told_again_to_a_member_that_falls_silent_then() {
    run(async {
        let cluster = cluster(|builder| builder);
        written(&cluster);
        let kafka = connect(&cluster).await;
        let mut seat = Seat::take(member(&kafka).max_poll_interval(ms(20_000))).await;
        seat.run(ms(5_000)).await;
        let id = seat.consumer.group_metadata().unwrap().member_id;
        cluster.expire_member("g", &id).unwrap();
        kafka.world().sleep(ms(4_000)).await;
        let lost = seat.consumer.next_event().await.unwrap().unwrap();
        seat.note(lost);
        kafka.world().sleep(ms(30_000)).await;
        seat.run(ms(10_000)).await;
        assert_eq!(seat.told[1..], [Told::Lost(a(0..3)), Told::Assigned(a(0..3))]);
    });
}

#[test]
fn waiting_in_a_poll_is_no_silence() {
    run(async {
        let cluster = cluster(|builder| builder);
        let kafka = connect(&cluster).await;
        let mut seat = Seat::take(member(&kafka).max_poll_interval(ms(10_000))).await;
        seat.run(ms(60_000)).await;
        assert_eq!(seat.told, [Told::Assigned(a(0..3))]);
        assert_eq!(requests_of(&cluster, ApiKey::LeaveGroup), 0);
    });
}

#[test]
fn a_join_may_wait_longer_than_other_requests() {
    run(async {
        let cluster = cluster(|builder| builder);
        let kafka = connect(&cluster).await;
        // request.timeout.ms is 30 s.
        cluster.inject(Fault::on(ApiKey::JoinGroup).nth(2).delay(ms(45_000)));
        let mut seat = Seat::take(member(&kafka).session_timeout(ms(120_000))).await;
        seat.run(ms(60_000)).await;
        assert_eq!(seat.told, [Told::Assigned(a(0..3))]);
        assert_eq!(requests_of(&cluster, ApiKey::JoinGroup), 2, "one for the id, one to join");
    });
}

#[test]
fn an_id_that_is_given_first_is_used_and_leaves_nobody_behind() {
    run(async {
        let cluster = cluster(|builder| builder);
        let kafka = connect(&cluster).await;
        let mut seat = Seat::take(member(&kafka)).await;
        seat.run(ms(3_500)).await;
        let group = cluster.group("g").unwrap();
        assert_eq!((group.members.len(), group.pending), (1, 0));
        assert_eq!(group.members[0].member_id, seat.consumer.group_metadata().unwrap().member_id);
        assert_eq!(requests_of(&cluster, ApiKey::JoinGroup), 2);
    });
}

#[test]
fn a_static_member_that_comes_back_gets_its_partitions_without_a_rebalance() {
    run(async {
        let cluster = cluster(|builder| builder);
        let kafka = connect(&cluster).await;
        let named = |name: &str| member(&kafka).group_instance_id(name).assignors([Assignor::Range]);
        let (mut one, mut two) = (Seat::take(named("one")).await, Seat::take(named("two")).await);
        together([&mut one, &mut two], ms(10_000)).await;
        let (generation, owned) = (cluster.group("g").unwrap().generation, two.owns());
        two.consumer.close(ms(5_000)).await.unwrap();
        assert_eq!(requests_of(&cluster, ApiKey::LeaveGroup), 0, "a static member stays");
        one.run(ms(5_000)).await;
        let mut again = Seat::take(named("two")).await;
        together([&mut one, &mut again], ms(10_000)).await;
        assert_eq!(again.owns(), owned);
        assert_eq!(cluster.group("g").unwrap().generation, generation);
        assert_eq!(one.told.len(), 1, "{:?}", one.told);

        // KIP-1092: unless it is told to leave.
        again.consumer.close_with(CloseOptions::within(ms(5_000)).leave(Leave::Leave)).await.unwrap();
        one.run(ms(10_000)).await;
        assert_eq!(one.owns(), [0, 1, 2]);
    });
}

#[test]
fn a_member_that_is_dropped_leaves_and_commits_nothing() {
    let left_over = run(async {
        let cluster = cluster(|builder| builder);
        written(&cluster);
        let kafka = connect(&cluster).await;
        let mut stays = Seat::take(member(&kafka)).await;
        let mut goes = Seat::take(member(&kafka).auto_commit(true)).await;
        together([&mut stays, &mut goes], ms(10_000)).await;
        assert!(!goes.owns().is_empty() && !goes.records.is_empty());
        drop(goes);
        // Long before its session could time out.
        stays.run(ms(10_000)).await;
        assert_eq!(stays.owns(), [0, 1, 2]);
        assert_eq!(requests_of(&cluster, ApiKey::LeaveGroup), 1);
        assert_eq!(commits(&cluster), []);

        let mut named = Seat::take(member(&kafka).group_instance_id("named")).await;
        together([&mut stays, &mut named], ms(10_000)).await;
        drop(named);
        stays.run(ms(10_000)).await;
        assert_eq!(requests_of(&cluster, ApiKey::LeaveGroup), 1, "a static member stays");
        stays.consumer
    });
    // Its runtime is gone, so nobody can say anything: it ends all the same.
    drop(left_over);
}

#[test]
fn offsets_of_topics_that_are_gone_hold_up_neither_a_rebalance_nor_the_end() {
    run(async {
        let cluster = cluster(|builder| builder);
        written(&cluster);
        let kafka = connect(&cluster).await;
        let eager = || member(&kafka).auto_commit(true).assignors([Assignor::Range]);
        let mut stays = Seat::take(eager()).await;
        stays.run(ms(4_000)).await;
        let gone = ErrorCode::UNKNOWN_TOPIC_OR_PARTITION;
        cluster.inject(Fault::on(ApiKey::OffsetCommit).always().error(gone));
        let mut comes = Seat::take(eager()).await;
        together([&mut stays, &mut comes], ms(10_000)).await;
        assert_eq!(stays.owns().len() + comes.owns().len(), 3);
        assert!(!comes.owns().is_empty());

        let started = kafka.world().now();
        assert_eq!(stays.consumer.close(ms(30_000)).await.unwrap_err().code(), Some(gone));
        assert!(kafka.world().now() < started + ms(2_000));
        assert_eq!(requests_of(&cluster, ApiKey::LeaveGroup), 1);
    });
}

#[test]
fn a_member_whose_last_commit_takes_all_its_time_says_goodbye() {
    run(async {
        let cluster = cluster(|builder| builder);
        written(&cluster);
        let kafka = connect(&cluster).await;
        let mut seat = Seat::take(member(&kafka).auto_commit(true)).await;
        seat.run(ms(4_000)).await;
        let loading = ErrorCode::COORDINATOR_LOAD_IN_PROGRESS;
        cluster.inject(Fault::on(ApiKey::OffsetCommit).always().error(loading));
        let started = kafka.world().now();
        let error = seat.consumer.close(ms(4_000)).await.unwrap_err();
        assert_eq!(error.code(), Some(loading), "the last word");
        assert!(kafka.world().now() <= started + ms(4_000));
        assert_eq!(cluster.group("g").unwrap().members, []);
    });
}

#[test]
fn closing_without_a_limit_is_not_closing_without_time() {
    run(async {
        let cluster = cluster(|builder| builder);
        written(&cluster);
        let kafka = connect(&cluster).await;
        let mut seat = Seat::take(member(&kafka).auto_commit(true)).await;
        seat.run(ms(4_000)).await;
        seat.consumer.close(std::time::Duration::MAX).await.unwrap();
        assert_eq!(cluster.committed("g", "a", 2), Some(10.into()));
        assert_eq!(cluster.group("g").unwrap().members, []);
    });
}

#[test]
fn a_member_whose_heartbeats_are_refused_hears_of_it_once_and_goes_on() {
    run(async {
        let cluster = cluster(|builder| builder);
        written(&cluster);
        let kafka = connect(&cluster).await;
        let mut seat = Seat::take(member(&kafka)).await;
        seat.run(ms(5_000)).await;
        for streak in 1..=2 {
            let refused = ErrorCode::GROUP_AUTHORIZATION_FAILED;
            cluster.inject(Fault::on(ApiKey::Heartbeat).times(3).error(refused));
            seat.run(ms(10_000)).await;
            let codes: Vec<_> = seat.errors.iter().map(courant_consumer::Error::code).collect();
            assert_eq!(codes, vec![Some(refused); streak]);
            assert_eq!(cluster.faults_left(), 0);
        }
        assert_eq!(seat.told, [Told::Assigned(a(0..3))]);
    });
}

#[test]
fn the_time_between_polls_begins_with_the_subscription() {
    run(async {
        let cluster = cluster(|builder| builder);
        let kafka = connect(&cluster).await;
        let late = Consumer::builder(&kafka).group("g").start().await.unwrap();
        kafka.world().sleep(ms(400_000)).await;
        late.subscribe(["a"]).unwrap();
        kafka.world().sleep(ms(200_000)).await;
        assert_eq!(cluster.group("g").unwrap().members.len(), 1);
        kafka.world().sleep(ms(200_000)).await;
        assert_eq!(cluster.group("g").unwrap().members.len(), 0, "it has not polled since");
    });
}

#[test]
fn a_second_member_of_the_same_name_takes_the_place_of_the_first() {
    run(async {
        let cluster = cluster(|builder| builder);
        let kafka = connect(&cluster).await;
        let named = || member(&kafka).group_instance_id("one");
        let mut first = Seat::take(named()).await;
        first.run(ms(5_000)).await;
        let mut second = Seat::take(named()).await;
        second.run(ms(5_000)).await;
        assert_eq!(second.owns(), [0, 1, 2]);
        let fenced = first.consumer.commit_offsets([(("a", 0), 1)]).await.unwrap_err();
        assert_eq!(fenced.kind(), ErrorKind::Fenced);
        assert!(fenced.is_fatal());
        let told = first.consumer.next_event().await.unwrap().unwrap();
        first.note(told);
        assert_eq!(first.told[1..], [Told::Lost(a(0..3))]);
        for _ in 0..2 {
            assert_eq!(first.consumer.next_event().await.unwrap_err().kind(), ErrorKind::Fenced);
            assert_eq!(first.consumer.commit().await.unwrap_err().kind(), ErrorKind::Fenced);
        }
        assert_eq!(second.told.len(), 1);
    });
}

#[test]
fn a_topic_that_grows_is_divided_anew() {
    run(async {
        let cluster = cluster(|builder| builder);
        let kafka = connect(&cluster).await;
        let mut seat = Seat::take(member(&kafka)).await;
        seat.run(ms(5_000)).await;
        cluster.add_partitions("a", 2).unwrap();
        kafka.cluster().refresh("the test has changed the topic");
        seat.run(ms(10_000)).await;
        assert_eq!(seat.owns(), [0, 1, 2, 3, 4]);
    });
}

#[test]
fn a_topic_that_grew_while_the_static_leader_was_away_is_divided_anew() {
    run(async {
        let cluster = cluster(|builder| builder);
        let kafka = connect(&cluster).await;
        let named = |name: &str| member(&kafka).group_instance_id(name).assignors([Assignor::Range]);
        let (mut one, mut two) = (Seat::take(named("one")).await, Seat::take(named("two")).await);
        together([&mut one, &mut two], ms(10_000)).await;
        let group = cluster.group("g").unwrap();
        let leader = group.members.iter().find(|member| Some(&member.member_id) == group.leader.as_ref());
        let name = leader.unwrap().instance_id.clone().unwrap();
        let (leader, mut other) = if name == "one" { (one, two) } else { (two, one) };
        leader.consumer.close(ms(5_000)).await.unwrap();
        cluster.add_partitions("a", 2).unwrap();
        kafka.cluster().refresh("the test has changed the topic");
        other.run(ms(5_000)).await;
        assert!(other.owns().len() < 3, "only the leader watches: {:?}", other.owns());

        let mut again = Seat::take(named(&name)).await;
        together([&mut again, &mut other], ms(10_000)).await;
        let mut shared = [again.owns(), other.owns()].concat();
        shared.sort_unstable();
        assert_eq!(shared, [0, 1, 2, 3, 4]);
        assert_eq!(cluster.group("g").unwrap().generation, group.generation + 1, "one rebalance is enough");
        assert_eq!(requests_of(&cluster, ApiKey::DescribeGroups), 1);
    });
}

#[test]
fn a_topic_that_comes_later_is_found() {
    run(async {
        let cluster = cluster(|builder| builder);
        let kafka = connect(&cluster).await;
        let mut seat = Seat::take(member(&kafka).subscribe(["later"])).await;
        seat.run(ms(5_000)).await;
        assert_eq!(seat.owned.len(), 3);
        cluster.create_topic("later", 2).unwrap();
        seat.run(ms(20_000)).await;
        assert_eq!(seat.owned.len(), 5);
        assert_eq!(seat.errors.len(), 0);
    });
}

#[test]
fn a_coordinator_that_moves_is_followed() {
    run(async {
        let cluster = cluster(|builder| builder);
        written(&cluster);
        let kafka = connect(&cluster).await;
        let mut seat = Seat::take(member(&kafka)).await;
        seat.run(ms(5_000)).await;
        let generation = seat.consumer.group_metadata().unwrap().generation_id;
        let old = cluster.coordinator("g").unwrap();
        let new = cluster.nodes().into_iter().find(|node| *node != old).unwrap();
        cluster.move_coordinator("g", new).unwrap();
        seat.run(ms(60_000)).await;
        assert_eq!(seat.told.len(), 1, "a stable group moves with its members");
        assert_eq!(seat.consumer.group_metadata().unwrap().generation_id, generation);
        seat.consumer.commit().await.unwrap();
    });
}

#[test]
fn another_subscription_and_none() {
    run(async {
        let cluster = cluster(|builder| builder.topic("b", 1));
        written(&cluster);
        let kafka = connect(&cluster).await;
        let mut seat = Seat::take(member(&kafka).auto_commit(true)).await;
        seat.run(ms(5_000)).await;
        seat.consumer.subscribe(["b"]).unwrap();
        seat.run(ms(10_000)).await;
        assert_eq!(seat.consumer.assignment(), [("b", 0).into()]);
        assert_eq!(seat.told[1], Told::Revoked(a(0..3)));
        // What was read was committed on the way.
        assert_eq!(cluster.committed("g", "a", 0), Some(10.into()));

        seat.consumer.unsubscribe().await.unwrap();
        assert_eq!(seat.consumer.assignment(), []);
        assert_eq!(cluster.group("g").unwrap().members, []);
        seat.consumer.assign([("a", 1)]).unwrap();
        assert_eq!(seat.consumer.subscribe(["a"]).unwrap_err().kind(), ErrorKind::InvalidUse);
    });
}

#[test]
fn members_without_a_strategy_in_common_are_told_so() {
    run(async {
        let cluster = cluster(|builder| builder);
        let kafka = connect(&cluster).await;
        let mut first = Seat::take(member(&kafka).assignors([Assignor::Range])).await;
        first.run(ms(5_000)).await;
        let mut second = Seat::take(member(&kafka).assignors([Assignor::RoundRobin])).await;
        let error = second.consumer.next_event().await.unwrap_err();
        assert_eq!(
            (error.kind(), error.code()),
            (ErrorKind::Membership, Some(ErrorCode::INCONSISTENT_GROUP_PROTOCOL))
        );
        assert!(error.to_string().contains("partition.assignment.strategy"), "{error}");
        // Once the other one has gone, the next poll finds the way in.
        first.consumer.close(ms(5_000)).await.unwrap();
        second.run(ms(10_000)).await;
        assert_eq!(second.owns(), [0, 1, 2]);
    });
}

#[test]
fn a_commit_that_waits_is_not_sent_in_the_name_of_a_later_generation() {
    run(async {
        let cluster = cluster(|builder| builder);
        written(&cluster);
        let kafka = connect(&cluster).await;
        let mut seat = Seat::take(member(&kafka)).await;
        seat.run(ms(5_000)).await;
        // The coordinator is busy, so the commit is tried again and again.
        cluster
            .inject(Fault::on(ApiKey::OffsetCommit).always().error(ErrorCode::COORDINATOR_LOAD_IN_PROGRESS));
        let old = seat.consumer.group_metadata().unwrap().member_id;
        assert!(tokio::time::timeout(ms(500), seat.consumer.commit()).await.is_err());
        cluster.expire_member("g", &old).unwrap();
        seat.run(ms(10_000)).await;
        assert_eq!(seat.told[1..], [Told::Lost(a(0..3)), Told::Assigned(a(0..3))]);
        let sent_by_others = commits(&cluster).iter().filter(|commit| *commit.member_id != *old).count();
        assert_eq!(sent_by_others, 0, "somebody else may have gone further meanwhile");
    });
}

#[test]
fn a_commit_during_a_cooperative_rebalance_waits_for_its_end() {
    run(async {
        let cluster = cluster(|builder| builder);
        written(&cluster);
        let kafka = connect(&cluster).await;
        let cooperative = || member(&kafka).assignors([Assignor::CooperativeSticky]);
        let mut first = Seat::take(cooperative()).await;
        first.run(ms(5_000)).await;
        // The answer to the second round takes its time; meanwhile the member reads and commits.
        cluster.inject(Fault::on(ApiKey::JoinGroup).nth(1).delay(ms(5_000)));
        first.consumer.enforce_rebalance("test").unwrap();
        kafka.world().sleep(ms(1_000)).await;
        let generation = first.consumer.group_metadata().unwrap().generation_id;
        first.consumer.commit().await.unwrap();
        assert_eq!(first.consumer.group_metadata().unwrap().generation_id, generation + 1);
        assert_eq!(cluster.committed("g", "a", 0), Some(10.into()));
        assert_eq!(first.told.len(), 1);
    });
}

#[test]
fn a_silent_member_without_partitions_leaves_and_comes_back_as_well() {
    run(async {
        let cluster = cluster(|builder| builder.topic("one", 1));
        let kafka = connect(&cluster).await;
        let member = || member(&kafka).subscribe(["one"]).max_poll_interval(ms(20_000));
        let (mut one, mut two, mut three, mut four, mut spare) = (
            Seat::take(member()).await,
            Seat::take(member()).await,
            Seat::take(member()).await,
            Seat::take(member()).await,
            Seat::take(member()).await,
        );
        together([&mut one, &mut two, &mut three, &mut four, &mut spare], ms(15_000)).await;
        let seats = [&one, &two, &three, &four, &spare];
        assert_eq!(seats.iter().map(|seat| seat.owned.len()).sum::<usize>(), 4);
        assert_eq!(cluster.group("g").unwrap().members.len(), 5);
        let mut active: Vec<&mut Seat> = vec![&mut one, &mut two, &mut three, &mut four, &mut spare];
        let idle = active.iter().position(|seat| seat.owned.is_empty()).unwrap();
        let silent = active.remove(idle);
        let everybody_else = active.into_iter().map(|seat| seat.run(ms(60_000)));
        futures_util::future::join_all(everybody_else).await;
        assert_eq!(cluster.group("g").unwrap().members.len(), 4, "it is not taken back before it polls");
        silent.run(ms(10_000)).await;
        assert!(silent.told.iter().all(|told| matches!(told, Told::Assigned(none) if none.is_empty())));
    });
}

#[test]
fn a_topic_that_must_not_be_read_is_told_of_once() {
    run(async {
        let cluster = cluster(|builder| builder.topic("secret", 1));
        cluster.inject(
            Fault::on(ApiKey::Metadata).topic("secret").always().error(ErrorCode::TOPIC_AUTHORIZATION_FAILED),
        );
        let kafka = connect(&cluster).await;
        let mut seat = Seat::take(member(&kafka).subscribe(["secret"])).await;
        seat.run(ms(30_000)).await;
        assert_eq!(seat.owns(), [0, 1, 2], "the others are read");
        let told: Vec<_> = seat.errors.iter().map(|error| error.code()).collect();
        assert_eq!(told, [Some(ErrorCode::TOPIC_AUTHORIZATION_FAILED)]);
        assert!(seat.errors[0].to_string().contains("secret"), "{}", seat.errors[0]);
    });
}

#[test]
fn a_broker_that_crashes_with_its_groups_is_outlived() {
    run(async {
        let cluster = cluster(|builder| builder);
        written(&cluster);
        let kafka = connect(&cluster).await;
        let (mut one, mut two) = (Seat::take(member(&kafka)).await, Seat::take(member(&kafka)).await);
        together([&mut one, &mut two], ms(10_000)).await;
        let coordinator = cluster.coordinator("g").unwrap();
        cluster.crash(coordinator).unwrap();
        together([&mut one, &mut two], ms(30_000)).await;
        cluster.restart(coordinator).unwrap();
        together([&mut one, &mut two], ms(60_000)).await;
        let mut owned = [one.owns(), two.owns()].concat();
        owned.sort_unstable();
        assert_eq!(owned, [0, 1, 2]);
        one.consumer.commit().await.unwrap();
        two.consumer.commit().await.unwrap();
    });
}

#[test]
fn old_brokers_are_joined_in_their_versions() {
    run(async {
        for (join, sync, beat, leave) in [(0, 0, 0, 0), (3, 2, 2, 2), (5, 3, 3, 3), (6, 4, 4, 4)] {
            let cluster = cluster(|builder| builder);
            written(&cluster);
            cluster.cap_version(ApiKey::JoinGroup, join);
            cluster.cap_version(ApiKey::SyncGroup, sync);
            cluster.cap_version(ApiKey::Heartbeat, beat);
            cluster.cap_version(ApiKey::LeaveGroup, leave);
            let kafka = connect(&cluster).await;
            let (mut one, mut two) = (Seat::take(member(&kafka)).await, Seat::take(member(&kafka)).await);
            together([&mut one, &mut two], ms(20_000)).await;
            let mut owned = [one.owns(), two.owns()].concat();
            owned.sort_unstable();
            assert_eq!(owned, [0, 1, 2], "JoinGroup {join}");
            two.consumer.close(ms(5_000)).await.unwrap();
            one.run(ms(10_000)).await;
            assert_eq!(one.owns(), [0, 1, 2]);
            assert_eq!(one.errors.len() + two.errors.len(), 0);
        }
        // Brokers before KIP-345 know no static members: that is said, and not passed over.
        let cluster = cluster(|builder| builder);
        cluster.cap_version(ApiKey::JoinGroup, 4);
        let kafka = connect(&cluster).await;
        let mut named = Seat::take(member(&kafka).group_instance_id("one")).await;
        let error = named.consumer.next_event().await.unwrap_err();
        assert!(error.to_string().contains("GroupInstanceId"), "{error}");
    });
}

#[test]
fn kafkas_own_topics_match_only_where_that_was_said() {
    run(async {
        let cluster = cluster(|builder| builder.topic("__consumer_offsets", 1));
        let kafka = connect(&cluster).await;
        for excluded in [true, false] {
            let matching = Consumer::builder(&kafka).group(format!("g{excluded}"));
            let matching = matching.subscribe_matching(|_| true).set("exclude.internal.topics", excluded);
            let mut seat = Seat::take(matching.auto_commit(false)).await;
            seat.run(ms(5_000)).await;
            let all = seat.consumer.subscription();
            assert_eq!(all.contains(&"__consumer_offsets".into()), !excluded, "{all:?}");
            assert!(all.contains(&"a".into()));
        }
    });
}

#[test]
fn topics_whose_names_match_are_found_now_and_later() {
    run(async {
        let cluster = cluster(|builder| builder.topic("orders-eu", 2).topic("other", 2));
        let kafka = connect(&cluster).await;
        let matching = || {
            let member = Consumer::builder(&kafka).group("g").auto_commit(false);
            member
                .subscribe_matching(|topic| topic.starts_with("orders-"))
                .assignors([Assignor::CooperativeSticky])
        };
        let mut one = Seat::take(matching()).await;
        one.run(ms(5_000)).await;
        assert_eq!(one.consumer.subscription(), ["orders-eu"]);
        assert_eq!(one.owned.len(), 2);
        cluster.create_topic("orders-us", 3).unwrap();
        let mut two = Seat::take(matching()).await;
        // The second one sees the new topic at once, and with it the leader; the first looks again after five minutes.
        together([&mut one, &mut two], ms(310_000)).await;
        assert_eq!(one.owned.len() + two.owned.len(), 5);
        assert_eq!(one.consumer.subscription(), ["orders-eu", "orders-us"]);
        assert_eq!(one.errors.len() + two.errors.len(), 0);

        // Another subscription ends the search.
        one.consumer.subscribe(["other"]).unwrap();
        together([&mut one, &mut two], ms(310_000)).await;
        assert_eq!((one.owned.len(), two.owned.len()), (2, 5));
    });
}
