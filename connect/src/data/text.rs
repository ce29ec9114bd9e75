//! Values as text, as Java's `toString` shows them.
use super::civil;
use super::java_text::{f32_text, f64_text};
use super::{DataError, Value};
use std::fmt::Write;

impl Value {
    /// The value as the text that Java shows of it: `1.0E10`, `[1, 2]`, `{a=1}`, `Struct{id=7,name=Ada}`. Days and times
    /// are written as ISO 8601.
    ///
    /// # Errors
    /// [`DataError`] for bytes, which have no text.
    pub fn to_text(&self) -> Result<String, DataError> {
        let mut out = String::new();
        write_text(self, &mut out)?;
        Ok(out)
    }
}

fn write_text(value: &Value, out: &mut String) -> Result<(), DataError> {
    let written = match value {
        Value::Null => out.write_str("null"),
        Value::Bool(flag) => write!(out, "{flag}"),
        Value::I8(number) => write!(out, "{number}"),
        Value::I16(number) => write!(out, "{number}"),
        Value::I32(number) => write!(out, "{number}"),
        Value::I64(number) => write!(out, "{number}"),
        Value::F32(number) => out.write_str(&f32_text(*number)),
        Value::F64(number) => out.write_str(&f64_text(*number)),
        Value::String(text) => out.write_str(text),
        Value::Decimal(decimal) => write!(out, "{decimal}"),
        Value::Date(days) => out.write_str(&civil::date_text(i64::from(*days))),
        Value::Time(ms) => out.write_str(&civil::time_text(i64::from(*ms))),
        Value::Timestamp(ms) => out.write_str(&civil::timestamp_text(*ms)),
        Value::Bytes(_) => return Err(DataError::new("bytes have no text; ByteArrayConverter writes them")),
        Value::Array(items) => return write_items(items, out),
        Value::Map(entries) => return write_entries(entries, out),
        Value::Struct(inner) => return write_fields(inner, out),
    };
    written.map_err(|error| DataError::new(error.to_string()))
}

fn write_items(items: &[Value], out: &mut String) -> Result<(), DataError> {
    out.push('[');
    for (at, item) in items.iter().enumerate() {
        out.push_str(if at > 0 { ", " } else { "" });
        write_text(item, out)?;
    }
    out.push(']');
    Ok(())
}

fn write_entries(entries: &[(Value, Value)], out: &mut String) -> Result<(), DataError> {
    out.push('{');
    for (at, (key, value)) in entries.iter().enumerate() {
        out.push_str(if at > 0 { ", " } else { "" });
        write_text(key, out)?;
        out.push('=');
        write_text(value, out)?;
    }
    out.push('}');
    Ok(())
}

fn write_fields(inner: &super::Struct, out: &mut String) -> Result<(), DataError> {
    out.push_str("Struct{");
    let set = inner.schema().fields().iter().zip(inner.values()).filter(|(_, value)| !value.is_null());
    for (at, (field, value)) in set.enumerate() {
        out.push_str(if at > 0 { "," } else { "" });
        out.push_str(field.name());
        out.push('=');
        write_text(value, out).map_err(|error| error.within(field.name()))?;
    }
    out.push('}');
    Ok(())
}
