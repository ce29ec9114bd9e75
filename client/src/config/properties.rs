//! Properties as they were given: texts by name, each with its origin.
use super::elsewhere::{Owner, owners, sits_with};
use super::librdkafka::{self, Foreign, Translation};
use super::nearest::nearest;
use super::reader::{self, Entry};
use super::row::{Kind, Row, Status};
use super::settings::Settings;
use super::value;
use super::{COMMON, ConfigError, ConfigErrorKind, Table, jaas};
use crate::log::TARGET;
use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;
use std::time::Duration;

/// Properties by Kafka's names, from setters, maps and `.properties` files; a later value replaces an earlier one.
///
/// Its `Debug` shows no value of a property that holds a secret.
#[derive(Clone, Default)]
pub struct Properties {
    entries: BTreeMap<String, Given>,
}

#[derive(Clone)]
struct Given {
    value: String,
    origin: Origin,
}

#[derive(Clone)]
enum Origin {
    /// By hand, for this client.
    Set,
    /// With a map or a file that may serve several clients; the text says where.
    Loaded(Option<String>),
}

impl Properties {
    /// No properties.
    pub fn new() -> Self {
        Self::default()
    }

    /// Reads the text of a `.properties` file (Java's format: `=`, `:` or white space after the name, `#` and `!`
    /// comments, `\` at a line's end, `\uXXXX`).
    ///
    /// # Errors
    /// [`ConfigErrorKind::File`] with the line, for a broken `\u` escape.
    pub fn parse(text: &str) -> Result<Self, ConfigError> {
        Ok(Self::from_entries(reader::read(text)?, None))
    }

    /// Reads a `.properties` file. It is read as UTF-8, or, if it is not that, as Java does, as ISO 8859-1.
    ///
    /// # Errors
    /// [`ConfigErrorKind::File`] if it cannot be read or has a broken `\u` escape.
    pub fn read(path: impl AsRef<Path>) -> Result<Self, ConfigError> {
        let path = path.as_ref();
        let shown = path.display().to_string();
        let bytes = std::fs::read(path).map_err(|e| {
            let text = format!("cannot read the properties file `{shown}`: {e}");
            ConfigError::new(ConfigErrorKind::File, shown.clone(), text).with_source(e)
        })?;
        let text = match String::from_utf8(bytes) {
            Ok(text) => text,
            Err(e) => e.into_bytes().into_iter().map(char::from).collect(),
        };
        let entries = reader::read(&text).map_err(|e| e.with_origin(Some(shown.clone())))?;
        Ok(Self::from_entries(entries, Some(&shown)))
    }

    fn from_entries(entries: Vec<Entry>, file: Option<&str>) -> Self {
        let given = |entry: Entry| {
            let place = file.map(|file| format!("{file}:{}", entry.line));
            (entry.name, Given { value: entry.value, origin: Origin::Loaded(place) })
        };
        Self { entries: entries.into_iter().map(given).collect() }
    }

    /// Sets one property by hand. A name that this client does not have is an error when the properties are checked.
    pub fn set(&mut self, name: impl Into<String>, value: impl fmt::Display) -> &mut Self {
        self.entries.insert(name.into(), Given { value: value.to_string(), origin: Origin::Set });
        self
    }

    /// Sets a property that counts milliseconds; a fraction of a millisecond counts as a whole one.
    pub fn set_millis(&mut self, name: impl Into<String>, value: Duration) -> &mut Self {
        self.set(name, value.as_nanos().div_ceil(1_000_000).min(i64::MAX as u128))
    }

    /// Sets what authenticates with SASL PLAIN, as Java's `sasl.jaas.config` has it.
    pub fn set_sasl_plain(&mut self, username: &str, password: &str) -> &mut Self {
        self.set("sasl.mechanism", "PLAIN").set("sasl.jaas.config", jaas::plain(username, password));
        if self.value("security.protocol").is_none() {
            self.set("security.protocol", "SASL_PLAINTEXT");
        }
        self
    }

    /// Puts `other` on top of this.
    pub fn merge(&mut self, other: &Self) -> &mut Self {
        self.entries.extend(other.entries.iter().map(|(name, given)| (name.clone(), given.clone())));
        self
    }

    /// The text of a property, if it was given.
    pub fn value(&self, name: &str) -> Option<&str> {
        self.entries.get(name).map(|given| given.value.as_str())
    }

    /// The names that were given.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.entries.keys().map(String::as_str)
    }

    /// Checks every property against the tables of one client and gives typed values, defaults included.
    ///
    /// Properties that only other clients have are an error if they were [`set`](Self::set) and are passed over if they
    /// came with a map or a file. A name of librdkafka that Kafka does not have stands for Kafka's, with one line in the
    /// log; the [module](crate::config) lists them.
    ///
    /// # Errors
    /// The first property that is unknown, refused, or has a value that it does not take; and one that was given under
    /// Kafka's and librdkafka's name with two values ([`ConfigErrorKind::Conflict`]).
    pub fn check(&self, tables: &[&Table]) -> Result<Settings, ConfigError> {
        let mut settings = Settings::default();
        for row in tables.iter().flat_map(|table| table.rows()) {
            settings.put(row.name, value::default_of(row)?);
        }
        let mut strangers = Vec::new();
        for (name, given) in &self.entries {
            match find(tables, name) {
                Some(row) => settings.take(row, &given.value).map_err(|e| e.with_origin(given.place()))?,
                None => strangers.push((name, given)),
            }
        }
        // They come second: what they stand for may have been given under its own name too.
        for (name, given) in strangers {
            let taken = match librdkafka::find(name) {
                Some(foreign) => self.take_foreign(&mut settings, tables, foreign, given),
                None if given.is_loaded() && !owners(name).is_empty() => Ok(()),
                None => Err(stranger(name, tables)),
            };
            taken.map_err(|e| e.with_origin(given.place()))?;
        }
        Ok(settings)
    }

    fn take_foreign(
        &self,
        settings: &mut Settings,
        tables: &[&Table],
        foreign: &Foreign,
        given: &Given,
    ) -> Result<(), ConfigError> {
        let name = foreign.name;
        let owners = foreign.owners();
        if !owners.iter().any(|owner| find(tables, owner.mark()).is_some()) {
            return if given.is_loaded() { Ok(()) } else { Err(elsewhere(name, &owners)) };
        }
        match foreign.translate(&given.value, self) {
            Translation::To(kafkas, text) => {
                let Some(row) = find(tables, kafkas) else { return Err(elsewhere(name, &owners)) };
                tracing::info!(target: TARGET, "librdkafka's `{name}` is Kafka's `{kafkas}`");
                settings.take_again(row, name, &text)
            }
            Translation::Void => {
                tracing::info!(target: TARGET, "librdkafka's `{name}` changes nothing here");
                Ok(())
            }
            Translation::Wrong(why) => {
                let text = format!("librdkafka's property `{name}`: {why}");
                Err(ConfigError::new(ConfigErrorKind::Value, name, text))
            }
            Translation::Refused(instead) => {
                let text = format!("librdkafka's property `{name}` has no counterpart here");
                Err(ConfigError::new(ConfigErrorKind::Refused, name, text).with_hint(instead))
            }
        }
    }
}

impl Settings {
    fn take(&mut self, row: &'static Row, text: &str) -> Result<(), ConfigError> {
        let value = value::parse(row, text)?;
        if let Status::Accepted(reason) = row.status
            && value != value::default_of(row)?
        {
            self.put_without_effect(row.name, reason);
        }
        self.put_given(row.name, value);
        Ok(())
    }

    /// Takes what was given as `foreign`, unless the same property was given another value before.
    fn take_again(&mut self, row: &'static Row, foreign: &str, text: &str) -> Result<(), ConfigError> {
        let given_as = |e: ConfigError| e.with_hint(format!("it was given as librdkafka's `{foreign}`"));
        let value = value::parse(row, text).map_err(given_as)?;
        match self.given(row.name) {
            None => self.take(row, text),
            Some(before) if *before == value => Ok(()),
            Some(_) => {
                let text = format!("properties `{}` and `{foreign}` are one and have two values", row.name);
                let error = ConfigError::new(ConfigErrorKind::Conflict, row.name, text);
                Err(error.with_hint(format!("`{foreign}` is librdkafka's name; leave it out")))
            }
        }
    }
}

fn find(tables: &[&Table], name: &str) -> Option<&'static Row> {
    tables.iter().find_map(|table| table.row(name))
}

impl Given {
    /// Whether it came with a map or a file, which may serve several clients.
    fn is_loaded(&self) -> bool {
        matches!(self.origin, Origin::Loaded(_))
    }

    fn place(&self) -> Option<String> {
        match &self.origin {
            Origin::Set => None,
            Origin::Loaded(place) => place.clone(),
        }
    }
}

fn stranger(name: &str, tables: &[&Table]) -> ConfigError {
    let owned = owners(name);
    if !owned.is_empty() {
        return elsewhere(name, &owned);
    }
    let error = ConfigError::new(ConfigErrorKind::Unknown, name, format!("unknown property `{name}`"));
    let own = tables.iter().flat_map(|table| table.rows()).map(|row| row.name);
    if let Some(near) = nearest(name, own) {
        return error.with_hint(format!("did you mean `{near}`?"));
    }
    let foreign = librdkafka::all().map(|foreign| foreign.name);
    match nearest(name, sits_with().map(|(near, _)| near)).or_else(|| nearest(name, foreign)) {
        Some(near) => {
            let owner = owners(near).first().copied();
            let owner = owner.or_else(|| librdkafka::find(near)?.owners().first().copied());
            let place = owner.map(Owner::where_to_set).unwrap_or_default();
            error.with_hint(format!("did you mean `{near}`? {place}"))
        }
        None => error,
    }
}

fn elsewhere(name: &str, owners: &[Owner]) -> ConfigError {
    let text = format!("property `{name}` does not belong here");
    let error = ConfigError::new(ConfigErrorKind::Elsewhere, name, text);
    match owners.first() {
        Some(owner) => error.with_hint(owner.where_to_set()),
        None => error,
    }
}

impl From<BTreeMap<String, String>> for Properties {
    fn from(map: BTreeMap<String, String>) -> Self {
        map.into_iter().collect()
    }
}

impl<N: Into<String>, V: Into<String>> FromIterator<(N, V)> for Properties {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(pairs: I) -> Self {
        let given = |(name, value): (N, V)| {
            (name.into(), Given { value: value.into(), origin: Origin::Loaded(None) })
        };
        Self { entries: pairs.into_iter().map(given).collect() }
    }
}

impl fmt::Debug for Properties {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = self.entries.iter().map(|(name, given)| {
            // What no table knows may be a misspelt secret.
            let secret = COMMON.row(name).map_or(owners(name).is_empty(), |row| row.kind == Kind::Password);
            (name, if secret { "(hidden)" } else { given.value.as_str() })
        });
        f.debug_map().entries(shown).finish()
    }
}
