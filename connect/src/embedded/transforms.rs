//! Which transforms a connector's records go through: Connect's own by their class, and closures of the application by
//! the names it gave them.
use std::collections::BTreeMap;
use std::sync::Arc;

use crate::api::{ConnectRecord, Flow};
use crate::converter::{Converter, converter};
use crate::embedded::conversion::{Conversion, NamedTransform};
use crate::embedded::settings::PropertyMap;
use crate::error::{Error, Result};
use crate::transform::{Transform, described};

/// Makes a transform for a task: tasks run at the same time, so each has its own.
pub(crate) type TransformFactory = Arc<dyn Fn() -> Box<dyn Transform> + Send + Sync>;

/// The transforms that the application brought, by name.
pub(crate) type Transforms = BTreeMap<String, TransformFactory>;

/// A closure as a factory.
pub(crate) fn factory<F>(apply: F) -> TransformFactory
where
    F: FnMut(ConnectRecord) -> Result<Flow<ConnectRecord>> + Clone + Send + Sync + 'static,
{
    Arc::new(move || Box::new(apply.clone()))
}

impl Conversion {
    /// Takes the converters and transforms out of a connector's properties.
    ///
    /// # Errors
    /// A [configuration](crate::ErrorKind::Config) error that names the property.
    pub(crate) fn read(properties: &mut PropertyMap, known: &Transforms) -> Result<Self> {
        Ok(Self {
            key: take_converter(properties, "key.converter", &[("", "StringConverter")])?,
            value: take_converter(
                properties,
                "value.converter",
                &[("", "JsonConverter"), ("schemas.enable", "false")],
            )?,
            header: take_converter(properties, "header.converter", &[("", "StringConverter")])?,
            transforms: take_transforms(properties, known)?,
        })
    }
}

/// A converter by its property; `default` is its name and its own properties where none is given.
fn take_converter(
    properties: &mut PropertyMap,
    property: &str,
    default: &[(&str, &str)],
) -> Result<Arc<dyn Converter>> {
    let given = properties.remove(property);
    let mut own = take_prefixed(properties, &format!("{property}."));
    let class = match given {
        Some(class) => class,
        None => {
            for (name, value) in default.iter().filter(|(name, _)| !name.is_empty()) {
                own.entry((*name).to_owned()).or_insert_with(|| (*value).to_owned());
            }
            default.iter().find(|(name, _)| name.is_empty()).map_or("", |(_, class)| class).to_owned()
        }
    };
    converter(&class, &own)
        .map_err(|error| Error::config(format!("property `{property}` cannot be used")).because(error))
}

/// A name with a `type` of its own is one of Connect's transforms; one without is the application's.
fn take_transforms(properties: &mut PropertyMap, known: &Transforms) -> Result<Vec<NamedTransform>> {
    let listed = properties.remove("transforms").unwrap_or_default();
    let conditions = properties.remove("predicates").unwrap_or_default();
    let conditions: BTreeMap<&str, PropertyMap> = names(&conditions)
        .map(|name| (name, take_prefixed(properties, &format!("predicates.{name}."))))
        .collect();
    let mut transforms = Vec::new();
    for name in names(&listed) {
        let own = take_prefixed(properties, &format!("transforms.{name}."));
        let transform = match known.get(name) {
            _ if own.contains_key("type") => {
                described(name, own, |condition| conditions.get(condition).cloned())?
            }
            Some(factory) if own.is_empty() => factory(),
            _ => return Err(unknown(name, known)),
        };
        transforms.push(NamedTransform { name: name.to_owned(), transform });
    }
    Ok(transforms)
}

fn names(listed: &str) -> impl Iterator<Item = &str> {
    listed.split(',').map(str::trim).filter(|name| !name.is_empty())
}

fn unknown(name: &str, known: &Transforms) -> Error {
    let error =
        Error::config(format!("property `transforms` names `{name}`, which the worker does not know"));
    match known.is_empty() {
        true => error.hinting(format!(
            "give its class in `transforms.{name}.type`, or register a closure: Worker::builder(…).transform(name, |record| …)"
        )),
        false => error.hinting(format!("there are {}", known.keys().cloned().collect::<Vec<_>>().join(", "))),
    }
}

fn take_prefixed(properties: &mut PropertyMap, prefix: &str) -> BTreeMap<String, String> {
    let mut taken = BTreeMap::new();
    properties.retain(|name, value| match name.strip_prefix(prefix) {
        Some(name) => {
            taken.insert(name.to_owned(), std::mem::take(value));
            false
        }
        None => true,
    });
    taken
}
