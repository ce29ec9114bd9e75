//! Operators against models of a few lines, over random records: the outputs are equal one by one, and the changelog, read
//! from its beginning, gives what the outputs give.
use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use proptest::prelude::*;

use super::single::{Single, Written};
use crate::codec::{Codec, CodecContext, I64Be, Utf8};
use crate::{Store, StreamsBuilder, TimeWindows, Topology, hopping};

/// A record of the model: which topic, key, value, time.
#[derive(Clone, Debug)]
struct Event {
    is_table: bool,
    key: Option<u8>,
    value: Option<i64>,
    timestamp: i64,
}

fn events() -> impl Strategy<Value = Vec<Event>> {
    let key = prop::option::weighted(0.9, 0..4_u8);
    let value = prop::option::weighted(0.85, -20..20_i64);
    let event = (any::<bool>(), key, value, 0..200_i64);
    let event = event.prop_map(|(is_table, key, value, timestamp)| Event { is_table, key, value, timestamp });
    prop::collection::vec(event, 1..60)
}

/// What came out: topic, key, value, time.
type Out = (String, Vec<u8>, Option<i64>, i64);

/// Runs the events, those of the table into `table` and the others into `stream`.
fn run(topology: Topology, events: &[Event]) -> Vec<Out> {
    let mut single = Single::new(topology);
    let mut all = Vec::new();
    for event in events {
        let topic = if event.is_table { "table" } else { "stream" };
        let written = single.send(Written {
            topic: topic.to_owned(),
            timestamp: event.timestamp,
            key: event.key.map(|key| Bytes::from(key.to_string())),
            value: event.value.map(|value| Bytes::copy_from_slice(&value.to_be_bytes())),
            headers: Vec::new(),
        });
        all.extend(written.into_iter().map(|written| {
            let value = written.value.map(|value| I64Be.decode(value, &CodecContext::value("t")).unwrap());
            (written.topic, written.key.map(|key| key.to_vec()).unwrap_or_default(), value, written.timestamp)
        }));
    }
    all
}

fn of(topic: &str, all: &[Out]) -> Vec<(Vec<u8>, Option<i64>, i64)> {
    let found = all.iter().filter(|(found, ..)| found == topic);
    found.map(|(_, key, value, timestamp)| (key.clone(), *value, *timestamp)).collect()
}

/// The last value of each key.
fn table_of(updates: &[(Vec<u8>, Option<i64>, i64)]) -> BTreeMap<Vec<u8>, i64> {
    let mut table = BTreeMap::new();
    for (key, value, _) in updates {
        match value {
            Some(value) => drop(table.insert(key.clone(), *value)),
            None => drop(table.remove(key)),
        }
    }
    table
}

fn name(key: u8) -> Vec<u8> {
    key.to_string().into_bytes()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_reduction_is_a_fold_and_its_time_the_latest(events in events()) {
        let builder = StreamsBuilder::new();
        let sums = builder.stream::<String, i64>("stream", (Utf8, I64Be)).group_by_key();
        let sums = sums.reduce(Store::named("sums", (Utf8, I64Be)), |sum, value| sum + value);
        sums.to_stream().to("out", (Utf8, I64Be));
        let all = run(builder.build().unwrap(), &events);

        let (mut sums, mut expected) = (BTreeMap::<u8, (i64, i64)>::new(), Vec::new());
        for event in events.iter().filter(|event| !event.is_table) {
            let (Some(key), Some(value)) = (event.key, event.value) else { continue };
            let (sum, time) = sums.get(&key).copied().unwrap_or((0, 0));
            let (sum, time) = (sum + value, time.max(event.timestamp));
            sums.insert(key, (sum, time));
            expected.push((name(key), Some(sum), time));
        }
        prop_assert_eq!(of("out", &all), expected);
        prop_assert_eq!(of("app-sums-changelog", &all), of("out", &all));
    }

    #[test]
    fn hopping_windows_take_what_is_not_late_for_each_of_them(
        events in events(), size in 1..60_i64, advance in 1..60_i64, grace in 0..80_i64,
    ) {
        let ms = |ms: i64| Duration::from_millis(ms.unsigned_abs());
        let advance = advance.min(size);
        let windows: TimeWindows = hopping(ms(size), ms(advance)).grace(ms(grace));
        let builder = StreamsBuilder::new();
        let sums = builder.stream::<String, i64>("stream", (Utf8, I64Be)).filter(|_, _| true).group_by_key();
        let sums = sums.windowed_by(windows);
        let sums = sums.aggregate(Store::named("sums", (Utf8, I64Be)), || 0, |_, value, sum| *sum += value);
        sums.to_stream().to("out", (windows.codec(Utf8), I64Be));
        let all = run(builder.build().unwrap(), &events);

        let (mut sums, mut stream_time) = (BTreeMap::<(u8, i64), (i64, i64)>::new(), -1);
        let mut expected = Vec::new();
        for event in events.iter().filter(|event| !event.is_table) {
            let (Some(key), Some(value)) = (event.key, event.value) else { continue };
            stream_time = stream_time.max(event.timestamp);
            // Every multiple of the advance from 0 on begins a window: by brute force.
            for start in (0..=event.timestamp).filter(|start| start % advance == 0) {
                let end = start + size;
                if event.timestamp >= end || end <= stream_time - grace {
                    continue;
                }
                let (sum, time) = sums.get(&(key, start)).copied().unwrap_or((0, 0));
                let (sum, time) = (sum + value, time.max(event.timestamp));
                sums.insert((key, start), (sum, time));
                expected.push(([name(key), start.to_be_bytes().to_vec()].concat(), Some(sum), time));
            }
        }
        prop_assert_eq!(of("out", &all), expected);
    }

    #[test]
    fn a_join_sees_the_table_as_the_earlier_records_left_it(events in events()) {
        let builder = StreamsBuilder::new();
        let table = builder.table("table", Store::numbered((Utf8, I64Be)));
        let stream = builder.stream::<String, i64>("stream", (Utf8, I64Be));
        stream.clone().join_table(&table, |_, value, other: &i64| value * 100 + other).to("inner", (Utf8, I64Be));
        let left = stream.left_join_table(&table, |_, value, other| value * 100 + other.copied().unwrap_or(50));
        left.to("left", (Utf8, I64Be));
        let all = run(builder.build().unwrap(), &events);

        let (mut table, mut inner, mut left) = (BTreeMap::new(), Vec::new(), Vec::new());
        for Event { is_table, key, value, timestamp } in events {
            match (is_table, key, value) {
                (true, Some(key), Some(value)) => drop(table.insert(key, value)),
                (true, Some(key), None) => drop(table.remove(&key)),
                (true, None, _) | (false, _, None) => {}
                (false, key, Some(value)) => {
                    let other = key.and_then(|key| table.get(&key)).copied();
                    let bytes = key.map(name).unwrap_or_default();
                    if let Some(other) = other {
                        inner.push((bytes.clone(), Some(value * 100 + other), timestamp));
                    }
                    left.push((bytes, Some(value * 100 + other.unwrap_or(50)), timestamp));
                }
            }
        }
        prop_assert_eq!(of("inner", &all), inner);
        prop_assert_eq!(of("left", &all), left);
    }

    #[test]
    fn a_run_of_records_gives_what_they_give_one_by_one(events in events(), which in 0..4_usize) {
        let build = || {
            let builder = StreamsBuilder::new();
            let stream = builder.stream::<String, i64>("stream", (Utf8, I64Be));
            let store = Store::named("sums", (Utf8, I64Be));
            match which {
                0 => stream.filter(|_, n| *n > 0).map_values(|_, n| n * 2).flat_map_values(|_, n| [n, n + 1]),
                1 => stream.group_by_key().reduce(store, |a, b| a + b).filter(|_, n| *n > 0).to_stream(),
                // Neither of these may see a run: two write to one topic, and a join looks into a store that changes.
                2 => stream.clone().merge(stream.map_values(|_, n| n + 1)),
                _ => {
                    let sums = stream.clone().group_by_key().reduce(store, |a, b| a + b);
                    stream.join_table(&sums, |_, n, sum: &i64| n * 100 + sum)
                }
            }
            .to("out", (Utf8, I64Be));
            builder.build().unwrap()
        };
        let record = |event: &Event| Written {
            topic: "stream".to_owned(),
            timestamp: event.timestamp,
            key: event.key.map(|key| Bytes::from(key.to_string())),
            value: event.value.map(|value| Bytes::copy_from_slice(&value.to_be_bytes())),
            headers: Vec::new(),
        };
        let mut whole = Single::new(build()).send_run(events.iter().map(record).collect());
        let mut single = Single::new(build());
        let mut single: Vec<Written> = events.iter().flat_map(|event| single.send(record(event))).collect();
        // Between a changelog and an output there is no order that anybody could see.
        single.sort_by(|one, other| one.topic.cmp(&other.topic));
        whole.sort_by(|one, other| one.topic.cmp(&other.topic));
        prop_assert_eq!(whole, single);
    }

    #[test]
    fn the_updates_of_a_filtered_table_are_the_table_and_delete_only_what_was_there(events in events()) {
        let builder = StreamsBuilder::new();
        let table = builder.table("table", Store::named("kept", (Utf8, I64Be)));
        table.filter(|_, value| *value > 0).map_values(|_, value| value * 2).to_stream().to("out", (Utf8, I64Be));
        let all = run(builder.build().unwrap(), &events);

        let (mut table, mut expected) = (BTreeMap::<u8, i64>::new(), Vec::new());
        for event in events.iter().filter(|event| event.is_table) {
            let Some(key) = event.key else { continue };
            let (new, old) = (event.value.filter(|value| *value > 0), table.get(&key).copied().filter(|old| *old > 0));
            match event.value {
                Some(value) => drop(table.insert(key, value)),
                None => drop(table.remove(&key)),
            }
            if new.is_some() || old.is_some() {
                expected.push((name(key), new.map(|new| new * 2), event.timestamp));
            }
        }
        prop_assert_eq!(of("out", &all), expected);
        let positive = table.iter().filter(|(_, value)| **value > 0).map(|(key, value)| (name(*key), value * 2));
        prop_assert_eq!(table_of(&of("out", &all)), positive.collect::<BTreeMap<_, _>>());
    }
}
