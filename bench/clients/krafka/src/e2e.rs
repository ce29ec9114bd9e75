//! Producer and consumer of one program.

use anyhow::Result;
use bench_harness::{Latencies, Measured, Parameters, paced, stamped};
use krafka::Record;

use crate::connect;
use crate::consume::{PATIENCE, consumer};
use crate::produce::producer;

pub(crate) async fn run(parameters: &Parameters) -> Result<Measured> {
    let kafka = connect(parameters).await?;
    let producer = producer(&kafka, parameters).await?;
    let record = |partition: i32| {
        Record::new(parameters.topic.as_str(), stamped(parameters.value_size)).partition(partition)
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
    let start = paced(parameters, async |index| {
        drop(producer.enqueue(record(parameters.partition_of(index))).await?);
        Ok(())
    })
    .await?;
    Measured::end_to_end(parameters, start, receiving.await??)
}
