//! The checks, each a function from the events to what violates it.
use super::Event;
use courant_protocol::types::{Offset, TopicPartition};
use std::collections::{BTreeMap, BTreeSet};

type Place<'a> = (&'a TopicPartition, Offset);

/// Runs every check.
pub(super) fn all(events: &[Event]) -> Vec<String> {
    let checks = [doubled, out_of_order];
    checks.iter().flat_map(|check| check(events)).chain(at_least_once(events)).collect()
}

/// Runs the checks of what holds even where a retry may write a record again.
pub(super) fn at_least_once(events: &[Event]) -> Vec<String> {
    let checks = [lost, invented, offsets, not_read, out_of_turn, commits];
    checks.iter().flat_map(|check| check(events)).collect()
}

/// The logs: what is where, in log order.
fn logs(events: &[Event]) -> BTreeMap<&TopicPartition, Vec<(Offset, &str)>> {
    let mut logs: BTreeMap<&TopicPartition, Vec<(Offset, &str)>> = BTreeMap::new();
    for event in events {
        if let Event::Logged { partition, offset, id } = event {
            logs.entry(partition).or_default().push((*offset, id));
        }
    }
    logs
}

fn places(events: &[Event]) -> BTreeMap<Place<'_>, &str> {
    let logs = logs(events).into_iter();
    logs.flat_map(|(partition, log)| log.into_iter().map(move |(offset, id)| ((partition, offset), id)))
        .collect()
}

fn lost(events: &[Event]) -> Vec<String> {
    let places = places(events);
    let there: BTreeSet<_> = places.iter().map(|((partition, _), id)| (*partition, *id)).collect();
    let check = |event: &Event| {
        let Event::Acknowledged { id, partition, offset } = event else { return None };
        // A broker that has forgotten where a twin stands acknowledges without an offset.
        if !offset.is_some() {
            let missing = !there.contains(&(partition, id));
            return missing
                .then(|| format!("lost: `{id}` was acknowledged in {partition}, which has it not"));
        }
        match places.get(&(partition, *offset)) {
            Some(there) if there == id => None,
            Some(there) => Some(format!(
                "lost: `{id}` was acknowledged at {partition}@{offset}, where the log has `{there}`"
            )),
            None => Some(format!(
                "lost: `{id}` was acknowledged at {partition}@{offset}, and the log has nothing there"
            )),
        }
    };
    events.iter().filter_map(check).collect()
}

fn doubled(events: &[Event]) -> Vec<String> {
    let mut seen: BTreeMap<&str, Place<'_>> = BTreeMap::new();
    let mut found = Vec::new();
    for event in events {
        if let Event::Logged { partition, offset, id } = event
            && let Some((first, at)) = seen.insert(id, (partition, *offset))
        {
            found.push(format!("doubled: `{id}` is in the log at {first}@{at} and at {partition}@{offset}"));
        }
    }
    found
}

/// A record that was never sent, or whose failure said for sure that it was not written, must not be in a log; what a
/// consumer gets must be there.
fn invented(events: &[Event]) -> Vec<String> {
    let places = places(events);
    let mut sent = BTreeSet::new();
    let mut failed = BTreeSet::new();
    for event in events {
        match event {
            Event::Sent { id, .. } => drop(sent.insert(id.as_str())),
            Event::Failed { id, possibly_written: false } => drop(failed.insert(id.as_str())),
            _ => {}
        }
    }
    let check = |event: &Event| match event {
        Event::Logged { partition, offset, id } if failed.contains(id.as_str()) => {
            Some(format!("invented: `{id}` failed as not written and is in the log at {partition}@{offset}"))
        }
        Event::Logged { partition, offset, id } if !sent.contains(id.as_str()) => {
            Some(format!("invented: `{id}` was never sent and is in the log at {partition}@{offset}"))
        }
        Event::Delivered { consumer, partition, offset, id } => match places.get(&(partition, *offset)) {
            Some(there) if there == id => None,
            there => Some(format!(
                "invented: {consumer} got `{id}` at {partition}@{offset}, where the log has {there:?}"
            )),
        },
        _ => None,
    };
    events.iter().filter_map(check).collect()
}

/// In each log the records of one producer stand in the order in which they were sent.
fn out_of_order(events: &[Event]) -> Vec<String> {
    let mut turns: BTreeMap<&str, (&str, usize)> = BTreeMap::new();
    for (turn, event) in events.iter().enumerate() {
        if let Event::Sent { producer, id } = event {
            turns.insert(id, (producer, turn));
        }
    }
    let mut found = Vec::new();
    for (partition, log) in logs(events) {
        let mut last: BTreeMap<&str, (usize, &str)> = BTreeMap::new();
        for (offset, id) in log {
            let Some((producer, turn)) = turns.get(id) else { continue };
            if let Some((before, earlier)) = last.insert(producer, (*turn, id))
                && before > *turn
            {
                found.push(format!("out of order: {producer} sent `{id}` before `{earlier}`; {partition}@{offset} has it after"));
            }
        }
    }
    found
}

/// A log's offsets grow by one, and an offset stands for the same record wherever it was seen.
fn offsets(events: &[Event]) -> Vec<String> {
    let mut found = Vec::new();
    for (partition, log) in logs(events) {
        for pair in log.windows(2) {
            if let [(before, _), (after, _)] = pair
                && after.0 != before.0 + 1
            {
                found.push(format!("offsets: {partition} goes from {before} to {after}"));
            }
        }
    }
    let mut seen: BTreeMap<Place<'_>, &str> = BTreeMap::new();
    for event in events {
        let (Event::Acknowledged { partition, offset, id } | Event::Delivered { partition, offset, id, .. }) =
            event
        else {
            continue;
        };
        if !offset.is_some() {
            continue;
        }
        let first = seen.entry((partition, *offset)).or_insert(id);
        if first != id {
            found.push(format!("offsets: {partition}@{offset} was `{first}` and is `{id}`"));
        }
    }
    found
}

fn not_read(events: &[Event]) -> Vec<String> {
    let mut got: BTreeMap<&str, BTreeSet<Place<'_>>> = BTreeMap::new();
    for event in events {
        match event {
            Event::Delivered { consumer, partition, offset, .. } => {
                got.entry(consumer).or_default().insert((partition, *offset));
            }
            Event::Continues { consumer, predecessor } => {
                let before = got.get(predecessor.as_str()).cloned().unwrap_or_default();
                got.entry(consumer).or_default().extend(before);
            }
            _ => {}
        }
    }
    let places = places(events);
    let mut found = Vec::new();
    for event in events {
        let Event::ReadToTheEnd { consumer } = event else { continue };
        for ((partition, offset), id) in &places {
            if !got.get(consumer.as_str()).is_some_and(|got| got.contains(&(*partition, *offset))) {
                found.push(format!("not read: {consumer} never got `{id}` at {partition}@{offset}"));
            }
        }
    }
    found
}

/// A consumer gets each partition's records one after the other, but for seeks.
fn out_of_turn(events: &[Event]) -> Vec<String> {
    let mut next: BTreeMap<(&str, &TopicPartition), Offset> = BTreeMap::new();
    let mut found = Vec::new();
    for event in events {
        match event {
            Event::Sought { consumer, partition, offset } => {
                next.insert((consumer, partition), *offset);
            }
            Event::Delivered { consumer, partition, offset, id } => {
                let after = Offset(offset.0 + 1);
                match next.insert((consumer, partition), after) {
                    Some(due) if *offset < due => {
                        found.push(format!(
                            "doubled: {consumer} got `{id}` at {partition}@{offset}, when {due} was due"
                        ));
                    }
                    Some(due) if *offset > due => {
                        found.push(format!(
                            "skipped: {consumer} got `{id}` at {partition}@{offset}, when {due} was due"
                        ));
                    }
                    _ => {}
                }
            }
            _ => {}
        }
    }
    found
}

fn commits(events: &[Event]) -> Vec<String> {
    let mut given: BTreeMap<(&str, &TopicPartition), Offset> = BTreeMap::new();
    let mut found = Vec::new();
    for event in events {
        match event {
            Event::Delivered { consumer, partition, offset, .. } => {
                let most = given.entry((consumer, partition)).or_insert(*offset);
                *most = (*most).max(*offset);
            }
            Event::Committed { consumer, partition, offset } => {
                let most = given.get(&(consumer.as_str(), partition)).map_or(-1, |most| most.0);
                if offset.0 > most + 1 && offset.0 > 0 {
                    found.push(format!(
                        "commits: {consumer} committed {partition}@{offset}, having got up to {most}"
                    ));
                }
            }
            _ => {}
        }
    }
    found
}
