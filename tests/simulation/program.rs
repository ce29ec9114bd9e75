//! One run: who sends and reads what while the world is rough, and what the logs hold in the end.
use crate::reading::Reading;
use crate::sending::Sending;
use courant_broker_mock::MockCluster;
use courant_client::Kafka;
use courant_protocol::compression::CompressionScratch;
use courant_protocol::record::{Batches, ReadOptions};
use courant_protocol::types::TopicPartition;
use courant_runtime::{World, watch};
use courant_sim::{Chaos, History, LinkFaults, Sim};
use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

/// What a run does.
#[derive(Clone)]
pub struct Plan {
    /// Records per producer.
    pub records: u32,
    /// How long the world is rough.
    pub chaos: Duration,
    pub linger: Duration,
    /// Short enough, in some runs, that records expire.
    pub delivery_timeout: Duration,
    pub batch_size_bytes: usize,
    pub compression: &'static str,
    /// Small enough, in some runs, that fetches meet their limit.
    pub fetch_max_bytes: u32,
    /// Hosts that crash with everything in their memory and come back.
    pub crashes: &'static [&'static str],
}

impl Plan {
    /// A plan that follows from the seed.
    pub fn rough(sim: &Sim) -> Self {
        let mut rng = sim.rng("plan");
        let mut pick = |of: &[u64]| of[rng.below(of.len() as u64) as usize];
        Self {
            records: 200,
            chaos: Duration::from_secs(pick(&[20, 60])),
            linger: Duration::from_millis(pick(&[0, 5, 50])),
            delivery_timeout: Duration::from_secs(pick(&[4, 120, 120])),
            batch_size_bytes: pick(&[200, 1_000, 16_384]) as usize,
            compression: ["none", "gzip", "snappy", "lz4", "zstd"][pick(&[0, 0, 1, 2, 3, 4]) as usize],
            fetch_max_bytes: pick(&[300, 50 << 20]) as u32,
            crashes: [&[][..], &["producer-2"], &["consumer-2"], &["producer-2", "consumer-1", "consumer-2"]]
                [pick(&[0, 1, 2, 3]) as usize],
        }
    }
}

pub const TOPIC: &str = "events";
pub const PARTITIONS: i32 = 4;
const PRODUCERS: [&str; 2] = ["producer-1", "producer-2"];
const CONSUMERS: [&str; 2] = ["consumer-1", "consumer-2"];

/// Runs a plan and checks its history.
pub fn run(sim: &Sim, plan: Plan) -> Result<History, Box<dyn Error + Send + Sync>> {
    let cluster = MockCluster::builder().brokers(3).topic_with(
        TOPIC,
        PARTITIONS as usize,
        Some(3),
        [("min.insync.replicas", "2")],
    );
    let cluster = cluster.seed(sim.seed()).world(sim.world("brokers")).build()?;
    sim.serve(cluster.transport());
    let history = History::new();
    sim.run(story(sim, &plan, &cluster, &history))??;
    read_logs(&cluster, &history)?;
    history.check()?;
    Ok(history)
}

async fn story(
    sim: &Sim,
    plan: &Plan,
    cluster: &MockCluster,
    history: &History,
) -> Result<(), Box<dyn Error + Send + Sync>> {
    sim.faults(LinkFaults::rough());
    let bootstrap = cluster.bootstrap();
    let producers = PRODUCERS.map(|name| Sending {
        name,
        sim: sim.clone(),
        history: history.clone(),
        bootstrap: bootstrap.clone(),
        plan: plan.clone(),
        next: Arc::default(),
        incarnations: Arc::default(),
        done: Arc::new(watch::Sender::new(false)),
    });
    let (tell_ends, ends) = watch::channel(None);
    let consumers = CONSUMERS.map(|name| Reading {
        name,
        sim: sim.clone(),
        history: history.clone(),
        bootstrap: bootstrap.clone(),
        plan: plan.clone(),
        ends: ends.clone(),
        incarnations: Arc::default(),
        done: Arc::new(watch::Sender::new(false)),
        seeks: name == "consumer-1",
        closes: name == "consumer-2",
    });
    let producers_done: Vec<_> = producers.iter().map(|producer| producer.done.subscribe()).collect();
    let consumers_done: Vec<_> = consumers.iter().map(|consumer| consumer.done.subscribe()).collect();
    let sending = producers.map(Sending::start);
    let reading = consumers.map(Reading::start);
    let victims = sending.into_iter().chain(reading).filter(|host| plan.crashes.contains(&host.name()));
    let chaos = Chaos::new(sim, cluster).hosts(PRODUCERS.into_iter().chain(CONSUMERS)).victims(victims);
    chaos.run_for(plan.chaos).await;
    for mut done in producers_done {
        done.wait_for(|done| *done).await?;
    }
    // What a producer gave up on may still be under way, and be written after all.
    tokio::time::sleep(Duration::from_secs(60)).await;
    sim.note("all producers have ended");
    let log_end = |partition| cluster.log_end(TOPIC, partition).map_or(0, |end| end.0);
    tell_ends.send_replace(Some((0..PARTITIONS).map(log_end).collect()));
    for mut done in consumers_done {
        done.wait_for(|done| *done).await?;
    }
    Ok(())
}

/// A connection, however long it takes.
pub async fn connect(bootstrap: &str, world: &World) -> Kafka {
    loop {
        let builder = Kafka::builder().bootstrap(bootstrap).world(world.clone());
        match builder.set("request.timeout.ms", 2_000).connect().await {
            Ok(kafka) => return kafka,
            Err(error) => assert!(error.is_retriable(), "{error}"),
        }
    }
}

/// Puts what the brokers hold into the history.
fn read_logs(cluster: &MockCluster, history: &History) -> Result<(), Box<dyn Error + Send + Sync>> {
    let mut scratch = CompressionScratch::default();
    for partition in 0..PARTITIONS {
        let topic_partition = TopicPartition::new(TOPIC, partition);
        for stored in cluster.log(TOPIC, partition) {
            for batch in Batches::new(stored.bytes, ReadOptions::default()) {
                for record in batch?.records(&mut scratch)?.iter() {
                    let record = record?;
                    let id = String::from_utf8_lossy(record.value.unwrap_or_default()).into_owned();
                    history.logged(&topic_partition, record.offset, id);
                }
            }
        }
    }
    Ok(())
}
