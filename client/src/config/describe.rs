//! The documentation that follows from the rows.
use super::Table;
use super::row::{Accepts, Importance, Kind, Row, Status, Unit};
use std::fmt::Write;

impl Table {
    /// The table as Markdown, one paragraph per property in the order of the rows.
    ///
    /// ```
    /// use courant_client::config::COMMON;
    ///
    /// let text = COMMON.describe();
    /// assert!(text.contains("**`request.timeout.ms`**: a whole number of milliseconds, 0 or more; default `30000`"));
    /// ```
    pub fn describe(&self) -> String {
        let mut text = String::new();
        for row in self.rows() {
            let _ = writeln!(text, "{}", paragraph(row));
        }
        text
    }
}

fn paragraph(row: &Row) -> String {
    let default = match row.default {
        None => "no default".to_owned(),
        Some("") => "default empty".to_owned(),
        Some(default) => format!("default `{default}`"),
    };
    let importance = match row.importance {
        Importance::High => "high",
        Importance::Medium => "medium",
        Importance::Low => "low",
    };
    let kip = row.kip.map(|number| format!(" (KIP-{number})")).unwrap_or_default();
    let mut text =
        format!("**`{}`**: {}; {default}; importance {importance}{kip}.\n", row.name, what_it_takes(row));
    let _ = write!(text, "{}", row.doc);
    match row.status {
        Status::Honoured => {}
        Status::Accepted(reason) => {
            let _ = write!(text, " *Accepted without effect: {reason}.*");
        }
        Status::Refused(reason) => {
            let _ = write!(text, " *Refused: {reason}.*");
        }
    }
    for (value, reason) in row.refused_values {
        let _ = write!(text, " *`{value}` is refused: {reason}.*");
    }
    text.push('\n');
    text
}

/// What a property takes, as the end of a sentence: `a whole number of milliseconds, 0 or more`.
pub(super) fn what_it_takes(row: &Row) -> String {
    let unit = match row.unit {
        Unit::None => "",
        Unit::Millis => " of milliseconds",
        Unit::Seconds => " of seconds",
        Unit::Bytes => " of bytes",
    };
    let noun = match row.kind {
        Kind::Bool => "`true` or `false`".to_owned(),
        Kind::Short | Kind::Int | Kind::Long => format!("a whole number{unit}"),
        Kind::Double => format!("a number{unit}"),
        Kind::String => "a text".to_owned(),
        Kind::Password => "a secret text".to_owned(),
        Kind::List => "a list with commas".to_owned(),
        Kind::Class => "the name of a Java class".to_owned(),
    };
    let widest = match row.kind {
        Kind::Short => i64::from(i16::MAX),
        Kind::Int => i64::from(i32::MAX),
        _ => i64::MAX,
    };
    match row.accepts {
        Accepts::Any => noun,
        Accepts::Between(least, most) if most >= widest => format!("{noun}, {least} or more"),
        Accepts::Between(least, most) => format!("{noun} from {least} to {most}"),
        Accepts::Fraction(least, most) => format!("{noun} from {least} to {most}"),
        Accepts::OneOf(words) | Accepts::OneOfInAnyCase(words) if row.kind == Kind::List => {
            format!("{noun} out of {}", words.join(", "))
        }
        Accepts::OneOf(words) | Accepts::OneOfInAnyCase(words) => format!("one of {}", words.join(", ")),
        Accepts::NotEmpty => format!("{noun} that is not empty"),
    }
}
