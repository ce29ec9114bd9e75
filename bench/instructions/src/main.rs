//! `instructions PATH COUNT`: sends so many records down one path, the same way in every run.
//!
//! | path | what is done for each record |
//! |---|---|
//! | `encode` | a keyed record is written into a batch of 128 KiB, which is sealed when it is full |
//! | `enqueue` | `Producer::enqueue` without a key: room, partition, encoding, a handle; nothing is sent meanwhile |
//! | `enqueue-keyed` | the same with a key of 16 bytes |
//! | `deliver` | `enqueue`, and the driver and a broker in memory until every record is acknowledged |
//!
//! `cargo xtask instructions` runs it under callgrind with two counts; the difference is free of what starting costs. One
//! thread, and a clock that only moves when there is nothing to do: what differs from run to run is the seed of hash maps.

use std::hint::black_box;

use anyhow::{Context, Result, bail};
use bench_harness::json_value;
use bytes::{Bytes, BytesMut};
use courant_broker_mock::MockCluster;
use courant_client::Kafka;
use courant_producer::{DeliveryFuture, Producer, Record};
use courant_protocol::compression::{Codec, CompressionScratch};
use courant_protocol::record::{BatchWriter, NO_HEADERS, Stamp, WriterOptions};
use courant_protocol::types::UnixMillis;
use futures::FutureExt;

/// Bytes of a value.
const VALUE: usize = 100;
/// Different records; they are used again and again.
const KINDS: usize = 1_000;
/// Bytes of a batch that is full.
const BATCH: usize = 128 * 1024;
/// Partitions of the topic.
const PARTITIONS: i32 = 6;

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [path, count] = arguments.as_slice() else { bail!("usage: instructions PATH COUNT") };
    let count: usize = count.parse().with_context(|| format!("`{count}` is no count of records"))?;
    match path.as_str() {
        "encode" => encode(count),
        "enqueue" => produce(count, false, false),
        "enqueue-keyed" => produce(count, true, false),
        "deliver" => produce(count, false, true),
        other => bail!("there is no path `{other}`"),
    }
}

/// Keys and values of the records.
fn payloads() -> Vec<(Bytes, Bytes)> {
    (0..KINDS).map(|kind| (format!("{kind:016}").into(), json_value(kind, VALUE).into())).collect()
}

fn encode(count: usize) -> Result<()> {
    let payloads = payloads();
    let mut scratch = CompressionScratch::new();
    let new_writer = || BatchWriter::new(BytesMut::with_capacity(BATCH + 1024), WriterOptions::default());
    let mut writer = new_writer();
    let mut written = 0;
    for (index, (key, value)) in payloads.iter().cycle().take(count).enumerate() {
        writer.append(UnixMillis(index as i64), Some(key), Some(value), NO_HEADERS)?;
        written += VALUE;
        if written > BATCH {
            let full = std::mem::replace(&mut writer, new_writer());
            black_box(full.seal(Codec::None, None, &mut scratch)?.header(&Stamp::default()));
            written = 0;
        }
    }
    Ok(())
}

fn produce(count: usize, is_keyed: bool, is_delivered: bool) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build()?;
    runtime.block_on(async {
        let cluster = MockCluster::builder().topic("t", PARTITIONS as usize).request_log(0).build()?;
        let kafka = Kafka::builder().bootstrap(cluster.bootstrap()).world(cluster.world()).connect().await?;
        let producer = Producer::builder(&kafka).buffer_memory_bytes(256 << 20).start().await?;
        // From now on the topic is known.
        producer.send(Record::to("t").value("first")).await?;
        let mut deliveries: Vec<DeliveryFuture> = Vec::with_capacity(count);
        for (key, value) in payloads().iter().cycle().take(count) {
            let record = Record::to("t").value(value.clone());
            let record = if is_keyed { record.key(key.clone()) } else { record };
            deliveries.push(producer.enqueue(record).now_or_never().context("there is room for all")??);
        }
        if is_delivered {
            producer.flush().await?;
            for delivery in deliveries {
                black_box(delivery.now_or_never().context("it was flushed")??);
            }
        }
        Ok(())
    })
}
