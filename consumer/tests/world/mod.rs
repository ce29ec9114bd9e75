//! A mock cluster in the process, in virtual time, and a consumer of it.
#![allow(dead_code, unreachable_pub, clippy::unwrap_used, clippy::expect_used)]
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use courant_broker_mock::{LoggedRequest, MockCluster, MockClusterBuilder};
use courant_client::Kafka;
use courant_consumer::{Batch, Consumer, ConsumerBuilder, Error};
use courant_protocol::messages::AnyRequest;
use courant_protocol::messages::{FetchRequest, OffsetCommitRequest};
use courant_protocol::types::UnixMillis;
use courant_runtime::{VirtualClock, World};

pub fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// Runs a story on one thread whose clock stands still while there is work; one that hangs fails after an hour of it.
pub fn run<T>(story: impl Future<Output = T>) -> T {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    runtime.block_on(async {
        tokio::time::timeout(Duration::from_secs(3600), story).await.expect("the story ends within an hour")
    })
}

/// A cluster in virtual time; call it inside [`run`].
pub fn cluster(change: impl FnOnce(MockClusterBuilder) -> MockClusterBuilder) -> MockCluster {
    let clock = VirtualClock::starting_at(UnixMillis(1_700_000_000_000));
    let world = World::builder().clock(Arc::new(clock)).seed(1).build();
    let builder =
        MockCluster::builder().brokers(3).topic("a", 3).config("log.retention.ms", "-1").world(world).seed(1);
    change(builder).build().unwrap()
}

pub async fn connect(cluster: &MockCluster) -> Kafka {
    Kafka::builder().bootstrap(cluster.bootstrap()).world(cluster.world()).connect().await.unwrap()
}

/// A consumer of partition 0 of topic `a`, from its start.
pub fn reader(kafka: &Kafka) -> ConsumerBuilder {
    Consumer::builder(kafka).assign([("a", 0)]).auto_offset_reset("earliest")
}

/// `partition@offset` of each record of a poll.
pub fn places(batch: &Batch) -> Vec<(i32, i64)> {
    batch.iter().map(|record| (record.partition().0, record.offset().0)).collect()
}

/// The offsets of the next poll.
pub async fn poll(consumer: &mut Consumer) -> Result<Vec<i64>, Error> {
    let batch = consumer.poll().await?.expect("the consumer is open");
    Ok(batch.iter().map(|record| record.offset().0).collect())
}

/// Polls until so many records have come.
pub async fn poll_records(consumer: &mut Consumer, count: usize) -> Vec<(i32, i64)> {
    let mut got = Vec::new();
    while got.len() < count {
        got.extend(places(&consumer.poll().await.unwrap().expect("the consumer is open")));
    }
    got
}

/// The OffsetCommit requests that came.
pub fn commits(cluster: &MockCluster) -> Vec<OffsetCommitRequest> {
    pick(cluster, |request| match request {
        AnyRequest::OffsetCommit(request) => Some((**request).clone()),
        _ => None,
    })
}

/// The Fetch requests that came.
pub fn fetches(cluster: &MockCluster) -> Vec<FetchRequest> {
    pick(cluster, |request| match request {
        AnyRequest::Fetch(request) => Some((**request).clone()),
        _ => None,
    })
}

/// How many requests of a kind came.
pub fn requests_of(cluster: &MockCluster, api: courant_protocol::api::ApiKey) -> usize {
    cluster.request_log().iter().filter(|logged| logged.api == api).count()
}

fn pick<T>(cluster: &MockCluster, choose: impl Fn(&AnyRequest) -> Option<T>) -> Vec<T> {
    cluster.request_log().iter().filter_map(|logged: &LoggedRequest| choose(&logged.request)).collect()
}
