//! Offsets that may be stored, until they are: a write that failed is made up for by the next one.
use std::collections::BTreeMap;

/// The offsets of a source task between "every record is safe" and "stored".
///
/// One write is under way at a time. If it fails its offsets go back, beneath those that came meanwhile: the newer one of
/// a partition wins, and none is forgotten (Kafka's `OffsetStorageWriter`).
#[derive(Debug)]
pub(crate) struct PendingOffsets<P, O> {
    waiting: BTreeMap<P, O>,
    writing: Option<BTreeMap<P, O>>,
}

impl<P: Ord + Clone, O: Clone> PendingOffsets<P, O> {
    pub(crate) fn new() -> Self {
        Self { waiting: BTreeMap::new(), writing: None }
    }

    /// These may be stored now.
    pub(crate) fn add(&mut self, offsets: impl IntoIterator<Item = (P, O)>) {
        self.waiting.extend(offsets);
    }

    /// Whether there is nothing to write and nothing being written.
    pub(crate) fn is_empty(&self) -> bool {
        self.waiting.is_empty() && self.writing.is_none()
    }

    /// Begins a write; `None` if one is under way or there is nothing to write.
    pub(crate) fn begin(&mut self) -> Option<&BTreeMap<P, O>> {
        if self.writing.is_some() || self.waiting.is_empty() {
            return None;
        }
        self.writing = Some(std::mem::take(&mut self.waiting));
        self.writing.as_ref()
    }

    /// The write has succeeded; gives what is stored now.
    pub(crate) fn written(&mut self) -> BTreeMap<P, O> {
        self.writing.take().unwrap_or_default()
    }

    /// The write has failed; its offsets wait again, except where a newer one does.
    pub(crate) fn failed(&mut self) {
        for (partition, offset) in self.writing.take().unwrap_or_default() {
            self.waiting.entry(partition).or_insert(offset);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_write_goes_back_beneath_what_came_meanwhile() {
        let mut pending = PendingOffsets::new();
        pending.add([("a", 1), ("b", 1)]);
        assert_eq!(pending.begin(), Some(&BTreeMap::from([("a", 1), ("b", 1)])));
        pending.add([("a", 2), ("c", 1)]);
        assert_eq!(pending.begin(), None, "one write at a time");
        pending.failed();
        assert_eq!(pending.begin(), Some(&BTreeMap::from([("a", 2), ("b", 1), ("c", 1)])));
        assert_eq!(pending.written().len(), 3);
        assert!(pending.is_empty());
    }
}
