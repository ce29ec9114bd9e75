//! librdkafka's in-memory broker, to compare brokers by.

use std::process::ExitCode;
use std::time::Duration;

use rdkafka::error::KafkaResult;
use rdkafka::mocking::MockCluster;

/// Prints the address and serves until it is killed, ten minutes at most.
pub(crate) fn serve() -> ExitCode {
    match cluster() {
        Ok(cluster) => {
            println!("{}", cluster.bootstrap_servers());
            std::thread::sleep(Duration::from_secs(600));
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn cluster() -> KafkaResult<MockCluster<'static, rdkafka::producer::DefaultProducerContext>> {
    let cluster = MockCluster::new(1)?;
    cluster.create_topic("bench", 6, 1)?;
    Ok(cluster)
}
