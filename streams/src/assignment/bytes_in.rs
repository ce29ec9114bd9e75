//! Reading what other members sent, who may be of any version or broken.
use std::fmt;

use bytes::Buf;

use crate::task::TaskId;

/// The bytes of a member or leader are not what they should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Malformed {
    /// They end too early.
    TooShort,
    /// A number of entries is negative.
    NegativeCount,
    /// There is no such version.
    UnknownVersion(i32),
    /// A text is not UTF-8.
    NotText,
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooShort => f.write_str("the bytes end too early"),
            Self::NegativeCount => f.write_str("a number of entries is negative"),
            Self::UnknownVersion(version) => write!(f, "version {version} is not known"),
            Self::NotText => f.write_str("a text is not UTF-8"),
        }
    }
}

impl std::error::Error for Malformed {}

impl From<bytes::TryGetError> for Malformed {
    fn from(_: bytes::TryGetError) -> Self {
        Self::TooShort
    }
}

/// The next `length` bytes.
pub(super) fn take<'a>(bytes: &mut &'a [u8], length: usize) -> Result<&'a [u8], Malformed> {
    let (taken, rest) = bytes.split_at_checked(length).ok_or(Malformed::TooShort)?;
    *bytes = rest;
    Ok(taken)
}

/// A list: its length in four bytes, then the entries. Nothing is set aside for entries that are not there.
pub(super) fn list<T>(
    bytes: &mut &[u8],
    mut entry: impl FnMut(&mut &[u8]) -> Result<T, Malformed>,
) -> Result<Vec<T>, Malformed> {
    let count = bytes.try_get_i32()?;
    if count < 0 {
        return Err(Malformed::NegativeCount);
    }
    let mut entries = Vec::new();
    for _ in 0..count {
        if bytes.is_empty() {
            return Err(Malformed::TooShort);
        }
        entries.push(entry(bytes)?);
    }
    Ok(entries)
}

/// A text whose length comes first, in two bytes (Java's `writeUTF`, for texts without characters that it encodes oddly).
pub(super) fn text(bytes: &mut &[u8]) -> Result<String, Malformed> {
    let length = usize::from(bytes.try_get_u16()?);
    let text = take(bytes, length)?.to_vec();
    String::from_utf8(text).map_err(|_| Malformed::NotText)
}

/// A task as an assignment has it; from version 10 on with the name of a named topology, which nobody has.
pub(super) fn task_id(bytes: &mut &[u8], version: i32) -> Result<TaskId, Malformed> {
    let task = TaskId { sub_topology: bytes.try_get_i32()?, partition: bytes.try_get_i32()? };
    if version >= NAMED_TOPOLOGIES {
        let characters = usize::try_from(bytes.try_get_i32()?).map_err(|_| Malformed::NegativeCount)?;
        take(bytes, characters.saturating_mul(2))?;
    }
    Ok(task)
}

/// The version that brought named topologies, an experiment of Kafka Streams.
pub(super) const NAMED_TOPOLOGIES: i32 = 10;
/// The newest version (`StreamsAssignmentProtocolVersions.LATEST_SUPPORTED_VERSION`).
pub(super) const LATEST_VERSION: i32 = 11;
