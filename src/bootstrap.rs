//! One address for a real cluster or for one in memory.
use courant_client::{Error, Kafka};

/// Connects to the cluster at `bootstrap`: `host:port,…`, or `mock://N` for a cluster of N brokers in memory.
///
/// The cluster in memory lives as long as the [`Kafka`] handle and its clones; each call makes a new one. For one that
/// several clients share, or whose faults a test controls, build a [`MockCluster`](crate::mock::MockCluster).
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), courant::client::Error> {
/// let kafka = courant::connect("mock://3").await?;
/// # drop(kafka);
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// `NoBroker` where no address answers, `Config` where an address or the number of brokers is unreadable, or where
/// `mock://` is asked for and the feature `mock` is off.
///
/// # Cancel safety
/// Dropping the future closes what it has opened.
pub async fn connect(bootstrap: &str) -> Result<Kafka, Error> {
    match bootstrap.strip_prefix("mock://") {
        Some(brokers) => connect_in_memory(brokers).await,
        None => Kafka::connect(bootstrap).await,
    }
}

/// Brokers of a cluster in memory that `mock://` does not count.
#[cfg(feature = "mock")]
const DEFAULT_BROKERS: usize = 3;

#[cfg(feature = "mock")]
async fn connect_in_memory(brokers: &str) -> Result<Kafka, Error> {
    use courant_client::ErrorKind;

    let wrong = |why: &dyn std::fmt::Display| {
        Error::new(ErrorKind::Config, format!("`mock://{brokers}` names no cluster: {why}"))
            .hinting("write mock://3 for a cluster of three brokers in memory")
    };
    let brokers =
        if brokers.is_empty() { DEFAULT_BROKERS } else { brokers.parse().map_err(|why| wrong(&why))? };
    // Nobody else is about to join a group in a cluster of one's own; Kafka's own server.properties say the same.
    let cluster = courant_broker_mock::MockCluster::builder()
        .brokers(brokers)
        .config("group.initial.rebalance.delay.ms", "0");
    let cluster = cluster.build().map_err(|why| wrong(&why))?;
    Kafka::builder().bootstrap(cluster.bootstrap()).world(cluster.world()).connect().await
}

#[cfg(not(feature = "mock"))]
async fn connect_in_memory(_: &str) -> Result<Kafka, Error> {
    use courant_client::ErrorKind;

    Err(Error::new(ErrorKind::Config, "a cluster in memory needs the feature `mock` of the crate courant"))
}
