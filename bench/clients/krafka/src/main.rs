//! krafka: a handle per record, awaited afterwards. `--serve` hosts its in-memory broker.

mod consume;
mod e2e;
mod produce;
mod serve;

use std::process::ExitCode;

use anyhow::Result;
use bench_harness::{Measured, Operation, Parameters, no_driver, run, runtime};
use krafka::Kafka;

fn main() -> ExitCode {
    match std::env::args().nth(1).as_deref() {
        Some("--serve") => serve::serve(),
        _ => run(|parameters| runtime(parameters)?.block_on(drive(parameters))),
    }
}

async fn drive(parameters: &Parameters) -> Result<Measured> {
    match (parameters.client.as_str(), parameters.op) {
        ("krafka", Operation::Produce) => produce::run(parameters).await,
        ("krafka", Operation::Consume) => consume::run(parameters).await,
        ("krafka", Operation::E2e) => e2e::run(parameters).await,
        _ => no_driver(parameters),
    }
}

async fn connect(parameters: &Parameters) -> Result<Kafka> {
    let brokers = parameters.brokers.clone();
    Ok(Kafka::builder(brokers).client_id("bench").allow_auto_create_topics(true).connect().await?)
}
