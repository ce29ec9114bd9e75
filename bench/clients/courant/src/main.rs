//! Courant: `courant` (a handle per record, awaited afterwards; owned records), `courant-future` (`send` with an awaited
//! future per record), `courant-batch` (records borrowed from their batch), `courant-beside` and `courant-apart` (sends
//! beside a consumer on the same `Kafka`, and on another).

mod consume;
mod e2e;
mod produce;
mod send;

use std::process::ExitCode;

use anyhow::Result;
use bench_harness::{Measured, Operation, Parameters, no_driver, run, runtime};
use courant_client::Kafka;

fn main() -> ExitCode {
    run(|parameters| runtime(parameters)?.block_on(drive(parameters)))
}

async fn drive(parameters: &Parameters) -> Result<Measured> {
    match (parameters.client.as_str(), parameters.op) {
        ("courant", Operation::Produce) => produce::with_handles(parameters).await,
        ("courant-future", Operation::Produce) => produce::with_futures(parameters).await,
        ("courant", Operation::Consume) => consume::owned(parameters).await,
        ("courant-batch", Operation::Consume) => consume::borrowed(parameters).await,
        ("courant", Operation::E2e) => e2e::run(parameters).await,
        ("courant", Operation::Send) => send::alone(parameters).await,
        ("courant-beside", Operation::Send) => send::beside(parameters).await,
        ("courant-apart", Operation::Send) => send::apart(parameters).await,
        _ => no_driver(parameters),
    }
}

/// The connection that producer and consumer share.
async fn connect(parameters: &Parameters) -> Result<Kafka> {
    Ok(Kafka::builder().bootstrap(&parameters.brokers).client_id("bench").connect().await?)
}
