//! Codecs beside Java's serializers: the same bytes for the same values, and the same values back.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]
use std::fmt::Debug;

use bytes::{Bytes, BytesMut};
use courant_client::codec::{
    Bool, Codec, CodecContext, F32Be, F64Be, I16Be, I32Be, I64Be, Nullable, Raw, RawVec, SharedUtf8, Utf8,
    UuidText, Void,
};

const GOLDEN: &str = include_str!("golden/codecs.tsv");

fn unhex(hex: &str) -> Bytes {
    let digits: Vec<u8> = hex.chars().map(|digit| digit.to_digit(16).unwrap().try_into().unwrap()).collect();
    digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect()
}

/// Writes and reads one value; `sameness` is what of a value is compared, as not every number equals itself.
fn judge<T, S: PartialEq + Debug>(codec: impl Codec<T>, value: T, hex: &str, sameness: impl Fn(&T) -> S) {
    let expected = (hex != "null").then(|| unhex(hex));
    let context = CodecContext::value("t");
    let encoded = codec.encode_bytes(&value, &context, &mut BytesMut::new()).unwrap();
    assert_eq!(encoded, expected, "{} writes {:?}", codec.name(), sameness(&value));
    let decoded = codec.decode_nullable(expected, &context).unwrap();
    assert_eq!(sameness(&decoded), sameness(&value), "{} reads {hex}", codec.name());
}

#[test]
fn every_value_of_javas_serializers_is_written_and_read_alike() {
    let mut judged = 0;
    for line in GOLDEN.lines().filter(|line| !line.starts_with('#')) {
        let [codec, value, hex] = line.split('\t').collect::<Vec<_>>()[..] else {
            panic!("three columns: {line}")
        };
        let text = |hex| String::from_utf8(unhex(hex).to_vec()).unwrap();
        match codec {
            "I16Be" => judge(I16Be, value.parse().unwrap(), hex, |v: &i16| *v),
            "I32Be" => judge(I32Be, value.parse().unwrap(), hex, |v: &i32| *v),
            "I64Be" => judge(I64Be, value.parse().unwrap(), hex, |v: &i64| *v),
            "F32Be" => {
                judge(F32Be, f32::from_bits(u32::from_str_radix(value, 16).unwrap()), hex, |v| v.to_bits());
            }
            "F64Be" => {
                judge(F64Be, f64::from_bits(u64::from_str_radix(value, 16).unwrap()), hex, |v| v.to_bits());
            }
            "Bool" => judge(Bool, value.parse().unwrap(), hex, |v: &bool| *v),
            "Utf8" => {
                judge(Utf8, text(value), hex, String::clone);
                judge(SharedUtf8, text(value).into(), hex, |v| v.to_string());
            }
            "UuidText" => judge(UuidText, u128::from_str_radix(value, 16).unwrap(), hex, |v| *v),
            "Raw" => {
                judge(Raw, unhex(value), hex, Bytes::clone);
                judge(RawVec, unhex(value).into(), hex, Vec::clone);
            }
            "Void" => judge(Void, (), hex, |()| ()),
            "Nullable(I64Be)" => judge(Nullable(I64Be), None, hex, |v| *v),
            "Nullable(Utf8)" => judge(Nullable(Utf8), None, hex, Option::clone),
            "Nullable(UuidText)" => judge(Nullable(UuidText), None, hex, |v| *v),
            other => panic!("no codec {other}"),
        }
        judged += 1;
    }
    assert_eq!(judged, 53);
}
