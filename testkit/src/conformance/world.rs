//! What the functions share: handles, fresh topics, records in and records out.
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use courant::admin::{Admin, NewTopic};
use courant::consumer::{Batch, Consumer, ConsumerBuilder};
use courant::producer::{Producer, ProducerBuilder};
use courant::runtime::World;
use courant::{Kafka, Offset, PartitionId, Record, TopicName, TopicPartition, UnixMillis};

/// How long anything may take before a function fails.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// A cluster under judgement.
#[derive(Clone)]
pub struct Subject {
    /// Its bootstrap addresses.
    pub bootstrap: String,
    /// The world in which its addresses mean something.
    pub world: World,
    /// How many brokers it has.
    pub brokers: usize,
}

/// A record as it was read, with everything owned.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Got {
    /// Where it lay.
    pub(super) partition: PartitionId,
    /// Its place there.
    pub(super) offset: Offset,
    /// Its time.
    pub(super) timestamp: UnixMillis,
    /// Its key.
    pub(super) key: Option<Bytes>,
    /// Its value.
    pub(super) value: Option<Bytes>,
    /// Its headers, in order.
    pub(super) headers: Vec<(String, Option<Bytes>)>,
}

impl Got {
    /// The value as text.
    pub(super) fn text(&self) -> &str {
        std::str::from_utf8(self.value.as_deref().unwrap_or_default())
            .expect("a value of these tests is text")
    }
}

impl Subject {
    /// A handle of its own.
    pub async fn kafka(&self) -> Kafka {
        self.kafka_with(&[]).await
    }

    /// A handle with properties.
    pub async fn kafka_with(&self, properties: &[(&str, &str)]) -> Kafka {
        let mut builder = Kafka::builder().bootstrap(self.bootstrap.as_str()).world(self.world.clone());
        for (name, value) in properties {
            builder = builder.set(*name, value);
        }
        builder.connect().await.expect("the cluster answers")
    }
}

/// A name that no other function and no earlier run has used.
pub(super) fn fresh(stem: &str) -> TopicName {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let run = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_nanos());
    format!("{stem}-{:x}-{}", run & 0xffff_ffff_ffff, NEXT.fetch_add(1, Ordering::Relaxed)).into()
}

/// Creates a fresh topic that keeps everything.
pub(super) async fn topic(kafka: &Kafka, stem: &str, partitions: i32) -> TopicName {
    topic_with(kafka, stem, partitions, &[]).await
}

/// Creates a fresh topic with configs.
pub(super) async fn topic_with(
    kafka: &Kafka,
    stem: &str,
    partitions: i32,
    configs: &[(&str, &str)],
) -> TopicName {
    let name = fresh(stem);
    let mut topic = NewTopic::new(name.clone()).partitions(partitions).config("retention.ms", "-1");
    for (key, value) in configs {
        topic = topic.config(*key, *value);
    }
    let admin = Admin::new(kafka);
    admin.create_topics([topic]).await.all().expect("the topic is created");
    // A broker learns of a new topic a moment after the controller has made it.
    while !admin.list_topics().await.expect("listed").iter().any(|listing| listing.name == name) {
        tokio::task::yield_now().await;
    }
    name
}

/// A producer with properties.
pub(super) async fn producer_with(kafka: &Kafka, properties: &[(&str, &str)]) -> Producer {
    let set = |builder: ProducerBuilder, (name, value): &(&str, &str)| builder.set(*name, value);
    properties.iter().fold(Producer::builder(kafka), set).start().await.expect("the producer starts")
}

/// A producer with Kafka's defaults.
pub(super) async fn producer(kafka: &Kafka) -> Producer {
    producer_with(kafka, &[]).await
}

/// Sends `values` to a partition, in order, and waits for all.
pub(super) async fn fill(
    kafka: &Kafka,
    topic: &TopicName,
    partition: i32,
    values: impl IntoIterator<Item = String>,
) {
    let producer = producer(kafka).await;
    let mut deliveries = Vec::new();
    for value in values {
        deliveries.push(
            producer.enqueue(Record::to(topic).partition(partition).value(value)).await.expect("accepted"),
        );
    }
    for delivery in deliveries {
        delivery.await.expect("acknowledged");
    }
    producer.close(PATIENCE).await.expect("closed");
}

/// The texts `0`, `1`, … `n - 1`.
pub(super) fn numbers(n: usize) -> impl Iterator<Item = String> {
    (0..n).map(|i| i.to_string())
}

/// A consumer of a topic's first `partitions` partitions from their beginning, with properties.
pub(super) async fn consumer_with(
    kafka: &Kafka,
    topic: &str,
    partitions: i32,
    properties: &[(&str, &str)],
) -> Consumer {
    let all = (0..partitions).map(|p| TopicPartition::new(topic, p));
    let set = |builder: ConsumerBuilder, (name, value): &(&str, &str)| builder.set(*name, value);
    let builder = Consumer::builder(kafka).auto_offset_reset("earliest").assign(all);
    properties.iter().fold(builder, set).start().await.expect("the consumer starts")
}

/// The next batch, owned.
pub(super) async fn next(consumer: &mut Consumer) -> Vec<Got> {
    let polled = tokio::time::timeout(PATIENCE, consumer.poll()).await.expect("poll ends in time");
    owned(&polled.expect("poll succeeds").expect("the consumer is open"))
}

/// The records of a batch, owned.
pub(super) fn owned(batch: &Batch) -> Vec<Got> {
    let copy = |bytes: Option<&[u8]>| bytes.map(Bytes::copy_from_slice);
    let owned = |record: courant::consumer::Record<'_>| Got {
        partition: record.partition(),
        offset: record.offset(),
        timestamp: record.timestamp(),
        key: copy(record.key()),
        value: copy(record.value()),
        headers: record
            .headers()
            .map(|header| (header.key_text().into_owned(), copy(header.value)))
            .collect(),
    };
    batch.iter().map(owned).collect()
}

/// The next `n` records, by partition.
pub(super) async fn take(consumer: &mut Consumer, n: usize) -> BTreeMap<PartitionId, Vec<Got>> {
    let mut by_partition: BTreeMap<_, Vec<_>> = BTreeMap::new();
    let mut taken = 0;
    while taken < n {
        for got in next(consumer).await {
            taken += 1;
            by_partition.entry(got.partition).or_default().push(got);
        }
    }
    assert_eq!(taken, n, "exactly the records that were sent are read");
    by_partition
}

/// Reads `n` records from the beginning of a topic's first `partitions` partitions.
pub(super) async fn read(
    kafka: &Kafka,
    topic: &str,
    partitions: i32,
    n: usize,
) -> BTreeMap<PartitionId, Vec<Got>> {
    let mut consumer = consumer_with(kafka, topic, partitions, &[("enable.auto.commit", "false")]).await;
    let records = take(&mut consumer, n).await;
    consumer.close(PATIENCE).await.expect("closed");
    records
}

/// Reads `n` records from the beginning of partition 0.
pub(super) async fn read_one(kafka: &Kafka, topic: &str, n: usize) -> Vec<Got> {
    read(kafka, topic, 1, n).await.remove(&PartitionId(0)).unwrap_or_default()
}
