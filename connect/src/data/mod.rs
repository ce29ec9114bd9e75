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
mod described;
mod error;
pub(crate) mod java_text;
mod logical;
mod schema;
mod structure;
mod text;
mod validate;
mod value;

pub use self::decimal::Decimal;
pub use self::described::Data;
pub use self::error::DataError;
pub use self::logical::Logical;
pub use self::schema::{Field, Schema, SchemaType};
pub use self::structure::Struct;
pub use self::value::Value;
