//! A batch as it lies in a log.
use bytes::{Bytes, BytesMut};
use courant_protocol::record::{BATCH_OVERHEAD, BatchHeader, patch_base_offset_and_epoch};
use courant_protocol::types::{LeaderEpoch, Offset, UnixMillis};

/// A batch up to this size is copied whole; of a larger one only the header.
const COPIED_BYTES: usize = 1024;

/// A batch with its header parsed and its place in the log set.
#[derive(Clone, Debug)]
pub(crate) struct StoredBatch {
    pub(crate) header: BatchHeader,
    head: Bytes,
    body: Bytes,
    /// The largest timestamp of this batch and all before it in the log.
    pub(super) largest_timestamp_so_far: UnixMillis,
    /// The number of the segment that it lies in.
    pub(super) segment: u64,
}

impl StoredBatch {
    /// Gives `batch` its place. The body stays where it is, unless the batch is so small that keeping the frame
    /// that it arrived in would cost more than a copy.
    pub(super) fn placed(
        mut header: BatchHeader,
        batch: &Bytes,
        base_offset: Offset,
        epoch: LeaderEpoch,
    ) -> Self {
        let copied = if batch.len() <= COPIED_BYTES { batch.len() } else { BATCH_OVERHEAD };
        let mut head = BytesMut::from(batch.get(..copied).unwrap_or_default());
        patch_base_offset_and_epoch(&mut head, base_offset, epoch);
        let span = header.last_offset.0.saturating_sub(header.base_offset.0);
        header.last_offset = Offset(base_offset.0.saturating_add(span));
        header.base_offset = base_offset;
        header.leader_epoch = epoch;
        Self::new(header, head.freeze(), batch.slice(copied..))
    }

    /// Keeps `batch` as it is, whatever its format.
    pub(super) fn verbatim(header: BatchHeader, batch: Bytes) -> Self {
        Self::new(header, batch, Bytes::new())
    }

    fn new(header: BatchHeader, head: Bytes, body: Bytes) -> Self {
        Self { header, head, body, largest_timestamp_so_far: UnixMillis::NONE, segment: 0 }
    }

    /// The size of the batch.
    pub(crate) fn len(&self) -> usize {
        self.head.len() + self.body.len()
    }

    /// The batch's bytes in one or two pieces.
    pub(crate) fn segments(&self) -> impl Iterator<Item = &Bytes> {
        [&self.head, &self.body].into_iter().filter(|segment| !segment.is_empty())
    }

    /// The batch's bytes in one piece.
    pub(crate) fn to_bytes(&self) -> Bytes {
        if self.body.is_empty() {
            return self.head.clone();
        }
        let mut whole = BytesMut::with_capacity(self.len());
        self.segments().for_each(|segment| whole.extend_from_slice(segment));
        whole.freeze()
    }
}
