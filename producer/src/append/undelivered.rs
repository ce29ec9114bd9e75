//! The records of a batch that is in no log: still encoded, and read back when somebody asks for one.
use std::sync::OnceLock;

use courant_protocol::compression::CompressionScratch;
use courant_protocol::record::{BatchRecords, RecordError, RecordSpan, RecordView, SealedBatch};

/// Shared by the deliveries of a batch that failed. It costs the good path nothing, and the bad one a reference to the
/// batch's body, which lives until the last of those deliveries is gone.
#[derive(Debug)]
pub(crate) struct Undelivered {
    batch: SealedBatch,
    /// All of them, once one was asked for: a batch is decompressed as a whole.
    records: OnceLock<Option<ReadBack>>,
}

/// The batch's body and where each record lies in it.
#[derive(Debug)]
struct ReadBack {
    records: BatchRecords,
    spans: Vec<RecordSpan>,
}

impl Undelivered {
    pub(crate) fn new(batch: SealedBatch) -> Self {
        Self { batch, records: OnceLock::new() }
    }

    /// The record at `index`, and the batch whose bytes it shares; none if what was encoded cannot be read, which would be
    /// a defect of this library.
    pub(crate) fn record(&self, index: u32) -> Option<(&BatchRecords, RecordView<'_>)> {
        let read = self.records.get_or_init(|| {
            let read = read_back(&self.batch);
            debug_assert!(read.is_ok(), "a batch of our own can be read: {read:?}");
            read.ok()
        });
        let ReadBack { records, spans } = read.as_ref()?;
        let span = spans.get(usize::try_from(index).ok()?)?;
        Some((records, records.view(span)))
    }
}

fn read_back(batch: &SealedBatch) -> Result<ReadBack, RecordError> {
    let records = batch.read_back(&mut CompressionScratch::new())?;
    let spans =
        records.iter().map(|record| record.map(|record| records.span(&record))).collect::<Result<_, _>>()?;
    Ok(ReadBack { records, spans })
}
