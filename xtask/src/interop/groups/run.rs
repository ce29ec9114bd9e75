//! The stories: a client by itself that comes back, and several clients in one group.

use anyhow::{Result, ensure};

use super::group::Group;
use super::program::Program;
use crate::interop::client::Client;
use crate::interop::dataset::{self, PARTITIONS, PER_PARTITION};

/// The assignors that clients of different make share groups with.
const SHARED: [&str; 2] = ["range", "cooperative-sticky"];

/// The topics that the stories read.
pub(crate) fn topics(programs: &[Program]) -> Vec<String> {
    let alone = programs.iter().map(|program| format!("alone-{}", program.name));
    let mixed = SHARED
        .iter()
        .flat_map(|assignor| rotations(programs).into_iter().map(move |them| mixed_topic(assignor, &them)));
    alone.chain(mixed).collect()
}

/// A client joins alone, reads everything, commits and leaves; the next one goes on where it stopped.
pub(crate) fn single(bootstrap: &str, writer: &Client, program: &Program) -> Result<()> {
    let topic = format!("alone-{}", program.name);
    let written = i64::from(PER_PARTITION);
    writer.append(bootstrap, &topic, &dataset::full())?;
    let mut group = Group::new(bootstrap, &topic, program.assignor);
    group.join(program)?;
    group.divided()?;
    group.read_up_to(written)?;
    group.commit()?;
    let first = group.leave(0)?;
    writer.append(bootstrap, &topic, &dataset::full())?;
    group.join(program)?;
    group.read_up_to(2 * written)?;
    group.commit()?;
    let second = group.leave(0)?;
    for partition in 0..PARTITIONS {
        let read = |member: &super::member::Member| member.read.get(&partition).cloned().unwrap_or_default();
        ensure!(
            read(&first) == (0..written).collect::<Vec<_>>(),
            "the first read {:?} of {partition}",
            read(&first)
        );
        ensure!(
            read(&second) == (written..2 * written).collect::<Vec<_>>(),
            "the second read {:?} of {partition}",
            read(&second)
        );
    }
    Ok(())
}

/// Clients of different make join one after the other, divide the partitions, lose one that leaves and the first, who leads,
/// by a kill; the last one owns everything and goes on from what was committed. Each client has its turn as the first.
pub(crate) fn mixed(
    bootstrap: &str,
    writer: &Client,
    programs: &[Program],
    mut check: impl FnMut(&str, &dyn Fn() -> Result<()>),
) {
    for assignor in SHARED {
        for them in rotations(programs) {
            let names: Vec<&str> = them.iter().map(|program| program.name).collect();
            check(&format!("{} share a group by {assignor}", names.join(", ")), &|| {
                share(bootstrap, writer, &them, assignor)
            });
        }
    }
}

fn share(bootstrap: &str, writer: &Client, them: &[Program], assignor: &str) -> Result<()> {
    let topic = mixed_topic(assignor, them);
    let written = i64::from(PER_PARTITION);
    writer.append(bootstrap, &topic, &dataset::full())?;
    let mut group = Group::new(bootstrap, &topic, assignor);
    for (place, program) in them.iter().enumerate() {
        group.join(program)?;
        group.divided()?;
        if place == 0 {
            group.read_up_to(written)?;
            group.commit()?;
        }
    }
    if assignor == "cooperative-sticky" {
        for member in &group.members {
            ensure!(!member.let_go_of_all, "{} let go of everything for a rebalance", member.name);
        }
    }
    group.leave(1)?;
    group.divided()?;
    group.kill(0)?;
    group.divided()?;
    writer.append(bootstrap, &topic, &dataset::full())?;
    group.read_up_to(2 * written)?;
    group.commit()?;
    let last = group.leave(0)?;
    for (partition, read) in &last.read {
        ensure!(*read == (written..2 * written).collect::<Vec<_>>(), "{partition} was read as {read:?}");
    }
    Ok(())
}

/// The clients that can share groups, each once at the front.
fn rotations(programs: &[Program]) -> Vec<Vec<Program>> {
    let them: Vec<Program> = programs.iter().filter(|program| program.mixes).cloned().collect();
    let turned = |turn: usize| {
        let mut them = them.clone();
        them.rotate_left(turn);
        them
    };
    (0..them.len()).map(turned).collect()
}

fn mixed_topic(assignor: &str, them: &[Program]) -> String {
    format!("{assignor}-{}-first", them.first().map_or("nobody", |first| first.name))
}
