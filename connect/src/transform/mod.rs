//! Transforms: what is done to a record between a connector and the converters.
//!
//! ```text
//! source: connector ─► transform ─► transform ─► converters ─► Kafka
//! sink:   Kafka ─► converters ─► transform ─► transform ─► connector
//!                                   └─► Flow: keep it, drop it, or put several in its place
//! ```
//! A closure is a transform. Those that Kafka Connect brings along are here under their Java names, for configurations
//! written for Java: `transforms=mask` and `transforms.mask.type=org.apache.kafka.connect.transforms.MaskField$Value`.
//!
//! ```
//! use courant_connect::transform::Transform;
//! use courant_connect::{ConnectRecord, Flow, Result};
//!
//! let mut to_archive = |mut record: ConnectRecord| -> Result<Flow<ConnectRecord>> {
//!     record.topic = format!("archive.{}", record.topic).into();
//!     Ok(Flow::Keep(record))
//! };
//! let Flow::Keep(record) = to_archive.apply(ConnectRecord::to("orders"))? else { panic!("dropped") };
//! assert_eq!(&*record.topic, "archive.orders");
//! # Ok::<(), courant_connect::Error>(())
//! ```
mod apply;
mod by_name;
mod cast;
mod extract_field;
mod field_path;
mod filter;
mod flatten;
mod headers;
mod insert_field;
mod mask_field;
mod metadata;
mod options;
mod part;
mod predicate;
mod replace_field;
mod routers;
#[cfg(test)]
mod tests;
mod time_format;
mod value_to_key;

pub use self::apply::Transform;
pub(crate) use self::by_name::described;
pub use self::by_name::{predicate, transform};
pub use self::cast::{Cast, CastConfig, Overflow};
pub use self::extract_field::{ExtractField, ExtractFieldConfig, HoistField, HoistFieldConfig};
pub use self::field_path::SyntaxVersion;
pub use self::filter::Filter;
pub use self::flatten::{Flatten, FlattenConfig};
pub use self::headers::{
    DropHeaders, DropHeadersConfig, HeaderFrom, HeaderFromConfig, InsertHeader, InsertHeaderConfig, Operation,
};
pub use self::insert_field::{InsertField, InsertFieldConfig};
pub use self::mask_field::{MaskField, MaskFieldConfig};
pub use self::metadata::{SetSchemaMetadata, SetSchemaMetadataConfig};
use self::options::{NoConfig, yes};
pub use self::part::Part;
pub use self::predicate::{
    HasHeaderKey, HasHeaderKeyConfig, Predicate, RecordIsTombstone, TopicNameMatches, TopicNameMatchesConfig,
    When,
};
pub use self::replace_field::{ReplaceField, ReplaceFieldConfig};
pub(crate) use self::routers::whole_match;
pub use self::routers::{RegexRouter, RegexRouterConfig, TimestampRouter, TimestampRouterConfig};
pub use self::value_to_key::{ValueToKey, ValueToKeyConfig};
