//! A connector's configuration: properties, which are texts by name, read into the author's own struct.
//!
//! ```text
//! properties ─► unknown? missing? wrong? ─► serde ─► C ─► C::check() ─► the connector
//!               by the JSON Schema of C              rules across fields, a look outside
//! ```
//! What is wrong is said all at once, each with the property's name and what would be right. The same schema describes
//! the properties for people: name, type, default and the doc comment of the field.
//!
//! ```
//! use courant_connect::Config;
//! use courant_connect::config::{self, Secret};
//! use std::collections::BTreeMap;
//!
//! #[derive(Clone, Debug, serde::Deserialize, schemars::JsonSchema)]
//! struct Mailbox {
//!     /// The address of the server.
//!     server: String,
//!     /// How many mails are fetched at once.
//!     #[serde(rename = "fetch.max", default = "fetch_max")]
//!     fetch_max: u32,
//!     /// The password.
//!     password: Option<Secret>,
//! }
//! fn fetch_max() -> u32 { 50 }
//! impl Config for Mailbox {}
//!
//! let read = |properties: &[(&str, &str)]| {
//!     let properties: BTreeMap<String, String> = properties.iter().map(|(n, v)| (n.to_string(), v.to_string())).collect();
//!     config::read::<Mailbox>(&properties, &["tasks.max"])
//! };
//! let mailbox = read(&[("server", "mail.example"), ("password", "x")])?;
//! assert_eq!((mailbox.fetch_max, mailbox.password.unwrap().expose()), (50, "x"));
//!
//! let error = read(&[("sever", "mail.example"), ("fetch.max", "many")]).unwrap_err();
//! assert_eq!(
//!     error.to_string(),
//!     "property `server` is missing: The address of the server; \
//!      property `fetch.max` cannot be `many`: it takes a whole number from 0 to 4294967295; \
//!      there is no property `sever`: did you mean `server`?"
//! );
//! # Ok::<(), courant_connect::Error>(())
//! ```
mod check;
mod markdown;
mod property;
mod reader;
mod secret;

pub use self::check::{check, describe, read};
pub use self::markdown::markdown;
pub use self::property::Property;
pub use self::secret::Secret;
