//! Record batches: ours, kafka-protocol's, and the copy that both are compared with.

use std::hint::black_box;

use anyhow::{Context, Result, ensure};
use bench_harness::json_value;
use bytes::{Bytes, BytesMut};
use courant_protocol::compression::{Codec, CompressionScratch};
use courant_protocol::record::{
    BatchWriter, Batches, NO_HEADERS, ReadOptions, RecordSpan, SealedBatch, Stamp, WriterOptions,
};
use courant_protocol::types::UnixMillis;
use kafka_protocol::records::{
    Compression, Record, RecordBatchDecoder, RecordBatchEncoder, RecordEncodeOptions, TimestampType,
};

use crate::timing::{best, row};

pub(crate) fn measure() -> Result<()> {
    for size in [100, 1024] {
        let count = (128 * 1024) / (size + 24);
        let values: Vec<Bytes> = (0..count).map(|i| json_value(i, size).into()).collect();
        let keys: Vec<Bytes> = (0..count).map(|i| format!("{i:016}").into()).collect();
        let batch = encode(size, &keys, &values)?;
        decode(size, &batch, count)?;
    }
    Ok(())
}

/// Encodes with both and gives our batch.
fn encode(size: usize, keys: &[Bytes], values: &[Bytes]) -> Result<Bytes> {
    let millions = keys.len() as f64 / 1e6;
    let mut scratch = CompressionScratch::new();
    let batch = ours(keys, values, &mut scratch)?.to_bytes(&Stamp::default());

    let records: Vec<Record> = keys.iter().zip(values).enumerate().map(theirs).collect();
    let options = RecordEncodeOptions { version: 2, compression: Compression::None };
    let mut output = BytesMut::new();
    RecordBatchEncoder::encode(&mut output, records.iter(), &options)?;
    ensure!(output.len() == batch.len(), "the two encoders differ");

    let secs = best(|| {
        let sealed = ours(black_box(keys), values, &mut scratch);
        black_box(sealed.map(|sealed| sealed.header(&Stamp::default())).is_ok());
    });
    row("batch", "courant encode and checksum", size, millions / secs, "M records/s");
    let secs = best(|| {
        output.clear();
        black_box(RecordBatchEncoder::encode(&mut output, black_box(records.iter()), &options).is_ok());
    });
    row("batch", "kafka-protocol encode and checksum", size, millions / secs, "M records/s");
    let mut copy = vec![0; batch.len()];
    let secs = best(|| {
        copy.copy_from_slice(black_box(&batch));
        black_box(&mut copy);
    });
    row("batch", "memcpy of the batch", size, millions / secs, "M records/s");
    Ok(batch)
}

/// Decodes a batch with both, ours borrowed and kept.
fn decode(size: usize, batch: &Bytes, count: usize) -> Result<()> {
    let millions = count as f64 / 1e6;
    let mut scratch = CompressionScratch::new();
    let found = walk(batch, &mut scratch)?;
    ensure!(found == count * size, "the decoder found {found} bytes of values");
    let secs = best(|| {
        black_box(walk(black_box(batch), &mut scratch).is_ok());
    });
    row("batch", "courant checksum and decode, borrowed", size, millions / secs, "M records/s");
    let mut spans: Vec<RecordSpan> = Vec::with_capacity(count);
    let secs = best(|| {
        spans.clear();
        black_box(keep(black_box(batch), &mut scratch, &mut spans).is_ok());
    });
    row("batch", "courant checksum and decode, kept", size, millions / secs, "M records/s");
    let secs = best(|| {
        black_box(RecordBatchDecoder::decode(&mut black_box(batch).clone()).is_ok());
    });
    row("batch", "kafka-protocol decode", size, millions / secs, "M records/s");
    Ok(())
}

fn ours(keys: &[Bytes], values: &[Bytes], scratch: &mut CompressionScratch) -> Result<SealedBatch> {
    let mut writer = BatchWriter::new(BytesMut::with_capacity(160 * 1024), WriterOptions::default());
    for (index, (key, value)) in keys.iter().zip(values).enumerate() {
        writer.append(UnixMillis(timestamp(index)), Some(key), Some(value), NO_HEADERS)?;
    }
    Ok(writer.seal(Codec::None, None, scratch)?)
}

fn theirs((index, (key, value)): (usize, (&Bytes, &Bytes))) -> Record {
    Record {
        transactional: false,
        control: false,
        delete_horizon: false,
        partition_leader_epoch: -1,
        producer_id: -1,
        producer_epoch: -1,
        timestamp_type: TimestampType::Creation,
        offset: index as i64,
        sequence: index as i32,
        timestamp: timestamp(index),
        key: Some(key.clone()),
        value: Some(value.clone()),
        headers: Default::default(),
    }
}

/// The bytes of all values.
fn walk(batch: &Bytes, scratch: &mut CompressionScratch) -> Result<usize> {
    let batch = Batches::new(batch.clone(), ReadOptions::default()).next().context("no batch")??;
    let mut bytes = 0;
    for record in batch.records(scratch)?.iter() {
        bytes += record?.value.map_or(0, <[u8]>::len);
    }
    Ok(bytes)
}

/// Where all records lie, to be kept beside their batch.
fn keep(batch: &Bytes, scratch: &mut CompressionScratch, spans: &mut Vec<RecordSpan>) -> Result<()> {
    let batch = Batches::new(batch.clone(), ReadOptions::default()).next().context("no batch")??;
    let records = batch.records(scratch)?;
    for record in records.iter() {
        spans.push(records.span(&record?));
    }
    Ok(())
}

fn timestamp(index: usize) -> i64 {
    1_700_000_000_000 + index as i64 / 50
}
