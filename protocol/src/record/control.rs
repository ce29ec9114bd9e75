//! Control records: what brokers write among the records, and hardly a user sees.
//!
//! The key is `version i16, type i16`; a marker's value is `version i16, coordinator epoch i32`.
use crate::record::RecordView;
use crate::record::varint::Cursor;

/// What a control record says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ControlRecord {
    /// The transaction of the batch's producer was aborted.
    Abort {
        /// The epoch of the transaction coordinator that wrote the marker.
        coordinator_epoch: i32,
    },
    /// The transaction of the batch's producer was committed.
    Commit {
        /// The epoch of the transaction coordinator that wrote the marker.
        coordinator_epoch: i32,
    },
    /// The partition has another leader (KRaft's own log).
    LeaderChange,
    /// Another record, of KRaft's own log or of a later Kafka; it is skipped.
    Other {
        /// The type in the key.
        kind: i16,
    },
}

impl ControlRecord {
    /// Reads the record of a control batch; `None` when it is no control record's.
    pub fn parse(record: &RecordView<'_>) -> Option<Self> {
        let mut key = Cursor::new(record.key?);
        let version = i16::from_be_bytes(key.array()?);
        let kind = i16::from_be_bytes(key.array()?);
        // Later versions may add fields behind these (Kafka's `ControlRecordType.parse`).
        if version < 0 {
            return None;
        }
        let coordinator_epoch = || {
            let mut value = Cursor::new(record.value?);
            let _version: [u8; 2] = value.array()?;
            value.array().map(i32::from_be_bytes)
        };
        match kind {
            0 => Some(Self::Abort { coordinator_epoch: coordinator_epoch()? }),
            1 => Some(Self::Commit { coordinator_epoch: coordinator_epoch()? }),
            2 => Some(Self::LeaderChange),
            kind => Some(Self::Other { kind }),
        }
    }
}

/// Key and value of an end-of-transaction marker, version 0.
pub fn marker(commit: bool, coordinator_epoch: i32) -> ([u8; 4], [u8; 6]) {
    let [a, b, c, d] = coordinator_epoch.to_be_bytes();
    ([0, 0, 0, u8::from(commit)], [0, 0, a, b, c, d])
}
