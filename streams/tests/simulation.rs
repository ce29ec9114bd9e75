//! A pipeline in a seeded world: two sub-topologies, two instances, three brokers. Whatever crashes, no event is lost; where
//! nothing crashes, every event counts once, also while instances come and go in good order.
//!
//! `COURANT_SEEDS=1000 cargo test -p courant-streams --test simulation` runs more seeds, `COURANT_SEED=42` one alone.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]
use std::collections::BTreeMap;
use std::error::Error;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use courant_broker_mock::MockCluster;
use courant_client::Kafka;
use courant_producer::{Producer, Record};
use courant_protocol::compression::CompressionScratch;
use courant_protocol::record::{Batches, ReadOptions};
use courant_runtime::World;
use courant_sim::{Chaos, Family, LinkFaults, Sim};
use courant_streams::codec::{I64Be, Utf8};
use courant_streams::{Grouped, State, Store, StreamsApp, StreamsBuilder, Topology};

const SECOND: Duration = Duration::from_secs(1);
const INSTANCES: usize = 2;
const KEYS: u64 = 7;

#[test]
fn nothing_is_lost_and_without_a_crash_nothing_comes_twice() {
    let command = "cargo test -p courant-streams --test simulation nothing_is_lost_and_without_a_crash";
    Family::new(command).seeds(12).run(run).unwrap();
}

/// Nothing in a run depends on anything but its seed.
#[test]
fn a_seed_repeats_its_run() {
    Family::new("cargo test -p courant-streams --test simulation a_seed_repeats_its_run")
        .repeat(1, run)
        .unwrap();
}

/// What a seed puts the pipeline through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Trouble {
    /// Slow links; instances stop and start in good order.
    None,
    /// Brokers crash, leaders move, links break.
    Brokers,
    /// The same, and instances crash.
    Everything,
}

/// Every event goes on to `passed`, and is counted by a key that takes it through a repartition topic.
fn pipeline() -> Topology {
    let builder = StreamsBuilder::new();
    let events = builder.stream::<String, String>("events", (Utf8, Utf8)).filter(|_, id| id != "none");
    events.clone().to("passed", (Utf8, Utf8));
    events
        .group_by(Grouped::named("by-digit"), (Utf8, Utf8), |_, id| digit(id))
        .count(Store::named("counts", (Utf8, I64Be)))
        .to_stream()
        .to("counts", (Utf8, I64Be));
    builder.build().unwrap()
}

fn digit(id: &str) -> String {
    id.chars().last().map(String::from).unwrap_or_default()
}

/// The running applications, one for each host.
type Apps = Arc<Mutex<Vec<Option<Arc<StreamsApp>>>>>;

fn run(sim: &Sim) -> Result<(), Box<dyn Error + Send + Sync>> {
    let trouble = [Trouble::None, Trouble::Brokers, Trouble::Everything][(sim.seed() % 3) as usize];
    let apps: Apps = Arc::new(Mutex::new(vec![None; INSTANCES]));
    let sim = sim.clone().limit(3600 * SECOND);
    let (cluster, sent) = sim.run(async {
        let cluster = MockCluster::builder()
            .brokers(3)
            .topic("events", 3)
            .topic("passed", 2)
            .topic("counts", 2)
            .config("default.replication.factor", "3")
            // The events are old, and none of them may be deleted for it.
            .config("log.initial.task.delay.ms", "3155760000000")
            .world(sim.world("brokers"))
            .build()
            .unwrap();
        sim.serve(cluster.transport());
        let hosts: Vec<_> = (0..INSTANCES)
            .map(|number| {
                let (apps, bootstrap) = (Arc::clone(&apps), cluster.bootstrap());
                sim.host(&format!("instance-{number}"))
                    .start(move |world| live(world, bootstrap.clone(), Arc::clone(&apps), number))
            })
            .collect();
        sim.faults(LinkFaults::slow(Duration::from_millis(sim.seed() % 7 + 1)));
        let kafka = connect(sim.world("writer"), &cluster.bootstrap()).await;
        let names: Vec<String> = hosts.iter().map(|host| host.name().to_owned()).collect();
        let chaos = Chaos::new(&sim, &cluster).hosts(names);
        let sent = match trouble {
            Trouble::None => {
                let (sent, ()) = tokio::join!(write(&sim, &kafka), come_and_go(&sim, &apps));
                sent
            }
            Trouble::Brokers => tokio::join!(write(&sim, &kafka), chaos.run_for(40 * SECOND)).0,
            Trouble::Everything => {
                tokio::join!(write(&sim, &kafka), chaos.victims(hosts.clone()).run_for(40 * SECOND)).0
            }
        };
        sim.calm();
        settle(&apps).await;
        (cluster, sent)
    })?;
    check(&cluster, &sent, trouble).map_err(|what| sim.failure(format!("{trouble:?}: {what}")))?;
    Ok(())
}

/// An instance: starts the application, and starts it again when it fails.
async fn live(world: World, bootstrap: String, apps: Apps, number: usize) {
    loop {
        let kafka = connect(world.clone(), &bootstrap).await;
        let started = StreamsApp::builder("pipeline", &kafka)
            .set("commit.interval.ms", 200)
            .set("linger.ms", 5)
            .set("repartition.purge.interval.ms", 1_000)
            .start(pipeline())
            .await;
        match started {
            Ok(app) => {
                let app = Arc::new(app);
                apps.lock().unwrap()[number] = Some(Arc::clone(&app));
                if app.ended().await.is_ok() {
                    return;
                }
            }
            Err(_) => world.sleep(SECOND).await,
        }
    }
}

async fn connect(world: World, bootstrap: &str) -> Kafka {
    loop {
        let builder = Kafka::builder().bootstrap(bootstrap).world(world.clone());
        match builder.connect().await {
            Ok(kafka) => return kafka,
            Err(_) => world.sleep(SECOND).await,
        }
    }
}

/// Writes events for some 40 seconds; gives the ids of those that are on the brokers for sure.
async fn write(sim: &Sim, kafka: &Kafka) -> Vec<String> {
    let (world, mut rng) = (kafka.world().clone(), sim.rng("writer"));
    let producer = Producer::builder(kafka).linger(Duration::from_millis(5)).start().await.unwrap();
    let mut sent = Vec::new();
    for number in 0..200 {
        let id = format!("{number}-{}", rng.below(KEYS));
        let key = format!("key {}", rng.below(50));
        let record = Record::to("events").key(key).value(id.clone()).timestamp(1_000 + number);
        if let Ok(delivery) = producer.enqueue(record).await {
            sent.push((id, delivery));
        }
        world.sleep(rng.duration(Duration::ZERO, Duration::from_millis(400))).await;
    }
    let mut written = Vec::new();
    for (id, delivery) in sent {
        if delivery.await.is_ok() {
            written.push(id);
        }
    }
    producer.close(60 * SECOND).await.ok();
    written
}

/// Ends instances in good order and starts them again.
async fn come_and_go(sim: &Sim, apps: &Apps) {
    let mut rng = sim.rng("come and go");
    for _ in 0..3 {
        tokio::time::sleep(rng.duration(SECOND, 15 * SECOND)).await;
        let number = rng.below(INSTANCES as u64) as usize;
        let app = apps.lock().unwrap()[number].take();
        let Some(app) = app else { continue };
        app.close(30 * SECOND).await.unwrap();
        tokio::time::sleep(rng.duration(Duration::ZERO, 5 * SECOND)).await;
        let host = sim.host(&format!("instance-{number}"));
        // Its program has ended with the application; a restart runs it again.
        host.crash();
        host.restart();
    }
}

/// Waits until every event that is on the brokers is processed and committed.
async fn settle(apps: &Apps) {
    let mut calm = 0;
    while calm < 3 {
        let running: Vec<_> = apps.lock().unwrap().iter().cloned().collect();
        let mut lag = 0;
        for app in running {
            lag += match app {
                Some(app) if app.state() == State::Running => app.lag().await.unwrap_or(1),
                _ => 1,
            };
        }
        calm = if lag == 0 { calm + 1 } else { 0 };
        tokio::time::sleep(SECOND).await;
    }
}

fn check(cluster: &MockCluster, sent: &[String], trouble: Trouble) -> Result<(), String> {
    let mut passed: BTreeMap<String, usize> = BTreeMap::new();
    for (_, value) in read(cluster, "passed") {
        *passed.entry(text(&value)).or_default() += 1;
    }
    let mut expected: BTreeMap<String, i64> = BTreeMap::new();
    for id in sent {
        match passed.get(id) {
            None => return Err(format!("event {id} is lost")),
            Some(times) if *times > 1 && trouble == Trouble::None => {
                return Err(format!("event {id} came {times} times although nothing crashed"));
            }
            Some(_) => *expected.entry(digit(id)).or_default() += 1,
        }
    }
    let mut counted: BTreeMap<String, i64> = BTreeMap::new();
    for (key, value) in read(cluster, "counts") {
        counted.insert(text(&key), i64::from_be_bytes(value.try_into().map_err(|_| "a count of 8 bytes")?));
    }
    for (key, expected) in expected {
        let counted = counted.get(&key).copied().unwrap_or(0);
        if counted < expected || (counted > expected && trouble == Trouble::None) {
            return Err(format!("{expected} events of {key}, and {counted} were counted"));
        }
    }
    Ok(())
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Keys and values of a topic, each partition in its order.
fn read(cluster: &MockCluster, topic: &str) -> Vec<(Vec<u8>, Vec<u8>)> {
    let mut scratch = CompressionScratch::new();
    let mut found = Vec::new();
    for partition in 0..cluster.partition_count(topic).unwrap() {
        for stored in cluster.log(topic, partition as i32) {
            for batch in Batches::new(stored.bytes, ReadOptions::default()) {
                for record in &batch.unwrap().records(&mut scratch).unwrap() {
                    let record = record.unwrap();
                    found.push((
                        record.key.unwrap_or_default().to_vec(),
                        record.value.unwrap_or_default().to_vec(),
                    ));
                }
            }
        }
    }
    found
}
