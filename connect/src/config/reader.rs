//! Properties as serde sees them: a map whose values are texts, each read as the field's type wants it.
use std::collections::BTreeMap;
use std::fmt;

use serde::de::value::{MapDeserializer, SeqDeserializer, StrDeserializer};
use serde::de::{self, DeserializeOwned, DeserializeSeed, IntoDeserializer, MapAccess, Visitor};
use serde::{Deserializer, forward_to_deserialize_any};

use super::property::wrong_value;

/// Reads a struct from properties. One that is empty counts as absent where the field is optional.
pub(super) fn read<C: DeserializeOwned>(properties: &BTreeMap<String, String>) -> Result<C, Wrong> {
    C::deserialize(Properties { entries: properties.iter(), open: None })
}

/// What serde found wrong.
#[derive(Debug)]
pub(super) struct Wrong {
    /// Empty where the properties as a whole are meant.
    pub(super) property: String,
    value: Option<String>,
    text: String,
}

impl Wrong {
    /// The name of the property and the sentence about it.
    pub(super) fn into_problem(self, secret: bool) -> (String, String) {
        let text = match &self.value {
            Some(value) => {
                let takes = self.text.strip_prefix("it takes ").unwrap_or(&self.text);
                match takes.len() == self.text.len() {
                    true => format!("property `{}`: {}", self.property, self.text),
                    false => wrong_value(&self.property, value, secret, takes),
                }
            }
            None => self.text,
        };
        (self.property, text)
    }
}

impl de::Error for Wrong {
    fn custom<T: fmt::Display>(text: T) -> Self {
        Self { property: String::new(), value: None, text: text.to_string() }
    }

    fn missing_field(field: &'static str) -> Self {
        Self { property: field.to_owned(), value: None, text: format!("property `{field}` is missing") }
    }
}

impl fmt::Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl std::error::Error for Wrong {}

struct Properties<'a, I> {
    entries: I,
    /// The entry whose name was asked for and whose value was not yet.
    open: Option<(&'a str, &'a str)>,
}

impl<'de, 'a, I: Iterator<Item = (&'a String, &'a String)>> Deserializer<'de> for Properties<'a, I> {
    type Error = Wrong;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Wrong> {
        visitor.visit_map(self)
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit unit_struct
        newtype_struct seq tuple tuple_struct map struct enum identifier ignored_any
    }
}

impl<'de, 'a, I: Iterator<Item = (&'a String, &'a String)>> MapAccess<'de> for Properties<'a, I> {
    type Error = Wrong;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Wrong> {
        let Some((name, value)) = self.entries.next() else {
            return Ok(None);
        };
        self.open = Some((name, value));
        let name: StrDeserializer<'_, Wrong> = name.as_str().into_deserializer();
        seed.deserialize(name).map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Wrong> {
        let (name, value) = self.open.take().unwrap_or_default();
        seed.deserialize(Text(value)).map_err(|mut wrong| {
            wrong.property = name.to_owned();
            wrong.value = Some(value.to_owned());
            wrong
        })
    }
}

/// The text of one property.
#[derive(Clone, Copy)]
struct Text<'a>(&'a str);

/// The parts of a list; an empty text is an empty list.
fn items(text: &str) -> impl Iterator<Item = Text<'_>> {
    text.split(',').map(str::trim).filter(|item| !item.is_empty()).map(Text)
}

impl Text<'_> {
    /// `name:value`; a name alone has the empty value.
    fn pair(self) -> (Self, Self) {
        let (name, value) = self.0.split_once(':').unwrap_or((self.0, ""));
        (Self(name.trim()), Self(value.trim()))
    }

    fn parse<T: std::str::FromStr>(self, takes: &str) -> Result<T, Wrong> {
        self.0.trim().parse().map_err(|_| de::Error::custom(format!("it takes {takes}")))
    }
}

macro_rules! numbers {
    ($($method:ident $visit:ident $takes:literal),* $(,)?) => {
        $(fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Wrong> {
            visitor.$visit(self.parse($takes)?)
        })*
    };
}

impl<'de> Deserializer<'de> for Text<'_> {
    type Error = Wrong;

    numbers! {
        deserialize_i8 visit_i8 "a whole number", deserialize_i16 visit_i16 "a whole number",
        deserialize_i32 visit_i32 "a whole number", deserialize_i64 visit_i64 "a whole number",
        deserialize_u8 visit_u8 "a whole number from 0", deserialize_u16 visit_u16 "a whole number from 0",
        deserialize_u32 visit_u32 "a whole number from 0", deserialize_u64 visit_u64 "a whole number from 0",
        deserialize_f32 visit_f32 "a number", deserialize_f64 visit_f64 "a number",
        deserialize_char visit_char "one character",
    }

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Wrong> {
        visitor.visit_str(self.0)
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Wrong> {
        let text = Text(&self.0.trim().to_ascii_lowercase()).parse("true or false")?;
        visitor.visit_bool(text)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Wrong> {
        if self.0.trim().is_empty() { visitor.visit_none() } else { visitor.visit_some(self) }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Wrong> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Wrong> {
        visitor.visit_seq(SeqDeserializer::new(items(self.0)))
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Wrong> {
        visitor.visit_map(MapDeserializer::new(items(self.0).map(Text::pair)))
    }

    /// A word in any case takes its listed spelling.
    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        words: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Wrong> {
        let listed = words.iter().find(|word| word.eq_ignore_ascii_case(self.0.trim()));
        let word =
            listed.ok_or_else(|| -> Wrong { de::Error::custom(format!("it takes {}", words.join(", "))) })?;
        let word: StrDeserializer<'_, Wrong> = (*word).into_deserializer();
        visitor.visit_enum(word)
    }

    forward_to_deserialize_any! {
        i128 u128 str string bytes byte_buf unit unit_struct tuple tuple_struct struct identifier ignored_any
    }
}

impl<'de> IntoDeserializer<'de, Wrong> for Text<'_> {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;
    use std::collections::BTreeMap;

    #[derive(Clone, Copy, Debug, PartialEq, Deserialize, schemars::JsonSchema)]
    #[serde(rename_all = "lowercase")]
    enum Mode {
        /// One by one.
        Slow,
        /// All at once.
        Fast,
    }

    #[derive(Clone, Debug, PartialEq, Deserialize, schemars::JsonSchema)]
    #[serde(rename_all = "kebab-case")]
    struct Settings {
        flag: bool,
        small: Option<i8>,
        share: f64,
        name: String,
        mode: Mode,
        #[serde(default)]
        other_mode: Option<Mode>,
        #[serde(default)]
        items: Vec<String>,
        #[serde(default)]
        sizes: Vec<u16>,
        #[serde(default)]
        types: BTreeMap<String, String>,
        #[serde(default = "three")]
        #[schemars(range(min = 1, max = 9))]
        count: u32,
        token: Option<crate::config::Secret>,
    }

    fn three() -> u32 {
        3
    }

    impl crate::Config for Settings {}

    fn check(properties: &[(&str, &str)]) -> (Option<Settings>, Vec<String>) {
        let needed = [("flag", "true"), ("share", "0.5"), ("name", " a b "), ("mode", "slow")];
        let all = needed.iter().chain(properties);
        let properties = all.map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let (settings, problems) = crate::config::check(&properties, &["tasks.max"]);
        (settings, problems.into_iter().map(|(_, text)| text).collect())
    }

    #[test]
    fn texts_become_what_the_fields_want() {
        let (settings, problems) = check(&[
            ("flag", " TRUE "),
            ("small", ""),
            ("mode", "FAST"),
            ("other-mode", "slow"),
            ("items", "a, b,,c "),
            ("sizes", "1,2"),
            ("types", "delay:float64, name : string"),
            ("token", "x"),
        ]);
        assert_eq!(problems, Vec::<String>::new());
        let settings = settings.unwrap();
        assert_eq!((settings.flag, settings.small, settings.mode), (true, None, Mode::Fast));
        assert_eq!((settings.other_mode, settings.count), (Some(Mode::Slow), 3));
        assert_eq!((settings.name.as_str(), settings.items.join("|").as_str()), (" a b ", "a|b|c"));
        assert_eq!(settings.sizes, [1, 2]);
        assert_eq!(settings.types["delay"], "float64");
        assert!(!format!("{settings:?}").contains('x'), "a secret is not shown");
    }

    #[test]
    fn each_problem_names_its_property_and_what_would_be_right() {
        for (name, value, text) in [
            ("flag", "yes", "property `flag` cannot be `yes`: it takes true or false"),
            ("small", "300", "property `small` cannot be `300`: it takes a whole number from -128 to 127"),
            ("share", "much", "property `share` cannot be `much`: it takes a number"),
            ("mode", "quick", "property `mode` cannot be `quick`: it takes slow or fast"),
            ("other-mode", "quick", "property `other-mode` cannot be `quick`: it takes slow or fast"),
            ("sizes", "1,x", "property `sizes` cannot be `1,x`: it takes a whole number from 0"),
            ("count", "0", "property `count` cannot be `0`: it takes a whole number from 1 to 9"),
            ("task.max", "1", "there is no property `task.max`: did you mean `tasks.max`?"),
        ] {
            assert_eq!(check(&[(name, value)]).1, [text]);
        }
        let (_, problems) = check(&[("flag", "no"), ("count", "ten"), ("colour", "red")]);
        assert_eq!(problems.len(), 3, "{problems:?}");
        let (_, problems) = crate::config::check::<Settings>(&BTreeMap::new(), &[]);
        assert_eq!(
            problems.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(),
            ["flag", "share", "name", "mode"]
        );
    }

    #[test]
    fn the_table_for_people_shows_defaults_and_words() {
        let table = crate::config::markdown::<Settings>();
        assert!(table.contains("| `count` | a whole number from 1 to 9 | `3` |"), "{table}");
        assert!(table.contains("| `mode` | slow or fast | (required) |"), "{table}");
    }
}
