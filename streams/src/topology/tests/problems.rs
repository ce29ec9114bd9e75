//! What is wrong with a topology is told all at once; what goes wrong with a record names the record.
use std::time::Duration;

use bytes::Bytes;

use super::single::{Single, Written};
use crate::codec::{Codec, CodecContext, CodecError, Encoded, I64Be, Nullable, Utf8};
use crate::operator::{Dropped, ProcessErrorKind};
use crate::topology::TopologyProblem;
use crate::{Grouped, Repartitioned, Store, StreamsBuilder, hopping, tumbling};

fn record(topic: &str, key: Option<&str>, value: Option<&[u8]>, timestamp: i64) -> Written {
    let key = key.map(|key| Bytes::copy_from_slice(key.as_bytes()));
    let value = value.map(Bytes::copy_from_slice);
    Written { topic: topic.to_owned(), timestamp, key, value, headers: Vec::new() }
}

#[test]
fn a_topology_tells_all_its_problems_at_once() {
    let builder = StreamsBuilder::new();
    let longs = builder.stream::<String, i64>("longs", (Utf8, I64Be));
    let changed = longs.clone().map(|_, number| (number, number));
    changed.group_by_key().count(Store::named("same", (I64Be, I64Be))).to_stream().to("a", (I64Be, I64Be));
    let grouped = longs.clone().group_by_key();
    grouped.clone().count(Store::named("same", (Utf8, I64Be))).to_stream().to("b", (Utf8, I64Be));
    let hops = hopping(Duration::from_secs(1), Duration::from_secs(2));
    drop(grouped.clone().windowed_by(hops).count(Store::named("hops", (Utf8, I64Be))));
    let short = Store::named("short", (Utf8, I64Be)).retention(Duration::from_secs(5));
    drop(grouped.windowed_by(tumbling(Duration::from_secs(10))).count(short));
    drop(longs.clone().named("not a name"));
    drop(longs.clone().filter(|_, _| true).named("twice"));
    drop(longs.filter(|_, _| true).named("twice"));
    drop(builder.table("longs", Store::numbered((Utf8, I64Be))));
    drop(builder.stream::<String, i64>(Vec::new(), (Utf8, I64Be)));

    let error = builder.build().unwrap_err();
    let has = |wanted: fn(&TopologyProblem) -> bool| error.problems().iter().any(wanted);
    assert!(has(
        |problem| matches!(problem, TopologyProblem::MissingCodecs { topic } if topic == "same-repartition")
    ));
    assert!(has(|problem| matches!(problem, TopologyProblem::DuplicateName { name } if name == "same")));
    assert!(has(|problem| matches!(problem, TopologyProblem::DuplicateName { name } if name == "twice")));
    assert!(has(|problem| matches!(problem, TopologyProblem::Window { .. })));
    assert!(has(|problem| matches!(problem, TopologyProblem::Retention { needed_ms: 10_000, .. })));
    assert!(has(|problem| matches!(problem, TopologyProblem::Name { name, .. } if name == "not a name")));
    assert!(has(
        |problem| matches!(problem, TopologyProblem::OverlappingSources { topic, .. } if topic == "longs")
    ));
    assert!(has(|problem| matches!(problem, TopologyProblem::NoTopics { .. })));
    assert!(error.to_string().contains("problem(s)"), "{error}");
}

#[test]
fn an_empty_topology_and_streams_of_two_builders_are_problems() {
    assert_eq!(StreamsBuilder::new().build().unwrap_err().problems(), [TopologyProblem::Empty]);
    let (one, other) = (StreamsBuilder::new(), StreamsBuilder::new());
    let foreign = other.stream::<String, i64>("there", (Utf8, I64Be));
    drop(one.stream::<String, i64>("here", (Utf8, I64Be)).merge(foreign));
    assert!(matches!(one.build().unwrap_err().problems(), [TopologyProblem::ForeignStream { .. }]));
}

#[test]
fn repartition_topics_that_are_joined_must_want_equal_counts() {
    let builder = StreamsBuilder::new();
    let wide = builder.stream::<String, i64>("longs", (Utf8, I64Be));
    let wide = wide.repartition(Repartitioned::named("wide").partitions(4), (Utf8, I64Be));
    let narrow = builder.stream::<String, i64>("others", (Utf8, I64Be));
    let narrow = narrow.repartition(Repartitioned::named("narrow").partitions(2), (Utf8, I64Be));
    let counts = narrow.group_by_key().count(Store::named("counts", (Utf8, I64Be)));
    wide.join_table(&counts, |_, number, count: &i64| number + count).to("out", (Utf8, I64Be));
    let error = builder.build().unwrap_err();
    let [TopologyProblem::Copartition { topics }] = error.problems() else { panic!("{error}") };
    let mut topics = topics.clone();
    topics.sort();
    assert_eq!(topics, [("narrow-repartition".to_owned(), 2), ("wide-repartition".to_owned(), 4)]);
}

#[test]
fn sources_of_a_join_are_one_group_of_equal_partitions() {
    let builder = StreamsBuilder::new();
    let names = builder.table("names", Store::named("names", (Utf8, Utf8)));
    let longs = builder.stream::<String, i64>("longs", (Utf8, I64Be));
    longs.join_table(&names, |_, _, name: &String| name.clone()).to("out", (Utf8, Utf8));
    drop(builder.stream::<String, i64>("alone", (Utf8, I64Be)).peek(|_, _| {}));
    let topology = builder.build().unwrap();
    let [joined, alone] = topology.sub_topologies() else { panic!("{topology:?}") };
    let names =
        |group: &Vec<usize>| group.iter().map(|at| joined.sources[*at].name.clone()).collect::<Vec<_>>();
    assert_eq!(joined.copartition_groups.iter().map(names).collect::<Vec<_>>(), [["names", "longs"]]);
    assert!(alone.copartition_groups.is_empty());
}

#[test]
fn a_poison_record_names_its_codec_and_its_place_and_is_left_out_if_the_handler_says_so() {
    let builder = StreamsBuilder::new();
    builder.stream::<String, i64>("longs", (Utf8, I64Be)).to("out", (Utf8, I64Be));
    let mut single = Single::new(builder.build().unwrap());
    assert_eq!(single.send(record("longs", Some("k"), Some(b"short"), 1)), []);
    assert_eq!(single.send(record("longs", Some("k"), Some(&7_i64.to_be_bytes()), 2)).len(), 1);
    let [error] = &single.task(0).errors[..] else { panic!("one error") };
    assert_eq!(error.kind(), ProcessErrorKind::Deserialization);
    assert_eq!((error.origin().unwrap().to_string(), error.offset()), ("longs-0".to_owned(), Some(1)));
    assert_eq!(error.node(), "KSTREAM-SOURCE-0000000000");
    assert!(error.to_string().contains("the value: I64Be"), "{error}");
}

/// A codec that writes what it is told to.
#[derive(Clone)]
struct Odd;

impl Codec<i64> for Odd {
    fn encode(
        &self,
        value: &i64,
        _: &CodecContext<'_>,
        out: &mut bytes::BytesMut,
    ) -> Result<Encoded, CodecError> {
        out.extend_from_slice(&value.to_be_bytes());
        match value {
            13 => Err(CodecError::value("Odd", "13 is refused")),
            0 => Ok(Encoded::Null),
            _ => Ok(Encoded::Bytes),
        }
    }

    fn decode(&self, bytes: Bytes, context: &CodecContext<'_>) -> Result<i64, CodecError> {
        I64Be.decode(bytes, context)
    }
}

#[test]
fn what_a_codec_cannot_write_is_left_out_if_the_handler_says_so() {
    let builder = StreamsBuilder::new();
    let sums = builder.stream::<String, i64>("longs", (Utf8, I64Be)).group_by_key();
    let sums = sums.reduce(Store::named("sums", (Utf8, Odd)), |sum, number| sum + number);
    sums.to_stream().to("out", (Utf8, I64Be));
    let mut single = Single::new(builder.build().unwrap());
    assert_eq!(single.send(record("longs", Some("k"), Some(&13_i64.to_be_bytes()), 1)), []);
    let [error] = &single.task(0).errors[..] else { panic!("one error") };
    assert_eq!((error.kind(), error.node()), (ProcessErrorKind::Serialization, "KSTREAM-REDUCE-0000000001"));
    assert!(error.to_string().contains("app-sums-changelog"), "{error}");
}

#[test]
fn a_value_that_its_codec_writes_as_null_deletes_and_is_handed_on_as_a_deletion() {
    let builder = StreamsBuilder::new();
    let sums = builder.stream::<String, i64>("longs", (Utf8, I64Be)).group_by_key();
    let sums = sums.reduce(Store::named("sums", (Utf8, Odd)), |sum, number| sum + number);
    sums.to_stream().to("out", (Utf8, I64Be));
    let mut single = Single::new(builder.build().unwrap());
    let number = |n: i64| n.to_be_bytes().to_vec();
    assert_eq!(single.send(record("longs", Some("k"), Some(&number(5)), 1)).len(), 2);
    let deleted = single.send(record("longs", Some("k"), Some(&number(-5)), 2));
    let expected = ["app-sums-changelog", "out"].map(|topic| record(topic, Some("k"), None, 2));
    assert_eq!(deleted, expected);
    let again = single.send(record("longs", Some("k"), Some(&number(3)), 3));
    assert_eq!(again[1], record("out", Some("k"), Some(&number(3)), 3));
}

#[test]
fn keys_and_values_that_are_missing_are_left_out_where_they_are_needed() {
    let builder = StreamsBuilder::new();
    let longs = builder.stream::<String, i64>("longs", (Utf8, I64Be));
    let names = builder.table("names", Store::named("names", (Utf8, Utf8)));
    longs
        .clone()
        .group_by_key()
        .count(Store::named("counts", (Utf8, I64Be)))
        .to_stream()
        .to("a", (Utf8, I64Be));
    longs.clone().join_table(&names, |_, _, name: &String| name.clone()).to("b", (Utf8, Utf8));
    longs.left_join_table(&names, |_, _, name| name.is_some().to_string()).to("c", (Utf8, Utf8));
    let mut single = Single::new(builder.build().unwrap());
    let value = 1_i64.to_be_bytes();
    assert_eq!(single.send(record("names", None, Some(b"n"), 1)), []);
    assert_eq!(single.send(record("longs", None, Some(&value), 2)), [record("c", None, Some(b"false"), 2)]);
    assert_eq!(single.send(record("longs", Some("k"), None, 3)), []);
    assert_eq!(
        single.task(0).dropped,
        [
            (1, Dropped::NullKey),
            (2, Dropped::NullKey),
            (2, Dropped::NullKey),
            (3, Dropped::NullValue),
            (3, Dropped::NullValue),
            (3, Dropped::NullValue),
        ]
    );
}

#[test]
fn null_is_a_value_where_the_codec_says_so_and_the_predicate_sees_it() {
    let builder = StreamsBuilder::new();
    let lines = builder.stream::<Option<String>, Option<i64>>("longs", (Nullable(Utf8), Nullable(I64Be)));
    lines.filter(|_, number| number.is_none()).to("out", (Nullable(Utf8), Nullable(I64Be)));
    let mut single = Single::new(builder.build().unwrap());
    assert_eq!(single.send(record("longs", None, None, 1)), [record("out", None, None, 1)]);
    assert_eq!(single.send(record("longs", None, Some(&[0; 8]), 2)), []);
}

#[test]
fn stream_time_goes_on_from_where_the_task_was_committed() {
    let builder = StreamsBuilder::new();
    let windows = builder.stream::<String, i64>("longs", (Utf8, I64Be)).group_by_key();
    let windows = windows.windowed_by(tumbling(Duration::from_secs(10)));
    let counts = windows.count(Store::named("counts", (Utf8, I64Be)));
    counts.to_stream().select_key(|_, count| *count).to("out", (I64Be, I64Be));
    let mut single = Single::new(builder.build().unwrap());
    single.task(0).restored_stream_time = 25_000;
    assert_eq!(single.send(record("longs", Some("k"), Some(&[0; 8]), 19_999)), []);
    assert_eq!(single.task(0).dropped, [(1, Dropped::Late)]);
    assert_eq!(single.send(record("longs", Some("k"), Some(&[0; 8]), 20_000)).len(), 2);
}

#[test]
fn a_window_closes_at_the_very_millisecond_of_its_end_and_grace() {
    let builder = StreamsBuilder::new();
    let windows = builder.stream::<String, i64>("longs", (Utf8, I64Be)).group_by_key();
    let windows = windows.windowed_by(tumbling(Duration::from_millis(10)).grace(Duration::from_millis(5)));
    let counts = windows.count(Store::named("counts", (Utf8, I64Be)));
    counts.to_stream().select_key(|_, count| *count).to("out", (I64Be, I64Be));
    let mut single = Single::new(builder.build().unwrap());
    let mut written = |timestamp| single.send(record("longs", Some("k"), Some(&[0; 8]), timestamp)).len();
    assert_eq!(written(14), 2);
    assert_eq!(written(9), 2); // [0,10) is open until 15
    assert_eq!(written(15), 2);
    assert_eq!(written(9), 0);
    assert_eq!(single.task(0).dropped, [(4, Dropped::Late)]);
}

#[test]
fn an_old_update_of_a_table_replaces_a_newer_one() {
    let builder = StreamsBuilder::new();
    let names = builder.table("names", Store::named("names", (Utf8, Utf8)));
    let longs = builder.stream::<String, i64>("longs", (Utf8, I64Be));
    longs.join_table(&names, |_, _, name: &String| name.clone()).to("out", (Utf8, Utf8));
    let mut single = Single::new(builder.build().unwrap());
    single.send(record("names", Some("k"), Some(b"first"), 9));
    let logged = single.send(record("names", Some("k"), Some(b"second"), 3));
    assert_eq!(logged, [record("app-names-changelog", Some("k"), Some(b"second"), 3)]);
    let joined = single.send(record("longs", Some("k"), Some(&[0; 8]), 20));
    assert_eq!(joined, [record("out", Some("k"), Some(b"second"), 20)]);
}

#[test]
fn a_join_of_a_rekeyed_stream_without_codecs_is_a_problem_and_with_them_is_none() {
    let build = |with_codecs: bool| {
        let builder = StreamsBuilder::new();
        let names = builder.table("names", Store::named("names", (Utf8, Utf8)));
        let longs = builder.stream::<String, i64>("longs", (Utf8, I64Be)).map(|_, n| (n.to_string(), n));
        let longs = if with_codecs { longs.with_codecs((Utf8, I64Be)) } else { longs };
        longs.join_table(&names, |_, _, name: &String| name.clone()).to("out", (Utf8, Utf8));
        builder.build()
    };
    assert!(matches!(build(false).unwrap_err().problems(), [TopologyProblem::MissingCodecs { .. }]));
    assert!(build(true).is_ok());
    let builder = StreamsBuilder::new();
    let longs = builder.stream::<String, i64>("longs", (Utf8, I64Be));
    let zero = longs.repartition(Repartitioned::numbered().partitions(0), (Utf8, I64Be));
    drop(zero.group_by(Grouped::numbered(), (Utf8, I64Be), |_, n| n.to_string()));
    assert!(matches!(
        builder.build().unwrap_err().problems(),
        [TopologyProblem::Partitions { partitions: 0, .. }]
    ));
}
