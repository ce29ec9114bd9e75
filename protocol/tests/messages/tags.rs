//! Tagged fields (KIP-482): unknown ones are skipped, known ones stay within their declared size.
use bytes::Bytes;
use courant_protocol::api::Message;
use courant_protocol::messages::{AnyRequest, AnyResponse, FetchRequest};
use courant_protocol::wire::{DecodeErrorKind, Reader, Writer};

use crate::golden;

#[test]
fn unknown_tagged_fields_in_every_struct_change_nothing() {
    let tagged = golden::read("sweep").into_iter().filter(|golden| golden.case() == "unknown-tags");
    let mut frames = 0;
    for golden in tagged {
        let mut reader = Reader::new(golden.body());
        let mut writer = Writer::new();
        if golden.request {
            let message = AnyRequest::decode(golden.key, golden.version, &mut reader)
                .expect("unknown tags are skipped");
            message.encode(&mut writer, golden.version).expect("a request");
        } else {
            let message = AnyResponse::decode(golden.key, golden.version, &mut reader)
                .expect("unknown tags are skipped");
            message.encode(&mut writer, golden.version).expect("a response");
        }
        assert_eq!(reader.remaining(), 0);
        assert!(writer.finish().len() < golden.body().len());
        frames += 1;
    }
    assert_eq!(frames, 402);
}

#[test]
fn bytes_after_a_message_are_left_alone() {
    for golden in golden::read("sweep") {
        let longer: Bytes = golden.body().iter().copied().chain([0xca, 0xfe, 0x00]).collect();
        let mut reader = Reader::new(longer);
        if golden.request {
            AnyRequest::decode(golden.key, golden.version, &mut reader).expect("a request");
        } else {
            AnyResponse::decode(golden.key, golden.version, &mut reader).expect("a response");
        }
        assert_eq!(reader.remaining(), 3, "{} v{}", golden.key, golden.version);
    }
}

/// A Fetch request of version 18 that is empty but for its one tagged field, the cluster id.
fn fetch_with_cluster_id(declared: u8, value: &[u8]) -> Bytes {
    let mut writer = Writer::new();
    FetchRequest::default().encode(&mut writer, 18).expect("a request");
    let mut bytes = writer.finish().into_bytes().to_vec();
    assert_eq!(bytes.pop(), Some(0), "no tagged field is set");
    bytes.extend([1, 0, declared]);
    bytes.extend(value);
    bytes.into()
}

fn decode_fetch(bytes: Bytes) -> Result<FetchRequest, DecodeErrorKind> {
    FetchRequest::decode(&mut Reader::new(bytes), 18).map_err(|error| error.kind())
}

#[test]
fn a_known_tagged_field_of_its_own_size_is_read() {
    let request = decode_fetch(fetch_with_cluster_id(4, b"\x04abc")).expect("a request");
    assert_eq!(request.cluster_id.as_deref(), Some("abc"));
}

#[test]
fn a_known_tagged_field_cannot_read_past_its_declared_size() {
    // Three bytes declared, four needed: the fourth belongs to whatever comes next.
    let error = decode_fetch(fetch_with_cluster_id(3, b"\x04abc")).expect_err("too short");
    assert_eq!(error, DecodeErrorKind::UnexpectedEnd { needed: 3, left: 2 });
}

#[test]
fn a_known_tagged_field_must_use_up_its_declared_size() {
    let error = decode_fetch(fetch_with_cluster_id(6, b"\x04abc\0\0")).expect_err("too long");
    assert_eq!(error, DecodeErrorKind::TagSize { tag: 0, declared: 6, read: 4 });
}

#[test]
fn a_tagged_field_larger_than_its_frame_is_refused() {
    let error = decode_fetch(fetch_with_cluster_id(100, b"\x04abc")).expect_err("too large");
    assert_eq!(error, DecodeErrorKind::UnexpectedEnd { needed: 100, left: 4 });
    let unknown = [1, 0xc8, 0x01, 0xff, 0xff, 0xff, 0xff, 0x0f];
    let mut reader = Reader::new(Bytes::copy_from_slice(&unknown));
    assert!(reader.skip_tags().is_err());
}

#[test]
fn four_billion_tagged_fields_end_with_the_frame() {
    let mut reader = Reader::new(Bytes::from_static(&[0xff, 0xff, 0xff, 0xff, 0x0f, 5, 0, 6, 0]));
    assert_eq!(
        reader.skip_tags().map_err(|error| error.kind()),
        Err(DecodeErrorKind::UnexpectedEnd { needed: 1, left: 0 })
    );
}
