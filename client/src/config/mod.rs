//! Configuration under Kafka's property names: one row per property, from which parsing, checking and docs follow.
//!
//! ```text
//! set("linger.ms", "5") ─┐
//! linger(Duration)  ─────┼─► Properties ─► check(tables) ─► Settings ─► CommonSettings, ProducerConfig, …
//! client.properties ─────┘   texts,        each against      typed       plain values, read once
//!                            with origin   its Row           values
//! ```
//! A [`Row`] says what a property takes, its default (Java's), and whether it is honoured, accepted without effect, or
//! refused, with the reason. An unknown name is an error that names the nearest one; a property of another client is an
//! error if it was set by hand and is passed over if it came with a file, so that one file can serve several clients.
//!
//! ```
//! use courant_client::config::{COMMON, Properties};
//!
//! let mut properties = Properties::parse("bootstrap.servers = a:9092\nrequest.timeout.ms: 500\nlinger.ms 5\n")?;
//! let settings = properties.check(&[&COMMON])?;
//! assert_eq!(settings.millis("request.timeout.ms")?.as_millis(), 500);
//! assert_eq!(settings.text("client.id")?, "");
//!
//! properties.set("request.timout.ms", "500");
//! let error = properties.check(&[&COMMON]).unwrap_err();
//! assert_eq!(error.to_string(), "unknown property `request.timout.ms`; did you mean `request.timeout.ms`?");
//! # Ok::<(), courant_client::config::ConfigError>(())
//! ```
//!
//! # Names of librdkafka
//!
//! A configuration of librdkafka may be used as it is: names that Kafka does not have stand for Kafka's, each with one
//! line in the log, and values are converted where unit or words differ. Both names with different values are an error.
//! Names that have no counterpart are refused and tell what to do instead. What is not set has Kafka's default, not
//! librdkafka's: above all `enable.idempotence` is on, and keys go where Java's producer puts them unless `partitioner`
//! says `consistent_random`, librdkafka's own default.
//!
#![doc = include_str!("../../LIBRDKAFKA.md")]
mod common_rows;
mod common_settings;
mod describe;
mod elsewhere;
mod error;
mod jaas;
mod librdkafka;
mod nearest;
mod properties;
mod reader;
mod row;
mod sasl_rows;
mod settings;
mod ssl_rows;
mod table;
#[cfg(test)]
mod tests;
mod value;

pub use common_rows::COMMON;
pub use common_settings::{CommonSettings, MetadataRecovery, Secret, Security};
pub use error::{ConfigError, ConfigErrorKind};
#[doc(hidden)]
pub use nearest::nearest;
pub use properties::Properties;
pub use row::{Accepts, Importance, Kind, Row, Status, Unit};
pub use settings::Settings;
pub use table::Table;
