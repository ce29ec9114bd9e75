//! What kind of value a config holds, and which texts it takes.

/// The type of a config's value, numbered as DescribeConfigs numbers it (KIP-569).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Boolean = 1,
    String = 2,
    Int = 3,
    Short = 4,
    Long = 5,
    Double = 6,
    List = 7,
    Class = 8,
    Password = 9,
}

impl Kind {
    /// The type's number on the wire.
    pub(crate) const fn wire(self) -> i8 {
        self as i8
    }

    /// Whether `value` reads as this kind, or what it should have been.
    pub(crate) fn check(self, value: &str) -> Result<(), &'static str> {
        let value = value.trim();
        let (fits, expected) = match self {
            Self::Boolean => (matches!(value, "true" | "false"), "either true or false"),
            Self::Int => (value.parse::<i32>().is_ok(), "a 32-bit integer"),
            Self::Short => (value.parse::<i16>().is_ok(), "a 16-bit integer"),
            Self::Long => (value.parse::<i64>().is_ok(), "a 64-bit integer"),
            Self::Double => (value.parse::<f64>().is_ok(), "a number"),
            Self::String | Self::List | Self::Class | Self::Password => (true, ""),
        };
        if fits { Ok(()) } else { Err(expected) }
    }
}
