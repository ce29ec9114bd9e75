//! Readers of committed records beside transactional writers: what they get, to the record, and where they stand then.
#![allow(clippy::unwrap_used, reason = "a test panics")]
mod batches;
mod world;

use batches::{Spec, unplaced};
use courant_broker_mock::{MockCluster, ProducerIdAndEpoch, TransactionResult};
use courant_client::Kafka;
use courant_consumer::{Consumer, ControlRecord, IsolationLevel};
use courant_protocol::types::{NodeId, Offset};
use world::{cluster, connect, ms, poll, reader, run};

/// A producer of transactions into partition 0 of topic `a`.
struct Writer<'c> {
    cluster: &'c MockCluster,
    producer: ProducerIdAndEpoch,
}

fn writer(cluster: &MockCluster, id: i64) -> Writer<'_> {
    Writer { cluster, producer: ProducerIdAndEpoch::new(id, 0) }
}

impl Writer<'_> {
    fn write(&self, count: usize) {
        self.cluster.append_transactional(self.producer, "a", 0, &unplaced(vec!["v"; count])).unwrap();
    }

    fn commit(&self) {
        self.cluster.append_marker(self.producer, "a", 0, TransactionResult::Commit).unwrap();
    }

    fn abort(&self) {
        self.cluster.append_marker(self.producer, "a", 0, TransactionResult::Abort).unwrap();
    }
}

async fn committed_only(kafka: &Kafka) -> Consumer {
    reader(kafka).isolation_level(IsolationLevel::ReadCommitted).start().await.unwrap()
}

#[test]
fn of_interleaved_transactions_the_committed_ones_are_read() {
    run(async {
        let cluster = cluster(|builder| builder);
        let (one, two, three) = (writer(&cluster, 1), writer(&cluster, 2), writer(&cluster, 3));
        one.write(2); // 0, 1
        two.write(1); // 2
        three.write(1); // 3
        one.write(1); // 4
        two.abort(); // 5
        two.write(2); // 6, 7
        three.commit(); // 8
        one.abort(); // 9
        two.commit(); // 10
        let kafka = connect(&cluster).await;
        let mut consumer = committed_only(&kafka).await;
        assert_eq!(poll(&mut consumer).await.unwrap(), [3, 6, 7]);
        tokio::time::timeout(ms(5000), consumer.poll()).await.unwrap_err();
        assert_eq!(consumer.position(("a", 0)).await.unwrap(), Offset(11), "markers are passed");
        assert_eq!(consumer.current_lag(("a", 0)), Some(0));
    });
}

#[test]
fn control_records_come_among_the_others_where_they_are_kept() {
    run(async {
        let cluster = cluster(|builder| builder);
        let (one, two) = (writer(&cluster, 1), writer(&cluster, 2));
        one.write(2); // 0, 1
        two.write(1); // 2
        one.abort(); // 3
        two.commit(); // 4
        let kafka = connect(&cluster).await;
        for (isolation, expected) in [
            (IsolationLevel::ReadUncommitted, &[0, 1, 2, 3, 4][..]),
            (IsolationLevel::ReadCommitted, &[2, 3, 4]),
        ] {
            let kept = reader(&kafka).isolation_level(isolation).keep_control_records(true);
            let mut consumer = kept.start().await.unwrap();
            let mut told = Vec::new();
            while told.len() < expected.len() {
                for record in &consumer.poll().await.unwrap().unwrap() {
                    assert_eq!(record.control(), record.to_owned().control());
                    told.push((record.offset().0, record.control()));
                }
            }
            let offsets: Vec<i64> = told.iter().map(|(offset, _)| *offset).collect();
            assert_eq!(offsets, expected);
            let (records, markers) = told.split_at(told.len() - 2);
            assert!(records.iter().all(|(_, control)| control.is_none()), "{records:?}");
            let said: Vec<_> = markers.iter().map(|(_, control)| control.unwrap()).collect();
            assert!(
                matches!(said[..], [ControlRecord::Abort { .. }, ControlRecord::Commit { .. }]),
                "{said:?}"
            );
        }
    });
}

#[test]
fn the_order_of_the_aborted_list_changes_nothing() {
    run(async {
        let cluster = cluster(|builder| builder);
        cluster.shuffle_aborted_transactions(true);
        let mut committed = Vec::new();
        for turn in 0..40 {
            let (one, two) = (writer(&cluster, turn % 5), writer(&cluster, 5 + turn % 3));
            one.write(1);
            two.write(1);
            one.abort();
            if turn % 4 == 0 {
                two.commit();
                committed.push(4 * turn + 1);
            } else {
                two.abort();
            }
        }
        let kafka = connect(&cluster).await;
        let mut consumer = committed_only(&kafka).await;
        let mut got = Vec::new();
        while got.len() < committed.len() {
            got.extend(poll(&mut consumer).await.unwrap());
        }
        assert_eq!(got, committed);
    });
}

#[test]
fn one_producer_may_abort_and_commit_in_one_answer() {
    run(async {
        let cluster = cluster(|builder| builder);
        let one = writer(&cluster, 1);
        one.write(2); // 0, 1
        one.abort(); // 2
        one.write(2); // 3, 4
        one.commit(); // 5
        one.write(1); // 6
        one.abort(); // 7
        one.abort(); // 8: there is nothing to abort
        one.write(1); // 9
        one.commit(); // 10
        let kafka = connect(&cluster).await;
        let mut consumer = committed_only(&kafka).await;
        assert_eq!(poll(&mut consumer).await.unwrap(), [3, 4, 9]);
    });
}

#[test]
fn records_outside_transactions_stay_whoever_wrote_them() {
    run(async {
        let cluster = cluster(|builder| builder);
        let (one, two) = (writer(&cluster, 1), writer(&cluster, 2));
        cluster.append_raw("a", 0, Spec::at(0).records(1).producer(1).bytes()).unwrap();
        two.write(1); // 1
        one.write(1); // 2
        // Brokers refuse this one inside a transaction of its producer; a log of old may hold it.
        cluster.append_raw("a", 0, Spec::at(3).records(1).producer(1).bytes()).unwrap();
        one.abort(); // 4
        cluster.append_raw("a", 0, Spec::at(5).records(1).producer(1).bytes()).unwrap();
        two.abort(); // 6
        let kafka = connect(&cluster).await;
        let mut consumer = committed_only(&kafka).await;
        assert_eq!(poll(&mut consumer).await.unwrap(), [0, 3, 5]);
    });
}

#[test]
fn an_open_transaction_is_waited_for_and_its_end_wakes_the_reader() {
    run(async {
        let cluster = cluster(|builder| builder);
        let kafka = connect(&cluster).await;
        let mut consumer = committed_only(&kafka).await;
        let (one, two) = (writer(&cluster, 1), writer(&cluster, 2));
        one.write(1); // 0
        two.write(1); // 1
        two.commit(); // 2
        tokio::time::timeout(ms(5000), consumer.poll()).await.unwrap_err();
        assert_eq!(consumer.end_offsets([("a", 0)]).await.unwrap().into_values().next(), Some(Offset(0)));
        let started = kafka.world().now();
        let ends = async {
            kafka.world().sleep(ms(10_000)).await;
            one.abort(); // 3
        };
        let (got, ()) = tokio::join!(poll(&mut consumer), ends);
        assert_eq!(got.unwrap(), [1]);
        assert!(kafka.world().now() < started + ms(10_100));
    });
}

#[test]
fn an_aborted_transaction_that_began_before_the_position_is_left_out() {
    run(async {
        let cluster = cluster(|builder| builder);
        let one = writer(&cluster, 1);
        one.write(3); // 0, 1, 2
        one.write(3); // 3, 4, 5
        one.abort(); // 6
        one.write(1); // 7
        one.commit(); // 8
        let kafka = connect(&cluster).await;
        let mut consumer = committed_only(&kafka).await;
        for offset in [1, 4, 6] {
            consumer.seek(("a", 0), offset).unwrap();
            assert_eq!(poll(&mut consumer).await.unwrap(), [7], "from {offset}");
        }
    });
}

#[test]
fn a_transaction_that_an_unclean_leader_lost_the_end_of_is_waited_for_again() {
    run(async {
        let cluster = cluster(|builder| builder.topic_with("b", 1, Some(3), [("retention.ms", "-1")]));
        let producer = ProducerIdAndEpoch::new(1, 0);
        let write = || cluster.append_transactional(producer, "b", 0, &unplaced(["v"])).unwrap();
        let end = |result| cluster.append_marker(producer, "b", 0, result).unwrap();
        write(); // 0
        let leader = cluster.leader("b", 0).unwrap();
        let laggard = NodeId(leader.0 % 3 + 1);
        cluster.hold_follower("b", 0, laggard).unwrap();
        cluster.set_in_sync("b", 0, laggard, false).unwrap();
        end(TransactionResult::Commit); // 1, and lost
        cluster.move_leader("b", 0, laggard).unwrap();
        let kafka = connect(&cluster).await;
        let mut consumer = Consumer::builder(&kafka)
            .assign([("b", 0)])
            .auto_offset_reset("earliest")
            .isolation_level(IsolationLevel::ReadCommitted)
            .start()
            .await
            .unwrap();
        tokio::time::timeout(ms(5000), consumer.poll()).await.unwrap_err();
        end(TransactionResult::Abort); // 1
        write(); // 2
        end(TransactionResult::Commit); // 3
        assert_eq!(poll(&mut consumer).await.unwrap(), [2]);
    });
}
