//! What enqueueing allocates: next to nothing per record, since a batch has one buffer and one completion.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]
use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use courant_broker_mock::MockCluster;
use courant_client::Kafka;
use courant_producer::{DeliveryFuture, Producer, Record};

const RECORDS: usize = 100_000;

#[test]
fn enqueueing_allocates_at_most_five_times_for_a_hundred_records() {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
    runtime.block_on(async {
        let cluster = MockCluster::builder().topic("t", 6).request_log(0).build().unwrap();
        let kafka =
            Kafka::builder().bootstrap(cluster.bootstrap()).world(cluster.world()).connect().await.unwrap();
        let producer = Producer::builder(&kafka).buffer_memory_bytes(64 << 20).start().await.unwrap();
        producer.send(Record::to("t").value("first")).await.unwrap();

        let mut deliveries: Vec<DeliveryFuture> = Vec::with_capacity(RECORDS);
        let value = bytes::Bytes::from(vec![b'x'; 100]);
        let counted = allocation_counter::measure(|| {
            for _ in 0..RECORDS {
                let record = Record::to("t").value(value.clone());
                let mut enqueue = pin!(producer.enqueue(record));
                match enqueue.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
                    Poll::Ready(delivery) => deliveries.push(delivery.unwrap()),
                    Poll::Pending => panic!("there is room for all"),
                }
            }
        });
        let per_record = counted.count_total as f64 / RECORDS as f64;
        println!("{per_record} allocations and {} bytes per record", counted.bytes_total / RECORDS as u64);
        assert!(per_record <= 0.05, "{per_record} allocations per record");

        for delivery in deliveries {
            delivery.await.unwrap();
        }
    });
}
