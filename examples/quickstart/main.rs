//! The first way of a record: a CSV file of real events, sent keyed and with their own times to a topic of six
//! partitions, read back, and averaged per key and window.
//!
//! It runs on an embedded cluster of three brokers, or on the cluster that `BOOTSTRAP_SERVERS` names.
//! `cargo run --release --example quickstart -- --help` lists the flags.
mod args;
mod produce;
mod readback;
mod report;
mod rows;
mod windows;

use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use courant::admin::Admin;

use crate::args::Args;
use crate::report::{Report, Summary};
use crate::rows::Rows;

/// Where the good rows go.
const TOPIC: &str = "departures";
/// Where the rows go that cannot be read.
const DEAD_TOPIC: &str = "departures.dead";
/// How many partitions [`TOPIC`] gets where it does not exist yet.
const PARTITIONS: i32 = 6;
/// How long the end of the run waits for connections to close.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(10);

#[tokio::main]
async fn main() -> ExitCode {
    match run(Args::from_command_line()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run(args: Args) -> anyhow::Result<()> {
    let rows = Rows::open(&args.file, &args.columns())?;
    let bootstrap = std::env::var("BOOTSTRAP_SERVERS").unwrap_or_else(|_| "mock://3".to_owned());
    let kafka = courant::connect(&bootstrap).await.context("cannot reach the cluster")?;
    let admin = Admin::new(&kafka);
    readback::create_topics(&admin).await?;

    let before = readback::log_ends(&admin).await?;
    let produced = produce::produce(&kafka, rows, &Report::progress(&args.file)).await?;
    let spans = readback::spans(&before, &readback::log_ends(&admin).await?);
    let windows = readback::aggregate(&kafka, &produced.delivered, &spans, &args).await?;
    if let Some(path) = &args.out {
        windows.write_to(path)?;
    }

    let summary = Summary::new(&produced, &windows, spans);
    Report::print(&summary, &windows);
    if args.json {
        println!("{}", summary.to_json());
    }
    kafka.close(CLOSE_TIMEOUT).await.context("cannot close the connections")
}
