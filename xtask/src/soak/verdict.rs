//! What must hold of records that were written while nodes were killed.

use std::collections::BTreeMap;

use anyhow::{Context, Result, ensure};

/// What became of one record, by the producer's word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// Acknowledged at partition and offset.
    At(i32, i64),
    /// Given up, though it may have been written.
    Unknown,
    /// Given up, and it was not written.
    NotWritten,
}

/// Reads one of the producer's lines.
pub(crate) fn parse(line: &str) -> Result<Fate> {
    let mut parts = line.split('\t');
    match (parts.next(), parts.next()) {
        (Some("error"), Some("true")) => Ok(Fate::Unknown),
        (Some("error"), Some(_)) => Ok(Fate::NotWritten),
        (Some(partition), Some(offset)) => Ok(Fate::At(partition.parse()?, offset.parse()?)),
        _ => anyhow::bail!("no fate: {line}"),
    }
}

/// Judges the log by the fates. The n-th record's value is the number n; `log` is (partition, offset, value).
pub(crate) fn judge(fates: &[Fate], log: &[(i32, i64, usize)]) -> Result<()> {
    let mut places: BTreeMap<usize, Vec<(i32, i64)>> = BTreeMap::new();
    let mut last: BTreeMap<i32, (i64, usize)> = BTreeMap::new();
    for (partition, offset, value) in log {
        places.entry(*value).or_default().push((*partition, *offset));
        if let Some((before, earlier)) = last.insert(*partition, (*offset, *value)) {
            ensure!(before < *offset, "partition {partition} goes back from offset {before} to {offset}");
            ensure!(earlier < *value, "record {value} stands behind {earlier} in partition {partition}");
        }
    }
    for (value, fate) in fates.iter().enumerate() {
        let found = places.remove(&value).unwrap_or_default();
        ensure!(found.len() <= 1, "record {value} stands in the log {} times: {found:?}", found.len());
        match (fate, found.first()) {
            (Fate::At(partition, offset), place) => {
                let place = place.with_context(|| {
                    format!("record {value} was acknowledged at {partition}@{offset} and is lost")
                })?;
                ensure!(
                    *place == (*partition, *offset),
                    "record {value} was acknowledged at {partition}@{offset} and stands at {place:?}"
                );
            }
            (Fate::NotWritten, Some(place)) => {
                anyhow::bail!("record {value} was said not to be written and stands at {place:?}")
            }
            (Fate::Unknown | Fate::NotWritten, _) => {}
        }
    }
    ensure!(
        places.is_empty(),
        "the log holds records that nobody wrote: {:?}",
        places.keys().take(5).collect::<Vec<_>>()
    );
    Ok(())
}

/// Judges the end of a chain that hands on every record at least once and those of a key in order. The n-th of `records`
/// has the number n and the key n modulo `keys`; `log` is (partition, key, number), by partition and offset.
///
/// What a member had handed on when it died may come again, together with what came after it; but nothing comes for the
/// first time before all that stood before it under its key.
pub(crate) fn judge_chain(records: usize, keys: usize, log: &[(i32, usize, usize)]) -> Result<()> {
    let mut places: BTreeMap<usize, i32> = BTreeMap::new();
    // Behind the last one that has come for the first time.
    let mut next: Vec<usize> = (0..keys).collect();
    for &(partition, key, number) in log {
        let first = *places.entry(key).or_insert(partition);
        ensure!(first == partition, "key {key} stands in partitions {first} and {partition}");
        ensure!(number % keys == key && number < records, "record {number} has key {key}");
        let due = next.get_mut(key).context("a key that nobody has")?;
        ensure!(number <= *due, "record {number} comes before {due}, which has the same key");
        if number == *due {
            *due += keys;
        }
    }
    let missing = next.iter().filter(|due| **due < records).min();
    ensure!(missing.is_none(), "record {} is lost", missing.unwrap_or(&0));
    Ok(())
}

/// Judges the ages of records in microseconds, from before a node fell silent and from while it was, by the 99th
/// percentile; tells both.
///
/// What is missing was never read, which is as late as can be; a hundredth may be.
pub(crate) fn judge_silence(mut before: Vec<u64>, mut silent: Vec<u64>) -> Result<String> {
    let told = format!(
        "half of {} records were read within {} µs and 99 of 100 within {} µs before, {} within {} and {} µs meanwhile",
        before.len(),
        percentile(&mut before, 50),
        percentile(&mut before, 99),
        silent.len(),
        percentile(&mut silent, 50),
        percentile(&mut silent, 99),
    );
    ensure!(!before.is_empty() && silent.len() * 100 >= before.len() * 99, "records are missing: {told}");
    ensure!(
        percentile(&mut silent, 99) * 10 <= percentile(&mut before, 99) * 11,
        "others were held up: {told}"
    );
    Ok(told)
}

/// The value below which so many of a hundred lie; 0 without values.
fn percentile(values: &mut [u64], of_hundred: usize) -> u64 {
    values.sort_unstable();
    values.get(values.len().saturating_sub(1) * of_hundred / 100).copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const FATES: [Fate; 4] = [Fate::At(0, 0), Fate::At(1, 0), Fate::Unknown, Fate::NotWritten];

    #[test]
    fn what_was_given_up_may_be_there_or_not() -> Result<()> {
        judge(&FATES, &[(0, 0, 0), (1, 0, 1)])?;
        judge(&FATES, &[(0, 0, 0), (0, 1, 2), (1, 0, 1)])
    }

    #[test]
    fn a_lost_a_doubled_a_moved_and_a_reordered_record_are_found() {
        let said = |log: &[(i32, i64, usize)]| judge(&FATES, log).unwrap_err().to_string();
        assert_eq!(said(&[(0, 0, 0)]), "record 1 was acknowledged at 1@0 and is lost");
        assert!(said(&[(0, 0, 0), (1, 0, 1), (2, 0, 1)]).starts_with("record 1 stands in the log 2 times"));
        assert!(said(&[(0, 5, 0), (1, 0, 1)]).starts_with("record 0 was acknowledged at 0@0 and stands at"));
        assert_eq!(said(&[(0, 0, 2), (0, 1, 0), (1, 0, 1)]), "record 0 stands behind 2 in partition 0");
        assert!(said(&[(0, 0, 0), (1, 0, 1), (1, 1, 3)]).starts_with("record 3 was said not to be written"));
        assert!(
            said(&[(0, 0, 0), (1, 0, 1), (1, 1, 9)]).starts_with("the log holds records that nobody wrote")
        );
    }

    #[test]
    fn a_chain_may_repeat_itself_and_nothing_else() {
        let said = |log: &[(i32, usize, usize)]| judge_chain(5, 2, log).map_err(|error| error.to_string());
        let whole = [(0, 0, 0), (0, 0, 2), (1, 1, 1), (0, 0, 0), (0, 0, 2), (0, 0, 4), (1, 1, 3)];
        assert_eq!(said(&whole), Ok(()));
        assert_eq!(said(&whole[..5]), Err("record 3 is lost".to_owned()));
        let early = [(0, 0, 0), (0, 0, 4), (0, 0, 2)];
        assert_eq!(said(&early), Err("record 4 comes before 2, which has the same key".to_owned()));
        assert_eq!(said(&[(0, 0, 0), (1, 0, 2)]), Err("key 0 stands in partitions 0 and 1".to_owned()));
        assert_eq!(said(&[(0, 0, 1)]), Err("record 1 has key 0".to_owned()));
    }

    #[test]
    fn a_silent_node_may_hold_up_others_by_a_tenth() {
        let ages = |count: u64, slowest: u64| -> Vec<u64> {
            (0..count).map(|n| if n * 50 < count { slowest } else { 100 }).collect()
        };
        let said =
            |silent: Vec<u64>| judge_silence(ages(1000, 1000), silent).map_err(|error| error.to_string());
        let told = said(ages(990, 1100)).unwrap();
        assert_eq!(
            told,
            "half of 1000 records were read within 100 µs and 99 of 100 within 1000 µs before, 990 within 100 and 1100 µs meanwhile"
        );
        assert!(said(ages(1000, 1101)).unwrap_err().starts_with("others were held up: half of 1000"));
        assert!(said(ages(989, 1000)).unwrap_err().starts_with("records are missing: "));
        assert!(judge_silence(Vec::new(), Vec::new()).is_err());
    }

    #[test]
    fn a_line_tells_a_fate() -> Result<()> {
        assert_eq!(parse("2\t17")?, Fate::At(2, 17));
        assert_eq!(parse("error\ttrue\tthe broker went away")?, Fate::Unknown);
        assert_eq!(parse("error\tfalse\tno such topic")?, Fate::NotWritten);
        assert!(parse("").is_err());
        Ok(())
    }
}
