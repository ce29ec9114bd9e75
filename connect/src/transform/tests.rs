//! Each named transform on records with a schema, without one, and without a value.
use super::*;
use crate::data::{Data, Decimal, Schema, Struct, Value};
use crate::{ConnectRecord, Flow, Result};
use courant_protocol::types::{Offset, PartitionId, UnixMillis};
use std::collections::BTreeMap;

fn properties(text: &str) -> BTreeMap<String, String> {
    text.split(';')
        .filter_map(|pair| pair.split_once('='))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}

fn made(name: &str, text: &str) -> Box<dyn Transform> {
    transform(name, &properties(text)).unwrap()
}

fn record(value: Data) -> ConnectRecord {
    let mut record = ConnectRecord::to("orders");
    record.partition = Some(PartitionId(3));
    record.offset = Some(Offset(7));
    record.timestamp = Some(UnixMillis(1_359_864_306_007));
    record.key = Data::from("k");
    record.value = value;
    record
}

/// `{id: 7, name: "Ada", note: null with the default "n", inner: {x: 1.5}}`, with a schema.
fn person() -> Data {
    let note = Schema::string().optional().with_default("n").unwrap();
    let inner = Schema::structure([("x", Schema::float64())]).unwrap().optional().shared();
    let fields = [
        ("id", Schema::int32().shared()),
        ("name", Schema::string().shared()),
        ("note", note.shared()),
        ("inner", std::sync::Arc::clone(&inner)),
    ];
    let schema = Schema::structure(fields).unwrap().named("person").version(2).shared();
    let inner = Struct::new(&inner).unwrap().with("x", 1.5).unwrap();
    let person = Struct::new(&schema).unwrap().with("id", 7).unwrap().with("name", "Ada").unwrap();
    Data::from(person.with("inner", inner).unwrap())
}

/// The same without a schema, and without the note.
fn map() -> Data {
    let inner = Value::map([("x", Value::from(1.5))]);
    Data::schemaless(Value::map([("id", Value::from(7)), ("name", Value::from("Ada")), ("inner", inner)]))
}

fn apply(transform: &mut dyn Transform, value: Data) -> Result<ConnectRecord> {
    match transform.apply(record(value))? {
        Flow::Keep(record) => {
            record.value.clone().validated()?;
            record.key.clone().validated()?;
            Ok(record)
        }
        other => panic!("{other:?}"),
    }
}

fn shown(data: &Data) -> String {
    data.value.to_text().unwrap()
}

// tidy: one table
#[test]
fn each_transform_changes_values_with_and_without_a_schema() {
    for (name, text, with_schema, without) in [
        (
            "InsertField$Value",
            "topic.field=t;offset.field=o!",
            "Struct{id=7,name=Ada,note=n,inner=Struct{x=1.5},t=orders,o=7}",
            "{id=7, name=Ada, inner={x=1.5}, t=orders, o=7}",
        ),
        (
            "InsertField$Value",
            "static.field=s;static.value=v;partition.field=p?",
            "Struct{id=7,name=Ada,note=n,inner=Struct{x=1.5},p=3,s=v}",
            "{id=7, name=Ada, inner={x=1.5}, p=3, s=v}",
        ),
        (
            "InsertField$Value",
            "timestamp.field=at;replace.null.with.default=false",
            "Struct{id=7,name=Ada,inner=Struct{x=1.5},at=2013-02-03T04:05:06.007Z}",
            "{id=7, name=Ada, inner={x=1.5}, at=1359864306007}",
        ),
        (
            "ReplaceField$Value",
            "exclude=name,note;renames=id:number",
            "Struct{number=7,inner=Struct{x=1.5}}",
            "{number=7, inner={x=1.5}}",
        ),
        ("ReplaceField$Value", "include=id,name;exclude=name", "Struct{id=7}", "{id=7}"),
        (
            "MaskField$Value",
            "fields=id,name",
            "Struct{id=0,name=,note=n,inner=Struct{x=1.5}}",
            "{id=0, name=, inner={x=1.5}}",
        ),
        (
            "MaskField$Value",
            "fields=name;replacement=***",
            "Struct{id=7,name=***,note=n,inner=Struct{x=1.5}}",
            "{id=7, name=***, inner={x=1.5}}",
        ),
        ("ExtractField$Value", "field=name", "Ada", "Ada"),
        ("ExtractField$Value", "field=inner.x;field.syntax.version=v2", "1.5", "1.5"),
        (
            "HoistField$Value",
            "field=all",
            "Struct{all=Struct{id=7,name=Ada,inner=Struct{x=1.5}}}",
            "{all={id=7, name=Ada, inner={x=1.5}}}",
        ),
        (
            "Flatten$Value",
            "delimiter=_",
            "Struct{id=7,name=Ada,note=n,inner_x=1.5}",
            "{id=7, name=Ada, inner_x=1.5}",
        ),
        (
            "Cast$Value",
            "spec=id:int8,name:string",
            "Struct{id=7,name=Ada,note=n,inner=Struct{x=1.5}}",
            "{id=7, name=Ada, inner={x=1.5}}",
        ),
        (
            "HeaderFrom$Value",
            "fields=name;headers=h;operation=move",
            "Struct{id=7,note=n,inner=Struct{x=1.5}}",
            "{id=7, inner={x=1.5}}",
        ),
    ] {
        let mut transform = made(&format!("org.apache.kafka.connect.transforms.{name}"), text);
        for _ in 0..2 {
            assert_eq!(shown(&apply(&mut *transform, person()).unwrap().value), with_schema, "{name} {text}");
        }
        assert_eq!(shown(&apply(&mut *transform, map()).unwrap().value), without, "{name} {text}");
    }
}

#[test]
fn a_deletion_passes_every_transform_of_values() {
    for (name, text) in [
        ("InsertField$Value", "topic.field=t"),
        ("ReplaceField$Value", "exclude=id"),
        ("MaskField$Value", "fields=id"),
        ("ExtractField$Value", "field=id"),
        ("Flatten$Value", ""),
        ("Cast$Value", "spec=id:int8"),
        ("HeaderFrom$Value", "fields=id;headers=h;operation=copy"),
        ("ValueToKey", "fields=id"),
        ("SetSchemaMetadata$Value", "schema.name=n"),
    ] {
        let kept = apply(&mut *made(name, text), Data::NULL).unwrap();
        assert_eq!(kept, record(Data::NULL), "{name}");
    }
    assert_eq!(
        shown(&apply(&mut *made("HoistField$Value", "field=f"), Data::NULL).unwrap().value),
        "{f=null}"
    );
}

#[test]
fn a_key_is_made_of_fields_of_the_value() {
    let mut to_key = made("ValueToKey", "fields=name,note");
    let key = apply(&mut *to_key, person()).unwrap().key;
    assert_eq!(shown(&key), "Struct{name=Ada,note=n}");
    assert_eq!(shown(&apply(&mut *to_key, map()).unwrap().key), "{name=Ada, note=null}");
    let mut then = made("ExtractField$Key", "field=name");
    let mut keyed = record(Data::NULL);
    keyed.key = key;
    let Flow::Keep(keyed) = then.apply(keyed).unwrap() else { panic!("not kept") };
    assert_eq!(keyed.key, Data::from("Ada"));
    let error = apply(&mut *made("ValueToKey", "fields=nme"), person()).unwrap_err();
    assert!(error.to_string().contains("`nme`"), "{error}");
}

#[test]
fn a_cast_keeps_optional_and_default_and_refuses_what_has_no_place() {
    let schema = Schema::int64().optional().with_default(5_i64).unwrap().shared();
    let mut cast = made("Cast$Value", "spec=int8");
    let small = apply(&mut *cast, Data::new(std::sync::Arc::clone(&schema), 12_i64)).unwrap().value;
    assert_eq!(small.value, Value::I8(12));
    assert_eq!(*small.schema.unwrap(), Schema::int8().optional().with_default(5_i8).unwrap());
    let error = apply(&mut *cast, Data::new(std::sync::Arc::clone(&schema), 300_i64)).unwrap_err();
    assert!(error.to_string().contains("300"), "{error}");
    let mut wrap = made("Cast$Value", "spec=int8;overflow=wrap");
    assert_eq!(apply(&mut *wrap, Data::new(schema, 300_i64)).unwrap().value.value, Value::I8(44));
    for (value, to, cast) in [
        (Value::from("-5"), "int16", Value::I16(-5)),
        (Value::from("1.5"), "float32", Value::F32(1.5)),
        (Value::from("TRUE"), "boolean", Value::Bool(true)),
        (Value::from(1.9), "int32", Value::I32(1)),
        (Value::from(true), "int64", Value::I64(1)),
        (Value::from(1e10), "string", Value::from("1.0E10")),
        (Value::from(vec![1_u8, 2, 3]), "string", Value::from("AQID")),
        (Value::Timestamp(5), "int64", Value::I64(5)),
        (Value::Date(0), "string", Value::from("1970-01-01")),
        (Value::Decimal(Decimal::new(1230, 2)), "float64", Value::F64(12.3)),
    ] {
        let mut transform = made("Cast$Value", &format!("spec={to}"));
        assert_eq!(apply(&mut *transform, Data::schemaless(value)).unwrap().value.value, cast, "{to}");
    }
    for (value, to) in
        [(Value::from("x"), "int8"), (Value::from("yes"), "boolean"), (Value::from(1e300), "int64")]
    {
        apply(&mut *made("Cast$Value", &format!("spec={to}")), Data::schemaless(value)).unwrap_err();
    }
}

#[test]
fn inner_fields_are_optional_and_default_as_the_structs_around_them() {
    let flat = apply(&mut *made("Flatten$Value", ""), person()).unwrap().value;
    let schema = flat.schema.unwrap();
    assert!(schema.field("inner.x").unwrap().1.schema().is_optional());
    assert_eq!((schema.name(), schema.schema_version()), (Some("person"), Some(2)));
}

#[test]
fn headers_are_made_dropped_and_taken_from_fields() {
    let from = apply(&mut *made("HeaderFrom$Value", "fields=name,note;headers=a,b;operation=copy"), person())
        .unwrap();
    let shown: Vec<_> = from.headers.iter().map(|(name, data)| (name.as_str(), shown(data))).collect();
    assert_eq!(shown, [("a", "Ada".to_owned()), ("b", "n".to_owned())]);
    assert_eq!(from.value.value.field("name"), Some(&Value::from("Ada")));
    let Flow::Keep(more) = made("InsertHeader", "header=a;value.literal=x").apply(from).unwrap() else {
        panic!()
    };
    assert_eq!(more.headers.len(), 3);
    let Flow::Keep(fewer) = made("DropHeaders", "headers=a").apply(more).unwrap() else { panic!() };
    assert_eq!(fewer.headers.len(), 1);
}

#[test]
fn a_record_is_routed_by_its_time_in_utc() {
    let routed = apply(&mut *made("TimestampRouter", ""), Data::NULL).unwrap();
    assert_eq!(&*routed.topic, "orders-20130203");
    let routed =
        apply(&mut *made("TimestampRouter", "topic.format=a.${timestamp};timestamp.format=HH"), Data::NULL);
    assert_eq!(&*routed.unwrap().topic, "a.04");
    let mut timeless = record(Data::NULL);
    timeless.timestamp = None;
    made("TimestampRouter", "").apply(timeless).unwrap_err();
}

#[test]
fn a_predicate_says_to_which_records_a_transform_is_applied() {
    let predicates = |alias: &str| match alias {
        "mine" => Some(properties(
            "type=org.apache.kafka.connect.transforms.predicates.TopicNameMatches;pattern=ord.*",
        )),
        "gone" => Some(properties("type=RecordIsTombstone")),
        "marked" => Some(properties("type=HasHeaderKey;name=h")),
        _ => None,
    };
    let drops = |text: &str| {
        let mut filter = described("drop", properties(&format!("type=Filter;{text}")), predicates).unwrap();
        filter.apply(record(Data::NULL)).unwrap() == Flow::Drop
    };
    assert!(
        drops("")
            && drops("predicate=mine")
            && drops("predicate=gone")
            && drops("predicate=marked;negate=true")
    );
    assert!(!drops("predicate=marked") && !drops("predicate=mine;negate=true"));
}

#[test]
fn what_is_wrong_with_a_description_names_alias_property_and_fix() {
    for (text, wanted) in [
        ("fields=a", "property `transforms.t.type` is missing"),
        ("type=MaskField$Value", "property `fields` is missing"),
        ("type=MaskField$Value;fields=a;replacemnt=x", "did you mean `replacement`?"),
        ("type=MaskField;fields=a", "`MaskField$Key` or `MaskField$Value`"),
        ("type=Filter;predicate=p", "names `p`, which `predicates` does not"),
        ("type=Filter;negate=maybe", "`transforms.t.negate` cannot be `maybe`"),
        ("type=Cast$Value;spec=id:int128", "`int128` is not a type"),
        ("type=HeaderFrom$Key;fields=a,b;headers=h;operation=move", "names 1 headers for the 2 fields"),
        ("type=HeaderFrom$Key;fields=a;headers=h;operation=take", "it takes move or copy"),
        ("type=TimestampRouter;timestamp.format=EEE", "`timestamp.format`: the letter `E`"),
    ] {
        let error = described("t", properties(text), |_| None).err().unwrap();
        assert_eq!(error.kind(), crate::ErrorKind::Config);
        assert!(error.to_string().contains(wanted), "{text}: {error}");
    }
}
