//! A CSV file of real events goes the whole way: source connector, topic, stream pipeline, topic, sink connector.
//!
//! It runs on an embedded cluster of three brokers, or on the cluster that `BOOTSTRAP_SERVERS` names; there a second run
//! goes on where the first one stopped. `cargo run --release --example quickstart -- --help` lists the flags.
mod args;
mod house;
mod means;
mod progress;
mod stop;
mod summary;
mod topics;

use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use courant::Kafka;

use crate::args::Args;
use crate::house::House;
use crate::progress::Progress;
use crate::stop::Stop;
use crate::summary::Summary;
use crate::topics::Topics;

/// How long everything may take to drain and end.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(8);
/// What a program returns that Ctrl-C has ended before its work was done.
const INTERRUPTED: u8 = 130;

#[tokio::main]
async fn main() -> ExitCode {
    let stop = Stop::on_ctrl_c().await;
    match run(&Args::from_command_line(), &stop).await {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(INTERRUPTED),
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Whether the work was done when the program was told to stop, if it was.
async fn run(args: &Args, stop: &Stop) -> anyhow::Result<bool> {
    args.check()?;
    let bootstrap = std::env::var("BOOTSTRAP_SERVERS").unwrap_or_else(|_| "mock://3".to_owned());
    let Some(kafka) = stop.or(courant::connect(&bootstrap)).await else { return Ok(false) };
    let kafka = kafka.context("cannot reach the cluster")?;
    let done = on_cluster(args, stop, &kafka).await;
    let closed = kafka.close(DRAIN_TIMEOUT).await.context("cannot close the connections");
    let done = done?;
    closed.map(|()| done)
}

async fn on_cluster(args: &Args, stop: &Stop, kafka: &Kafka) -> anyhow::Result<bool> {
    let Some(topics) = stop.or(Topics::create(kafka)).await else { return Ok(false) };
    let topics = topics?;
    let progress = Progress::new();
    // What has begun to start is not dropped half-way: it is stopped in order, so that nothing comes twice next time.
    let house = House::start(kafka, args, &progress).await?;
    let finished = stop.or(house.finish(&topics, &progress)).await;
    let done = finished.is_some();
    // A failed part does not keep the others from storing how far they came.
    let counts = house.stop(DRAIN_TIMEOUT).await;
    progress.finish();
    finished.transpose()?;
    let summary = Summary::new(counts?, &topics.grown().await?, &progress);
    summary.print();
    if args.json {
        println!("{}", summary.to_json());
    }
    Ok(done)
}
