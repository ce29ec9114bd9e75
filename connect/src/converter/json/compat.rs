//! Numbers by their schema, and what Java makes of values that do not fit.
use serde_json::{Number, Value as Json};

use super::Reading;
use super::read::{float, is_whole, is_zero, too_large};
use crate::data::{DataError, Decimal, SchemaType, Value};

/// A number as a value of a number type; none if the type is not one of numbers.
pub(super) fn number(
    kind: &SchemaType,
    number: &Number,
    reading: Reading,
) -> Result<Option<Value>, DataError> {
    let text = number.as_str();
    Ok(Some(match (kind, reading) {
        (SchemaType::Float32, _) => Value::F32(finite_f32(number, reading)?),
        (SchemaType::Float64, _) => Value::F64(float(number, reading)?),
        (SchemaType::Int8, Reading::Strict) => Value::I8(text.parse().map_err(|_| too_large(number, 8))?),
        (SchemaType::Int16, Reading::Strict) => Value::I16(text.parse().map_err(|_| too_large(number, 16))?),
        (SchemaType::Int32, Reading::Strict) => Value::I32(text.parse().map_err(|_| too_large(number, 32))?),
        (SchemaType::Int64, Reading::Strict) => Value::I64(text.parse().map_err(|_| too_large(number, 64))?),
        (SchemaType::Int8, Reading::Java) => Value::I8(low_bits(number)? as i8),
        (SchemaType::Int16, Reading::Java) => Value::I16(low_bits(number)? as i16),
        (SchemaType::Int32, Reading::Java) => Value::I32(low_bits(number)? as i32),
        (SchemaType::Int64, Reading::Java) => Value::I64(low_bits(number)?),
        _ => return Ok(None),
    }))
}

fn finite_f32(number: &Number, reading: Reading) -> Result<f32, DataError> {
    let float: f32 = number.as_str().parse().unwrap_or(f32::NAN);
    match reading {
        Reading::Strict if !float.is_finite() => {
            Err(DataError::new(format!("{number} is too large for FLOAT32")))
        }
        Reading::Strict => Ok(float),
        Reading::Java => Ok(if is_zero(number) { 0.0 } else { float }),
    }
}

/// The lower 64 bits of a number without its fraction, as Java's `longValue` of a `BigInteger` or `BigDecimal`.
pub(super) fn low_bits(number: &Number) -> Result<i64, DataError> {
    if is_whole(number)
        && let Ok(small) = number.as_str().parse()
    {
        return Ok(small);
    }
    let decimal: Decimal = number.as_str().parse()?;
    let whole = decimal.truncated().ok_or_else(|| DataError::new(format!("{number} is too large")))?;
    let bytes = whole.unscaled_bytes();
    let sign = if bytes.first().is_some_and(|byte| byte & 0x80 != 0) { 0xff } else { 0 };
    let mut low = [sign; 8];
    for (to, from) in low.iter_mut().rev().zip(bytes.iter().rev()) {
        *to = *from;
    }
    Ok(i64::from_be_bytes(low))
}

/// What Java makes of a value of another type: nothing, zero or false.
pub(super) fn misfit(kind: &SchemaType, json: &Json) -> Result<Value, DataError> {
    Ok(match (kind, json) {
        (SchemaType::Boolean, _) => Value::Bool(false),
        (SchemaType::Int8, _) => Value::I8(0),
        (SchemaType::Int16, _) => Value::I16(0),
        (SchemaType::Int32, _) => Value::I32(0),
        (SchemaType::Int64, _) => Value::I64(0),
        (SchemaType::Float32, _) => Value::F32(0.0),
        (SchemaType::Float64, _) => Value::F64(0.0),
        (SchemaType::String | SchemaType::Bytes, _) => Value::Null,
        // What has no elements is an empty array.
        (SchemaType::Array(_), _) => Value::Array(Vec::new()),
        (kind, json) => {
            return Err(DataError::new(format!(
                "{}, but {} is wanted",
                super::read::json_type(json),
                kind.name()
            )));
        }
    })
}
