//! What consumers that subscribe must do: groups of one, of two, of members that come, go, and fall silent.
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use courant::admin::{Admin, NewPartitions};
use courant::consumer::assignor::Assignor;
use courant::consumer::{
    CloseOptions, Consumer, ConsumerBuilder, ErrorKind, Event, Leave, ListenerError, RebalanceListener,
};
use courant::{Kafka, TopicName, TopicPartition};
use courant_protocol::error_code::ErrorCode;
use futures_util::StreamExt;

use super::world::{PATIENCE, Subject, fill, fresh, numbers, topic};

super::case::declare! {
    ($) subscriptions_suite;
    a_lone_subscriber_reads_every_partition: "C14" "C15";
    a_subscriber_goes_on_where_its_group_committed: "C21" "C23";
    subscribers_share_by_range: "C15" "C16";
    subscribers_share_by_round_robin: "C15" "C16";
    subscribers_share_by_sticky: "C15" "C16";
    cooperative_subscribers_keep_what_stays_theirs: "C16" "C20";
    a_subscriber_that_closes_hands_over_at_once: "C15" "C20";
    offsets_committed_on_revocation_are_where_the_next_owner_starts: "C20" "C21";
    auto_commit_commits_on_revocation: "C20" "C22";
    a_static_subscriber_comes_back_without_a_rebalance: "C19";
    a_static_subscriber_can_leave: "C19";
    a_second_static_subscriber_fences_the_first: "C19";
    a_silent_subscriber_loses_its_partitions_and_comes_back: "C13" "C20";
    a_subscription_can_be_changed: "C15" "C28";
    unsubscribing_commits_and_leaves: "C20" "C28";
    a_rebalance_can_be_enforced: "C28";
    a_topic_that_grows_reaches_its_subscribers: "C18" "C26";
    strategies_without_one_in_common_are_a_typed_error: "C15" "C16";
    topics_whose_names_match_are_subscribed_to: "C18";
    a_listener_hears_of_changes_and_may_take_its_time: "C14" "C20";
    a_stream_follows_its_group: "C1" "C15";
}

/// A member and what it has.
struct Seat {
    consumer: Consumer,
    owned: BTreeSet<TopicPartition>,
    /// How often it was given something, or heard that it got nothing new.
    rounds: usize,
    revoked: usize,
    lost: usize,
    records: usize,
}

impl Seat {
    async fn take(builder: ConsumerBuilder) -> Self {
        let consumer = builder.start().await.expect("the consumer starts");
        Self { consumer, owned: BTreeSet::new(), rounds: 0, revoked: 0, lost: 0, records: 0 }
    }

    fn note(&mut self, event: Event) {
        match event {
            Event::Batch(batch) => self.records += batch.iter().count(),
            Event::Assigned(partitions) => {
                self.rounds += 1;
                self.owned.extend(partitions);
            }
            Event::Revoked(partitions) => {
                self.revoked += partitions.len();
                partitions.iter().for_each(|partition| assert!(self.owned.remove(partition)));
            }
            Event::Lost(partitions) => {
                self.lost += partitions.len();
                partitions.iter().for_each(|partition| assert!(self.owned.remove(partition)));
            }
            _ => {}
        }
    }

    /// Handles what comes within a moment.
    async fn turn(&mut self) {
        if let Ok(event) = tokio::time::timeout(MOMENT, self.consumer.next_event()).await {
            self.note(event.expect("no error").expect("the consumer is open"));
        }
    }

    async fn close(self) {
        self.consumer.close(PATIENCE).await.expect("closed");
    }
}

const MOMENT: Duration = Duration::from_millis(100);

/// Lets the seats handle events until all is as it should be.
async fn until<const N: usize>(mut seats: [&mut Seat; N], wanted: impl Fn(&[&mut Seat; N]) -> bool) {
    let all = async {
        while !wanted(&seats) {
            for seat in &mut seats {
                seat.turn().await;
            }
        }
    };
    tokio::time::timeout(PATIENCE, all).await.expect("the group comes to rest");
}

/// A member that notices changes soon.
fn member(kafka: &Kafka, group: &str, topic: &TopicName) -> ConsumerBuilder {
    Consumer::builder(kafka)
        .group(group)
        .subscribe([topic.clone()])
        .auto_offset_reset("earliest")
        .auto_commit(false)
        .heartbeat_interval(Duration::from_millis(300))
        .session_timeout(Duration::from_secs(6))
}

/// A topic of four partitions with ten records each.
async fn filled(kafka: &Kafka, stem: &str) -> TopicName {
    let topic = topic(kafka, stem, 4).await;
    for partition in 0..4 {
        fill(kafka, &topic, partition, numbers(10)).await;
    }
    topic
}

/// Two members that share four partitions evenly.
async fn sharing(kafka: &Kafka, assignor: Assignor) -> (TopicName, String, Seat, Seat) {
    let (topic, group) = (topic(kafka, "shared", 4).await, fresh("group").to_string());
    let mut one = Seat::take(member(kafka, &group, &topic).assignors([assignor])).await;
    until([&mut one], |[one]| one.owned.len() == 4).await;
    let mut two = Seat::take(member(kafka, &group, &topic).assignors([assignor])).await;
    until([&mut one, &mut two], |[one, two]| one.owned.len() == 2 && two.owned.len() == 2).await;
    assert!(one.owned.is_disjoint(&two.owned));
    (topic, group, one, two)
}

async fn a_lone_subscriber_reads_every_partition(subject: Subject) {
    let kafka = subject.kafka().await;
    let topic = filled(&kafka, "lone").await;
    let mut seat = Seat::take(member(&kafka, &fresh("group"), &topic)).await;
    until([&mut seat], |[seat]| seat.records == 40).await;
    assert_eq!((seat.owned.len(), seat.rounds), (4, 1));
    let metadata = seat.consumer.group_metadata().expect("a group");
    assert!(metadata.generation_id >= 1 && !metadata.member_id.is_empty());
    seat.close().await;
}

async fn a_subscriber_goes_on_where_its_group_committed(subject: Subject) {
    let kafka = subject.kafka().await;
    let (topic, group) = (filled(&kafka, "resumed").await, fresh("group"));
    let mut first = Seat::take(member(&kafka, &group, &topic)).await;
    until([&mut first], |[first]| first.records == 40).await;
    first.consumer.commit().await.expect("committed");
    first.close().await;
    fill(&kafka, &topic, 2, numbers(3)).await;
    let mut second = Seat::take(member(&kafka, &group, &topic)).await;
    until([&mut second], |[second]| second.records >= 3).await;
    assert_eq!(second.records, 3);
    second.close().await;
}

async fn shares(subject: Subject, assignor: Assignor) {
    let kafka = subject.kafka().await;
    let (_, _, one, two) = sharing(&kafka, assignor).await;
    assert_eq!(one.revoked, 4, "everything is given up first");
    one.close().await;
    two.close().await;
}

async fn subscribers_share_by_range(subject: Subject) {
    shares(subject, Assignor::Range).await;
}

async fn subscribers_share_by_round_robin(subject: Subject) {
    shares(subject, Assignor::RoundRobin).await;
}

async fn subscribers_share_by_sticky(subject: Subject) {
    shares(subject, Assignor::Sticky).await;
}

async fn cooperative_subscribers_keep_what_stays_theirs(subject: Subject) {
    let kafka = subject.kafka().await;
    let (_, _, one, two) = sharing(&kafka, Assignor::CooperativeSticky).await;
    assert_eq!((one.revoked, one.lost, two.revoked), (2, 0, 0), "only what moves");
    one.close().await;
    two.close().await;
}

async fn a_subscriber_that_closes_hands_over_at_once(subject: Subject) {
    let kafka = subject.kafka().await;
    let (_, _, mut one, two) = sharing(&kafka, Assignor::CooperativeSticky).await;
    let left = kafka.world().now();
    two.close().await;
    until([&mut one], |[one]| one.owned.len() == 4).await;
    assert!(kafka.world().now() < left + Duration::from_secs(6), "nobody waits for a session to end");
    one.close().await;
}

async fn offsets_committed_on_revocation_are_where_the_next_owner_starts(subject: Subject) {
    let kafka = subject.kafka().await;
    let (topic, group) = (filled(&kafka, "handed").await, fresh("group"));
    let mut one = Seat::take(member(&kafka, &group, &topic)).await;
    until([&mut one], |[one]| one.records == 40).await;
    let mut two = Seat::take(member(&kafka, &group, &topic)).await;
    let all = async {
        while two.owned.len() < 2 || one.owned.len() > 2 {
            if let Ok(event) = tokio::time::timeout(MOMENT, one.consumer.next_event()).await {
                let event = event.expect("no error").expect("open");
                if let Event::Revoked(partitions) = &event {
                    let offsets = partitions.iter().map(|partition| (partition.clone(), 7));
                    one.consumer.commit_offsets(offsets).await.expect("still its own");
                }
                one.note(event);
            }
            two.turn().await;
        }
    };
    tokio::time::timeout(PATIENCE, all).await.expect("the group comes to rest");
    let before = one.records;
    until([&mut one, &mut two], |[_, two]| two.records == 6).await;
    until([&mut one], |[one]| one.records == before + 6 || one.records == 46).await;
    one.close().await;
    two.close().await;
}

async fn auto_commit_commits_on_revocation(subject: Subject) {
    let kafka = subject.kafka().await;
    let (topic, group) = (filled(&kafka, "revoked").await, fresh("group"));
    let rarely = || member(&kafka, &group, &topic).auto_commit(true).auto_commit_interval(PATIENCE * 10);
    let mut one = Seat::take(rarely()).await;
    until([&mut one], |[one]| one.records == 40).await;
    let mut two = Seat::take(rarely()).await;
    until([&mut one, &mut two], |[one, two]| one.owned.len() == 2 && two.owned.len() == 2).await;
    for _ in 0..5 {
        two.turn().await;
    }
    assert_eq!(two.records, 0, "what was read is not read again");
    one.close().await;
    two.close().await;
}

async fn a_static_subscriber_comes_back_without_a_rebalance(subject: Subject) {
    let kafka = subject.kafka().await;
    let (topic, group) = (topic(&kafka, "static", 4).await, fresh("group"));
    let named =
        |name: &str| member(&kafka, &group, &topic).group_instance_id(name).assignors([Assignor::Range]);
    let (mut one, mut two) = (Seat::take(named("one")).await, Seat::take(named("two")).await);
    until([&mut one, &mut two], |[one, two]| one.owned.len() == 2 && two.owned.len() == 2).await;
    let (generation, owned) =
        (one.consumer.group_metadata().expect("a group").generation_id, two.owned.clone());
    let rounds = one.rounds;
    two.close().await;
    let mut again = Seat::take(named("two")).await;
    until([&mut one, &mut again], |[_, again]| again.owned == owned).await;
    for _ in 0..10 {
        one.turn().await;
    }
    assert_eq!(one.rounds, rounds);
    assert_eq!(one.consumer.group_metadata().expect("a group").generation_id, generation);
    one.close().await;
    again.close().await;
}

async fn a_static_subscriber_can_leave(subject: Subject) {
    let kafka = subject.kafka().await;
    let (topic, group) = (topic(&kafka, "left", 4).await, fresh("group"));
    let named = |name: &str| member(&kafka, &group, &topic).group_instance_id(name);
    let (mut one, mut two) = (Seat::take(named("one")).await, Seat::take(named("two")).await);
    until([&mut one, &mut two], |[one, two]| one.owned.len() == 2 && two.owned.len() == 2).await;
    let left = kafka.world().now();
    two.consumer.close_with(CloseOptions::within(PATIENCE).leave(Leave::Leave)).await.expect("closed");
    until([&mut one], |[one]| one.owned.len() == 4).await;
    assert!(kafka.world().now() < left + Duration::from_secs(6), "nobody waits for a session to end");
    one.close().await;
}

async fn a_second_static_subscriber_fences_the_first(subject: Subject) {
    let kafka = subject.kafka().await;
    let (topic, group) = (topic(&kafka, "fenced", 4).await, fresh("group"));
    let named = || member(&kafka, &group, &topic).group_instance_id("one");
    let mut first = Seat::take(named()).await;
    until([&mut first], |[first]| first.owned.len() == 4).await;
    let mut second = Seat::take(named()).await;
    until([&mut second], |[second]| second.owned.len() == 4).await;
    let fenced = async {
        loop {
            match first.consumer.next_event().await {
                Ok(event) => first.note(event.expect("open")),
                Err(error) => break error,
            }
        }
    };
    let error = tokio::time::timeout(PATIENCE, fenced).await.expect("it hears of it");
    assert_eq!((error.kind(), error.is_fatal()), (ErrorKind::Fenced, true));
    assert_eq!((first.lost, second.rounds), (4, 1));
    second.close().await;
}

async fn a_silent_subscriber_loses_its_partitions_and_comes_back(subject: Subject) {
    let kafka = subject.kafka().await;
    let (topic, group) = (topic(&kafka, "silent", 4).await, fresh("group"));
    let mut silent =
        Seat::take(member(&kafka, &group, &topic).max_poll_interval(Duration::from_secs(2))).await;
    until([&mut silent], |[silent]| silent.owned.len() == 4).await;
    let mut other = Seat::take(member(&kafka, &group, &topic)).await;
    // Nobody polls for the first one.
    until([&mut other], |[other]| other.owned.len() == 4).await;
    let error = silent.consumer.commit_offsets([((topic.clone(), 0), 1)]).await.expect_err("not any more");
    assert_eq!(error.kind(), ErrorKind::CommitFailed);
    until([&mut silent, &mut other], |[silent, other]| silent.owned.len() == 2 && other.owned.len() == 2)
        .await;
    assert_eq!(silent.lost, 4);
    silent.close().await;
    other.close().await;
}

async fn a_subscription_can_be_changed(subject: Subject) {
    let kafka = subject.kafka().await;
    let (old, new) = (topic(&kafka, "before", 2).await, topic(&kafka, "after", 3).await);
    let mut seat = Seat::take(member(&kafka, &fresh("group"), &old)).await;
    until([&mut seat], |[seat]| seat.owned.len() == 2).await;
    seat.consumer.subscribe([new.clone()]).expect("subscribed");
    until([&mut seat], |[seat]| {
        seat.owned.len() == 3 && seat.owned.iter().all(|partition| partition.topic == new)
    })
    .await;
    seat.close().await;
}

async fn unsubscribing_commits_and_leaves(subject: Subject) {
    let kafka = subject.kafka().await;
    let (topic, group) = (filled(&kafka, "unsubscribed").await, fresh("group"));
    let mut seat = Seat::take(member(&kafka, &group, &topic).auto_commit(true)).await;
    until([&mut seat], |[seat]| seat.records == 40).await;
    seat.consumer.unsubscribe().await.expect("left");
    assert_eq!(seat.consumer.assignment(), []);
    let committed = seat.consumer.committed([(topic.clone(), 3)]).await.expect("asked");
    assert_eq!(committed.into_values().flatten().map(|offset| offset.offset.0).collect::<Vec<_>>(), [10]);
    // Nobody is left whose session would have to end first.
    let mut next = Seat::take(member(&kafka, &group, &topic)).await;
    until([&mut next], |[next]| next.owned.len() == 4).await;
    assert_eq!(next.rounds, 1);
    next.close().await;
    seat.close().await;
}

async fn a_rebalance_can_be_enforced(subject: Subject) {
    let kafka = subject.kafka().await;
    let topic = topic(&kafka, "enforced", 4).await;
    let mut seat = Seat::take(member(&kafka, &fresh("group"), &topic)).await;
    until([&mut seat], |[seat]| seat.owned.len() == 4).await;
    let before = seat.consumer.group_metadata().expect("a group").generation_id;
    seat.consumer.enforce_rebalance("because of the test").expect("subscribed");
    until([&mut seat], |[seat]| seat.rounds == 2).await;
    assert_eq!(seat.consumer.group_metadata().expect("a group").generation_id, before + 1);
    seat.close().await;
}

async fn a_topic_that_grows_reaches_its_subscribers(subject: Subject) {
    let kafka = subject.kafka_with(&[("metadata.max.age.ms", "500")]).await;
    let topic = topic(&kafka, "grown", 2).await;
    let mut seat = Seat::take(member(&kafka, &fresh("group"), &topic)).await;
    until([&mut seat], |[seat]| seat.owned.len() == 2).await;
    let grown = Admin::new(&kafka).create_partitions([NewPartitions::to(topic.clone(), 5)]).await;
    grown.all().expect("the topic grows");
    until([&mut seat], |[seat]| seat.owned.len() == 5).await;
    seat.close().await;
}

async fn strategies_without_one_in_common_are_a_typed_error(subject: Subject) {
    let kafka = subject.kafka().await;
    let (topic, group) = (topic(&kafka, "strange", 2).await, fresh("group"));
    let mut one = Seat::take(member(&kafka, &group, &topic).assignors([Assignor::Range])).await;
    until([&mut one], |[one]| one.owned.len() == 2).await;
    let mut two = Seat::take(member(&kafka, &group, &topic).assignors([Assignor::RoundRobin])).await;
    let told = tokio::time::timeout(PATIENCE, two.consumer.next_event()).await.expect("it is told");
    let error = told.expect_err("no strategy in common");
    assert_eq!(error.code(), Some(ErrorCode::INCONSISTENT_GROUP_PROTOCOL));
    assert_eq!(error.kind(), ErrorKind::Membership);
    one.close().await;
    two.close().await;
}

async fn topics_whose_names_match_are_subscribed_to(subject: Subject) {
    let kafka = subject.kafka_with(&[("metadata.max.age.ms", "500")]).await;
    let (stem, other) = (fresh("matching"), topic(&kafka, "else", 2).await);
    let first = topic(&kafka, &stem, 2).await;
    let matching = stem.clone();
    let builder = member(&kafka, &fresh("group"), &other);
    let mut seat = Seat::take(builder).await;
    until([&mut seat], |[seat]| seat.owned.len() == 2).await;
    seat.consumer.subscribe_matching(move |name| name.starts_with(&*matching)).expect("subscribed");
    until([&mut seat], |[seat]| seat.owned.iter().all(|partition| partition.topic == first)).await;
    topic(&kafka, &stem, 3).await;
    until([&mut seat], |[seat]| seat.owned.len() == 5).await;
    assert!(seat.owned.iter().all(|partition| partition.topic.starts_with(&*stem)));
    seat.close().await;
}

/// Writes down what it hears, and takes longer than a heartbeat for it.
struct Slow(Arc<Mutex<Vec<(&'static str, usize)>>>);

impl Slow {
    async fn hear(&self, what: &'static str, partitions: &[TopicPartition]) {
        tokio::time::sleep(Duration::from_secs(1)).await;
        self.0.lock().expect("nobody panicked").push((what, partitions.len()));
    }
}

impl RebalanceListener for Slow {
    async fn assigned(&self, _: &Consumer, partitions: &[TopicPartition]) -> Result<(), ListenerError> {
        self.hear("assigned", partitions).await;
        Ok(())
    }

    async fn revoked(&self, consumer: &Consumer, partitions: &[TopicPartition]) -> Result<(), ListenerError> {
        consumer.commit().await?;
        self.hear("revoked", partitions).await;
        Ok(())
    }
}

async fn a_listener_hears_of_changes_and_may_take_its_time(subject: Subject) {
    let kafka = subject.kafka().await;
    let (topic, group, heard) = (filled(&kafka, "listened").await, fresh("group"), Arc::default());
    let builder = member(&kafka, &group, &topic).rebalance_listener(Slow(Arc::clone(&heard)));
    let mut consumer = builder.start().await.expect("the consumer starts");
    let mut records = 0;
    while records < 40 {
        let polled = tokio::time::timeout(PATIENCE, consumer.poll()).await.expect("in time");
        records += polled.expect("no error").expect("open").len();
    }
    consumer.close(PATIENCE).await.expect("closed");
    assert_eq!(*heard.lock().expect("nobody panicked"), [("assigned", 4), ("revoked", 4)]);
    let committed = consumer_of(&kafka, &group).await.committed([(topic, 0)]).await.expect("asked");
    assert_eq!(committed.into_values().flatten().map(|offset| offset.offset.0).collect::<Vec<_>>(), [10]);
}

async fn consumer_of(kafka: &Kafka, group: &str) -> Consumer {
    Consumer::builder(kafka).group(group).start().await.expect("the consumer starts")
}

async fn a_stream_follows_its_group(subject: Subject) {
    let kafka = subject.kafka().await;
    let (topic, group) = (filled(&kafka, "streamed").await, fresh("group"));
    let mut consumer = member(&kafka, &group, &topic).start().await.expect("the consumer starts");
    let mut stream = consumer.stream();
    for _ in 0..40 {
        let next = tokio::time::timeout(PATIENCE, stream.next()).await.expect("in time");
        next.expect("open").expect("a record");
    }
    drop(stream);
    consumer.close(PATIENCE).await.expect("closed");
}
