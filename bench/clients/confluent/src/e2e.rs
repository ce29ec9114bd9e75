//! Producer and consumer of one program.

use std::sync::Arc;

use anyhow::Result;
use bench_harness::{Latencies, Measured, Parameters, paced, stamped};
use confluent_kafka::consumer::Consumer;
use confluent_kafka::producer::ProducerRecord;

use crate::consume::{PATIENCE, consumer};
use crate::produce::producer;

pub(crate) async fn run(parameters: &Parameters) -> Result<Measured> {
    let producer = Arc::new(producer(parameters)?);
    let settings = Arc::new(parameters.clone());
    let send = move |partition: i32| {
        let (producer, settings) = (Arc::clone(&producer), Arc::clone(&settings));
        async move {
            let value = stamped(settings.value_size);
            let record: ProducerRecord<&[u8], &[u8]> = ProducerRecord::with_partition_key(
                settings.topic.clone(),
                Some(partition),
                None,
                Some(&value[..]),
            )?;
            anyhow::Ok(producer.send(record, None).await?)
        }
    };
    send(0).await?.get().await?;

    let mut consumer = consumer(parameters).await?;
    let mut latencies = Latencies::new(parameters);
    let receiving = tokio::spawn(async move {
        while latencies.more() {
            for record in &consumer.poll(PATIENCE).await? {
                latencies.take(record.value().map(|value| &value[..]))?;
            }
        }
        anyhow::Ok(latencies.finish())
    });
    let partitions = parameters.clone();
    let start = paced(parameters, move |index| {
        let sent = send(partitions.partition_of(index));
        async move {
            drop(sent.await?);
            Ok(())
        }
    })
    .await?;
    Measured::at_a_rate(parameters, start, receiving.await??)
}
