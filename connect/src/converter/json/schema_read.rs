//! A schema from JSON.
use serde_json::Value as Json;
use std::sync::Arc;

use super::{Options, Reading, read};
use crate::data::{DataError, Schema, SchemaType, Value};

/// The schema that the JSON describes; none for null.
pub(super) fn schema(json: &Json, options: &Options) -> Result<Option<Arc<Schema>>, DataError> {
    if json.is_null() {
        return Ok(None);
    }
    let Some(kind) = json.get("type").and_then(Json::as_str) else {
        return Err(DataError::new("a schema needs the member `type`, a text"));
    };
    let mut schema = of_type(kind, json, options)?;
    if json.get("optional").and_then(Json::as_bool) == Some(true) {
        schema = schema.optional();
    }
    if let Some(name) = json.get("name").and_then(Json::as_str) {
        schema = schema.named(name);
    }
    if let Some(Json::Number(version)) = json.get("version")
        && read::is_whole(version)
    {
        schema = schema.version(read::whole_i32(version, options.reading)?);
    }
    if let Some(doc) = json.get("doc").and_then(Json::as_str) {
        schema = schema.doc(doc);
    }
    if let Some(Json::Object(parameters)) = json.get("parameters") {
        for (name, value) in parameters {
            let value = value.as_str().ok_or_else(|| {
                DataError::new("the parameters of a schema are texts").within(name.as_str())
            })?;
            schema = schema.parameter(name, value);
        }
    }
    match json.get("default") {
        None => Ok(Some(schema.shared())),
        Some(default) => {
            let plain = Arc::new(schema);
            let default =
                read::value(Some(&plain), default.clone(), options).map_err(|e| e.within("default"))?;
            let schema = Arc::try_unwrap(plain).unwrap_or_else(|shared| (*shared).clone());
            if options.reading == Reading::Java && matches!(default, Value::Decimal(_)) {
                return Ok(Some(schema.with_default_of_any_scale(default).shared()));
            }
            Ok(Some(schema.with_default(default).map_err(|error| error.within("default"))?.shared()))
        }
    }
}

fn of_type(kind: &str, json: &Json, options: &Options) -> Result<Schema, DataError> {
    let inner = |member: &str| {
        let missing =
            || DataError::new(format!("the schema of type {kind} needs the member `{member}`, a schema"));
        let described = json.get(member).ok_or_else(missing)?;
        schema(described, options).map_err(|error| error.within(member))?.ok_or_else(missing)
    };
    Ok(Schema::of(match kind {
        "boolean" => SchemaType::Boolean,
        "int8" => SchemaType::Int8,
        "int16" => SchemaType::Int16,
        "int32" => SchemaType::Int32,
        "int64" => SchemaType::Int64,
        "float" => SchemaType::Float32,
        "double" => SchemaType::Float64,
        "bytes" => SchemaType::Bytes,
        "string" => SchemaType::String,
        "array" => SchemaType::Array(inner("items")?),
        "map" => SchemaType::Map(inner("keys")?, inner("values")?),
        "struct" => return structure(json, options),
        _ => return Err(DataError::new(format!("`{kind}` is not a type of a schema"))),
    }))
}

fn structure(json: &Json, options: &Options) -> Result<Schema, DataError> {
    let Some(Json::Array(fields)) = json.get("fields") else {
        return Err(DataError::new("the schema of a struct needs the member `fields`, an array"));
    };
    let mut named = Vec::with_capacity(fields.len());
    for (at, field) in fields.iter().enumerate() {
        let Some(name) = field.get("field").and_then(Json::as_str) else {
            return Err(
                DataError::new("a field needs the member `field`, its name").within(format!("[{at}]"))
            );
        };
        let described = schema(field, options).map_err(|error| error.within(name))?;
        named.push((name, described.ok_or_else(|| DataError::new("a field needs a schema").within(name))?));
    }
    Schema::structure(named)
}
