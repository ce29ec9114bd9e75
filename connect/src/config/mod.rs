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
mod markdown;
mod property;
mod reader;
mod secret;

use std::collections::BTreeMap;

use courant_client::config::nearest;

pub use self::markdown::markdown;
pub use self::property::Property;
pub use self::secret::Secret;
use crate::{Config, Error, Result};

/// What describes each property of a configuration, in the order of the struct's fields.
pub fn describe<C: Config>() -> Vec<Property> {
    property::properties::<C>()
}

/// Reads a configuration. `also_known` are names that somebody else reads, for a hint where one of them is misspelt.
///
/// # Errors
/// A [configuration](crate::ErrorKind::Config) error that lists everything that is wrong.
pub fn read<C: Config>(properties: &BTreeMap<String, String>, also_known: &[&str]) -> Result<C> {
    match check(properties, also_known) {
        (Some(config), problems) if problems.is_empty() => Ok(config),
        (_, problems) => Err(as_error(&problems)),
    }
}

/// Reads a configuration, and gives all that is wrong with it: pairs of a property's name and what would be right.
/// Rules across properties are not among them, [`Config::check`] knows those.
pub fn check<C: Config>(
    properties: &BTreeMap<String, String>,
    also_known: &[&str],
) -> (Option<C>, Vec<(String, String)>) {
    let described = describe::<C>();
    let mut problems = Vec::new();
    for property in &described {
        match properties.get(property.name()) {
            Some(text) => problems.extend(property.problem(text)),
            None => problems.extend(property.missing()),
        }
    }
    for stranger in properties.keys().filter(|name| !described.iter().any(|known| known.name() == **name)) {
        let names = described.iter().map(Property::name).chain(also_known.iter().copied());
        let text = match nearest(stranger, names) {
            Some(near) => format!("there is no property `{stranger}`: did you mean `{near}`?"),
            None => format!("there is no property `{stranger}`; there are {}", names_of(&described)),
        };
        problems.push((stranger.clone(), text));
    }
    if !problems.is_empty() {
        return (None, problems);
    }
    match reader::read(properties) {
        Ok(config) => (Some(config), problems),
        Err(wrong) => {
            let secret = described.iter().any(|known| known.name() == wrong.property && known.is_secret());
            (None, vec![wrong.into_problem(secret)])
        }
    }
}

/// All problems as one error.
pub(crate) fn as_error(problems: &[(String, String)]) -> Error {
    let texts: Vec<&str> = problems.iter().map(|(_, text)| text.as_str()).collect();
    Error::config(texts.join("; "))
}

fn names_of(described: &[Property]) -> String {
    described.iter().map(Property::name).collect::<Vec<_>>().join(", ")
}
