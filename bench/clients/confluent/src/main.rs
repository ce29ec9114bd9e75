//! Confluent's client in Rust: `confluent-cb` (a callback per record), `confluent-future` (the future of each record).

mod consume;
mod e2e;
mod produce;

use std::collections::HashMap;
use std::process::ExitCode;

use anyhow::Result;
use bench_harness::{Measured, Operation, Parameters, no_driver, run, runtime};

fn main() -> ExitCode {
    run(|parameters| runtime(parameters)?.block_on(drive(parameters)))
}

async fn drive(parameters: &Parameters) -> Result<Measured> {
    match (parameters.client.as_str(), parameters.op) {
        ("confluent-cb", Operation::Produce) => produce::with_callbacks(parameters).await,
        ("confluent-future", Operation::Produce) => produce::with_futures(parameters).await,
        ("confluent-cb", Operation::Consume) => consume::run(parameters).await,
        ("confluent-cb", Operation::E2e) => e2e::run(parameters).await,
        _ => no_driver(parameters),
    }
}

/// What every client needs, and what the command line says.
fn common(parameters: &Parameters) -> HashMap<String, String> {
    let mut properties = HashMap::from([
        ("bootstrap.servers".to_owned(), parameters.brokers.clone()),
        ("client.id".to_owned(), "bench".to_owned()),
    ]);
    properties.extend(parameters.properties.iter().cloned());
    properties
}
