//! Records that are acknowledged one by one: what is committed of them, and which acknowledgements count.
#![allow(clippy::unwrap_used)]
mod batches;
mod seat;
mod world;

use batches::{Spec, log};
use courant_broker_mock::MockCluster;
use courant_client::Kafka;
use courant_consumer::assignor::Assignor;
use courant_consumer::{
    Acks, Batch, Consumer, ConsumerBuilder, ConsumerInterceptor, ErrorKind, Event, Receipt,
};
use courant_protocol::types::{NodeId, Offset};
use futures_util::StreamExt;
use seat::{Seat, a, member, written};
use world::{cluster, connect, ms, reader, run};

/// A consumer of partition 0 that commits every second what was acknowledged.
fn acknowledging(kafka: &Kafka) -> ConsumerBuilder {
    reader(kafka).group("g").explicit_acks().auto_commit(true).auto_commit_interval(ms(1_000))
}

/// The receipts of the next batch.
async fn receipts(consumer: &mut Consumer) -> Vec<Receipt> {
    let batch = consumer.poll().await.unwrap().unwrap();
    batch.iter().map(|record| record.receipt()).collect()
}

async fn committed(cluster: &MockCluster, kafka: &Kafka) -> Option<i64> {
    kafka.world().sleep(ms(1_500)).await;
    cluster.committed("g", "a", 0).map(|offset| offset.0)
}

#[test]
fn nothing_is_committed_past_the_first_record_that_is_not_acknowledged() {
    run(async {
        let cluster = cluster(|builder| builder);
        cluster.append_raw("a", 0, Spec::at(0).records(10).bytes()).unwrap();
        let kafka = connect(&cluster).await;
        let mut consumer = acknowledging(&kafka).start().await.unwrap();
        let acks = consumer.acks().unwrap();
        let receipts = receipts(&mut consumer).await;
        // To poll again says nothing, nor does letting go of the batch.
        tokio::time::timeout(ms(100), consumer.poll()).await.unwrap_err();
        assert!(acks.ack(&receipts[0]) && acks.ack(&receipts[1]) && acks.ack(&receipts[3]));
        assert_eq!(committed(&cluster, &kafka).await, Some(2));
        consumer.commit().await.unwrap();
        assert_eq!(cluster.committed("g", "a", 0), Some(Offset(2)));
        assert!(acks.ack(&receipts[2]));
        assert!(!acks.ack(&receipts[2]), "it counts once");
        assert_eq!(committed(&cluster, &kafka).await, Some(4));
        receipts[5..].iter().for_each(|receipt| assert!(acks.ack(receipt)));
        consumer.close(ms(5_000)).await.unwrap();
        assert_eq!(cluster.committed("g", "a", 0), Some(Offset(4)));
    });
}

/// Leaves out every third record.
struct Sieve;

impl ConsumerInterceptor for Sieve {
    fn on_consume(&self, records: &mut Batch) {
        records.retain(|record| record.offset().0 % 3 != 0);
    }
}

#[test]
fn what_is_left_out_of_a_batch_holds_nothing_back() {
    run(async {
        let cluster = cluster(|builder| builder);
        cluster.append_raw("a", 0, Spec::at(0).records(10).bytes()).unwrap();
        let kafka = connect(&cluster).await;
        let mut consumer = acknowledging(&kafka).interceptor(Sieve).start().await.unwrap();
        let acks = consumer.acks().unwrap();
        let mut batch = consumer.poll().await.unwrap().unwrap();
        batch.retain(|record| record.offset().0 != 1);
        let receipts: Vec<Receipt> = batch.iter().map(|record| record.receipt()).collect();
        let offsets: Vec<i64> = receipts.iter().map(|receipt| receipt.offset().0).collect();
        assert_eq!(offsets, [2, 4, 5, 7, 8]);
        assert_eq!(committed(&cluster, &kafka).await, Some(2), "0 and 1 were left out");
        assert!(acks.ack(&receipts[0]));
        assert_eq!(committed(&cluster, &kafka).await, Some(4), "and 3 too");
        assert_eq!(acks.ack_batch(&batch), 4);
        assert_eq!(committed(&cluster, &kafka).await, Some(10), "the last one as well");
    });
}

#[test]
fn commits_carry_the_epoch_of_the_record_before_the_first_unfinished_one() {
    run(async {
        let cluster = cluster(|builder| builder);
        cluster.append_raw("a", 0, Spec::at(0).records(4).bytes()).unwrap();
        let before = cluster.leader_epoch("a", 0).unwrap();
        cluster.move_leader("a", 0, NodeId(2)).unwrap();
        cluster.append_raw("a", 0, Spec::at(4).records(4).bytes()).unwrap();
        let after = cluster.leader_epoch("a", 0).unwrap();
        let kafka = connect(&cluster).await;
        let mut consumer = acknowledging(&kafka).auto_commit(false).start().await.unwrap();
        let acks = consumer.acks().unwrap();
        let receipts = receipts(&mut consumer).await;
        assert_eq!(receipts.len(), 8);
        let mut epochs = Vec::new();
        for receipt in &receipts {
            assert!(acks.ack(receipt));
            consumer.commit().await.unwrap();
            let committed = consumer.committed([("a", 0)]).await.unwrap();
            let committed = committed.into_values().flatten().next().unwrap();
            assert_eq!(committed.offset.0, receipt.offset().0 + 1);
            epochs.push(committed.leader_epoch);
        }
        assert_eq!(epochs, [[before; 4], [after; 4]].concat());
    });
}

#[test]
fn compacted_offsets_empty_batches_and_markers_hold_nothing_back() {
    run(async {
        let cluster = cluster(|builder| builder);
        let batches = [
            Spec::at(0).records(2).last_offset(4).bytes(),
            Spec::at(5).records(3).emptied().last_offset(9).bytes(),
            Spec::at(10).transaction(7).value("x").bytes(),
            Spec::at(11).marker(7, true).bytes(),
        ];
        cluster.append_raw("a", 0, log(batches)).unwrap();
        let kafka = connect(&cluster).await;
        let mut consumer = acknowledging(&kafka).start().await.unwrap();
        let acks = consumer.acks().unwrap();
        let mut got = Vec::new();
        while got.len() < 3 {
            let batch = consumer.poll().await.unwrap().unwrap();
            got.extend(batch.iter().map(|record| record.receipt()));
        }
        assert!(acks.ack(&got[2]) && acks.ack(&got[0]));
        assert_eq!(committed(&cluster, &kafka).await, Some(1));
        assert!(acks.ack(&got[1]));
        tokio::time::timeout(ms(1_000), consumer.poll()).await.unwrap_err();
        assert_eq!(committed(&cluster, &kafka).await, Some(12));
    });
}

#[test]
fn an_acknowledgement_of_before_a_seek_counts_for_nothing() {
    run(async {
        let cluster = cluster(|builder| builder);
        cluster.append_raw("a", 0, Spec::at(0).records(10).bytes()).unwrap();
        let kafka = connect(&cluster).await;
        let mut consumer = acknowledging(&kafka).start().await.unwrap();
        let acks = consumer.acks().unwrap();
        let before = receipts(&mut consumer).await;
        consumer.seek(("a", 0), 2).unwrap();
        let after = receipts(&mut consumer).await;
        assert_eq!(after[0].offset(), Offset(2));
        assert_eq!(before.iter().filter(|receipt| acks.ack(receipt)).count(), 0);
        assert_eq!(committed(&cluster, &kafka).await, Some(2));
        assert!(acks.ack(&after[0]));
        assert_eq!(committed(&cluster, &kafka).await, Some(3));
    });
}

#[test]
fn a_new_leader_does_not_make_receipts_worthless() {
    run(async {
        let cluster = cluster(|builder| builder);
        cluster.append_raw("a", 0, Spec::at(0).records(10).bytes()).unwrap();
        let kafka = connect(&cluster).await;
        let mut consumer = acknowledging(&kafka).start().await.unwrap();
        let acks = consumer.acks().unwrap();
        let first = receipts(&mut consumer).await;
        cluster.move_leader("a", 0, NodeId(3)).unwrap();
        cluster.append_raw("a", 0, Spec::at(10).records(2).bytes()).unwrap();
        let second = receipts(&mut consumer).await;
        assert!(first.iter().chain(&second).all(|receipt| acks.ack(receipt)));
        assert_eq!(committed(&cluster, &kafka).await, Some(12));
    });
}

#[test]
fn what_a_stream_did_not_give_out_is_outstanding_once() {
    run(async {
        let cluster = cluster(|builder| builder);
        cluster.append_raw("a", 0, Spec::at(0).records(6).bytes()).unwrap();
        let kafka = connect(&cluster).await;
        let mut consumer = acknowledging(&kafka).start().await.unwrap();
        let acks = consumer.acks().unwrap();
        let mut stream = consumer.stream();
        let given = [stream.next().await.unwrap().unwrap(), stream.next().await.unwrap().unwrap()];
        drop(stream);
        assert!(given.iter().all(|record| acks.ack(&record.receipt())));
        assert_eq!(committed(&cluster, &kafka).await, Some(2));
        let batch = consumer.poll().await.unwrap().unwrap();
        assert_eq!((batch.len(), acks.ack_batch(&batch), acks.ack_batch(&batch)), (4, 4, 0));
        assert_eq!(committed(&cluster, &kafka).await, Some(6));
    });
}

#[test]
fn a_consumer_whose_polls_finish_records_has_no_acknowledgements() {
    run(async {
        let cluster = cluster(|builder| builder);
        let kafka = connect(&cluster).await;
        let consumer = reader(&kafka).start().await.unwrap();
        let error = consumer.acks().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidUse);
        assert!(error.to_string().contains("explicit_acks()"), "{error}");
    });
}

/// Reads until so many records have come; their receipts.
async fn take(consumer: &mut Consumer, count: usize) -> Vec<Receipt> {
    let mut receipts = Vec::new();
    while receipts.len() < count {
        if let Some(Event::Batch(batch)) = consumer.next_event().await.unwrap() {
            receipts.extend(batch.iter().map(|record| record.receipt()));
        }
    }
    receipts
}

fn grouped(kafka: &Kafka) -> ConsumerBuilder {
    member(kafka).auto_commit(true).explicit_acks().assignors([Assignor::Range])
}

fn ack_all(acks: &Acks, receipts: &[Receipt]) -> usize {
    receipts.iter().filter(|receipt| acks.ack(receipt)).count()
}

#[test]
fn what_is_acknowledged_while_partitions_are_being_revoked_is_committed_before_they_go() {
    run(async {
        let cluster = cluster(|builder| builder);
        written(&cluster);
        let kafka = connect(&cluster).await;
        // Its timer has nothing to do with it.
        let mut first = grouped(&kafka).auto_commit_interval(ms(600_000)).start().await.unwrap();
        let acks = first.acks().unwrap();
        let receipts = take(&mut first, 30).await;
        let mut second = Seat::take(member(&kafka).assignors([Assignor::Range])).await;
        let joining = second.run(ms(20_000));
        let giving = async {
            let Some(Event::Revoked(gone)) = first.next_change().await.unwrap() else {
                panic!("its partitions go");
            };
            assert_eq!(gone, a(0..3));
            kafka.world().sleep(ms(2_000)).await;
            assert_eq!(ack_all(&acks, &receipts), 30);
            let Some(Event::Assigned(kept)) = first.next_change().await.unwrap() else {
                panic!("some come back");
            };
            kept
        };
        let (kept, ()) = futures_util::future::join(giving, joining).await;
        for partition in 0..3 {
            assert_eq!(cluster.committed("g", "a", partition), Some(Offset(10)), "of partition {partition}");
        }
        assert!(!kept.is_empty() && kept.len() < 3);
        assert_eq!(second.records, [], "nothing is read twice");
    });
}

#[test]
fn an_acknowledgement_of_an_earlier_assignment_counts_for_nothing() {
    run(async {
        let cluster = cluster(|builder| builder);
        written(&cluster);
        let kafka = connect(&cluster).await;
        let mut first = grouped(&kafka).start().await.unwrap();
        let acks = first.acks().unwrap();
        let before = take(&mut first, 30).await;
        first.enforce_rebalance("for a test").unwrap();
        // Revoked, assigned, and handed out again.
        let after = take(&mut first, 30).await;
        assert_eq!(ack_all(&acks, &before), 0);
        first.commit().await.unwrap();
        assert_eq!(cluster.committed("g", "a", 0), Some(Offset(0)));
        assert_eq!(ack_all(&acks, &after), 30);
        first.commit().await.unwrap();
        assert_eq!(cluster.committed("g", "a", 0), Some(Offset(10)));
    });
}

#[test]
fn what_is_acknowledged_of_lost_partitions_is_never_committed() {
    run(async {
        let cluster = cluster(|builder| builder);
        written(&cluster);
        let kafka = connect(&cluster).await;
        let mut consumer = grouped(&kafka).auto_commit_interval(ms(600_000)).start().await.unwrap();
        let acks = consumer.acks().unwrap();
        let receipts = take(&mut consumer, 30).await;
        consumer.enforce_rebalance("for a test").unwrap();
        assert!(matches!(consumer.next_change().await.unwrap(), Some(Event::Revoked(_))));
        // While it works on what it was told to give up, its session ends.
        let id = consumer.group_metadata().unwrap().member_id;
        cluster.expire_member("g", &id).unwrap();
        kafka.world().sleep(ms(4_000)).await;
        assert_eq!(ack_all(&acks, &receipts), 0);
        let again = take(&mut consumer, 30).await;
        assert_eq!(again.len(), 30);
        consumer.close(ms(5_000)).await.unwrap();
        for partition in 0..3 {
            let committed = cluster.committed("g", "a", partition).map_or(0, |offset| offset.0);
            assert_eq!(committed, 0, "nothing of partition {partition} was finished");
        }
    });
}

#[test]
fn who_waits_for_changes_alone_is_a_member_for_as_long_as_it_likes() {
    run(async {
        let cluster = cluster(|builder| builder);
        written(&cluster);
        let kafka = connect(&cluster).await;
        let cooperative = || member(&kafka).assignors([Assignor::CooperativeSticky]);
        let mut first = cooperative()
            .explicit_acks()
            .max_poll_interval(ms(20_000))
            .max_poll_records(1)
            .start()
            .await
            .unwrap();
        let taken = take(&mut first, 1).await;
        assert_eq!(taken.len(), 1);
        // Records lie ready all the time.
        let waited = tokio::time::timeout(ms(600_000), first.next_change()).await;
        assert!(waited.is_err(), "{waited:?}");
        assert_eq!(cluster.group("g").unwrap().members.len(), 1);

        // It still hears at once of what changes.
        let mut second = Seat::take(cooperative()).await;
        let revoked = async {
            loop {
                match first.next_change().await.unwrap().unwrap() {
                    Event::Revoked(partitions) => break partitions,
                    Event::Assigned(partitions) => assert_eq!(partitions, []),
                    other => panic!("{other:?}"),
                }
            }
        };
        let (revoked, ()) = futures_util::future::join(revoked, second.run(ms(10_000))).await;
        assert_eq!(revoked.len(), 1);
    });
}

#[test]
fn records_of_partitions_that_stay_come_while_others_are_being_given_up() {
    run(async {
        let cluster = cluster(|builder| builder);
        written(&cluster);
        let kafka = connect(&cluster).await;
        let cooperative = || member(&kafka).assignors([Assignor::CooperativeSticky]);
        let mut first = cooperative().explicit_acks().start().await.unwrap();
        take(&mut first, 30).await;
        let mut second = Seat::take(cooperative()).await;
        let revoked = async {
            loop {
                if let Event::Revoked(partitions) = first.next_change().await.unwrap().unwrap() {
                    break partitions;
                }
            }
        };
        let (revoked, ()) = futures_util::future::join(revoked, second.run(ms(10_000))).await;
        for partition in 0..3 {
            cluster.append_raw("a", partition, Spec::at(10).records(5).bytes()).unwrap();
        }
        let mut got = Vec::new();
        while let Ok(batch) = tokio::time::timeout(ms(3_000), first.next_retained()).await {
            got.extend(batch.unwrap().unwrap().iter().map(|record| record.topic_partition().clone()));
        }
        got.sort();
        let stay: Vec<_> = a(0..3).into_iter().filter(|partition| !revoked.contains(partition)).collect();
        assert_eq!((got.len(), revoked.len()), (10, 1));
        got.dedup();
        assert_eq!(got, stay);
        assert_eq!((first.assignment().len(), second.owns().len()), (3, 0), "nothing has gone yet");
        let (settled, ()) = futures_util::future::join(first.next_change(), second.run(ms(10_000))).await;
        assert!(matches!(settled.unwrap(), Some(Event::Assigned(new)) if new.is_empty()));
        assert_eq!(first.assignment(), stay);
    });
}
