//! A value of any type.
use super::{Decimal, Struct};
use bytes::Bytes;
use std::hash::{Hash, Hasher};

/// A value of any of Connect's types, or null.
///
/// Two floats are equal if Java's `Float.equals` says so: a NaN equals a NaN, and 0.0 differs from -0.0. Maps keep the
/// order in which their entries were put, and two maps are equal if their entries are, in order.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub enum Value {
    /// No value.
    #[default]
    Null,
    /// `BOOLEAN`.
    Bool(bool),
    /// `INT8`.
    I8(i8),
    /// `INT16`.
    I16(i16),
    /// `INT32`.
    I32(i32),
    /// `INT64`.
    I64(i64),
    /// `FLOAT32`.
    F32(f32),
    /// `FLOAT64`.
    F64(f64),
    /// `STRING`.
    String(String),
    /// `BYTES`.
    Bytes(Bytes),
    /// `ARRAY`.
    Array(Vec<Value>),
    /// `MAP`: entries in their order; keys of any type.
    Map(Vec<(Value, Value)>),
    /// `STRUCT`: the fields of a schema of its own.
    Struct(Struct),
    /// The logical type `Decimal`, on `BYTES`.
    Decimal(Decimal),
    /// The logical type `Date`, on `INT32`: days since 1970-01-01.
    Date(i32),
    /// The logical type `Time`, on `INT32`: milliseconds since midnight.
    Time(i32),
    /// The logical type `Timestamp`, on `INT64`: milliseconds since 1970-01-01 in UTC.
    Timestamp(i64),
}

impl Value {
    /// A map with texts as keys.
    pub fn map<K: Into<String>, I: IntoIterator<Item = (K, Value)>>(entries: I) -> Self {
        Self::Map(entries.into_iter().map(|(key, value)| (Self::String(key.into()), value)).collect())
    }

    /// Whether this is null.
    pub fn is_null(&self) -> bool {
        matches!(self, Self::Null)
    }

    /// The text, if it is one.
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::String(text) => Some(text),
            _ => None,
        }
    }

    /// The number, if it is a whole number of any width.
    pub fn as_i64(&self) -> Option<i64> {
        match *self {
            Self::I8(number) => Some(number.into()),
            Self::I16(number) => Some(number.into()),
            Self::I32(number) => Some(number.into()),
            Self::I64(number) => Some(number),
            _ => None,
        }
    }

    /// The struct, if it is one.
    pub fn as_struct(&self) -> Option<&Struct> {
        match self {
            Self::Struct(value) => Some(value),
            _ => None,
        }
    }

    /// The field of a struct, or the entry of a map, with this name. A null field is `Some(Null)`, its default does not
    /// stand in for it.
    pub fn field(&self, name: &str) -> Option<&Value> {
        match self {
            Self::Struct(value) => value.field(name),
            Self::Map(entries) => {
                entries.iter().find(|(key, _)| key.as_str() == Some(name)).map(|(_, value)| value)
            }
            _ => None,
        }
    }

    /// The name of this value's type, as messages have it.
    // tidy: one match
    pub fn type_name(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool(_) => "boolean",
            Self::I8(_) => "int8",
            Self::I16(_) => "int16",
            Self::I32(_) => "int32",
            Self::I64(_) => "int64",
            Self::F32(_) => "float32",
            Self::F64(_) => "float64",
            Self::String(_) => "string",
            Self::Bytes(_) => "bytes",
            Self::Array(_) => "array",
            Self::Map(_) => "map",
            Self::Struct(_) => "struct",
            Self::Decimal(_) => "decimal",
            Self::Date(_) => "date",
            Self::Time(_) => "time",
            Self::Timestamp(_) => "timestamp",
        }
    }
}

impl PartialEq for Value {
    // tidy: one match
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Null, Self::Null) => true,
            (Self::Bool(a), Self::Bool(b)) => a == b,
            (Self::I8(a), Self::I8(b)) => a == b,
            (Self::I16(a), Self::I16(b)) => a == b,
            (Self::F32(a), Self::F32(b)) => bits_of_f32(*a) == bits_of_f32(*b),
            (Self::F64(a), Self::F64(b)) => bits_of_f64(*a) == bits_of_f64(*b),
            (Self::String(a), Self::String(b)) => a == b,
            (Self::Bytes(a), Self::Bytes(b)) => a == b,
            (Self::Array(a), Self::Array(b)) => a == b,
            (Self::Map(a), Self::Map(b)) => a == b,
            (Self::Struct(a), Self::Struct(b)) => a == b,
            (Self::Decimal(a), Self::Decimal(b)) => a == b,
            (Self::I32(a), Self::I32(b)) | (Self::Date(a), Self::Date(b)) => a == b,
            (Self::Time(a), Self::Time(b)) => a == b,
            (Self::I64(a), Self::I64(b)) | (Self::Timestamp(a), Self::Timestamp(b)) => a == b,
            _ => false,
        }
    }
}

impl Eq for Value {}

impl Hash for Value {
    // tidy: one match
    fn hash<H: Hasher>(&self, state: &mut H) {
        std::mem::discriminant(self).hash(state);
        match self {
            Self::Null => {}
            Self::Bool(value) => value.hash(state),
            Self::I8(value) => value.hash(state),
            Self::I16(value) => value.hash(state),
            Self::I32(value) | Self::Date(value) | Self::Time(value) => value.hash(state),
            Self::I64(value) | Self::Timestamp(value) => value.hash(state),
            Self::F32(value) => bits_of_f32(*value).hash(state),
            Self::F64(value) => bits_of_f64(*value).hash(state),
            Self::String(value) => value.hash(state),
            Self::Bytes(value) => value.hash(state),
            Self::Array(values) => values.hash(state),
            Self::Map(entries) => entries.hash(state),
            Self::Struct(value) => value.hash(state),
            Self::Decimal(value) => value.hash(state),
        }
    }
}

/// The bits of a float, with one NaN for all, as Java's `floatToIntBits`.
fn bits_of_f32(value: f32) -> u32 {
    if value.is_nan() { f32::NAN.to_bits() } else { value.to_bits() }
}

/// The bits of a float, with one NaN for all, as Java's `doubleToLongBits`.
fn bits_of_f64(value: f64) -> u64 {
    if value.is_nan() { f64::NAN.to_bits() } else { value.to_bits() }
}

macro_rules! from {
    ($($from:ty => $variant:ident),* $(,)?) => {
        $(impl From<$from> for Value {
            fn from(value: $from) -> Self {
                Self::$variant(value.into())
            }
        })*
    };
}

from! {
    bool => Bool, i8 => I8, i16 => I16, i32 => I32, i64 => I64, f32 => F32, f64 => F64,
    String => String, &str => String, Bytes => Bytes, Vec<u8> => Bytes, &'static [u8] => Bytes,
    Struct => Struct, Decimal => Decimal, Vec<Value> => Array,
}

impl<T: Into<Value>> From<Option<T>> for Value {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}
