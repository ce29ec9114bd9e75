//! Numbers and booleans as Kafka's serializers write them: big-endian.
use bytes::Bytes;

use super::Converter;
use crate::data::{Data, DataError, Schema, Value};
use crate::{Error, Result};
use std::sync::Arc;

/// Writes values of one number type, most significant byte first; what is read has the optional schema of that type.
///
/// Java: `ShortConverter`, `IntegerConverter`, `LongConverter`, `FloatConverter`, `DoubleConverter`, `BooleanConverter`.
#[derive(Clone, Debug)]
pub struct NumberConverter {
    kind: Kind,
    schema: Arc<Schema>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Short,
    Integer,
    Long,
    Float,
    Double,
    Boolean,
}

impl NumberConverter {
    fn of(kind: Kind, schema: Schema) -> Self {
        Self { kind, schema: schema.optional().shared() }
    }

    /// 16 bits, signed.
    pub fn short() -> Self {
        Self::of(Kind::Short, Schema::int16())
    }

    /// 32 bits, signed.
    pub fn integer() -> Self {
        Self::of(Kind::Integer, Schema::int32())
    }

    /// 64 bits, signed.
    pub fn long() -> Self {
        Self::of(Kind::Long, Schema::int64())
    }

    /// IEEE 754, 32 bits.
    pub fn float() -> Self {
        Self::of(Kind::Float, Schema::float32())
    }

    /// IEEE 754, 64 bits.
    pub fn double() -> Self {
        Self::of(Kind::Double, Schema::float64())
    }

    /// One byte, 0 or 1.
    pub fn boolean() -> Self {
        Self::of(Kind::Boolean, Schema::boolean())
    }

    fn short_name(&self) -> &str {
        self.class_name().rsplit('.').next().unwrap_or_default()
    }

    fn wrong_bytes(&self, bytes: &[u8]) -> Error {
        DataError::new(format!("{} does not read {} bytes", self.short_name(), bytes.len())).into()
    }
}

impl Converter for NumberConverter {
    fn class_name(&self) -> &str {
        match self.kind {
            Kind::Short => "org.apache.kafka.connect.converters.ShortConverter",
            Kind::Integer => "org.apache.kafka.connect.converters.IntegerConverter",
            Kind::Long => "org.apache.kafka.connect.converters.LongConverter",
            Kind::Float => "org.apache.kafka.connect.converters.FloatConverter",
            Kind::Double => "org.apache.kafka.connect.converters.DoubleConverter",
            Kind::Boolean => "org.apache.kafka.connect.converters.BooleanConverter",
        }
    }

    fn encode(&self, _topic: &str, data: &Data) -> Result<Option<Bytes>> {
        let copied = |bytes: &[u8]| Ok(Some(Bytes::copy_from_slice(bytes)));
        match (self.kind, &data.value) {
            (_, Value::Null) => Ok(None),
            (Kind::Short, Value::I16(number)) => copied(&number.to_be_bytes()),
            (Kind::Integer, Value::I32(number)) => copied(&number.to_be_bytes()),
            (Kind::Long, Value::I64(number)) => copied(&number.to_be_bytes()),
            (Kind::Float, Value::F32(number)) => copied(&number.to_be_bytes()),
            (Kind::Double, Value::F64(number)) => copied(&number.to_be_bytes()),
            (Kind::Boolean, Value::Bool(flag)) => copied(&[u8::from(*flag)]),
            (_, other) => {
                let text =
                    format!("{} does not write values of type {}", self.short_name(), other.type_name());
                Err(DataError::new(text).into())
            }
        }
    }

    fn decode(&self, _topic: &str, bytes: Option<Bytes>) -> Result<Data> {
        let Some(bytes) = bytes else {
            return Ok(Data { schema: Some(Arc::clone(&self.schema)), value: Value::Null });
        };
        let wrong = |_| self.wrong_bytes(&bytes);
        let value = match self.kind {
            Kind::Short => Value::I16(i16::from_be_bytes(bytes[..].try_into().map_err(wrong)?)),
            Kind::Integer => Value::I32(i32::from_be_bytes(bytes[..].try_into().map_err(wrong)?)),
            Kind::Long => Value::I64(i64::from_be_bytes(bytes[..].try_into().map_err(wrong)?)),
            Kind::Float => Value::F32(f32::from_be_bytes(bytes[..].try_into().map_err(wrong)?)),
            Kind::Double => Value::F64(f64::from_be_bytes(bytes[..].try_into().map_err(wrong)?)),
            Kind::Boolean => match bytes[..] {
                [flag @ (0 | 1)] => Value::Bool(flag == 1),
                _ => return Err(self.wrong_bytes(&bytes)),
            },
        };
        Ok(Data { schema: Some(Arc::clone(&self.schema)), value })
    }
}
