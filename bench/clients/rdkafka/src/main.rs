//! librdkafka by the rdkafka crate: `rdkafka-base` (polled, one callback for all), `rdkafka-future` (a future per record),
//! `rdkafka-stream` (records awaited). `--serve` hosts librdkafka's in-memory broker.

mod consume;
mod e2e;
mod produce;
mod serve;

use std::process::ExitCode;

use anyhow::Result;
use bench_harness::{Measured, Operation, Parameters, no_driver, run, runtime};
use rdkafka::ClientConfig;

fn main() -> ExitCode {
    match std::env::args().nth(1).as_deref() {
        Some("--serve") => serve::serve(),
        _ => run(drive),
    }
}

fn drive(parameters: &Parameters) -> Result<Measured> {
    match (parameters.client.as_str(), parameters.op) {
        ("rdkafka-base", Operation::Produce) => produce::polled(parameters),
        ("rdkafka-future", Operation::Produce) => {
            runtime(parameters)?.block_on(produce::with_futures(parameters))
        }
        ("rdkafka-base", Operation::Consume) => consume::polled(parameters),
        ("rdkafka-stream", Operation::Consume) => runtime(parameters)?.block_on(consume::awaited(parameters)),
        ("rdkafka-base", Operation::E2e) => e2e::run(parameters),
        _ => no_driver(parameters),
    }
}

/// What every client needs, and what the command line says.
fn common(parameters: &Parameters) -> ClientConfig {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", &parameters.brokers).set("client.id", "bench");
    for (name, value) in &parameters.properties {
        config.set(name, value);
    }
    config
}
