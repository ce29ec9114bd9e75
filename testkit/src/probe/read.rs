//! What can be asked of a cluster: its records, its topics, its offsets.

use std::io::Write;
use std::time::Duration;

use anyhow::{Context, Result};
use courant_client::{Kafka, Target};
use courant_consumer::Consumer;
use courant_protocol::messages::MetadataRequest;
use courant_protocol::types::UnixMillis;

use crate::line;

/// No record takes longer to come.
const PATIENCE: Duration = Duration::from_secs(50);

/// Prints so many records of a topic, from the beginning.
pub(crate) async fn consume(kafka: &Kafka, topic: &str, count: usize) -> Result<()> {
    let mut consumer = Consumer::builder(kafka).auto_offset_reset("earliest").start().await?;
    let partitions = consumer.partitions_for(topic).await?;
    consumer.assign(partitions)?;
    let mut out = std::io::BufWriter::new(std::io::stdout().lock());
    let mut read = 0;
    while read < count {
        let batch = tokio::time::timeout(PATIENCE, consumer.poll())
            .await
            .with_context(|| format!("only {read} of {count} records came"))??
            .context("the consumer ended")?;
        for record in &batch {
            writeln!(out, "{}", line::format(&record))?;
            read += 1;
        }
    }
    out.flush()?;
    consumer.close(PATIENCE).await?;
    Ok(())
}

/// Prints every topic with its number of partitions.
pub(crate) async fn list(kafka: &Kafka) -> Result<()> {
    let deadline = kafka.world().now() + PATIENCE;
    let everything = MetadataRequest { topics: None, ..MetadataRequest::default() };
    let (metadata, _) = kafka.cluster().call(Target::Any, everything, deadline).await?;
    for topic in metadata.topics {
        let name = topic.name.context("a topic without a name")?;
        println!("{name}\t{}", topic.partitions.len());
    }
    Ok(())
}

/// Prints start, end and the first offset at or after a time, for each partition.
pub(crate) async fn offsets(kafka: &Kafka, topic: &str, timestamp: i64) -> Result<()> {
    let consumer = Consumer::builder(kafka).start().await?;
    let partitions = consumer.partitions_for(topic).await?;
    let starts = consumer.beginning_offsets(partitions.clone()).await?;
    let ends = consumer.end_offsets(partitions.clone()).await?;
    let times = partitions.iter().cloned().map(|partition| (partition, UnixMillis(timestamp)));
    let at_time = consumer.offsets_for_times(times).await?;
    for partition in partitions {
        let start = starts.get(&partition).context("no start")?;
        let end = ends.get(&partition).context("no end")?;
        let at = at_time.get(&partition).and_then(|found| found.as_ref()).map_or(-1, |found| found.offset.0);
        println!("{}\t{start}\t{end}\t{at}", partition.partition);
    }
    Ok(())
}
