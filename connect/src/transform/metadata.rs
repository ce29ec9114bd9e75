//! The name and version of a schema.
use schemars::JsonSchema;
use serde::Deserialize;

use super::Transform;
use super::part::{ChangedSchema, Part};
use crate::data::{DataError, Struct, Value};
use crate::{Config, ConnectRecord, Flow, Result};

/// What [`SetSchemaMetadata`] can be told.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[non_exhaustive]
pub struct SetSchemaMetadataConfig {
    /// The new name; without one it stays.
    #[serde(rename = "schema.name")]
    pub schema_name: Option<String>,
    /// The new version; without one it stays.
    #[serde(rename = "schema.version")]
    pub schema_version: Option<i32>,
}

impl Config for SetSchemaMetadataConfig {}

/// Sets name and version of a schema. What has neither schema nor value passes.
#[derive(Debug)]
pub struct SetSchemaMetadata {
    part: Part,
    config: SetSchemaMetadataConfig,
    schema: ChangedSchema,
}

impl SetSchemaMetadata {
    /// Sets the schema of a part of each record.
    pub fn new(part: Part, config: SetSchemaMetadataConfig) -> Self {
        Self { part, config, schema: ChangedSchema::default() }
    }
}

impl Transform for SetSchemaMetadata {
    fn apply(&mut self, mut record: ConnectRecord) -> Result<Flow<ConnectRecord>> {
        let data = self.part.of(&mut record);
        let Some(before) = &data.schema else {
            return match data.value.is_null() {
                true => Ok(Flow::Keep(record)),
                false => Err(DataError::new("a value without a schema has no name to set").into()),
            };
        };
        let schema = self.schema.of(before, |before| {
            let mut changed = before.clone();
            if let Some(name) = &self.config.schema_name {
                changed = changed.named(name);
            }
            if let Some(version) = self.config.schema_version {
                changed = changed.version(version);
            }
            Ok(changed)
        })?;
        data.value = match std::mem::take(&mut data.value) {
            Value::Struct(inner) => Value::Struct(Struct::from_values(&schema, inner.into_values())),
            other => other,
        };
        data.schema = Some(schema);
        Ok(Flow::Keep(record))
    }
}
