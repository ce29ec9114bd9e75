//! A value from JSON.
use base64::Engine;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use bytes::Bytes;
use serde_json::{Number, Value as Json};
use std::sync::Arc;

use super::{Options, Reading, compat};
use crate::data::java_text::hash_map_order;
use crate::data::{DataError, Decimal, Logical, Schema, SchemaType, Struct, Value};

/// Base64 as Jackson reads it: padding is wanted, and bits that belong to no byte do not matter.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::RequireCanonical)
        .with_decode_allow_trailing_bits(true),
);

/// The value that the JSON means by this schema; without one, what it is by itself.
pub(super) fn value(schema: Option<&Arc<Schema>>, json: Json, options: &Options) -> Result<Value, DataError> {
    let Some(schema) = schema else {
        return schemaless(json, options);
    };
    if json.is_null() {
        return options.in_place_of_null(schema).cloned();
    }
    match schema.logical() {
        Some(logical) => logical_value(logical, schema, &json, options),
        None => plain(schema, json, options),
    }
}

fn schemaless(json: Json, options: &Options) -> Result<Value, DataError> {
    Ok(match json {
        Json::Null => Value::Null,
        Json::Bool(flag) => Value::Bool(flag),
        Json::Number(number) if is_whole(&number) => Value::I64(whole_i64(&number, options.reading)?),
        Json::Number(number) => Value::F64(float(&number, options.reading)?),
        Json::String(text) => Value::String(text),
        Json::Array(items) => {
            let read =
                |(at, item)| schemaless(item, options).map_err(|error| error.within(format!("[{at}]")));
            Value::Array(items.into_iter().enumerate().map(read).collect::<Result<_, _>>()?)
        }
        Json::Object(members) => {
            let mut entries = Vec::with_capacity(members.len());
            for (name, member) in members {
                let member = schemaless(member, options).map_err(|error| error.within(name.as_str()))?;
                entries.push((Value::String(name), member));
            }
            Value::Map(in_order(entries, options))
        }
    })
}

fn plain(schema: &Arc<Schema>, json: Json, options: &Options) -> Result<Value, DataError> {
    match (schema.kind(), json) {
        (SchemaType::Boolean, Json::Bool(flag)) => Ok(Value::Bool(flag)),
        (SchemaType::String, Json::String(text)) => Ok(Value::String(text)),
        (SchemaType::Bytes, Json::String(text)) => Ok(Value::Bytes(bytes(&text)?)),
        (SchemaType::Array(items), Json::Array(found)) => array(items, found, options),
        // Java iterates over whatever it is given; the elements of an object are its values.
        (SchemaType::Array(items), Json::Object(members)) if options.reading == Reading::Java => {
            array(items, members.into_iter().map(|(_, member)| member), options)
        }
        (SchemaType::Map(keys, values), json) => map(keys, values, json, options),
        (SchemaType::Struct(_), Json::Object(members)) => structure(schema, members, options),
        (kind, json) => {
            let number = match &json {
                Json::Number(number) => compat::number(kind, number, options.reading)?,
                _ => None,
            };
            match (number, options.reading) {
                (Some(number), _) => Ok(number),
                (None, Reading::Java) => compat::misfit(kind, &json),
                (None, Reading::Strict) => strict_misfit(kind, &json),
            }
        }
    }
}

fn array(
    items: &Arc<Schema>,
    found: impl IntoIterator<Item = Json>,
    options: &Options,
) -> Result<Value, DataError> {
    let read =
        |(at, item)| value(Some(items), item, options).map_err(|error| error.within(format!("[{at}]")));
    Ok(Value::Array(found.into_iter().enumerate().map(read).collect::<Result<_, _>>()?))
}

/// What is written as a text because JSON has no word for it; all else is an error.
fn strict_misfit(kind: &SchemaType, json: &Json) -> Result<Value, DataError> {
    let special = match json.as_str() {
        Some("NaN") => Some(f64::NAN),
        Some("Infinity") => Some(f64::INFINITY),
        Some("-Infinity") => Some(f64::NEG_INFINITY),
        _ => None,
    };
    match (kind, special) {
        (SchemaType::Float32, Some(number)) => Ok(Value::F32(number as f32)),
        (SchemaType::Float64, Some(number)) => Ok(Value::F64(number)),
        _ => Err(DataError::new(format!("{}, but {} is wanted", json_type(json), kind.name()))),
    }
}

fn map(keys: &Arc<Schema>, values: &Arc<Schema>, json: Json, options: &Options) -> Result<Value, DataError> {
    let mut entries = Vec::new();
    match (*keys.kind() == SchemaType::String, json) {
        (true, Json::Object(members)) => {
            for (name, member) in members {
                let member =
                    value(Some(values), member, options).map_err(|error| error.within(name.as_str()))?;
                entries.push((Value::String(name), member));
            }
        }
        (false, Json::Array(pairs)) => {
            for (at, pair) in pairs.into_iter().enumerate() {
                let pair: Option<[Json; 2]> = match pair {
                    Json::Array(pair) => pair.try_into().ok(),
                    _ => None,
                };
                let wrong = || DataError::new("an entry of this map is an array of key and value");
                let [key, found] = pair.ok_or_else(|| wrong().within(format!("[{at}]")))?;
                let key = value(Some(keys), key, options).map_err(|error| error.within(format!("[{at}]")))?;
                let found = value(Some(values), found, options).map_err(|e| e.within(format!("[{at}]")))?;
                put(&mut entries, key, found);
            }
        }
        (true, json) => {
            return Err(DataError::new(format!(
                "{}, but a map with texts as keys is an object",
                json_type(&json)
            )));
        }
        (false, json) => {
            return Err(DataError::new(format!("{}, but a map is an array of pairs", json_type(&json))));
        }
    }
    Ok(Value::Map(in_order(entries, options)))
}

/// A map keeps the order of the text; in Java it takes that of a `HashMap`, which a key's bytes then show.
fn in_order(entries: Vec<(Value, Value)>, options: &Options) -> Vec<(Value, Value)> {
    let keys: Vec<&str> = entries.iter().filter_map(|(key, _)| key.as_str()).collect();
    if options.reading == Reading::Strict || keys.len() < entries.len() {
        return entries;
    }
    let order = hash_map_order(&keys);
    let mut entries: Vec<Option<(Value, Value)>> = entries.into_iter().map(Some).collect();
    order.into_iter().filter_map(|at| entries.get_mut(at).and_then(Option::take)).collect()
}

/// A later entry with the same key takes the place of the earlier one, as in any map.
fn put(entries: &mut Vec<(Value, Value)>, key: Value, value: Value) {
    match entries.iter_mut().find(|(known, _)| *known == key) {
        Some((_, old)) => *old = value,
        None => entries.push((key, value)),
    }
}

fn structure(
    schema: &Arc<Schema>,
    mut members: serde_json::Map<String, Json>,
    options: &Options,
) -> Result<Value, DataError> {
    let mut values = Vec::with_capacity(schema.fields().len());
    for field in schema.fields() {
        let member = members.get_mut(field.name()).map_or(Json::Null, std::mem::take);
        let read =
            value(Some(field.schema()), member, options).map_err(|error| error.within(field.name()))?;
        if options.reading == Reading::Java {
            field.schema().validate(&read).map_err(|error| error.within(field.name()))?;
        }
        values.push(read);
    }
    Ok(Value::Struct(Struct::from_values(schema, values)))
}

fn logical_value(
    logical: Logical,
    schema: &Schema,
    json: &Json,
    options: &Options,
) -> Result<Value, DataError> {
    let wanted = |what: &str| DataError::new(format!("{}, but a {what} is wanted", json_type(json)));
    match (logical, json) {
        (Logical::Decimal, Json::String(text)) => {
            Ok(Value::Decimal(Decimal::from_unscaled_bytes(&bytes(text)?, schema.scale()?)?))
        }
        (Logical::Decimal, Json::Number(number)) => decimal(number, schema, options.reading),
        (Logical::Date, Json::Number(number)) => {
            Ok(Value::Date(number.as_str().parse().map_err(|_| wanted("count of days"))?))
        }
        (Logical::Time, Json::Number(number)) => {
            let time = Value::Time(number.as_str().parse().map_err(|_| wanted("count of milliseconds"))?);
            schema.validate(&time)?;
            Ok(time)
        }
        (Logical::Timestamp, Json::Number(number)) if is_whole(number) => {
            Ok(Value::Timestamp(whole_i64(number, options.reading)?))
        }
        (Logical::Decimal, _) => Err(wanted("number or base64 text")),
        _ => Err(wanted("whole number")),
    }
}

/// A number is taken with the schema's scale where no digit is lost; Java takes it with its own.
fn decimal(number: &Number, schema: &Schema, reading: Reading) -> Result<Value, DataError> {
    let decimal: Decimal = number.as_str().parse()?;
    if reading == Reading::Java {
        return Ok(Value::Decimal(decimal));
    }
    let scale = schema.scale()?;
    decimal.with_scale(scale).map(Value::Decimal).ok_or_else(|| {
        DataError::new(format!("{decimal} has digits that its schema, with scale {scale}, has no place for"))
    })
}

/// Bytes from base64.
pub(super) fn bytes(text: &str) -> Result<Bytes, DataError> {
    let decoded = BASE64.decode(text).map_err(|error| DataError::new(format!("not base64: {error}")))?;
    Ok(Bytes::from(decoded))
}

/// Whether a number is written without point and exponent.
pub(super) fn is_whole(number: &Number) -> bool {
    !number.as_str().contains(['.', 'e', 'E'])
}

/// A whole number of 32 bits.
pub(super) fn whole_i32(number: &Number, reading: Reading) -> Result<i32, DataError> {
    match reading {
        Reading::Java => Ok(compat::low_bits(number)? as i32),
        Reading::Strict => number.as_str().parse().map_err(|_| too_large(number, 32)),
    }
}

/// A whole number of 64 bits.
pub(super) fn whole_i64(number: &Number, reading: Reading) -> Result<i64, DataError> {
    match reading {
        Reading::Java => compat::low_bits(number),
        Reading::Strict => number.as_str().parse().map_err(|_| too_large(number, 64)),
    }
}

pub(super) fn float(number: &Number, reading: Reading) -> Result<f64, DataError> {
    let float = number.as_str().parse::<f64>().unwrap_or(f64::NAN);
    match reading {
        Reading::Strict if !float.is_finite() => {
            Err(DataError::new(format!("{number} is too large for FLOAT64")))
        }
        Reading::Strict => Ok(float),
        Reading::Java => Ok(if is_zero(number) { 0.0 } else { float }),
    }
}

/// Whether a number is written as zero. A `BigDecimal` has no negative zero, so Java reads none.
pub(super) fn is_zero(number: &Number) -> bool {
    let mantissa = number.as_str().split(['e', 'E']).next().unwrap_or_default();
    !mantissa.contains(|c: char| c.is_ascii_digit() && c != '0')
}

pub(super) fn too_large(number: &Number, bits: u32) -> DataError {
    DataError::new(format!("{number} is not a whole number of {bits} bits"))
}

/// What a JSON value is, in a few words.
pub(super) fn json_type(json: &Json) -> String {
    match json {
        Json::Null => "null".to_owned(),
        Json::Bool(_) => "a boolean".to_owned(),
        Json::Number(number) => format!("the number {number}"),
        Json::String(_) => "a text".to_owned(),
        Json::Array(_) => "an array".to_owned(),
        Json::Object(_) => "an object".to_owned(),
    }
}
