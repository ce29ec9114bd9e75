//! Everything that a reader of frames does with bytes from a peer.
//!
//! The fuzz targets run it on what the fuzzer makes up; a test of the crate runs it on the corpus. A message that
//! can be read can be written, and what was written reads as the same message.
use bytes::Bytes;
use courant_protocol::api::ApiKey;
use courant_protocol::frame;
use courant_protocol::messages::{AnyRequest, AnyResponse};
use courant_protocol::wire::{DecodeError, DecodeErrorKind, EncodeError, Reader, Writer};

/// Reads `bytes` as a request frame without its size, and says whether it is one.
pub(crate) fn run_request(bytes: &[u8]) -> bool {
    let mut reader = Reader::new(Bytes::copy_from_slice(bytes));
    let Ok(header) = frame::decode_request_header(&mut reader) else { return false };
    let Ok(key) = ApiKey::try_from(header.api_key) else { return false };
    let version = header.api_version;
    let Ok(request) = AnyRequest::decode(key, version, &mut reader) else { return false };
    let written = write(|writer| request.encode(writer, version));
    match AnyRequest::decode(key, version, &mut Reader::new(written.clone())) {
        Ok(again) => assert_eq!(write(|writer| again.encode(writer, version)), written),
        Err(error) => assert_over_budget(error),
    }
    true
}

/// Reads the API key and the version from the first four bytes of `bytes` and a response frame without its size
/// from the rest, and says whether it is one.
pub(crate) fn run_response(bytes: &[u8]) -> bool {
    let mut reader = Reader::new(Bytes::copy_from_slice(bytes));
    let (Ok(key), Ok(version)) = (reader.i16(), reader.i16()) else { return false };
    let Ok(key) = ApiKey::try_from(key) else { return false };
    if frame::decode_response_header(&mut reader, key, version).is_err() {
        return false;
    }
    let Ok(response) = AnyResponse::decode(key, version, &mut reader) else { return false };
    let written = write(|writer| response.encode(writer, version));
    match AnyResponse::decode(key, version, &mut Reader::new(written.clone())) {
        Ok(again) => assert_eq!(write(|writer| again.encode(writer, version)), written),
        Err(error) => assert_over_budget(error),
    }
    true
}

fn write(message: impl FnOnce(&mut Writer) -> Result<(), EncodeError>) -> Bytes {
    let mut writer = Writer::new();
    let outcome = message(&mut writer);
    assert_eq!(outcome, Ok(()), "what was read cannot be written");
    writer.finish().into_bytes()
}

/// Without its unknown tagged fields a frame is shorter, and so is what its message may take.
fn assert_over_budget(error: DecodeError) {
    assert!(
        matches!(error.kind(), DecodeErrorKind::OverBudget { .. }),
        "what was written cannot be read: {error}"
    );
}
