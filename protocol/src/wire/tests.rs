//! Reading and writing single values.
use bytes::{BufMut, Bytes, BytesMut};

use super::{DecodeErrorKind, Reader, Records, Str, Writer};

fn reader(bytes: &[u8]) -> Reader {
    Reader::new(Bytes::copy_from_slice(bytes))
}

fn kind<T: std::fmt::Debug>(result: Result<T, super::DecodeError>) -> DecodeErrorKind {
    result.expect_err("an error").kind()
}

#[test]
fn a_varint_has_at_most_five_bytes_and_32_bits() {
    for value in [0, 1, 127, 128, 16_383, 16_384, 1 << 21, 1 << 28, u32::MAX] {
        let mut writer = Writer::new();
        writer.unsigned_varint(value);
        let bytes = writer.finish().into_bytes();
        assert!(bytes.len() <= 5);
        assert_eq!(Reader::new(bytes).unsigned_varint(), Ok(value));
    }
    assert_eq!(reader(&[0xff, 0xff, 0xff, 0xff, 0x0f]).unsigned_varint(), Ok(u32::MAX));
    for long in
        [&[0xff, 0xff, 0xff, 0xff, 0x1f][..], &[0x80; 5], &[0x80, 0x80, 0x80, 0x80, 0x80, 0x01], &[0xff; 10]]
    {
        assert_eq!(kind(reader(long).unsigned_varint()), DecodeErrorKind::VarintTooLong, "{long:?}");
    }
    assert_eq!(
        kind(reader(&[0x80]).unsigned_varint()),
        DecodeErrorKind::UnexpectedEnd { needed: 1, left: 0 }
    );
}

#[test]
fn a_text_is_checked_for_length_null_and_utf8() {
    assert_eq!(reader(b"\0\x02hi").string(false), Ok(Str::from_static("hi")));
    assert_eq!(reader(b"\x03hi").string(true), Ok(Str::from_static("hi")));
    assert_eq!(reader(b"\xff\xff").nullable_string(false), Ok(None));
    assert_eq!(reader(b"\0").nullable_string(true), Ok(None));
    assert_eq!(kind(reader(b"\xff\xff").string(false)), DecodeErrorKind::UnexpectedNull);
    assert_eq!(kind(reader(b"\xff\xfe").nullable_string(false)), DecodeErrorKind::InvalidLength(-2));
    assert_eq!(kind(reader(b"\0\x02\xc3\x28").string(false)), DecodeErrorKind::InvalidUtf8);
    assert_eq!(
        kind(reader(b"\0\x09hi").string(false)),
        DecodeErrorKind::UnexpectedEnd { needed: 9, left: 2 }
    );
    assert_eq!(kind(reader(&[0x81, 0x80, 0x02]).string(true)), DecodeErrorKind::InvalidLength(32_768));
}

#[test]
fn text_and_bytes_are_slices_of_the_frame() {
    let frame = Bytes::from(b"\0\0\0\x04abcd\0\x01x".to_vec());
    let mut reader = Reader::new(frame.clone());
    let bytes = reader.bytes(false).expect("bytes");
    assert_eq!(bytes.as_ptr(), frame[4..].as_ptr());
    assert_eq!(reader.string(false).expect("text").into_bytes().as_ptr(), frame[10..].as_ptr());
}

#[test]
fn an_array_must_fit_into_the_rest_of_the_frame() {
    let mut long = reader(&[0, 0, 0, 3, 0, 0, 0, 1, 0, 0, 0, 2]);
    assert_eq!(
        kind(long.array(false, 4, 0, |r, _| r.i32())),
        DecodeErrorKind::ArrayTooLong { elements: 3, left: 8 }
    );
    let mut whole = reader(&[0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0, 2]);
    assert_eq!(whole.array(false, 4, 0, |r, _| r.i32()), Ok(vec![1, 2]));
    assert_eq!(
        kind(reader(&[0xff, 0xff, 0xff, 0xfe]).nullable_array(false, 1, 0, |r, _| r.i8())),
        DecodeErrorKind::InvalidLength(-2)
    );
}

#[test]
fn arrays_together_must_fit_into_the_budget() {
    // A thousand bytes may become 40 times as much, and 32 KiB; these elements would take 512 bytes each.
    let mut frame = vec![0, 0, 3, 0xe8];
    frame.resize(1_004, 1);
    let error = kind(reader(&frame).array(false, 1, 0, |r, _| r.i8().map(|_| [0_u64; 64])));
    assert_eq!(error, DecodeErrorKind::OverBudget { budget: 1_004 * 40 + 32 * 1_024 });
    assert_eq!(
        reader(&frame).array(false, 1, 0, |r, _| r.i8().map(|_| [0_u64; 4])).expect("an array").len(),
        1_000
    );
}

#[test]
fn long_records_are_shared_and_short_ones_copied() {
    let header = Bytes::from(vec![1_u8; 61]);
    let body = Bytes::from(vec![2_u8; 5_000]);
    let records: Records = [header, body.clone()].into_iter().collect();
    let mut writer = Writer::sized(64);
    writer.records(Some(&records), false).expect("records");
    writer.i32(7);
    let frame = writer.finish_sized().expect("a frame");
    assert_eq!(frame.segments().len(), 3);
    assert_eq!(frame.segments()[1].as_ptr(), body.as_ptr());
    let mut expected = BytesMut::new();
    expected.put_i32(4 + 5_061 + 4);
    expected.put_i32(5_061);
    records.segments().for_each(|segment| expected.put_slice(segment));
    expected.put_i32(7);
    assert_eq!((frame.len(), frame.into_bytes()), (expected.len(), expected.freeze()));
}

#[test]
fn a_nullable_struct_has_a_byte_in_front() {
    let mut writer = Writer::new();
    writer
        .nullable_struct(Some(&5), 0, |x, w, _| {
            w.i16(*x);
            Ok(())
        })
        .expect("a struct");
    writer
        .nullable_struct(None::<&i16>, 0, |x, w, _| {
            w.i16(*x);
            Ok(())
        })
        .expect("null");
    let bytes = writer.finish().into_bytes();
    assert_eq!(&*bytes, [1, 0, 5, 0xff]);
    let mut reader = Reader::new(bytes);
    assert_eq!(reader.nullable_struct(0, |r, _| r.i16()), Ok(Some(5)));
    assert_eq!(reader.nullable_struct(0, |r, _| r.i16()), Ok(None));
}

#[test]
fn a_text_too_long_for_its_length_field_is_refused() {
    let long = "x".repeat(32_768);
    assert!(Writer::new().string(&long, true).is_err());
    assert!(Writer::new().string(&long[1..], false).is_ok());
}
