//! Source records on their way to Kafka: how far a source may say that it has come.
//!
//! For each source partition the records stand in a line, in the order in which they were read. An offset may be stored
//! once every record up to it is done, whatever the order in which the acknowledgements came (Kafka's `SubmittedRecords`);
//! a record that is stuck holds back its own source partition and no other.
use std::collections::{BTreeMap, VecDeque};

/// Which source partition, by the order in which they were first seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct SourcePartitionId(pub(crate) usize);

/// One record that was submitted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Ticket {
    pub(crate) partition: SourcePartitionId,
    number: u64,
}

/// The lines of a source task.
#[derive(Debug)]
pub(crate) struct SubmittedRecords<P, O> {
    ids: BTreeMap<P, SourcePartitionId>,
    lines: Vec<Line<P, O>>,
    open: usize,
}

#[derive(Debug)]
struct Line<P, O> {
    partition: P,
    /// The number of the first entry.
    first: u64,
    entries: VecDeque<Entry<O>>,
    /// The offset behind the entries that were taken off the head since it was last asked for.
    committable: Option<O>,
}

#[derive(Debug)]
struct Entry<O> {
    /// How many records in Kafka it still waits for.
    open: usize,
    offset: O,
}

impl<P: Ord + Clone, O> SubmittedRecords<P, O> {
    pub(crate) fn new() -> Self {
        Self { ids: BTreeMap::new(), lines: Vec::new(), open: 0 }
    }

    /// Puts a record at the end of its line. It waits for one acknowledgement.
    pub(crate) fn submit(&mut self, partition: P, offset: O) -> Ticket {
        let id = match self.ids.get(&partition) {
            Some(id) => *id,
            None => self.open_line(partition),
        };
        let Some(line) = self.lines.get_mut(id.0) else { return Ticket { partition: id, number: 0 } };
        let number = line.first + line.entries.len() as u64;
        line.entries.push_back(Entry { open: 1, offset });
        self.open += 1;
        Ticket { partition: id, number }
    }

    fn open_line(&mut self, partition: P) -> SourcePartitionId {
        let id = SourcePartitionId(self.lines.len());
        self.ids.insert(partition.clone(), id);
        self.lines.push(Line { partition, first: 0, entries: VecDeque::new(), committable: None });
        id
    }

    /// A transform has made `count` records of one; it is done when all of them are. None at all is done at once.
    pub(crate) fn expect(&mut self, ticket: Ticket, count: usize) {
        if let Some(entry) = self.entry(ticket) {
            entry.open = count;
        }
        self.advance(ticket.partition);
    }

    /// One record was acknowledged, or passed over for good.
    pub(crate) fn done(&mut self, ticket: Ticket) {
        if let Some(entry) = self.entry(ticket) {
            entry.open = entry.open.saturating_sub(1);
        }
        self.advance(ticket.partition);
    }

    fn entry(&mut self, ticket: Ticket) -> Option<&mut Entry<O>> {
        let line = self.lines.get_mut(ticket.partition.0)?;
        let index = usize::try_from(ticket.number.checked_sub(line.first)?).ok()?;
        line.entries.get_mut(index)
    }

    /// Takes what is done off the head of a line.
    fn advance(&mut self, id: SourcePartitionId) {
        let Some(line) = self.lines.get_mut(id.0) else { return };
        while line.entries.front().is_some_and(|entry| entry.open == 0) {
            if let Some(entry) = line.entries.pop_front() {
                line.first += 1;
                line.committable = Some(entry.offset);
                self.open -= 1;
            }
        }
    }

    /// How many records are not done, or wait behind one that is not.
    pub(crate) fn open(&self) -> usize {
        self.open
    }

    /// The offsets that may be stored and were not given before.
    pub(crate) fn take_committable(&mut self) -> Vec<(P, O)> {
        let take = |line: &mut Line<P, O>| Some((line.partition.clone(), line.committable.take()?));
        self.lines.iter_mut().filter_map(take).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn submitted(partitions: &[&'static str]) -> (SubmittedRecords<&'static str, usize>, Vec<Ticket>) {
        let mut records = SubmittedRecords::new();
        let tickets =
            (1..).zip(partitions).map(|(offset, partition)| records.submit(*partition, offset)).collect();
        (records, tickets)
    }

    #[test]
    fn acknowledgements_out_of_order_free_only_what_is_done_up_to_the_head() {
        let (mut records, tickets) = submitted(&["a", "a", "a"]);
        records.done(tickets[2]);
        assert_eq!(records.take_committable(), []);
        records.done(tickets[0]);
        assert_eq!(records.take_committable(), [("a", 1)]);
        records.done(tickets[1]);
        assert_eq!(records.take_committable(), [("a", 3)]);
        assert_eq!(records.open(), 0);
    }

    #[test]
    fn a_record_that_is_stuck_holds_back_no_other_source_partition() {
        let (mut records, tickets) = submitted(&["a", "b", "a", "b"]);
        tickets[1..].iter().for_each(|ticket| records.done(*ticket));
        assert_eq!(records.take_committable(), [("b", 4)]);
        assert_eq!(records.open(), 2);
    }

    #[test]
    fn a_dropped_record_still_moves_the_offset() {
        let (mut records, tickets) = submitted(&["a", "a"]);
        records.expect(tickets[0], 0);
        assert_eq!(records.take_committable(), [("a", 1)]);
        records.expect(tickets[1], 0);
        assert_eq!(records.take_committable(), [("a", 2)]);
    }

    #[test]
    fn a_record_of_which_three_were_made_waits_for_all_three() {
        let (mut records, tickets) = submitted(&["a"]);
        records.expect(tickets[0], 3);
        for left in [2, 1] {
            records.done(tickets[0]);
            assert_eq!(records.take_committable(), [], "{left} are left");
        }
        records.done(tickets[0]);
        assert_eq!(records.take_committable(), [("a", 1)]);
    }

    proptest! {
        #[test]
        fn no_order_of_acknowledgements_commits_past_an_open_record(
            partitions in prop::collection::vec(0..3_usize, 1..40),
            keys in prop::collection::vec(any::<u32>(), 40),
        ) {
            let mut records = SubmittedRecords::new();
            let tickets: Vec<Ticket> = partitions.iter().enumerate().map(|(at, p)| records.submit(*p, at)).collect();
            let mut order: Vec<usize> = (0..tickets.len()).collect();
            order.sort_by_key(|at| keys[*at]);
            let mut open: Vec<bool> = vec![true; tickets.len()];
            let mut committed = [None; 3];
            for at in order {
                records.done(tickets[at]);
                open[at] = false;
                for (partition, offset) in records.take_committable() {
                    committed[partition] = Some(offset);
                }
                for (partition, committed) in committed.iter().enumerate() {
                    let of = |at: &usize| partitions[*at] == partition;
                    let first_open = (0..open.len()).filter(of).find(|at| open[*at]).unwrap_or(open.len());
                    let expected = (0..first_open).rfind(of);
                    prop_assert_eq!(*committed, expected);
                }
            }
            prop_assert_eq!(records.open(), 0);
        }
    }
}
