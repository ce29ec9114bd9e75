//! krafka's in-memory broker, to compare brokers by.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::Result;
use krafka::testing::FakeBroker;
use tokio::runtime::Builder;

/// Prints the address and serves until it is killed, ten minutes at most.
pub(crate) fn serve() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<()> {
    Builder::new_multi_thread().worker_threads(2).enable_all().build()?.block_on(async {
        let broker = FakeBroker::start().await?;
        broker.create_topic("bench", 6);
        println!("{}", broker.bootstrap_servers());
        tokio::time::sleep(Duration::from_secs(600)).await;
        Ok(())
    })
}
