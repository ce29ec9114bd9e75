//! Interceptors: what they see, what they leave out, what they hear, and that they harm nothing.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]
mod batches;
mod world;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use batches::{Spec, log};
use courant_broker_mock::Fault;
use courant_consumer::{Batch, ConsumerInterceptor, OffsetAndMetadata};
use courant_protocol::api::ApiKey;
use courant_protocol::error_code::ErrorCode;
use courant_protocol::types::{Offset, TopicPartition};
use futures_util::StreamExt;
use world::{cluster, connect, ms, places, poll, reader, run};

/// Notes everything, leaves out the records whose offsets `drops` names, and panics where it is told to.
struct Witness {
    drops: fn(i64) -> bool,
    panics: bool,
    seen: Mutex<Vec<i64>>,
    committed: Mutex<Vec<(i32, i64)>>,
    ends: Mutex<usize>,
}

impl Witness {
    fn dropping(drops: fn(i64) -> bool) -> Arc<Self> {
        Arc::new(Self { drops, ..Self::watching() })
    }

    fn watching() -> Self {
        Self {
            drops: |_| false,
            panics: false,
            seen: Mutex::default(),
            committed: Mutex::default(),
            ends: Mutex::default(),
        }
    }

    fn seen(&self) -> Vec<i64> {
        self.seen.lock().unwrap().clone()
    }

    fn committed(&self) -> Vec<(i32, i64)> {
        self.committed.lock().unwrap().clone()
    }

    fn ends(&self) -> usize {
        *self.ends.lock().unwrap()
    }
}

impl ConsumerInterceptor for Witness {
    fn on_consume(&self, records: &mut Batch) {
        self.seen.lock().unwrap().extend(records.iter().map(|record| record.offset().0));
        records.retain(|record| !(self.drops)(record.offset().0));
        assert!(!self.panics, "on_consume");
    }

    fn on_commit(&self, offsets: &BTreeMap<TopicPartition, OffsetAndMetadata>) {
        let told = offsets.iter().map(|(partition, offset)| (partition.partition.0, offset.offset.0));
        self.committed.lock().unwrap().extend(told);
        assert!(!self.panics, "on_commit");
    }

    fn close(&self) {
        *self.ends.lock().unwrap() += 1;
        assert!(!self.panics, "close");
    }
}

#[test]
fn they_see_every_record_once_in_their_order_and_what_one_leaves_out_the_next_does_not_see() {
    run(async {
        let cluster = cluster(|builder| builder);
        let batches = [Spec::at(0).records(6).bytes(), Spec::at(6).records(6).bytes()];
        cluster.append_raw("a", 0, log(batches)).unwrap();
        let kafka = connect(&cluster).await;
        let first = Witness::dropping(|offset| offset % 3 == 1);
        let second = Witness::dropping(|offset| offset == 11);
        let mut consumer = reader(&kafka)
            .group("g")
            .max_poll_records(4)
            .interceptor(Arc::clone(&first))
            .interceptor(Arc::clone(&second))
            .start()
            .await
            .unwrap();
        assert_eq!(poll(&mut consumer).await.unwrap(), [0, 2, 3]);
        assert_eq!(poll(&mut consumer).await.unwrap(), [5, 6]);
        assert_eq!(poll(&mut consumer).await.unwrap(), [8, 9]);
        assert_eq!(first.seen(), (0..12).collect::<Vec<_>>());
        assert_eq!(second.seen(), [0, 2, 3, 5, 6, 8, 9, 11]);

        // What was left out counts as handed out.
        assert_eq!(consumer.position(("a", 0)).await.unwrap(), Offset(12));
        consumer.commit().await.unwrap();
        assert_eq!(cluster.committed("g", "a", 0), Some(Offset(12)));
    });
}

#[test]
fn one_that_panics_is_passed_over_and_what_it_left_out_comes_back() {
    run(async {
        let cluster = cluster(|builder| builder);
        cluster.append_raw("a", 0, Spec::at(0).records(4).bytes()).unwrap();
        let kafka = connect(&cluster).await;
        let wild = Arc::new(Witness { drops: |_| true, panics: true, ..Witness::watching() });
        let calm = Arc::new(Witness::watching());
        let mut consumer = reader(&kafka)
            .group("g")
            .interceptor(Arc::clone(&wild))
            .interceptor(Arc::clone(&calm))
            .start()
            .await
            .unwrap();
        assert_eq!(poll(&mut consumer).await.unwrap(), [0, 1, 2, 3]);
        consumer.commit().await.unwrap();
        consumer.close(ms(5_000)).await.unwrap();
        assert_eq!((calm.seen(), calm.committed(), calm.ends()), (vec![0, 1, 2, 3], vec![(0, 4)], 1));
        assert_eq!(wild.ends(), 1);
    });
}

#[test]
fn where_everything_is_left_out_the_poll_goes_on_and_its_memory_is_free() {
    run(async {
        let cluster = cluster(|builder| builder);
        for at in 0..64 {
            cluster.append_raw("a", 0, Spec::at(at).value(vec![7; 1_000]).bytes()).unwrap();
        }
        cluster.append_raw("a", 0, Spec::at(64).records(1).bytes()).unwrap();
        let kafka = connect(&cluster).await;
        let picky = Witness::dropping(|offset| offset < 64);
        let mut consumer = narrow_reader(&kafka, &picky).await;
        assert_eq!(poll(&mut consumer).await.unwrap(), [64]);
        assert_eq!(picky.seen(), (0..65).collect::<Vec<_>>());

        let mut again = narrow_reader(&kafka, &picky).await;
        assert_eq!(again.stream().next().await.unwrap().unwrap().offset(), Offset(64));
    });
}

async fn narrow_reader(kafka: &courant_client::Kafka, picky: &Arc<Witness>) -> courant_consumer::Consumer {
    let narrow = reader(kafka).fetch_buffer_bytes(8_192).max_partition_fetch_bytes(2_048);
    narrow.max_poll_records(1).interceptor(Arc::clone(picky)).start().await.unwrap()
}

#[test]
fn a_stream_is_seen_too_and_what_it_gave_back_again() {
    run(async {
        let cluster = cluster(|builder| builder);
        cluster.append_raw("a", 0, Spec::at(0).records(6).bytes()).unwrap();
        let kafka = connect(&cluster).await;
        let even = Witness::dropping(|offset| offset % 2 == 1);
        let mut consumer = reader(&kafka).interceptor(Arc::clone(&even)).start().await.unwrap();
        let mut stream = consumer.stream();
        assert_eq!(stream.next().await.unwrap().unwrap().offset(), Offset(0));
        assert_eq!(stream.next().await.unwrap().unwrap().offset(), Offset(2));
        drop(stream);
        assert_eq!(poll(&mut consumer).await.unwrap(), [4]);
        assert_eq!(even.seen(), [0, 1, 2, 3, 4, 5, 3, 4, 5]);
    });
}

#[test]
fn they_hear_of_what_was_committed_and_of_nothing_else_and_of_the_end_last() {
    run(async {
        let cluster = cluster(|builder| builder);
        cluster.append_raw("a", 0, Spec::at(0).records(6).bytes()).unwrap();
        let kafka = connect(&cluster).await;
        let witness = Arc::new(Witness::watching());
        let mut consumer = reader(&kafka)
            .group("g")
            .max_poll_records(2)
            .interceptor(Arc::clone(&witness))
            .start()
            .await
            .unwrap();
        cluster.inject(Fault::on(ApiKey::OffsetCommit).error(ErrorCode::UNKNOWN_MEMBER_ID));
        consumer.commit_offsets([(("a", 1), 5)]).await.unwrap_err();
        assert_eq!(witness.committed(), []);
        consumer.commit_offsets([(("a", 1), 5), (("a", 2), 6)]).await.unwrap();
        assert_eq!(witness.committed(), [(1, 5), (2, 6)]);

        // By time: the batch before the one in hand. Looking at it does not finish it.
        assert_eq!(places(&consumer.poll().await.unwrap().unwrap()).len(), 2);
        let in_hand = consumer.poll().await.unwrap().unwrap();
        kafka.world().sleep(ms(6_000)).await;
        assert_eq!(witness.committed()[2..], [(0, 2)]);
        drop(in_hand);
        assert_eq!(witness.ends(), 0);
        consumer.close(ms(5_000)).await.unwrap();
        assert_eq!(cluster.committed("g", "a", 0), Some(Offset(2)));
        assert_eq!(witness.ends(), 1);
    });
}

#[test]
fn the_end_is_told_of_a_consumer_that_is_dropped() {
    run(async {
        let cluster = cluster(|builder| builder);
        let kafka = connect(&cluster).await;
        let witness = Arc::new(Witness::watching());
        drop(reader(&kafka).interceptor(Arc::clone(&witness)).start().await.unwrap());
        kafka.world().sleep(ms(2_000)).await;
        assert_eq!((witness.ends(), Arc::strong_count(&witness)), (1, 1));
    });
}
