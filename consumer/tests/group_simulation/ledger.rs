//! Who holds what, and what has been handed out, as the applications were told; and what must hold of it.
use std::collections::{BTreeMap, BTreeSet};

use courant_broker_mock::{LoggedRequest, MockCluster};
use courant_protocol::messages::AnyRequest;
use courant_protocol::types::TopicPartition;
use courant_sim::Sim;

pub const GROUP: &str = "g";
pub const TOPIC: &str = "a";

/// The book that all applications write into.
pub struct Ledger {
    sim: Sim,
    cluster: MockCluster,
    holdings: BTreeMap<String, Holding>,
    /// For each partition the offsets that were handed out, and up to where all were and are finished.
    partitions: BTreeMap<i32, Progress>,
    /// How many requests had come when the owner of a partition began to close.
    left: BTreeMap<i32, u64>,
    violations: Vec<String>,
    /// Records that were handed out.
    pub handed: usize,
    /// Times that a member was told of its partitions.
    pub assignments: usize,
}

/// What a member has.
#[derive(Default)]
struct Holding {
    member_id: String,
    partitions: BTreeSet<i32>,
    /// Handed out, and not finished.
    unfinished: Vec<(i32, i64)>,
}

#[derive(Default)]
struct Progress {
    handed: BTreeSet<i64>,
    finished: BTreeSet<i64>,
    /// All before this are finished.
    frontier: i64,
}

impl Ledger {
    pub fn new(sim: &Sim, cluster: MockCluster) -> Self {
        Self {
            sim: sim.clone(),
            cluster,
            holdings: BTreeMap::new(),
            partitions: BTreeMap::new(),
            left: BTreeMap::new(),
            violations: Vec::new(),
            handed: 0,
            assignments: 0,
        }
    }

    /// A member is told that partitions are its own. None of them may be another's, unless one of the two has lost them and
    /// does not know it yet, which harms only itself, for its commits are refused: who is not in the group any more, and who
    /// was late to join its present generation (a static member stays in the group even then).
    pub fn assigned(&mut self, name: &str, member_id: &str, partitions: &[TopicPartition]) {
        self.assignments += 1;
        let group = self.cluster.group(GROUP);
        let is_counted = |id: &str| group.as_ref().is_some_and(|group| group.counts(id));
        for partition in partitions {
            let number = partition.partition.0;
            let others = self.holdings.iter().filter(|(other, _)| *other != name);
            let twice = others.filter(|(_, holding)| {
                holding.partitions.contains(&number)
                    && is_counted(&holding.member_id)
                    && is_counted(member_id)
            });
            let twice: Vec<String> =
                twice.map(|(other, holding)| format!("{other} ({})", holding.member_id)).collect();
            if !twice.is_empty() {
                self.violate(format!("{partition} is owned twice, by {name} ({member_id}) and {twice:?}"));
            }
            let holding = self.holdings.entry(name.to_owned()).or_default();
            if !holding.partitions.insert(number) {
                self.violate(format!("{name} is given {partition}, which it has"));
            }
        }
        let holding = self.holdings.entry(name.to_owned()).or_default();
        holding.member_id = member_id.to_owned();
        self.check_commits();
    }

    /// A member has let go of partitions, or has been told that they are lost.
    pub fn gone(&mut self, name: &str, partitions: &[TopicPartition]) {
        for partition in partitions {
            let holding = self.holdings.entry(name.to_owned()).or_default();
            if !holding.partitions.remove(&partition.partition.0) {
                self.violate(format!("{name} loses {partition}, which it does not have"));
            }
        }
        self.check_commits();
    }

    /// A member is dead, or ends: it works on nothing any more.
    pub fn ended(&mut self, name: &str) {
        let Some(holding) = self.holdings.remove(name) else { return };
        let so_far = self.cluster.request_log().last().map_or(0, |request| request.sequence + 1);
        self.left.extend(holding.partitions.into_iter().map(|number| (number, so_far)));
    }

    /// A record is handed out.
    pub fn handed(&mut self, name: &str, partition: i32, offset: i64) {
        let holding = self.holdings.entry(name.to_owned()).or_default();
        holding.unfinished.push((partition, offset));
        if !holding.partitions.contains(&partition) {
            self.violate(format!("{name} reads {partition}@{offset}, which it does not own"));
        }
        self.handed += 1;
        self.partitions.entry(partition).or_default().handed.insert(offset);
    }

    /// What was handed out to a member is finished: it asks for more, or commits.
    pub fn finished(&mut self, name: &str) {
        let Some(holding) = self.holdings.get_mut(name) else { return };
        for (partition, offset) in holding.unfinished.drain(..) {
            let progress = self.partitions.entry(partition).or_default();
            progress.finished.insert(offset);
            while progress.finished.contains(&progress.frontier) {
                progress.frontier += 1;
            }
        }
    }

    /// No commit runs ahead of what is finished.
    pub fn check_commits(&mut self) {
        for number in 0..self.partition_count() {
            let committed = self.cluster.committed(GROUP, TOPIC, number).map_or(0, |offset| offset.0);
            let frontier = self.partitions.get(&number).map_or(0, |progress| progress.frontier);
            if committed > frontier {
                let what =
                    format!("{TOPIC}-{number} is committed up to {committed}, and finished up to {frontier}");
                self.violate(what);
            }
        }
    }

    /// What is still missing until everything is owned by somebody and has been handed out; none if all is well.
    pub fn missing(&self) -> Option<String> {
        let owned: BTreeSet<i32> =
            self.holdings.values().flat_map(|holding| &holding.partitions).copied().collect();
        for number in 0..self.partition_count() {
            if !owned.contains(&number) {
                return Some(format!("nobody owns {TOPIC}-{number}"));
            }
            let end = self.end(number);
            let handed = self.partitions.get(&number).map_or(0, |progress| progress.handed.len());
            if i64::try_from(handed).unwrap() < end {
                return Some(format!("{handed} of {end} records of {TOPIC}-{number} were handed out"));
            }
        }
        None
    }

    /// The partitions whose last commit is not the end of the log, though nothing kept their owners from it.
    pub fn uncommitted(&self) -> Vec<i32> {
        let committed = |number| self.cluster.committed(GROUP, TOPIC, number).map_or(0, |offset| offset.0);
        let short = (0..self.partition_count()).filter(|number| committed(*number) != self.end(*number));
        short.filter(|number| !self.was_set_back(*number)).collect()
    }

    /// Whether the end of a partition was committed by a member that closed, and a commit that had been given up on with an
    /// older connection came after it. The closed member cannot mend that, and the coordinator takes such a commit as long as
    /// it knows the member, which for a static one outlasts the closing (KIP-345).
    fn was_set_back(&self, partition: i32) -> bool {
        let left = self.left.get(&partition).copied().unwrap_or(u64::MAX);
        let log = self.cluster.request_log();
        let commits: Vec<(i64, &LoggedRequest)> = log
            .iter()
            .filter(|request| request.sequence >= left)
            .filter_map(|request| Some((committed_by(request, partition)?, request)))
            .collect();
        let Some((last, late)) = commits.last() else { return false };
        let end = self.end(partition);
        *last < end
            && commits.iter().any(|(offset, commit)| *offset == end && commit.connection > late.connection)
    }

    fn end(&self, partition: i32) -> i64 {
        self.cluster.log_end(TOPIC, partition).map_or(0, |end| end.0)
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

/// The offset that a request commits for a partition, if it does.
fn committed_by(request: &LoggedRequest, partition: i32) -> Option<i64> {
    let AnyRequest::OffsetCommit(commit) = &*request.request else { return None };
    let partitions = commit.topics.iter().flat_map(|topic| &topic.partitions);
    partitions.filter(|each| each.partition_index == partition).map(|each| each.committed_offset).last()
}
