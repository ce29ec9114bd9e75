//! Reads what was written.
use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context, Result};
use courant_client::Kafka;
use courant_consumer::Consumer;
use tokio::time::timeout;

/// A record as it is compared: its time, key, value and headers.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Row {
    pub(crate) timestamp: i64,
    pub(crate) key: Option<Vec<u8>>,
    pub(crate) value: Option<Vec<u8>>,
    pub(crate) headers: Vec<(Vec<u8>, Option<Vec<u8>>)>,
}

/// All records of a topic, by partition.
pub(crate) async fn topic(kafka: &Kafka, topic: &str) -> Result<BTreeMap<i32, Vec<Row>>> {
    let mut consumer = Consumer::builder(kafka).auto_offset_reset("earliest").start().await?;
    let partitions = consumer.partitions_for(topic).await?;
    let ends = consumer.end_offsets(partitions.clone()).await?;
    let mut left: i64 = ends.values().map(|end| end.0).sum();
    let mut rows: BTreeMap<i32, Vec<Row>> =
        partitions.iter().map(|partition| (partition.partition.0, Vec::new())).collect();
    consumer.assign(partitions)?;
    while left > 0 {
        let batch = timeout(Duration::from_secs(30), consumer.poll()).await;
        let batch = batch.with_context(|| format!("{left} records of {topic} do not come"))??;
        for record in &batch.context("the consumer ended")? {
            left -= 1;
            let headers =
                record.headers().map(|header| (header.key.to_vec(), header.value.map(<[u8]>::to_vec)));
            rows.entry(record.partition().0).or_default().push(Row {
                timestamp: record.timestamp().0,
                key: record.key().map(<[u8]>::to_vec),
                value: record.value().map(<[u8]>::to_vec),
                headers: headers.collect(),
            });
        }
    }
    consumer.close(Duration::from_secs(10)).await?;
    Ok(rows)
}
