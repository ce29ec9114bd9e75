//! How old records are when they are read: a producer and a consumer on one `Kafka`, for as long as somebody listens.

use std::io::Write;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result};
use courant_client::{Kafka, Target};
use courant_consumer::Consumer;
use courant_producer::{Producer, Record};
use courant_protocol::messages::MetadataRequest;
use courant_protocol::messages::metadata::MetadataRequestTopic;
use courant_protocol::types::TopicName;

/// The cluster answers sooner.
const PATIENCE: Duration = Duration::from_secs(30);

/// Prints `leader`, partition and node for each partition, then writes so many records a second, to each partition in turn,
/// and prints partition, time of writing and age of each that comes back: microseconds, the time since 1970.
///
/// Ends when its output is closed.
pub(crate) async fn run(kafka: &Kafka, topic: &str, rate: u32) -> Result<()> {
    let partitions = leaders(kafka, topic).await?;
    let mut consumer = Consumer::builder(kafka)
        .assign((0..partitions).map(|partition| (topic, partition)))
        .auto_offset_reset("earliest")
        .start()
        .await?;
    let producer = Producer::builder(kafka).linger(Duration::ZERO).start().await?;
    let topic = TopicName::from(topic);
    let mut pace = tokio::time::interval(Duration::from_secs(1) / rate);
    let writing = tokio::spawn(async move {
        for partition in (0..partitions).cycle() {
            pace.tick().await;
            let value = now_micros().to_string();
            // What becomes of it is seen where records are read.
            drop(producer.enqueue(Record::to(topic.clone()).partition(partition).value(value)).await?);
        }
        anyhow::Ok(())
    });
    while let Some(batch) = consumer.poll().await? {
        let now = now_micros();
        let mut out = std::io::stdout().lock();
        for record in &batch {
            let written: u64 =
                std::str::from_utf8(record.value().context("a record without a value")?)?.parse()?;
            writeln!(out, "{}\t{written}\t{}", record.partition(), now.saturating_sub(written))?;
        }
        if writing.is_finished() {
            return writing.await?;
        }
    }
    Ok(())
}

/// Prints who leads each partition; how many there are.
async fn leaders(kafka: &Kafka, topic: &str) -> Result<i32> {
    let topic = MetadataRequestTopic { name: Some(topic.into()), ..MetadataRequestTopic::default() };
    let request = MetadataRequest { topics: Some(vec![topic]), ..MetadataRequest::default() };
    let deadline = kafka.world().now() + PATIENCE;
    let (metadata, _) = kafka.cluster().call(Target::Any, request, deadline).await?;
    let partitions = metadata.topics.into_iter().next().context("no such topic")?.partitions;
    for partition in &partitions {
        println!("leader\t{}\t{}", partition.partition_index, partition.leader_id);
    }
    Ok(i32::try_from(partitions.len())?)
}

fn now_micros() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_micros()).unwrap_or(u64::MAX)
}
