//! The control batch that ends a transaction in one partition, as a transaction coordinator has it written (KIP-98).
use bytes::BytesMut;
use courant_protocol::compression::{Codec, CompressionScratch};
use courant_protocol::error_code::ErrorCode;
use courant_protocol::record::control::{ControlRecord, marker};
use courant_protocol::record::{BatchHeader, BatchWriter, NO_HEADERS, Stamp, WriterOptions};
use courant_protocol::types::{Offset, ProducerEpoch, ProducerId, Sequence};

use super::appending::{AppendContext, Refusal};
use super::partition_log::PartitionLog;
use super::stored_batch::StoredBatch;

/// The epoch of the coordinator whose markers a test writes.
const COORDINATOR_EPOCH: i32 = 0;

impl PartitionLog {
    /// Appends the marker that ends a producer's transaction; without a transaction it is written all the same, and means
    /// nothing. A newer epoch than the producer's fences it, as it does under transactions v2 (KIP-890).
    pub(crate) fn append_marker(
        &mut self,
        producer_id: ProducerId,
        producer_epoch: ProducerEpoch,
        committed: bool,
        context: &AppendContext,
    ) -> Result<Offset, Refusal> {
        if let Some(newest) = self.newer_epoch(producer_id, producer_epoch) {
            let text = format!("the epoch of producer {producer_id} is {newest}, not {producer_epoch}");
            return Err(Refusal::new(ErrorCode::INVALID_PRODUCER_EPOCH, text));
        }
        let base_offset = self.log_end();
        let stamp = Stamp::idempotent(producer_id, producer_epoch, Sequence::NONE)
            .transactional(true)
            .at(base_offset, context.leader_epoch);
        let bytes = control_batch(committed, context, &stamp)?;
        let header = BatchHeader::parse(&bytes).map_err(unwritable)?;
        let record = if committed {
            ControlRecord::Commit { coordinator_epoch: COORDINATOR_EPOCH }
        } else {
            ControlRecord::Abort { coordinator_epoch: COORDINATOR_EPOCH }
        };
        self.push(StoredBatch::verbatim(header, bytes), Some(record), Some(context.segments));
        Ok(base_offset)
    }
}

fn control_batch(committed: bool, context: &AppendContext, stamp: &Stamp) -> Result<bytes::Bytes, Refusal> {
    let (key, value) = marker(committed, COORDINATOR_EPOCH);
    let mut writer = BatchWriter::new(BytesMut::new(), WriterOptions::control());
    writer.append(context.now, Some(&key), Some(&value), NO_HEADERS).map_err(unwritable)?;
    let sealed = writer.seal(Codec::None, None, &mut CompressionScratch::new()).map_err(unwritable)?;
    Ok(sealed.to_bytes(stamp))
}

fn unwritable(error: impl std::fmt::Display) -> Refusal {
    Refusal::new(ErrorCode::UNKNOWN_SERVER_ERROR, error.to_string())
}
