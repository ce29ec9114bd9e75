//! What describes a property: found in the JSON Schema that schemars derives.
use schemars::generate::SchemaSettings;
use serde_json::{Map, Value as Json};

use crate::Config;

/// A property of a connector: its name, what it takes, its default, and what it is for.
#[derive(Clone, Debug, PartialEq)]
pub struct Property {
    name: String,
    doc: String,
    takes: Takes,
    default: Option<String>,
    required: bool,
    secret: bool,
}

/// What a property takes.
#[derive(Clone, Debug, PartialEq)]
enum Takes {
    Flag,
    Whole {
        least: Option<i128>,
        most: Option<i128>,
    },
    Number {
        least: Option<f64>,
        most: Option<f64>,
    },
    Words(Vec<String>),
    List,
    Pairs,
    Text,
    /// A type with a reader of its own.
    Other,
}

/// The properties of a configuration.
pub(super) fn properties<C: Config>() -> Vec<Property> {
    let settings = SchemaSettings::default().with(|settings| settings.inline_subschemas = true);
    let schema = settings.into_generator().into_root_schema_for::<C>();
    let Some(Json::Object(fields)) = schema.get("properties") else {
        return Vec::new();
    };
    let required = |name: &str| match schema.get("required") {
        Some(Json::Array(names)) => names.iter().any(|required| required.as_str() == Some(name)),
        _ => false,
    };
    fields.iter().map(|(name, field)| Property::new(name, field, required(name))).collect()
}

impl Property {
    fn new(name: &str, field: &Json, required: bool) -> Self {
        let doc = field.get("description").and_then(Json::as_str).unwrap_or_default();
        let first = doc.split("\n\n").next().unwrap_or_default().replace('\n', " ");
        let kind = alternative(field);
        let default = field.get("default").filter(|default| !default.is_null()).map(shown);
        Self {
            name: name.to_owned(),
            doc: first.trim_end_matches('.').to_owned(),
            takes: Takes::of(kind),
            secret: kind.get("writeOnly") == Some(&Json::Bool(true)),
            required: required && default.is_none(),
            default,
        }
    }

    /// The property's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What it is for: the first paragraph of the field's doc comment.
    pub fn doc(&self) -> &str {
        &self.doc
    }

    /// The value that holds where none is given.
    pub fn default_value(&self) -> Option<&str> {
        self.default.as_deref()
    }

    /// Whether it must be given.
    pub fn is_required(&self) -> bool {
        self.required
    }

    /// Whether its value is shown to nobody.
    pub fn is_secret(&self) -> bool {
        self.secret
    }

    /// What it takes, in words: `a whole number from 1 to 100`.
    pub fn takes(&self) -> String {
        match &self.takes {
            Takes::Flag => "true or false".to_owned(),
            Takes::Whole { least, most } => format!("a whole number{}", range(least, most)),
            Takes::Number { least, most } => format!("a number{}", range(least, most)),
            Takes::Words(words) => match words.split_last() {
                Some((last, [])) => last.clone(),
                Some((last, words)) => format!("{} or {last}", words.join(", ")),
                None => "nothing".to_owned(),
            },
            Takes::List => "a list, separated by commas".to_owned(),
            Takes::Pairs => "pairs such as `name:value`, separated by commas".to_owned(),
            Takes::Text | Takes::Other => "a text".to_owned(),
        }
    }

    /// What is wrong with a value, if its type shows it.
    pub(super) fn problem(&self, text: &str) -> Option<(String, String)> {
        let trimmed = text.trim();
        if trimmed.is_empty() && !self.required {
            return None; // As if it were not there; a text may be empty.
        }
        let within = |number: i128, least: &Option<i128>, most: &Option<i128>| {
            least.is_none_or(|least| number >= least) && most.is_none_or(|most| number <= most)
        };
        let fits = match &self.takes {
            Takes::Flag => trimmed.eq_ignore_ascii_case("true") || trimmed.eq_ignore_ascii_case("false"),
            Takes::Whole { least, most } => {
                trimmed.parse().is_ok_and(|number: i128| within(number, least, most))
            }
            Takes::Number { least, most } => trimmed.parse().is_ok_and(|number: f64| {
                number.is_finite()
                    && least.is_none_or(|least| number >= least)
                    && most.is_none_or(|most| number <= most)
            }),
            Takes::Words(words) => words.iter().any(|word| word.eq_ignore_ascii_case(trimmed)),
            Takes::List | Takes::Pairs | Takes::Text | Takes::Other => true,
        };
        (!fits).then(|| (self.name.clone(), wrong_value(&self.name, text, self.secret, &self.takes())))
    }

    /// What is wrong where no value is given.
    pub(super) fn missing(&self) -> Option<(String, String)> {
        let doc = if self.doc.is_empty() { self.takes() } else { self.doc.clone() };
        self.required.then(|| (self.name.clone(), format!("property `{}` is missing: {doc}", self.name)))
    }
}

/// The sentence about a wrong value.
pub(super) fn wrong_value(name: &str, text: &str, secret: bool, takes: &str) -> String {
    let shown = if secret { "(hidden)" } else { text };
    format!("property `{name}` cannot be `{shown}`: it takes {takes}")
}

impl Takes {
    fn of(field: &Json) -> Self {
        if let Some(words) = words(field) {
            return Self::Words(words);
        }
        let least = || field.get("minimum").and_then(whole).or_else(|| smallest(format(field)));
        let most = || field.get("maximum").and_then(whole).or_else(|| largest(format(field)));
        match type_of(field) {
            "boolean" => Self::Flag,
            "integer" => Self::Whole { least: least(), most: most() },
            "number" => Self::Number {
                least: field.get("minimum").and_then(Json::as_f64),
                most: field.get("maximum").and_then(Json::as_f64),
            },
            "array" => Self::List,
            "object" => Self::Pairs,
            "string" => Self::Text,
            _ => Self::Other,
        }
    }
}

/// The part of the schema that describes a value that is there: of an `Option<T>` that of `T`.
fn alternative(field: &Json) -> &Json {
    match field.get("anyOf") {
        Some(Json::Array(choices)) => {
            choices.iter().find(|choice| type_of(choice) != "null").unwrap_or(field)
        }
        _ => field,
    }
}

fn type_of(field: &Json) -> &str {
    match field.get("type") {
        Some(Json::String(one)) => one,
        Some(Json::Array(several)) => {
            several.iter().filter_map(Json::as_str).find(|one| *one != "null").unwrap_or_default()
        }
        _ => "",
    }
}

/// The words of an enum: in one list, or, where they are documented, each by itself.
fn words(field: &Json) -> Option<Vec<String>> {
    let text = |word: &Json| word.as_str().map(str::to_owned);
    if let Some(Json::Array(listed)) = field.get("enum") {
        return Some(listed.iter().filter_map(text).collect());
    }
    let Some(Json::Array(choices)) = field.get("oneOf") else {
        return None;
    };
    let each = |choice: &Json| match (choice.get("const"), choice.get("enum")) {
        (Some(word), _) => text(word).map(|word| vec![word]),
        (None, Some(Json::Array(listed))) => Some(listed.iter().filter_map(text).collect()),
        _ => None,
    };
    choices.iter().map(each).collect::<Option<Vec<_>>>().map(|words| words.concat())
}

fn format(field: &Json) -> &str {
    field.get("format").and_then(Json::as_str).unwrap_or_default()
}

fn whole(bound: &Json) -> Option<i128> {
    match bound {
        Json::Number(number) => {
            number.as_str().parse().ok().or_else(|| number.as_f64().map(|float| float as i128))
        }
        _ => None,
    }
}

fn smallest(format: &str) -> Option<i128> {
    match format {
        "int8" => Some(i8::MIN.into()),
        "int16" => Some(i16::MIN.into()),
        "int32" => Some(i32::MIN.into()),
        "int64" => Some(i64::MIN.into()),
        _ => format.starts_with("uint").then_some(0),
    }
}

fn largest(format: &str) -> Option<i128> {
    match format {
        "int8" => Some(i8::MAX.into()),
        "int16" => Some(i16::MAX.into()),
        "int32" => Some(i32::MAX.into()),
        "uint8" => Some(u8::MAX.into()),
        "uint16" => Some(u16::MAX.into()),
        "uint32" => Some(u32::MAX.into()),
        _ => None,
    }
}

fn range<T: std::fmt::Display>(least: &Option<T>, most: &Option<T>) -> String {
    match (least, most) {
        (Some(least), Some(most)) => format!(" from {least} to {most}"),
        (Some(least), None) => format!(" from {least}"),
        (None, Some(most)) => format!(" up to {most}"),
        (None, None) => String::new(),
    }
}

/// A default as one would write it in a file of properties.
fn shown(default: &Json) -> String {
    match default {
        Json::String(text) => text.clone(),
        Json::Array(items) => items.iter().map(shown).collect::<Vec<_>>().join(","),
        Json::Object(members) => pairs(members),
        other => other.to_string(),
    }
}

fn pairs(members: &Map<String, Json>) -> String {
    members.iter().map(|(name, value)| format!("{name}:{}", shown(value))).collect::<Vec<_>>().join(",")
}
