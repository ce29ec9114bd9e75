//! Handling a record allocates nothing once the runner's vectors have grown.
#![allow(clippy::unwrap_used)]
mod world;

use std::future::Future;
use std::io;
use std::pin::pin;
use std::task::{Context, Waker};

use courant_consumer::Consumer;
use courant_handlers::Handlers;
use world::{cluster, connect, for_a_while, ms, run, write};

#[test]
fn a_record_costs_a_tenth_of_an_allocation_at_most() {
    run(async {
        let cluster = cluster(|builder| builder.brokers(1));
        let keys: Vec<String> = (0..100).map(|key| format!("key-{key}")).collect();
        let batch: Vec<_> = keys.iter().map(|key| (Some(key.as_str()), "a value")).collect();
        (0..200).for_each(|_| write(&cluster, 0, &batch));
        let kafka = connect(&cluster).await;
        let consumer = Consumer::builder(&kafka)
            .group("g")
            .assign([("a", 0)])
            .auto_offset_reset("earliest")
            .max_partition_fetch_bytes(16 << 20);
        let handled = std::cell::Cell::new(0);
        let mut runner = Handlers::new(consumer)
            .for_each_per_key(64, |record| {
                handled.set(handled.get() + 1);
                let bytes = record.value().map_or(0, <[u8]>::len);
                async move {
                    assert_eq!(bytes, 7);
                    Ok::<(), io::Error>(())
                }
            })
            .await
            .unwrap();
        // The first ones make the room that the others use.
        kafka.world().sleep(ms(1_000)).await;
        let mut polls = 0;
        while handled.get() < 2_000 {
            let future = pin!(runner.run());
            assert!(future.poll(&mut Context::from_waker(Waker::noop())).is_pending());
            polls += 1;
            assert!(polls < 10_000, "everything was fetched");
        }
        let before = handled.get();
        let counted = allocation_counter::measure(|| {
            while handled.get() < 18_000 {
                let future = pin!(runner.run());
                assert!(future.poll(&mut Context::from_waker(Waker::noop())).is_pending());
            }
        });
        let records = handled.get() - before;
        assert!(
            counted.count_total <= records / 10,
            "{} allocations for {records} records",
            counted.count_total
        );
        assert!(for_a_while(&mut runner, ms(10_000)).await.is_none());
        assert_eq!(handled.get(), 20_000);
    });
}
