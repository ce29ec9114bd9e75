//! One broker falls silent, and nobody who reads from the others notices.
#![allow(clippy::unwrap_used, reason = "a test panics")]
mod batches;

use std::collections::BTreeMap;
use std::time::Duration;

use batches::unplaced;
use courant_broker_mock::MockCluster;
use courant_client::Kafka;
use courant_consumer::Consumer;
use courant_protocol::types::NodeId;
use courant_sim::{LinkFaults, Sim};

/// A record comes to each partition so often.
const PACE: Duration = Duration::from_millis(25);
const RECORD_BYTES: usize = 20_000;
const SILENCE: Duration = Duration::from_secs(30);
/// Less than the brokers would fill while one of them holds its share and gives nothing.
const BUDGET: u64 = 256 << 10;

/// How long each record of a partition took to be handed out, in the order of the records.
type Delays = BTreeMap<i32, Vec<Duration>>;

struct Story {
    sim: Sim,
    cluster: MockCluster,
}

impl Story {
    fn new() -> Self {
        let sim = Sim::new(1);
        let builder = MockCluster::builder().brokers(3).world(sim.world("brokers"));
        let cluster = builder.topic_with("a", 3, None, [("retention.ms", "-1")]).build().unwrap();
        for (partition, node) in (0..).zip(cluster.nodes()) {
            cluster.move_leader("a", partition, node).unwrap();
        }
        sim.serve(cluster.transport());
        sim.faults(LinkFaults::slow(Duration::from_millis(2)));
        Self { sim, cluster }
    }

    async fn consumer(&self) -> Consumer {
        let builder = Kafka::builder().bootstrap(self.cluster.bootstrap()).world(self.sim.world("app"));
        let kafka = builder.connect().await.unwrap();
        let builder = Consumer::builder(&kafka).assign((0..3).map(|partition| ("a", partition)));
        builder.auto_offset_reset("earliest").fetch_buffer_bytes(BUDGET).start().await.unwrap()
    }

    /// Writes to all partitions for so long, and reads what comes until then.
    async fn read_for(&self, consumer: &mut Consumer, time: Duration) -> Delays {
        let end = self.sim.elapsed() + time;
        let write = async {
            let batch = unplaced([vec![b'x'; RECORD_BYTES]]);
            let mut written = BTreeMap::new();
            while self.sim.elapsed() < end {
                for partition in 0..3 {
                    let bytes = batch.to_bytes(&Default::default());
                    let offset = self.cluster.append_raw("a", partition, bytes).unwrap();
                    written.insert((partition, offset), self.sim.elapsed());
                }
                tokio::time::sleep(PACE).await;
            }
            written
        };
        let read = async {
            let mut read = Vec::new();
            while let Ok(batch) =
                tokio::time::timeout(end.saturating_sub(self.sim.elapsed()), consumer.poll()).await
            {
                let batch = batch.unwrap().unwrap();
                let now = self.sim.elapsed();
                read.extend(batch.iter().map(|record| ((record.partition().0, record.offset()), now)));
            }
            read
        };
        let (written, read) = tokio::join!(write, read);
        let mut delays = Delays::new();
        for (place, at) in read {
            // What was written before this began belongs to nobody's time.
            if let Some(since) = written.get(&place) {
                delays.entry(place.0).or_default().push(at - *since);
            }
        }
        delays
    }
}

fn p99(delays: &[Duration]) -> Duration {
    let mut sorted = delays.to_vec();
    sorted.sort_unstable();
    sorted[sorted.len() * 99 / 100]
}

#[test]
fn a_silent_broker_holds_up_nobody_elses_records() {
    let story = Story::new();
    let sim = story.sim.clone();
    sim.run(async {
        let mut consumer = story.consumer().await;
        story.read_for(&mut consumer, Duration::from_secs(5)).await;
        let before = story.read_for(&mut consumer, SILENCE / 2).await;
        let silent = 1;
        assert_eq!(story.cluster.leader("a", silent), Some(NodeId(2)));
        sim.partition("app", "mock-2");
        let during = story.read_for(&mut consumer, SILENCE).await;
        sim.heal("app", "mock-2");
        assert!(!during.contains_key(&silent), "it is silent");
        for partition in [0, 2] {
            let (calm, troubled) = (&before[&partition], &during[&partition]);
            let least = 2 * calm.len() * 99 / 100;
            assert!(troubled.len() >= least, "{} records, {} before", troubled.len(), calm.len());
            let (calm, troubled) = (p99(calm), p99(troubled));
            assert!(calm > Duration::ZERO && calm < Duration::from_millis(100), "{calm:?}");
            assert!(troubled <= calm.mul_f64(1.1), "partition {partition}: {calm:?}, then {troubled:?}");
        }
        // And what it has kept back comes, in order.
        let end = story.cluster.log_end("a", silent).unwrap();
        while consumer.position(("a", silent)).await.unwrap() < end {
            drop(consumer.poll().await.unwrap().unwrap());
        }
    })
    .unwrap();
}
