//! Handing out records allocates per poll, not per record.
#![allow(clippy::unwrap_used)]
mod batches;
mod world;

use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use batches::Spec;
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
