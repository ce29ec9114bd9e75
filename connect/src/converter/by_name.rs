//! Converters by the names that configurations give them.
use std::collections::BTreeMap;
use std::sync::Arc;

use courant_client::config::nearest;

use super::{ByteArrayConverter, Converter, JsonConverter, NumberConverter, StringConverter};
use crate::{Error, Result};

/// Every converter's Java class; its last part is enough.
const CLASSES: [&str; 9] = [
    "org.apache.kafka.connect.json.JsonConverter",
    "org.apache.kafka.connect.storage.StringConverter",
    "org.apache.kafka.connect.converters.ByteArrayConverter",
    "org.apache.kafka.connect.converters.ShortConverter",
    "org.apache.kafka.connect.converters.IntegerConverter",
    "org.apache.kafka.connect.converters.LongConverter",
    "org.apache.kafka.connect.converters.FloatConverter",
    "org.apache.kafka.connect.converters.DoubleConverter",
    "org.apache.kafka.connect.converters.BooleanConverter",
];

/// The properties of the JSON converter. `converter.type` is set by Java's workers and says nothing here.
const JSON_PROPERTIES: [&str; 7] = [
    "schemas.enable",
    "schemas.cache.size",
    "schema.content",
    "decimal.format",
    "replace.null.with.default",
    "reading",
    "converter.type",
];

/// Java's name for the encoding of texts.
const ENCODING: &str = "converter.encoding";

/// The converter of a name, as `key.converter` and `value.converter` give it: a Java class, or its last part alone.
/// `properties` are those of the converter, without the prefix `value.converter.`.
///
/// ```
/// use courant_connect::converter::converter;
/// use std::collections::BTreeMap;
///
/// let plain = BTreeMap::from([("schemas.enable".to_owned(), "false".to_owned())]);
/// let json = converter("org.apache.kafka.connect.json.JsonConverter", &plain)?;
/// assert_eq!(json.class_name(), converter("JsonConverter", &BTreeMap::new())?.class_name());
/// let error = converter("JsonConvertor", &plain).unwrap_err();
/// assert!(error.to_string().ends_with("did you mean `JsonConverter`?"));
/// # Ok::<(), courant_connect::Error>(())
/// ```
///
/// # Errors
/// A [configuration](crate::ErrorKind::Config) error for a name or a property that nobody has, or a wrong value.
pub fn converter(name: &str, properties: &BTreeMap<String, String>) -> Result<Arc<dyn Converter>> {
    let shown = name.trim();
    let short = |class: &'static str| class.rsplit('.').next().unwrap_or(class);
    let Some(class) = CLASSES.into_iter().find(|class| *class == shown || short(class) == shown) else {
        let error = Error::config(format!("there is no converter `{shown}`"));
        let last = shown.rsplit('.').next().unwrap_or(shown);
        return Err(match nearest(last, CLASSES.into_iter().map(short)) {
            Some(near) => error.hinting(format!("did you mean `{near}`?")),
            None => error.hinting(format!("there are {}", CLASSES.map(short).join(", "))),
        });
    };
    let known: &[&str] = match short(class) {
        "JsonConverter" => &JSON_PROPERTIES,
        "StringConverter" => &["converter.type", ENCODING],
        _ => &["converter.type"],
    };
    if let Some(stranger) = properties.keys().find(|property| !known.contains(&property.as_str())) {
        let error = Error::config(format!("{} has no property `{stranger}`", short(class)));
        return Err(match nearest(stranger, known.iter().copied()) {
            Some(near) => error.hinting(format!("did you mean `{near}`?")),
            None => error,
        });
    }
    if let Some(encoding) = properties.get(ENCODING)
        && !["UTF-8", "UTF8"].contains(&encoding.trim().to_ascii_uppercase().as_str())
    {
        return Err(Error::config(format!("property `{ENCODING}` cannot be `{encoding}`: it takes UTF-8")));
    }
    Ok(match short(class) {
        "JsonConverter" => Arc::new(JsonConverter::from_properties(properties)?),
        "StringConverter" => Arc::new(StringConverter),
        "ShortConverter" => Arc::new(NumberConverter::short()),
        "IntegerConverter" => Arc::new(NumberConverter::integer()),
        "LongConverter" => Arc::new(NumberConverter::long()),
        "FloatConverter" => Arc::new(NumberConverter::float()),
        "DoubleConverter" => Arc::new(NumberConverter::double()),
        "BooleanConverter" => Arc::new(NumberConverter::boolean()),
        _ => Arc::new(ByteArrayConverter),
    })
}
