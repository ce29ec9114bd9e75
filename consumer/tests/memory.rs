//! Batches that decompress to a multiple of their size stay inside the budget.
mod batches;
mod world;

use batches::Spec;
use courant_consumer::ErrorKind;
use courant_protocol::compression::Codec;
use courant_protocol::types::Offset;
use peak_alloc::PeakAlloc;
use world::{cluster, connect, ms, reader, run};

#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

const BATCHES: i64 = 8;
const BATCH_BYTES: usize = 4 << 20;
const BUDGET: usize = 8 << 20;

fn compressible(at: i64) -> Spec {
    (0..4).fold(Spec::at(at), |spec, _| spec.value(vec![b'x'; BATCH_BYTES / 4])).codec(Codec::Zstd)
}

/// One test: the allocator is the whole process's.
#[test]
fn compressible_batches_of_a_multiple_of_the_budget_are_read_inside_it() {
    run(async {
        let cluster = cluster(|builder| builder);
        for at in 0..BATCHES {
            let batch = compressible(at * 4).bytes();
            for partition in 0..3 {
                cluster.append_raw("a", partition, batch.clone()).unwrap();
            }
        }
        let kafka = connect(&cluster).await;
        let mut consumer = reader(&kafka)
            .assign([("a", 1), ("a", 2)])
            .max_poll_records(3)
            .fetch_buffer_bytes(BUDGET as u64)
            .start()
            .await
            .unwrap();
        let before = MEMORY.current_usage();
        MEMORY.reset_peak_usage();
        let mut records = 0;
        while records < 3 * 4 * BATCHES {
            let batch = consumer.poll().await.unwrap().unwrap();
            assert!(
                batch.iter().all(|record| record.value().is_some_and(|value| value.len() == BATCH_BYTES / 4))
            );
            records += i64::try_from(batch.len()).unwrap();
        }
        let peak = MEMORY.peak_usage().saturating_sub(before);
        // The budget, the batch in hand, the one that is being opened, and the decoder's own window.
        assert!(peak < BUDGET + 3 * BATCH_BYTES, "{peak} bytes at the peak");

        let mut careful = reader(&kafka).set("max.decompressed.batch.bytes", 1 << 20).start().await.unwrap();
        let error = careful.poll().await.unwrap_err();
        assert_eq!((error.kind(), error.offset()), (ErrorKind::RecordTooLarge, Some(Offset(0))));
        assert_eq!(error.resume_at(), Some(Offset(4)));
        kafka.world().sleep(ms(1)).await;
    });
}
