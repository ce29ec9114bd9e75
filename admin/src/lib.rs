//! Topics, records, configs and groups of an Apache Kafka cluster: create, delete, describe, alter, look up offsets.
//!
//! ```text
//! Admin ─► topics.rs, partitions.rs, … ─► call.rs ── by controller, leader, coordinator ─► client ─► broker
//!          one file per resource           │  ▲
//!          request and answer of an API    ▼  │ what is still open, when to try again
//!                                       machine/open_items.rs
//! ```
//! Every call takes several items and gives each its own result: one topic that exists already does not hide that the
//! others were created. What can be tried again is tried again until the time is up (`default.api.timeout.ms`).
//!
//! ```
//! # use courant_broker_mock::MockCluster;
//! # let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
//! # runtime.block_on(async {
//! # let cluster = MockCluster::builder().brokers(3).build()?;
//! # let kafka = courant_client::Kafka::builder().bootstrap(cluster.bootstrap()).world(cluster.world()).connect().await?;
//! use courant_admin::{Admin, NewTopic};
//!
//! let admin = Admin::new(&kafka);
//! let orders = NewTopic::new("orders").partitions(6).config("retention.ms", -1);
//! for (topic, created) in admin.create_topics([orders, NewTopic::new("a bad name")]).await {
//!     match created {
//!         Ok(created) => println!("{topic} has {} partitions", created.partitions),
//!         Err(error) => println!("{error}"),
//!     }
//! }
//! assert_eq!(cluster.partition_count("orders"), Some(6));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # }).map_err(|error| error.to_string())?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
mod admin;
mod alter_configs;
mod call;
mod cluster;
mod config;
mod configs;
mod error;
mod group_description;
mod group_members;
mod group_offsets;
mod groups;
mod machine;
mod offsets;
mod partitions;
mod records;
mod results;
mod topic_description;
mod topics;

pub use self::admin::{Admin, AdminBuilder};
pub use self::alter_configs::{ConfigChanges, NewConfigs};
pub use self::cluster::{BrokerDescription, ClusterDescription};
pub use self::config::ADMIN;
pub use self::configs::{
    ConfigEntry, ConfigKind, ConfigQuery, ConfigResource, ConfigSource, ConfigSynonym, ResourceConfig,
};
pub use self::error::{Error, ErrorKind};
pub use self::group_description::{GroupDescription, GroupEpochs, MemberDescription};
pub use self::group_members::MemberToRemove;
pub use self::group_offsets::{CommittedOffsets, GroupOffsets};
pub use self::groups::{GroupFilter, GroupListing, GroupState, GroupType, ListedGroups};
pub use self::offsets::{IsolationLevel, ListedOffset, OffsetSpec};
pub use self::partitions::NewPartitions;
pub use self::records::DeleteBefore;
pub use self::results::Results;
pub use self::topic_description::{PartitionDescription, TopicDescription, TopicListing};
pub use self::topics::{CreatedTopic, NewTopic, TopicRef};
pub use courant_protocol::types::OffsetAndMetadata;
