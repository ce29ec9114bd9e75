//! What looks at the members of groups from outside must see, and what members are told.
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use courant::admin::{Admin, GroupDescription, GroupState, NewTopic};
use courant::client::codec::{Nullable, Utf8};
use courant::consumer::{
    CloseOptions, Consumer, ErrorKind, Leave, ListenerError, RebalanceListener, TypedEvent,
};
use courant::{Kafka, Offset, TopicName, TopicPartition};

use super::seat::{Seat, Told, member};
use super::world::{PATIENCE, Subject, fill, fresh, numbers, topic};

super::case::declare! {
    ($) consumer_groups_suite;
    a_dynamic_member_may_stay_when_it_closes: "C28";
    a_member_that_was_removed_joins_again: "C14" "C20";
    a_topic_that_comes_later_is_read: "C14" "C26";
    a_commit_names_the_member_and_its_generation: "C21" "C28";
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

/// Leaves the group although it is a static member.
async fn leave(seat: Seat) {
    let consumer = seat.stop().await;
    consumer.close_with(CloseOptions::within(PATIENCE).leave(Leave::Leave)).await.expect("closed");
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
    consumer.close(PATIENCE).await.expect("closed");
}
