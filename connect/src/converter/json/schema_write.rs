//! A schema as JSON.
use bytes::BytesMut;

use super::Options;
use super::write::{text, value};
use crate::data::{DataError, Schema, SchemaType};

/// Appends a schema; `field` is the name of the field that it describes. The order of the members is Java's.
pub(super) fn schema(
    schema: &Schema,
    field: Option<&str>,
    options: &Options,
    out: &mut BytesMut,
) -> Result<(), DataError> {
    out.extend_from_slice(b"{\"type\":");
    text(type_name(schema.kind()), out);
    inner_schemas(schema, options, out)?;
    out.extend_from_slice(if schema.is_optional() { b",\"optional\":true" } else { b",\"optional\":false" });
    if let Some(name) = schema.name() {
        member("name", out);
        text(name, out);
    }
    if let Some(version) = schema.schema_version() {
        member("version", out);
        out.extend_from_slice(version.to_string().as_bytes());
    }
    if let Some(doc) = schema.documentation() {
        member("doc", out);
        text(doc, out);
    }
    parameters(schema.parameters(), out);
    if let Some(default) = schema.default_value() {
        member("default", out);
        value(Some(schema), default, options, out)?;
    }
    if let Some(field) = field {
        member("field", out);
        text(field, out);
    }
    out.extend_from_slice(b"}");
    Ok(())
}

fn inner_schemas(outer: &Schema, options: &Options, out: &mut BytesMut) -> Result<(), DataError> {
    match outer.kind() {
        SchemaType::Array(items) => {
            member("items", out);
            schema(items, None, options, out)?;
        }
        SchemaType::Map(keys, values) => {
            member("keys", out);
            schema(keys, None, options, out)?;
            member("values", out);
            schema(values, None, options, out)?;
        }
        SchemaType::Struct(fields) => {
            member("fields", out);
            out.extend_from_slice(b"[");
            for (at, field) in fields.iter().enumerate() {
                out.extend_from_slice(if at > 0 { b"," } else { b"" });
                schema(field.schema(), Some(field.name()), options, out)?;
            }
            out.extend_from_slice(b"]");
        }
        _ => {}
    }
    Ok(())
}

fn parameters(parameters: &[(String, String)], out: &mut BytesMut) {
    if parameters.is_empty() {
        return;
    }
    member("parameters", out);
    for (at, (name, value)) in parameters.iter().enumerate() {
        out.extend_from_slice(if at > 0 { b"," } else { b"{" });
        text(name, out);
        out.extend_from_slice(b":");
        text(value, out);
    }
    out.extend_from_slice(b"}");
}

fn member(name: &str, out: &mut BytesMut) {
    out.extend_from_slice(b",\"");
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b"\":");
}

fn type_name(kind: &SchemaType) -> &'static str {
    match kind {
        SchemaType::Int8 => "int8",
        SchemaType::Int16 => "int16",
        SchemaType::Int32 => "int32",
        SchemaType::Int64 => "int64",
        SchemaType::Float32 => "float",
        SchemaType::Float64 => "double",
        SchemaType::Boolean => "boolean",
        SchemaType::String => "string",
        SchemaType::Bytes => "bytes",
        SchemaType::Array(_) => "array",
        SchemaType::Map(..) => "map",
        SchemaType::Struct(_) => "struct",
    }
}
