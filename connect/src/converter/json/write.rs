//! A value as JSON.
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use bytes::BytesMut;
use std::fmt::Write;
use std::sync::Arc;

use super::{DecimalFormat, Options};
use crate::data::java_text::{f32_text, f64_text};
use crate::data::{DataError, Logical, Schema, SchemaType, Struct, Value};

/// Appends a value; without a schema its own type decides.
pub(super) fn value(
    schema: Option<&Schema>,
    value: &Value,
    options: &Options,
    out: &mut BytesMut,
) -> Result<(), DataError> {
    match (schema, value) {
        (None, Value::Null) => null(out),
        (Some(schema), Value::Null) => match options.in_place_of_null(schema)? {
            Value::Null => null(out),
            default => return self::value(Some(schema), default, options, out),
        },
        (Some(schema), value) => match schema.logical() {
            Some(logical) => return logical_value(logical, schema, value, options, out),
            None if schema.kind().holds(value) => return plain(Some(schema), value, options, out),
            None => {
                let text = format!("a value of type {}, but {} is wanted", value.type_name(), schema.shown());
                return Err(DataError::new(text));
            }
        },
        (None, value) => return plain(None, value, options, out),
    }
    Ok(())
}

fn plain(
    schema: Option<&Schema>,
    value: &Value,
    options: &Options,
    out: &mut BytesMut,
) -> Result<(), DataError> {
    match value {
        Value::Null => null(out),
        Value::Bool(flag) => out.extend_from_slice(if *flag { b"true" } else { b"false" }),
        Value::I8(number) => whole(i64::from(*number), out),
        Value::I16(number) => whole(i64::from(*number), out),
        Value::I32(number) => whole(i64::from(*number), out),
        Value::I64(number) => whole(*number, out),
        Value::F32(number) => float(number.is_finite(), &f32_text(*number), out),
        Value::F64(number) => float(number.is_finite(), &f64_text(*number), out),
        Value::String(content) => text(content, out),
        Value::Bytes(bytes) => base64(bytes, out),
        Value::Array(items) => return array(schema, items, options, out),
        Value::Map(entries) => return map(schema, entries, options, out),
        Value::Struct(inner) => return structure(schema, inner, options, out),
        Value::Decimal(_) | Value::Date(_) | Value::Time(_) | Value::Timestamp(_) => {
            return Err(DataError::new(format!(
                "a {} without a schema cannot be written",
                value.type_name()
            )));
        }
    }
    Ok(())
}

fn logical_value(
    logical: Logical,
    schema: &Schema,
    value: &Value,
    options: &Options,
    out: &mut BytesMut,
) -> Result<(), DataError> {
    match (logical, value) {
        // A number shows its own scale, so Java does not compare it with the schema's.
        (Logical::Decimal, Value::Decimal(decimal)) if options.decimal_format == DecimalFormat::Numeric => {
            out.extend_from_slice(decimal.to_string().as_bytes());
        }
        (Logical::Decimal, Value::Decimal(decimal)) => {
            schema.validate(value)?;
            base64(decimal.unscaled_bytes(), out);
        }
        (Logical::Time, Value::Time(ms)) => {
            schema.validate(value)?;
            whole(i64::from(*ms), out);
        }
        (Logical::Date, Value::Date(days)) => whole(i64::from(*days), out),
        (Logical::Timestamp, Value::Timestamp(ms)) => whole(*ms, out),
        (_, value) => {
            let text = format!("a value of type {}, but {} is wanted", value.type_name(), schema.shown());
            return Err(DataError::new(text));
        }
    }
    Ok(())
}

fn array(
    schema: Option<&Schema>,
    items: &[Value],
    options: &Options,
    out: &mut BytesMut,
) -> Result<(), DataError> {
    let item_schema = schema.and_then(|schema| schema.value_schema()).map(AsRef::as_ref);
    out.extend_from_slice(b"[");
    for (at, item) in items.iter().enumerate() {
        out.extend_from_slice(if at > 0 { b"," } else { b"" });
        value(item_schema, item, options, out).map_err(|error| error.within(format!("[{at}]")))?;
    }
    out.extend_from_slice(b"]");
    Ok(())
}

/// An object if the keys are texts by their schema, or, without a schema, if all of them are; else an array of pairs.
fn map(
    schema: Option<&Schema>,
    entries: &[(Value, Value)],
    options: &Options,
    out: &mut BytesMut,
) -> Result<(), DataError> {
    let key_schema = schema.and_then(|schema| schema.key_schema()).map(AsRef::as_ref);
    let value_schema = schema.and_then(|schema| schema.value_schema()).map(AsRef::as_ref);
    let as_object = match key_schema {
        Some(keys) => *keys.kind() == SchemaType::String,
        None => entries.iter().all(|(key, _)| key.as_str().is_some()),
    };
    out.extend_from_slice(if as_object { b"{" } else { b"[" });
    for (at, (key, entry)) in entries.iter().enumerate() {
        out.extend_from_slice(if at > 0 { b"," } else { b"" });
        out.extend_from_slice(if as_object { b"" } else { b"[" });
        match (as_object, key) {
            (true, Value::Null) => key_of_null(key_schema, options, out)?,
            _ => value(key_schema, key, options, out).map_err(|error| error.within("key"))?,
        }
        out.extend_from_slice(if as_object { b":" } else { b"," });
        value(value_schema, entry, options, out).map_err(|error| error.within(key_step(key)))?;
        out.extend_from_slice(if as_object { b"" } else { b"]" });
    }
    out.extend_from_slice(if as_object { b"}" } else { b"]" });
    Ok(())
}

/// A null key of an object is the text `null`, as Java's `asText` has it, or the default of the keys' schema.
fn key_of_null(schema: Option<&Schema>, options: &Options, out: &mut BytesMut) -> Result<(), DataError> {
    let default = schema.map_or(Ok(&Value::Null), |schema| options.in_place_of_null(schema))?;
    text(default.as_str().unwrap_or("null"), out);
    Ok(())
}

fn key_step(key: &Value) -> String {
    key.as_str().map_or_else(|| "value".to_owned(), str::to_owned)
}

fn structure(
    schema: Option<&Schema>,
    inner: &Struct,
    options: &Options,
    out: &mut BytesMut,
) -> Result<(), DataError> {
    match schema {
        Some(schema) if std::ptr::eq(Arc::as_ptr(inner.schema()), schema) || **inner.schema() == *schema => {}
        Some(_) => return Err(DataError::new("the struct has another schema than the one beside it")),
        None => return Err(DataError::new("a struct needs its schema beside it")),
    }
    for (at, (field, field_value)) in inner.schema().fields().iter().zip(inner.values()).enumerate() {
        out.extend_from_slice(if at > 0 { b"," } else { b"{" });
        text(field.name(), out);
        out.extend_from_slice(b":");
        value(Some(field.schema()), field_value, options, out).map_err(|error| error.within(field.name()))?;
    }
    out.extend_from_slice(if inner.values().is_empty() { b"{}" } else { b"}" });
    Ok(())
}

fn null(out: &mut BytesMut) {
    out.extend_from_slice(b"null");
}

fn whole(number: i64, out: &mut BytesMut) {
    // Writing to a buffer that grows does not fail.
    let _ = write!(out, "{number}");
}

/// JSON has no NaN and no infinities, so they are texts.
fn float(finite: bool, number: &str, out: &mut BytesMut) {
    out.extend_from_slice(if finite { b"" } else { b"\"" });
    out.extend_from_slice(number.as_bytes());
    out.extend_from_slice(if finite { b"" } else { b"\"" });
}

fn base64(bytes: &[u8], out: &mut BytesMut) {
    out.extend_from_slice(b"\"");
    out.extend_from_slice(BASE64_STANDARD.encode(bytes).as_bytes());
    out.extend_from_slice(b"\"");
}

/// Appends a text in quotes. Control characters are escaped with upper-case digits, and what lies outside the basic
/// plane is escaped as a pair of surrogates, because Jackson writes it so.
pub(super) fn text(content: &str, out: &mut BytesMut) {
    out.extend_from_slice(b"\"");
    let mut plain_from = 0;
    for (at, c) in content.char_indices() {
        let escaped = match c {
            '"' | '\\' | '\u{0}'..='\u{1f}' | '\u{10000}'.. => c,
            _ => continue,
        };
        out.extend_from_slice(content.get(plain_from..at).unwrap_or_default().as_bytes());
        plain_from = at + c.len_utf8();
        escape(escaped, out);
    }
    out.extend_from_slice(content.get(plain_from..).unwrap_or_default().as_bytes());
    out.extend_from_slice(b"\"");
}

fn escape(c: char, out: &mut BytesMut) {
    let short: &[u8] = match c {
        '"' => b"\\\"",
        '\\' => b"\\\\",
        '\u{8}' => b"\\b",
        '\t' => b"\\t",
        '\n' => b"\\n",
        '\u{c}' => b"\\f",
        '\r' => b"\\r",
        _ => {
            for unit in c.encode_utf16(&mut [0; 2]) {
                let _ = write!(out, "\\u{unit:04X}");
            }
            return;
        }
    };
    out.extend_from_slice(short);
}
