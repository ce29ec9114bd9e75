//! Fields that are left out or renamed.
use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

use super::part::{ChangedSchema, Fields, Part, values_of, with_fields};
use super::{Transform, yes};
use crate::data::{Data, Struct, Value};
use crate::{Config, ConnectRecord, Flow, Result};
use std::sync::Arc;

/// What [`ReplaceField`] can be told.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[non_exhaustive]
pub struct ReplaceFieldConfig {
    /// The fields that are left out.
    #[serde(default)]
    pub exclude: Vec<String>,
    /// The fields that stay; without any all do. What is in both lists is left out.
    #[serde(default)]
    pub include: Vec<String>,
    /// New names, as `old:new,other:another`.
    #[serde(default)]
    pub renames: BTreeMap<String, String>,
    /// Whether nulls become the defaults of their fields.
    #[serde(rename = "replace.null.with.default", default = "yes")]
    pub replace_null_with_default: bool,
}

impl Config for ReplaceFieldConfig {}

/// Leaves fields out and gives others new names. A null value passes.
#[derive(Debug)]
pub struct ReplaceField {
    part: Part,
    config: ReplaceFieldConfig,
    schema: ChangedSchema,
}

impl ReplaceField {
    /// Changes the fields of a part of each record.
    pub fn new(part: Part, config: ReplaceFieldConfig) -> Self {
        Self { part, config, schema: ChangedSchema::default() }
    }
}

impl ReplaceFieldConfig {
    /// The new name of a field; `None` if it is left out.
    fn renamed<'a>(&'a self, name: &'a str) -> Option<&'a str> {
        let listed = |names: &[String]| names.iter().any(|listed| listed == name);
        let stays = !listed(&self.exclude) && (self.include.is_empty() || listed(&self.include));
        stays.then(|| self.renames.get(name).map_or(name, String::as_str))
    }
}

impl Transform for ReplaceField {
    fn apply(&mut self, mut record: ConnectRecord) -> Result<Flow<ConnectRecord>> {
        let config = &self.config;
        let data = self.part.of(&mut record);
        match Fields::take(data)? {
            None => {}
            Some(Fields::Map(entries)) => {
                let renamed = |(key, value): (Value, Value)| match key.as_str() {
                    Some(name) => config.renamed(name).map(|name| (Value::from(name), value)),
                    None => Some((key, value)),
                };
                data.value = Value::Map(entries.into_iter().filter_map(renamed).collect());
            }
            Some(Fields::Struct(inner)) => {
                let before = Arc::clone(inner.schema());
                let schema = self.schema.of(&before, |schema| {
                    let renamed = schema.fields().iter().filter_map(|field| {
                        config.renamed(field.name()).map(|name| (name.to_owned(), Arc::clone(field.schema())))
                    });
                    with_fields(schema, renamed)
                })?;
                let values = values_of(inner, config.replace_null_with_default);
                let stay = before.fields().iter().zip(values);
                let stay = stay.filter(|(field, _)| config.renamed(field.name()).is_some());
                let values = stay.map(|(_, value)| value).collect();
                *data = Data::from(Struct::from_values(&schema, values));
            }
        }
        Ok(Flow::Keep(record))
    }
}
