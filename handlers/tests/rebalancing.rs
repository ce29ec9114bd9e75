//! Runners as members of a group: what becomes of records that are worked on when their partitions go.
#![allow(clippy::unwrap_used, clippy::panic)]
mod world;

use std::cell::Cell;
use std::io;
use std::time::Duration;

use courant_consumer::assignor::Assignor;
use courant_consumer::{ConsumerBuilder, ConsumerRecord};
use courant_handlers::{Handler, Handlers, Runner};
use courant_protocol::types::Offset;
use futures_util::future::join;
use tokio::time::sleep;
use world::{Seen, cluster, committed, connect, fill, for_a_while, member, ms, run};

fn cooperative(builder: ConsumerBuilder) -> ConsumerBuilder {
    builder.assignors([Assignor::CooperativeSticky]).auto_commit_interval(ms(600_000))
}

fn eager(builder: ConsumerBuilder) -> ConsumerBuilder {
    builder.assignors([Assignor::Range]).auto_commit_interval(ms(600_000))
}

/// A runner whose calls take so long.
async fn runner(
    consumer: ConsumerBuilder,
    seen: &Seen,
    takes: Duration,
    drain: Duration,
) -> Runner<impl Handler + use<>> {
    let seen = seen.clone();
    let handlers = Handlers::new(consumer).drain_timeout(drain);
    let runner = handlers.for_each_per_partition(move |record| {
        let seen = seen.clone();
        async move {
            let call = seen.begin(&record);
            sleep(takes).await;
            call.end();
            Ok::<(), io::Error>(())
        }
    });
    runner.await.unwrap()
}

#[test]
fn running_calls_of_revoked_partitions_return_and_are_committed_before_the_next_owner_begins() {
    run(async {
        let cluster = cluster(|builder| builder);
        fill(&cluster, 30);
        let kafka = connect(&cluster).await;
        let (first, second) = (Seen::default(), Seen::default());
        let mut one = runner(eager(member(&kafka)), &first, ms(2_000), ms(30_000)).await;
        assert!(for_a_while(&mut one, ms(13_000)).await.is_none());
        let mut two = runner(eager(member(&kafka)), &second, ms(2_000), ms(30_000)).await;
        let (a, b) = join(for_a_while(&mut one, ms(60_000)), for_a_while(&mut two, ms(60_000))).await;
        assert!(a.is_none() && b.is_none());
        assert!(!second.begun().is_empty(), "it got its share");
        // Nothing was handled twice, although nothing is committed by time.
        let mut all = [first.begun(), second.begun()].concat();
        all.sort_unstable();
        assert!(all.windows(2).all(|pair| pair[0] != pair[1]), "{all:?}");
        for (partition, offsets) in second.by_partition() {
            assert_eq!(offsets[0], first.by_partition()[&partition].len() as i64);
        }
    });
}

#[test]
fn a_call_that_does_not_return_in_time_is_dropped_and_its_record_handled_by_the_next_owner() {
    run(async {
        let cluster = cluster(|builder| builder);
        fill(&cluster, 5);
        let kafka = connect(&cluster).await;
        let (first, second) = (Seen::default(), Seen::default());
        let mut one = runner(eager(member(&kafka)), &first, ms(1_000_000), ms(10_000)).await;
        assert!(for_a_while(&mut one, ms(5_000)).await.is_none());
        assert_eq!(first.running(), 3);
        let mut two = runner(eager(member(&kafka)), &second, ms(10), ms(10_000)).await;
        let (a, b) = join(for_a_while(&mut one, ms(60_000)), for_a_while(&mut two, ms(60_000))).await;
        assert!(a.is_none() && b.is_none());
        assert!(first.ended().is_empty());
        for (partition, offsets) in second.by_partition() {
            assert_eq!(offsets, (0..5).collect::<Vec<_>>(), "of partition {partition}");
        }
        assert!(!second.begun().is_empty() && first.running() < 3);
    });
}

/// Two members share three partitions, the second comes later. From then on the first call for a record of `slow` takes 25
/// seconds, all others a third of one. Gives which partition moved, and how many records of others were begun in the next 15 seconds.
async fn share(slow: Option<i32>) -> (i32, usize) {
    let cluster = cluster(|builder| builder);
    fill(&cluster, 300);
    let kafka = connect(&cluster).await;
    let (seen, left) = (Seen::default(), Cell::new(0));
    let handler = |record: ConsumerRecord| {
        let call = seen.begin(&record);
        let is_slow = left.get() > 0 && slow == Some(record.partition().0);
        left.set(left.get() - i32::from(is_slow));
        async move {
            sleep(if is_slow { ms(25_000) } else { ms(300) }).await;
            call.end();
            Ok::<(), io::Error>(())
        }
    };
    // What is taken in at a time does not last for as long as the slow one takes.
    let consumer = cooperative(member(&kafka)).max_poll_records(3);
    let settings = Handlers::new(consumer).drain_timeout(ms(60_000)).max_in_flight(6);
    let mut one = settings.clone().for_each_per_partition(handler).await.unwrap();
    assert!(for_a_while(&mut one, ms(8_000)).await.is_none());
    left.set(1);
    let mut two = settings.for_each_per_partition(handler).await.unwrap();
    let before = seen.begun().len();
    let (a, b) = join(for_a_while(&mut one, ms(15_000)), for_a_while(&mut two, ms(15_000))).await;
    assert!(a.is_none() && b.is_none());
    let after = seen.begun()[before..].to_vec();
    let (a, b) = join(for_a_while(&mut one, ms(40_000)), for_a_while(&mut two, ms(40_000))).await;
    assert!(a.is_none() && b.is_none());
    let moved = two.consumer().assignment();
    assert_eq!((one.consumer().assignment().len(), moved.len()), (2, 1));
    let mut all = seen.begun();
    all.sort_unstable();
    assert!(all.windows(2).all(|pair| pair[0] != pair[1]), "nothing is handled twice");
    let moved = moved[0].partition.0;
    (moved, after.iter().filter(|place| place.0 != moved).count())
}

#[test]
fn partitions_that_stay_go_on_while_others_are_drained() {
    let (moved, usually) = run(share(None));
    let (again, while_draining) = run(share(Some(moved)));
    assert_eq!(again, moved);
    assert!(while_draining + 10 >= usually && usually >= 40, "{while_draining} instead of {usually}");
}

#[test]
fn of_lost_partitions_calls_are_dropped_and_nothing_is_committed() {
    run(async {
        let cluster = cluster(|builder| builder);
        fill(&cluster, 5);
        let kafka = connect(&cluster).await;
        let seen = Seen::default();
        let consumer = eager(member(&kafka)).auto_commit_interval(ms(1_000));
        let mut runner = runner(consumer, &seen, ms(20_000), ms(30_000)).await;
        assert!(for_a_while(&mut runner, ms(6_000)).await.is_none());
        let id = cluster.group("g").unwrap().members[0].member_id.clone();
        cluster.expire_member("g", &id).unwrap();
        assert!(for_a_while(&mut runner, ms(12_000)).await.is_none());
        assert_eq!(seen.ended(), [], "they were dropped before their time");
        assert_eq!(seen.begun().len(), 6, "and begun again");
        assert_eq!((0..3).map(|partition| committed(&cluster, partition)).sum::<i64>(), 0);
        assert!(for_a_while(&mut runner, ms(200_000)).await.is_none());
        assert_eq!((0..3).map(|partition| committed(&cluster, partition)).collect::<Vec<_>>(), [5, 5, 5]);
    });
}

#[test]
fn what_returns_while_it_is_drained_after_the_membership_has_ended_is_never_committed() {
    run(async {
        let cluster = cluster(|builder| builder);
        fill(&cluster, 5);
        let kafka = connect(&cluster).await;
        let (first, second) = (Seen::default(), Seen::default());
        let mut one = runner(eager(member(&kafka)), &first, ms(20_000), ms(60_000)).await;
        assert!(for_a_while(&mut one, ms(5_000)).await.is_none());
        // It is asked to give everything up, and while its calls return its session ends.
        one.consumer().enforce_rebalance("for a test").unwrap();
        assert!(for_a_while(&mut one, ms(5_000)).await.is_none());
        assert_eq!((first.begun().len(), first.running()), (3, 3));
        let id = cluster.group("g").unwrap().members[0].member_id.clone();
        cluster.expire_member("g", &id).unwrap();
        let mut two = runner(eager(member(&kafka)), &second, ms(1), ms(60_000)).await;
        assert!(for_a_while(&mut two, ms(5_000)).await.is_none());
        two.close(ms(5_000)).await.unwrap();
        assert_eq!((0..3).map(|partition| committed(&cluster, partition)).collect::<Vec<_>>(), [5, 5, 5]);
        // The first one's calls return now: what it says of offset 1 would set the group back.
        assert!(for_a_while(&mut one, ms(60_000)).await.is_none());
        for partition in 0..3 {
            assert_eq!(cluster.committed("g", "a", partition), Some(Offset(5)), "of partition {partition}");
        }
    });
}
