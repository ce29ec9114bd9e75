//! Everything as text.
use bytes::Bytes;
use std::sync::{Arc, LazyLock};

use super::Converter;
use crate::Result;
use crate::data::{Data, DataError, Schema, Value};

/// Writes any value as the text that Java shows of it, in UTF-8; what is read has the schema of an optional string.
///
/// Java: `StringConverter`. Bytes have no text (Java writes the address of the array) and are refused, as is what is not
/// UTF-8 on the way back (Java replaces what it cannot read). Days and times are written as ISO 8601, because Java's
/// form depends on the time zone of its machine.
#[derive(Clone, Copy, Debug, Default)]
pub struct StringConverter;

static OPTIONAL_STRING: LazyLock<Arc<Schema>> = LazyLock::new(|| Schema::string().optional().shared());

impl Converter for StringConverter {
    fn class_name(&self) -> &str {
        "org.apache.kafka.connect.storage.StringConverter"
    }

    fn encode(&self, _topic: &str, data: &Data) -> Result<Option<Bytes>> {
        match &data.value {
            Value::Null => Ok(None),
            Value::String(text) => Ok(Some(Bytes::copy_from_slice(text.as_bytes()))),
            other => Ok(Some(Bytes::from(other.to_text()?))),
        }
    }

    fn decode(&self, _topic: &str, bytes: Option<Bytes>) -> Result<Data> {
        let text = match bytes {
            None => None,
            Some(bytes) => Some(String::from_utf8(bytes.into()).map_err(|error| {
                let at = error.utf8_error().valid_up_to();
                DataError::new(format!("not UTF-8 from byte {at} on; ByteArrayConverter reads any bytes"))
            })?),
        };
        Ok(Data { schema: Some(Arc::clone(&OPTIONAL_STRING)), value: text.into() })
    }
}
