//! `describe()` gives the very text that Java gives for the same calls.
//!
//! `tests/golden/NAME.describe` was printed by Kafka Streams 4.3.1 (`tests/interop/streams/StreamsProbe.java`).

mod golden_topologies;

use std::path::Path;

use courant_streams::StreamsBuilder;

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
