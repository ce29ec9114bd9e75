//! What enqueueing and sending allocate: next to nothing per record, since a batch has one buffer and one completion.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]
use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};

use allocation_counter::{AllocationInfo, measure};
use courant_broker_mock::MockCluster;
use courant_client::Kafka;
use courant_producer::{DeliveryFuture, Producer, Record, RecordMetadata, SendError};

const RECORDS: usize = 100_000;
/// Allocations per record, at most, with the default size of batches.
const MOST: f64 = 0.02;

/// A task that is never run again. Not [`Waker::noop`], whose clones need not be known for the same.
struct Asleep;

impl Wake for Asleep {
    fn wake(self: Arc<Self>) {}
}

/// Runs `test` with a producer that knows the topic and has room for all records.
fn with_producer<F: Future<Output = ()>>(test: impl FnOnce(Producer) -> F) {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
    runtime.block_on(async {
        let cluster = MockCluster::builder().topic("t", 6).request_log(0).build().unwrap();
        let kafka =
            Kafka::builder().bootstrap(cluster.bootstrap()).world(cluster.world()).connect().await.unwrap();
        let producer = Producer::builder(&kafka).buffer_memory_bytes(64 << 20).start().await.unwrap();
        producer.send(Record::to("t").value("first")).await.unwrap();
        test(producer).await;
    });
}

fn records() -> impl Iterator<Item = Record> {
    let value = bytes::Bytes::from(vec![b'x'; 100]);
    (0..RECORDS).map(move |_| Record::to("t").value(value.clone()))
}

fn assert_few(counted: AllocationInfo) {
    let per_record = counted.count_total as f64 / RECORDS as f64;
    println!("{per_record} allocations and {} bytes per record", counted.bytes_total / RECORDS as u64);
    assert!(per_record <= MOST, "{per_record} allocations per record");
}

#[test]
fn enqueueing_allocates_at_most_twice_for_a_hundred_records() {
    with_producer(|producer| async move {
        let mut deliveries: Vec<DeliveryFuture> = Vec::with_capacity(RECORDS);
        let mut cx = Context::from_waker(Waker::noop());
        assert_few(measure(|| {
            for record in records() {
                match pin!(producer.enqueue(record)).as_mut().poll(&mut cx) {
                    Poll::Ready(delivery) => deliveries.push(delivery.unwrap()),
                    Poll::Pending => panic!("there is room for all"),
                }
            }
        }));
        for delivery in deliveries {
            delivery.await.unwrap();
        }
    });
}

#[test]
fn sending_allocates_at_most_twice_for_a_hundred_records() {
    with_producer(|producer| async move {
        // A future does nothing until it is polled, and where it lives is the caller's affair.
        type Sending<'a> = Pin<Box<dyn Future<Output = Result<RecordMetadata, SendError>> + 'a>>;
        let boxed = |record| Box::pin(producer.send(record)) as Sending<'_>;
        let mut sending: Vec<Sending<'_>> = records().map(boxed).collect();
        let waker = Waker::from(Arc::new(Asleep));
        let mut cx = Context::from_waker(&waker);
        let mut poll_all = || {
            sending
                .iter_mut()
                .filter_map(|send| match send.as_mut().poll(&mut cx) {
                    Poll::Ready(written) => Some(written.unwrap()),
                    Poll::Pending => None,
                })
                .count()
        };
        let mut done = 0;
        let mut counted = measure(|| done = poll_all());
        assert_eq!(done, 0, "all of them wait, each with its place among those of its batch");
        producer.flush().await.unwrap();
        let after = measure(|| done = poll_all());
        assert_eq!(done, RECORDS);
        counted.count_total += after.count_total;
        assert_few(counted);
    });
}
