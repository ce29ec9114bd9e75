//! Properties against what describes them: everything that is wrong, at once.
use std::collections::BTreeMap;

use courant_client::config::nearest;

use super::{Property, property, reader};
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
