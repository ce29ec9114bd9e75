//! The topologies that are compared, and the topics they read and write.
use anyhow::{Context, Result};
use courant_streams::{StreamsBuilder, Topology};

use crate::golden_topologies;

/// A topology, run twice.
pub(crate) struct Case {
    /// Its name.
    pub(crate) name: &'static str,
    /// What stands before the names of its inputs, and how many partitions these have.
    pub(crate) inputs: Inputs,
    build: golden_topologies::Build,
}

/// Where a topology reads from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Inputs {
    /// Topics of one partition. Two tasks that write to one repartition topic write in an order of their own, so what has
    /// such a topic must have one task before it.
    One,
    /// Topics of three partitions.
    Three,
}

impl Inputs {
    /// What stands before the names of the topics.
    pub(crate) fn prefix(self) -> &'static str {
        match self {
            Self::One => "one.",
            Self::Three => "three.",
        }
    }

    /// How many partitions they have.
    pub(crate) fn partitions(self) -> i32 {
        match self {
            Self::One => 1,
            Self::Three => 3,
        }
    }
}

/// Who runs a topology.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    /// Kafka Streams.
    Java,
    /// We.
    Ours,
}

impl Case {
    /// The application's id. It has no dash, so that the names of its topics cannot be taken for another's.
    pub(crate) fn application(&self, side: Side) -> String {
        let name = self.name.replace('-', "_");
        match side {
            Side::Java => format!("java.{name}"),
            Side::Ours => format!("ours.{name}"),
        }
    }

    /// What stands before the names of the outputs.
    pub(crate) fn outputs(&self, side: Side) -> String {
        format!("out.{}.", self.application(side))
    }

    /// The topology, as one of them runs it.
    pub(crate) fn topology(&self, side: Side) -> Result<Topology> {
        golden_topologies::set_prefixes(self.inputs.prefix(), &self.outputs(side));
        let builder = StreamsBuilder::new();
        (self.build)(&builder);
        Ok(builder.build()?)
    }

    /// The topics that it writes to, by their names without what stands before them.
    pub(crate) fn sinks(&self) -> Result<Vec<String>> {
        let (text, prefix) = (self.topology(Side::Ours)?.describe(), self.outputs(Side::Ours));
        let lines = text.lines().filter_map(|line| line.trim().strip_prefix("Sink: "));
        let topics = lines.filter_map(|line| line.split_once("(topic: ")?.1.strip_suffix(')'));
        let mut topics: Vec<String> =
            topics.filter_map(|topic| topic.strip_prefix(&prefix)).map(str::to_owned).collect();
        topics.sort();
        topics.dedup();
        Ok(topics)
    }
}

/// All of them.
pub(crate) fn all() -> Result<Vec<Case>> {
    let known = golden_topologies::all();
    let case = |(name, inputs): &(&str, Inputs)| {
        let found = known.iter().find(|(known, _)| known == name);
        let (name, build) = *found.with_context(|| format!("there is no topology {name}"))?;
        Ok(Case { name, inputs: *inputs, build })
    };
    COMPARED.iter().map(case).collect()
}

const COMPARED: &[(&str, Inputs)] = &[
    ("stateless", Inputs::Three),
    ("branches", Inputs::Three),
    ("diamond", Inputs::Three),
    ("count-numbered", Inputs::Three),
    ("reduce", Inputs::Three),
    ("tumbling-count", Inputs::Three),
    ("hopping-aggregate", Inputs::Three),
    ("filtered-windows", Inputs::Three),
    ("table-operators-kept", Inputs::Three),
    ("join", Inputs::Three),
    ("left-join", Inputs::Three),
    ("join-with-own-counts", Inputs::Three),
    ("word-count", Inputs::One),
    ("aggregate-rekeyed", Inputs::One),
    ("grouping-shared", Inputs::One),
    ("hopping-reduce-rekeyed", Inputs::One),
    ("chain-of-counts", Inputs::One),
    ("windowed-rekeyed", Inputs::One),
    ("left-join-rekeyed", Inputs::One),
    ("two-pipelines", Inputs::One),
];
