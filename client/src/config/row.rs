//! One property: what it is called, what it takes, and what becomes of it.

/// A property. Rows are constants, written with the builder methods:
///
/// ```
/// use courant_client::config::{Importance, Kind, Row, Unit};
///
/// const LINGER: Row = Row::new("linger.ms", Kind::Long, "5")
///     .at_least(0)
///     .unit(Unit::Millis)
///     .importance(Importance::Medium)
///     .doc("How long a batch waits for more records before it is sent.");
/// assert_eq!(LINGER.name, "linger.ms");
/// ```
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Row {
    /// Kafka's name.
    pub name: &'static str,
    /// Which type of value it takes.
    pub kind: Kind,
    /// The value where none is set, in the form in which a user would write it; `None` is Java's `null`.
    pub default: Option<&'static str>,
    /// Which values of its type it takes.
    pub accepts: Accepts,
    /// What a number counts.
    pub unit: Unit,
    /// Kafka's own judgement.
    pub importance: Importance,
    /// The KIP that brought it, where that helps.
    pub kip: Option<u16>,
    /// What becomes of it.
    pub status: Status,
    /// Values that Kafka knows and this client refuses so far, each with the reason.
    pub refused_values: &'static [(&'static str, &'static str)],
    /// What it does, in a sentence or two.
    pub doc: &'static str,
}

impl Row {
    /// A property that is honoured, takes any value of its type, and has a default.
    pub const fn new(name: &'static str, kind: Kind, default: &'static str) -> Self {
        let row = Self::without_default(name, kind);
        Self { default: Some(default), ..row }
    }

    /// A property that is honoured and whose default is Java's `null`.
    pub const fn without_default(name: &'static str, kind: Kind) -> Self {
        Self {
            name,
            kind,
            default: None,
            accepts: Accepts::Any,
            unit: Unit::None,
            importance: Importance::Low,
            kip: None,
            status: Status::Honoured,
            refused_values: &[],
            doc: "",
        }
    }

    /// Takes numbers from `least` on.
    pub const fn at_least(self, least: i64) -> Self {
        self.between(least, i64::MAX)
    }

    /// Takes numbers from `least` to `most`.
    pub const fn between(self, least: i64, most: i64) -> Self {
        Self { accepts: Accepts::Between(least, most), ..self }
    }

    /// Takes fractions from `least` to `most`.
    pub const fn fraction(self, least: f64, most: f64) -> Self {
        Self { accepts: Accepts::Fraction(least, most), ..self }
    }

    /// Takes one of these words, written exactly so.
    pub const fn one_of(self, words: &'static [&'static str]) -> Self {
        Self { accepts: Accepts::OneOf(words), ..self }
    }

    /// Takes one of these words in any case; it is read as written here.
    pub const fn one_of_in_any_case(self, words: &'static [&'static str]) -> Self {
        Self { accepts: Accepts::OneOfInAnyCase(words), ..self }
    }

    /// Takes any text or list but an empty one.
    pub const fn not_empty(self) -> Self {
        Self { accepts: Accepts::NotEmpty, ..self }
    }

    /// Says what a number counts.
    pub const fn unit(self, unit: Unit) -> Self {
        Self { unit, ..self }
    }

    /// Says how important Kafka finds it; without this, low.
    pub const fn importance(self, importance: Importance) -> Self {
        Self { importance, ..self }
    }

    /// Cites the KIP that brought it.
    pub const fn kip(self, number: u16) -> Self {
        Self { kip: Some(number), ..self }
    }

    /// Says what it does.
    pub const fn doc(self, doc: &'static str) -> Self {
        Self { doc, ..self }
    }

    /// It may be set and changes nothing, for this reason.
    pub const fn accepted(self, reason: &'static str) -> Self {
        Self { status: Status::Accepted(reason), ..self }
    }

    /// It may not be set, except to its default, for this reason.
    pub const fn refused(self, reason: &'static str) -> Self {
        Self { status: Status::Refused(reason), ..self }
    }

    /// These of its values are refused, each for its reason.
    pub const fn refuse_values(self, values: &'static [(&'static str, &'static str)]) -> Self {
        Self { refused_values: values, ..self }
    }
}

/// The type of a property, as in Kafka's `ConfigDef.Type`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Kind {
    /// `true` or `false`, in any case.
    Bool,
    /// A whole number of 16 bits.
    Short,
    /// A whole number of 32 bits.
    Int,
    /// A whole number of 64 bits.
    Long,
    /// A number with a fraction.
    Double,
    /// A text, taken as it is.
    String,
    /// Texts with commas between them.
    List,
    /// A text that no message and no `Debug` shows.
    Password,
    /// The name of a Java class.
    Class,
}

/// Which values of its type a property takes.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum Accepts {
    /// All.
    Any,
    /// Whole numbers in this range, both ends included.
    Between(i64, i64),
    /// Fractions in this range, both ends included.
    Fraction(f64, f64),
    /// These words.
    OneOf(&'static [&'static str]),
    /// These words in any case.
    OneOfInAnyCase(&'static [&'static str]),
    /// All but the empty text or list.
    NotEmpty,
}

/// What a number counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Unit {
    /// Things of which the name tells.
    None,
    /// Milliseconds.
    Millis,
    /// Seconds.
    Seconds,
    /// Bytes.
    Bytes,
}

/// How important Kafka finds a property.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Importance {
    /// Most users set it.
    High,
    /// Some do.
    Medium,
    /// Few do.
    Low,
}

/// What becomes of a property that is set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Status {
    /// It does what Kafka's documentation says.
    Honoured,
    /// It changes nothing, for this reason.
    Accepted(&'static str),
    /// Setting it to anything but its default is an error, for this reason.
    Refused(&'static str),
}
