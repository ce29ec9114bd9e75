//! Bytes as they are.
use bytes::Bytes;

use super::Converter;
use crate::Result;
use crate::data::{Data, DataError, Schema, SchemaType, Value};
use std::sync::{Arc, LazyLock};

/// Passes bytes through; what is read has the schema of optional bytes. Java: `ByteArrayConverter`.
#[derive(Clone, Copy, Debug, Default)]
pub struct ByteArrayConverter;

static OPTIONAL_BYTES: LazyLock<Arc<Schema>> = LazyLock::new(|| Schema::bytes().optional().shared());

impl Converter for ByteArrayConverter {
    fn class_name(&self) -> &str {
        "org.apache.kafka.connect.converters.ByteArrayConverter"
    }

    fn encode(&self, _topic: &str, data: &Data) -> Result<Option<Bytes>> {
        if let Some(schema) = &data.schema
            && *schema.kind() != SchemaType::Bytes
        {
            let text = format!("ByteArrayConverter writes BYTES, not {}", schema.shown());
            return Err(DataError::new(text).into());
        }
        match &data.value {
            Value::Null => Ok(None),
            Value::Bytes(bytes) => Ok(Some(bytes.clone())),
            other => {
                Err(DataError::new(format!("ByteArrayConverter writes bytes, not {}", other.type_name()))
                    .into())
            }
        }
    }

    fn decode(&self, _topic: &str, bytes: Option<Bytes>) -> Result<Data> {
        Ok(Data { schema: Some(Arc::clone(&OPTIONAL_BYTES)), value: bytes.into() })
    }
}
