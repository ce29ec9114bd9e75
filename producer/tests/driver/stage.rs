//! A cluster, a client and a producer on one thread whose clock is virtual.
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use courant_broker_mock::{MockCluster, MockClusterBuilder};
use courant_client::Kafka;
use courant_producer::{Producer, ProducerBuilder, Record};
use courant_protocol::compression::CompressionScratch;
use courant_protocol::messages::AnyRequest;
use courant_protocol::record::{Batches, ReadOptions};
use courant_protocol::types::UnixMillis;
use courant_runtime::{VirtualClock, World};

pub(crate) const SECOND: Duration = Duration::from_secs(1);

pub(crate) struct Stage {
    pub(crate) cluster: MockCluster,
    pub(crate) kafka: Kafka,
}

/// Runs a story in virtual time; one that hangs fails after ten virtual minutes.
pub(crate) fn play<F: Future<Output = ()>>(story: impl FnOnce() -> F) {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
    runtime.block_on(async {
        tokio::time::timeout(600 * SECOND, story()).await.expect("the story hangs");
    });
}

impl Stage {
    /// One broker with topic `t` of three partitions.
    pub(crate) async fn new() -> Self {
        Self::with(|cluster| cluster.topic("t", 3)).await
    }

    pub(crate) async fn with(build: impl FnOnce(MockClusterBuilder) -> MockClusterBuilder) -> Self {
        let clock = VirtualClock::starting_at(UnixMillis(1_700_000_000_000));
        let world = World::builder().clock(Arc::new(clock)).seed(1).blocking_inline().build();
        let cluster = build(MockCluster::builder().world(world)).build().unwrap();
        let bootstrap = cluster.bootstrap();
        let kafka = Kafka::builder().bootstrap(bootstrap).world(cluster.world()).connect().await.unwrap();
        Self { cluster, kafka }
    }

    pub(crate) fn builder(&self) -> ProducerBuilder {
        Producer::builder(&self.kafka)
    }

    pub(crate) async fn producer(&self) -> Producer {
        self.builder().start().await.unwrap()
    }

    /// The values of a partition's records, as texts.
    pub(crate) fn values(&self, partition: i32) -> Vec<String> {
        let mut scratch = CompressionScratch::new();
        let mut values = Vec::new();
        for stored in self.cluster.log("t", partition) {
            for batch in Batches::new(stored.bytes.clone(), ReadOptions::default()) {
                for record in &batch.unwrap().records(&mut scratch).unwrap() {
                    let value = record.unwrap().value.unwrap_or_default().to_vec();
                    values.push(String::from_utf8(value).unwrap());
                }
            }
        }
        values
    }

    /// Epoch, base sequence and count of the batches in a partition's log.
    pub(crate) fn stamps(&self, partition: i32) -> Vec<(i16, i32, i32)> {
        let log = self.cluster.log("t", partition);
        let headers = log.iter().map(|batch| batch.header);
        headers.map(|h| (h.producer_epoch.0, h.base_sequence.0, h.count)).collect()
    }

    /// How many produce requests the brokers have received.
    pub(crate) fn produce_requests(&self) -> usize {
        let is_produce = |request: &AnyRequest| matches!(request, AnyRequest::Produce(_));
        self.cluster.request_log().iter().filter(|logged| is_produce(&logged.request)).count()
    }
}

/// A record for partition 0 of the topic.
pub(crate) fn record(value: impl ToString) -> Record {
    Record::to("t").partition(0).value(value.to_string())
}

pub(crate) fn texts(numbers: impl IntoIterator<Item = u32>) -> Vec<String> {
    numbers.into_iter().map(|number| number.to_string()).collect()
}
