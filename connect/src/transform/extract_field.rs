//! One field in the place of the whole, and the whole as one field.
use schemars::JsonSchema;
use serde::Deserialize;

use super::field_path::{FieldPath, SyntaxVersion};
use super::part::{ChangedSchema, Part};
use super::{Transform, yes};
use crate::data::{Data, DataError, Schema, Struct, Value};
use crate::{Config, ConnectRecord, Flow, Result};

/// What [`ExtractField`] can be told.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[non_exhaustive]
pub struct ExtractFieldConfig {
    /// The field that is left.
    pub field: String,
    /// V1: the field's name as it stands; V2: a path with dots, such as `after.id` (KIP-821).
    #[serde(rename = "field.syntax.version", default)]
    pub field_syntax_version: SyntaxVersion,
    /// Whether a null becomes the default of its field.
    #[serde(rename = "replace.null.with.default", default = "yes")]
    pub replace_null_with_default: bool,
}

impl Config for ExtractFieldConfig {}

/// Puts one field in the place of the whole. Without a schema a field that is not there is null; with one it is an error.
#[derive(Debug)]
pub struct ExtractField {
    part: Part,
    path: FieldPath,
    replace_null_with_default: bool,
}

impl ExtractField {
    /// Leaves one field of a part of each record.
    ///
    /// # Errors
    /// A [configuration](crate::ErrorKind::Config) error if the path is none.
    pub fn new(part: Part, config: &ExtractFieldConfig) -> Result<Self> {
        let path = FieldPath::read(&config.field, config.field_syntax_version)?;
        Ok(Self { part, path, replace_null_with_default: config.replace_null_with_default })
    }
}

impl Transform for ExtractField {
    fn apply(&mut self, mut record: ConnectRecord) -> Result<Flow<ConnectRecord>> {
        let data = self.part.of(&mut record);
        *data = match &data.schema {
            None if data.value.is_null() => Data::NULL,
            None if matches!(data.value, Value::Map(_)) => {
                Data::schemaless(self.path.value(&data.value).cloned().unwrap_or_default())
            }
            None => {
                let text = format!("a value of type {} has no fields", data.value.type_name());
                return Err(DataError::new(text).into());
            }
            Some(schema) => {
                let field = self.path.schema(schema)?;
                let found = self.path.value(&data.value).cloned().unwrap_or_default();
                let value = match (found, field.default_value()) {
                    // A field of a struct that is not there has no default to show.
                    (Value::Null, Some(default))
                        if self.replace_null_with_default && !data.value.is_null() =>
                    {
                        default.clone()
                    }
                    (found, _) => found,
                };
                Data { schema: Some(field), value }
            }
        };
        Ok(Flow::Keep(record))
    }
}

/// What [`HoistField`] can be told.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[non_exhaustive]
pub struct HoistFieldConfig {
    /// The name of the field that holds what was there before.
    pub field: String,
}

impl Config for HoistFieldConfig {}

/// Makes what is there the only field of a struct, or, without a schema, of a map. A null is hoisted too, as in Java.
#[derive(Debug)]
pub struct HoistField {
    part: Part,
    field: String,
    schema: ChangedSchema,
}

impl HoistField {
    /// Makes a part of each record a field.
    pub fn new(part: Part, config: HoistFieldConfig) -> Self {
        Self { part, field: config.field, schema: ChangedSchema::default() }
    }
}

impl Transform for HoistField {
    fn apply(&mut self, mut record: ConnectRecord) -> Result<Flow<ConnectRecord>> {
        let data = self.part.of(&mut record);
        let value = std::mem::take(&mut data.value);
        *data = match &data.schema {
            None => Data::schemaless(Value::map([(self.field.clone(), value)])),
            Some(schema) => {
                let hoisted = self.schema.of(schema, |_| {
                    Schema::structure([(self.field.clone(), std::sync::Arc::clone(schema))])
                })?;
                Data::from(Struct::from_values(&hoisted, vec![value]))
            }
        };
        Ok(Flow::Keep(record))
    }
}
