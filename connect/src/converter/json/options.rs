//! Properties of the JSON converter.
use std::collections::BTreeMap;
use std::str::FromStr;

use crate::{Error, Result};

/// How decimals are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DecimalFormat {
    /// The whole number as bytes, in base64; the scale stands in the schema.
    #[default]
    Base64,
    /// As a number.
    Numeric,
}

/// What becomes of a value that does not fit its schema when it is read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Reading {
    /// It is an error: a bad record, for the dead-letter topic.
    #[default]
    Strict,
    /// It becomes what Java makes of it: 300 as an `int8` is 44, a text as a number is 0, a number as a text is null, a
    /// whole number of more than 64 bits loses its upper ones, and what follows the first JSON value is not looked at.
    Java,
}

impl FromStr for DecimalFormat {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        match text.trim().to_ascii_uppercase().as_str() {
            "BASE64" => Ok(Self::Base64),
            "NUMERIC" => Ok(Self::Numeric),
            _ => Err(wrong("decimal.format", text, "BASE64 or NUMERIC")),
        }
    }
}

impl FromStr for Reading {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        match text.trim().to_ascii_lowercase().as_str() {
            "strict" => Ok(Self::Strict),
            "java" => Ok(Self::Java),
            _ => Err(wrong("reading", text, "strict or java")),
        }
    }
}

/// A property that is true or false.
pub(super) fn flag(properties: &BTreeMap<String, String>, name: &str) -> Result<Option<bool>> {
    match properties.get(name) {
        None => Ok(None),
        Some(text) if text.trim().eq_ignore_ascii_case("true") => Ok(Some(true)),
        Some(text) if text.trim().eq_ignore_ascii_case("false") => Ok(Some(false)),
        Some(text) => Err(wrong(name, text, "true or false")),
    }
}

/// A property that counts something.
pub(super) fn size(name: &str, text: &str) -> Result<usize> {
    text.trim().parse().map_err(|_| wrong(name, text, "a number from 0"))
}

fn wrong(name: &str, text: &str, takes: &str) -> Error {
    Error::config(format!("property `{name}` cannot be `{text}`: it takes {takes}"))
}
