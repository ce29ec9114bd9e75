//! What the JSON converter does that Java's golden bytes do not show.
use super::*;
use crate::converter::Converter;
use crate::data::{Data, Decimal, Schema, Struct, Value};
use bytes::Bytes;
use proptest::prelude::*;
use std::sync::Arc;

fn plain() -> JsonConverter {
    JsonConverter::new().schemas_enable(false)
}

fn bytes(text: &str) -> Option<Bytes> {
    Some(Bytes::copy_from_slice(text.as_bytes()))
}

#[test]
fn null_without_a_schema_is_a_tombstone_and_with_one_is_not() {
    let nothing = Data::NULL;
    let typed = Data::new(Schema::string().optional(), Value::Null);
    assert_eq!(plain().encode("t", &nothing).unwrap(), None);
    assert_eq!(plain().encode("t", &typed).unwrap(), bytes("null"));
    assert_eq!(JsonConverter::new().encode("t", &nothing).unwrap(), None);
    assert_eq!(
        JsonConverter::new().encode("t", &typed).unwrap(),
        bytes(r#"{"schema":{"type":"string","optional":true},"payload":null}"#)
    );
    for nothing in [None, bytes(""), bytes("null")] {
        assert_eq!(plain().decode("t", nothing).unwrap(), Data::NULL);
    }
    JsonConverter::new().decode("t", bytes("")).unwrap_err();
}

#[test]
fn a_default_stands_in_for_null_unless_told_otherwise() {
    let schema = Schema::string().optional().with_default("dd").unwrap();
    let row = Schema::structure([("s", schema)]).unwrap().shared();
    let data = Data::from(Struct::new(&row).unwrap());
    let kept = plain().replace_null_with_default(false);
    assert_eq!(plain().encode("t", &data).unwrap(), bytes(r#"{"s":"dd"}"#));
    assert_eq!(kept.encode("t", &data).unwrap(), bytes(r#"{"s":null}"#));
}

#[test]
fn a_value_that_does_not_fit_its_schema_is_an_error_and_by_request_what_java_makes_of_it() {
    for (schema, payload, java) in [
        ("int8", "300", Value::I8(44)),
        ("int32", "\"12\"", Value::I32(0)),
        ("int32", "1.9", Value::I32(1)),
        ("int64", "12345678901234567890123", Value::I64(4807115922877859019)),
        ("boolean", "1", Value::Bool(false)),
    ] {
        let message =
            bytes(&format!(r#"{{"schema":{{"type":"{schema}","optional":true}},"payload":{payload}}}"#));
        let error = JsonConverter::new().decode("t", message.clone()).unwrap_err();
        assert!(error.kind() == crate::ErrorKind::Data, "{schema} {payload}: {error}");
        let read = JsonConverter::new().reading(Reading::Java).decode("t", message).unwrap();
        assert_eq!(read.value, java, "{schema} {payload}");
    }
    let junk = bytes("1 and more");
    plain().decode("t", junk.clone()).unwrap_err();
    assert_eq!(plain().reading(Reading::Java).decode("t", junk).unwrap().value, Value::I64(1));
}

#[test]
fn a_mix_up_of_converters_names_the_setting_to_change() {
    let error = JsonConverter::new().decode("t", bytes(r#"{"id":7}"#)).unwrap_err();
    assert!(error.to_string().contains("schemas.enable=false"), "{error}");
    let error = plain().decode("t", Some(Bytes::from_static(&[0, 0, 0, 0, 1, 2]))).unwrap_err();
    assert!(error.to_string().contains("schema registry"), "{error}");
}

#[test]
fn an_error_names_the_field() {
    let message = r#"{"schema":{"type":"struct","fields":[{"type":"array","items":{"type":"int32"},"field":"a"}]},"payload":{"a":[1,null]}}"#;
    let error = JsonConverter::new().decode("t", bytes(message)).unwrap_err();
    assert!(error.to_string().starts_with("field `a.[1]`: null"), "{error}");
}

#[test]
fn a_number_keeps_its_value_under_the_scale_of_its_schema_or_is_refused() {
    let decimal = |payload: &str| {
        let schema =
            r#"{"type":"bytes","name":"org.apache.kafka.connect.data.Decimal","parameters":{"scale":"2"}}"#;
        JsonConverter::new().decode("t", bytes(&format!(r#"{{"schema":{schema},"payload":{payload}}}"#)))
    };
    assert_eq!(decimal("12.3").unwrap().value, Value::Decimal(Decimal::new(1230, 2)));
    assert_eq!(decimal("\"BM4=\"").unwrap().value, Value::Decimal(Decimal::new(1230, 2)));
    decimal("12.345").unwrap_err();
}

#[test]
fn deep_and_broken_json_is_an_error() {
    for text in ["[".repeat(100_000), "{\"a\":".repeat(5_000), "\"\\ud800\"".to_owned(), "01".to_owned()] {
        plain().decode("t", bytes(&text)).unwrap_err();
    }
}

#[test]
fn a_schema_that_changed_in_one_word_is_written_anew() {
    let converter = JsonConverter::new();
    let text = |doc: &str| converter.encode("t", &Data::new(Schema::int8().doc(doc), 1_i8)).unwrap().unwrap();
    assert_ne!(text("one"), text("two"));
    assert_eq!(text("one"), text("one"));
}

/// Schemas of all types, two levels deep, with a value that each describes.
fn described() -> impl Strategy<Value = (Schema, Value)> {
    let leaf = prop_oneof![
        any::<i8>().prop_map(|v| (Schema::int8(), v.into())),
        any::<i16>().prop_map(|v| (Schema::int16(), v.into())),
        any::<i32>().prop_map(|v| (Schema::int32(), v.into())),
        any::<i64>().prop_map(|v| (Schema::int64(), v.into())),
        any::<u32>().prop_map(|v| (Schema::float32(), f32::from_bits(v).into())),
        any::<u64>().prop_map(|v| (Schema::float64(), f64::from_bits(v).into())),
        any::<bool>().prop_map(|v| (Schema::boolean(), v.into())),
        any::<String>().prop_map(|v| (Schema::string(), v.into())),
        prop::collection::vec(any::<u8>(), 0..9).prop_map(|v| (Schema::bytes(), v.into())),
        (any::<i128>(), -9..9).prop_map(|(v, scale)| (Schema::decimal(scale), Decimal::new(v, scale).into())),
        any::<i32>().prop_map(|v| (Schema::date(), Value::Date(v))),
        (0..=86_400_000).prop_map(|v| (Schema::time(), Value::Time(v))),
        any::<i64>().prop_map(|v| (Schema::timestamp(), Value::Timestamp(v))),
    ];
    let with_null = (leaf, any::<bool>(), any::<bool>()).prop_map(|((schema, value), optional, null)| {
        let schema = if optional { schema.optional() } else { schema };
        (schema, if optional && null { Value::Null } else { value })
    });
    with_null.prop_recursive(2, 12, 4, |inner| {
        prop_oneof![
            inner.clone().prop_map(|(schema, value)| (
                Schema::array(schema),
                Value::Array(vec![value.clone(), value])
            )),
            (any::<String>(), inner.clone()).prop_map(|(key, (schema, value))| {
                (Schema::map(Schema::string(), schema), Value::map([(key, value)]))
            }),
            (any::<i32>(), inner.clone()).prop_map(|(key, (schema, value))| {
                (Schema::map(Schema::int32(), schema), Value::Map(vec![(key.into(), value)]))
            }),
            prop::collection::vec(inner, 0..4).prop_map(|fields| {
                let (schemas, values): (Vec<_>, Vec<_>) = fields.into_iter().unzip();
                let named = schemas.into_iter().enumerate().map(|(at, schema)| (format!("f{at}"), schema));
                let schema = Schema::structure(named).unwrap().shared();
                let value = Struct::from_values(&schema, values);
                ((*schema).clone(), value.into())
            }),
        ]
    })
}

proptest! {
    #[test]
    fn data_with_a_schema_comes_back_whole((schema, value) in described(), numeric: bool, doc in any::<Option<String>>()) {
        let format = if numeric { DecimalFormat::Numeric } else { DecimalFormat::Base64 };
        let converter = JsonConverter::new().decimal_format(format);
        let schema = match doc { Some(doc) => schema.doc(doc), None => schema };
        // A struct carries the schema that it is described by.
        let value = match value {
            Value::Struct(inner) => {
                let shared = Arc::new(schema.clone());
                Value::Struct(Struct::from_values(&shared, inner.into_values()))
            }
            other => other,
        };
        let data = Data::new(schema, value).validated().unwrap();
        let bytes = converter.encode("t", &data).unwrap();
        prop_assert_eq!(converter.decode("t", bytes).unwrap(), data);
    }

    #[test]
    fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = plain().decode("t", Some(Bytes::from(bytes.clone())));
        let _ = JsonConverter::new().reading(Reading::Java).decode("t", Some(Bytes::from(bytes)));
    }
}
