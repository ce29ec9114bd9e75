//! Producer and consumer of one program, on one `Kafka`.

use anyhow::{Context, Result};
use bench_harness::{Latencies, Measured, Parameters, paced, stamped};
use courant_producer::{Record, RecordTopic};

use crate::connect;
use crate::consume::consumer;
use crate::produce::producer;

pub(crate) async fn run(parameters: &Parameters) -> Result<Measured> {
    let kafka = connect(parameters).await?;
    let producer = producer(&kafka, parameters).await?;
    let topic = RecordTopic::from(&parameters.topic);
    let (value_size, partitions) = (parameters.value_size, parameters.clone());
    let record =
        move |partition: i32| Record::to(topic.clone()).partition(partition).value(stamped(value_size));
    producer.send(record(0)).await?;

    let mut consumer = consumer(&kafka, parameters).await?;
    let mut latencies = Latencies::new(parameters);
    let receiving = tokio::spawn(async move {
        while latencies.more() {
            for record in &consumer.poll().await?.context("the consumer was closed")? {
                latencies.take(record.value())?;
            }
        }
        anyhow::Ok(latencies.finish())
    });
    let start = paced(parameters, move |index| {
        let (producer, record) = (producer.clone(), record(partitions.partition_of(index)));
        async move {
            drop(producer.enqueue(record).await?);
            Ok(())
        }
    })
    .await?;
    Measured::at_a_rate(parameters, start, receiving.await??)
}
