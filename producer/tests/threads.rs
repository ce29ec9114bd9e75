//! Many tasks on several threads, real time, little room: what a lost wake-up would hang.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]
use std::time::Duration;

use courant_broker_mock::MockCluster;
use courant_client::{ErrorKind, Kafka};
use courant_producer::{Producer, Record};

const TASKS: usize = 8;
const RECORDS: usize = 1000;

#[test]
fn tasks_on_several_threads_share_a_small_buffer() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(4).enable_all().build().unwrap();
    runtime.block_on(async {
        let cluster = MockCluster::builder().brokers(3).topic("t", 6).request_log(0).build().unwrap();
        let kafka =
            Kafka::builder().bootstrap(cluster.bootstrap()).world(cluster.world()).connect().await.unwrap();
        let producer = Producer::builder(&kafka)
            .batch_size_bytes(1000)
            .buffer_memory_bytes(6000)
            .linger(Duration::from_millis(1))
            .start()
            .await
            .unwrap();
        let tasks: Vec<_> = (0..TASKS).map(|task| tokio::spawn(write(producer.clone(), task))).collect();
        for task in tasks {
            task.await.unwrap();
        }
        producer.close(Duration::from_secs(30)).await.unwrap();
        let written: i64 = (0..6).map(|partition| cluster.log_end("t", partition).unwrap().0).sum();
        assert_eq!(written, (TASKS * RECORDS) as i64);
    });
}

#[test]
fn a_runtime_that_shuts_down_fails_what_was_left() {
    let runtime = |threads| {
        tokio::runtime::Builder::new_multi_thread().worker_threads(threads).enable_all().build().unwrap()
    };
    let (ending, staying) = (runtime(1), runtime(1));
    let (producer, delivery) = ending.block_on(async {
        let cluster = MockCluster::builder().topic("t", 1).build().unwrap();
        let kafka =
            Kafka::builder().bootstrap(cluster.bootstrap()).world(cluster.world()).connect().await.unwrap();
        let producer = Producer::builder(&kafka).linger(Duration::from_secs(60)).start().await.unwrap();
        let delivery = producer.enqueue(Record::to("t").value("x")).await.unwrap();
        (producer, delivery)
    });
    drop(ending);
    let error = staying.block_on(delivery).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Closed);
    let record = Record::to("t").value("y");
    let error = staying.block_on(producer.send(record.clone())).unwrap_err();
    assert_eq!((error.kind(), error.record.as_deref()), (ErrorKind::Closed, Some(&record)));
}

/// Some records are awaited one by one, the others all at the end.
async fn write(producer: Producer, task: usize) {
    let mut deliveries = Vec::new();
    for n in 0..RECORDS {
        let record = Record::to("t").key(format!("{task}-{n}")).value("x".repeat(50));
        let delivery = producer.enqueue(record).await.unwrap();
        match n % 50 {
            0 => drop(delivery.await.unwrap()),
            _ => deliveries.push(delivery),
        }
    }
    for delivery in deliveries {
        delivery.await.unwrap();
    }
}
