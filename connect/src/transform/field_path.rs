//! The place of a field, in nested structs and maps (KIP-821).
use schemars::JsonSchema;
use serde::Deserialize;
use std::sync::Arc;

use crate::data::{DataError, Schema, Value};
use crate::{Error, Result};

/// How a field's place is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[non_exhaustive]
pub enum SyntaxVersion {
    /// A name as it stands, dots included.
    #[default]
    V1,
    /// Names with dots between them; a name that has dots itself stands in backticks, which a backslash escapes.
    V2,
}

/// Names from the outside to the inside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct FieldPath(Vec<String>);

impl FieldPath {
    pub(super) fn read(text: &str, syntax: SyntaxVersion) -> Result<Self> {
        match syntax {
            SyntaxVersion::V1 => Ok(Self(vec![text.to_owned()])),
            SyntaxVersion::V2 => Ok(Self(steps(text)?)),
        }
    }

    /// The schema of the field.
    pub(super) fn schema(&self, schema: &Arc<Schema>) -> Result<Arc<Schema>, DataError> {
        let mut inner = schema;
        for name in &self.0 {
            inner = match inner.field(name) {
                Some((_, field)) => field.schema(),
                None => {
                    let names: Vec<&str> = inner.fields().iter().map(|field| field.name()).collect();
                    let text = format!("there is no field `{name}`; there are {}", names.join(", "));
                    return Err(DataError::new(text));
                }
            };
        }
        Ok(Arc::clone(inner))
    }

    /// The value of the field, if it is there.
    pub(super) fn value<'a>(&self, value: &'a Value) -> Option<&'a Value> {
        self.0.iter().try_fold(value, |inner, name| inner.field(name))
    }
}

/// The names of a path. A backtick that opens a name stands at its start, one that closes it before a dot or the end.
fn steps(text: &str) -> Result<Vec<String>> {
    let mut names = Vec::new();
    let mut rest = text;
    loop {
        let (name, after) = match rest.strip_prefix('`') {
            Some(quoted) => quoted_step(quoted).ok_or_else(|| {
                Error::config(format!("property `field`: `{text}` opens a backtick that nothing closes"))
            })?,
            None => {
                let (name, after) = rest.split_at(rest.find('.').unwrap_or(rest.len()));
                (name.to_owned(), after)
            }
        };
        names.push(name);
        match after.strip_prefix('.') {
            Some(next) => rest = next,
            None => return Ok(names),
        }
    }
}

fn quoted_step(quoted: &str) -> Option<(String, &str)> {
    let closes = |at: &usize| {
        let after = quoted.get(at + 1..).unwrap_or_default();
        let escaped = quoted.get(..*at).is_some_and(|before| before.ends_with('\\'));
        !escaped && (after.is_empty() || after.starts_with('.'))
    };
    let at = quoted.match_indices('`').map(|(at, _)| at).find(closes)?;
    Some((quoted.get(..at)?.replace("\\`", "`"), quoted.get(at + 1..)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_names_with_dots_between_and_backticks_around_names_with_dots() {
        for (text, names) in [
            ("a", &["a"][..]),
            ("a.b.c", &["a", "b", "c"]),
            ("`a.b`.c", &["a.b", "c"]),
            ("a.`b.c`", &["a", "b.c"]),
            ("`a\\`.b`", &["a`.b"]),
            ("a`b.c", &["a`b", "c"]),
        ] {
            assert_eq!(steps(text).unwrap(), names, "{text}");
        }
        steps("`a.b").unwrap_err();
        assert_eq!(FieldPath::read("a.b", SyntaxVersion::V1).unwrap(), FieldPath(vec!["a.b".to_owned()]));
    }
}
