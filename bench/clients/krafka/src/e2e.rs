//! Producer and consumer of one program.

use std::sync::Arc;

use anyhow::Result;
use bench_harness::{Latencies, Measured, Parameters, paced, stamped};
use krafka::Record;

use crate::connect;
use crate::consume::{PATIENCE, consumer};
use crate::produce::producer;

pub(crate) async fn run(parameters: &Parameters) -> Result<Measured> {
    let kafka = connect(parameters).await?;
    let producer = Arc::new(producer(&kafka, parameters).await?);
    let settings = parameters.clone();
    let record = move |partition: i32| {
        Record::new(settings.topic.as_str(), stamped(settings.value_size)).partition(partition)
    };
    drop(producer.send(record(0)).await?);

    let consumer = consumer(&kafka, parameters).await?;
    let mut latencies = Latencies::new(parameters);
    let receiving = tokio::spawn(async move {
        while latencies.more() {
            for record in consumer.poll(PATIENCE).await? {
                latencies.take(record.value.as_deref())?;
            }
        }
        anyhow::Ok(latencies.finish())
    });
    let partitions = parameters.clone();
    let start = paced(parameters, move |index| {
        let (producer, record) = (Arc::clone(&producer), record(partitions.partition_of(index)));
        async move {
            drop(producer.enqueue(record).await?);
            Ok(())
        }
    })
    .await?;
    Measured::at_a_rate(parameters, start, receiving.await??)
}
