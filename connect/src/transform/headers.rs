//! Headers that are added, dropped, or made of fields.
use schemars::JsonSchema;
use serde::Deserialize;
use std::sync::Arc;

use super::part::{ChangedSchema, Fields, Part, kept, values_of, with_fields};
use super::{Transform, yes};
use crate::data::{Data, DataError, Struct, Value};
use crate::{Config, ConnectRecord, Error, Flow, Result};

/// What [`InsertHeader`] can be told.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[non_exhaustive]
pub struct InsertHeaderConfig {
    /// The header's name.
    pub header: String,
    /// The header's text.
    #[serde(rename = "value.literal")]
    pub value_literal: String,
}

impl Config for InsertHeaderConfig {}

/// Adds a header with a fixed text to each record.
#[derive(Debug)]
pub struct InsertHeader {
    name: String,
    value: Data,
}

impl InsertHeader {
    /// Adds this header.
    pub fn new(config: InsertHeaderConfig) -> Self {
        Self { name: config.header, value: Data::from(config.value_literal) }
    }
}

impl Transform for InsertHeader {
    fn apply(&mut self, mut record: ConnectRecord) -> Result<Flow<ConnectRecord>> {
        record.headers.push((self.name.clone(), self.value.clone()));
        Ok(Flow::Keep(record))
    }
}

/// What [`DropHeaders`] can be told.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[non_exhaustive]
pub struct DropHeadersConfig {
    /// The names of the headers that are dropped.
    pub headers: Vec<String>,
}

impl Config for DropHeadersConfig {}

/// Drops all headers of some names.
#[derive(Debug)]
pub struct DropHeaders {
    names: Vec<String>,
}

impl DropHeaders {
    /// Drops these headers.
    pub fn new(config: DropHeadersConfig) -> Self {
        Self { names: config.headers }
    }
}

impl Transform for DropHeaders {
    fn apply(&mut self, mut record: ConnectRecord) -> Result<Flow<ConnectRecord>> {
        record.headers.retain(|(name, _)| !self.names.contains(name));
        Ok(Flow::Keep(record))
    }
}

/// What [`HeaderFrom`] can be told.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[non_exhaustive]
pub struct HeaderFromConfig {
    /// The fields that become headers.
    pub fields: Vec<String>,
    /// The headers' names, one for each field.
    pub headers: Vec<String>,
    /// Whether the fields `move` into the headers or are a `copy` there.
    pub operation: Operation,
    /// Whether nulls become the defaults of their fields.
    #[serde(rename = "replace.null.with.default", default = "yes")]
    pub replace_null_with_default: bool,
}

/// What becomes of a field that is a header now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Operation {
    /// It goes.
    Move,
    /// It stays.
    Copy,
}

impl Config for HeaderFromConfig {}

/// Makes headers of fields. A null value passes; Java refuses it.
#[derive(Debug)]
pub struct HeaderFrom {
    part: Part,
    config: HeaderFromConfig,
    schema: ChangedSchema,
}

impl HeaderFrom {
    /// Makes headers of fields of a part of each record.
    ///
    /// # Errors
    /// A [configuration](crate::ErrorKind::Config) error if there are more fields than headers, or fewer.
    pub fn new(part: Part, config: HeaderFromConfig) -> Result<Self> {
        let (fields, headers) = (config.fields.len(), config.headers.len());
        if fields != headers {
            let text =
                format!("property `headers` names {headers} headers for the {fields} fields of `fields`");
            return Err(Error::config(text));
        }
        Ok(Self { part, config, schema: ChangedSchema::default() })
    }

    fn moves(&self, name: &str) -> bool {
        self.config.operation == Operation::Move && self.config.fields.iter().any(|field| field == name)
    }
}

impl Transform for HeaderFrom {
    fn apply(&mut self, mut record: ConnectRecord) -> Result<Flow<ConnectRecord>> {
        let mut headers = Vec::with_capacity(self.config.fields.len());
        let pairs: Vec<_> =
            self.config.fields.iter().cloned().zip(self.config.headers.iter().cloned()).collect();
        let data = self.part.of(&mut record);
        match Fields::take(data)? {
            None => {}
            Some(Fields::Map(mut entries)) => {
                for (field, header) in pairs {
                    let found = entries.iter().find(|(key, _)| key.as_str() == Some(&field));
                    headers.push((header, Data::schemaless(found.map(|(_, value)| value.clone()))));
                }
                entries.retain(|(key, _)| !key.as_str().is_some_and(|name| self.moves(name)));
                data.value = Value::Map(entries);
            }
            Some(Fields::Struct(inner)) => {
                let before = Arc::clone(inner.schema());
                let mut known = std::mem::take(&mut self.schema);
                let schema = known.of(&before, |schema| {
                    let stay = schema.fields().iter().filter(|field| !self.moves(field.name()));
                    with_fields(schema, stay.map(kept))
                });
                self.schema = known;
                let values = values_of(inner, self.config.replace_null_with_default);
                for (name, header) in pairs {
                    let Some((at, field)) = before.field(&name) else {
                        return Err(DataError::new(format!("there is no field `{name}`")).into());
                    };
                    let value = values.get(at).cloned().unwrap_or_default();
                    headers.push((header, Data { schema: Some(Arc::clone(field.schema())), value }));
                }
                let stay = before.fields().iter().zip(values).filter(|(field, _)| !self.moves(field.name()));
                let values = stay.map(|(_, value)| value).collect();
                *data = match self.config.operation {
                    Operation::Move => Data::from(Struct::from_values(&schema?, values)),
                    Operation::Copy => Data::from(Struct::from_values(&before, values)),
                };
            }
        }
        record.headers.extend(headers);
        Ok(Flow::Keep(record))
    }
}
