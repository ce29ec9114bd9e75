//! What stands behind a consumer's handle: a cluster, or the script of a mock.
use std::collections::BTreeMap;
use std::future::Future;
#[cfg(feature = "mock")]
use std::sync::Arc;
use std::time::Instant;

use courant_client::Kafka;
use courant_client::config::CommonSettings;
use courant_protocol::types::{TopicPartition, UnixMillis};
use courant_runtime::World;

use crate::config::ConsumerSettings;
use crate::error::Error;
use crate::lookup;
#[cfg(feature = "mock")]
use crate::mock::Script;
use crate::offsets::OffsetAndMetadata;
use crate::requests::ListedOffset;

/// A cluster, or what plays one.
#[derive(Clone)]
pub(crate) enum Backing {
    Cluster(Kafka),
    #[cfg(feature = "mock")]
    Script(Arc<Script>),
}

impl Backing {
    pub(crate) fn now(&self) -> Instant {
        match self {
            Self::Cluster(kafka) => kafka.world().now(),
            #[cfg(feature = "mock")]
            Self::Script(script) => script.now(),
        }
    }

    pub(crate) fn world(&self) -> World {
        match self {
            Self::Cluster(kafka) => kafka.world().clone(),
            #[cfg(feature = "mock")]
            Self::Script(_) => World::builder().build(),
        }
    }

    pub(crate) fn settings(&self) -> &CommonSettings {
        match self {
            Self::Cluster(kafka) => kafka.settings(),
            #[cfg(feature = "mock")]
            Self::Script(script) => script.settings(),
        }
    }

    /// `future`, unless `deadline` comes first. A script answers at once, and no time passes by itself.
    pub(crate) async fn before<T>(
        &self,
        deadline: Instant,
        future: impl Future<Output = T>,
        late: impl FnOnce() -> Error,
    ) -> Result<T, Error> {
        match self {
            Self::Cluster(kafka) => lookup::before(kafka, deadline, future, late).await,
            #[cfg(feature = "mock")]
            Self::Script(_) => Ok(future.await),
        }
    }

    /// What a group has committed.
    pub(crate) async fn committed(
        &self,
        group: &str,
        partitions: &[TopicPartition],
        deadline: Instant,
    ) -> Result<BTreeMap<TopicPartition, Option<OffsetAndMetadata>>, Error> {
        match self {
            Self::Cluster(kafka) => lookup::committed(kafka, group, partitions, deadline).await,
            #[cfg(feature = "mock")]
            Self::Script(script) => Ok(script.committed(partitions)),
        }
    }

    /// Offsets by time.
    pub(crate) async fn offsets_by_time(
        &self,
        settings: &ConsumerSettings,
        wanted: BTreeMap<TopicPartition, UnixMillis>,
        deadline: Instant,
    ) -> Result<BTreeMap<TopicPartition, Option<ListedOffset>>, Error> {
        match self {
            Self::Cluster(kafka) => {
                lookup::offsets_by_time(kafka, wanted, settings.isolation, deadline).await
            }
            #[cfg(feature = "mock")]
            Self::Script(script) => Ok(script.offsets_by_time(wanted)),
        }
    }

    /// The partitions of a topic.
    pub(crate) async fn partitions_for(
        &self,
        topic: &str,
        deadline: Instant,
    ) -> Result<Vec<TopicPartition>, Error> {
        match self {
            Self::Cluster(kafka) => {
                let topic = kafka.cluster().existing_topic(topic, deadline).await?;
                let numbers = 0..topic.partition_count();
                Ok(numbers.map(|number| TopicPartition::new(&*topic.name, number)).collect())
            }
            #[cfg(feature = "mock")]
            Self::Script(script) => script.partitions_for(topic),
        }
    }
}
