//! Two producers on three brokers while links break, leaders move and brokers crash: nothing lost, doubled or reordered.
//!
//! [`random`] draws the configuration too. `COURANT_SEEDS=1000 cargo test -p courant-producer --test simulation` runs more seeds, `COURANT_SEED=42` one alone.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]
mod random;
mod setup;

use std::error::Error;
use std::time::Duration;

use courant_broker_mock::{Fault, MockCluster};
use courant_client::Kafka;
use courant_producer::{Producer, Record};
use courant_protocol::api::ApiKey;
use courant_protocol::compression::CompressionScratch;
use courant_protocol::record::{Batches, ReadOptions};
use courant_protocol::types::{NodeId, TopicPartition};
use courant_runtime::{Rng, World};
use courant_sim::{Family, History, LinkFaults, Sim};

const SECOND: Duration = Duration::from_secs(1);
const PARTITIONS: i32 = 3;

#[test]
fn nothing_is_lost_doubled_or_reordered() {
    let command = "cargo test -p courant-producer --test simulation nothing_is_lost_doubled_or_reordered";
    Family::new(command).seeds(15).run(|sim| run(sim, 120)).unwrap();
}

/// Records time out while the brokers are away for longer than they may take.
#[test]
fn what_times_out_is_told_truly() {
    let command = "cargo test -p courant-producer --test simulation what_times_out_is_told_truly";
    Family::new(command).seeds(10).run(|sim| run(sim, 31)).unwrap();
}

/// Nothing in a run depends on anything but its seed.
#[test]
fn a_seed_repeats_its_run() {
    let family = Family::new("cargo test -p courant-producer --test simulation a_seed_repeats_its_run");
    let trace = |seed| family.repeat(seed, |sim| run(sim, 120).map(|()| sim.trace_hash())).unwrap();
    assert_ne!(trace(3), trace(4));
}

/// Over this network nothing but its own timer wakes a producer that waits for the end of a throttle (KIP-219).
#[test]
fn what_waits_for_a_throttle_goes_out_when_it_ends() {
    let command =
        "cargo test -p courant-producer --test simulation what_waits_for_a_throttle_goes_out_when_it_ends";
    Family::new(command).seeds(1).run(throttled).unwrap();
}

fn throttled(sim: &Sim) -> Result<(), Box<dyn Error + Send + Sync>> {
    let waited = sim.run(async {
        let cluster = MockCluster::builder().topic("t", 1).world(sim.world("brokers")).build().unwrap();
        sim.serve(cluster.transport());
        let kafka = connect(sim.world("p"), cluster.bootstrap()).await;
        let producer = Producer::builder(&kafka).start().await.unwrap();
        cluster.inject(Fault::on(ApiKey::Produce).throttle(5000));
        producer.send(Record::to("t").value("a")).await.unwrap();
        let start = tokio::time::Instant::now();
        producer.send(Record::to("t").value("b")).await.unwrap();
        start.elapsed()
    })?;
    match waited {
        waited if waited > 4 * SECOND && waited < 6 * SECOND => Ok(()),
        waited => Err(format!("waited for {waited:?}").into()),
    }
}

fn run(sim: &Sim, delivery_timeout_secs: u64) -> Result<(), Box<dyn Error + Send + Sync>> {
    let history = History::new();
    let (cluster, ended) = sim.run(async {
        let world = sim.world("brokers");
        let cluster =
            MockCluster::builder().brokers(3).topic("t", PARTITIONS as usize).world(world).build().unwrap();
        sim.serve(cluster.transport());
        let clients: Vec<_> = ["p1", "p2"]
            .into_iter()
            .map(|name| {
                let kafka = connect(sim.world(name), cluster.bootstrap());
                let (history, rng) = (history.clone(), sim.rng(name));
                tokio::spawn(
                    async move { produce(kafka.await, name, history, rng, delivery_timeout_secs).await },
                )
            })
            .collect();
        tokio::time::sleep(SECOND).await;
        sim.faults(LinkFaults::rough());
        disturb(sim, &cluster, if delivery_timeout_secs > 60 { 10 } else { 60 }).await;
        sim.calm();
        for node in cluster.nodes() {
            let _ = cluster.restart(node);
        }
        let mut ended = true;
        for client in clients {
            ended &= client.await.is_ok();
        }
        (cluster, ended)
    })?;
    if !ended {
        return Err("a producer panicked".into());
    }
    read_back(&cluster, &history);
    history.check()?;
    match history.acknowledgements() {
        0..100 => Err("hardly any record was delivered: the faults are too hard to prove anything".into()),
        _ => Ok(()),
    }
}

async fn connect(world: World, bootstrap: String) -> Kafka {
    connect_within(world, bootstrap, 30 * SECOND).await
}

/// A client whose requests may take so long.
async fn connect_within(world: World, bootstrap: String, request_timeout: Duration) -> Kafka {
    let builder = Kafka::builder().bootstrap(bootstrap).world(world).connect_timeout(120 * SECOND);
    builder.set("request.timeout.ms", request_timeout.as_millis()).connect().await.unwrap()
}

/// Enqueues a few hundred records, some at once and some apart, and notes what becomes of each.
async fn produce(
    kafka: Kafka,
    name: &'static str,
    history: History,
    mut rng: Rng,
    delivery_timeout_secs: u64,
) {
    let producer = Producer::builder(&kafka)
        .batch_size_bytes(300)
        .set("delivery.timeout.ms", delivery_timeout_secs * 1000)
        .start()
        .await
        .unwrap();
    let mut pending = Vec::new();
    for n in 0..300 {
        let id = format!("{name}-{n:0>4}");
        let record = Record::to("t").partition(rng.below(PARTITIONS as u64) as i32).value(id.clone());
        match producer.enqueue(record).await {
            Ok(delivery) => {
                history.sent(name, &id);
                let call = history.call(&id);
                let history = history.clone();
                pending.push(tokio::spawn(async move {
                    match delivery.await {
                        Ok(at) => history.acknowledged(&id, &at.topic_partition, at.offset),
                        Err(error) => history.failed(&id, error.possibly_written()),
                    }
                    call.ended();
                }));
            }
            Err(error) => assert!(error.record.is_some()),
        }
        if rng.chance(0.3) {
            tokio::time::sleep(rng.duration(Duration::ZERO, SECOND / 5)).await;
        }
    }
    for task in pending {
        task.await.unwrap();
    }
    producer.close(300 * SECOND).await.unwrap();
}

/// Moves leaders, cuts connections, and lets one broker crash for up to `longest_secs`.
async fn disturb(sim: &Sim, cluster: &MockCluster, longest_secs: u64) {
    let mut rng = sim.rng("disturb");
    for _ in 0..20 {
        tokio::time::sleep(rng.duration(Duration::ZERO, SECOND)).await;
        let node = NodeId(1 + rng.below(3) as i32);
        match rng.below(4) {
            0 => {
                cluster.crash(node).unwrap();
                tokio::time::sleep(rng.duration(Duration::ZERO, Duration::from_secs(longest_secs))).await;
                cluster.restart(node).unwrap();
            }
            1 => cluster.cut_connections(node).unwrap(),
            _ => {
                let partition = rng.below(PARTITIONS as u64) as i32;
                let _ = cluster.move_leader("t", partition, node);
            }
        }
    }
}

/// Adds what the logs hold; a record goes by its value, up to the first colon.
fn read_back(cluster: &MockCluster, history: &History) {
    let mut scratch = CompressionScratch::new();
    for partition in 0..cluster.partition_count("t").unwrap() as i32 {
        let place = TopicPartition::new("t", partition);
        for stored in cluster.log("t", partition) {
            for batch in Batches::new(stored.bytes.clone(), ReadOptions::default()) {
                for record in &batch.unwrap().records(&mut scratch).unwrap() {
                    let record = record.unwrap();
                    let value = String::from_utf8(record.value.unwrap().to_vec()).unwrap();
                    history.logged(&place, record.offset, value.split(':').next().unwrap_or_default());
                }
            }
        }
    }
}
