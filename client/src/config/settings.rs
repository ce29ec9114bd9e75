//! Checked values, read by name and type.
use super::value::Value;
use super::{ConfigError, ConfigErrorKind};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// The checked values of one client, defaults included.
///
/// Each reader fails only if this library asks for a name or type that its tables do not have
/// ([`ConfigErrorKind::Internal`]).
#[derive(Clone, Debug, Default)]
pub struct Settings {
    values: BTreeMap<&'static str, Value>,
    given: BTreeSet<&'static str>,
    without_effect: Vec<(&'static str, &'static str)>,
}

impl Settings {
    pub(super) fn put(&mut self, name: &'static str, value: Value) {
        self.values.insert(name, value);
    }

    pub(super) fn put_given(&mut self, name: &'static str, value: Value) {
        self.values.insert(name, value);
        self.given.insert(name);
    }

    pub(super) fn put_without_effect(&mut self, name: &'static str, reason: &'static str) {
        self.without_effect.push((name, reason));
    }

    /// The value that the user gave.
    pub(super) fn given(&self, name: &str) -> Option<&Value> {
        self.values.get(name).filter(|_| self.is_given(name))
    }

    /// Whether the user gave a value, be it the default.
    pub fn is_given(&self, name: &str) -> bool {
        self.given.contains(name)
    }

    /// What was given and changes nothing, with the reason: worth one line in the log.
    pub fn without_effect(&self) -> &[(&'static str, &'static str)] {
        &self.without_effect
    }

    /// A flag.
    ///
    /// # Errors
    /// [`ConfigErrorKind::Internal`], as for each reader here.
    pub fn flag(&self, name: &str) -> Result<bool, ConfigError> {
        match self.find(name)? {
            Value::Bool(flag) => Ok(*flag),
            _ => Err(not_of_type(name, "flag")),
        }
    }

    /// A whole number.
    ///
    /// # Errors
    /// As [`Settings::flag`].
    pub fn whole(&self, name: &str) -> Result<i64, ConfigError> {
        match self.find(name)? {
            Value::Whole(number) => Ok(*number),
            _ => Err(not_of_type(name, "whole number")),
        }
    }

    /// A whole number of 32 bits.
    ///
    /// # Errors
    /// As [`Settings::flag`].
    pub fn int(&self, name: &str) -> Result<i32, ConfigError> {
        i32::try_from(self.whole(name)?).map_err(|_| not_of_type(name, "32-bit number"))
    }

    /// A count or a number of bytes.
    ///
    /// # Errors
    /// As [`Settings::flag`].
    pub fn size(&self, name: &str) -> Result<usize, ConfigError> {
        usize::try_from(self.whole(name)?).map_err(|_| not_of_type(name, "size"))
    }

    /// A number of milliseconds.
    ///
    /// # Errors
    /// As [`Settings::flag`].
    pub fn millis(&self, name: &str) -> Result<Duration, ConfigError> {
        self.millis_or_never(name)?.ok_or_else(|| not_of_type(name, "duration"))
    }

    /// A number of milliseconds of which a negative one means "never".
    ///
    /// # Errors
    /// As [`Settings::flag`].
    pub fn millis_or_never(&self, name: &str) -> Result<Option<Duration>, ConfigError> {
        Ok(u64::try_from(self.whole(name)?).ok().map(Duration::from_millis))
    }

    /// A number with a fraction.
    ///
    /// # Errors
    /// As [`Settings::flag`].
    pub fn fraction(&self, name: &str) -> Result<f64, ConfigError> {
        match self.find(name)? {
            Value::Fraction(number) => Ok(*number),
            _ => Err(not_of_type(name, "number")),
        }
    }

    /// A text.
    ///
    /// # Errors
    /// As [`Settings::flag`].
    pub fn text(&self, name: &str) -> Result<&str, ConfigError> {
        self.optional_text(name)?.ok_or_else(|| not_of_type(name, "text"))
    }

    /// A text whose default is `null`.
    ///
    /// # Errors
    /// As [`Settings::flag`].
    pub fn optional_text(&self, name: &str) -> Result<Option<&str>, ConfigError> {
        match self.find(name)? {
            Value::Text(text) => Ok(Some(text)),
            Value::Null => Ok(None),
            _ => Err(not_of_type(name, "text")),
        }
    }

    /// A list.
    ///
    /// # Errors
    /// As [`Settings::flag`].
    pub fn list(&self, name: &str) -> Result<&[String], ConfigError> {
        match self.find(name)? {
            Value::List(items) => Ok(items),
            Value::Null => Ok(&[]),
            _ => Err(not_of_type(name, "list")),
        }
    }

    fn find(&self, name: &str) -> Result<&Value, ConfigError> {
        self.values.get(name).ok_or_else(|| internal(name, format!("no table has the property `{name}`")))
    }
}

fn not_of_type(name: &str, wanted: &str) -> ConfigError {
    internal(name, format!("property `{name}` is no {wanted} in its table"))
}

fn internal(name: &str, text: String) -> ConfigError {
    ConfigError::new(ConfigErrorKind::Internal, name, text)
}
