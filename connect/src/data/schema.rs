//! What describes a value: its type, and what Connect tells beside it.
use super::{DataError, Logical, Value};
use std::hash::{Hash, Hasher};
use std::sync::Arc;

/// What describes a value.
///
/// All of it takes part in equality, the documentation too, as in Java: two schemas that differ in a word of their
/// `doc` are two schemas. Only the order of the parameters does not count.
#[derive(Clone, Debug)]
pub struct Schema {
    pub(super) kind: SchemaType,
    pub(super) optional: bool,
    pub(super) default: Option<Box<Value>>,
    pub(super) name: Option<String>,
    pub(super) version: Option<i32>,
    pub(super) doc: Option<String>,
    pub(super) parameters: Vec<(String, String)>,
    /// Found once, from the name.
    logical: Option<Logical>,
}

/// The type of a value, with the schemas inside it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum SchemaType {
    /// 8 bits, signed.
    Int8,
    /// 16 bits, signed.
    Int16,
    /// 32 bits, signed.
    Int32,
    /// 64 bits, signed.
    Int64,
    /// IEEE 754, 32 bits.
    Float32,
    /// IEEE 754, 64 bits.
    Float64,
    /// True or false.
    Boolean,
    /// Text.
    String,
    /// Bytes.
    Bytes,
    /// Values of one schema, in order.
    Array(Arc<Schema>),
    /// Keys of one schema, each with a value of another.
    Map(Arc<Schema>, Arc<Schema>),
    /// Named fields in their order.
    Struct(Arc<[Field]>),
}

/// A field of a struct.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Field {
    name: String,
    schema: Arc<Schema>,
}

impl Field {
    /// The field's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What describes the field's value.
    pub fn schema(&self) -> &Arc<Schema> {
        &self.schema
    }
}

impl SchemaType {
    /// The name of the type in Java (`INT32`, `STRUCT`).
    // tidy: one match
    pub fn name(&self) -> &'static str {
        match self {
            Self::Int8 => "INT8",
            Self::Int16 => "INT16",
            Self::Int32 => "INT32",
            Self::Int64 => "INT64",
            Self::Float32 => "FLOAT32",
            Self::Float64 => "FLOAT64",
            Self::Boolean => "BOOLEAN",
            Self::String => "STRING",
            Self::Bytes => "BYTES",
            Self::Array(_) => "ARRAY",
            Self::Map(..) => "MAP",
            Self::Struct(_) => "STRUCT",
        }
    }
}

/// Schemas of each type; all are required, without default, name or documentation.
impl Schema {
    /// A schema of this type.
    pub fn of(kind: SchemaType) -> Self {
        Self {
            kind,
            optional: false,
            default: None,
            name: None,
            version: None,
            doc: None,
            parameters: Vec::new(),
            logical: None,
        }
    }

    /// `INT8`.
    pub fn int8() -> Self {
        Self::of(SchemaType::Int8)
    }

    /// `INT16`.
    pub fn int16() -> Self {
        Self::of(SchemaType::Int16)
    }

    /// `INT32`.
    pub fn int32() -> Self {
        Self::of(SchemaType::Int32)
    }

    /// `INT64`.
    pub fn int64() -> Self {
        Self::of(SchemaType::Int64)
    }

    /// `FLOAT32`.
    pub fn float32() -> Self {
        Self::of(SchemaType::Float32)
    }

    /// `FLOAT64`.
    pub fn float64() -> Self {
        Self::of(SchemaType::Float64)
    }

    /// `BOOLEAN`.
    pub fn boolean() -> Self {
        Self::of(SchemaType::Boolean)
    }

    /// `STRING`.
    pub fn string() -> Self {
        Self::of(SchemaType::String)
    }

    /// `BYTES`.
    pub fn bytes() -> Self {
        Self::of(SchemaType::Bytes)
    }

    /// `ARRAY` of values of one schema.
    pub fn array(items: impl Into<Arc<Self>>) -> Self {
        Self::of(SchemaType::Array(items.into()))
    }

    /// `MAP` from keys to values.
    pub fn map(keys: impl Into<Arc<Self>>, values: impl Into<Arc<Self>>) -> Self {
        Self::of(SchemaType::Map(keys.into(), values.into()))
    }

    /// `STRUCT` with these fields, in this order.
    ///
    /// # Errors
    /// [`DataError`] if a name is empty or stands there twice.
    pub fn structure<N, S, I>(fields: I) -> Result<Self, DataError>
    where
        N: Into<String>,
        S: Into<Arc<Self>>,
        I: IntoIterator<Item = (N, S)>,
    {
        let fields: Arc<[Field]> = fields
            .into_iter()
            .map(|(name, schema)| Field { name: name.into(), schema: schema.into() })
            .collect();
        let mut names: Vec<&str> = fields.iter().map(Field::name).collect();
        names.sort_unstable();
        if names.first().is_some_and(|name| name.is_empty()) {
            return Err(DataError::new("a field of a struct has no name"));
        }
        if let Some(twice) = names.windows(2).find_map(|pair| (pair[0] == pair[1]).then_some(pair[0])) {
            return Err(DataError::new(format!("a struct has two fields named `{twice}`")));
        }
        Ok(Self::of(SchemaType::Struct(fields)))
    }
}

/// What a schema says beside the type.
impl Schema {
    /// The same schema, for values that may be null.
    #[must_use]
    pub fn optional(mut self) -> Self {
        self.optional = true;
        self
    }

    /// The same schema under a name. Some names stand for a [logical type](Logical).
    #[must_use]
    pub fn named(mut self, name: impl Into<String>) -> Self {
        let name = name.into();
        self.logical = Logical::by_name(&name);
        self.name = Some(name);
        self
    }

    /// The same schema with a version.
    #[must_use]
    pub fn version(mut self, version: i32) -> Self {
        self.version = Some(version);
        self
    }

    /// The same schema with a documentation.
    #[must_use]
    pub fn doc(mut self, doc: impl Into<String>) -> Self {
        self.doc = Some(doc.into());
        self
    }

    /// The same schema with one parameter more; a name that it has already gets the new value.
    #[must_use]
    pub fn parameter(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        let (name, value) = (name.into(), value.into());
        match self.parameters.iter_mut().find(|(known, _)| *known == name) {
            Some((_, old)) => *old = value,
            None => self.parameters.push((name, value)),
        }
        self
    }

    /// The same schema with the value that stands in for null.
    ///
    /// # Errors
    /// [`DataError`] if this schema does not describe the value.
    pub fn with_default(mut self, default: impl Into<Value>) -> Result<Self, DataError> {
        let default = default.into();
        self.validate(&default)?;
        self.default = (!default.is_null()).then(|| Box::new(default));
        Ok(self)
    }

    /// The same schema with a decimal as its default, whose scale may be another than the schema's, as Java has it.
    pub(crate) fn with_default_of_any_scale(mut self, default: Value) -> Self {
        self.default = Some(Box::new(default));
        self
    }

    /// The schema behind a counted pointer, as [`Data`](super::Data) and [`Struct`](super::Struct) hold it.
    pub fn shared(self) -> Arc<Self> {
        Arc::new(self)
    }
}

/// Reading a schema.
impl Schema {
    /// The type, with the schemas inside it.
    pub fn kind(&self) -> &SchemaType {
        &self.kind
    }

    /// Whether a value may be null.
    pub fn is_optional(&self) -> bool {
        self.optional
    }

    /// The value that stands in for null.
    pub fn default_value(&self) -> Option<&Value> {
        self.default.as_deref()
    }

    /// The schema's name.
    pub fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// The schema's version.
    pub fn schema_version(&self) -> Option<i32> {
        self.version
    }

    /// The schema's documentation.
    pub fn documentation(&self) -> Option<&str> {
        self.doc.as_deref()
    }

    /// The parameters, in the order in which they were put.
    pub fn parameters(&self) -> &[(String, String)] {
        &self.parameters
    }

    /// The value of one parameter.
    pub fn parameter_value(&self, name: &str) -> Option<&str> {
        self.parameters.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// The logical type that the name stands for.
    pub fn logical(&self) -> Option<Logical> {
        self.logical
    }

    /// The fields of a struct; none for another type.
    pub fn fields(&self) -> &[Field] {
        match &self.kind {
            SchemaType::Struct(fields) => fields,
            _ => &[],
        }
    }

    /// The place and the field of a struct with this name.
    pub fn field(&self, name: &str) -> Option<(usize, &Field)> {
        self.fields().iter().enumerate().find(|(_, field)| field.name == name)
    }

    /// The schema of an array's items or of a map's values.
    pub fn value_schema(&self) -> Option<&Arc<Self>> {
        match &self.kind {
            SchemaType::Array(values) | SchemaType::Map(_, values) => Some(values),
            _ => None,
        }
    }

    /// The schema of a map's keys.
    pub fn key_schema(&self) -> Option<&Arc<Self>> {
        match &self.kind {
            SchemaType::Map(keys, _) => Some(keys),
            _ => None,
        }
    }

    fn sorted_parameters(&self) -> Vec<&(String, String)> {
        let mut parameters: Vec<_> = self.parameters.iter().collect();
        parameters.sort_unstable();
        parameters
    }
}

impl PartialEq for Schema {
    fn eq(&self, other: &Self) -> bool {
        self.optional == other.optional
            && self.version == other.version
            && self.name == other.name
            && self.doc == other.doc
            && self.kind == other.kind
            && self.default == other.default
            && (self.parameters == other.parameters || self.sorted_parameters() == other.sorted_parameters())
    }
}

impl Eq for Schema {}

impl Hash for Schema {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (&self.kind, self.optional, &self.default, &self.name, self.version, &self.doc).hash(state);
        self.sorted_parameters().hash(state);
    }
}
