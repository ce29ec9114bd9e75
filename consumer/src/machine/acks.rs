//! The records of one partition that were handed out and not acknowledged, where each is finished by a word of its own.
//!
//! Cost: runs of offsets are kept, not records. Acknowledged in order, everything outstanding is one run whose start moves;
//! each record that is overtaken, and each gap that compaction left, parts a run in two. So there are never more runs than
//! outstanding records, and nothing is kept of what was acknowledged.
use std::collections::{BTreeMap, VecDeque};
use std::ops::Range;

use courant_protocol::types::{LeaderEpoch, Offset};

use super::position::{Position, Token};

/// What is outstanding of a partition, and so what may be committed of it.
#[derive(Debug, Default)]
pub(crate) struct Outstanding {
    /// Records that were handed out and not acknowledged, by their first offset. Runs do not overlap.
    runs: BTreeMap<Offset, Run>,
    /// From which offset on the records bear which leader epoch; as far back as the first run needs.
    epochs: VecDeque<(Offset, LeaderEpoch)>,
    /// Behind everything that was handed out; none while it is looked up.
    position: Option<Position>,
    /// Whether the position came about by hand-outs or by the application's word, so that auto-commit may commit it.
    touched: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Run {
    /// Behind its last record.
    end: Offset,
    /// The token under which its records were handed out; an acknowledgement has to bear the same.
    token: Token,
}

impl Outstanding {
    /// Records in a row, without a gap, are handed out. What [`Outstanding::hand_out_to`] says follows.
    pub(crate) fn hand_out(&mut self, records: Range<Offset>, epoch: LeaderEpoch, token: Token) {
        if self.epochs.back().is_none_or(|(_, before)| *before != epoch) {
            self.epochs.push_back((records.start, epoch));
        }
        match self.runs.last_entry() {
            Some(mut last) if last.get().end == records.start && last.get().token == token => {
                last.get_mut().end = records.end;
            }
            _ => {
                self.runs.insert(records.start, Run { end: records.end, token });
            }
        }
        self.touched = true;
    }

    /// The position after a hand-out: behind its records, and behind markers and gaps that follow them.
    pub(crate) fn hand_out_to(&mut self, position: Position) {
        self.position = Some(position);
        self.touched = true;
        self.forget_epochs();
    }

    /// Takes the acknowledgement of records that were handed out under `token`; how many of them were outstanding.
    pub(crate) fn acknowledge(&mut self, records: Range<Offset>, token: Token) -> u64 {
        let mut acknowledged = 0;
        while let Some((start, run)) = self.overlapping(&records, token) {
            self.runs.remove(&start);
            if start < records.start {
                self.runs.insert(start, Run { end: records.start, token });
            }
            if records.end < run.end {
                self.runs.insert(records.end, run);
            }
            acknowledged += records.end.min(run.end).0.abs_diff(records.start.max(start).0);
        }
        if acknowledged > 0 {
            self.forget_epochs();
        }
        acknowledged
    }

    fn overlapping(&self, records: &Range<Offset>, token: Token) -> Option<(Offset, Run)> {
        let mut below = self.runs.range(..records.end).rev().take_while(|(_, run)| run.end > records.start);
        below.find(|(_, run)| run.token == token).map(|(start, run)| (*start, *run))
    }

    /// Reading goes on elsewhere, or will when that is looked up, though the application did not ask for it: the log was
    /// truncated, the position has left it, or records are given back.
    ///
    /// What was handed out before the new position stays outstanding, so that no commit passes it. What stands behind it
    /// will be handed out again.
    pub(crate) fn move_to(&mut self, position: Option<Position>) {
        if let Some(position) =
            position.filter(|new| self.position.is_none_or(|old| old.offset != new.offset))
        {
            let behind = self.runs.split_off(&position.offset);
            drop(behind);
            if let Some(mut last) = self.runs.last_entry() {
                let run = last.get_mut();
                run.end = run.end.min(position.offset);
            }
            while self.epochs.back().is_some_and(|(from, _)| *from >= position.offset) {
                self.epochs.pop_back();
            }
            self.epochs.push_back((Offset(position.offset.0.saturating_sub(1)), position.offset_epoch));
        }
        self.position = position;
        self.forget_epochs();
    }

    /// The partition is another's, or the application has put it elsewhere: no acknowledgement of what was handed out
    /// before counts any more.
    pub(crate) fn void(&mut self, position: Option<Position>) {
        *self = Self { touched: position.is_some(), ..Self::default() };
        self.move_to(position);
    }

    /// The first record that is outstanding, or else the position.
    pub(crate) fn committable(&self) -> Option<Position> {
        match self.runs.first_key_value() {
            Some((first, _)) => Some(Position::after(*first, self.epoch_before(*first))),
            None => self.position,
        }
    }

    /// As [`Outstanding::committable`], once anything was handed out or sought.
    pub(crate) fn finished(&self) -> Option<Position> {
        self.committable().filter(|_| self.touched)
    }

    /// The epoch of the record before an offset (KIP-320).
    fn epoch_before(&self, offset: Offset) -> LeaderEpoch {
        let before = self.epochs.iter().rev().find(|(from, _)| *from < offset);
        before.map_or(LeaderEpoch::NONE, |(_, epoch)| *epoch)
    }

    /// Drops the epochs that only records before the first outstanding one had.
    fn forget_epochs(&mut self) {
        let first = self.runs.first_key_value().map(|(first, _)| *first);
        let Some(needed) = first.or(self.position.map(|position| position.offset)) else { return };
        while self.epochs.get(1).is_some_and(|(from, _)| *from < needed) {
            self.epochs.pop_front();
        }
    }

    /// How many runs and epochs are kept.
    #[cfg(test)]
    pub(crate) fn size(&self) -> (usize, usize) {
        (self.runs.len(), self.epochs.len())
    }
}
