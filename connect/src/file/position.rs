//! What is stored of a file: its name, and how far it was read.
use serde::{Deserialize, Serialize};

/// What was read: stored as `{"filename": …}`, as Java's file source does.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct FilePartition {
    /// The file's name, as the configuration gives it.
    pub filename: String,
}

/// How far a file was read: stored as `{"position": …, "line": …, "checksum": …}`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FilePosition {
    /// How many bytes were read: the next line begins here.
    pub position: u64,
    /// How many lines were read.
    #[serde(default)]
    pub line: u64,
    /// CRC-32C of the file's first bytes, up to 1024 of those that were read: by it a file that took another's name is
    /// told from one that grew. Java's file source stores none, and its positions are taken on trust.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checksum: Option<u32>,
}

/// How many bytes the checksum covers.
pub(super) const HEAD_BYTES: usize = 1024;

/// The first bytes of a file.
#[derive(Clone, Debug, Default)]
pub(super) struct Head {
    bytes: Vec<u8>,
}

impl Head {
    /// Takes bytes that were read at a position; those that continue the head are kept.
    pub(super) fn read(&mut self, position: u64, bytes: &[u8]) {
        if position == self.bytes.len() as u64 {
            let room = HEAD_BYTES - self.bytes.len();
            self.bytes.extend_from_slice(bytes.get(..room).unwrap_or(bytes));
        }
    }

    /// The checksum that belongs to a position; `None` if the head does not reach so far.
    pub(super) fn checksum(&self, position: u64) -> Option<u32> {
        let covered = usize::try_from(position).unwrap_or(HEAD_BYTES).min(HEAD_BYTES);
        self.bytes.get(..covered).map(crc_fast::crc32_iscsi)
    }

    /// Whether a stored position belongs to the file with this head.
    pub(super) fn matches(&self, stored: &FilePosition) -> bool {
        stored.checksum.is_none() || stored.checksum == self.checksum(stored.position)
    }
}
