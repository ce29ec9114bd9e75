//! Very many partitions of batches that decompress to a multiple of their size stay inside the budget.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod batches;
mod world;

use batches::Spec;
use courant_consumer::Consumer;
use courant_protocol::compression::Codec;
use peak_alloc::PeakAlloc;
use world::{cluster, connect, run};

#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

const PARTITIONS: i32 = 200;
const VALUE_BYTES: usize = 1 << 20;
const VALUES: usize = 10;
const BUDGET: usize = 64 << 20;

/// One test: the allocator is the whole process's.
#[test]
fn very_many_partitions_of_batches_of_ten_mebibytes_are_read_inside_the_budget() {
    run(async {
        let cluster = cluster(|builder| builder.topic("many", 200));
        let spec = (0..VALUES).fold(Spec::at(0), |spec, _| spec.value(vec![b'x'; VALUE_BYTES]));
        let batch = spec.codec(Codec::Zstd).bytes();
        assert!(batch.len() < 64 << 10, "{} bytes", batch.len());
        for partition in 0..PARTITIONS {
            cluster.append_raw("many", partition, batch.clone()).unwrap();
        }
        let kafka = connect(&cluster).await;
        let builder = Consumer::builder(&kafka).assign((0..PARTITIONS).map(|partition| ("many", partition)));
        let builder = builder.auto_offset_reset("earliest").fetch_buffer_bytes(BUDGET as u64);
        let mut consumer = builder.start().await.unwrap();
        let before = MEMORY.current_usage();
        MEMORY.reset_peak_usage();
        let mut records = 0;
        while records < PARTITIONS as usize * VALUES {
            let batch = consumer.poll().await.unwrap().unwrap();
            assert!(
                batch.iter().all(|record| record.value().is_some_and(|value| value.len() == VALUE_BYTES))
            );
            records += batch.len();
        }
        // What brokers keep of requests and answers counts too: they are in this process.
        let peak = MEMORY.peak_usage().saturating_sub(before);
        assert!(peak * 10 <= BUDGET * 11, "{} MiB at the peak", peak >> 20);
    });
}
