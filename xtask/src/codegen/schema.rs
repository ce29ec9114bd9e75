//! The tables in memory.
use std::fmt;

/// One API.
#[derive(Debug)]
pub(crate) struct Api {
    pub(crate) key: i16,
    /// Kafka's name without `Request` and `Response`.
    pub(crate) name: String,
    pub(crate) request: Side,
    pub(crate) response: Side,
}

/// A request or a response.
#[derive(Debug)]
pub(crate) struct Side {
    /// The Rust name.
    pub(crate) name: String,
    pub(crate) versions: Versions,
    pub(crate) flexible: Option<i16>,
    /// The versions that a client may ask for; the others, which Kafka has dropped or may still change, can only be
    /// read and written. `None` where Kafka has given up the API.
    pub(crate) offered: Option<Versions>,
    /// The message itself first, then its nested structs.
    pub(crate) structs: Vec<Struct>,
}

/// A message or a struct inside it.
#[derive(Debug)]
pub(crate) struct Struct {
    /// Kafka's name.
    pub(crate) name: String,
    /// The Rust name; differs where request and response of one API use the same name.
    pub(crate) rust_name: String,
    /// The versions in which it can occur.
    pub(crate) versions: Versions,
    pub(crate) fields: Vec<Field>,
}

/// A field.
#[derive(Debug)]
pub(crate) struct Field {
    /// Kafka's name, such as `ThrottleTimeMs`.
    pub(crate) name: String,
    pub(crate) kind: Kind,
    pub(crate) versions: Versions,
    pub(crate) nullable: Option<Versions>,
    pub(crate) tag: Option<u32>,
    pub(crate) default: Option<String>,
    /// Whether it may be dropped in versions that cannot carry it.
    pub(crate) ignorable: bool,
}

/// The type of a field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Bool,
    I8,
    I16,
    U16,
    I32,
    U32,
    I64,
    F64,
    Uuid,
    String,
    Bytes,
    Records,
    /// By Kafka's name.
    Struct(String),
    Array(Box<Kind>),
}

impl Kind {
    /// The struct that values of this type, or the elements of this array, are.
    pub(crate) fn struct_name(&self) -> Option<&str> {
        match self {
            Self::Struct(name) => Some(name),
            Self::Array(element) => element.struct_name(),
            _ => None,
        }
    }
}

/// A range of versions, both ends included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Versions {
    pub(crate) min: i16,
    pub(crate) max: i16,
}

impl Versions {
    pub(crate) fn intersection(self, other: Self) -> Option<Self> {
        let both = Self { min: self.min.max(other.min), max: self.max.min(other.max) };
        (both.min <= both.max).then_some(both)
    }

    pub(crate) fn contains(self, version: i16) -> bool {
        self.min <= version && version <= self.max
    }

    pub(crate) fn iter(self) -> impl Iterator<Item = i16> {
        self.min..=self.max
    }

    /// The Rust condition that `version`, known to be in `within`, is in this range; `None` if it always is.
    pub(crate) fn condition(self, within: Self) -> Option<String> {
        let from = (self.min > within.min).then(|| format!("version >= {}", self.min));
        let to = (self.max < within.max).then(|| format!("version <= {}", self.max));
        match (from, to) {
            (Some(_), Some(_)) if self.min == self.max => Some(format!("version == {}", self.min)),
            (Some(_), Some(_)) => Some(format!("({}..={}).contains(&version)", self.min, self.max)),
            (from, to) => from.or(to),
        }
    }

    /// The Rust condition that `version`, known to be in `within`, is outside this range; `None` if it never is.
    pub(crate) fn outside(self, within: Self) -> Option<String> {
        let below = (self.min > within.min).then(|| format!("version < {}", self.min));
        let above = (self.max < within.max).then(|| format!("version > {}", self.max));
        match (below, above) {
            (Some(_), Some(_)) => self.condition(within).map(|inside| format!("!({inside})")),
            (below, above) => below.or(above),
        }
    }
}

impl fmt::Display for Versions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self { min, max: i16::MAX } => write!(f, "{min}+"),
            Self { min, max } if min == max => write!(f, "{min}"),
            Self { min, max } => write!(f, "{min}-{max}"),
        }
    }
}

impl Side {
    /// Rust text that says whether `version`, known to be in `within`, is flexible.
    pub(crate) fn flexible_in(&self, within: Versions) -> String {
        match self.flexible {
            Some(first) if first <= within.min => "true".to_owned(),
            Some(first) if first <= within.max => format!("version >= {first}"),
            _ => "false".to_owned(),
        }
    }

    pub(crate) fn find(&self, name: &str) -> Option<&Struct> {
        self.structs.iter().find(|one| one.name == name)
    }

    fn is_flexible(&self, version: i16) -> bool {
        self.flexible.is_some_and(|first| version >= first)
    }

    /// The fewest bytes that a value can take in any version in `within`; at least one.
    pub(crate) fn min_size(&self, kind: &Kind, within: Versions) -> usize {
        within.iter().map(|version| self.size_in(kind, version)).min().unwrap_or(1).max(1)
    }

    fn size_in(&self, kind: &Kind, version: i16) -> usize {
        let compact = self.is_flexible(version);
        match kind {
            Kind::Bool | Kind::I8 => 1,
            Kind::I16 | Kind::U16 => 2,
            Kind::I32 | Kind::U32 => 4,
            Kind::I64 | Kind::F64 => 8,
            Kind::Uuid => 16,
            Kind::String => {
                if compact {
                    1
                } else {
                    2
                }
            }
            Kind::Bytes | Kind::Records | Kind::Array(_) => {
                if compact {
                    1
                } else {
                    4
                }
            }
            Kind::Struct(name) => self.find(name).map_or(0, |one| self.struct_size_in(one, version)),
        }
    }

    fn struct_size_in(&self, one: &Struct, version: i16) -> usize {
        let here = one.fields.iter().filter(|field| field.tag.is_none() && field.versions.contains(version));
        let fields = here.map(|field| match (&field.kind, field.nullable) {
            (Kind::Struct(_), Some(_)) => 1,
            _ => self.size_in(&field.kind, version),
        });
        fields.sum::<usize>() + usize::from(self.is_flexible(version))
    }
}

impl Field {
    /// Whether the Rust type is an `Option`.
    pub(crate) fn is_option(&self) -> bool {
        self.nullable.is_some() || self.kind == Kind::Records
    }

    /// Whether the default is null.
    pub(crate) fn defaults_to_null(&self) -> bool {
        self.default.as_deref() == Some("null") || self.kind == Kind::Records
    }
}
