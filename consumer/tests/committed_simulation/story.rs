//! One run: writers and a reader at work while the world is rough, and what was read when all has come to rest.
use std::collections::BTreeMap;
use std::error::Error;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use courant_broker_mock::MockCluster;
use courant_client::Kafka;
use courant_consumer::{Consumer, IsolationLevel};
use courant_protocol::types::NodeId;
use courant_runtime::{Rng, World};
use courant_sim::{Chaos, LinkFaults, Sim};

use crate::plan::Plan;
use crate::truth::{self, Seen};
use crate::writers::Writers;

pub const TOPIC: &str = "payments";

/// How long the reader may take to catch up in a calm world.
const REST: Duration = Duration::from_secs(120);

type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

/// What was handed out, by partition.
type Read = Arc<Mutex<BTreeMap<i32, Vec<Seen>>>>;

/// What a run came to.
pub struct Summary {
    pub read: usize,
    pub hidden: usize,
}

/// Runs a plan and compares what was read with the logs.
pub fn run(sim: &Sim, plan: &Plan) -> Outcome<Summary> {
    let cluster = cluster(sim, plan)?;
    sim.serve(cluster.transport());
    sim.note(format_args!("{plan:?}"));
    let read = Read::default();
    let reader = sim.host("reader").start({
        let (plan, read, bootstrap) = (plan.clone(), Arc::clone(&read), cluster.bootstrap());
        move |world| reader(world, bootstrap.clone(), plan.clone(), Arc::clone(&read))
    });
    sim.run(async {
        sim.faults(LinkFaults::rough());
        tokio::join!(write(sim, plan, &cluster), trouble(sim, plan, &cluster));
        sim.calm();
        let outcome = rest(sim, plan, &cluster, &read).await;
        reader.crash();
        outcome
    })?
}

fn cluster(sim: &Sim, plan: &Plan) -> Outcome<MockCluster> {
    let segment_ms = if plan.rolls { "604800000" } else { "9223372036854775807" };
    let configs = [("retention.ms", "-1"), ("segment.ms", segment_ms)];
    let mut builder =
        MockCluster::builder().brokers(3).racks(["a", "b", "c"]).seed(sim.seed()).world(sim.world("brokers"));
    if plan.near {
        let selector = "org.apache.kafka.common.replica.RackAwareReplicaSelector";
        builder = builder.config("replica.selector.class", selector);
    }
    let partitions = usize::try_from(plan.partitions)?;
    let cluster = builder.topic_with(TOPIC, partitions, Some(3), configs).build()?;
    cluster.shuffle_aborted_transactions(plan.shuffled);
    Ok(cluster)
}

async fn reader(world: World, bootstrap: String, plan: Plan, read: Read) {
    let kafka = loop {
        let builder = Kafka::builder().bootstrap(&bootstrap).world(world.clone());
        match builder.set("request.timeout.ms", 2_000).set("metadata.max.age.ms", 5_000).connect().await {
            Ok(kafka) => break kafka,
            Err(error) => assert!(error.is_retriable(), "{error}"),
        }
    };
    let mut consumer = Consumer::builder(&kafka)
        .assign((0..plan.partitions).map(|partition| (TOPIC, partition)))
        .auto_offset_reset("earliest")
        .isolation_level(IsolationLevel::ReadCommitted)
        .max_poll_records(plan.max_poll_records)
        .max_partition_fetch_bytes(plan.max_partition_bytes)
        .client_rack("b")
        .start()
        .await
        .unwrap();
    loop {
        // What cannot be reached is told, and tried further on.
        let Ok(Some(batch)) = consumer.poll().await else { continue };
        let mut read = read.lock().unwrap();
        for record in &batch {
            let seen = (record.offset().0, record.value().unwrap_or_default().to_vec());
            read.entry(record.partition().0).or_default().push(seen);
        }
    }
}

async fn write(sim: &Sim, plan: &Plan, cluster: &MockCluster) {
    let mut writers = Writers::new(cluster, plan, sim.rng("writers"));
    let mut rng = sim.rng("pace");
    while sim.elapsed() < plan.rough {
        tokio::time::sleep(rng.duration(Duration::ZERO, Duration::from_millis(200))).await;
        writers.step();
    }
}

async fn trouble(sim: &Sim, plan: &Plan, cluster: &MockCluster) {
    if !plan.near {
        return Chaos::new(sim, cluster).hosts(["reader"]).run_for(plan.rough).await;
    }
    let mut rng = sim.rng("trouble");
    while sim.elapsed() < plan.rough {
        tokio::time::sleep(rng.duration(Duration::ZERO, Duration::from_secs(1))).await;
        let node = NodeId(1 + rng.below(3) as i32);
        let partition = rng.below(plan.partitions as u64) as i32;
        disturb(sim, cluster, &mut rng, partition, node);
    }
}

/// Followers stop and go on, stay in sync all the while, and may come to lead: nothing that was read is lost by that.
fn disturb(sim: &Sim, cluster: &MockCluster, rng: &mut Rng, partition: i32, node: NodeId) {
    let (what, done) = match rng.below(4) {
        0 => ("is held back", cluster.hold_follower(TOPIC, partition, node)),
        1 => ("follows", cluster.release_follower(TOPIC, partition, node)),
        2 => ("leads", cluster.move_leader(TOPIC, partition, node)),
        _ => {
            sim.cut("reader", &format!("mock-{node}"));
            return;
        }
    };
    if done.is_ok() {
        sim.note(format_args!("broker {node} {what} for partition {partition}"));
    }
}

/// Waits until the reader has everything, and a while longer; fails with the first thing that is wrong.
async fn rest(sim: &Sim, plan: &Plan, cluster: &MockCluster, read: &Read) -> Outcome<Summary> {
    for partition in 0..plan.partitions {
        for node in cluster.nodes() {
            // The leader is none to release.
            let _ = cluster.release_follower(TOPIC, partition, node);
        }
    }
    Writers::new(cluster, plan, sim.rng("end")).end_all();
    let start = sim.elapsed();
    let mut summary = Summary { read: 0, hidden: 0 };
    for partition in 0..plan.partitions {
        let (wanted, hidden) = truth::of(cluster, TOPIC, partition);
        let count = || read.lock().unwrap().get(&partition).map_or(0, Vec::len);
        while count() < wanted.len() && sim.elapsed() < start + REST {
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
        // What is too much comes late.
        tokio::time::sleep(Duration::from_secs(5)).await;
        compare(partition, read.lock().unwrap().get(&partition).map_or(&[][..], Vec::as_slice), &wanted)?;
        summary.read += wanted.len();
        summary.hidden += hidden;
    }
    Ok(summary)
}

fn compare(partition: i32, got: &[Seen], wanted: &[Seen]) -> Outcome<()> {
    if let Some((got, wanted)) = got.iter().zip(wanted).find(|(got, wanted)| got != wanted) {
        let (got, wanted) = ((got.0, String::from_utf8_lossy(&got.1)), wanted.0);
        return Err(format!("partition {partition}: {got:?} instead of offset {wanted}").into());
    }
    if got.len() != wanted.len() {
        let counts = (got.len(), wanted.len());
        return Err(format!("partition {partition}: {counts:?} records were read and committed").into());
    }
    Ok(())
}
