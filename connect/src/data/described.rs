//! A value beside the schema that describes it.
use std::sync::{Arc, LazyLock};

use super::{DataError, Schema, Struct, Value};

/// A value and, where there is one, the schema that describes it: the key, the value or a header of a record.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Data {
    /// What describes the value; `None` for data without a schema.
    pub schema: Option<Arc<Schema>>,
    /// The value itself.
    pub value: Value,
}

impl Data {
    /// Nothing at all: no schema and no value. As a record's value it is a tombstone.
    pub const NULL: Self = Self { schema: None, value: Value::Null };

    /// A value with its schema; nothing is checked, [`validated`](Self::validated) does that.
    pub fn new(schema: impl Into<Arc<Schema>>, value: impl Into<Value>) -> Self {
        Self { schema: Some(schema.into()), value: value.into() }
    }

    /// A value that no schema describes.
    pub fn schemaless(value: impl Into<Value>) -> Self {
        Self { schema: None, value: value.into() }
    }

    /// Whether there is neither a schema nor a value, which every converter writes as no bytes.
    pub fn is_null(&self) -> bool {
        self.schema.is_none() && self.value.is_null()
    }

    /// This data, if the value is one that its schema describes.
    ///
    /// # Errors
    /// [`DataError`] that names the first place that does not fit.
    pub fn validated(self) -> Result<Self, DataError> {
        if let Some(schema) = &self.schema {
            schema.validate(&self.value)?;
        }
        Ok(self)
    }
}

impl From<Struct> for Data {
    /// A struct brings its schema along.
    fn from(value: Struct) -> Self {
        Self { schema: Some(Arc::clone(value.schema())), value: Value::Struct(value) }
    }
}

/// The schema of a text, made once: keys are texts more often than not.
static TEXT: LazyLock<Arc<Schema>> = LazyLock::new(|| Schema::string().shared());

/// A text with the schema of a text.
impl From<&str> for Data {
    fn from(text: &str) -> Self {
        Self::from(text.to_owned())
    }
}

/// A text with the schema of a text.
impl From<String> for Data {
    fn from(text: String) -> Self {
        Self { schema: Some(Arc::clone(&TEXT)), value: Value::String(text) }
    }
}
