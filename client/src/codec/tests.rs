//! Bytes of every codec, beside those of Java's serializers, and what each refuses.
use bytes::{Bytes, BytesMut};

use super::*;

fn bytes_of<T>(codec: impl Codec<T>, value: T) -> Option<Bytes> {
    codec.encode_bytes(&value, &CodecContext::value("t"), &mut BytesMut::new()).unwrap()
}

fn value_of<T>(codec: impl Codec<T>, bytes: &'static [u8]) -> Result<T, CodecError> {
    codec.decode(Bytes::from_static(bytes), &CodecContext::value("t"))
}

#[test]
fn numbers_are_big_endian_as_javas() {
    assert_eq!(bytes_of(I16Be, -2).unwrap(), [0xff, 0xfe][..]);
    assert_eq!(bytes_of(I32Be, 42).unwrap(), [0, 0, 0, 42][..]);
    assert_eq!(bytes_of(I64Be, i64::MIN).unwrap(), [0x80, 0, 0, 0, 0, 0, 0, 0][..]);
    assert_eq!(bytes_of(F32Be, 1.5).unwrap(), [0x3f, 0xc0, 0, 0][..]);
    assert_eq!(bytes_of(F64Be, -2.0).unwrap(), [0xc0, 0, 0, 0, 0, 0, 0, 0][..]);
    assert_eq!(value_of(I64Be, &[0, 0, 0, 0, 0, 0, 1, 0]).unwrap(), 256);
    assert!(value_of(F64Be, &[0x7f, 0xf8, 0, 0, 0, 0, 0, 0]).unwrap().is_nan());
}

#[test]
fn a_number_of_the_wrong_length_is_refused_with_both_lengths() {
    let short = value_of(I64Be, &[0, 0, 0, 1]).unwrap_err();
    assert_eq!(short.kind(), CodecErrorKind::Length);
    assert_eq!(short.to_string(), "I64Be: it takes 8 bytes and there are 4");
    assert_eq!(value_of(I32Be, &[0, 0, 0, 1, 0]).unwrap_err().kind(), CodecErrorKind::Length);
    assert_eq!(value_of(I16Be, &[]).unwrap_err().kind(), CodecErrorKind::Length);
}

#[test]
fn text_is_utf8_and_names_the_byte_where_it_is_not() {
    assert_eq!(bytes_of(Utf8, "grün".to_owned()).unwrap(), "grün".as_bytes());
    assert_eq!(value_of(Utf8, b"").unwrap(), "");
    assert_eq!(&*value_of(SharedUtf8, "日本".as_bytes()).unwrap(), "日本");
    let error = value_of(Utf8, b"ab\xffc").unwrap_err();
    assert_eq!((error.kind(), error.byte(), error.codec()), (CodecErrorKind::Malformed, Some(2), "Utf8"));
    assert!(std::error::Error::source(&error).is_some());
}

#[test]
fn null_is_a_tombstone_and_the_empty_value_is_not() {
    assert_eq!(bytes_of(Nullable(Utf8), None), None);
    assert_eq!(bytes_of(Nullable(Utf8), Some(String::new())), Some(Bytes::new()));
    assert_eq!(bytes_of(Void, ()), None);
    let context = CodecContext::key("orders");
    let error = Utf8.decode_nullable(None, &context).unwrap_err();
    assert_eq!(error.kind(), CodecErrorKind::Null);
    assert_eq!(error.to_string(), "Utf8: the key is null; Nullable takes nulls");
    assert_eq!(Nullable(I32Be).decode_nullable(None, &context).unwrap(), None);
    assert!(Void.decode_nullable(None, &context).is_ok());
    assert_eq!(value_of(Void, b"").unwrap_err().kind(), CodecErrorKind::Value);
}

#[test]
fn raw_bytes_are_shared_and_not_copied() {
    let bytes = Bytes::from(vec![1, 2, 3]);
    let encoded = bytes_of(Raw, bytes.clone()).unwrap();
    assert_eq!(encoded.as_ptr(), bytes.as_ptr());
    let decoded: Bytes = Raw.decode(bytes.clone(), &CodecContext::value("t")).unwrap();
    assert_eq!(decoded.as_ptr(), bytes.as_ptr());
    assert_eq!(value_of(RawVec, b"ab").unwrap(), b"ab");
}

#[test]
fn booleans_are_one_byte_of_two_values() {
    assert_eq!(
        (bytes_of(Bool, true).unwrap(), bytes_of(Bool, false).unwrap()),
        ([1][..].into(), [0][..].into())
    );
    assert_eq!((value_of(Bool, &[1]).unwrap(), value_of(Bool, &[0]).unwrap()), (true, false));
    assert_eq!(
        value_of(Bool, &[2]).unwrap_err().to_string(),
        "Bool: 0x02 is neither 0x00 nor 0x01 (at byte 0)"
    );
    assert_eq!(value_of(Bool, &[0, 1]).unwrap_err().kind(), CodecErrorKind::Length);
}

#[test]
fn uuids_are_text_as_javas() {
    let (text, number) = ("123e4567-e89b-12d3-a456-426614174000", 0x123e4567_e89b_12d3_a456_426614174000);
    assert_eq!(bytes_of(UuidText, number).unwrap(), text);
    assert_eq!(bytes_of(UuidText, 0).unwrap(), "00000000-0000-0000-0000-000000000000");
    assert_eq!(value_of(UuidText, text.as_bytes()).unwrap(), number);
    assert_eq!(value_of(UuidText, b"123E4567-E89B-12D3-A456-426614174000").unwrap(), number);
    assert_eq!(
        value_of(UuidText, b"123e4567-e89b-12d3-a456-42661417400").unwrap_err().kind(),
        CodecErrorKind::Length
    );
    assert_eq!(value_of(UuidText, b"123e4567-e89b-12d3-a456-42661417400g").unwrap_err().byte(), Some(35));
    assert_eq!(value_of(UuidText, b"123e45670e89b-12d3-a456-426614174000").unwrap_err().byte(), Some(8));
}

#[test]
fn what_a_failed_value_left_behind_is_not_seen_by_the_next() {
    #[derive(Clone)]
    struct Halfway;
    impl Codec<bool> for Halfway {
        fn encode(
            &self,
            fail: &bool,
            _: &CodecContext<'_>,
            out: &mut BytesMut,
        ) -> Result<Encoded, CodecError> {
            out.extend_from_slice(b"ab");
            if *fail { Err(CodecError::value(self.name(), "no")) } else { Ok(Encoded::Bytes) }
        }
        fn decode(&self, _: Bytes, _: &CodecContext<'_>) -> Result<bool, CodecError> {
            Ok(false)
        }
    }
    let (mut scratch, context) = (BytesMut::new(), CodecContext::value("t"));
    let error = Halfway.encode_bytes(&true, &context, &mut scratch).unwrap_err();
    assert_eq!(error.codec(), "Halfway");
    assert_eq!(Halfway.encode_bytes(&false, &context, &mut scratch).unwrap().unwrap(), "ab");
}

#[test]
fn a_codec_sees_topic_part_and_headers_with_the_last_of_a_name() {
    let headers =
        [("v".into(), Some(Bytes::from("1"))), ("n".into(), None), ("v".into(), Some(Bytes::from("2")))];
    let context = CodecContext::key("orders").with_headers(&headers[..]);
    assert_eq!((context.topic(), context.is_key(), context.headers().count()), ("orders", true, 3));
    assert_eq!(context.last_header("v"), Some(Some(&b"2"[..])));
    assert_eq!(context.last_header("n"), Some(None));
    assert_eq!(context.last_header("x"), None);
    assert_eq!(context.to_string(), "key of orders");
}

#[cfg(feature = "json")]
mod json {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn json_is_written_without_blanks_and_null_is_text() {
        let map = BTreeMap::from([("b".to_owned(), vec![1, 2]), ("a".to_owned(), vec![])]);
        assert_eq!(bytes_of(Json, map).unwrap(), r#"{"a":[],"b":[1,2]}"#);
        assert_eq!(bytes_of(Json, None::<i32>).unwrap(), "null");
        assert_eq!(bytes_of(Nullable(Json), None::<i32>), None);
    }

    #[test]
    fn json_errors_name_the_byte_across_lines() {
        let error =
            Codec::<Vec<i32>>::decode(&Json, "[1,\n2,\nx]".into(), &CodecContext::value("t")).unwrap_err();
        assert_eq!((error.kind(), error.byte()), (CodecErrorKind::Malformed, Some(8)));
        let error = Codec::<bool>::decode(&Json, "17".into(), &CodecContext::value("t")).unwrap_err();
        assert_eq!(error.kind(), CodecErrorKind::Value);
        assert!(!error.to_string().contains("line"), "{error}");
        let error = Codec::<i32>::decode(&Json, "1 2".into(), &CodecContext::value("t")).unwrap_err();
        assert_eq!(error.kind(), CodecErrorKind::Malformed);
    }

    #[test]
    fn json_that_nests_too_deep_is_an_error() {
        let deep = "[".repeat(100_000);
        let result = Codec::<serde_json::Value>::decode(&Json, deep.into(), &CodecContext::value("t"));
        assert_eq!(result.unwrap_err().kind(), CodecErrorKind::Malformed);
    }
}
