//! `Admin`: the handle for what concerns the cluster itself.
use std::fmt;
use std::time::{Duration, Instant};

use courant_client::config::Properties;
use courant_client::retry::RetryPolicy;
use courant_client::{Cluster, Kafka};

use crate::config::ADMIN;
use crate::error::Error;

/// Creates, deletes, describes and grows topics, deletes records, looks up offsets, describes and alters configs, and looks
/// after groups and their offsets.
///
/// It shares the connections of its [`Kafka`], holds nothing of its own and needs no closing. Cloning it is cheap.
///
/// Where a call changes the cluster and an attempt of it is cut off, the next attempt may find its work done: the
/// error says so ([`Error::possibly_written`]).
#[derive(Clone, Debug)]
pub struct Admin {
    kafka: Kafka,
    timeout: Duration,
    retries: u32,
}

impl Admin {
    /// An admin client with the settings of `kafka`.
    pub fn new(kafka: &Kafka) -> Self {
        Self {
            kafka: kafka.clone(),
            timeout: kafka.settings().default_api_timeout,
            retries: i32::MAX.unsigned_abs(),
        }
    }

    /// Starts an admin client with settings of its own.
    pub fn builder(kafka: &Kafka) -> AdminBuilder {
        AdminBuilder { kafka: kafka.clone(), properties: Properties::new() }
    }

    /// The same admin client with another time for each call, retries and waits included.
    #[must_use]
    pub fn with_timeout(&self, timeout: Duration) -> Self {
        Self { timeout, ..self.clone() }
    }

    pub(crate) fn cluster(&self) -> &Cluster {
        self.kafka.cluster()
    }

    /// How a call that begins now is retried.
    pub(crate) fn policy(&self) -> RetryPolicy {
        let now = self.kafka.world().now();
        let deadline = now.checked_add(self.timeout).unwrap_or_else(|| far_from(now));
        RetryPolicy {
            retries: self.retries,
            ..RetryPolicy::until(deadline, self.kafka.settings().retry_backoff)
        }
    }
}

/// As good as never.
fn far_from(now: Instant) -> Instant {
    now + Duration::from_secs(100 * 365 * 86_400)
}

/// Collects an admin client's settings; [`Admin::builder`] makes one.
///
/// ```
/// # use courant_broker_mock::MockCluster;
/// # let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
/// # runtime.block_on(async {
/// # let cluster = MockCluster::builder().build()?;
/// # let kafka = courant_client::Kafka::builder().bootstrap(cluster.bootstrap()).world(cluster.world()).connect().await?;
/// use courant_admin::Admin;
///
/// let admin = Admin::builder(&kafka).set("default.api.timeout.ms", 5_000).build()?;
/// assert_eq!(admin.list_topics().await?.len(), 0);
/// let misspelt = Admin::builder(&kafka).set("default.api.timeout", 5_000).build();
/// assert!(misspelt.unwrap_err().to_string().contains("default.api.timeout.ms"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # }).map_err(|error| error.to_string())?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
#[must_use = "call build()"]
pub struct AdminBuilder {
    kafka: Kafka,
    properties: Properties,
}

impl AdminBuilder {
    /// Sets a property under Kafka's name, such as `default.api.timeout.ms`.
    pub fn set(mut self, name: impl Into<String>, value: impl fmt::Display) -> Self {
        self.properties.set(name, value);
        self
    }

    /// Takes properties from a map or a `.properties` file; those of other clients in it are passed over.
    pub fn properties(mut self, properties: impl Into<Properties>) -> Self {
        self.properties.merge(&properties.into());
        self
    }

    /// How long each call may take (`default.api.timeout.ms`; 60 s, or what the [`Kafka`] has).
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.properties.set_millis("default.api.timeout.ms", timeout);
        self
    }

    /// Checks the settings.
    ///
    /// # Errors
    /// [`courant_client::ErrorKind::Config`] for a setting that is unknown or out of range.
    pub fn build(self) -> Result<Admin, Error> {
        let settings = self.properties.check(&[&ADMIN]).map_err(courant_client::Error::from)?;
        let mut admin = Admin::new(&self.kafka);
        if settings.is_given("default.api.timeout.ms") {
            admin.timeout = settings.millis("default.api.timeout.ms").map_err(courant_client::Error::from)?;
        }
        let retries = settings.whole("retries").map_err(courant_client::Error::from)?;
        admin.retries = u32::try_from(retries).unwrap_or(u32::MAX);
        Ok(admin)
    }
}
