//! The JSON converter against Java's: what it reads, and the bytes that it writes.
//!
//! `golden/json-converter/cases.tsv` holds messages and properties, `expected.tsv` what Java's converter of Kafka 4.3.1
//! made of each (`tests/interop/connect/ConnectJson.java`; `cargo xtask interop` runs it again). Where ours refuses what
//! Java accepts in silence, it does so on purpose, in [`Reading::Strict`]; the comparison is made with `reading=java`.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use courant_connect::converter::{Converter, converter};
use courant_connect::data::{Data, Value};
use std::collections::BTreeMap;
use std::sync::Arc;

const CASES: &str = include_str!("golden/json-converter/cases.tsv");
const EXPECTED: &str = include_str!("golden/json-converter/expected.tsv");

fn json(properties: &str) -> Option<Arc<dyn Converter>> {
    let mut map: BTreeMap<String, String> = properties
        .split(';')
        .filter_map(|property| property.split_once('='))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    map.insert("reading".to_owned(), "java".to_owned());
    converter("JsonConverter", &map).ok()
}

fn bytes(text: &str) -> Option<Bytes> {
    (text != "-").then(|| BASE64_STANDARD.decode(text).unwrap().into())
}

/// What ours makes of a case, in the words of the Java program.
fn outcome(read_with: &str, write_with: &str, strip: bool, message: &str) -> (String, String) {
    let error = || "error".to_owned();
    let Some(Ok(read)) = json(read_with).map(|converter| converter.decode("topic", bytes(message))) else {
        return (error(), error());
    };
    let spelt = spell(&read.value);
    let data = Data { schema: read.schema.filter(|_| !strip), value: read.value };
    let written = match json(write_with).unwrap().encode("topic", &data) {
        Ok(None) => "-".to_owned(),
        Ok(Some(bytes)) => BASE64_STANDARD.encode(bytes),
        Err(_) => error(),
    };
    (spelt, written)
}

fn spell(value: &Value) -> String {
    let text = |bytes: &[u8]| BASE64_STANDARD.encode(bytes);
    match value {
        Value::Null => "null".to_owned(),
        Value::Bool(flag) => flag.to_string(),
        Value::I8(number) => format!("i8:{number}"),
        Value::I16(number) => format!("i16:{number}"),
        Value::I32(number) => format!("i32:{number}"),
        Value::I64(number) => format!("i64:{number}"),
        Value::F32(number) => format!("f32:{:x}", number.to_bits()),
        Value::F64(number) => format!("f64:{:x}", number.to_bits()),
        Value::String(content) => format!("s:{}", text(content.as_bytes())),
        Value::Bytes(bytes) => format!("b:{}", text(bytes)),
        Value::Decimal(decimal) => {
            let scale = decimal.scale();
            let unscaled =
                courant_connect::data::Decimal::from_unscaled_bytes(decimal.unscaled_bytes(), 0).unwrap();
            format!("d:{unscaled}/{scale}")
        }
        Value::Date(days) => format!("t:{}", i64::from(*days) * 86_400_000),
        Value::Time(ms) => format!("t:{ms}"),
        Value::Timestamp(ms) => format!("t:{ms}"),
        Value::Array(items) => format!("[{}]", items.iter().map(spell).collect::<Vec<_>>().join(",")),
        Value::Map(entries) => {
            let mut parts: Vec<String> =
                entries.iter().map(|(key, value)| format!("{}={}", spell(key), spell(value))).collect();
            parts.sort();
            format!("{{{}}}", parts.join(","))
        }
        Value::Struct(inner) => {
            let fields = inner.schema().fields().iter().zip(inner.values());
            let parts: Vec<String> = fields
                .map(|(field, value)| format!("{}={}", text(field.name().as_bytes()), spell(value)))
                .collect();
            format!("({})", parts.join(","))
        }
        other => panic!("a value of a new type: {other:?}"),
    }
}

fn shown(text: &str) -> String {
    match BASE64_STANDARD.decode(text) {
        Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
        Err(_) => text.to_owned(),
    }
}

/// Java before 19 sometimes prints more digits of a float than it needs (JDK-4511638): ours is the same number, shorter.
fn same_but_for_digits(ours: &str, java: &str, found: &mut usize) -> bool {
    let split = |text: &str| -> Vec<String> {
        let mut tokens = vec![String::new()];
        let mut in_number = false;
        for c in text.chars() {
            let number = c.is_ascii_digit() || matches!(c, '.' | '-' | 'E');
            if number != in_number {
                tokens.push(String::new());
                in_number = number;
            }
            tokens.last_mut().unwrap().push(c);
        }
        tokens
    };
    let (ours, java) = (split(ours), split(java));
    ours.len() == java.len()
        && ours.iter().zip(&java).all(|(ours, java)| {
            let same_number = || match (ours.parse::<f64>(), java.parse::<f64>()) {
                (Ok(a), Ok(b)) => a == b || a as f32 == b as f32,
                _ => false,
            };
            *found += usize::from(ours != java);
            ours == java || ours.len() < java.len() && same_number()
        })
}

#[test]
fn every_message_is_read_and_written_as_java_does() {
    let (mut differing, mut older_digits) = (Vec::new(), 0);
    assert_eq!(CASES.lines().count(), EXPECTED.lines().count());
    for (case, expected) in CASES.lines().zip(EXPECTED.lines()) {
        let parts: Vec<&str> = case.split('\t').collect();
        let wanted: Vec<&str> = expected.split('\t').collect();
        let ([name, read_with, write_with, strip, message], [_, read, written]) = (&parts[..], &wanted[..])
        else {
            panic!("a broken line: {case}")
        };
        let (spelt, bytes) = outcome(read_with, write_with, *strip == "strip", message);
        let same =
            bytes == *written || same_but_for_digits(&shown(&bytes), &shown(written), &mut older_digits);
        if spelt != *read || !same {
            differing.push(format!(
                "{name} ({read_with}): {}\n  java: {read}\n  ours: {spelt}\n  java: {}\n  ours: {}",
                shown(message),
                shown(written),
                shown(&bytes)
            ));
        }
    }
    assert!(CASES.lines().count() > 1_000);
    assert!(older_digits < 30, "{older_digits} numbers are printed in fewer digits than in Java");
    assert!(differing.is_empty(), "{} differ:\n{}", differing.len(), differing.join("\n"));
}
