//! Values as values of another type.
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use schemars::JsonSchema;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::sync::Arc;

use super::part::{ChangedSchema, Fields, Part, values_of, with_fields};
use super::{Transform, yes};
use crate::data::{Data, DataError, Schema, Struct, Value};
use crate::{Config, ConnectRecord, Error, Flow, Result};

/// What [`Cast`] can be told.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[non_exhaustive]
pub struct CastConfig {
    /// Types of fields, such as `delay:int32,name:string`, or one type for the whole.
    pub spec: BTreeMap<String, String>,
    /// What becomes of a number that the type has no place for: an `error`, or as in Java what its lower bits are (`wrap`).
    #[serde(default)]
    pub overflow: Overflow,
    /// Whether nulls become the defaults of their fields.
    #[serde(rename = "replace.null.with.default", default = "yes")]
    pub replace_null_with_default: bool,
}

/// What becomes of a number that a type has no place for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Overflow {
    /// The record is bad.
    #[default]
    Error,
    /// Its lower bits stay: 300 is 44 as an int8.
    Wrap,
}

impl Config for CastConfig {}

/// Turns fields, or the whole, into values of another type. Nulls pass. Bytes become base64 text, days and times the
/// number that they are stored as, or as texts ISO 8601.
#[derive(Debug)]
pub struct Cast {
    part: Part,
    to: Targets,
    overflow: Overflow,
    replace_null_with_default: bool,
    schema: ChangedSchema,
}

#[derive(Clone, Debug)]
enum Targets {
    Whole(Target),
    Fields(BTreeMap<String, Target>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Target {
    Int8,
    Int16,
    Int32,
    Int64,
    Float32,
    Float64,
    Boolean,
    String,
}

impl Cast {
    /// Turns a part of each record into other types.
    ///
    /// # Errors
    /// A [configuration](crate::ErrorKind::Config) error for a type that there is not.
    pub fn new(part: Part, config: &CastConfig) -> Result<Self> {
        let whole = config.spec.iter().find(|(_, kind)| kind.is_empty()).map(|(name, _)| name);
        let to = match whole {
            Some(kind) if config.spec.len() == 1 => Targets::Whole(Target::read(kind)?),
            Some(_) => {
                return Err(Error::config(
                    "property `spec`: one type alone is for the whole; fields are `name:type`",
                ));
            }
            None => {
                let read = |(name, kind): (&String, &String)| Ok((name.clone(), Target::read(kind)?));
                Targets::Fields(config.spec.iter().map(read).collect::<Result<_>>()?)
            }
        };
        let replace_null_with_default = config.replace_null_with_default;
        Ok(Self {
            part,
            to,
            overflow: config.overflow,
            replace_null_with_default,
            schema: ChangedSchema::default(),
        })
    }

    fn whole(&mut self, target: Target, data: &mut Data) -> Result<(), DataError> {
        data.value = target.cast(std::mem::take(&mut data.value), self.overflow)?;
        if let Some(before) = &data.schema {
            data.schema = Some(self.schema.of(before, |before| target.in_place_of(before, self.overflow))?);
        }
        Ok(())
    }

    fn fields(&mut self, data: &mut Data) -> Result<(), DataError> {
        let Targets::Fields(targets) = &self.to else {
            return Ok(());
        };
        let overflow = self.overflow;
        match Fields::take(data)? {
            None => {}
            Some(Fields::Map(mut entries)) => {
                for (key, value) in &mut entries {
                    if let Some((name, target)) = key.as_str().and_then(|name| targets.get_key_value(name)) {
                        let cast = target.cast(std::mem::take(value), overflow);
                        *value = cast.map_err(|error| error.within(name.as_str()))?;
                    }
                }
                data.value = Value::Map(entries);
            }
            Some(Fields::Struct(inner)) => {
                let schema = self.schema.of(inner.schema(), |schema| {
                    let cast = |field: &crate::data::Field| match targets.get(field.name()) {
                        Some(target) => Ok((
                            field.name().to_owned(),
                            target.in_place_of(field.schema(), overflow)?.shared(),
                        )),
                        None => Ok((field.name().to_owned(), Arc::clone(field.schema()))),
                    };
                    with_fields(
                        schema,
                        schema.fields().iter().map(cast).collect::<Result<Vec<_>, DataError>>()?,
                    )
                })?;
                let mut values = values_of(inner, self.replace_null_with_default);
                for (field, value) in schema.fields().iter().zip(&mut values) {
                    if let Some(target) = targets.get(field.name()) {
                        let cast = target.cast(std::mem::take(value), overflow);
                        *value = cast.map_err(|error| error.within(field.name()))?;
                    }
                }
                *data = Data::from(Struct::from_values(&schema, values));
            }
        }
        Ok(())
    }
}

impl Transform for Cast {
    fn apply(&mut self, mut record: ConnectRecord) -> Result<Flow<ConnectRecord>> {
        let data = self.part.of(&mut record);
        if !data.value.is_null() {
            match self.to {
                Targets::Whole(target) => self.whole(target, data)?,
                Targets::Fields(_) => self.fields(data)?,
            }
        }
        Ok(Flow::Keep(record))
    }
}

impl Target {
    fn read(text: &str) -> Result<Self> {
        Ok(match text.trim().to_ascii_lowercase().as_str() {
            "int8" => Self::Int8,
            "int16" => Self::Int16,
            "int32" => Self::Int32,
            "int64" => Self::Int64,
            "float32" => Self::Float32,
            "float64" => Self::Float64,
            "boolean" => Self::Boolean,
            "string" => Self::String,
            _ => {
                let types = "int8, int16, int32, int64, float32, float64, boolean or string";
                return Err(Error::config(format!(
                    "property `spec`: `{text}` is not a type; there are {types}"
                )));
            }
        })
    }

    /// The schema of the type, optional and with a default where the one before was.
    fn in_place_of(self, before: &Schema, overflow: Overflow) -> Result<Schema, DataError> {
        let schema = match self {
            Self::Int8 => Schema::int8(),
            Self::Int16 => Schema::int16(),
            Self::Int32 => Schema::int32(),
            Self::Int64 => Schema::int64(),
            Self::Float32 => Schema::float32(),
            Self::Float64 => Schema::float64(),
            Self::Boolean => Schema::boolean(),
            Self::String => Schema::string(),
        };
        let schema = if before.is_optional() { schema.optional() } else { schema };
        match before.default_value() {
            Some(default) => schema.with_default(self.cast(default.clone(), overflow)?),
            None => Ok(schema),
        }
    }

    fn cast(self, value: Value, overflow: Overflow) -> Result<Value, DataError> {
        if value.is_null() {
            return Ok(value);
        }
        if self == Self::String {
            return match value {
                Value::Bytes(bytes) => Ok(Value::String(BASE64_STANDARD.encode(bytes))),
                other => other.to_text().map(Value::String),
            };
        }
        let number = Number::of(&value, self)?;
        let wrapped = number.whole();
        let in_range = |fits: bool| match fits || overflow == Overflow::Wrap {
            true => Ok(()),
            false => Err(DataError::new(format!("{} has no place in an {self:?}", number.shown()))),
        };
        Ok(match self {
            Self::Int8 => {
                in_range(i8::try_from(wrapped).is_ok() && number.fits_i64())?;
                Value::I8(wrapped as i8)
            }
            Self::Int16 => {
                in_range(i16::try_from(wrapped).is_ok() && number.fits_i64())?;
                Value::I16(wrapped as i16)
            }
            Self::Int32 => {
                in_range(i32::try_from(wrapped).is_ok() && number.fits_i64())?;
                Value::I32(wrapped as i32)
            }
            Self::Int64 => {
                in_range(number.fits_i64())?;
                Value::I64(wrapped)
            }
            Self::Float32 => Value::F32(number.float() as f32),
            Self::Float64 => Value::F64(number.float()),
            Self::Boolean => Value::Bool(wrapped != 0),
            Self::String => Value::Null,
        })
    }
}

/// A value as the number that it is or is stored as.
#[derive(Clone, Copy, Debug)]
enum Number {
    Whole(i64),
    Float(f64),
}

impl Number {
    fn of(value: &Value, target: Target) -> Result<Self, DataError> {
        Ok(match value {
            Value::Bool(flag) => Self::Whole(i64::from(*flag)),
            Value::F32(number) => Self::Float(f64::from(*number)),
            Value::F64(number) => Self::Float(*number),
            Value::Decimal(decimal) => Self::Float(decimal.to_f64()),
            Value::Date(number) | Value::Time(number) => Self::Whole(i64::from(*number)),
            Value::Timestamp(ms) => Self::Whole(*ms),
            Value::String(text) => return Self::read(text.trim(), target),
            other => match other.as_i64() {
                Some(number) => Self::Whole(number),
                None => {
                    return Err(DataError::new(format!(
                        "a value of type {} is no number",
                        other.type_name()
                    )));
                }
            },
        })
    }

    fn read(text: &str, target: Target) -> Result<Self, DataError> {
        let number = match target {
            Target::Float32 | Target::Float64 => text.parse().ok().map(Self::Float),
            Target::Boolean if text.eq_ignore_ascii_case("true") => Some(Self::Whole(1)),
            Target::Boolean if text.eq_ignore_ascii_case("false") => Some(Self::Whole(0)),
            Target::Boolean => None,
            _ => text.parse().ok().map(Self::Whole),
        };
        number.ok_or_else(|| DataError::new(format!("{text:?} cannot be read as {target:?}")))
    }

    /// Without its fraction; what is too large is the largest.
    fn whole(self) -> i64 {
        match self {
            Self::Whole(number) => number,
            Self::Float(number) => number as i64,
        }
    }

    fn float(self) -> f64 {
        match self {
            Self::Whole(number) => number as f64,
            Self::Float(number) => number,
        }
    }

    fn fits_i64(self) -> bool {
        match self {
            Self::Whole(_) => true,
            Self::Float(number) => {
                (-9_223_372_036_854_775_808.0..9_223_372_036_854_775_808.0).contains(&number)
            }
        }
    }

    fn shown(self) -> String {
        match self {
            Self::Whole(number) => number.to_string(),
            Self::Float(number) => number.to_string(),
        }
    }
}
