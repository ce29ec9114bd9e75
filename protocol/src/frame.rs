//! Whole frames: four bytes of size, a header, a message.
//!
//! | part | request | response |
//! |---|---|---|
//! | size, not counting itself | `i32` | `i32` |
//! | API key, version | `i16`, `i16` | |
//! | correlation id | `i32` | `i32` |
//! | client id | nullable string with a two-byte length, header version 1 and 2 | |
//! | tagged fields | header version 2 | header version 1 |
use bytes::Bytes;
use thiserror::Error;

use crate::api::{ApiKey, Message, Request};
use crate::error_code::ErrorCode;
use crate::wire::{DecodeError, EncodeError, Frame, Reader, Str, Writer};

/// What stands before the message of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestHeader {
    /// The API, as the client says it; [`ApiKey::try_from`] knows whether there is such a one.
    pub api_key: i16,
    /// The version of the message.
    pub api_version: i16,
    /// What the response repeats.
    pub correlation_id: i32,
    /// What the client calls itself.
    pub client_id: Option<Str>,
}

/// A whole request, size in front.
///
/// # Errors
/// The message cannot be written in this version.
pub fn encode_request<R: Request>(
    request: &R,
    version: i16,
    correlation_id: i32,
    client_id: Option<&str>,
) -> Result<Frame, EncodeError> {
    encode_request_with(R::KEY, version, correlation_id, client_id, |writer| request.encode(writer, version))
}

/// A whole request, size in front, whose message `body` writes.
///
/// # Errors
/// What `body` fails with.
pub fn encode_request_with(
    key: ApiKey,
    version: i16,
    correlation_id: i32,
    client_id: Option<&str>,
    body: impl FnOnce(&mut Writer) -> Result<(), EncodeError>,
) -> Result<Frame, EncodeError> {
    let mut writer = Writer::sized(FIRST_ROOM_BYTES);
    let header_version = key.request_header_version(version);
    writer.i16(key.into());
    writer.i16(version);
    writer.i32(correlation_id);
    if header_version >= 1 {
        // The client id stayed as it was in header version 2, so that a broker can read it in any (KIP-482).
        match client_id {
            Some(client_id) => writer.string(client_id, false)?,
            None => writer.i16(-1),
        }
    }
    if header_version >= 2 {
        writer.unsigned_varint(0);
    }
    body(&mut writer)?;
    writer.finish_sized()
}

/// Reads the header of a request; what follows in `reader` is the message.
///
/// # Errors
/// The bytes are no header. An unknown API key is no error: its header is read up to the client id.
pub fn decode_request_header(reader: &mut Reader) -> Result<RequestHeader, DecodeError> {
    let api_key = reader.i16()?;
    let api_version = reader.i16()?;
    let correlation_id = reader.i32()?;
    let header_version = ApiKey::try_from(api_key).map_or(1, |key| key.request_header_version(api_version));
    let client_id = if header_version >= 1 { reader.nullable_string(false)? } else { None };
    if header_version >= 2 {
        reader.skip_tags()?;
    }
    Ok(RequestHeader { api_key, api_version, correlation_id, client_id })
}

/// A whole response, size in front.
///
/// # Errors
/// The message cannot be written in this version.
pub fn encode_response<M: Message>(
    key: ApiKey,
    version: i16,
    correlation_id: i32,
    response: &M,
) -> Result<Frame, EncodeError> {
    encode_response_with(key, version, correlation_id, |writer| response.encode(writer, version))
}

/// A whole response, size in front, whose message `body` writes.
///
/// # Errors
/// What `body` fails with.
pub fn encode_response_with(
    key: ApiKey,
    version: i16,
    correlation_id: i32,
    body: impl FnOnce(&mut Writer) -> Result<(), EncodeError>,
) -> Result<Frame, EncodeError> {
    let mut writer = Writer::sized(FIRST_ROOM_BYTES);
    writer.i32(correlation_id);
    if key.response_header_version(version) >= 1 {
        writer.unsigned_varint(0);
    }
    body(&mut writer)?;
    writer.finish_sized()
}

/// Reads the header of a response and gives its correlation id; what follows in `reader` is the message.
///
/// # Errors
/// The bytes are no header.
pub fn decode_response_header(reader: &mut Reader, key: ApiKey, version: i16) -> Result<i32, DecodeError> {
    let correlation_id = reader.i32()?;
    if key.response_header_version(version) >= 1 {
        reader.skip_tags()?;
    }
    Ok(correlation_id)
}

/// Reads a response without its size; gives the correlation id and the message.
///
/// A broker that does not know our version of ApiVersions answers in version 0 with UNSUPPORTED_VERSION
/// (KIP-511); such an answer is read as the version that it is in.
///
/// # Errors
/// The bytes are no such response.
pub fn decode_response<R: Request>(frame: Bytes, version: i16) -> Result<(i32, R::Response), DecodeError> {
    let mut reader = Reader::new(frame);
    let correlation_id = decode_response_header(&mut reader, R::KEY, version)?;
    let version = body_version(&reader, R::KEY, version);
    Ok((correlation_id, R::Response::decode(&mut reader, version)?))
}

/// The version that the message of a response is in, given the one that was asked for.
pub(crate) fn body_version(reader: &Reader, key: ApiKey, asked: i16) -> i16 {
    let refused = reader.peek_i16() == Some(ErrorCode::UNSUPPORTED_VERSION.0);
    if key == ApiKey::ApiVersions && refused { 0 } else { asked }
}

/// The four bytes in front of a frame do not announce one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum FrameError {
    /// The frame is larger than the limit of the side that reads it.
    #[error("a frame of {size_bytes} bytes is over the limit of {max_bytes}")]
    TooLarge {
        /// Bytes announced.
        size_bytes: usize,
        /// Bytes allowed.
        max_bytes: usize,
    },
    /// The size is below zero.
    #[error("a frame of {0} bytes cannot be")]
    Negative(i32),
    /// The peer speaks HTTP.
    #[error("the peer speaks HTTP, not Kafka's protocol")]
    Http,
    /// The peer speaks TLS: we came in plain text to a TLS port, or the other way round.
    #[error("the peer speaks TLS where plain text was expected")]
    Tls,
}

/// Reads the size in front of a frame and holds it against the limit.
///
/// What an HTTP or a TLS peer sends first would be a size of over a gigabyte (0x48545450) or of 352 MiB
/// (0x15030300): it is told apart before the limit is, so that the error names the real fault.
///
/// # Errors
/// See [`FrameError`].
pub fn read_size(prefix: [u8; 4], max_bytes: usize) -> Result<usize, FrameError> {
    let size = i32::from_be_bytes(prefix);
    let within = usize::try_from(size).ok().filter(|size| *size <= max_bytes);
    match (within, prefix) {
        (Some(size), _) => Ok(size),
        (None, [0x15 | 0x16, 0x03, _, _]) => Err(FrameError::Tls),
        (None, prefix) if HTTP_OPENINGS.contains(&&prefix) => Err(FrameError::Http),
        (None, _) if size < 0 => Err(FrameError::Negative(size)),
        (None, _) => Err(FrameError::TooLarge { size_bytes: size.unsigned_abs() as usize, max_bytes }),
    }
}

/// How an HTTP response or request begins.
const HTTP_OPENINGS: [&[u8; 4]; 8] = [b"HTTP", b"GET ", b"POST", b"HEAD", b"PUT ", b"OPTI", b"DELE", b"CONN"];

/// Room for most requests without records.
const FIRST_ROOM_BYTES: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::messages::{ApiVersionsRequest, FetchRequest, ProduceRequest};
    use crate::wire::DecodeErrorKind;

    #[test]
    fn a_request_has_its_size_header_and_message() {
        let request = ApiVersionsRequest {
            client_software_name: Str::from_static("courant"),
            client_software_version: Str::from_static("0.1"),
            ..Default::default()
        };
        let frame = encode_request(&request, 3, 9, Some("me")).expect("a request").into_bytes();
        assert_eq!(&*frame, b"\0\0\0\x1a\0\x12\0\x03\0\0\0\x09\0\x02me\0\x08courant\x040.1\0");
        let mut reader = Reader::new(frame.slice(4..));
        let header = decode_request_header(&mut reader).expect("a header");
        assert_eq!((header.api_key, header.api_version, header.correlation_id), (18, 3, 9));
        assert_eq!(ApiVersionsRequest::decode(&mut reader, 3), Ok(request));
    }

    #[test]
    fn a_version_beyond_our_tables_is_refused() {
        let error = encode_request(&ProduceRequest::default(), 14, 1, None).expect_err("an error");
        assert_eq!(error, EncodeError::UnsupportedVersion { message: "ProduceRequest", version: 14 });
        let mut reader = Reader::new(Bytes::from_static(&[0; 64]));
        let error = FetchRequest::decode(&mut reader, 19).expect_err("an error");
        assert_eq!(
            error.kind(),
            DecodeErrorKind::UnsupportedVersion { message: "FetchRequest", version: 19 }
        );
    }

    #[test]
    fn a_field_that_the_version_cannot_carry_is_refused_unless_it_may_be_dropped() {
        let request = FetchRequest { rack_id: Str::from_static("a"), ..Default::default() };
        assert!(encode_request(&request, 4, 1, None).is_ok());
        let request = FetchRequest { forgotten_topics_data: vec![Default::default()], ..Default::default() };
        let error = encode_request(&request, 6, 1, None).expect_err("an error");
        assert_eq!(error, EncodeError::UnsupportedField { field: "ForgottenTopicsData", version: 6 });
    }

    #[test]
    fn sizes_name_what_the_peer_speaks() {
        assert_eq!(read_size(*b"\0\0\0\x10", 100), Ok(16));
        assert_eq!(
            read_size(*b"\0\0\x01\0", 100),
            Err(FrameError::TooLarge { size_bytes: 256, max_bytes: 100 })
        );
        assert_eq!(read_size([0xff; 4], 100), Err(FrameError::Negative(-1)));
        assert_eq!(read_size(*b"HTTP", 1 << 20), Err(FrameError::Http));
        assert_eq!(read_size(*b"GET ", 1 << 20), Err(FrameError::Http));
        assert_eq!(read_size([0x15, 3, 3, 0], 1 << 20), Err(FrameError::Tls));
        assert_eq!(read_size([0x16, 3, 1, 2], 1 << 20), Err(FrameError::Tls));
    }

    #[test]
    fn any_refusal_of_api_versions_is_read_as_version_0() {
        // Correlation id, error 35, one API: the whole of version 0, where version 4 would want a compact array.
        let frame = Bytes::from_static(b"\0\0\0\x05\0\x23\0\0\0\x01\0\x12\0\0\0\x03");
        let (correlation_id, response) = decode_response::<ApiVersionsRequest>(frame, 4).expect("a response");
        assert_eq!((correlation_id, response.error_code, response.api_keys.len()), (5, 35, 1));
        assert_eq!(response.api_keys.first().map(|api| api.max_version), Some(3));
    }
}
