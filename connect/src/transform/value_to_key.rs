//! A key made of fields of the value.
use schemars::JsonSchema;
use serde::Deserialize;
use std::sync::Arc;

use super::part::ChangedSchema;
use super::{Transform, yes};
use crate::data::{Data, DataError, Schema, Struct, Value};
use crate::{Config, ConnectRecord, Flow, Result};

/// What [`ValueToKey`] can be told.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[non_exhaustive]
pub struct ValueToKeyConfig {
    /// The fields of the value that make up the key.
    pub fields: Vec<String>,
    /// Whether nulls become the defaults of their fields.
    #[serde(rename = "replace.null.with.default", default = "yes")]
    pub replace_null_with_default: bool,
}

impl Config for ValueToKeyConfig {}

/// Makes fields of the value the record's key. A record whose value is null keeps the key that it has; Java refuses it.
#[derive(Debug)]
pub struct ValueToKey {
    config: ValueToKeyConfig,
    schema: ChangedSchema,
}

impl ValueToKey {
    /// Makes these fields the key.
    pub fn new(config: ValueToKeyConfig) -> Self {
        Self { config, schema: ChangedSchema::default() }
    }
}

impl Transform for ValueToKey {
    fn apply(&mut self, mut record: ConnectRecord) -> Result<Flow<ConnectRecord>> {
        let fields = &self.config.fields;
        match (&record.value.value, &record.value.schema) {
            (Value::Null, _) => {}
            (Value::Map(_), None) => {
                let value = &record.value.value;
                let taken = |name: &String| (name.clone(), value.field(name).cloned().unwrap_or_default());
                record.key = Data::schemaless(Value::map(fields.iter().map(taken)));
            }
            (Value::Struct(inner), _) => {
                let schema = self.schema.of(inner.schema(), |schema| {
                    let found = |name: &String| match schema.field(name) {
                        Some((_, field)) => Ok((name.clone(), Arc::clone(field.schema()))),
                        None => Err(DataError::new(format!("the value has no field `{name}`"))),
                    };
                    Schema::structure(fields.iter().map(found).collect::<Result<Vec<_>, _>>()?)
                })?;
                let taken = |name: &String| match self.config.replace_null_with_default {
                    true => inner.field_or_default(name),
                    false => inner.field(name),
                };
                let values = fields.iter().map(|name| taken(name).cloned().unwrap_or_default()).collect();
                record.key = Data::from(Struct::from_values(&schema, values));
            }
            (other, _) => {
                return Err(
                    DataError::new(format!("a value of type {} has no fields", other.type_name())).into()
                );
            }
        }
        Ok(Flow::Keep(record))
    }
}
