//! Producer and consumer of one program.

use anyhow::Result;
use bench_harness::{Latencies, Measured, Parameters, paced, stamped};
use confluent_kafka::consumer::Consumer;
use confluent_kafka::producer::ProducerRecord;

use crate::consume::{PATIENCE, consumer};
use crate::produce::producer;

pub(crate) async fn run(parameters: &Parameters) -> Result<Measured> {
    let producer = producer(parameters)?;
    let send = async |partition: i32| {
        let value = stamped(parameters.value_size);
        let record: ProducerRecord<&[u8], &[u8]> = ProducerRecord::with_partition_key(
            parameters.topic.clone(),
            Some(partition),
            None,
            Some(&value[..]),
        )?;
        anyhow::Ok(producer.send(record, None).await?)
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
    let start = paced(parameters, async |index| {
        drop(send(parameters.partition_of(index)).await?);
        Ok(())
    })
    .await?;
    Measured::end_to_end(parameters, start, receiving.await??)
}
