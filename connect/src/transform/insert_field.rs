//! Fields that tell where a record came from.
use schemars::JsonSchema;
use serde::Deserialize;

use super::part::{ChangedSchema, Fields, Part, kept, put, values_of, with_fields};
use super::{Transform, yes};
use crate::data::{Data, DataError, Schema, Struct, Value};
use crate::{Config, ConnectRecord, Error, Flow, Result};

/// What [`InsertField`] can be told. A name ending in `!` stands for a required field, one ending in `?` for an optional one,
/// which is the default.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[non_exhaustive]
pub struct InsertFieldConfig {
    /// The field that gets the topic.
    #[serde(rename = "topic.field")]
    pub topic_field: Option<String>,
    /// The field that gets the partition.
    #[serde(rename = "partition.field")]
    pub partition_field: Option<String>,
    /// The field that gets the offset; sinks only.
    #[serde(rename = "offset.field")]
    pub offset_field: Option<String>,
    /// The field that gets the timestamp.
    #[serde(rename = "timestamp.field")]
    pub timestamp_field: Option<String>,
    /// The field that gets `static.value`.
    #[serde(rename = "static.field")]
    pub static_field: Option<String>,
    /// The text for `static.field`.
    #[serde(rename = "static.value")]
    pub static_value: Option<String>,
    /// Whether nulls of other fields become their defaults.
    #[serde(rename = "replace.null.with.default", default = "yes")]
    pub replace_null_with_default: bool,
}

impl Config for InsertFieldConfig {}

/// Adds fields with a record's topic, partition, offset, timestamp, or a fixed text. A null value passes.
#[derive(Debug)]
pub struct InsertField {
    part: Part,
    config: InsertFieldConfig,
    schema: ChangedSchema,
}

impl InsertField {
    /// Adds the fields of the configuration to a part of each record.
    ///
    /// # Errors
    /// A [configuration](crate::ErrorKind::Config) error if no field is named, or a static field has no value.
    pub fn new(part: Part, config: InsertFieldConfig) -> Result<Self> {
        if config.static_field.is_some() != config.static_value.is_some() {
            return Err(Error::config("properties `static.field` and `static.value` are given together"));
        }
        let names = [&config.topic_field, &config.partition_field, &config.offset_field];
        if names.into_iter().chain([&config.timestamp_field, &config.static_field]).all(Option::is_none) {
            let text = "no field is named: one of `topic.field`, `partition.field`, `offset.field`, `timestamp.field`, `static.field` is";
            return Err(Error::config(text));
        }
        Ok(Self { part, config, schema: ChangedSchema::default() })
    }

    /// The fields that are added, each with its schema and what this record has for it.
    fn added(&self, record: &ConnectRecord) -> Result<Vec<(String, Schema, Value)>, DataError> {
        let config = &self.config;
        let mut added = Vec::new();
        let mut add = |name: &Option<String>, schema: Schema, value: Value| {
            if let Some(name) = name {
                let (name, schema) = match name.strip_suffix('!') {
                    Some(name) => (name, schema),
                    None => (name.strip_suffix('?').unwrap_or(name), schema.optional()),
                };
                added.push((name.to_owned(), schema, value));
            }
        };
        add(&config.topic_field, Schema::string(), Value::from(&*record.topic));
        add(&config.partition_field, Schema::int32(), record.partition.map(|at| at.0).into());
        if config.offset_field.is_some() && record.offset.is_none() {
            return Err(DataError::new(
                "a record on its way to Kafka has no offset: `offset.field` is for sinks",
            ));
        }
        add(&config.offset_field, Schema::int64(), record.offset.map(|at| at.0).into());
        let timestamp = record.timestamp.map_or(Value::Null, |at| Value::Timestamp(at.0));
        add(&config.timestamp_field, Schema::timestamp(), timestamp);
        add(&config.static_field, Schema::string(), config.static_value.as_deref().into());
        Ok(added)
    }
}

impl Transform for InsertField {
    fn apply(&mut self, mut record: ConnectRecord) -> Result<Flow<ConnectRecord>> {
        let added = self.added(&record)?;
        let data = self.part.of(&mut record);
        match Fields::take(data)? {
            None => {}
            Some(Fields::Map(mut entries)) => {
                for (name, _, value) in added.into_iter().filter(|(_, _, value)| !value.is_null()) {
                    // Without a schema a time is its milliseconds.
                    let value = match value {
                        Value::Timestamp(ms) => Value::I64(ms),
                        other => other,
                    };
                    put(&mut entries, &name, value);
                }
                data.value = Value::Map(entries);
            }
            Some(Fields::Struct(inner)) => {
                let schema = self.schema.of(inner.schema(), |schema| {
                    let new = added.iter().map(|(name, schema, _)| (name.clone(), schema.clone().shared()));
                    with_fields(schema, schema.fields().iter().map(kept).chain(new))
                })?;
                let mut values = values_of(inner, self.config.replace_null_with_default);
                values.extend(added.into_iter().map(|(_, _, value)| value));
                let changed = Struct::from_values(&schema, values);
                changed.validate()?;
                *data = Data::from(changed);
            }
        }
        Ok(Flow::Keep(record))
    }
}
