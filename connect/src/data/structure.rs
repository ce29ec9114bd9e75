//! The values of a struct's fields.
use super::{DataError, Schema, SchemaType, Value};
use std::sync::Arc;

/// The values of a struct's fields, with the schema that names them.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Struct {
    schema: Arc<Schema>,
    values: Vec<Value>,
}

impl Struct {
    /// A struct whose fields are all null.
    ///
    /// # Errors
    /// [`DataError`] if the schema is not that of a struct.
    pub fn new(schema: &Arc<Schema>) -> Result<Self, DataError> {
        match schema.kind() {
            SchemaType::Struct(fields) => {
                Ok(Self { schema: Arc::clone(schema), values: vec![Value::Null; fields.len()] })
            }
            other => Err(DataError::new(format!("a struct cannot have a schema of type {}", other.name()))),
        }
    }

    /// The same struct with one field set.
    ///
    /// # Errors
    /// [`DataError`] if there is no such field, or its schema does not describe the value.
    pub fn with(mut self, name: &str, value: impl Into<Value>) -> Result<Self, DataError> {
        self.put(name, value)?;
        Ok(self)
    }

    /// Sets one field.
    ///
    /// # Errors
    /// [`DataError`] if there is no such field, or its schema does not describe the value.
    pub fn put(&mut self, name: &str, value: impl Into<Value>) -> Result<(), DataError> {
        let Some((at, field)) = self.schema.field(name) else {
            let names: Vec<_> = self.schema.fields().iter().map(|field| field.name()).collect();
            return Err(DataError::new(format!("there is no such field; there are {}", names.join(", ")))
                .within(name));
        };
        let value = value.into();
        field.schema().validate(&value).map_err(|error| error.within(name))?;
        if let Some(slot) = self.values.get_mut(at) {
            *slot = value;
        }
        Ok(())
    }

    /// A struct from values in the order of the schema's fields, which the caller has checked.
    pub(crate) fn from_values(schema: &Arc<Schema>, values: Vec<Value>) -> Self {
        debug_assert_eq!(schema.fields().len(), values.len());
        Self { schema: Arc::clone(schema), values }
    }

    /// The values alone, in the order of the schema's fields.
    pub fn into_values(self) -> Vec<Value> {
        self.values
    }

    /// What describes the struct.
    pub fn schema(&self) -> &Arc<Schema> {
        &self.schema
    }

    /// The values in the order of the schema's fields; null where none was set.
    pub fn values(&self) -> &[Value] {
        &self.values
    }

    /// The value of a field; null where none was set, even if the field has a default.
    pub fn field(&self, name: &str) -> Option<&Value> {
        let (at, _) = self.schema.field(name)?;
        self.values.get(at)
    }

    /// The value of a field; where none was set, its default.
    pub fn field_or_default(&self, name: &str) -> Option<&Value> {
        let (at, field) = self.schema.field(name)?;
        match self.values.get(at)? {
            Value::Null => Some(field.schema().default_value().unwrap_or(&Value::Null)),
            value => Some(value),
        }
    }

    /// Checks that every field that must be set is set, and fits.
    ///
    /// # Errors
    /// [`DataError`] that names the first field that does not fit.
    pub fn validate(&self) -> Result<(), DataError> {
        for (field, value) in self.schema.fields().iter().zip(&self.values) {
            // A default stands in for null, as in Java.
            if value.is_null() && field.schema().default_value().is_some() {
                continue;
            }
            field.schema().validate(value).map_err(|error| error.within(field.name()))?;
        }
        Ok(())
    }
}
