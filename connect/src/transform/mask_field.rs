//! Fields whose content is hidden.
use schemars::JsonSchema;
use serde::Deserialize;
use std::sync::Arc;

use super::part::{Fields, Part, values_of};
use super::{Transform, yes};
use crate::data::{DataError, Decimal, Struct, Value};
use crate::{Config, ConnectRecord, Flow, Result};

/// What [`MaskField`] can be told.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[non_exhaustive]
pub struct MaskFieldConfig {
    /// The fields to hide.
    pub fields: Vec<String>,
    /// What stands in their place, for texts and numbers; without one it is the empty or zero value of the type.
    pub replacement: Option<String>,
    /// Whether nulls become the defaults of their fields.
    #[serde(rename = "replace.null.with.default", default = "yes")]
    pub replace_null_with_default: bool,
}

impl Config for MaskFieldConfig {}

/// Puts zero, false, an empty text or list, or a given replacement in the place of fields. Null fields stay null.
///
/// A null value passes. Java refuses it, which stops a sink behind every deletion of a compacted topic.
#[derive(Debug)]
pub struct MaskField {
    part: Part,
    config: MaskFieldConfig,
}

impl MaskField {
    /// Hides fields of a part of each record.
    pub fn new(part: Part, config: MaskFieldConfig) -> Self {
        Self { part, config }
    }

    fn masks(&self, name: &str) -> bool {
        self.config.fields.iter().any(|field| field == name)
    }

    fn masked(&self, name: &str, value: Value) -> Result<Value, DataError> {
        let masked = match (&value, &self.config.replacement) {
            (Value::Null, _) => Some(Value::Null),
            (_, Some(replacement)) => replaced(&value, replacement)?,
            (_, None) => zero(&value),
        };
        let refuse = || DataError::new(format!("a value of type {} cannot be masked so", value.type_name()));
        masked.ok_or_else(|| refuse().within(name))
    }
}

/// The value of the type that says nothing.
fn zero(value: &Value) -> Option<Value> {
    Some(match value {
        Value::Bool(_) => Value::Bool(false),
        Value::I8(_) => Value::I8(0),
        Value::I16(_) => Value::I16(0),
        Value::I32(_) => Value::I32(0),
        Value::I64(_) => Value::I64(0),
        Value::F32(_) => Value::F32(0.0),
        Value::F64(_) => Value::F64(0.0),
        Value::String(_) => Value::from(""),
        // A scale is part of the type.
        Value::Decimal(decimal) => Value::Decimal(Decimal::new(0, decimal.scale())),
        Value::Date(_) => Value::Date(0),
        Value::Time(_) => Value::Time(0),
        Value::Timestamp(_) => Value::Timestamp(0),
        Value::Array(_) => Value::Array(Vec::new()),
        Value::Map(_) => Value::Map(Vec::new()),
        Value::Null | Value::Bytes(_) | Value::Struct(_) => return None,
    })
}

/// The replacement as a value of the same type; none if the type has no texts.
fn replaced(value: &Value, replacement: &str) -> Result<Option<Value>, DataError> {
    let wrong = || DataError::new(format!("the replacement `{replacement}` is no {}", value.type_name()));
    Ok(Some(match value {
        Value::I8(_) => Value::I8(replacement.parse().map_err(|_| wrong())?),
        Value::I16(_) => Value::I16(replacement.parse().map_err(|_| wrong())?),
        Value::I32(_) => Value::I32(replacement.parse().map_err(|_| wrong())?),
        Value::I64(_) => Value::I64(replacement.parse().map_err(|_| wrong())?),
        Value::F32(_) => Value::F32(replacement.parse().map_err(|_| wrong())?),
        Value::F64(_) => Value::F64(replacement.parse().map_err(|_| wrong())?),
        Value::Decimal(decimal) => {
            let read: Decimal = replacement.parse()?;
            Value::Decimal(read.with_scale(decimal.scale()).ok_or_else(wrong)?)
        }
        Value::String(_) => Value::from(replacement),
        _ => return Ok(None),
    }))
}

impl Transform for MaskField {
    fn apply(&mut self, mut record: ConnectRecord) -> Result<Flow<ConnectRecord>> {
        let data = self.part.of(&mut record);
        match Fields::take(data)? {
            None => {}
            Some(Fields::Map(mut entries)) => {
                for (key, value) in &mut entries {
                    if let Some(name) = key.as_str().filter(|name| self.masks(name)) {
                        *value = self.masked(name, std::mem::take(value))?;
                    }
                }
                data.value = Value::Map(entries);
            }
            Some(Fields::Struct(inner)) => {
                let schema = Arc::clone(inner.schema());
                let mut values = values_of(inner, self.config.replace_null_with_default);
                for (field, value) in schema.fields().iter().zip(&mut values) {
                    if self.masks(field.name()) {
                        *value = self.masked(field.name(), std::mem::take(value))?;
                    }
                }
                data.value = Value::Struct(Struct::from_values(&schema, values));
            }
        }
        Ok(Flow::Keep(record))
    }
}
