//! Several members, and waiting until they have divided the partitions.

use std::collections::BTreeSet;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, bail, ensure};

use super::member::Member;
use super::program::Program;
use crate::interop::dataset::PARTITIONS;

/// A group comes to rest sooner: a first member waits for others for three seconds, a dead one is noticed after six.
const LIMIT: Duration = Duration::from_secs(60);
/// How often the members' lines are taken in.
const STEP: Duration = Duration::from_millis(20);

/// A group with its members.
pub(crate) struct Group {
    bootstrap: String,
    topic: String,
    assignor: String,
    /// Those that have been started and not left.
    pub(crate) members: Vec<Member>,
}

impl Group {
    /// A group without members; its name is the topic's.
    pub(crate) fn new(bootstrap: &str, topic: &str, assignor: &str) -> Self {
        let (bootstrap, topic, assignor) = (bootstrap.to_owned(), topic.to_owned(), assignor.to_owned());
        Self { bootstrap, topic, assignor, members: Vec::new() }
    }

    /// A client joins.
    pub(crate) fn join(&mut self, program: &Program) -> Result<()> {
        let command = program.member(&self.bootstrap, &self.topic, &self.topic, &self.assignor);
        self.members.push(Member::start(program.name, command)?);
        Ok(())
    }

    /// Waits until each partition has one owner and nobody has two more than another.
    pub(crate) fn divided(&mut self) -> Result<()> {
        self.wait("the partitions are divided", |members| {
            let owned: Vec<&BTreeSet<i32>> =
                members.iter().filter_map(|member| member.owns.as_ref()).collect();
            let all: BTreeSet<i32> = owned.iter().copied().flatten().copied().collect();
            let counts = || owned.iter().map(|owns| owns.len());
            owned.len() == members.len()
                && all == (0..PARTITIONS).collect()
                && counts().sum::<usize>() == all.len()
                && counts().max().unwrap_or(0) <= counts().min().unwrap_or(0) + 1
        })
    }

    /// Waits until every partition has been read up to an offset, by whomever.
    pub(crate) fn read_up_to(&mut self, end: i64) -> Result<()> {
        self.wait(&format!("everything is read up to {end}"), |members| {
            (0..PARTITIONS).all(|partition| {
                let of_partition = members.iter().filter_map(|member| member.read.get(&partition));
                of_partition.flatten().max().is_some_and(|last| last + 1 >= end)
            })
        })
    }

    /// Everybody commits.
    pub(crate) fn commit(&mut self) -> Result<()> {
        let before: Vec<usize> = self.members.iter().map(|member| member.commits).collect();
        self.members.iter_mut().try_for_each(|member| member.tell("commit"))?;
        self.wait("everybody has committed", |members| {
            members.iter().zip(&before).all(|(member, before)| member.commits > *before)
        })
    }

    /// One member leaves as a program does that ends well.
    pub(crate) fn leave(&mut self, place: usize) -> Result<Member> {
        ensure!(place < self.members.len(), "there is no member {place}");
        self.members[place].tell("leave")?;
        self.wait("the member has left", |members| members[place].left)?;
        Ok(self.members.remove(place))
    }

    /// One member dies without a word.
    pub(crate) fn kill(&mut self, place: usize) -> Result<()> {
        ensure!(place < self.members.len(), "there is no member {place}");
        self.members.remove(place).kill()
    }

    fn wait(&mut self, what: &str, done: impl Fn(&[Member]) -> bool) -> Result<()> {
        let deadline = Instant::now() + LIMIT;
        loop {
            self.members.iter_mut().try_for_each(Member::update)?;
            if done(&self.members) {
                return Ok(());
            }
            if Instant::now() > deadline {
                let members: Vec<String> = self.members.iter().map(Member::describe).collect();
                bail!("not so within {LIMIT:?}: {what}; {}", members.join("; "));
            }
            thread::sleep(STEP);
        }
    }
}
