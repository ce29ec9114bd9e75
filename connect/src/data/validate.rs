//! Whether a schema describes a value.
use super::civil::DAY_MS;
use super::{DataError, Schema, SchemaType, Value};

impl SchemaType {
    /// Whether a value is of this type; what is inside it is not looked at.
    pub(crate) fn holds(&self, value: &Value) -> bool {
        matches!(
            (self, value),
            (Self::Int8, Value::I8(_))
                | (Self::Int16, Value::I16(_))
                | (Self::Int32, Value::I32(_))
                | (Self::Int64, Value::I64(_))
                | (Self::Float32, Value::F32(_))
                | (Self::Float64, Value::F64(_))
                | (Self::Boolean, Value::Bool(_))
                | (Self::String, Value::String(_))
                | (Self::Bytes, Value::Bytes(_))
                | (Self::Array(_), Value::Array(_))
                | (Self::Map(..), Value::Map(_))
                | (Self::Struct(_), Value::Struct(_))
        )
    }
}

impl Schema {
    /// Checks that this schema describes `value`: the type, nulls, and everything inside.
    ///
    /// # Errors
    /// [`DataError`] that names the first place that does not fit.
    pub fn validate(&self, value: &Value) -> Result<(), DataError> {
        match (value, self.logical()) {
            (Value::Null, _) if self.is_optional() => Ok(()),
            (Value::Null, _) => Err(DataError::new(format!("null, but {} is required", self.shown()))),
            (value, Some(logical)) => match logical.fits(value) {
                true => self.check_logical(value),
                false => Err(self.misfit(value)),
            },
            (value, None) => self.validate_plain(value),
        }
    }

    fn validate_plain(&self, value: &Value) -> Result<(), DataError> {
        match (self.kind(), value) {
            (SchemaType::Array(items), Value::Array(values)) => {
                (0..).zip(values).try_for_each(|(at, value): (usize, _)| {
                    items.validate(value).map_err(|error| error.within(format!("[{at}]")))
                })
            }
            (SchemaType::Map(keys, values), Value::Map(entries)) => {
                entries.iter().try_for_each(|(key, value)| {
                    keys.validate(key).map_err(|error| error.within("key"))?;
                    values.validate(value).map_err(|error| error.within("value"))
                })
            }
            (SchemaType::Struct(_), Value::Struct(inner)) => {
                if !std::ptr::eq(inner.schema().as_ref(), self) && **inner.schema() != *self {
                    return Err(DataError::new("the struct has another schema than the one described here"));
                }
                inner.validate()
            }
            (kind, value) if kind.holds(value) => Ok(()),
            (_, value) => Err(self.misfit(value)),
        }
    }

    /// A decimal's scale is its schema's: it is never rounded on the way. A time lies within one day, as in Java.
    fn check_logical(&self, value: &Value) -> Result<(), DataError> {
        match value {
            Value::Decimal(decimal) => {
                let scale = self.scale()?;
                match decimal.scale() == scale {
                    true => Ok(()),
                    false => Err(DataError::new(format!(
                        "{decimal} has scale {}, but its schema has scale {scale}",
                        decimal.scale()
                    ))),
                }
            }
            Value::Time(ms) if !(0..=DAY_MS).contains(&i64::from(*ms)) => {
                Err(DataError::new(format!("a time of {ms} ms; it lies within one day, from 0 to {DAY_MS}")))
            }
            _ => Ok(()),
        }
    }

    fn misfit(&self, value: &Value) -> DataError {
        DataError::new(format!("a value of type {}, but {} is wanted", value.type_name(), self.shown()))
    }

    /// The schema in a few words.
    pub(crate) fn shown(&self) -> String {
        match self.name() {
            Some(name) => format!("{} ({name})", self.kind().name()),
            None => self.kind().name().to_owned(),
        }
    }
}
