//! Fields inside fields as fields of one struct.
use schemars::JsonSchema;
use serde::Deserialize;
use std::sync::Arc;

use super::Transform;
use super::part::{ChangedSchema, Fields, Part, with_fields};
use crate::data::{Data, DataError, Schema, SchemaType, Struct, Value};
use crate::{Config, ConnectRecord, Flow, Result};

/// What [`Flatten`] can be told.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[non_exhaustive]
pub struct FlattenConfig {
    /// What stands between the names of an outer and an inner field.
    #[serde(default = "dot")]
    pub delimiter: String,
}

fn dot() -> String {
    ".".to_owned()
}

impl Config for FlattenConfig {}

/// Makes the fields of inner structs fields of the outer one, named `outer.inner`. Arrays stay as they are. A null passes.
#[derive(Debug)]
pub struct Flatten {
    part: Part,
    delimiter: String,
    schema: ChangedSchema,
}

impl Flatten {
    /// Flattens a part of each record.
    pub fn new(part: Part, config: FlattenConfig) -> Self {
        Self { part, delimiter: config.delimiter, schema: ChangedSchema::default() }
    }

    fn name(&self, outer: &str, inner: &str) -> String {
        if outer.is_empty() { inner.to_owned() } else { format!("{outer}{}{inner}", self.delimiter) }
    }

    /// A field is optional if one of the structs around it is, and takes its default from their defaults.
    fn flat_schema(
        &self,
        schema: &Schema,
        outer: &str,
        optional: bool,
        default: Option<&Struct>,
        fields: &mut Vec<(String, Arc<Schema>)>,
    ) -> Result<(), DataError> {
        for field in schema.fields() {
            let name = self.name(outer, field.name());
            let inner = field.schema();
            let optional = optional || inner.is_optional();
            let default = inner.default_value().or_else(|| default?.field_or_default(field.name()));
            let default = default.filter(|default| !default.is_null());
            match inner.kind() {
                SchemaType::Struct(_) => {
                    self.flat_schema(inner, &name, optional, default.and_then(Value::as_struct), fields)?;
                }
                SchemaType::Map(..) => return Err(DataError::new("a map cannot be flattened").within(name)),
                _ => {
                    let changed = if optional { (**inner).clone().optional() } else { (**inner).clone() };
                    let changed = match default {
                        Some(default) => changed.with_default(default.clone())?,
                        None => changed,
                    };
                    fields.push((name, changed.shared()));
                }
            }
        }
        Ok(())
    }

    fn flat_map(
        &self,
        entries: Vec<(Value, Value)>,
        outer: &str,
        flat: &mut Vec<(Value, Value)>,
    ) -> Result<(), DataError> {
        for (key, value) in entries {
            let Some(inner) = key.as_str() else {
                return Err(DataError::new(format!("a key of type {} is no name", key.type_name())));
            };
            let name = self.name(outer, inner);
            match value {
                Value::Map(entries) => self.flat_map(entries, &name, flat)?,
                other => flat.push((Value::String(name), other)),
            }
        }
        Ok(())
    }
}

/// The values in the order of the flat schema; those of an inner struct that is null are null.
fn flat_values(schema: &Schema, inner: Option<&Struct>, values: &mut Vec<Value>) {
    for field in schema.fields() {
        let value = inner.and_then(|inner| inner.field_or_default(field.name()));
        match field.schema().kind() {
            SchemaType::Struct(_) => flat_values(field.schema(), value.and_then(Value::as_struct), values),
            _ => values.push(value.cloned().unwrap_or_default()),
        }
    }
}

impl Transform for Flatten {
    fn apply(&mut self, mut record: ConnectRecord) -> Result<Flow<ConnectRecord>> {
        let data = self.part.of(&mut record);
        match Fields::take(data)? {
            None => {}
            Some(Fields::Map(entries)) => {
                let mut flat = Vec::new();
                self.flat_map(entries, "", &mut flat)?;
                data.value = Value::Map(flat);
            }
            Some(Fields::Struct(inner)) => {
                let mut known = std::mem::take(&mut self.schema);
                let schema = known.of(inner.schema(), |schema| {
                    let mut fields = Vec::new();
                    let default = schema.default_value().and_then(Value::as_struct);
                    self.flat_schema(schema, "", schema.is_optional(), default, &mut fields)?;
                    with_fields(schema, fields)
                });
                self.schema = known;
                let mut values = Vec::new();
                flat_values(inner.schema(), Some(&inner), &mut values);
                *data = Data::from(Struct::from_values(&schema?, values));
            }
        }
        Ok(Flow::Keep(record))
    }
}
