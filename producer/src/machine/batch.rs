//! A sealed batch: its bytes for good, its stamp when it is first sent, its outcome exactly once.
use std::sync::Arc;
use std::time::Instant;

use bytes::BytesMut;
use courant_client::{Error, ErrorKind};
use courant_protocol::compression::{Codec, CompressionScratch};
use courant_protocol::record::{RecordError, SealError, SealedBatch, Stamp};
use courant_protocol::types::{Offset, ProducerEpoch, Sequence, UnixMillis};
use courant_protocol::wire::Records;

use super::identity::Producer;
use crate::append::{ClosedBatch, Completion, Hold, Outcome, Undelivered};

/// What makes a batch recognisable to the broker (KIP-98). Given when it is first sent and kept for its life, so that
/// the broker knows a second attempt for what it is; only a new epoch takes it away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SequenceStamp {
    pub(crate) producer: Producer,
    pub(crate) base_sequence: Sequence,
}

/// The place of a batch among its partition's: the number of the batch, and for a part of one that was split the index
/// of its first record there. Sequences follow this order, but they wrap and this does not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Order(pub(crate) u64, pub(crate) u32);

/// A batch that takes no more records, from here to its outcome.
pub(crate) struct Batch {
    pub(crate) sealed: SealedBatch,
    /// Gone once the outcome was given.
    completion: Option<Arc<Completion>>,
    hold: Option<Hold>,
    pub(crate) opened_at: Instant,
    pub(crate) order: Order,
    pub(crate) stamp: Option<SequenceStamp>,
    /// The epoch of the transaction that it belongs to.
    pub(crate) transaction_epoch: Option<ProducerEpoch>,
    /// How often it was sent.
    pub(crate) attempts: u32,
    /// An attempt went out of which nobody knows what became.
    pub(crate) possibly_written: bool,
    /// It had a stamp that a new epoch took away.
    pub(crate) restamped: bool,
}

impl Batch {
    pub(crate) fn new(
        sealed: SealedBatch,
        completion: Arc<Completion>,
        hold: Option<Hold>,
        opened_at: Instant,
    ) -> Self {
        Self {
            sealed,
            completion: Some(completion),
            hold,
            opened_at,
            order: Order::default(),
            stamp: None,
            transaction_epoch: None,
            attempts: 0,
            possibly_written: false,
            restamped: false,
        }
    }

    /// Seals what was closed: here it is compressed and summed up. A batch that the compressor fails on has its outcome at
    /// once, its records go back, and none is left to send.
    pub(crate) fn seal(
        closed: ClosedBatch,
        codec: Codec,
        level: Option<i32>,
        scratch: &mut CompressionScratch,
    ) -> Option<Self> {
        let ClosedBatch { writer, completion, hold, opened_at } = closed;
        match writer.seal(codec, level, scratch) {
            Ok(sealed) => Some(Self::new(sealed, completion, Some(hold), opened_at)),
            Err(SealError { source, uncompressed }) => {
                let what = "the batch could not be compressed; `compression.type` chooses the codec";
                let mut batch = Self::new(*uncompressed, completion, Some(hold), opened_at);
                batch.fail(Error::new(ErrorKind::Internal, what).because(source), Vec::new());
                None
            }
        }
    }

    /// How many records, as sequences count them.
    pub(crate) fn count(&self) -> i32 {
        i32::try_from(self.sealed.count()).unwrap_or(i32::MAX)
    }

    /// The sequence of its last record.
    pub(crate) fn last_sequence(&self) -> Option<Sequence> {
        self.stamp.map(|stamp| stamp.base_sequence.plus(self.count() - 1))
    }

    /// Header and body as they go on the wire with the stamp of now; the body is shared.
    pub(crate) fn records(&self) -> Records {
        let stamp = match self.stamp {
            Some(SequenceStamp { producer, base_sequence }) => {
                Stamp::idempotent(producer.id, producer.epoch, base_sequence)
            }
            None => Stamp::default(),
        };
        self.sealed.records(&stamp.transactional(self.transaction_epoch.is_some()))
    }

    /// It goes out, or comes back to be sent again: only what waits counts as its partition's queue (KIP-794).
    pub(crate) fn set_waiting(&mut self, is_waiting: bool) {
        if let Some(hold) = &mut self.hold {
            hold.set_waiting(is_waiting);
        }
    }

    /// It goes out, which its topic's metrics count.
    pub(super) fn count_sent(&self) {
        if let Some(hold) = &self.hold {
            let (bytes, uncompressed_bytes) = (self.sealed.len(), self.sealed.uncompressed_bytes());
            hold.topic_counts().note_sent(self.sealed.count(), bytes, uncompressed_bytes);
        }
    }

    /// It will be sent again, which its topic's metrics count.
    pub(super) fn count_retried(&self) {
        if let Some(hold) = &self.hold {
            hold.topic_counts().records_retried += u64::from(self.sealed.count());
        }
    }

    /// Whether nobody has heard of an outcome yet.
    pub(crate) fn is_undecided(&self) -> bool {
        self.completion.is_some()
    }

    /// The broker has it.
    pub(crate) fn deliver(&mut self, base_offset: Offset, log_append_time: Option<UnixMillis>) {
        self.settle(None, Outcome::Written { base_offset, log_append_time });
    }

    /// It failed; `record_errors` are the errors of single records, sorted (KIP-467). Unless it was possibly written, the
    /// records go back to those who wait for them.
    pub(crate) fn fail(&mut self, error: Error, record_errors: Vec<(u32, Error)>) {
        let counted = error.clone();
        let undelivered =
            (!error.possibly_written()).then(|| Arc::new(Undelivered::new(self.sealed.clone())));
        let record_errors = record_errors.into();
        self.settle(Some(&counted), Outcome::Failed { error, record_errors, undelivered });
    }

    fn settle(&mut self, failed: Option<&Error>, outcome: Outcome) {
        let Some(completion) = self.completion.take() else { return };
        completion.complete(outcome);
        if let Some(hold) = &mut self.hold {
            hold.settle(failed.map(|error| (self.sealed.count() as usize, error)));
        }
    }

    /// Cuts the batch into parts of at most `max_bytes` (KIP-126). They keep order, time and sequences: the first part
    /// starts at the whole's sequence, and each next one follows on.
    #[allow(clippy::result_large_err, reason = "a batch that cannot be split goes on as it is")]
    pub(crate) fn split(
        mut self,
        max_bytes: usize,
        level: Option<i32>,
        scratch: &mut CompressionScratch,
    ) -> Result<Vec<Self>, (Self, RecordError)> {
        let Some(whole) = self.completion.clone() else { return Ok(Vec::new()) };
        let sealed = match self.sealed.split(max_bytes, level, scratch) {
            Ok(sealed) => sealed,
            Err(error) => return Err((self, error)),
        };
        let mut parts = Vec::with_capacity(sealed.len());
        let mut completions = Vec::with_capacity(sealed.len());
        let mut start = 0;
        for sealed in sealed {
            let completion = Completion::new(whole.topic.clone(), whole.partition);
            completions.push((start, Arc::clone(&completion)));
            let hold = self.hold.as_mut().map(|hold| hold.split_off(sealed.uncompressed_bytes()));
            let count = sealed.count();
            let mut part = Self::new(sealed, completion, hold, self.opened_at);
            part.order = Order(self.order.0, self.order.1 + start);
            part.stamp = self.stamp.map(|stamp| SequenceStamp {
                base_sequence: stamp.base_sequence.plus(i32::try_from(start).unwrap_or(i32::MAX)),
                ..stamp
            });
            part.transaction_epoch = self.transaction_epoch;
            part.attempts = self.attempts;
            part.possibly_written = self.possibly_written;
            part.restamped = self.restamped;
            start += count;
            parts.push(part);
        }
        self.settle(None, Outcome::Split(completions.into()));
        Ok(parts)
    }

    /// The body's buffer, for the next batch, if no request holds it any more.
    pub(crate) fn into_buffer(self) -> Option<BytesMut> {
        self.sealed.into_buffer()
    }
}
