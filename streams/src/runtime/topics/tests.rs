//! Partition counts of internal topics, in a table of cases.
use super::*;
use crate::{Grouped, KStream, Repartitioned, Store, StreamsBuilder, Topology, tumbling};
use courant_client::codec::{I64Be, Utf8};
use courant_client::config::Properties;
use std::time::Duration;

fn counted(topology: &Topology, outside: &[(&str, i32)]) -> Result<PartitionCounts, Error> {
    let mut counts = outside.iter().map(|(topic, count)| ((*topic).to_owned(), *count)).collect();
    count_partitions(topology.sub_topologies(), "app", &mut counts)?;
    Ok(counts)
}

/// `one` and a table of `two` are joined; each goes through a repartition topic first if a number is given, or 0 for any.
fn join(one: Option<i32>, two: bool) -> Topology {
    let builder = StreamsBuilder::new();
    let mut stream: KStream<String, String> = builder.stream("one", (Utf8, Utf8));
    if let Some(partitions) = one {
        let by = Repartitioned::named("by");
        let by = if partitions > 0 { by.partitions(partitions) } else { by };
        stream = stream.repartition(by, (Utf8, Utf8));
    }
    let table = match two {
        false => builder.table("two", Store::named("table", (Utf8, Utf8))),
        true => builder
            .stream::<String, String>("two", (Utf8, Utf8))
            .group_by(Grouped::named("other"), (Utf8, Utf8), |_, value: &String| value.clone())
            .reduce(Store::named("table", (Utf8, Utf8)), |_, new: &String| new.clone()),
    };
    stream.join_table(&table, |_, value: String, _: &String| value).to("out", (Utf8, Utf8));
    builder.build().unwrap()
}

/// Trap 13.
#[test]
fn topics_that_are_joined_get_one_number_of_partitions() {
    let topics = [("one", 4), ("two", 3)];
    // Both from outside, unequal: no.
    assert_eq!(counted(&join(None, false), &topics).unwrap_err().kind(), ErrorKind::NotCopartitioned);
    // A repartition topic takes the number of the one from outside.
    assert_eq!(counted(&join(Some(0), false), &topics).unwrap()["app-by-repartition"], 3);
    // Unless its user gave it another one.
    assert_eq!(counted(&join(Some(5), false), &topics).unwrap_err().kind(), ErrorKind::NotCopartitioned);
    // Both internal: the larger one.
    let both = counted(&join(Some(0), true), &topics).unwrap();
    assert_eq!((both["app-by-repartition"], both["app-other-repartition"]), (4, 4));
    // Both internal, one set by its user: that one.
    let both = counted(&join(Some(7), true), &topics).unwrap();
    assert_eq!((both["app-by-repartition"], both["app-other-repartition"]), (7, 7));
}

#[test]
fn a_repartition_topic_is_as_large_as_what_goes_into_it() {
    let builder = StreamsBuilder::new();
    let stream: KStream<String, String> = builder.stream("a", (Utf8, Utf8));
    let merged = stream.merge(builder.stream("b", (Utf8, Utf8)));
    let first = merged.repartition(Repartitioned::named("first"), (Utf8, Utf8));
    first.repartition(Repartitioned::named("second"), (Utf8, Utf8)).to("out", (Utf8, Utf8));
    let counts = counted(&builder.build().unwrap(), &[("a", 2), ("b", 5)]).unwrap();
    assert_eq!((counts["app-first-repartition"], counts["app-second-repartition"]), (5, 5));
}

#[test]
fn internal_topics_have_kafka_streams_configs_and_then_the_users() {
    let builder = StreamsBuilder::new();
    let words = builder.stream::<String, String>("a", (Utf8, Utf8)).group_by(
        Grouped::named("words"),
        (Utf8, Utf8),
        |_, word: &String| word.clone(),
    );
    let windows = tumbling(Duration::from_secs(1));
    let codec = windows.codec(Utf8);
    let store = Store::named("windows", (Utf8, I64Be)).changelog("segment.ms", "5");
    words.windowed_by(windows).count(store).to_stream().to("out", (codec, I64Be));
    let topology = builder.build().unwrap();
    let counts = counted(&topology, &[("a", 2)]).unwrap();
    let topics = |properties: &[(&str, &str)]| {
        let mut given = Properties::new();
        for (name, value) in properties {
            given.set(*name, value);
        }
        let settings = StreamsSettings::new(&given).unwrap();
        internal_topics(topology.sub_topologies(), "app", &counts, &settings)
    };
    let [changelog, repartition] = &topics(&[])[..] else { panic!("two topics") };
    assert_eq!((&*repartition.name, repartition.partitions), ("app-words-repartition", 2));
    assert_eq!((&*changelog.name, changelog.partitions), ("app-windows-changelog", 2));
    assert_eq!(repartition.configs["retention.ms"], "-1");
    assert_eq!(changelog.configs["retention.ms"], (1_000 + 86_400_000).to_string());
    assert_eq!(
        (&*changelog.configs["cleanup.policy"], &*changelog.configs["segment.ms"]),
        ("compact,delete", "5")
    );
    let kept = topics(&[("topic.retention.ms", "7"), ("topic.segment.ms", "9")]);
    assert_eq!(kept[0].configs["retention.ms"], "7");
    assert_eq!((&*kept[0].configs["segment.ms"], &*kept[1].configs["segment.ms"]), ("5", "9"));
}
