//! `describe()` gives the very text that Java gives for the same calls.
//!
//! `tests/golden/NAME.describe` was printed by Kafka Streams 4.3.1 (`tests/interop/streams/StreamsProbe.java`).

mod golden_topologies;

use std::path::Path;

use courant_streams::codec::{I64Be, Utf8};
use courant_streams::{Store, StreamsBuilder};

#[test]
fn every_topology_is_described_as_java_describes_it() {
    let mut differing = Vec::new();
    for (name, build) in golden_topologies::all() {
        let builder = StreamsBuilder::new();
        build(&builder);
        let topology = builder.build().unwrap_or_else(|error| panic!("{name}: {error}"));
        let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/golden/{name}.describe"));
        let expected = std::fs::read_to_string(&golden).unwrap();
        if topology.describe() != expected {
            differing.push(format!("--- {name}, Java\n{expected}--- {name}, ours\n{}", topology.describe()));
        }
    }
    assert!(differing.is_empty(), "{} differ\n{}", differing.len(), differing.join("\n"));
}

#[test]
fn every_golden_text_has_its_topology() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let names: Vec<&str> = golden_topologies::all().into_iter().map(|(name, _)| name).collect();
    for entry in std::fs::read_dir(folder).unwrap() {
        let file = entry.unwrap().file_name().into_string().unwrap();
        let name = file.split('.').next().unwrap();
        assert!(names.contains(&name), "{file} belongs to no topology");
    }
    assert!(names.len() >= 36);
}

#[test]
fn a_topology_is_drawn_with_its_topics_stores_and_sub_topologies() {
    let builder = StreamsBuilder::new();
    let lines = builder.stream::<String, String>("lines", (Utf8, Utf8));
    let counts = lines.group_by("by-line", (Utf8, Utf8), |_, line| line.clone());
    counts.count(Store::named("counts", (Utf8, I64Be))).to_stream().to("counted", (Utf8, I64Be));
    let drawn = builder.build().unwrap().to_mermaid();
    let expected = r#"flowchart TD
  t_by_2dline_2drepartition(["by-line-repartition"])
  t_counted(["counted"])
  t_lines(["lines"])
  subgraph sub0 ["Sub-topology 0"]
    n0["KSTREAM-SOURCE-0000000000"]
    n1["by-line"]
    n2["by-line-repartition-filter"]
    n3["by-line-repartition-sink"]
  end
  t_lines --> n0
  n0 --> n1
  n1 --> n2
  n2 --> n3
  n3 --> t_by_2dline_2drepartition
  subgraph sub1 ["Sub-topology 1"]
    n4["by-line-repartition-source"]
    n5["KSTREAM-AGGREGATE-0000000002"]
    n6["KTABLE-TOSTREAM-0000000006"]
    n7["KSTREAM-SINK-0000000007"]
    s_counts[("counts")]
  end
  t_by_2dline_2drepartition --> n4
  n4 --> n5
  n5 <-.-> s_counts
  n5 --> n6
  n6 --> n7
  n7 --> t_counted
"#;
    assert_eq!(drawn, expected);
}
