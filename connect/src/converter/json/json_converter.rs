//! The JSON converter: its settings, and the way of a message through it.
use bytes::{Bytes, BytesMut};
use serde_json::Value as Json;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use super::cache::{SchemaTexts, SchemasRead};
use super::options::{self, DecimalFormat, Reading};
use super::{read, schema_read, write};
use crate::converter::Converter;
use crate::data::{Data, DataError, Schema, Value};
use crate::{Error, Result};

/// Writes and reads JSON as Java's `JsonConverter` does.
///
/// ```
/// use courant_connect::converter::{Converter, JsonConverter};
/// use courant_connect::data::{Data, Schema};
///
/// let converter = JsonConverter::new();
/// let bytes = converter.encode("ids", &Data::new(Schema::int32(), 7))?;
/// assert_eq!(bytes.as_deref(), Some(&br#"{"schema":{"type":"int32","optional":false},"payload":7}"#[..]));
/// # Ok::<(), courant_connect::Error>(())
/// ```
pub struct JsonConverter {
    options: Options,
    texts: SchemaTexts,
    schemas: SchemasRead,
}

/// What the properties say.
#[derive(Clone, Debug)]
pub(super) struct Options {
    pub(super) schemas_enable: bool,
    pub(super) schema_content: Option<Arc<Schema>>,
    pub(super) decimal_format: DecimalFormat,
    pub(super) replace_null_with_default: bool,
    pub(super) reading: Reading,
}

impl Default for JsonConverter {
    fn default() -> Self {
        Self::new()
    }
}

/// How many schemas are remembered, as in Java.
const SCHEMAS_CACHE_SIZE: usize = 1_000;

/// Settings; the defaults are Java's, but for [`Reading`].
impl JsonConverter {
    /// A converter with schemas, decimals as base64, and defaults in the place of nulls.
    pub fn new() -> Self {
        let options = Options {
            schemas_enable: true,
            schema_content: None,
            decimal_format: DecimalFormat::Base64,
            replace_null_with_default: true,
            reading: Reading::Strict,
        };
        let (texts, schemas) = (SchemaTexts::new(SCHEMAS_CACHE_SIZE), SchemasRead::new(SCHEMAS_CACHE_SIZE));
        Self { options, texts, schemas }
    }

    /// Whether the schema stands beside each value (`schemas.enable`, default true).
    #[must_use]
    pub fn schemas_enable(mut self, enable: bool) -> Self {
        self.options.schemas_enable = enable;
        self
    }

    /// How decimals are written (`decimal.format`, default base64); both are read.
    #[must_use]
    pub fn decimal_format(mut self, format: DecimalFormat) -> Self {
        self.options.decimal_format = format;
        self
    }

    /// Whether a null whose schema has a default is written and read as that default (`replace.null.with.default`,
    /// default true). Whoever carries changes of a database needs false, or a column that was set to null gets its default.
    #[must_use]
    pub fn replace_null_with_default(mut self, replace: bool) -> Self {
        self.options.replace_null_with_default = replace;
        self
    }

    /// How many schemas are remembered (`schemas.cache.size`, default 1000).
    #[must_use]
    pub fn schemas_cache_size(mut self, size: usize) -> Self {
        (self.texts, self.schemas) = (SchemaTexts::new(size), SchemasRead::new(size));
        self
    }

    /// One schema for everything that is read, in the JSON form of an envelope's `schema` (`schema.content`, KIP-1054):
    /// messages are then read as payloads without an envelope. Only with schemas enabled.
    ///
    /// # Errors
    /// A [configuration](crate::ErrorKind::Config) error if the text is not that of a schema.
    pub fn schema_content(mut self, text: &str) -> Result<Self> {
        let wrong =
            |error: DataError| Error::config(format!("property `schema.content` holds no schema: {error}"));
        let json = parse(text.as_bytes(), Reading::Strict).map_err(wrong)?;
        self.options.schema_content = schema_read::schema(&json, &self.options).map_err(wrong)?;
        Ok(self)
    }

    /// What becomes of values that do not fit their schema when they are read (`reading`, default strict).
    #[must_use]
    pub fn reading(mut self, reading: Reading) -> Self {
        self.options.reading = reading;
        self
    }
}

impl JsonConverter {
    /// A converter with these properties; names that it does not have are left alone.
    pub(in crate::converter) fn from_properties(properties: &BTreeMap<String, String>) -> Result<Self> {
        let mut converter = Self::new();
        if let Some(enable) = options::flag(properties, "schemas.enable")? {
            converter = converter.schemas_enable(enable);
        }
        if let Some(replace) = options::flag(properties, "replace.null.with.default")? {
            converter = converter.replace_null_with_default(replace);
        }
        if let Some(format) = properties.get("decimal.format") {
            converter = converter.decimal_format(format.parse()?);
        }
        if let Some(reading) = properties.get("reading") {
            converter = converter.reading(reading.parse()?);
        }
        if let Some(size) = properties.get("schemas.cache.size") {
            converter = converter.schemas_cache_size(options::size("schemas.cache.size", size)?);
        }
        match properties.get("schema.content").filter(|text| !text.is_empty()) {
            Some(text) => converter.schema_content(text),
            None => Ok(converter),
        }
    }

    fn write(&self, data: &Data) -> Result<Option<Bytes>, DataError> {
        if data.is_null() {
            return Ok(None);
        }
        let schema = data.schema.as_ref();
        let mut out = BytesMut::with_capacity(128);
        if !self.options.schemas_enable {
            write::value(schema.map(AsRef::as_ref), &data.value, &self.options, &mut out)?;
            return Ok(Some(out.freeze()));
        }
        out.extend_from_slice(b"{\"schema\":");
        match schema {
            None => out.extend_from_slice(b"null"),
            Some(schema) => out.extend_from_slice(&self.texts.text(schema, &self.options)?),
        }
        out.extend_from_slice(b",\"payload\":");
        write::value(schema.map(AsRef::as_ref), &data.value, &self.options, &mut out)?;
        out.extend_from_slice(b"}");
        Ok(Some(out.freeze()))
    }

    fn read(&self, bytes: &[u8]) -> Result<Data, DataError> {
        let options = &self.options;
        if !options.schemas_enable {
            // Nothing at all is a missing value, not wrong JSON, as in Java.
            if bytes.iter().all(u8::is_ascii_whitespace) {
                return Ok(Data::NULL);
            }
            let json = parse(bytes, options.reading).map_err(|error| hint_at_magic(error, bytes))?;
            return Ok(Data { schema: None, value: read::value(None, json, options)? });
        }
        let json = parse(bytes, options.reading).map_err(|error| hint_at_magic(error, bytes))?;
        if let Some(schema) = &options.schema_content {
            return Ok(Data {
                schema: Some(Arc::clone(schema)),
                value: read::value(Some(schema), json, options)?,
            });
        }
        let (schema, payload) = envelope(json)?;
        let schema = self.schemas.schema(schema, options)?;
        let value = read::value(schema.as_ref(), payload, options)?;
        Ok(Data { schema, value })
    }
}

impl Converter for JsonConverter {
    fn class_name(&self) -> &str {
        "org.apache.kafka.connect.json.JsonConverter"
    }

    fn encode(&self, _topic: &str, data: &Data) -> Result<Option<Bytes>> {
        Ok(self.write(data)?)
    }

    fn decode(&self, _topic: &str, bytes: Option<Bytes>) -> Result<Data> {
        match bytes {
            None => Ok(Data::NULL),
            Some(bytes) => Ok(self.read(&bytes)?),
        }
    }
}

impl fmt::Debug for JsonConverter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JsonConverter").field("options", &self.options).finish_non_exhaustive()
    }
}

/// Parses one JSON value. What stands behind it is an error, unless the reading is Java's, which looks no further.
fn parse(bytes: &[u8], reading: Reading) -> Result<Json, DataError> {
    let parsed = match reading {
        Reading::Strict => serde_json::from_slice(bytes),
        Reading::Java => match serde_json::Deserializer::from_slice(bytes).into_iter().next() {
            Some(first) => first,
            None => Ok(Json::Null),
        },
    };
    parsed.map_err(|error| DataError::new(format!("not JSON: {error}")))
}

/// Bytes that begin with a zero and hold a number next were written with a schema registry.
fn hint_at_magic(error: DataError, bytes: &[u8]) -> DataError {
    match bytes {
        [0, _, _, _, _, ..] => DataError::new(format!(
            "{error}; the bytes begin like those of a schema registry's Avro, Protobuf or JSON Schema converter"
        )),
        _ => error,
    }
}

/// Takes an envelope apart.
fn envelope(json: Json) -> Result<(Json, Json), DataError> {
    if let Json::Object(mut members) = json
        && members.len() == 2
        && let (Some(schema), Some(payload)) = (members.remove("schema"), members.remove("payload"))
    {
        return Ok((schema, payload));
    }
    Err(DataError::new(
        "not an object with `schema` and `payload` and nothing else; plain JSON is read with schemas.enable=false",
    ))
}

impl Options {
    /// The value that stands for a null with this schema.
    pub(super) fn in_place_of_null<'a>(&self, schema: &'a Schema) -> Result<&'a Value, DataError> {
        match schema.default_value() {
            Some(default) if self.replace_null_with_default => Ok(default),
            _ if schema.is_optional() => Ok(&Value::Null),
            _ => Err(DataError::new(format!("null, but {} is required and has no default", schema.shown()))),
        }
    }
}
