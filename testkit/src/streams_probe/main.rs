//! `courant-streams-probe`: the same topologies by Kafka Streams and by ours, on one cluster, compared record by record.
//!
//! ```text
//! courant-streams-probe BOOTSTRAP JAVA…        JAVA… starts StreamsProbe; the cluster's address is added to it
//! ```
//! Both read the same topics, which hold records whose times go back and whose keys and values are missing now and then. Both
//! write to topics of their own. What must be equal: outputs, repartition topics and changelogs with keys, values, times and
//! headers in every partition; the names, partitions and configs of the internal topics; and what the groups committed, with
//! the stream time in it. A line for each topology says whether it was.

mod case;
mod compare;
mod fill;
mod read;
mod sides;

#[path = "../../../streams/tests/golden_topologies/mod.rs"]
mod golden_topologies;

use std::process::ExitCode;

use anyhow::{Context, Result};
use courant_client::Kafka;

#[tokio::main]
async fn main() -> ExitCode {
    match run().await {
        Ok(0) => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        Err(error) => {
            println!("FAILED to compare with Kafka Streams: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Compares everything; how many topologies differ.
async fn run() -> Result<usize> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (bootstrap, java) =
        arguments.split_first().context("usage: courant-streams-probe BOOTSTRAP JAVA…")?;
    let kafka = Kafka::connect(bootstrap).await?;
    let cases = case::all()?;
    fill::inputs(&kafka).await?;
    sides::create_outputs(&kafka, &cases).await?;
    sides::java(java, bootstrap, &cases).await?;
    let mut failed = 0;
    for case in &cases {
        let compared = match sides::ours(&kafka, case).await {
            Ok(()) => compare::case(&kafka, case).await,
            Err(error) => Err(error),
        };
        match compared {
            Ok(what) => println!("ok     {} is Kafka Streams': {what}", case.name),
            Err(error) => {
                println!("FAILED {}: {error:#}", case.name);
                failed += 1;
            }
        }
    }
    Ok(failed)
}
