//! What the members of a group must do.
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use courant::admin::{Admin, GroupDescription, GroupState, NewPartitions, NewTopic};
use courant::client::codec::{Nullable, Utf8};
use courant::consumer::assignor::Assignor;
use courant::consumer::{
    CloseOptions, Consumer, ErrorKind, Event, Leave, ListenerError, RebalanceListener, TypedEvent,
};
use courant::{Kafka, Offset, TopicName, TopicPartition};

use super::seat::{Seat, Told, member};
use super::world::{PATIENCE, Subject, fill, fresh, numbers, topic};

super::case::declare! {
    ($) consumer_groups_suite;
    a_lone_member_gets_every_partition: "C14" "C15";
    two_members_share_by_range: "C14" "C16";
    two_members_share_by_round_robin: "C14" "C16";
    two_members_share_by_sticky: "C14" "C16";
    cooperative_members_keep_what_stays_theirs: "C14" "C16" "C20";
    a_member_that_leaves_hands_over_its_partitions: "C14" "C28";
    a_revoked_partition_goes_on_where_it_was_committed: "C20" "C21";
    the_next_member_goes_on_where_the_last_one_committed: "C21" "C23";
    a_static_member_comes_back_without_a_rebalance: "C19";
    the_newer_of_two_static_members_fences_the_older: "C19";
    a_static_member_stays_when_it_closes_and_leaves_when_told_to: "C19" "C28";
    a_dynamic_member_may_stay_when_it_closes: "C28";
    a_member_that_was_removed_joins_again: "C14" "C20";
    an_application_that_does_not_poll_loses_its_partitions: "C13" "C20";
    assignors_that_do_not_meet_are_a_typed_error: "C16";
    a_topic_that_grows_is_divided_anew: "C14" "C26";
    a_topic_that_comes_later_is_read: "C14" "C26";
    a_changed_subscription_takes_effect: "C14";
    unsubscribing_leaves_the_group: "C14" "C28";
    a_commit_names_the_member_and_its_generation: "C21" "C28";
    a_forced_rebalance_makes_a_generation: "C28";
    a_listener_hears_of_its_partitions_before_their_records: "C20";
    a_running_group_is_described_with_its_partitions: "A groups" "C14";
    typed_members_are_told_of_rebalances_too: "C20" "C27";
}

async fn describe(kafka: &Kafka, group: &str) -> GroupDescription {
    Admin::new(kafka).describe_groups([group]).await.all().expect("described").remove(0).1
}

/// Waits until the group looks so.
async fn described_when(
    kafka: &Kafka,
    group: &str,
    so: impl Fn(&GroupDescription) -> bool,
) -> GroupDescription {
    let watched = async {
        loop {
            let described = describe(kafka, group).await;
            if so(&described) {
                return described;
            }
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, watched).await.expect("the group gets there in time")
}

fn all(topic: &TopicName, partitions: i32) -> Vec<TopicPartition> {
    (0..partitions).map(|partition| TopicPartition::new(topic, partition)).collect()
}

async fn a_lone_member_gets_every_partition(subject: Subject) {
    let kafka = subject.kafka().await;
    let (topic, group) = (topic(&kafka, "lone", 3).await, fresh("lone"));
    fill(&kafka, &topic, 1, numbers(10)).await;
    let mut seat = Seat::take(member(&kafka, &group, &topic)).await;
    let seen = seat.until("it reads ten records", |seen| seen.records.len() == 10).await;
    assert_eq!(seen.told, [Told::Assigned(all(&topic, 3))]);
    assert!(seen.records.iter().copied().eq((0..10).map(|offset| (1, offset))));
    seat.close().await;
}

/// Two members with one strategy: each owns half, and what is written then is read by one of them, once.
async fn share(subject: Subject, assignor: Assignor) {
    let kafka = subject.kafka().await;
    let (topic, group) = (topic(&kafka, "shared", 4).await, fresh("shared"));
    let mut first = Seat::take(member(&kafka, &group, &topic).assignors([assignor])).await;
    first.owns(4).await;
    let mut second = Seat::take(member(&kafka, &group, &topic).assignors([assignor])).await;
    let seconds = second.owns(2).await.owned;
    let firsts = first.until("half is left", |seen| seen.owned.len() == 2).await.owned;
    let union: BTreeSet<_> = firsts.union(&seconds).cloned().collect();
    assert_eq!(union, all(&topic, 4).into_iter().collect());
    for partition in 0..4 {
        fill(&kafka, &topic, partition, numbers(5)).await;
    }
    let mut read = first.until("it reads its own", |seen| seen.records.len() == 10).await.records;
    read.extend(second.until("it reads its own", |seen| seen.records.len() == 10).await.records);
    read.sort_unstable();
    let expected = (0..4).flat_map(|partition| (0..5).map(move |offset| (partition, offset)));
    assert!(read.into_iter().eq(expected), "each record once");
    first.close().await;
    second.close().await;
}

async fn two_members_share_by_range(subject: Subject) {
    share(subject, Assignor::Range).await;
}

async fn two_members_share_by_round_robin(subject: Subject) {
    share(subject, Assignor::RoundRobin).await;
}

async fn two_members_share_by_sticky(subject: Subject) {
    share(subject, Assignor::Sticky).await;
}

async fn cooperative_members_keep_what_stays_theirs(subject: Subject) {
    let kafka = subject.kafka().await;
    let (topic, group) = (topic(&kafka, "cooperative", 4).await, fresh("cooperative"));
    let cooperative = || member(&kafka, &group, &topic).assignors([Assignor::CooperativeSticky]);
    let mut first = Seat::take(cooperative()).await;
    first.owns(4).await;
    let mut second = Seat::take(cooperative()).await;
    let seconds = second.owns(2).await;
    let firsts = first.owns(2).await;
    let revoked: Vec<_> = firsts
        .told
        .iter()
        .filter_map(|told| match told {
            Told::Revoked(gone) => Some(gone.clone()),
            _ => None,
        })
        .collect();
    assert_eq!(revoked, [seconds.owned.iter().cloned().collect::<Vec<_>>()], "only what goes to the other");
    let came: usize =
        firsts.told.iter().map(|told| if let Told::Assigned(came) = told { came.len() } else { 0 }).sum();
    assert_eq!(came, 4, "what stays is not given again: {:?}", firsts.told);
    first.close().await;
    second.close().await;
}

async fn a_member_that_leaves_hands_over_its_partitions(subject: Subject) {
    let kafka = subject.kafka().await;
    let (topic, group) = (topic(&kafka, "leaving", 4).await, fresh("leaving"));
    let mut first = Seat::take(member(&kafka, &group, &topic)).await;
    let mut second = Seat::take(member(&kafka, &group, &topic)).await;
    first.owns(2).await;
    second.owns(2).await;
    first.close().await;
    second.owns(4).await;
    second.close().await;
    let empty = described_when(&kafka, &group, |group| group.state == GroupState::Empty).await;
    assert_eq!(empty.members.len(), 0);
}

async fn a_revoked_partition_goes_on_where_it_was_committed(subject: Subject) {
    let kafka = subject.kafka().await;
    let (topic, group) = (topic(&kafka, "handed-over", 2).await, fresh("handed-over"));
    for partition in 0..2 {
        fill(&kafka, &topic, partition, numbers(10)).await;
    }
    let mut first = Seat::take(member(&kafka, &group, &topic)).await;
    first.until("it reads all", |seen| seen.records.len() == 20).await;
    let mut second = Seat::take(member(&kafka, &group, &topic)).await;
    let seconds = second.owns(1).await;
    first.owns(1).await;
    let taken = seconds.partitions()[0];
    fill(&kafka, &topic, taken, numbers(5)).await;
    let seen = second.until("it reads what is new", |seen| !seen.records.is_empty()).await;
    assert_eq!(seen.records[0], (taken, 10), "what the first one has read and committed is not read again");
    assert_eq!(first.now().errors.len(), 0);
    first.close().await;
    second.close().await;
}

async fn the_next_member_goes_on_where_the_last_one_committed(subject: Subject) {
    let kafka = subject.kafka().await;
    let (topic, group) = (topic(&kafka, "resumed", 1).await, fresh("resumed"));
    fill(&kafka, &topic, 0, numbers(10)).await;
    let mut seat = Seat::take(member(&kafka, &group, &topic)).await;
    seat.until("it reads ten records", |seen| seen.records.len() == 10).await;
    seat.close().await;
    fill(&kafka, &topic, 0, numbers(3)).await;
    let mut seat = Seat::take(member(&kafka, &group, &topic)).await;
    let seen = seat.until("it reads three more", |seen| seen.records.len() == 3).await;
    assert_eq!(seen.records, [(0, 10), (0, 11), (0, 12)]);
    seat.close().await;
}

async fn a_static_member_comes_back_without_a_rebalance(subject: Subject) {
    let kafka = subject.kafka().await;
    let (topic, group) = (topic(&kafka, "static", 4).await, fresh("static"));
    let named = |name: &str| member(&kafka, &group, &topic).group_instance_id(name);
    let mut first = Seat::take(named("a")).await;
    first.owns(4).await;
    let mut second = Seat::take(named("b")).await;
    second.owns(2).await;
    let before = first.owns(2).await;
    let seconds = second.now();
    second.close().await;
    let mut second = Seat::take(named("b")).await;
    assert_eq!(second.owns(2).await.owned, seconds.owned, "its partitions waited for it");
    assert_eq!(first.now().told, before.told, "the other one noticed nothing");
    leave(first).await;
    leave(second).await;
}

/// Leaves the group although it is a static member.
async fn leave(seat: Seat) {
    let consumer = seat.stop().await;
    consumer.close_with(CloseOptions::within(PATIENCE).leave(Leave::Leave)).await.expect("closed");
}

async fn the_newer_of_two_static_members_fences_the_older(subject: Subject) {
    let kafka = subject.kafka().await;
    let (topic, group) = (topic(&kafka, "fenced", 2).await, fresh("fenced"));
    let mut older = Seat::take(member(&kafka, &group, &topic).group_instance_id("a")).await;
    older.owns(2).await;
    let mut newer = Seat::take(member(&kafka, &group, &topic).group_instance_id("a")).await;
    let seen = older.until("it is fenced", |seen| !seen.errors.is_empty()).await;
    assert_eq!(seen.errors[0].kind(), ErrorKind::Fenced, "{:?}", seen.errors);
    newer.owns(2).await;
    drop(older.stop().await);
    assert_eq!(describe(&kafka, &group).await.members.len(), 1);
    leave(newer).await;
}

async fn a_static_member_stays_when_it_closes_and_leaves_when_told_to(subject: Subject) {
    let kafka = subject.kafka().await;
    let (topic, group) = (topic(&kafka, "stays", 2).await, fresh("stays"));
    let mut seat = Seat::take(member(&kafka, &group, &topic).group_instance_id("a")).await;
    seat.owns(2).await;
    seat.close().await;
    let described = describe(&kafka, &group).await;
    assert_eq!(described.members[0].group_instance_id.as_deref(), Some("a"));
    let mut seat = Seat::take(member(&kafka, &group, &topic).group_instance_id("a")).await;
    seat.owns(2).await;
    leave(seat).await;
    described_when(&kafka, &group, |group| group.members.is_empty()).await;
}

async fn a_dynamic_member_may_stay_when_it_closes(subject: Subject) {
    let kafka = subject.kafka().await;
    let (topic, group) = (topic(&kafka, "remains", 2).await, fresh("remains"));
    let mut seat = Seat::take(member(&kafka, &group, &topic)).await;
    seat.owns(2).await;
    let consumer = seat.stop().await;
    consumer.close_with(CloseOptions::within(PATIENCE).leave(Leave::Remain)).await.expect("closed");
    assert_eq!(describe(&kafka, &group).await.members.len(), 1);
    let admin = Admin::new(&kafka);
    admin.remove_all_members(&*group, "").await.expect("described").all().expect("removed");
}

async fn a_member_that_was_removed_joins_again(subject: Subject) {
    let kafka = subject.kafka().await;
    let (topic, group) = (topic(&kafka, "removed", 2).await, fresh("removed"));
    let mut seat = Seat::take(member(&kafka, &group, &topic)).await;
    seat.owns(2).await;
    let admin = Admin::new(&kafka);
    admin.remove_all_members(&*group, "a test").await.expect("described").all().expect("removed");
    let seen = seat.until("it joins again", |seen| seen.told.len() == 3).await;
    let expected =
        [Told::Assigned(all(&topic, 2)), Told::Lost(all(&topic, 2)), Told::Assigned(all(&topic, 2))];
    assert_eq!(seen.told, expected);
    seat.close().await;
}

async fn an_application_that_does_not_poll_loses_its_partitions(subject: Subject) {
    let kafka = subject.kafka().await;
    let (topic, group) = (topic(&kafka, "idle", 2).await, fresh("idle"));
    let mut seat = Seat::take(member(&kafka, &group, &topic).set("max.poll.interval.ms", 1_000)).await;
    seat.owns(2).await;
    let idle = seat.stop().await;
    described_when(&kafka, &group, |group| group.members.is_empty()).await;
    let mut seat = Seat::of(idle);
    let seen = seat.until("it joins again", |seen| seen.told.len() >= 2).await;
    assert_eq!(seen.told[..2], [Told::Lost(all(&topic, 2)), Told::Assigned(all(&topic, 2))]);
    seat.close().await;
}

async fn assignors_that_do_not_meet_are_a_typed_error(subject: Subject) {
    let kafka = subject.kafka().await;
    let (topic, group) = (topic(&kafka, "mixed", 2).await, fresh("mixed"));
    let mut first = Seat::take(member(&kafka, &group, &topic).assignors([Assignor::Range])).await;
    first.owns(2).await;
    let mut second = Seat::take(member(&kafka, &group, &topic).assignors([Assignor::RoundRobin])).await;
    let seen = second.until("it is refused", |seen| !seen.errors.is_empty()).await;
    assert_eq!(seen.errors[0].kind(), ErrorKind::Membership, "{:?}", seen.errors);
    drop(second.stop().await);
    first.close().await;
}

async fn a_topic_that_grows_is_divided_anew(subject: Subject) {
    let kafka = subject.kafka_with(&[("metadata.max.age.ms", "300")]).await;
    let (topic, group) = (topic(&kafka, "grown", 2).await, fresh("grown"));
    let mut seat = Seat::take(member(&kafka, &group, &topic)).await;
    seat.owns(2).await;
    let growth = NewPartitions::to(topic.clone(), 4);
    Admin::new(&kafka).create_partitions([growth]).await.all().expect("grown");
    seat.owns(4).await;
    fill(&kafka, &topic, 3, numbers(2)).await;
    seat.until("it reads the new partition", |seen| seen.records == [(3, 0), (3, 1)]).await;
    seat.close().await;
}

async fn a_topic_that_comes_later_is_read(subject: Subject) {
    let kafka = subject.kafka_with(&[("metadata.max.age.ms", "300")]).await;
    let (first, later, group) = (topic(&kafka, "there", 1).await, fresh("later"), fresh("later"));
    let builder = member(&kafka, &group, &first).subscribe([later.clone()]);
    let mut seat = Seat::take(builder.set("allow.auto.create.topics", "false")).await;
    seat.owns(1).await;
    let created = Admin::new(&kafka).create_topics([NewTopic::new(later.clone()).partitions(2)]).await;
    created.all().expect("created");
    let seen = seat.owns(3).await;
    assert!(seen.owned.contains(&TopicPartition::new(&later, 1)));
    seat.close().await;
}

async fn a_changed_subscription_takes_effect(subject: Subject) {
    let kafka = subject.kafka().await;
    let (first, second) = (topic(&kafka, "before", 1).await, topic(&kafka, "after", 2).await);
    let group = fresh("changed");
    let mut seat = Seat::take(member(&kafka, &group, &first)).await;
    seat.owns(1).await;
    let consumer = seat.stop().await;
    consumer.subscribe([second.clone()]).expect("subscribed");
    let mut seat = Seat::of(consumer);
    let wanted = all(&second, 2).into_iter().collect();
    seat.until("it owns the other topic's", |seen| seen.owned == wanted).await;
    seat.close().await;
}

async fn unsubscribing_leaves_the_group(subject: Subject) {
    let kafka = subject.kafka().await;
    let (topic, group) = (topic(&kafka, "unsubscribed", 2).await, fresh("unsubscribed"));
    let mut seat = Seat::take(member(&kafka, &group, &topic)).await;
    seat.owns(2).await;
    let mut consumer = seat.stop().await;
    consumer.unsubscribe().await.expect("unsubscribed");
    assert_eq!(consumer.assignment(), []);
    described_when(&kafka, &group, |group| group.state == GroupState::Empty).await;
    consumer.subscribe([topic]).expect("subscribed again");
    let mut seat = Seat::of(consumer);
    seat.owns(2).await;
    seat.close().await;
}

async fn a_commit_names_the_member_and_its_generation(subject: Subject) {
    let kafka = subject.kafka().await;
    let (topic, group) = (topic(&kafka, "metadata", 1).await, fresh("metadata"));
    let mut seat = Seat::take(member(&kafka, &group, &topic).group_instance_id("a")).await;
    seat.owns(1).await;
    let consumer = seat.stop().await;
    let metadata = consumer.group_metadata().expect("a group");
    let described = describe(&kafka, &group).await;
    assert_eq!((&*metadata.group_id, &metadata.member_id), (&*group, &described.members[0].member_id));
    assert_eq!((metadata.generation_id, metadata.group_instance_id.as_deref()), (1, Some("a")));
    // Somebody who is no member commits nothing in a group that has members.
    let stranger = Consumer::builder(&kafka).group(&*group).assign([(&topic, 0)]).auto_commit(false);
    let stranger = stranger.start().await.expect("the consumer starts");
    let refused = stranger.commit_offsets([((&topic, 0), 1)]).await.expect_err("no member");
    assert_eq!(refused.kind(), ErrorKind::CommitFailed, "{refused}");
    consumer.commit_offsets([((&topic, 0), 1)]).await.expect("committed");
    leave(Seat::of(consumer)).await;
}

async fn a_forced_rebalance_makes_a_generation(subject: Subject) {
    let kafka = subject.kafka().await;
    let (topic, group) = (topic(&kafka, "forced", 2).await, fresh("forced"));
    let cooperative = member(&kafka, &group, &topic).assignors([Assignor::CooperativeSticky]);
    let mut seat = Seat::take(cooperative).await;
    seat.owns(2).await;
    let consumer = seat.stop().await;
    assert_eq!(consumer.group_metadata().expect("a group").generation_id, 1);
    consumer.enforce_rebalance("a test").expect("asked for");
    let mut seat = Seat::of(consumer);
    seat.until("it is told", |seen| seen.told == [Told::Assigned(Vec::new())]).await;
    let consumer = seat.stop().await;
    assert_eq!(consumer.group_metadata().expect("a group").generation_id, 2);
    consumer.close(PATIENCE).await.expect("closed");
}

/// Writes down what it hears, and seeks in what it gets.
#[derive(Clone, Default)]
struct Diary(Arc<Mutex<Vec<String>>>);

impl Diary {
    fn write(&self, line: String) {
        self.0.lock().expect("no panic").push(line);
    }
}

impl RebalanceListener for Diary {
    async fn assigned(
        &self,
        consumer: &Consumer,
        partitions: &[TopicPartition],
    ) -> Result<(), ListenerError> {
        self.write(format!("assigned {}", partitions.len()));
        for partition in partitions {
            consumer.seek(partition.clone(), Offset(7))?;
        }
        Ok(())
    }

    async fn revoked(&self, consumer: &Consumer, partitions: &[TopicPartition]) -> Result<(), ListenerError> {
        self.write(format!("revoked {}", partitions.len()));
        consumer.commit().await?;
        Ok(())
    }
}

async fn a_listener_hears_of_its_partitions_before_their_records(subject: Subject) {
    let kafka = subject.kafka().await;
    let (topic, group) = (topic(&kafka, "listener", 1).await, fresh("listener"));
    fill(&kafka, &topic, 0, numbers(10)).await;
    let diary = Diary::default();
    let builder = member(&kafka, &group, &topic).rebalance_listener(diary.clone());
    let mut consumer = builder.start().await.expect("the consumer starts");
    let polled = tokio::time::timeout(PATIENCE, consumer.poll()).await.expect("poll ends in time");
    let batch = polled.expect("poll succeeds").expect("the consumer is open");
    assert_eq!(batch.iter().next().expect("a record").offset(), Offset(7), "the seek held");
    diary.write(format!("read {}", batch.len()));
    drop(batch);
    consumer.close(PATIENCE).await.expect("closed");
    assert_eq!(*diary.0.lock().expect("no panic"), ["assigned 1", "read 3", "revoked 1"]);
    let committed = Admin::new(&kafka).list_group_offsets([&*group]).await.all().expect("listed").remove(0).1;
    let committed = committed.all().expect("each listed").remove(0).1.expect("committed");
    assert_eq!(committed.offset, Offset(10));
}

async fn a_running_group_is_described_with_its_partitions(subject: Subject) {
    let kafka = subject.kafka_with(&[("client.id", "till")]).await;
    let (topic, group) = (topic(&kafka, "described", 4).await, fresh("described"));
    let mut first = Seat::take(member(&kafka, &group, &topic)).await;
    let mut second = Seat::take(member(&kafka, &group, &topic)).await;
    let owned = [first.owns(2).await.owned, second.owns(2).await.owned];
    let described = described_when(&kafka, &group, |group| group.state == GroupState::Stable).await;
    assert_eq!((&*described.protocol_type, &*described.protocol), ("consumer", "range"));
    let mut found: Vec<BTreeSet<_>> =
        described.members.iter().map(|member| member.assignment.iter().cloned().collect()).collect();
    let mut owned = Vec::from(owned);
    found.sort();
    owned.sort();
    assert_eq!(found, owned);
    first.close().await;
    second.close().await;
}

async fn typed_members_are_told_of_rebalances_too(subject: Subject) {
    let kafka = subject.kafka().await;
    let (topic, group) = (topic(&kafka, "typed-member", 1).await, fresh("typed-member"));
    fill(&kafka, &topic, 0, numbers(3)).await;
    let consumer = member(&kafka, &group, &topic).start().await.expect("the consumer starts");
    let mut consumer = consumer.typed(Nullable(Utf8), Utf8);
    let mut values = Vec::new();
    let mut assigned = 0;
    while values.len() < 3 {
        let next = tokio::time::timeout(PATIENCE, consumer.next_event()).await.expect("in time");
        match next.expect("an event").expect("the consumer is open") {
            TypedEvent::Assigned(came) => assigned += came.len(),
            TypedEvent::Batch(batch) => {
                assert_eq!(assigned, 1, "first the partition, then its records");
                values.extend(batch.iter().map(|record| record.expect("decoded").value));
            }
            other => panic!("nothing else happens: {other:?}"),
        }
    }
    assert_eq!(values, ["0", "1", "2"]);
    let event = tokio::time::timeout(std::time::Duration::ZERO, consumer.consumer().next_event()).await;
    assert!(!matches!(event, Ok(Ok(Some(Event::Lost(_))))));
    consumer.close(PATIENCE).await.expect("closed");
}
