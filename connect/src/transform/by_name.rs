//! Transforms and predicates by the names that configurations give them.
use std::collections::BTreeMap;

use courant_client::config::nearest;

use super::{
    Cast, DropHeaders, ExtractField, Filter, Flatten, HasHeaderKey, HeaderFrom, HoistField, InsertField,
    InsertHeader, MaskField, Part, Predicate, RecordIsTombstone, RegexRouter, ReplaceField,
    SetSchemaMetadata, TimestampRouter, TopicNameMatches, Transform, ValueToKey, When,
};
use crate::{Config, Error, Result, config};

/// Transforms that have a variant for the key and one for the value.
const OF_A_PART: [&str; 9] = [
    "Cast",
    "ExtractField",
    "Flatten",
    "HeaderFrom",
    "HoistField",
    "InsertField",
    "MaskField",
    "ReplaceField",
    "SetSchemaMetadata",
];
/// Those that have none.
const OF_THE_WHOLE: [&str; 6] =
    ["DropHeaders", "Filter", "InsertHeader", "RegexRouter", "TimestampRouter", "ValueToKey"];
/// The predicates.
const PREDICATES: [&str; 3] = ["HasHeaderKey", "RecordIsTombstone", "TopicNameMatches"];
/// The packages of Java's classes.
const PACKAGES: [&str; 2] =
    ["org.apache.kafka.connect.transforms.predicates.", "org.apache.kafka.connect.transforms."];

/// Properties by name.
type Properties = BTreeMap<String, String>;

/// The transform of a name: a Java class such as `org.apache.kafka.connect.transforms.MaskField$Value`, or its last part.
/// `properties` are those of the transform, without the prefix `transforms.mask.`.
///
/// ```
/// use courant_connect::transform::transform;
/// use courant_connect::{ConnectRecord, Flow};
///
/// let properties = [("regex", "raw-(.*)"), ("replacement", "$1")].map(|(n, v)| (n.to_owned(), v.to_owned())).into();
/// let mut router = transform("org.apache.kafka.connect.transforms.RegexRouter", &properties)?;
/// let Flow::Keep(record) = router.apply(ConnectRecord::to("raw-orders"))? else { panic!("dropped") };
/// assert_eq!(&*record.topic, "orders");
/// assert!(transform("MaskFeld$Value", &properties).err().unwrap().to_string().ends_with("did you mean `MaskField`?"));
/// # Ok::<(), courant_connect::Error>(())
/// ```
///
/// # Errors
/// A [configuration](crate::ErrorKind::Config) error for a name or a property that there is not, or a wrong value.
pub fn transform(name: &str, properties: &Properties) -> Result<Box<dyn Transform>> {
    let short = short_name(name);
    let (base, part) = match short.split_once('$') {
        Some((base, "Key")) => (base, Some(Part::Key)),
        Some((base, "Value")) => (base, Some(Part::Value)),
        Some(_) => return Err(unknown("transform", short, OF_A_PART.into_iter().chain(OF_THE_WHOLE))),
        None => (short, None),
    };
    match part {
        Some(part) if OF_A_PART.contains(&base) => of_part(base, part, properties),
        None if OF_A_PART.contains(&base) => Err(Error::config(format!(
            "`{base}` is for the key or the value: write `{base}$Key` or `{base}$Value`"
        ))),
        None if OF_THE_WHOLE.contains(&base) => of_whole(base, properties),
        _ => Err(unknown("transform", base, OF_A_PART.into_iter().chain(OF_THE_WHOLE))),
    }
}

fn of_part(base: &str, part: Part, properties: &Properties) -> Result<Box<dyn Transform>> {
    Ok(match base {
        "Cast" => Box::new(Cast::new(part, &read(properties)?)?),
        "ExtractField" => Box::new(ExtractField::new(part, &read(properties)?)?),
        "Flatten" => Box::new(Flatten::new(part, read(properties)?)),
        "HeaderFrom" => Box::new(HeaderFrom::new(part, read(properties)?)?),
        "HoistField" => Box::new(HoistField::new(part, read(properties)?)),
        "InsertField" => Box::new(InsertField::new(part, read(properties)?)?),
        "MaskField" => Box::new(MaskField::new(part, read(properties)?)),
        "ReplaceField" => Box::new(ReplaceField::new(part, read(properties)?)),
        _ => Box::new(SetSchemaMetadata::new(part, read(properties)?)),
    })
}

fn of_whole(base: &str, properties: &Properties) -> Result<Box<dyn Transform>> {
    Ok(match base {
        "DropHeaders" => Box::new(DropHeaders::new(read(properties)?)),
        "InsertHeader" => Box::new(InsertHeader::new(read(properties)?)),
        "RegexRouter" => Box::new(RegexRouter::new(&read(properties)?)?),
        "TimestampRouter" => Box::new(TimestampRouter::new(read(properties)?)?),
        "ValueToKey" => Box::new(ValueToKey::new(read(properties)?)),
        _ => {
            read::<super::NoConfig>(properties)?;
            Box::new(Filter)
        }
    })
}

/// The predicate of a name, in the same way.
///
/// # Errors
/// As [`transform`].
pub fn predicate(name: &str, properties: &Properties) -> Result<Box<dyn Predicate>> {
    Ok(match short_name(name) {
        "TopicNameMatches" => Box::new(TopicNameMatches::new(&read(properties)?)?),
        "HasHeaderKey" => {
            Box::new(HasHeaderKey(read::<super::predicate::HasHeaderKeyConfig>(properties)?.name))
        }
        "RecordIsTombstone" => {
            read::<super::NoConfig>(properties)?;
            Box::new(RecordIsTombstone)
        }
        other => return Err(unknown("predicate", other, PREDICATES.into_iter())),
    })
}

/// The transform that a connector's properties describe under an alias: its `type`, its own properties, and with
/// `predicate` and `negate` where it is applied. `predicates` gives the properties of a predicate by its alias.
///
/// # Errors
/// As [`transform`]; the error names the alias.
pub(crate) fn described(
    alias: &str,
    mut own: Properties,
    predicates: impl Fn(&str) -> Option<Properties>,
) -> Result<Box<dyn Transform>> {
    let within = |kind: &str, alias: &str, error: Error| {
        Error::config(format!("{kind} `{alias}` cannot be used")).because(error)
    };
    let missing = |kind: &str, alias: &str| {
        Error::config(format!("property `{kind}.{alias}.type` is missing: a class"))
    };
    let kind = own.remove("type").ok_or_else(|| missing("transforms", alias))?;
    let condition = own.remove("predicate");
    let negate = own.remove("negate").unwrap_or_default();
    let negate = match negate.trim().to_ascii_lowercase().as_str() {
        "" | "false" => false,
        "true" => true,
        _ => {
            let name = format!("transforms.{alias}.negate");
            return Err(Error::config(format!(
                "property `{name}` cannot be `{negate}`: it takes true or false"
            )));
        }
    };
    let transform = transform(&kind, &own).map_err(|error| within("transform", alias, error))?;
    let Some(condition) = condition else {
        return Ok(transform);
    };
    let mut properties = predicates(&condition).ok_or_else(|| {
        let text = format!(
            "property `transforms.{alias}.predicate` names `{condition}`, which `predicates` does not"
        );
        Error::config(text)
    })?;
    let kind = properties.remove("type").ok_or_else(|| missing("predicates", &condition))?;
    let predicate = predicate(&kind, &properties).map_err(|error| within("predicate", &condition, error))?;
    Ok(Box::new(When::boxed(predicate, transform, negate)))
}

fn read<C: Config>(properties: &Properties) -> Result<C> {
    config::read(properties, &["type", "predicate", "negate"])
}

fn short_name(name: &str) -> &str {
    let name = name.trim();
    PACKAGES.iter().find_map(|package| name.strip_prefix(package)).unwrap_or(name)
}

fn unknown(what: &str, name: &str, known: impl Iterator<Item = &'static str> + Clone) -> Error {
    let error = Error::config(format!("there is no {what} `{name}`"));
    match nearest(name.split('$').next().unwrap_or(name), known.clone()) {
        Some(near) => error.hinting(format!("did you mean `{near}`?")),
        None => error.hinting(format!("there are {}", known.collect::<Vec<_>>().join(", "))),
    }
}
