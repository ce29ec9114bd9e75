//! No broker holds up another: what a silent one costs is its own partitions' time.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod batches;
mod world;

use std::time::{Duration, Instant};

use batches::Spec;
use courant_broker_mock::{Fault, MockCluster};
use courant_client::Kafka;
use courant_consumer::Consumer;
use courant_protocol::api::ApiKey;
use courant_protocol::types::Offset;
use world::{cluster, connect, ms, reader, run};

/// Between two records of a partition.
const STEP: Duration = Duration::from_millis(25);

/// Writes a record to each of `partitions` every now and then for `time`, and reads; gives how long each took to come.
async fn latencies(
    cluster: &MockCluster,
    kafka: &Kafka,
    consumer: &mut Consumer,
    partitions: &[i32],
    time: Duration,
) -> Vec<Duration> {
    let end = kafka.world().now() + time;
    let write = async {
        let mut written: Vec<(i32, Offset, Instant)> = Vec::new();
        while kafka.world().now() < end {
            for &partition in partitions {
                let offset = cluster.log_end("a", partition).unwrap();
                cluster.append_raw("a", partition, Spec::at(offset.0).records(1).bytes()).unwrap();
                written.push((partition, offset, kafka.world().now()));
            }
            kafka.world().sleep(STEP).await;
        }
        written
    };
    let mut came = std::collections::BTreeMap::new();
    let read = async {
        while let Ok(batch) = tokio::time::timeout_at((end + ms(1_000)).into(), consumer.poll()).await {
            for record in &batch.unwrap().unwrap() {
                came.insert((record.partition().0, record.offset()), kafka.world().now());
            }
        }
    };
    let (written, ()) = tokio::join!(write, read);
    let mut took: Vec<_> = written
        .iter()
        .map(|(partition, offset, at)| came[&(*partition, *offset)].saturating_duration_since(*at))
        .collect();
    took.sort_unstable();
    took
}

fn p99(sorted: &[Duration]) -> Duration {
    sorted[sorted.len() * 99 / 100]
}

#[test]
fn the_partitions_of_others_come_as_fast_while_one_of_three_brokers_is_silent() {
    run(async {
        let cluster = cluster(|builder| builder);
        // What a network takes.
        cluster.inject(Fault::on(ApiKey::Fetch).always().delay(ms(4)));
        let kafka = connect(&cluster).await;
        let mut consumer = reader(&kafka).assign([("a", 1), ("a", 2)]).start().await.unwrap();
        let silent = cluster.leader("a", 0).unwrap();
        let others: Vec<i32> =
            (0..3).filter(|partition| cluster.leader("a", *partition).unwrap() != silent).collect();
        assert_eq!(others.len(), 2);
        latencies(&cluster, &kafka, &mut consumer, &[0, 1, 2], ms(2_000)).await;
        let before = p99(&latencies(&cluster, &kafka, &mut consumer, &others, ms(10_000)).await);

        cluster.inject(Fault::on(ApiKey::Fetch).node(silent).always().silence());
        cluster.append_raw("a", 0, Spec::at(cluster.log_end("a", 0).unwrap().0).records(1).bytes()).unwrap();
        let meanwhile = p99(&latencies(&cluster, &kafka, &mut consumer, &others, ms(30_000)).await);
        assert!(meanwhile * 10 <= before * 11, "p99 was {before:?} and is {meanwhile:?}");
    });
}
