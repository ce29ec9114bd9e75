//! Which topics a consumer's metadata subscribes to: as much of the embedded protocol as a coordinator reads.
use std::collections::BTreeSet;

use bytes::Bytes;
use courant_protocol::wire::{DecodeError, Reader, Str};

/// The topics of a subscription, which begins alike in all versions; `None` if it does not read as one.
pub(super) fn topics(metadata: &Bytes) -> Option<BTreeSet<Str>> {
    read(metadata.clone()).ok()
}

fn read(metadata: Bytes) -> Result<BTreeSet<Str>, DecodeError> {
    let mut reader = Reader::new(metadata);
    let _version = reader.i16()?;
    let count = reader.i32()?;
    (0..count).map(|_| reader.string(false).map(|topic| Str::from(&*topic))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn topics_are_read_from_any_version_and_nonsense_gives_none() {
        let metadata = Bytes::from_static(&[0, 3, 0, 0, 0, 2, 0, 1, b'a', 0, 2, b'b', b'c', 0xff, 0xff]);
        let found = topics(&metadata).unwrap();
        assert_eq!(found.iter().map(|topic| &**topic).collect::<Vec<_>>(), ["a", "bc"]);
        assert_eq!(topics(&metadata.slice(..10)), None);
        assert_eq!(topics(&Bytes::new()), None);
    }
}
