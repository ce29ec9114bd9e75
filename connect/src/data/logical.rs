//! Types that stand on another type under a well-known name.
use super::{DataError, Schema, Value};

/// A type that Connect knows by the name of the schema.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Logical {
    /// A number with a fixed count of digits after the point, on `BYTES`.
    Decimal,
    /// A day, on `INT32`.
    Date,
    /// A time of the day, on `INT32`.
    Time,
    /// A point in time, on `INT64`.
    Timestamp,
}

impl Logical {
    /// The schema name that stands for this type.
    pub fn name(self) -> &'static str {
        match self {
            Self::Decimal => "org.apache.kafka.connect.data.Decimal",
            Self::Date => "org.apache.kafka.connect.data.Date",
            Self::Time => "org.apache.kafka.connect.data.Time",
            Self::Timestamp => "org.apache.kafka.connect.data.Timestamp",
        }
    }

    /// The type that a schema name stands for.
    pub fn by_name(name: &str) -> Option<Self> {
        [Self::Decimal, Self::Date, Self::Time, Self::Timestamp]
            .into_iter()
            .find(|logical| logical.name() == name)
    }

    /// Whether a value is of this type.
    pub(super) fn fits(self, value: &Value) -> bool {
        matches!(
            (self, value),
            (Self::Decimal, Value::Decimal(_))
                | (Self::Date, Value::Date(_))
                | (Self::Time, Value::Time(_))
                | (Self::Timestamp, Value::Timestamp(_))
        )
    }
}

/// The name of the parameter that holds a decimal's scale.
const SCALE: &str = "scale";

/// Schemas of the logical types, in version 1 as Java writes them.
impl Schema {
    /// A number with `scale` digits after the point.
    pub fn decimal(scale: i32) -> Self {
        Self::bytes().named(Logical::Decimal.name()).parameter(SCALE, scale.to_string()).version(1)
    }

    /// A day.
    pub fn date() -> Self {
        Self::int32().named(Logical::Date.name()).version(1)
    }

    /// A time of the day, in milliseconds.
    pub fn time() -> Self {
        Self::int32().named(Logical::Time.name()).version(1)
    }

    /// A point in time, in milliseconds.
    pub fn timestamp() -> Self {
        Self::int64().named(Logical::Timestamp.name()).version(1)
    }

    /// The scale of a decimal.
    ///
    /// # Errors
    /// [`DataError`] if the parameter `scale` is missing or is no number.
    pub fn scale(&self) -> Result<i32, DataError> {
        let text = self
            .parameter_value(SCALE)
            .ok_or_else(|| DataError::new("the schema of a decimal needs the parameter `scale`"))?;
        text.parse().map_err(|_| {
            DataError::new(format!("the parameter `scale` of a decimal is `{text}`, not a number"))
        })
    }
}
