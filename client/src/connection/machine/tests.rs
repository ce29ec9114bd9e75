//! The connection machine, fed by hand with exact time.
use std::io::IoSlice;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use courant_protocol::api::{ApiKey, Message, Request};
use courant_protocol::error_code::ErrorCode;
use courant_protocol::frame::{decode_request_header, encode_response};
use courant_protocol::messages::api_versions::ApiVersion;
use courant_protocol::messages::{
    ApiVersionsRequest, ApiVersionsResponse, FindCoordinatorRequest, FindCoordinatorResponse,
    MetadataRequest, MetadataResponse, SaslAuthenticateRequest, SaslAuthenticateResponse,
    SaslHandshakeResponse,
};
use courant_protocol::wire::{Reader, Str};

use super::connection::{ClosedBy, Connection, ConnectionOptions};
use super::handshake::Plain;
use crate::error::{Error, ErrorKind};

const SECOND: Duration = Duration::from_secs(1);

/// A connection together with the broker's end of it.
struct Wire {
    now: Instant,
    connection: Connection,
    sent: BytesMut,
}

/// A request as the broker reads it.
struct Sent {
    api: i16,
    version: i16,
    correlation: i32,
    body: Reader,
}

impl Wire {
    fn open(plain: Option<Plain>) -> Self {
        let now = Instant::now();
        let max_idle = Some(SECOND * 540);
        let client_id = Some("test".to_owned());
        let options = Arc::new(ConnectionOptions { client_id, plain, max_frame_bytes: 1 << 20, max_idle });
        let connection = Connection::open(now, now + SECOND * 10, "mock-1:9092".into(), options).unwrap();
        Self { now, connection, sent: BytesMut::new() }
    }

    fn ready() -> Self {
        let mut wire = Self::open(None);
        wire.negotiate();
        wire
    }

    /// Lets the client write everything that it wants to, `step` bytes at a time.
    fn write_in_steps(&mut self, step: usize) {
        while self.connection.wants_write(self.now) {
            let mut slices = [IoSlice::new(&[]); 8];
            let count = self.connection.gather(self.now, &mut slices);
            assert_ne!(count, 0, "something to write is offered");
            let joined: Vec<u8> = slices[..count].iter().flat_map(|slice| slice.to_vec()).collect();
            let taken = joined.len().min(step);
            self.sent.extend_from_slice(&joined[..taken]);
            self.connection.handle_written(taken);
        }
    }

    fn next_sent(&mut self) -> Option<Sent> {
        self.write_in_steps(usize::MAX);
        let size = u32::from_be_bytes(*self.sent.first_chunk::<4>()?) as usize;
        let frame = self.sent.split_to(size + 4).split_off(4).freeze();
        let mut body = Reader::new(frame);
        let header = decode_request_header(&mut body).unwrap();
        assert_eq!(header.client_id.as_deref(), Some("test"));
        let (version, correlation) = (header.api_version, header.correlation_id);
        Some(Sent { api: header.api_key, version, correlation, body })
    }

    fn answer<M: Message>(
        &mut self,
        api: ApiKey,
        version: i16,
        correlation: i32,
        response: &M,
    ) -> Result<Option<(i32, Bytes)>, Error> {
        let frame = encode_response(api, version, correlation, response).unwrap().into_bytes().split_off(4);
        self.connection.handle_frame(self.now, frame)
    }

    fn negotiate(&mut self) {
        let sent = self.next_sent().unwrap();
        assert_eq!(sent.api, i16::from(ApiKey::ApiVersions));
        self.answer(ApiKey::ApiVersions, sent.version, sent.correlation, &versions(&[])).unwrap();
    }

    fn send_metadata(&mut self, deadline: Instant) -> i32 {
        let version = self.connection.versions().unwrap().version_for::<MetadataRequest>().unwrap();
        self.connection.send(self.now, &MetadataRequest::default(), version, deadline, true).unwrap()
    }

    fn fail(&mut self) -> Error {
        match self.connection.handle_timeout(self.now) {
            Err(ClosedBy::Failure(error)) => error,
            other => panic!("{other:?}"),
        }
    }
}

fn versions(other: &[(ApiKey, i16, i16)]) -> ApiVersionsResponse {
    let usual = [
        (ApiKey::Metadata, 0, 13),
        (ApiKey::FindCoordinator, 0, 6),
        (ApiKey::SaslHandshake, 0, 1),
        (ApiKey::SaslAuthenticate, 0, 2),
    ];
    let api = |(key, min_version, max_version): &(ApiKey, i16, i16)| ApiVersion {
        api_key: i16::from(*key),
        min_version: *min_version,
        max_version: *max_version,
    };
    let kept = usual.iter().filter(|(key, ..)| !other.iter().any(|(o, ..)| o == key));
    ApiVersionsResponse { api_keys: kept.chain(other).map(api).collect(), ..Default::default() }
}

fn plain() -> Option<Plain> {
    Some(Plain { username: "alice".into(), password: "secret".into() })
}

#[test]
fn negotiation_begins_with_the_highest_version_and_ends_ready() {
    let mut wire = Wire::open(None);
    let mut sent = wire.next_sent().unwrap();
    assert_eq!((sent.api, sent.version), (18, ApiVersionsRequest::VERSIONS.max));
    let request = ApiVersionsRequest::decode(&mut sent.body, sent.version).unwrap();
    assert_eq!(&*request.client_software_name, "courant");
    assert!(wire.connection.versions().is_none());
    wire.answer(ApiKey::ApiVersions, sent.version, sent.correlation, &versions(&[])).unwrap();
    let versions = wire.connection.versions().unwrap();
    assert_eq!(versions.max(ApiKey::Metadata), Some(13));
    assert_eq!(versions.version_up_to::<MetadataRequest>(9).unwrap(), 9);
}

/// Trap 48: the refusal is in version 0 whatever was asked, and its header is always version 0 (KIP-511).
#[test]
fn a_broker_that_refuses_the_version_is_asked_again_in_one_that_it_lists() {
    let mut wire = Wire::open(None);
    let sent = wire.next_sent().unwrap();
    let mut refusal = versions(&[(ApiKey::ApiVersions, 0, 2)]);
    refusal.error_code = ErrorCode::UNSUPPORTED_VERSION.0;
    wire.answer(ApiKey::ApiVersions, 0, sent.correlation, &refusal).unwrap();
    let again = wire.next_sent().expect("asked again");
    assert_eq!((again.api, again.version), (18, 2));
    wire.answer(ApiKey::ApiVersions, 2, again.correlation, &versions(&[])).unwrap();
    assert!(wire.connection.versions().is_some());
}

#[test]
fn a_broker_that_refuses_and_lists_nothing_is_asked_in_version_0() {
    let mut wire = Wire::open(None);
    let sent = wire.next_sent().unwrap();
    let refusal = ApiVersionsResponse { error_code: ErrorCode::UNSUPPORTED_VERSION.0, ..Default::default() };
    wire.answer(ApiKey::ApiVersions, 0, sent.correlation, &refusal).unwrap();
    let again = wire.next_sent().unwrap();
    assert_eq!(again.version, 0);
    let error = wire.answer(ApiKey::ApiVersions, 0, again.correlation, &refusal).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::UnsupportedVersion);
}

#[test]
fn plain_sends_its_token_after_the_mechanism_was_taken() {
    let mut wire = Wire::open(plain());
    wire.negotiate();
    let sent = wire.next_sent().unwrap();
    assert_eq!((sent.api, sent.version), (17, 1));
    let taken = SaslHandshakeResponse { mechanisms: vec!["PLAIN".into()], ..Default::default() };
    wire.answer(ApiKey::SaslHandshake, 1, sent.correlation, &taken).unwrap();
    let mut sent = wire.next_sent().unwrap();
    assert_eq!((sent.api, sent.version), (36, 2));
    let token = SaslAuthenticateRequest::decode(&mut sent.body, 2).unwrap().auth_bytes;
    assert_eq!(&token[..], b"\0alice\0secret");
    assert!(wire.connection.versions().is_none(), "not ready before the broker has agreed");
    wire.answer(ApiKey::SaslAuthenticate, 2, sent.correlation, &SaslAuthenticateResponse::default()).unwrap();
    assert!(wire.connection.versions().is_some());
}

#[test]
fn refused_credentials_are_not_retriable_and_carry_the_brokers_words_but_no_secret() {
    let mut wire = Wire::open(plain());
    wire.negotiate();
    let sent = wire.next_sent().unwrap();
    wire.answer(ApiKey::SaslHandshake, 1, sent.correlation, &SaslHandshakeResponse::default()).unwrap();
    let sent = wire.next_sent().unwrap();
    let refused = SaslAuthenticateResponse {
        error_code: ErrorCode::SASL_AUTHENTICATION_FAILED.0,
        error_message: Some(Str::from("Authentication failed: Invalid username or password")),
        ..Default::default()
    };
    let error = wire.answer(ApiKey::SaslAuthenticate, 2, sent.correlation, &refused).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Authentication);
    assert!(!error.is_retriable() && error.is_fatal());
    let text = format!("{error} {:?}", wire.connection);
    assert!(text.contains("Invalid username or password") && !text.contains("secret"), "{text}");
}

#[test]
fn a_mechanism_that_is_not_taken_names_those_that_are() {
    let mut wire = Wire::open(plain());
    wire.negotiate();
    let sent = wire.next_sent().unwrap();
    let refused = SaslHandshakeResponse {
        error_code: ErrorCode::UNSUPPORTED_SASL_MECHANISM.0,
        mechanisms: vec!["SCRAM-SHA-256".into(), "SCRAM-SHA-512".into()],
    };
    let error = wire.answer(ApiKey::SaslHandshake, 1, sent.correlation, &refused).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Authentication);
    assert!(error.to_string().contains("the broker offers SCRAM-SHA-256, SCRAM-SHA-512"), "{error}");
}

#[test]
fn requests_are_pipelined_and_answered_in_order_whatever_a_write_takes() {
    for step in [1, 7, usize::MAX] {
        let mut wire = Wire::ready();
        let deadline = wire.now + SECOND * 30;
        let ids = [wire.send_metadata(deadline), wire.send_metadata(deadline)];
        wire.write_in_steps(step);
        assert_eq!(wire.connection.in_flight(), 2);
        for id in ids {
            assert_eq!(wire.next_sent().unwrap().correlation, id);
        }
        for id in ids {
            let answer = wire.answer(ApiKey::Metadata, 13, id, &MetadataResponse::default()).unwrap();
            assert_eq!(answer.unwrap().0, id);
        }
        assert_eq!(wire.connection.in_flight(), 0);
    }
}

#[test]
fn an_answer_to_another_request_than_the_oldest_ends_the_connection() {
    let mut wire = Wire::ready();
    let deadline = wire.now + SECOND * 30;
    let first = wire.send_metadata(deadline);
    let second = wire.send_metadata(deadline);
    wire.write_in_steps(usize::MAX);
    let error = wire.answer(ApiKey::Metadata, 13, second, &MetadataResponse::default()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Protocol);
    assert!(error.possibly_written());
    assert!(error.to_string().contains(&format!("where id {first} was due")), "{error}");
}

#[test]
fn an_answer_before_its_request_was_written_ends_the_connection() {
    let mut wire = Wire::ready();
    let id = wire.send_metadata(wire.now + SECOND);
    let error = wire.answer(ApiKey::Metadata, 13, id, &MetadataResponse::default()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Protocol);
}

#[test]
fn a_request_that_runs_out_of_time_ends_the_connection_and_says_whether_it_left() {
    for written in [false, true] {
        let mut wire = Wire::ready();
        let id = wire.send_metadata(wire.now + SECOND * 30);
        if written {
            wire.write_in_steps(usize::MAX);
        }
        assert_eq!(wire.connection.was_written(id), written);
        assert_eq!(wire.connection.next_timeout(), Some(wire.now + SECOND * 30));
        wire.now += SECOND * 30 - Duration::from_nanos(1);
        wire.connection.handle_timeout(wire.now).unwrap();
        wire.now += Duration::from_nanos(1);
        let error = wire.fail();
        assert_eq!((error.kind(), error.possibly_written()), (ErrorKind::Timeout, written));
        assert!(error.to_string().contains("no answer to Metadata"), "{error}");
    }
}

#[test]
fn setting_up_has_one_deadline_for_all_its_steps() {
    let mut wire = Wire::open(plain());
    wire.now += SECOND * 9;
    wire.negotiate();
    assert_eq!(wire.connection.next_timeout(), Some(wire.now + SECOND));
    wire.now += SECOND;
    let error = wire.fail();
    assert_eq!((error.kind(), error.possibly_written()), (ErrorKind::Timeout, false));
}

/// Trap 49: the broker that asks for silence gets it, on this connection, for as long as it asks.
#[test]
fn a_throttled_connection_writes_nothing_until_the_time_is_over() {
    let mut wire = Wire::ready();
    let deadline = wire.now + SECOND * 30;
    let id = wire.send_metadata(deadline);
    wire.write_in_steps(usize::MAX);
    let throttled = MetadataResponse { throttle_time_ms: 5_000, ..Default::default() };
    wire.answer(ApiKey::Metadata, 13, id, &throttled).unwrap();
    assert_eq!(wire.connection.muted_until(), Some(wire.now + SECOND * 5));
    wire.send_metadata(deadline);
    assert!(!wire.connection.wants_write(wire.now));
    assert_eq!(wire.connection.next_timeout(), Some(wire.now + SECOND * 5));
    wire.now += SECOND * 5;
    wire.connection.handle_timeout(wire.now).unwrap();
    assert!(wire.connection.wants_write(wire.now));
    assert_eq!(wire.connection.next_timeout(), Some(deadline));
}

#[test]
fn a_request_that_is_half_written_when_the_throttle_comes_is_finished_first() {
    let mut wire = Wire::ready();
    let deadline = wire.now + SECOND * 30;
    wire.send_metadata(deadline);
    wire.send_metadata(deadline);
    wire.connection.handle_written(3);
    wire.connection.note_throttle(wire.now, SECOND);
    wire.write_in_steps(5);
    let whole = wire.sent.len() + 3;
    assert_eq!(wire.connection.in_flight(), 2);
    assert!(!wire.connection.wants_write(wire.now), "the second waits");
    wire.now += SECOND;
    wire.connection.handle_timeout(wire.now).unwrap();
    wire.write_in_steps(usize::MAX);
    assert_eq!(wire.sent.len() + 3, whole * 2);
}

#[test]
fn a_shorter_throttle_does_not_cut_a_longer_one() {
    let mut wire = Wire::ready();
    wire.connection.note_throttle(wire.now, SECOND * 5);
    wire.connection.note_throttle(wire.now, SECOND);
    wire.connection.note_throttle(wire.now, Duration::ZERO);
    assert_eq!(wire.connection.muted_until(), Some(wire.now + SECOND * 5));
}

#[test]
fn before_kip_219_the_broker_has_already_waited() {
    let mut wire = Wire::open(None);
    let sent = wire.next_sent().unwrap();
    let old = versions(&[(ApiKey::FindCoordinator, 0, 1)]);
    wire.answer(ApiKey::ApiVersions, sent.version, sent.correlation, &old).unwrap();
    let request = FindCoordinatorRequest::default();
    let id = wire.connection.send(wire.now, &request, 1, wire.now + SECOND, true).unwrap();
    wire.write_in_steps(usize::MAX);
    let answer = FindCoordinatorResponse { throttle_time_ms: 5_000, ..Default::default() };
    wire.answer(ApiKey::FindCoordinator, 1, id, &answer).unwrap();
    assert_eq!(wire.connection.muted_until(), None);
}

#[test]
fn a_request_without_an_answer_is_done_when_its_last_byte_has_left() {
    let mut wire = Wire::ready();
    let deadline = wire.now + SECOND;
    let version = MetadataRequest::VERSIONS.max;
    let id = wire.connection.send(wire.now, &MetadataRequest::default(), version, deadline, false).unwrap();
    assert_eq!((wire.connection.in_flight(), wire.connection.poll_written()), (1, None));
    wire.write_in_steps(4);
    assert_eq!((wire.connection.in_flight(), wire.connection.poll_written()), (0, Some(id)));
}

#[test]
fn an_idle_connection_ends_without_counting_as_a_failure() {
    let mut wire = Wire::ready();
    assert_eq!(wire.connection.next_timeout(), Some(wire.now + SECOND * 540));
    wire.now += SECOND * 540;
    assert!(matches!(wire.connection.handle_timeout(wire.now), Err(ClosedBy::Idleness(_))));
    assert!(matches!(Wire::ready().connection.handle_end(true, false), ClosedBy::Idleness(_)));
}

#[test]
fn a_connection_that_waits_for_an_answer_is_not_idle() {
    let mut wire = Wire::ready();
    wire.send_metadata(wire.now + SECOND * 1_000);
    wire.write_in_steps(usize::MAX);
    wire.now += SECOND * 600;
    wire.connection.handle_timeout(wire.now).unwrap();
    assert!(
        matches!(wire.connection.handle_end(true, false), ClosedBy::Failure(error) if error.possibly_written())
    );
}

#[test]
fn an_end_before_the_first_answer_hints_at_what_listens_there() {
    let wire = Wire::open(None);
    let ClosedBy::Failure(error) = wire.connection.handle_end(false, false) else { panic!("a failure") };
    assert_eq!(error.kind(), ErrorKind::Transport);
    assert!(error.hint().unwrap().contains("security.protocol"), "{error}");
}

#[test]
fn no_frame_of_a_hostile_broker_makes_the_machine_panic() {
    for length in 0..12 {
        for byte in [0x00, 0x01, 0x7f, 0x80, 0xff] {
            let mut wire = Wire::open(None);
            wire.write_in_steps(usize::MAX);
            let mut frame = vec![0, 0, 0, 0];
            frame.resize(length, byte);
            let outcome = wire.connection.handle_frame(wire.now, frame.into());
            assert!(
                outcome.is_err()
                    || wire.connection.versions().is_some_and(|v| v.max(ApiKey::Fetch).is_none())
            );
        }
    }
}

#[test]
fn a_version_that_the_sides_do_not_share_names_both_ranges() {
    let mut wire = Wire::open(None);
    let sent = wire.next_sent().unwrap();
    let response = versions(&[(ApiKey::Metadata, 90, 99)]);
    wire.answer(ApiKey::ApiVersions, sent.version, sent.correlation, &response).unwrap();
    let error = wire.connection.versions().unwrap().version_for::<MetadataRequest>().unwrap_err();
    assert_eq!(
        error.to_string(),
        "no version of Metadata in common: the broker speaks 90-99, this client 0-13 (broker mock-1:9092)"
    );
    assert_eq!(MetadataRequest::KEY, ApiKey::Metadata);
}
