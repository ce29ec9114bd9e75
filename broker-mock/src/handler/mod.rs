//! What the brokers do, one file per API: each says which versions it serves and where it differs from a broker.
pub(crate) mod api_versions;
mod call;
mod create_partitions;
mod create_topics;
mod delete_records;
mod delete_topics;
mod describe_cluster;
mod describe_configs;
mod describe_topic_partitions;
mod dispatch;
pub(crate) mod fetch;
mod find_coordinator;
mod init_producer_id;
mod list_offsets;
mod metadata;
mod offset_commit;
mod offset_fetch;
mod offset_for_leader_epoch;
mod produce;
pub(crate) mod sasl_authenticate;
mod sasl_handshake;

pub(crate) use call::{Call, Reply};
pub(crate) use dispatch::{handle, set_throttle, touches, versions};
pub(crate) use metadata::freeze;
