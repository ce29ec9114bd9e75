//! Rebalance listeners: what they may do, what they hold up, and what happens when they fail or are dropped half-way.
#![allow(clippy::unwrap_used)]
mod batches;
mod seat;
mod world;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use courant_client::Kafka;
use courant_consumer::assignor::Assignor;
use courant_consumer::{Consumer, ErrorKind, ListenerError, RebalanceListener};
use courant_protocol::api::ApiKey;
use courant_protocol::types::TopicPartition;
use futures_util::StreamExt;
use seat::{Seat, Told, a, member, together, written};
use world::{cluster, connect, ms, requests_of, run};

/// Writes down what it hears, takes its time, and does what a test wants on revocation.
#[derive(Clone)]
struct Scribe {
    kafka: Kafka,
    heard: Arc<Mutex<Vec<Told>>>,
    takes: Duration,
    commits: bool,
    fails: bool,
}

impl Scribe {
    fn new(kafka: &Kafka) -> Self {
        Self {
            kafka: kafka.clone(),
            heard: Arc::default(),
            takes: Duration::ZERO,
            commits: false,
            fails: false,
        }
    }

    fn heard(&self) -> Vec<Told> {
        self.heard.lock().unwrap().clone()
    }

    async fn note(&self, told: Told) -> Result<(), ListenerError> {
        self.kafka.world().sleep(self.takes).await;
        self.heard.lock().unwrap().push(told);
        if self.fails { Err("the listener's disk is full".into()) } else { Ok(()) }
    }
}

impl RebalanceListener for Scribe {
    async fn assigned(
        &self,
        consumer: &Consumer,
        partitions: &[TopicPartition],
    ) -> Result<(), ListenerError> {
        for partition in partitions {
            // Work that is awaited, and a place of the application's own, before anything is read.
            if consumer.position(partition.clone()).await? < 4.into() {
                consumer.seek(partition.clone(), 4)?;
            }
        }
        self.note(Told::Assigned(partitions.to_vec())).await
    }

    async fn revoked(&self, consumer: &Consumer, partitions: &[TopicPartition]) -> Result<(), ListenerError> {
        if self.commits {
            consumer.commit().await?;
        }
        self.note(Told::Revoked(partitions.to_vec())).await
    }

    async fn lost(&self, consumer: &Consumer, partitions: &[TopicPartition]) -> Result<(), ListenerError> {
        assert_eq!(consumer.commit().await.unwrap_err().kind(), ErrorKind::CommitFailed);
        self.note(Told::Lost(partitions.to_vec())).await
    }
}

async fn read(consumer: &mut Consumer, records: usize) -> Vec<(i32, i64)> {
    world::poll_records(consumer, records).await
}

#[test]
fn what_a_listener_seeks_to_is_where_reading_begins() {
    run(async {
        let cluster = cluster(|builder| builder);
        written(&cluster);
        let kafka = connect(&cluster).await;
        let scribe = Scribe::new(&kafka);
        let mut consumer = member(&kafka).rebalance_listener(scribe.clone()).start().await.unwrap();
        let got = read(&mut consumer, 18).await;
        assert!(got.iter().all(|(_, offset)| *offset >= 4), "{got:?}");
        assert_eq!(scribe.heard(), [Told::Assigned(a(0..3))]);
    });
}

#[test]
fn heartbeats_go_on_while_a_listener_sleeps() {
    run(async {
        let cluster = cluster(|builder| builder);
        written(&cluster);
        let kafka = connect(&cluster).await;
        let scribe = Scribe { takes: ms(60_000), ..Scribe::new(&kafka) };
        let mut consumer = member(&kafka).rebalance_listener(scribe.clone()).start().await.unwrap();
        read(&mut consumer, 18).await;
        // A minute is longer than the session of 45 s.
        assert!(requests_of(&cluster, ApiKey::Heartbeat) >= 19);
        assert_eq!(scribe.heard(), [Told::Assigned(a(0..3))], "nothing was lost meanwhile");
        consumer.commit().await.unwrap();
    });
}

#[test]
fn a_listener_commits_before_another_member_reads() {
    run(async {
        let cluster = cluster(|builder| builder);
        written(&cluster);
        let kafka = connect(&cluster).await;
        let scribe = Scribe { commits: true, ..Scribe::new(&kafka) };
        let eager = || member(&kafka).assignors([Assignor::Range]);
        let mut first = eager().rebalance_listener(scribe.clone()).start().await.unwrap();
        read(&mut first, 18).await;
        let mut second = Seat::take(eager()).await;
        let polls = async {
            let _end =
                tokio::time::timeout(ms(20_000), async { while first.poll().await.unwrap().is_some() {} })
                    .await;
        };
        futures_util::future::join(polls, second.run(ms(20_000))).await;
        assert_eq!(scribe.heard()[..2], [Told::Assigned(a(0..3)), Told::Revoked(a(0..3))]);
        assert!(!second.owned.is_empty());
        assert_eq!(second.records, [], "all of it was read and committed");
    });
}

#[test]
fn a_listener_that_fails_is_heard_of_and_holds_nothing_up() {
    run(async {
        let cluster = cluster(|builder| builder);
        written(&cluster);
        let kafka = connect(&cluster).await;
        let scribe = Scribe { fails: true, ..Scribe::new(&kafka) };
        let mut consumer = member(&kafka).rebalance_listener(scribe).start().await.unwrap();
        let error = consumer.poll().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Listener);
        assert!(error.to_string().contains("disk is full"), "{error}");
        read(&mut consumer, 18).await;
        let error = consumer.close(ms(5_000)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Listener);
        assert_eq!(cluster.group("g").unwrap().members, []);
    });
}

#[test]
fn a_poll_that_is_dropped_while_the_listener_runs_is_gone_on_with() {
    run(async {
        let cluster = cluster(|builder| builder);
        written(&cluster);
        let kafka = connect(&cluster).await;
        let scribe = Scribe { takes: ms(1_000), ..Scribe::new(&kafka) };
        let mut consumer = member(&kafka).rebalance_listener(scribe.clone()).start().await.unwrap();
        let mut got = Vec::new();
        while got.len() < 18 {
            if let Ok(batch) = tokio::time::timeout(ms(300), consumer.poll()).await {
                got.extend(world::places(&batch.unwrap().unwrap()));
            }
        }
        assert_eq!(scribe.heard(), [Told::Assigned(a(0..3))], "it was called once, and ran to its end");
        assert!(got.iter().all(|(_, offset)| *offset >= 4));
    });
}

#[test]
fn a_stream_calls_the_listener_too() {
    run(async {
        let cluster = cluster(|builder| builder);
        written(&cluster);
        let kafka = connect(&cluster).await;
        let scribe = Scribe { takes: ms(1_000), ..Scribe::new(&kafka) };
        let mut consumer = member(&kafka)
            .rebalance_listener(scribe.clone())
            .max_poll_interval(ms(30_000))
            .start()
            .await
            .unwrap();
        let mut got = 0;
        while got < 18 {
            let mut stream = consumer.stream();
            while let Ok(Some(record)) = tokio::time::timeout(ms(300), stream.next()).await {
                assert!(record.unwrap().offset().0 >= 4);
                got += 1;
            }
        }
        assert_eq!(scribe.heard(), [Told::Assigned(a(0..3))]);
        let id = consumer.group_metadata().unwrap().member_id;
        cluster.expire_member("g", &id).unwrap();
        let mut stream = consumer.stream();
        let _quiet = tokio::time::timeout(ms(20_000), stream.next()).await;
        drop(stream);
        assert_eq!(scribe.heard()[1..], [Told::Lost(a(0..3)), Told::Assigned(a(0..3))]);
    });
}

#[test]
fn closing_lets_the_listener_commit_and_then_leaves() {
    run(async {
        let cluster = cluster(|builder| builder);
        written(&cluster);
        let kafka = connect(&cluster).await;
        let scribe = Scribe { commits: true, takes: ms(1_000), ..Scribe::new(&kafka) };
        let mut consumer = member(&kafka).rebalance_listener(scribe.clone()).start().await.unwrap();
        read(&mut consumer, 18).await;
        consumer.close(ms(5_000)).await.unwrap();
        assert_eq!(scribe.heard(), [Told::Assigned(a(0..3)), Told::Revoked(a(0..3))]);
        assert_eq!(cluster.committed("g", "a", 1), Some(10.into()));
        assert_eq!(cluster.group("g").unwrap().members, []);
        assert!(consumer.poll().await.unwrap().is_none());
    });
}

#[test]
fn what_a_listener_has_given_up_already_it_does_not_give_up_again() {
    run(async {
        let cluster = cluster(|builder| builder);
        written(&cluster);
        let kafka = connect(&cluster).await;
        // It takes its time, and the poll that called it is dropped meanwhile.
        let scribe = Scribe { takes: ms(1_000), ..Scribe::new(&kafka) };
        let mut consumer = member(&kafka).rebalance_listener(scribe.clone()).start().await.unwrap();
        read(&mut consumer, 18).await;
        consumer.enforce_rebalance("test").unwrap();
        kafka.world().sleep(ms(100)).await;
        assert!(tokio::time::timeout(ms(500), consumer.poll()).await.is_err());
        consumer.close(ms(5_000)).await.unwrap();
        assert_eq!(scribe.heard(), [Told::Assigned(a(0..3)), Told::Revoked(a(0..3))]);
    });
}

#[test]
fn unsubscribing_lets_the_listener_commit_and_then_leaves() {
    run(async {
        let cluster = cluster(|builder| builder);
        written(&cluster);
        let kafka = connect(&cluster).await;
        let scribe = Scribe { commits: true, ..Scribe::new(&kafka) };
        let mut consumer = member(&kafka).rebalance_listener(scribe.clone()).start().await.unwrap();
        read(&mut consumer, 18).await;
        consumer.unsubscribe().await.unwrap();
        assert_eq!(scribe.heard(), [Told::Assigned(a(0..3)), Told::Revoked(a(0..3))]);
        assert_eq!(cluster.committed("g", "a", 1), Some(10.into()));
        assert_eq!(cluster.group("g").unwrap().members, []);
        // And comes back when it is wanted again; the place in the log was committed.
        consumer.subscribe(["a"]).unwrap();
        let _quiet = tokio::time::timeout(ms(10_000), consumer.poll()).await;
        assert_eq!(consumer.assignment(), a(0..3));
    });
}

#[test]
fn a_listener_that_closes_its_consumer_does_not_wait_for_itself() {
    struct Closes;
    impl RebalanceListener for Closes {
        async fn assigned(&self, consumer: &Consumer, _: &[TopicPartition]) -> Result<(), ListenerError> {
            consumer.close(ms(60_000)).await?;
            Ok(())
        }
    }
    run(async {
        let cluster = cluster(|builder| builder);
        let kafka = connect(&cluster).await;
        let mut consumer = member(&kafka).rebalance_listener(Closes).start().await.unwrap();
        let asked = kafka.world().now();
        assert!(consumer.poll().await.unwrap().is_none());
        consumer.close(ms(5_000)).await.unwrap();
        assert!(kafka.world().now() < asked + ms(10_000));
        assert_eq!(cluster.group("g").unwrap().members, []);
    });
}

#[test]
fn cooperative_members_own_nothing_twice_however_slow_their_listeners_are() {
    run(async {
        let cluster = cluster(|builder| builder.topic("wide", 12));
        let kafka = connect(&cluster).await;
        let seats = || {
            let member = member(&kafka).subscribe(["wide"]).assignors([Assignor::CooperativeSticky]);
            member.heartbeat_interval(ms(200))
        };
        let mut first = Seat::take(seats()).await;
        first.run(ms(5_000)).await;
        let mut second = Seat::take(seats()).await;
        // The first one is slow between events; the second one asks all the time.
        for _ in 0..8 {
            second.run(ms(2_000)).await;
            assert!(first.owned.is_disjoint(&second.owned), "somebody reads what another still has");
            if let Ok(event) = tokio::time::timeout(ms(100), first.consumer.next_event()).await {
                first.note(event.unwrap().unwrap());
            }
        }
        together([&mut first, &mut second], ms(10_000)).await;
        assert_eq!(first.owned.len() + second.owned.len(), 15);
        assert!(first.owned.is_disjoint(&second.owned));
    });
}
