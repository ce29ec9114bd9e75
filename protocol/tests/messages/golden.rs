//! Frames that Java and foreign clients wrote: each decodes, encodes again to the same bytes, and its JSON builds
//! to the same bytes.
use std::collections::BTreeSet;
use std::io::Read;
use std::path::Path;

use bytes::Bytes;
use courant_protocol::api::ApiKey;
use courant_protocol::error_code::ErrorCode;
use courant_protocol::frame;
use courant_protocol::messages::{AnyRequest, AnyResponse, ApiVersionsRequest};
use courant_protocol::wire::{Frame, Reader};
use serde_json::Value;

use crate::builders;

/// A line of a golden file.
pub(crate) struct Golden {
    line: Value,
    pub(crate) key: ApiKey,
    pub(crate) version: i16,
    pub(crate) request: bool,
    pub(crate) frame: Bytes,
}

impl Golden {
    fn parse(line: &str) -> Self {
        let line: Value = serde_json::from_str(line).expect("JSON");
        let number = |name: &str| line.get(name).and_then(Value::as_i64).map(|number| number as i16);
        let key = ApiKey::try_from(number("key").expect("key")).expect("a known key");
        Self {
            key,
            version: number("response_version").or(number("version")).expect("version"),
            request: line["kind"] == "request",
            frame: hex(line["hex"].as_str().expect("hex")),
            line,
        }
    }

    pub(crate) fn case(&self) -> &str {
        self.line["case"].as_str().unwrap_or_default()
    }

    pub(crate) fn json(&self) -> &Value {
        &self.line["json"]
    }

    fn bytes_left(&self) -> usize {
        self.line["bytes_left"].as_u64().unwrap_or_default() as usize
    }

    /// The message without its header.
    pub(crate) fn body(&self) -> Bytes {
        self.frame.slice(self.line["header_len"].as_u64().expect("header_len") as usize..)
    }

    fn describe(&self) -> String {
        let kind = if self.request { "request" } else { "response" };
        format!("{} v{} {kind} {} {}", self.key, self.version, self.case(), self.line["client"])
    }
}

/// All lines of the golden files in `folder`.
pub(crate) fn read(folder: &str) -> Vec<Golden> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/frames").join(folder);
    let mut paths: Vec<_> =
        std::fs::read_dir(folder).expect("golden data").map(|entry| entry.expect("a file").path()).collect();
    paths.sort();
    let mut lines = Vec::new();
    for path in paths {
        let mut text = String::new();
        let file = std::fs::File::open(&path).expect("a golden file");
        flate2::read::GzDecoder::new(file).read_to_string(&mut text).expect("gzip");
        lines.extend(text.lines().map(Golden::parse));
    }
    lines
}

fn hex(text: &str) -> Bytes {
    (0..text.len() / 2)
        .map(|place| u8::from_str_radix(&text[2 * place..2 * place + 2], 16).expect("hex"))
        .collect()
}

/// Decodes the frame, checks what it decodes to, and gives the frame that we would have written.
fn check(golden: &Golden) -> Frame {
    let mut reader = Reader::new(golden.frame.clone());
    let (key, version) = (golden.key, golden.version);
    let frame = if golden.request {
        let header = frame::decode_request_header(&mut reader).expect("header");
        assert_eq!((header.api_key, header.api_version), (key.into(), version));
        let message = AnyRequest::decode(key, version, &mut reader).expect("request");
        assert_eq!(builders::request_from_json(key, golden.json()), Some(message.clone()));
        let client_id = header.client_id.as_deref();
        frame::encode_request_with(key, version, header.correlation_id, client_id, |writer| {
            message.encode(writer, version)
        })
    } else {
        let correlation_id = frame::decode_response_header(&mut reader, key, version).expect("header");
        let message = AnyResponse::decode(key, version, &mut reader).expect("response");
        assert_eq!(builders::response_from_json(key, golden.json()), Some(message.clone()));
        frame::encode_response_with(key, version, correlation_id, |writer| message.encode(writer, version))
    };
    assert_eq!(reader.remaining(), golden.bytes_left(), "bytes after the message");
    frame.expect("a frame")
}

/// Checks every frame of `folder`, and says how many there were.
fn check_all(folder: &str) -> usize {
    let lines = read(folder);
    for golden in &lines {
        let written =
            std::panic::catch_unwind(|| check(golden)).unwrap_or_else(|_| panic!("{}", golden.describe()));
        if golden.case() != "unknown-tags" {
            let kept = golden.frame.slice(..golden.frame.len() - golden.bytes_left());
            assert_eq!(written.into_bytes().slice(4..), kept, "{}", golden.describe());
        }
    }
    lines.len()
}

#[test]
fn every_message_in_every_version_is_written_as_java_writes_it() {
    assert_eq!(check_all("sweep"), 2_217);
}

#[test]
fn recorded_traffic_of_foreign_clients_is_written_as_they_wrote_it() {
    assert_eq!(check_all("traffic"), 1_144);
}

#[test]
fn whole_recorded_conversations_are_written_as_they_were() {
    assert_eq!(check_all("sessions"), 706);
}

#[test]
fn every_api_and_every_known_version_is_in_the_sweep() {
    let mut seen: BTreeSet<(ApiKey, bool, i16)> = BTreeSet::new();
    seen.extend(read("sweep").iter().map(|golden| (golden.key, golden.request, golden.version)));
    let known = ApiKey::ALL.iter().flat_map(|key| {
        let versions = key.known_versions();
        (versions.min..=versions.max).flat_map(|version| [(*key, false, version), (*key, true, version)])
    });
    assert_eq!(known.collect::<BTreeSet<_>>(), seen);
}

#[test]
fn header_versions_are_those_of_the_recordings() {
    for golden in ["sweep", "traffic"].into_iter().flat_map(read) {
        let expected = golden.line["header_version"].as_i64().map(|version| version as i16);
        let ours = match golden.request {
            true => golden.key.request_header_version(golden.version),
            false => golden.key.response_header_version(golden.version),
        };
        assert_eq!(Some(ours), expected, "{}", golden.describe());
    }
}

#[test]
fn an_answer_to_a_too_new_api_versions_is_read_as_version_0() {
    let golden = read("traffic").into_iter().find(|golden| golden.line.get("response_version").is_some());
    let frame = golden.expect("a broker that refuses").frame;
    let (_, response) = frame::decode_response::<ApiVersionsRequest>(frame, 5).expect("a response");
    assert_eq!(response.error_code, ErrorCode::UNSUPPORTED_VERSION.0);
    let keys: Vec<(i16, i16, i16)> =
        response.api_keys.iter().map(|api| (api.api_key, api.min_version, api.max_version)).collect();
    assert_eq!(keys, [(18, 0, 4)]);
}
