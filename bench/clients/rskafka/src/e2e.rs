//! Producers and streams of one program.

use std::sync::Arc;

use anyhow::{Context, Result};
use bench_harness::{Latencies, Measured, Parameters, paced, stamped};
use futures::StreamExt;

use crate::consume::stream;
use crate::partitions;
use crate::produce::{producer, record};

pub(crate) async fn run(parameters: &Parameters) -> Result<Measured> {
    let partitions = partitions(parameters).await?;
    let mut producers = Vec::new();
    for partition in &partitions {
        producers.push(Arc::new(producer(Arc::clone(partition), parameters)?));
    }
    let first = producers.first().context("there is no partition")?;
    first.produce(record(stamped(parameters.value_size))).await?;

    let mut streams =
        futures::stream::select_all(partitions.into_iter().map(|partition| stream(partition, parameters)));
    let mut latencies = Latencies::new(parameters);
    let receiving = tokio::spawn(async move {
        while latencies.more() {
            let (record, _) = streams.next().await.context("the streams ended")??;
            latencies.take(record.record.value.as_deref())?;
        }
        anyhow::Ok(latencies.finish())
    });
    let value_size = parameters.value_size;
    let start = paced(parameters, move |index| {
        let producer = producers.get(index % producers.len()).map(Arc::clone);
        async move {
            let producer = producer.context("there is no partition")?;
            // Its future has to be polled until the record is written.
            tokio::spawn(async move { producer.produce(record(stamped(value_size))).await });
            Ok(())
        }
    })
    .await?;
    Measured::at_a_rate(parameters, start, receiving.await??)
}
