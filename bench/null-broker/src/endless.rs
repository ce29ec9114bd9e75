//! Fetch without a store: one batch for ever.
//!
//! The answer is encoded by hand (versions 4 to 12), so that no record byte is copied: each batch is eight patched bytes
//! and a shared slice.

use std::sync::atomic::Ordering::Relaxed;

use anyhow::{Context, Result, ensure};
use bench_harness::json_value;
use bytes::{BufMut, Bytes, BytesMut};
use kafka_protocol::messages::FetchRequest;
use kafka_protocol::messages::fetch_request::FetchPartition;
use kafka_protocol::records::{Record, RecordBatchEncoder, RecordEncodeOptions, TimestampType};

use crate::Config;
use crate::broker::Broker;
use crate::output::Output;
use crate::store::i32_at;

/// The batch that answers every fetch.
#[derive(Debug)]
pub(crate) struct EndlessBatch {
    /// Without its base offset, which the checksum does not cover.
    tail: Bytes,
    records: i64,
}

impl EndlessBatch {
    /// Builds it.
    pub(crate) fn build(config: &Config) -> Result<Self> {
        let records: Vec<Record> = (0..config.batch_records).map(|index| record(config, index)).collect();
        let mut buffer = BytesMut::new();
        let options = RecordEncodeOptions { version: 2, compression: config.compression };
        RecordBatchEncoder::encode(&mut buffer, records.iter(), &options)?;
        let batch = buffer.freeze();
        let size = i32_at(&batch, 8).and_then(|size| usize::try_from(size).ok()).context("no batch")?;
        let is_one = size + 12 == batch.len() && i32_at(&batch, 57) == i32::try_from(records.len()).ok();
        ensure!(is_one, "what answers fetches must be exactly one batch");
        Ok(Self { tail: batch.slice(OFFSET_BYTES..), records: i64::try_from(records.len())? })
    }

    fn bytes(&self) -> usize {
        OFFSET_BYTES + self.tail.len()
    }
}

fn record(config: &Config, index: usize) -> Record {
    Record {
        transactional: false,
        control: false,
        delete_horizon: false,
        partition_leader_epoch: 0,
        producer_id: -1,
        producer_epoch: -1,
        timestamp_type: TimestampType::Creation,
        offset: index as i64,
        // Consecutive, or the encoder begins another batch.
        sequence: index as i32,
        timestamp: 1_700_000_000_000 + index as i64 / 50,
        key: (config.key_size > 0)
            .then(|| Bytes::from(format!("{:0width$}", index % 1000, width = config.key_size))),
        value: Some(Bytes::from(json_value(index, config.value_size))),
        headers: Default::default(),
    }
}

impl Broker {
    /// As many batches as each partition may have.
    pub(crate) fn fetch_endless(&self, request: &FetchRequest, version: i16, output: &mut Output) {
        self.stats.fetch_requests.fetch_add(1, Relaxed);
        let flexible = version >= 12;
        let limit = usize::try_from(request.max_bytes).unwrap_or(0).max(1);
        let mut total = 0;
        output.encoding.put_i32(0);
        if version >= 7 {
            output.encoding.put_i16(0);
            output.encoding.put_i32(0);
        }
        put_count(&mut output.encoding, request.topics.len(), flexible);
        for topic in &request.topics {
            match flexible {
                true => put_unsigned_varint(&mut output.encoding, topic.topic.len() as u32 + 1),
                false => output.encoding.put_i16(topic.topic.len() as i16),
            }
            output.encoding.put_slice(topic.topic.as_bytes());
            put_count(&mut output.encoding, topic.partitions.len(), flexible);
            for partition in &topic.partitions {
                total += self.endless_partition(partition, version, limit.saturating_sub(total), output);
            }
            put_tags(&mut output.encoding, flexible);
        }
        put_tags(&mut output.encoding, flexible);
        self.stats.fetch_bytes.fetch_add(total as u64, Relaxed);
    }

    /// One partition; gives the bytes of its records.
    fn endless_partition(
        &self,
        partition: &FetchPartition,
        version: i16,
        left: usize,
        output: &mut Output,
    ) -> usize {
        let flexible = version >= 12;
        let encoding = &mut output.encoding;
        encoding.put_i32(partition.partition);
        encoding.put_i16(0);
        encoding.put_i64(i64::MAX / 4);
        encoding.put_i64(i64::MAX / 4);
        if version >= 5 {
            encoding.put_i64(0);
        }
        // No aborted transactions.
        if flexible {
            encoding.put_u8(0)
        } else {
            encoding.put_i32(-1)
        }
        if version >= 11 {
            encoding.put_i32(-1);
        }
        let size = self.batch.bytes();
        let room = usize::try_from(partition.partition_max_bytes).unwrap_or(0);
        let room = room.min(self.config.fetch_bytes).min(left);
        let batches = if left == 0 { 0 } else { (room / size).max(1) };
        match flexible {
            true => put_unsigned_varint(encoding, (batches * size) as u32 + 1),
            false => encoding.put_i32((batches * size) as i32),
        }
        for index in 0..batches as i64 {
            encoding.put_i64(partition.fetch_offset.saturating_add(index * self.batch.records));
            output.inserts.push((encoding.len(), self.batch.tail.clone()));
        }
        put_tags(encoding, flexible);
        self.stats.fetch_records.fetch_add(batches as u64 * self.batch.records as u64, Relaxed);
        batches * size
    }
}

fn put_count(encoding: &mut BytesMut, count: usize, flexible: bool) {
    match flexible {
        true => put_unsigned_varint(encoding, count as u32 + 1),
        false => encoding.put_i32(count as i32),
    }
}

fn put_tags(encoding: &mut BytesMut, flexible: bool) {
    if flexible {
        encoding.put_u8(0);
    }
}

fn put_unsigned_varint(encoding: &mut BytesMut, mut value: u32) {
    while value >= 0x80 {
        encoding.put_u8(value as u8 | 0x80);
        value >>= 7;
    }
    encoding.put_u8(value as u8);
}

const OFFSET_BYTES: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Buf;
    use kafka_protocol::messages::fetch_request::FetchTopic;
    use kafka_protocol::messages::{FetchResponse, TopicName};
    use kafka_protocol::protocol::{Decodable, StrBytes};
    use kafka_protocol::records::{Compression, RecordBatchDecoder};

    #[tokio::test]
    async fn every_version_is_what_a_decoder_expects_and_continues_at_the_offset() -> Result<()> {
        let config = Config {
            host: "127.0.0.1".to_owned(),
            port: 0,
            partitions: 1,
            value_size: 100,
            key_size: 8,
            batch_records: 10,
            compression: Compression::Lz4,
            fetch_bytes: 4000,
            store: false,
        };
        let (broker, _listener) = Broker::bind(config).await?;
        let partition = FetchPartition::default()
            .with_partition(3)
            .with_fetch_offset(70)
            .with_partition_max_bytes(1 << 20);
        let topic = FetchTopic::default()
            .with_topic(TopicName(StrBytes::from_static_str("a")))
            .with_partitions(vec![partition]);
        let request = FetchRequest::default().with_max_bytes(1 << 20).with_topics(vec![topic]);
        for version in 4..=12 {
            let mut output = Output::default();
            broker.fetch_endless(&request, version, &mut output);
            output.seal();
            let size = output.remaining();
            let mut bytes = output.copy_to_bytes(size);
            let response = FetchResponse::decode(&mut bytes, version)?;
            assert!(bytes.is_empty(), "version {version}");
            let mut records = response.responses[0].partitions[0].records.clone().context("records")?;
            let sets = RecordBatchDecoder::decode_all(&mut records)?;
            let offsets: Vec<i64> =
                sets.iter().flat_map(|set| set.records.iter().map(|record| record.offset)).collect();
            assert!(offsets.len() >= 20, "version {version}: more than one batch fits");
            assert!(offsets.iter().copied().eq(70..70 + offsets.len() as i64), "version {version}");
        }
        Ok(())
    }
}
