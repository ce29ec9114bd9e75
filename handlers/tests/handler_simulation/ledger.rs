//! Which records were handled, by whom and in which order; and what must hold of it.
use std::collections::{BTreeMap, BTreeSet};

use courant_broker_mock::MockCluster;
use courant_consumer::ConsumerRecord;
use courant_protocol::compression::CompressionScratch;
use courant_protocol::record::{Batches, ReadOptions};
use courant_sim::Sim;

pub const GROUP: &str = "g";
pub const TOPIC: &str = "a";
pub const DEAD: &str = "dead";

/// A partition and an offset.
pub type Place = (i32, i64);

/// Whether a record is one that no handler can deal with.
pub fn is_poison(value: Option<&[u8]>) -> bool {
    value == Some(b"poison")
}

/// The book that all handlers write into.
pub struct Ledger {
    sim: Sim,
    cluster: MockCluster,
    by_partition: bool,
    /// The lane of each record that was begun, by partition.
    lanes: BTreeMap<i32, BTreeMap<i64, Vec<u8>>>,
    finished: BTreeSet<Place>,
    poison: BTreeSet<Place>,
    /// Markers, and records of aborted transactions: no handler may see them.
    exempt: BTreeSet<Place>,
    /// What each life of a member works on, and the last one that it began, by lane.
    lives: BTreeMap<(String, u32), Life>,
    violations: Vec<String>,
    /// Calls that were begun.
    pub begun: usize,
    /// Those for records that had been handled before.
    pub again: usize,
}

#[derive(Default)]
struct Life {
    running: BTreeMap<(i32, Vec<u8>), i64>,
}

impl Ledger {
    pub fn new(sim: &Sim, cluster: MockCluster, by_partition: bool) -> Self {
        Self {
            sim: sim.clone(),
            cluster,
            by_partition,
            lanes: BTreeMap::new(),
            finished: BTreeSet::new(),
            poison: BTreeSet::new(),
            exempt: BTreeSet::new(),
            lives: BTreeMap::new(),
            violations: Vec::new(),
            begun: 0,
            again: 0,
        }
    }

    fn lane_of(&self, record: &ConsumerRecord) -> Vec<u8> {
        if self.by_partition { Vec::new() } else { record.key().unwrap_or_default().to_vec() }
    }

    /// Nobody may be called for these.
    pub fn exempt(&mut self, places: impl IntoIterator<Item = Place>) {
        self.exempt.extend(places);
    }

    /// A handler is called.
    pub fn begin(&mut self, name: &str, life: u32, record: &ConsumerRecord) {
        let place = (record.partition().0, record.offset().0);
        let lane = self.lane_of(record);
        if self.exempt.contains(&place) {
            self.violate(format!("{name} begins {place:?}, which was never committed"));
        }
        self.begun += 1;
        self.again += usize::from(self.finished.contains(&place));
        let known = self.lanes.entry(place.0).or_default();
        if known.insert(place.1, lane.clone()).is_none() {
            // Its first call: all before it in its lane have been handled.
            let before: Vec<i64> =
                known.range(..place.1).filter(|(_, other)| **other == lane).map(|(at, _)| *at).collect();
            let unhandled = before.into_iter().filter(|at| !self.finished.contains(&(place.0, *at)));
            let unhandled: Vec<i64> = unhandled.collect();
            let letters = if unhandled.is_empty() { BTreeSet::new() } else { self.letters() };
            let open = unhandled.into_iter().find(|at| !self.is_done((place.0, *at), &letters));
            if let Some(open) = open {
                self.violate(format!("{name} begins {place:?}, and {open} of its lane is not handled"));
            }
            let skipped = self.lanes[&place.0].range(place.1 + 1..).any(|(_, other)| *other == lane);
            if skipped {
                self.violate(format!("{name} begins {place:?} after a later one of its lane"));
            }
        }
        if is_poison(record.value()) {
            self.poison.insert(place);
        }
        let running = &mut self.lives.entry((name.to_owned(), life)).or_default().running;
        if let Some(other) = running.insert((place.0, lane), place.1) {
            self.violate(format!("{name} begins {place:?} while it works on {other}"));
        }
    }

    /// A call is over, in whatever way: it returned, or was dropped.
    pub fn over(&mut self, name: &str, life: u32, record: &ConsumerRecord) {
        let lane = self.lane_of(record);
        if let Some(life) = self.lives.get_mut(&(name.to_owned(), life)) {
            life.running.remove(&(record.partition().0, lane));
        }
    }

    /// A handler has done its work, and returns that all is well.
    pub fn finish(&mut self, record: &ConsumerRecord) {
        self.finished.insert((record.partition().0, record.offset().0));
    }

    /// Handled, or a poison whose dead letter is written.
    fn is_done(&self, place: Place, letters: &BTreeSet<Place>) -> bool {
        self.exempt.contains(&place)
            || self.finished.contains(&place)
            || (self.poison.contains(&place) && letters.contains(&place))
    }

    /// Where the dead letters came from.
    pub fn letters(&self) -> BTreeSet<Place> {
        let mut letters = BTreeSet::new();
        let mut scratch = CompressionScratch::new();
        for batch in self.cluster.log(DEAD, 0) {
            for batch in Batches::new(batch.bytes, ReadOptions::default()) {
                for record in batch.unwrap().records(&mut scratch).unwrap().iter() {
                    let record = record.unwrap();
                    let number = |name: &str| -> i64 {
                        let header = record.last_header(name).expect("a letter says where it came from");
                        std::str::from_utf8(header.value.unwrap()).unwrap().parse().unwrap()
                    };
                    let partition = number("__handlers.errors.partition");
                    letters.insert((i32::try_from(partition).unwrap(), number("__handlers.errors.offset")));
                }
            }
        }
        letters
    }

    /// No commit runs ahead of what is done.
    pub fn check_commits(&mut self) {
        let letters = self.letters();
        for number in 0..self.partition_count() {
            let committed = self.committed(number);
            let open = (0..committed).find(|at| !self.is_done((number, *at), &letters));
            if let Some(open) = open {
                self.violate(format!(
                    "{TOPIC}-{number} is committed up to {committed}, and {open} is not done"
                ));
            }
        }
    }

    /// What is still missing until everything is handled and committed; none if all is well.
    pub fn missing(&self) -> Option<String> {
        let letters = self.letters();
        for number in 0..self.partition_count() {
            let end = self.cluster.log_end(TOPIC, number).map_or(0, |end| end.0);
            if let Some(open) = (0..end).find(|at| !self.is_done((number, *at), &letters)) {
                return Some(format!("{TOPIC}-{number}@{open} of {end} is not handled"));
            }
            let committed = self.committed(number);
            if committed != end {
                return Some(format!("{committed} of {end} records of {TOPIC}-{number} are committed"));
            }
        }
        None
    }

    fn committed(&self, partition: i32) -> i64 {
        self.cluster.committed(GROUP, TOPIC, partition).map_or(0, |offset| offset.0)
    }

    /// The first thing that was wrong.
    pub fn violation(&self) -> Option<&String> {
        self.violations.first()
    }

    fn violate(&mut self, what: String) {
        self.sim.note(format_args!("WRONG: {what}"));
        self.violations.push(what);
    }

    fn partition_count(&self) -> i32 {
        i32::try_from(self.cluster.partition_count(TOPIC).unwrap_or_default()).unwrap()
    }
}
