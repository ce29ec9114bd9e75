//! Rows into the topic, and lines that are no rows into the dead-letter topic.
use std::collections::VecDeque;

use anyhow::Context;
use courant::producer::{DeliveryFuture, Producer};
use courant::{Kafka, Record, RecordMetadata, UnixMillis};

use crate::report::Progress;
use crate::rows::{Malformed, Row, Rows};
use crate::{CLOSE_TIMEOUT, DEAD_TOPIC, TOPIC};

/// How many records may wait for their acknowledgement before the oldest is awaited.
const UNACKNOWLEDGED_MAX: usize = 20_000;

/// What this run put into the topics.
#[derive(Default)]
pub(crate) struct Produced {
    /// Data rows taken from the file, dead letters included.
    pub(crate) read: u64,
    /// Lines sent to the dead-letter topic.
    pub(crate) dead_letters: u64,
    /// Where each acknowledged row lies.
    pub(crate) delivered: Vec<RecordMetadata>,
}

/// Sends every row of the file and waits until all are acknowledged.
pub(crate) async fn produce(kafka: &Kafka, mut rows: Rows, progress: &Progress) -> anyhow::Result<Produced> {
    let producer = Producer::builder(kafka).start().await.context("cannot start the producer")?;
    let mut produced = Produced::default();
    let mut waiting = VecDeque::new();
    while let Some(row) = rows.next_row()? {
        produced.read += 1;
        let row = match row {
            Ok(row) => row,
            Err(malformed) => {
                dead_letter(&producer, malformed).await?;
                produced.dead_letters += 1;
                continue;
            }
        };
        waiting.push_back(enqueue(&producer, row).await?);
        if waiting.len() > UNACKNOWLEDGED_MAX
            && let Some(oldest) = waiting.pop_front()
        {
            produced.delivered.push(acknowledged(oldest).await?);
        }
        progress.show(rows.share_read(), produced.read);
    }
    producer.flush().await.context("cannot flush the producer")?;
    for delivery in waiting {
        produced.delivered.push(acknowledged(delivery).await?);
    }
    progress.finish(produced.read);
    producer.close(CLOSE_TIMEOUT).await.context("cannot close the producer")?;
    Ok(produced)
}

async fn enqueue(producer: &Producer, row: Row) -> anyhow::Result<DeliveryFuture> {
    let record = Record::to(TOPIC).key(row.key).value(row.json).timestamp(UnixMillis(row.time_ms));
    producer.enqueue(record).await.with_context(|| format!("cannot send to {TOPIC}"))
}

async fn acknowledged(delivery: DeliveryFuture) -> anyhow::Result<RecordMetadata> {
    delivery.await.with_context(|| format!("a record for {TOPIC} was not acknowledged"))
}

async fn dead_letter(producer: &Producer, malformed: Malformed) -> anyhow::Result<()> {
    let record = Record::to(DEAD_TOPIC)
        .value(malformed.raw)
        .header("line", malformed.line.to_string())
        .header("error", malformed.error);
    producer
        .send(record)
        .await
        .with_context(|| format!("cannot send line {} to {DEAD_TOPIC}", malformed.line))?;
    Ok(())
}
