//! The topologies that are written twice: here, and in `tests/interop/streams/Topologies.java`.
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use courant_streams::codec::{I64Be, Utf8};
use courant_streams::{
    Consumed, Grouped, KStream, KTable, Produced, Repartitioned, Store, StreamsBuilder, TimeWindows, hopping,
    tumbling,
};

/// Builds a topology.
pub(crate) type Build = fn(&StreamsBuilder);

/// All of them by name.
// tidy: one table
pub(crate) fn all() -> Vec<(&'static str, Build)> {
    vec![
        ("stateless", stateless),
        ("key-changing", key_changing),
        ("branches", branches),
        ("branches-named", branches_named),
        ("merge", merge),
        ("diamond", diamond),
        ("same-topic-twice", same_topic_twice),
        ("word-count", word_count),
        ("count-numbered", count_numbered),
        ("count-materialized", count_materialized),
        ("reduce", reduce),
        ("aggregate-rekeyed", aggregate_rekeyed),
        ("grouping-shared", grouping_shared),
        ("grouping-unnamed-twice", grouping_unnamed_twice),
        ("tumbling-count", tumbling_count),
        ("tumbling-numbered", tumbling_numbered),
        ("hopping-aggregate", hopping_aggregate),
        ("hopping-reduce-rekeyed", hopping_reduce_rekeyed),
        ("table", table),
        ("table-not-kept", table_not_kept),
        ("table-operators", table_operators),
        ("table-operators-kept", table_operators_kept),
        ("join", join),
        ("left-join", left_join),
        ("left-join-rekeyed", left_join_rekeyed),
        ("join-rekeyed-twice", join_rekeyed_twice),
        ("join-named", join_named),
        ("join-with-view", join_with_view),
        ("join-with-own-counts", join_with_own_counts),
        ("repartition", repartition),
        ("repartition-numbered", repartition_numbered),
        ("named", named),
        ("two-pipelines", two_pipelines),
        ("chain-of-counts", chain_of_counts),
        ("windowed-rekeyed", windowed_rekeyed),
        ("filtered-counts", filtered_counts),
        ("filtered-windows", filtered_windows),
        ("wide", wide),
    ]
}

/// What stands before the names of the topics that are read, and of those that are written.
static PREFIXES: Mutex<(String, String)> = Mutex::new((String::new(), String::new()));

/// Puts something before the names of all topics of the topologies that are built from now on.
#[allow(dead_code)]
pub(crate) fn set_prefixes(inputs: &str, outputs: &str) {
    *PREFIXES.lock().unwrap_or_else(PoisonError::into_inner) = (inputs.to_owned(), outputs.to_owned());
}

fn prefixes() -> (String, String) {
    PREFIXES.lock().unwrap_or_else(PoisonError::into_inner).clone()
}

fn input(topic: &str) -> String {
    format!("{}{topic}", prefixes().0)
}

fn output(topic: &str) -> String {
    format!("{}{topic}", prefixes().1)
}

const TEXTS: (Utf8, Utf8) = (Utf8, Utf8);
const LONGS: (Utf8, I64Be) = (Utf8, I64Be);

fn texts(builder: &StreamsBuilder, topic: impl Into<Consumed>) -> KStream<String, String> {
    builder.stream(topic, TEXTS)
}

fn longs(builder: &StreamsBuilder) -> KStream<String, i64> {
    builder.stream(input("longs"), LONGS)
}

fn words(line: &str) -> Vec<String> {
    line.split(' ').filter(|word| !word.is_empty()).map(str::to_owned).collect()
}

fn minutes() -> TimeWindows {
    tumbling(Duration::from_secs(10)).grace(Duration::from_secs(5))
}

fn hops() -> TimeWindows {
    hopping(Duration::from_secs(12), Duration::from_secs(5)).grace(Duration::from_secs(3))
}

fn label(name: Option<&String>, number: i64) -> String {
    format!("{}:{number}", name.map_or("null", String::as_str))
}

fn stateless(builder: &StreamsBuilder) {
    texts(builder, input("texts"))
        .filter(|_, text| !text.starts_with("w1"))
        .filter_not(|_, text| text.ends_with("w2"))
        .map_values(|_, text| text.to_uppercase())
        .peek(|_, _| {})
        .flat_map_values(|_, text| words(&text))
        .to(output("out"), TEXTS);
}

fn key_changing(builder: &StreamsBuilder) {
    texts(builder, input("texts"))
        .filter(|_, _| true)
        .select_key(|key, _| key.map_or_else(|| "none".to_owned(), |key| key.repeat(2)))
        .map(|key, text| (text, key.unwrap_or_default()))
        .flat_map(|key, text| {
            words(&key.unwrap_or_default())
                .into_iter()
                .map(move |word| (word, text.clone()))
                .collect::<Vec<_>>()
        })
        .to(output("out"), TEXTS);
    texts(builder, input("texts")).for_each(|_, _| {});
}

fn branches(builder: &StreamsBuilder) {
    let mut split = longs(builder).split();
    let small = split.branch(|_, number| *number < 20);
    let middle = split.branch(|_, number| *number < 60);
    let others = split.default_branch();
    small.to(output("small"), LONGS);
    middle.to(output("middle"), LONGS);
    others.to(output("others"), LONGS);
}

fn branches_named(builder: &StreamsBuilder) {
    let mut split = longs(builder).split().named("by-size-");
    let small = split.branch_as("small", |_, number| *number < 20);
    let middle = split.branch(|_, number| *number < 60);
    small.to(output("small"), LONGS);
    middle.to(output("middle"), LONGS);
}

fn merge(builder: &StreamsBuilder) {
    let upper = texts(builder, input("texts")).map_values(|_, text| text.to_uppercase());
    upper.merge(texts(builder, input("more"))).to(output("out"), TEXTS);
}

fn diamond(builder: &StreamsBuilder) {
    let longs = longs(builder);
    let doubled = longs.clone().map_values(|_, number| number * 2);
    let large = longs.clone().filter(|_, number| *number > 50);
    doubled.merge(large).to(output("out"), LONGS);
    longs.to(output("out"), LONGS);
}

fn same_topic_twice(builder: &StreamsBuilder) {
    texts(builder, input("texts")).map_values(|_, text| text.to_uppercase()).to(output("upper"), TEXTS);
    texts(builder, input("texts")).flat_map_values(|_, text| words(&text)).to(output("words"), TEXTS);
}

fn word_count(builder: &StreamsBuilder) {
    texts(builder, input("texts"))
        .flat_map_values(|_, text| words(&text))
        .group_by(Grouped::numbered(), TEXTS, |_, word| word.clone())
        .count(Store::named("counts", LONGS))
        .to_stream()
        .to(output("counted"), LONGS);
}

fn count_numbered(builder: &StreamsBuilder) {
    texts(builder, input("texts"))
        .group_by_key()
        .count(Store::numbered(LONGS))
        .to_stream()
        .to(output("counted"), LONGS);
}

fn count_materialized(builder: &StreamsBuilder) {
    texts(builder, input("texts"))
        .flat_map_values(|_, text| words(&text))
        .group_by(Grouped::numbered(), TEXTS, |_, word| word.clone())
        .count(Store::materialized(LONGS))
        .to_stream()
        .to(output("counted"), LONGS);
}

fn reduce(builder: &StreamsBuilder) {
    let totals =
        longs(builder).group_by_key().reduce(Store::named("totals", LONGS), |total, number| total + number);
    totals.to_stream().to(output("totals"), LONGS);
}

fn aggregate_rekeyed(builder: &StreamsBuilder) {
    longs(builder)
        .filter(|_, _| true)
        .select_key(|_, number| if number % 2 == 0 { "even".to_owned() } else { "odd".to_owned() })
        .with_codecs(LONGS)
        .group_by_key()
        .aggregate(Store::named("lists", TEXTS), String::new, |_, number, all| {
            *all = if all.len() > 20 { number.to_string() } else { format!("{all},{number}") };
        })
        .to_stream()
        .to(output("lists"), TEXTS);
}

fn grouping_shared(builder: &StreamsBuilder) {
    let grouped =
        longs(builder).filter(|_, _| true).group_by("thirds", LONGS, |_, number| format!("k{}", number % 3));
    grouped.clone().count(Store::named("counts", LONGS)).to_stream().to(output("counts"), LONGS);
    grouped.reduce(Store::named("largest", LONGS), |a, b| *a.max(b)).to_stream().to(output("largest"), LONGS);
}

fn grouping_unnamed_twice(builder: &StreamsBuilder) {
    let grouped = longs(builder)
        .filter(|_, _| true)
        .group_by(Grouped::numbered(), LONGS, |_, number| format!("k{}", number % 3));
    grouped.clone().count(Store::numbered(LONGS)).to_stream().to(output("counts"), LONGS);
    grouped.reduce(Store::numbered(LONGS), |a, b| *a.max(b)).to_stream().to(output("largest"), LONGS);
}

fn tumbling_count(builder: &StreamsBuilder) {
    let windows = texts(builder, input("texts")).group_by_key().windowed_by(minutes());
    windows
        .count(Store::named("per-window", LONGS))
        .to_stream()
        .to(output("counted"), (minutes().codec(Utf8), I64Be));
}

fn tumbling_numbered(builder: &StreamsBuilder) {
    let counts =
        texts(builder, input("texts")).group_by_key().windowed_by(minutes()).count(Store::numbered(LONGS));
    counts
        .to_stream()
        .select_key(|windowed, _| {
            windowed.map_or_else(String::new, |w| format!("{}@{}", w.key, w.window.start_ms))
        })
        .to(output("counted"), LONGS);
}

fn hopping_aggregate(builder: &StreamsBuilder) {
    let windows = longs(builder).filter(|_, _| true).group_by_key().windowed_by(hops());
    let sums = windows.aggregate(Store::named("sums", LONGS), || 0, |_, number, sum| *sum += number);
    sums.to_stream().to(output("sums"), (hops().codec(Utf8), I64Be));
}

fn hopping_reduce_rekeyed(builder: &StreamsBuilder) {
    let store = Store::materialized(LONGS).retention(Duration::from_secs(60));
    let grouped = longs(builder)
        .filter(|_, _| true)
        .group_by(Grouped::numbered(), LONGS, |_, number| format!("k{}", number % 4));
    let least = grouped.windowed_by(hops()).reduce(store, |a, b| *a.min(b));
    least.to_stream().to(output("least"), (hops().codec(Utf8), I64Be));
}

fn table(builder: &StreamsBuilder) {
    builder.table(input("names"), Store::named("names", TEXTS)).to_stream().to(output("out"), TEXTS);
}

fn table_not_kept(builder: &StreamsBuilder) {
    builder.table(input("names"), Store::numbered(TEXTS)).to_stream().to(output("out"), TEXTS);
}

fn table_operators(builder: &StreamsBuilder) {
    let balances: KTable<String, i64> = builder.table(input("balances"), Store::named("balances", LONGS));
    balances.clone().filter(|_, cents| *cents > 50).to_stream().to(output("large"), LONGS);
    let others = balances.filter_not(|_, cents| *cents > 50);
    others.map_values(|_, cents| format!("c{cents}")).to_stream().to(output("texts-out"), TEXTS);
}

fn table_operators_kept(builder: &StreamsBuilder) {
    builder
        .table(input("balances"), Store::numbered(LONGS))
        .filter_into(Store::named("above-20", LONGS), |_, cents| *cents > 20)
        .filter_not_into(Store::materialized(LONGS), |_, cents| *cents > 80)
        .map_values_into(Store::named("as-text", TEXTS), |_, cents| format!("c{cents}"))
        .map_values_into(Store::materialized(TEXTS), |_, text| format!("{text}!"))
        .to_stream()
        .to(output("out"), TEXTS);
}

fn join(builder: &StreamsBuilder) {
    let names = builder.table(input("names"), Store::numbered(TEXTS));
    longs(builder)
        .join_table(&names, |_, number, name: &String| label(Some(name), number))
        .to(output("out"), TEXTS);
}

fn left_join(builder: &StreamsBuilder) {
    let names = builder.table(input("names"), Store::named("names", TEXTS));
    longs(builder).left_join_table(&names, |_, number, name| label(name, number)).to(output("out"), TEXTS);
}

fn left_join_rekeyed(builder: &StreamsBuilder) {
    let names = builder.table(input("names"), Store::numbered(TEXTS));
    rekeyed_with_nulls(builder)
        .left_join_table(&names, |_, number, name| label(name, number))
        .to(output("out"), TEXTS);
}

/// `map` gives every record a key, so what has none goes around it; Java's may return null.
fn rekeyed_with_nulls(builder: &StreamsBuilder) -> KStream<String, i64> {
    longs(builder).filter(|_, _| true).map_nullable(|key, number| (key, Some(number + 1))).with_codecs(LONGS)
}

fn rekeyed(builder: &StreamsBuilder) -> KStream<String, i64> {
    let whole = longs(builder).filter(|key, _| key.is_some());
    whole.map(|key, number| (key.unwrap_or_default(), number + 1)).with_codecs(LONGS)
}

fn join_rekeyed_twice(builder: &StreamsBuilder) {
    let names = builder.table(input("names"), Store::numbered(TEXTS));
    let balances = builder.table(input("balances"), Store::numbered(LONGS));
    let rekeyed = rekeyed(builder);
    let with_names = rekeyed.clone().join_table(&names, |_, number, name: &String| label(Some(name), number));
    with_names.to(output("with-names"), TEXTS);
    let with_balances = rekeyed.join_table(&balances, |_, number, cents: &i64| format!("{cents}:{number}"));
    with_balances.to(output("with-balances"), TEXTS);
}

fn join_named(builder: &StreamsBuilder) {
    let names = builder.table(input("names"), Store::numbered(TEXTS));
    rekeyed(builder)
        .join_table_as("with-names", &names, |_, number, name: &String| label(Some(name), number))
        .to(output("out"), TEXTS);
}

fn join_with_view(builder: &StreamsBuilder) {
    let balances: KTable<String, i64> = builder.table(input("balances"), Store::numbered(LONGS));
    let view = balances.filter(|_, cents| *cents > 40).map_values(|_, cents| format!("c{cents}"));
    longs(builder)
        .join_table(&view, |_, number, text: &String| label(Some(text), number))
        .to(output("out"), TEXTS);
}

fn join_with_own_counts(builder: &StreamsBuilder) {
    let texts = texts(builder, input("texts"));
    let counts = texts.clone().group_by_key().count(Store::named("counts", LONGS));
    texts.join_table(&counts, |_, text, count: &i64| format!("{text}#{count}")).to(output("out"), TEXTS);
}

fn repartition(builder: &StreamsBuilder) {
    texts(builder, input("texts"))
        .repartition(Repartitioned::named("wide").partitions(3), TEXTS)
        .to(output("out"), TEXTS);
}

fn repartition_numbered(builder: &StreamsBuilder) {
    texts(builder, input("texts"))
        .flat_map(|_, text| {
            words(&text).into_iter().map(move |word| (word, text.clone())).collect::<Vec<_>>()
        })
        .repartition(Repartitioned::numbered(), TEXTS)
        .group_by_key()
        .count(Store::numbered(LONGS))
        .to_stream()
        .to(output("counted"), LONGS);
}

fn named(builder: &StreamsBuilder) {
    let names =
        builder.table(Consumed::from(input("names")).named("read-names"), Store::named("names", TEXTS));
    texts(builder, Consumed::from(input("texts")).named("read-texts"))
        .filter(|_, _| true)
        .named("with-text")
        .map_values(|_, text| text.to_uppercase())
        .named("upper")
        .join_table_as("add-name", &names, |_, text, name: &String| format!("{text}/{name}"))
        .group_by("by-text", TEXTS, |_, text| text.clone())
        .count(Store::named("counts", LONGS))
        .named("count-texts")
        .to_stream()
        .named("counts-as-stream")
        .to(Produced::from(output("counted")).named("write-counts"), LONGS);
}

fn two_pipelines(builder: &StreamsBuilder) {
    texts(builder, input("texts"))
        .flat_map_values(|_, text| words(&text))
        .group_by(Grouped::numbered(), TEXTS, |_, word| word.clone())
        .count(Store::numbered(LONGS))
        .to_stream()
        .to(output("counted"), LONGS);
    let totals = longs(builder).group_by_key().reduce(Store::numbered(LONGS), |total, number| total + number);
    totals.to_stream().to(output("totals"), LONGS);
}

fn chain_of_counts(builder: &StreamsBuilder) {
    texts(builder, input("texts"))
        .flat_map_values(|_, text| words(&text))
        .group_by("by-word", TEXTS, |_, word| word.clone())
        .count(Store::named("per-word", LONGS))
        .to_stream()
        .group_by("by-count", LONGS, |_, count| format!("n{count}"))
        .count(Store::named("per-count", LONGS))
        .to_stream()
        .to(output("counted"), LONGS);
}

fn windowed_rekeyed(builder: &StreamsBuilder) {
    texts(builder, input("texts"))
        .flat_map_values(|_, text| words(&text))
        .group_by("by-word", TEXTS, |_, word| word.clone())
        .windowed_by(minutes())
        .count(Store::named("per-window", LONGS))
        .to_stream()
        .map(|windowed, count| match windowed {
            Some(windowed) => (windowed.key, format!("{}:{count}", windowed.window.start_ms)),
            None => (String::new(), String::new()),
        })
        .to(output("out"), TEXTS);
}

fn filtered_counts(builder: &StreamsBuilder) {
    let counts = texts(builder, input("texts")).group_by_key().count(Store::named("counts", LONGS));
    counts.filter_not(|_, count| (3..5).contains(count)).to_stream().to(output("counted"), LONGS);
}

fn filtered_windows(builder: &StreamsBuilder) {
    let windows = longs(builder).filter(|_, _| true).group_by_key().windowed_by(hops());
    let sums = windows.aggregate(Store::named("sums", LONGS), || 0, |_, number, sum| *sum += number);
    let doubled = sums.filter(|_, sum| *sum > 100).map_values(|_, sum| sum * 2);
    doubled.to_stream().to(output("sums"), (hops().codec(Utf8), I64Be));
}

fn wide(builder: &StreamsBuilder) {
    let longs = longs(builder);
    longs.clone().filter(|_, number| *number > 50).map_values(|_, number| number + 1).to(output("a"), LONGS);
    longs.clone().filter_not(|_, number| *number > 50).to(output("b"), LONGS);
    longs.clone().peek(|_, _| {}).filter(|_, number| *number > 50).filter(|_, _| true).to(output("c"), LONGS);
    longs.clone().group_by_key().count(Store::numbered(LONGS)).to_stream().to(output("d"), LONGS);
    longs.clone().for_each(|_, _| {});
    longs.map_values(|_, number| format!("t{number}")).to(output("e"), TEXTS);
}
