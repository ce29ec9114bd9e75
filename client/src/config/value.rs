//! A property's text as a typed value, checked against its row.
use super::describe::what_it_takes;
use super::row::{Accepts, Kind, Row, Status};
use super::{ConfigError, ConfigErrorKind};

/// A checked value.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Value {
    Null,
    Bool(bool),
    Whole(i64),
    Fraction(f64),
    Text(String),
    List(Vec<String>),
}

/// Reads `text` as `row` wants it, as Kafka's `ConfigDef.parseType` does, and checks range and refusals.
pub(super) fn parse(row: &Row, text: &str) -> Result<Value, ConfigError> {
    let value =
        of_kind(row, text).and_then(|value| in_range(row, value)).ok_or_else(|| wrong_value(row, text))?;
    if row.default.and_then(|default| of_kind(row, default)).as_ref() == Some(&value) {
        return Ok(value); // A property may always be set to its default: nothing changes.
    }
    if let Status::Refused(reason) = row.status {
        let text = format!("property `{}` is refused: {reason}", row.name);
        return Err(ConfigError::new(ConfigErrorKind::Refused, row.name, text));
    }
    match refusal(row, &value) {
        Some((word, reason)) => {
            let text = format!("property `{}` cannot be `{word}`: {reason}", row.name);
            Err(ConfigError::new(ConfigErrorKind::Refused, row.name, text))
        }
        None => Ok(value),
    }
}

/// The value of a property that nobody set. Every row of every table is tried by a test.
pub(super) fn default_of(row: &Row) -> Result<Value, ConfigError> {
    match row.default {
        None => Ok(Value::Null),
        Some(text) => of_kind(row, text).ok_or_else(|| wrong_value(row, text)),
    }
}

fn of_kind(row: &Row, text: &str) -> Option<Value> {
    let trimmed = text.trim();
    let whole = |least: i64, most: i64| {
        let number: i64 = trimmed.parse().ok()?;
        (least..=most).contains(&number).then_some(Value::Whole(number))
    };
    match row.kind {
        Kind::Bool if trimmed.eq_ignore_ascii_case("true") => Some(Value::Bool(true)),
        Kind::Bool if trimmed.eq_ignore_ascii_case("false") => Some(Value::Bool(false)),
        Kind::Bool => None,
        Kind::Short => whole(i64::from(i16::MIN), i64::from(i16::MAX)),
        Kind::Int => whole(i64::from(i32::MIN), i64::from(i32::MAX)),
        Kind::Long => whole(i64::MIN, i64::MAX),
        Kind::Double => trimmed.parse().ok().filter(|number: &f64| number.is_finite()).map(Value::Fraction),
        Kind::String => Some(Value::Text(word_or_text(row, text))),
        Kind::Password => Some(Value::Text(text.to_owned())),
        Kind::Class => Some(Value::Text(trimmed.to_owned())),
        Kind::List if trimmed.is_empty() => Some(Value::List(Vec::new())),
        Kind::List => Some(Value::List(trimmed.split(',').map(|item| item.trim().to_owned()).collect())),
    }
}

/// A free text is taken as it is, white space included; one of a few words is trimmed and takes its listed spelling.
fn word_or_text(row: &Row, text: &str) -> String {
    match row.accepts {
        Accepts::OneOf(_) => text.trim().to_owned(),
        Accepts::OneOfInAnyCase(words) => {
            let listed = words.iter().find(|word| word.eq_ignore_ascii_case(text.trim()));
            listed.map_or_else(|| text.trim().to_owned(), |word| (*word).to_owned())
        }
        _ => text.to_owned(),
    }
}

fn in_range(row: &Row, value: Value) -> Option<Value> {
    let fits = match (row.accepts, &value) {
        (Accepts::Between(least, most), Value::Whole(number)) => (least..=most).contains(number),
        (Accepts::Fraction(least, most), Value::Fraction(number)) => (least..=most).contains(number),
        (Accepts::OneOf(words) | Accepts::OneOfInAnyCase(words), Value::Text(text)) => {
            words.contains(&text.as_str())
        }
        (Accepts::OneOf(words) | Accepts::OneOfInAnyCase(words), Value::List(items)) => {
            items.iter().all(|item| words.contains(&item.as_str()))
        }
        (Accepts::NotEmpty, Value::Text(text)) => !text.is_empty(),
        (Accepts::NotEmpty, Value::List(items)) => {
            !items.is_empty() && items.iter().all(|item| !item.is_empty())
        }
        _ => true,
    };
    fits.then_some(value)
}

fn refusal(row: &Row, value: &Value) -> Option<(&'static str, &'static str)> {
    let has = |word: &str| match value {
        Value::Text(text) => text == word,
        Value::List(items) => items.iter().any(|item| item == word),
        Value::Bool(flag) => flag.to_string() == word,
        Value::Whole(number) => number.to_string() == word,
        Value::Fraction(_) | Value::Null => false,
    };
    row.refused_values.iter().copied().find(|(word, _)| has(word))
}

fn wrong_value(row: &Row, text: &str) -> ConfigError {
    let shown = if row.kind == Kind::Password { "(hidden)" } else { text };
    let takes = what_it_takes(row);
    let default = match row.default {
        None | Some("") => String::new(),
        Some(default) => format!(" (default {default})"),
    };
    let text = format!("property `{}` cannot be `{shown}`: it takes {takes}{default}", row.name);
    ConfigError::new(ConfigErrorKind::Value, row.name, text)
}
