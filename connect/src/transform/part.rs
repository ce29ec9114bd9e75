//! The part of a record that a transform changes, and changes of structs that keep their schema in step.
use std::sync::Arc;

use crate::ConnectRecord;
use crate::data::{Data, DataError, Field, Schema, Struct, Value};

/// Key or value: what the suffix of a transform's name says (`MaskField$Key`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// The record's key.
    Key,
    /// The record's value.
    Value,
}

impl Part {
    /// This part of a record.
    pub(super) fn of(self, record: &mut ConnectRecord) -> &mut Data {
        match self {
            Self::Key => &mut record.key,
            Self::Value => &mut record.value,
        }
    }
}

/// What fields a part has: those of a struct, or the entries of a map without schema.
pub(super) enum Fields {
    Struct(Struct),
    Map(Vec<(Value, Value)>),
}

impl Fields {
    /// Takes the fields out of a part; `None` if it is null.
    ///
    /// # Errors
    /// If it has no fields.
    pub(super) fn take(data: &mut Data) -> Result<Option<Self>, DataError> {
        match std::mem::take(&mut data.value) {
            Value::Null => Ok(None),
            Value::Struct(inner) => Ok(Some(Self::Struct(inner))),
            Value::Map(entries) if data.schema.is_none() => Ok(Some(Self::Map(entries))),
            other => {
                let text = format!("a value of type {} has no fields", other.type_name());
                data.value = other;
                Err(DataError::new(text))
            }
        }
    }
}

/// The schema with other fields: name, version, documentation and parameters stay, as in Java.
pub(super) fn with_fields<I>(schema: &Schema, fields: I) -> Result<Schema, DataError>
where
    I: IntoIterator<Item = (String, Arc<Schema>)>,
{
    let mut changed = Schema::structure(fields)?;
    if let Some(name) = schema.name() {
        changed = changed.named(name);
    }
    if let Some(version) = schema.schema_version() {
        changed = changed.version(version);
    }
    if let Some(doc) = schema.documentation() {
        changed = changed.doc(doc);
    }
    for (name, value) in schema.parameters() {
        changed = changed.parameter(name, value);
    }
    Ok(changed)
}

/// A field as the schema of a new struct takes it.
pub(super) fn kept(field: &Field) -> (String, Arc<Schema>) {
    (field.name().to_owned(), Arc::clone(field.schema()))
}

/// The values of a struct, with defaults in the place of nulls if that is wanted.
pub(super) fn values_of(inner: Struct, replace_null_with_default: bool) -> Vec<Value> {
    let schema = Arc::clone(inner.schema());
    let mut values = inner.into_values();
    if replace_null_with_default {
        for (field, value) in schema.fields().iter().zip(&mut values) {
            if let (Value::Null, Some(default)) = (&value, field.schema().default_value()) {
                *value = default.clone();
            }
        }
    }
    values
}

/// Puts an entry into a map, in the place of the one that has the key already.
pub(super) fn put(entries: &mut Vec<(Value, Value)>, name: &str, value: Value) {
    match entries.iter_mut().find(|(key, _)| key.as_str() == Some(name)) {
        Some((_, old)) => *old = value,
        None => entries.push((Value::from(name), value)),
    }
}

/// Remembers what became of a schema: records of a topic mostly share one.
#[derive(Debug, Default)]
pub(super) struct ChangedSchema(Option<(Arc<Schema>, Arc<Schema>)>);

impl ChangedSchema {
    /// What becomes of a schema.
    pub(super) fn of(
        &mut self,
        schema: &Arc<Schema>,
        change: impl FnOnce(&Schema) -> Result<Schema, DataError>,
    ) -> Result<Arc<Schema>, DataError> {
        if let Some((before, after)) = &self.0
            && (Arc::ptr_eq(before, schema) || before == schema)
        {
            return Ok(Arc::clone(after));
        }
        let after = change(schema)?.shared();
        self.0 = Some((Arc::clone(schema), Arc::clone(&after)));
        Ok(after)
    }
}
