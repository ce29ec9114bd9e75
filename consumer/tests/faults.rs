//! Reading under random faults, from seeds: every record once, in order, whatever breaks.
#![allow(clippy::unwrap_used)]
mod batches;
mod world;

use batches::Spec;
use courant_broker_mock::{Fault, MockCluster};
use courant_protocol::api::ApiKey;
use courant_protocol::compression::Codec;
use courant_protocol::error_code::ErrorCode;
use courant_protocol::types::NodeId;
use courant_runtime::Rng;
use world::{cluster, connect, ms, places, reader, run};

const SEEDS: u64 = 40;
const RECORDS: i64 = 120;

/// Writes the records of all partitions over time, and breaks something every now and then.
async fn write_and_break(cluster: MockCluster, world: courant_runtime::World, mut rng: Rng) {
    let mut at = [0; 3];
    while at.iter().any(|end| *end < RECORDS) {
        world.sleep(ms(rng.below(400))).await;
        for (partition, end) in (0..).zip(at.iter_mut()) {
            let count = i64::try_from(rng.below(9)).unwrap().min(RECORDS - *end);
            if count > 0 {
                let codec = Codec::ALL[usize::try_from(rng.below(5)).unwrap()];
                cluster
                    .append_raw("a", partition, Spec::at(*end).records(count).codec(codec).bytes())
                    .unwrap();
                *end += count;
            }
        }
        break_something(&cluster, &mut rng);
    }
    for node in cluster.nodes() {
        cluster.restart(node).unwrap();
        cluster.fresh_metadata(node).unwrap();
    }
}

fn break_something(cluster: &MockCluster, rng: &mut Rng) {
    let node = NodeId(i32::try_from(rng.below(3)).unwrap() + 1);
    let api = [ApiKey::Fetch, ApiKey::ListOffsets, ApiKey::OffsetForLeaderEpoch, ApiKey::Metadata];
    let fault = Fault::on(api[usize::try_from(rng.below(4)).unwrap()]).node(node);
    let partition = i32::try_from(rng.below(3)).unwrap();
    match rng.below(14) {
        0 => cluster.crash(node).unwrap(),
        1..=3 => cluster.restart(node).unwrap(),
        4 => cluster.cut_connections(node).unwrap(),
        5 => drop(cluster.move_leader("a", partition, node)),
        6 => cluster.inject(fault.cut_before()),
        7 => cluster.inject(fault.cut_after()),
        8 => cluster.inject(fault.delay(ms(rng.below(3000)))),
        9 => cluster.inject(Fault::on(ApiKey::Fetch).error(ErrorCode::NOT_LEADER_OR_FOLLOWER)),
        10 => cluster.inject(Fault::on(ApiKey::Fetch).error(ErrorCode::UNKNOWN_LEADER_EPOCH)),
        11 => cluster.inject(Fault::on(ApiKey::Fetch).throttle(500)),
        12 => cluster.stale_metadata(node).unwrap(),
        _ => cluster.fresh_metadata(node).unwrap(),
    }
}

#[test]
fn every_record_comes_once_and_in_order_whatever_breaks() {
    for seed in 0..SEEDS {
        run(async {
            let cluster = cluster(|builder| builder.seed(seed));
            let kafka = connect(&cluster).await;
            let mut rng = Rng::new(seed, "reader");
            let writer = write_and_break(cluster.clone(), kafka.world().clone(), Rng::new(seed, "faults"));
            let mut consumer = reader(&kafka)
                .assign([("a", 1), ("a", 2)])
                .max_poll_records(u32::try_from(rng.below(20)).unwrap() + 1)
                .max_partition_fetch_bytes(u32::try_from(rng.below(2000)).unwrap() + 100)
                .start()
                .await
                .unwrap();
            let read = async {
                let mut next = [0; 3];
                while next.iter().any(|offset| *offset < RECORDS) {
                    match tokio::time::timeout(ms(rng.below(3000)), consumer.poll()).await {
                        Err(_late) => {}
                        Ok(batch) => {
                            for (partition, offset) in places(&batch.unwrap().unwrap()) {
                                let expected = &mut next[usize::try_from(partition).unwrap()];
                                assert_eq!(offset, *expected, "seed {seed}, partition {partition}");
                                *expected += 1;
                            }
                        }
                    }
                    if rng.chance(0.1) {
                        let partition = i32::try_from(rng.below(3)).unwrap();
                        consumer.pause([("a", partition)]).unwrap();
                        kafka.world().sleep(ms(rng.below(1000))).await;
                        consumer.resume([("a", partition)]).unwrap();
                    }
                }
            };
            tokio::join!(read, writer);
            consumer.close(ms(5000)).await.unwrap();
        });
    }
}
