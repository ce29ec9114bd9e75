//! Writes what comes in and says where each record went, in the order of the input.

use std::io::{BufRead, Write};
use std::time::Duration;

use anyhow::{Context, Result};
use courant_client::Kafka;
use courant_producer::{DeliveryFuture, Producer};
use courant_protocol::types::TopicName;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use crate::line;

/// Records are collected this long, so that batches hold enough to be worth a codec.
const LINGER: Duration = Duration::from_millis(100);

/// Writes the records of standard input to a topic; `settings` are further properties, `NAME=VALUE`.
pub(crate) async fn run(kafka: &Kafka, topic: &str, codec: &str, settings: &[&str]) -> Result<()> {
    let mut builder = Producer::builder(kafka).linger(LINGER).set("compression.type", codec);
    for setting in settings {
        let (name, value) = setting.split_once('=').context("a setting is NAME=VALUE")?;
        builder = builder.set(name, value);
    }
    let producer = builder.start().await?;
    let topic = TopicName::from(topic);
    let (deliveries, told) = unbounded_channel();
    let teller = tokio::spawn(tell(told));
    // Reading blocks this thread alone: the clients run on the runtime's own.
    for line in std::io::stdin().lock().lines() {
        deliveries.send(producer.enqueue(line::parse(&topic, &line?)?).await?)?;
    }
    drop(deliveries);
    producer.flush().await?;
    teller.await??;
    producer.close(Duration::from_secs(30)).await?;
    Ok(())
}

/// Prints a line per record: partition and offset, or the error and whether it may have been written all the same.
async fn tell(mut deliveries: UnboundedReceiver<DeliveryFuture>) -> Result<()> {
    while let Some(delivery) = deliveries.recv().await {
        let line = match delivery.await {
            Ok(at) => format!("{}\t{}\n", at.topic_partition.partition, at.offset),
            Err(failed) => format!("error\t{}\t{failed}\n", failed.error.possibly_written()),
        };
        let mut out = std::io::stdout().lock();
        out.write_all(line.as_bytes())?;
        out.flush()?;
    }
    Ok(())
}
