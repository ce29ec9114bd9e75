//! The data that connectors and converters exchange: values, and the schemas that describe them.
//!
//! ```text
//! Data ── schema: Option<Arc<Schema>>   type, optional, default, name, version, doc, parameters, fields
//!     └── value: Value                  null, numbers, texts, bytes, arrays, maps, structs, logical values
//! ```
//! This is Kafka Connect's data model: the same types under the same names, so that a schema that Java's converters
//! wrote means the same here. Data without a schema carries values only; a schema without a value is a typed null.
//!
//! ```
//! use courant_connect::data::{Data, Schema, Struct, Value};
//!
//! let schema = Schema::structure([("id", Schema::int64()), ("name", Schema::string().optional())])?.named("person").shared();
//! let person = Struct::new(&schema)?.with("id", 7_i64)?.with("name", "Ada")?;
//! let data = Data::from(person);
//! assert_eq!(data.value.field("name"), Some(&Value::from("Ada")));
//!
//! let plain = Data::schemaless(Value::map([("id", 7_i64.into()), ("name", Value::from("Ada"))]));
//! assert!(plain.schema.is_none());
//! # Ok::<(), courant_connect::data::DataError>(())
//! ```
pub(crate) mod civil;
mod decimal;
mod error;
pub(crate) mod java_text;
mod logical;
mod schema;
mod structure;
mod text;
mod validate;
mod value;

use std::sync::{Arc, LazyLock};

pub use self::decimal::Decimal;
pub use self::error::DataError;
pub use self::logical::Logical;
pub use self::schema::{Field, Schema, SchemaType};
pub use self::structure::Struct;
pub use self::value::Value;

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
