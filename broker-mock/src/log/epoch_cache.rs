//! Which leader epoch began at which offset (KIP-101), so that a reader can find where two logs part.
use courant_protocol::types::{LeaderEpoch, Offset};

/// The epochs of one log in order, each with its first offset.
#[derive(Clone, Debug, Default)]
pub(crate) struct EpochCache {
    entries: Vec<(LeaderEpoch, Offset)>,
}

impl EpochCache {
    /// A leader of `epoch` writes from `start` on. Epochs that wrote nothing vanish.
    pub(crate) fn assign(&mut self, epoch: LeaderEpoch, start: Offset) {
        if self.entries.last().is_some_and(|(latest, _)| *latest >= epoch) {
            return;
        }
        self.entries.retain(|(_, offset)| *offset < start);
        self.entries.push((epoch, start));
    }

    /// The newest epoch.
    pub(crate) fn latest(&self) -> LeaderEpoch {
        self.entries.last().map_or(LeaderEpoch::NONE, |(epoch, _)| *epoch)
    }

    /// The epoch in which the record at `offset` was written.
    pub(crate) fn of(&self, offset: Offset) -> LeaderEpoch {
        let after = self.entries.partition_point(|(_, start)| *start <= offset);
        after
            .checked_sub(1)
            .and_then(|at| self.entries.get(at))
            .map_or(LeaderEpoch::NONE, |(epoch, _)| *epoch)
    }

    /// Where `requested` ended: the largest epoch up to it, and the first offset that is not of that epoch.
    ///
    /// Both are "none" for an epoch that this log has not seen yet.
    pub(crate) fn end_offset_for(&self, requested: LeaderEpoch, log_end: Offset) -> (LeaderEpoch, Offset) {
        if !requested.is_some() {
            return (LeaderEpoch::NONE, Offset::NONE);
        }
        if requested == self.latest() {
            return (requested, log_end);
        }
        let higher = self.entries.partition_point(|(epoch, _)| *epoch <= requested);
        let Some((_, end)) = self.entries.get(higher) else { return (LeaderEpoch::NONE, Offset::NONE) };
        let floor =
            higher.checked_sub(1).and_then(|at| self.entries.get(at)).map_or(requested, |(epoch, _)| *epoch);
        (floor, *end)
    }

    /// The log now begins at `start`: older epochs go, the one that covers `start` begins there.
    pub(crate) fn truncate_front(&mut self, start: Offset) {
        let covering = self.of(start);
        self.entries.retain_mut(|(epoch, offset)| {
            if *epoch == covering {
                *offset = (*offset).max(start);
            }
            *epoch >= covering
        });
    }

    /// The log now ends at `end`: what began behind it never happened.
    pub(crate) fn truncate_back(&mut self, end: Offset) {
        self.entries.retain(|(_, offset)| *offset < end);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cache(entries: &[(i32, i64)]) -> EpochCache {
        let mut cache = EpochCache::default();
        entries.iter().for_each(|(epoch, start)| cache.assign(LeaderEpoch(*epoch), Offset(*start)));
        cache
    }

    #[test]
    fn an_epochs_end_is_where_the_next_one_begins() {
        let cache = cache(&[(1, 0), (4, 10), (5, 25)]);
        let end = |epoch| cache.end_offset_for(LeaderEpoch(epoch), Offset(40));
        assert_eq!(end(5), (LeaderEpoch(5), Offset(40)));
        assert_eq!(end(4), (LeaderEpoch(4), Offset(25)));
        assert_eq!(end(3), (LeaderEpoch(1), Offset(10)));
        assert_eq!(end(0), (LeaderEpoch(0), Offset(0)));
        assert_eq!(end(6), (LeaderEpoch::NONE, Offset::NONE));
        assert_eq!(end(-1), (LeaderEpoch::NONE, Offset::NONE));
    }

    #[test]
    fn an_epoch_that_wrote_nothing_leaves_no_trace() {
        let cache = cache(&[(0, 0), (1, 7), (2, 7)]);
        assert_eq!(cache.end_offset_for(LeaderEpoch(1), Offset(9)), (LeaderEpoch(0), Offset(7)));
        assert_eq!(cache.of(Offset(6)), LeaderEpoch(0));
        assert_eq!(cache.of(Offset(7)), LeaderEpoch(2));
    }

    #[test]
    fn truncation_forgets_the_epochs_on_its_side() {
        let mut front = cache(&[(0, 0), (1, 5), (2, 9)]);
        front.truncate_front(Offset(6));
        assert_eq!(front.of(Offset(6)), LeaderEpoch(1));
        assert_eq!(front.of(Offset(5)), LeaderEpoch::NONE);
        let mut back = cache(&[(0, 0), (1, 5), (2, 9)]);
        back.truncate_back(Offset(9));
        assert_eq!(back.latest(), LeaderEpoch(1));
    }
}
