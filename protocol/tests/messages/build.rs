//! How the builders of `builders.rs` make single values.
use std::collections::BTreeSet;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use bytes::Bytes;
use courant_protocol::types::TopicId;
use courant_protocol::wire::{Records, Str};
use serde_json::Value;

/// A value that can be built from Kafka's JSON and from random bytes.
pub(crate) trait Build: Sized {
    /// The value that Java's `XxxJsonConverter` wrote.
    fn from_json(json: &Value) -> Self;
    /// A value that `version` can carry.
    fn random(source: &mut Source<'_>, version: i16) -> Self;
}

/// A JSON object of which every field must be asked for.
pub(crate) struct Object<'a> {
    json: &'a Value,
    asked: BTreeSet<&'static str>,
}

impl<'a> Object<'a> {
    pub(crate) fn new(json: &'a Value) -> Self {
        assert!(json.is_object(), "{json} is no object");
        Self { json, asked: BTreeSet::new() }
    }

    /// A field that is not there keeps its default.
    pub(crate) fn field<T: Build>(&mut self, name: &'static str, slot: &mut T) {
        self.asked.insert(name);
        if let Some(value) = self.json.get(name) {
            *slot = T::from_json(value);
        }
    }

    pub(crate) fn end(self) {
        for name in self.json.as_object().into_iter().flat_map(|fields| fields.keys()) {
            assert!(self.asked.contains(name.as_str()), "our table lacks the field {name}");
        }
    }
}

/// Random bytes that values are made of; zeros once they are used up, so that every value ends.
pub(crate) struct Source<'a>(pub(crate) &'a [u8]);

impl Source<'_> {
    fn bytes<const N: usize>(&mut self) -> [u8; N] {
        let mut taken = [0; N];
        let (now, later) = self.0.split_at(N.min(self.0.len()));
        taken[..now.len()].copy_from_slice(now);
        self.0 = later;
        taken
    }

    /// 0 to 3.
    fn few(&mut self) -> usize {
        usize::from(self.bytes::<1>()[0] % 4)
    }
}

macro_rules! numbers {
    ($($type:ident)*) => {$(
        impl Build for $type {
            fn from_json(json: &Value) -> Self {
                json.to_string().parse().unwrap_or_else(|_| panic!("{json} is no {}", stringify!($type)))
            }
            fn random(source: &mut Source<'_>, _version: i16) -> Self {
                Self::from_be_bytes(source.bytes())
            }
        }
    )*};
}

numbers!(i8 i16 u16 i32 u32 i64);

impl Build for f64 {
    fn from_json(json: &Value) -> Self {
        json.as_f64().expect("a number")
    }
    fn random(source: &mut Source<'_>, version: i16) -> Self {
        f64::from(i32::random(source, version)) / 8.0
    }
}

impl Build for bool {
    fn from_json(json: &Value) -> Self {
        json.as_bool().expect("a truth value")
    }
    fn random(source: &mut Source<'_>, _version: i16) -> Self {
        source.bytes::<1>()[0] % 2 == 1
    }
}

impl Build for Str {
    fn from_json(json: &Value) -> Self {
        Str::from(json.as_str().expect("a text"))
    }
    fn random(source: &mut Source<'_>, version: i16) -> Self {
        match u16::random(source, version) {
            long if long % 97 == 0 => Str::from("é".repeat(usize::from(long % 16_000))),
            short => Str::from(char::from_u32(u32::from(short)).map(String::from).unwrap_or_default()),
        }
    }
}

impl Build for Bytes {
    fn from_json(json: &Value) -> Self {
        STANDARD.decode(json.as_str().expect("base64")).expect("base64").into()
    }
    fn random(source: &mut Source<'_>, version: i16) -> Self {
        let byte = source.bytes::<1>()[0];
        vec![byte; usize::from(u16::random(source, version) % 700)].into()
    }
}

impl Build for Records {
    fn from_json(json: &Value) -> Self {
        Records::from(Bytes::from_json(json))
    }
    fn random(source: &mut Source<'_>, version: i16) -> Self {
        (0..source.few()).map(|_| Bytes::random(source, version)).collect()
    }
}

impl Build for TopicId {
    fn from_json(json: &Value) -> Self {
        let bytes = URL_SAFE_NO_PAD.decode(json.as_str().expect("base64")).expect("base64");
        TopicId(bytes.try_into().expect("16 bytes"))
    }
    fn random(source: &mut Source<'_>, _version: i16) -> Self {
        TopicId(source.bytes())
    }
}

impl<T: Build> Build for Option<T> {
    fn from_json(json: &Value) -> Self {
        (!json.is_null()).then(|| T::from_json(json))
    }
    fn random(source: &mut Source<'_>, version: i16) -> Self {
        (source.few() > 0).then(|| T::random(source, version))
    }
}

impl<T: Build> Build for Vec<T> {
    fn from_json(json: &Value) -> Self {
        json.as_array().expect("an array").iter().map(T::from_json).collect()
    }
    fn random(source: &mut Source<'_>, version: i16) -> Self {
        (0..source.few()).map(|_| T::random(source, version)).collect()
    }
}
