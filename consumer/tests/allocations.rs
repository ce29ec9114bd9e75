//! Handing out records allocates per poll, not per record.
#![allow(clippy::unwrap_used)]
mod batches;
mod world;

use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use batches::Spec;
use courant_broker_mock::MockCluster;
use courant_client::Kafka;
use courant_consumer::Consumer;
use world::{cluster, connect, ms, reader, run};

/// Polls once; the records are there already.
fn poll_now(consumer: &mut Consumer) -> (usize, usize) {
    let future = pin!(consumer.poll());
    let Poll::Ready(batch) = future.poll(&mut Context::from_waker(Waker::noop())) else { return (0, 0) };
    let batch = batch.unwrap().unwrap();
    (batch.len(), batch.iter().map(|record| record.value().map_or(0, <[u8]>::len)).sum())
}

#[test]
fn a_record_costs_a_hundredth_of_an_allocation_at_most() {
    run(async {
        let cluster = cluster(|builder| builder.brokers(1));
        for at in (0..20_000).step_by(200) {
            cluster.append_raw("a", 0, Spec::at(at).records(200).bytes()).unwrap();
        }
        let kafka = connect(&cluster).await;
        let mut consumer = reader(&kafka).max_partition_fetch_bytes(16 << 20).start().await.unwrap();
        kafka.world().sleep(ms(1000)).await;
        let mut records = 0;
        let counted = allocation_counter::measure(|| {
            while records < 20_000 {
                let (count, bytes) = poll_now(&mut consumer);
                assert!(bytes > count && count > 0, "everything was fetched");
                records += count;
            }
        });
        assert!(counted.count_total <= 200, "{} allocations for 20,000 records", counted.count_total);
    });
}

/// A broker of its own thread, whose allocations are not counted, with 100,000 records of 100 bytes; and its end.
fn broker_elsewhere() -> (String, impl FnOnce()) {
    let (tell, told) = std::sync::mpsc::channel();
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let thread = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let builder = MockCluster::builder().brokers(1).topic("a", 1).config("log.retention.ms", "-1");
            let cluster = builder.build().unwrap();
            for at in (0..100_000).step_by(100) {
                let spec = (0..100).fold(Spec::at(at), |spec, _| spec.value(vec![7; 100]));
                cluster.append_raw("a", 0, spec.bytes()).unwrap();
            }
            let addresses = cluster.listen(0).await.unwrap();
            tell.send(addresses[0].to_string()).unwrap();
            stopped.await.ok();
        });
    });
    let end = move || {
        drop(stop);
        thread.join().unwrap();
    };
    (told.recv().unwrap(), end)
}

#[test]
fn by_default_settings_everything_from_the_socket_to_the_record_is_paid_for_by_a_hundredth() {
    let (address, end) = broker_elsewhere();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let mut consumer = runtime.block_on(async {
        let kafka = Kafka::builder().bootstrap(address).connect().await.unwrap();
        let mut consumer = reader(&kafka).start().await.unwrap();
        // The first batch is there when the connections are.
        consumer.poll().await.unwrap().unwrap().iter().for_each(drop);
        consumer
    });
    let mut records = 500;
    let counted = allocation_counter::measure(|| {
        runtime.block_on(async {
            while records < 100_000 {
                records += consumer.poll().await.unwrap().unwrap().iter().count();
            }
        });
    });
    drop(consumer);
    end();
    assert!(counted.count_total <= 1_000, "{} allocations for 100,000 records", counted.count_total);
}
