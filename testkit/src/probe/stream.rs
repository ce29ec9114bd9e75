//! `stream`: a process of a stream application whose other processes may be Java's.
use anyhow::Result;
use courant::streams::codec::{I64Be, Utf8};
use courant::streams::{Grouped, Store, StreamsApp, StreamsBuilder};
use courant_client::Kafka;
use std::io::Read;
use std::time::Duration;

/// Counts the values of a topic by their last character, until standard input ends.
pub(crate) async fn run(kafka: &Kafka, application: &str, input: &str, output: &str) -> Result<()> {
    let builder = StreamsBuilder::new();
    builder
        .stream::<String, String>(input, (Utf8, Utf8))
        .group_by(Grouped::named("by-digit"), (Utf8, Utf8), |_, value: &String| {
            value.chars().last().map(String::from).unwrap_or_default()
        })
        .count(Store::named("counts", (Utf8, I64Be)))
        .to_stream()
        .to(output, (Utf8, I64Be));
    let builder = StreamsApp::builder(application, kafka)
        .commit_interval(Duration::from_millis(100))
        .start(builder.build()?);
    let app = builder.await?;
    println!("started");
    tokio::task::spawn_blocking(|| std::io::stdin().read_to_end(&mut Vec::new())).await??;
    app.close(Duration::from_secs(20)).await?;
    println!("closed");
    Ok(())
}
