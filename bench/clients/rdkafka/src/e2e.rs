//! Producer and consumer of one program.

use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use bench_harness::{Latencies, Measured, Parameters, paced_blocking, stamped};
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::Message;
use rdkafka::producer::{BaseRecord, Producer, ThreadedProducer};

use crate::consume::{self, PATIENCE, assignment};
use crate::produce::{self, Failures};

pub(crate) fn run(parameters: &Parameters) -> Result<Measured> {
    let producer: ThreadedProducer<Failures> =
        produce::config(parameters).create_with_context(Failures::default())?;
    let send = |partition: i32| {
        let value = stamped(parameters.value_size);
        let record = BaseRecord::<[u8], [u8]>::to(&parameters.topic).payload(&value[..]).partition(partition);
        producer.send(record).map_err(|(error, _)| error)
    };
    send(0)?;
    producer.flush(Duration::from_secs(10))?;

    let theirs = parameters.clone();
    let receiving = std::thread::spawn(move || {
        let consumer: BaseConsumer = consume::config(&theirs).create()?;
        consumer.assign(&assignment(&theirs)?)?;
        let mut latencies = Latencies::new(&theirs);
        while latencies.more() {
            let message = consumer.poll(PATIENCE).context("no record came")??;
            latencies.take(message.payload())?;
        }
        anyhow::Ok(latencies.finish())
    });
    let start = paced_blocking(parameters, |index| Ok(send(parameters.partition_of(index))?))?;
    let latencies = receiving.join().map_err(|_| anyhow!("the consumer's thread panicked"))??;
    Measured::at_a_rate(parameters, start, latencies)
}
